//! What each reactor of helenus must do, mounted once per reactor.
