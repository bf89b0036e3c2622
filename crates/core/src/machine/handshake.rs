//! From a TCP connection to one that takes requests: OPTIONS if compression is asked for, STARTUP, authentication, USE.
//! Decisions only; no bytes move here.

use super::authenticator::{AuthAnswer, AuthSlot, Exchange, Question};
use super::{Authentication, CompressionLack, Config, ConnectionError, Credentials, Step};
use crate::protocol::request::{AuthResponse, Query, Startup};
use crate::protocol::response::{Message, Response, ResultMessage, Supported};
use crate::protocol::{
    Compression, EncodeError, ErrorKind, Flags, Header, Opcode, ServerError, Version, envelope,
};

/// The handshake of one connection.
#[derive(Debug)]
pub(crate) struct Handshake {
    step: Step,
    version: Version,
    /// AUTH_CHALLENGEs so far; a server that never ends is given up.
    rounds: u8,
    /// The server's authenticator class.
    authenticator: Box<str>,
    /// With the program's own authenticator, and where its answers come.
    pub(crate) exchange: Exchange,
    pub(crate) slot: AuthSlot,
    /// What STARTUP asked for.
    compression: Option<Compression>,
    /// Why it didn't ask for what the session wants.
    lack: Option<CompressionLack>,
}

/// What to do after an answer.
pub(crate) enum Next {
    /// Send this and wait for its answer.
    Send(Vec<u8>),
    /// Ask the program's own authenticator this, and wait for its answer.
    Ask(Question),
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
    pub(crate) fn begin(version: Version, config: &Config) -> Result<(Self, Vec<u8>), ConnectionError> {
        let mut handshake = Self {
            step: Step::Options,
            version,
            rounds: 0,
            authenticator: "".into(),
            exchange: Exchange::default(),
            slot: AuthSlot::default(),
            compression: None,
            lack: None,
        };
        // What a server can't do it refuses and closes the connection, so it is asked before.
        let first = match config.compression {
            Some(_) => frame(version, Opcode::Options, |_| Ok(())),
            None => handshake.startup(),
        };
        Ok((handshake, first.map_err(ConnectionError::Encode)?))
    }

    pub(crate) fn step(&self) -> Step {
        self.step
    }

    /// The class name of the server's authenticator; empty as long as it hasn't asked.
    pub(crate) fn authenticator(&self) -> &str {
        &self.authenticator
    }

    /// How the connection is compressed once the server has answered STARTUP.
    pub(crate) fn compression(&self) -> Option<Compression> {
        self.compression
    }

    /// Why it is not compressed as it should be.
    pub(crate) fn into_lack(self) -> Option<CompressionLack> {
        self.lack
    }

    fn startup(&mut self) -> Result<Vec<u8>, EncodeError> {
        self.step = Step::Startup;
        let mut options = vec![
            (Startup::CQL_VERSION, "3.0.0"),
            (Startup::DRIVER_NAME, "helenus"),
            (Startup::DRIVER_VERSION, env!("CARGO_PKG_VERSION")),
        ];
        options.extend(self.compression.map(|compression| (Startup::COMPRESSION, compression.name())));
        frame(self.version, Opcode::Startup, |out| Startup { options }.put(self.version, out))
    }

    fn supported(&mut self, supported: &Supported<'_>, config: &Config) -> Next {
        let choice = config.compression.map(|asked| choose(asked, self.version, supported)).transpose();
        match choice {
            Ok(compression) => self.compression = compression,
            Err(lack) if config.compression_required => {
                return Next::Fail(ConnectionError::NoCompression(lack));
            }
            Err(lack) => self.lack = Some(lack),
        }
        send(self.startup())
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
            (Step::Options | Step::Startup, Message::Error(error))
                if refuses_version(&error, header, self.version) =>
            {
                self.lower(header, error)
            }
            (step, Message::Error(error)) => Next::Fail(refusal(step, error, config)),
            _ if header.version != self.version.byte() => {
                Next::Fail(ConnectionError::WrongVersion { agreed: self.version, byte: header.version })
            }
            (Step::Options, Message::Supported(supported)) => self.supported(&supported, config),
            (Step::Startup, Message::Ready) => self.use_keyspace(config),
            (Step::Startup, Message::Authenticate { authenticator }) => {
                self.authenticate(authenticator, config)
            }
            (Step::Authentication, Message::AuthChallenge(token)) => self.challenge(token, config),
            (Step::Authentication, Message::AuthSuccess(token)) => self.success(token, config),
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
        self.authenticator = authenticator.into();
        match &config.authentication {
            Authentication::None => {
                Next::Fail(ConnectionError::CredentialsMissing { authenticator: authenticator.into() })
            }
            Authentication::Plain(credentials) => self.plain(credentials),
            Authentication::By(_) => self.ask(Question::Initial),
        }
    }

