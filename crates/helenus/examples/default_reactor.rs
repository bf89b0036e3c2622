//! Which reactor a program gets that chooses none: mio if it is compiled in, else the only one that is, else an error that
//! lists them. `cargo xtask features` runs this for every set of them.
//!
//! `cargo run -p helenus --no-default-features --features reactor-uring --example default_reactor -- 127.0.0.1:9042`

use helenus::{ConnectError, Session};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let host = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1".into());
    match Session::builder().contact_point(host).connect().wait() {
        Ok(session) => {
            session.query("SELECT release_version FROM system.local", ()).wait()?.one::<(String,)>()?;
            println!("{}", session.reactor());
            session.close().wait()?;
            Ok(())
        }
        Err(ConnectError::NoReactor { compiled }) => {
            println!("none of {compiled:?}");
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}
