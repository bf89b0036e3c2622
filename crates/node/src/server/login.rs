//! PLAIN authentication (RFC 4616), as Cassandra's PasswordAuthenticator does it.

use std::collections::BTreeMap;
use std::fmt;

use helenus_core::protocol::ErrorKind;

use crate::refusal::Refusal;

/// The class that AUTHENTICATE names, which clients compare with those that they trust.
pub(super) const AUTHENTICATOR: &str = "org.apache.cassandra.auth.PasswordAuthenticator";

/// Who may come in. Nobody has to say who they are if there are none.
#[derive(Clone, Default)]
pub(crate) struct Users(BTreeMap<String, String>);

impl fmt::Debug for Users {
    /// Without passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Users {
    pub(crate) fn add(&mut self, user: String, password: String) {
        self.0.insert(user, password);
    }

    pub(super) fn are_asked(&self) -> bool {
        !self.0.is_empty()
    }

    /// Judges the token of an AUTH_RESPONSE.
    pub(super) fn check(&self, token: Option<&[u8]>) -> Result<(), Refusal> {
        let format = "Credential format error: username or password is empty or contains NUL(\\0) character";
        let (user, password) = split(token.unwrap_or_default()).ok_or_else(|| refused(format.into()))?;
        match self.0.get(user.as_ref()) {
            Some(right) if *right == *password => Ok(()),
            _ => Err(refused(format!("Provided username {user} and/or password are incorrect"))),
        }
    }
}

type Text<'a> = std::borrow::Cow<'a, str>;

/// User and password of `[on behalf of] NUL user NUL password`; the first is ignored.
fn split(token: &[u8]) -> Option<(Text<'_>, Text<'_>)> {
    let mut parts = token.split(|byte| *byte == 0);
    let (_on_behalf_of, user, password) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || user.is_empty() || password.is_empty() {
        return None;
    }
    Some((String::from_utf8_lossy(user), String::from_utf8_lossy(password)))
}

fn refused(message: String) -> Refusal {
    Refusal::new(ErrorKind::Authentication, crate::refusal::clipped(&message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_those_of_plain() {
        let mut users = Users::default();
        assert!(!users.are_asked());
        users.add("cassandra".into(), "secret".into());
        assert!(users.are_asked());
        for good in [&b"\0cassandra\0secret"[..], b"other\0cassandra\0secret"] {
            assert_eq!(users.check(Some(good)), Ok(()));
        }
        for (bad, message) in [
            (&b"\0cassandra\0wrong"[..], "Provided username cassandra and/or password are incorrect"),
            (b"\0nobody\0secret", "Provided username nobody and/or password are incorrect"),
            (b"\0cassandra\0", "Credential format error"),
            (b"\0\0secret", "Credential format error"),
            (b"\0cassandra\0secret\0", "Credential format error"),
            (b"cassandra", "Credential format error"),
            (b"", "Credential format error"),
        ] {
            let error = users.check(Some(bad)).unwrap_err();
            assert_eq!(error.code(), 0x0100);
            assert!(error.message.starts_with(message), "{error}");
        }
        assert!(users.check(None).is_err());
        assert!(!format!("{users:?}").contains("secret"));
    }
}