    fn plain(&mut self, credentials: &Credentials) -> Next {
        self.auth_response(&credentials.plain_token())
    }

    fn ask(&mut self, question: Question) -> Next {
        self.step = Step::Authenticator;
        Next::Ask(question)
    }

    fn auth_response(&mut self, token: &[u8]) -> Next {
        self.step = Step::Authentication;
        let version = self.version;
        send(frame(version, Opcode::AuthResponse, |out| {
            AuthResponse { token: Some(token) }.put(version, out)
        }))
    }

    fn challenge(&mut self, token: Option<&[u8]>, config: &Config) -> Next {
        self.rounds += 1;
        if self.rounds > ROUNDS_MAX {
            return Next::Fail(ConnectionError::TooManyChallenges(ROUNDS_MAX));
        }
        match &config.authentication {
            // PLAIN has one round, but some servers challenge before they listen.
            Authentication::Plain(credentials) => self.plain(credentials),
            _ => self.ask(Question::Challenge(token.map(<[u8]>::to_vec))),
        }
    }

    fn success(&mut self, token: Option<&[u8]>, config: &Config) -> Next {
        match &config.authentication {
            Authentication::By(_) => self.ask(Question::Success(token.map(<[u8]>::to_vec))),
            _ => self.use_keyspace(config),
        }
    }

    /// Decides on what the program's own authenticator has answered.
    pub(crate) fn authenticator_answered(&mut self, answer: AuthAnswer, config: &Config) -> Next {
        let authenticator = self.authenticator.clone();
        match answer {
            AuthAnswer::Token(token) => self.auth_response(&token),
            AuthAnswer::Content => self.use_keyspace(config),
            AuthAnswer::Refused(error) => {
                Next::Fail(ConnectionError::AuthenticatorRefused { authenticator, error })
            }
            AuthAnswer::Dropped => Next::Fail(ConnectionError::AuthenticatorGone { authenticator }),
        }
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
            Step::Authentication => "AUTH_SUCCESS or AUTH_CHALLENGE",
            Step::Authenticator => "nothing",
            Step::Keyspace => "RESULT Set_keyspace",
            Step::Options => "SUPPORTED",
            Step::Tcp | Step::Tls | Step::Startup => "READY or AUTHENTICATE",
        }
    }
}

/// Whether a connection can be compressed as it should be.
fn choose(
    asked: Compression,
    version: Version,
    supported: &Supported<'_>,
) -> Result<Compression, CompressionLack> {
    if !asked.is_compiled_in() {
        return Err(CompressionLack::Build { asked });
    }
    // Servers list what they can do in any version, also to those who speak v5.
    if version.has_segments() && asked != Compression::Lz4 {
        return Err(CompressionLack::Version { asked, version });
    }
    let named = supported.iter().find(|(name, _)| name.eq_ignore_ascii_case(Startup::COMPRESSION));
    let offers = named.map_or(&[][..], |(_, values)| values);
    match offers.iter().any(|name| Compression::from_name(name) == Some(asked)) {
        true => Ok(asked),
        false => {
            // For people to read; a server may send any length of it.
            let offers: String = offers.join(", ").chars().take(80).collect();
            Err(CompressionLack::Node { asked, offers: offers.into() })
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
    match (&error.kind, &config.authentication) {
        (ErrorKind::Authentication, Authentication::Plain(credentials)) => {
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
