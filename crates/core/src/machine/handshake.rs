//! From a TCP connection to one that takes requests: STARTUP, authentication, USE. Decisions only; no bytes move here.

use super::{Config, ConnectionError, Step};
use crate::protocol::request::{AuthResponse, Query, Startup};
use crate::protocol::response::{Message, Response, ResultMessage};
use crate::protocol::{EncodeError, ErrorKind, Flags, Header, Opcode, ServerError, Version, envelope};

/// The handshake of one connection.
#[derive(Debug)]
pub(crate) struct Handshake {
    step: Step,
    version: Version,
    /// AUTH_CHALLENGEs so far; a server that never ends is given up.
    rounds: u8,
}

/// What to do after an answer.
#[derive(Debug)]
pub(crate) enum Next {
    /// Send this and wait for its answer.
    Send(Vec<u8>),
    /// The connection takes requests.
    Ready,
    /// The server doesn't speak this version; begin again on a new connection with that one.
    Lower(Version),
    /// It won't become ready.
    Fail(ConnectionError),
}

const ROUNDS_MAX: u8 = 16;

impl Handshake {
    /// The handshake, and its first frame.
    pub(crate) fn begin(version: Version) -> Result<(Self, Vec<u8>), ConnectionError> {
        let options = [
            ("CQL_VERSION", "3.0.0"),
            ("DRIVER_NAME", "helenus"),
            ("DRIVER_VERSION", env!("CARGO_PKG_VERSION")),
        ];
        let frame =
            frame(version, Opcode::Startup, |out| Startup { options: options.to_vec() }.put(version, out));
        Ok((Self { step: Step::Startup, version, rounds: 0 }, frame.map_err(ConnectionError::Encode)?))
    }

    pub(crate) fn step(&self) -> Step {
        self.step
    }

    /// Decides on the answer to the last frame.
    pub(crate) fn answer(&mut self, header: &Header, body: &[u8], config: &Config) -> Next {
        // A server that refuses the version answers in one of its own choice.
        let decoded_as = Version::from_byte(header.version).unwrap_or(self.version);
        let message = match Response::decode(decoded_as, header, body) {
            Ok(response) => response.message,
            Err(error) => return Next::Fail(ConnectionError::Decode(error)),
        };
        match (self.step, message) {
            (Step::Startup, Message::Error(error)) if refuses_version(&error, header, self.version) => {
                self.lower(header, error)
            }
            (step, Message::Error(error)) => Next::Fail(refusal(step, error, config)),
            _ if header.version != self.version.byte() => {
                Next::Fail(ConnectionError::WrongVersion { agreed: self.version, byte: header.version })
            }
            (Step::Startup, Message::Ready) | (Step::Authentication, Message::AuthSuccess { .. }) => {
                self.use_keyspace(config)
            }
            (Step::Startup, Message::Authenticate { authenticator }) => {
                self.authenticate(authenticator, config)
            }
            (Step::Authentication, Message::AuthChallenge { .. }) => self.challenge(header.opcode, config),
            (Step::Keyspace, Message::Result(ResultMessage::SetKeyspace { .. })) => Next::Ready,
            (_, _) => Next::Fail(ConnectionError::UnexpectedOpcode {
                opcode: header.opcode,
                awaited: self.awaited(),
            }),
        }
    }

    fn lower(&self, header: &Header, error: ServerError) -> Next {
        let offered = Version::from_byte(header.version).filter(|offered| *offered < self.version);
        match offered.or(self.version.lower()) {
            Some(lower) => Next::Lower(lower),
            None => {
                Next::Fail(ConnectionError::NoCommonVersion { tried: self.version, message: error.message })
            }
        }
    }

    fn authenticate(&mut self, authenticator: &str, config: &Config) -> Next {
        let Some(credentials) = &config.credentials else {
            return Next::Fail(ConnectionError::CredentialsMissing { authenticator: authenticator.into() });
        };
        self.step = Step::Authentication;
        let token = credentials.plain_token();
        let version = self.version;
        send(frame(version, Opcode::AuthResponse, |out| {
            AuthResponse { token: Some(&token) }.put(version, out)
        }))
    }

    /// PLAIN has one round, but some servers challenge before they listen.
    fn challenge(&mut self, opcode: u8, config: &Config) -> Next {
        self.rounds += 1;
        if self.rounds > ROUNDS_MAX {
            return Next::Fail(ConnectionError::UnexpectedOpcode { opcode, awaited: "AUTH_SUCCESS" });
        }
        self.authenticate("", config)
    }

    fn use_keyspace(&mut self, config: &Config) -> Next {
        let Some(keyspace) = &config.keyspace else { return Next::Ready };
        self.step = Step::Keyspace;
        let text = format!("USE {}", quoted(keyspace));
        let version = self.version;
        send(frame(version, Opcode::Query, |out| Query::new(&text).put(version, out)))
    }

    fn awaited(&self) -> &'static str {
        match self.step {
            Step::Authentication => "AUTH_SUCCESS",
            Step::Keyspace => "RESULT Set_keyspace",
            Step::Tcp | Step::Startup => "READY or AUTHENTICATE",
        }
    }
}

/// An envelope whose stream is blank.
pub(crate) fn frame(
    version: Version,
    opcode: Opcode,
    put: impl FnOnce(&mut Vec<u8>) -> Result<(), EncodeError>,
) -> Result<Vec<u8>, EncodeError> {
    let mut out = Vec::with_capacity(128);
    let start = envelope::begin(&mut out, version, Flags::NONE, opcode);
    put(&mut out)?;
    envelope::finish(&mut out, start)?;
    Ok(out)
}

fn send(frame: Result<Vec<u8>, EncodeError>) -> Next {
    frame.map_or_else(|error| Next::Fail(ConnectionError::Encode(error)), Next::Send)
}

fn refuses_version(error: &ServerError, header: &Header, version: Version) -> bool {
    matches!(error.kind, ErrorKind::Protocol)
        && (header.version != version.byte()
            || error.message.contains("protocol version")
            || error.message.contains("version of the protocol"))
}

fn refusal(step: Step, error: ServerError, config: &Config) -> ConnectionError {
    match (&error.kind, &config.credentials) {
        (ErrorKind::Authentication, Some(credentials)) => {
            ConnectionError::CredentialsRefused { user: (&*credentials.user).into(), error }
        }
        _ => ConnectionError::Refused(step, error),
    }
}

/// A keyspace name as CQL wants it: quoted unless it is lower-case and plain, so that no name can carry CQL with it.
fn quoted(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keyspace_names_cannot_carry_cql() {
        assert_eq!(quoted("ks_1"), "ks_1");
        assert_eq!(quoted("Ks"), "\"Ks\"");
        assert_eq!(quoted("a\"; DROP"), "\"a\"\"; DROP\"");
    }
}
