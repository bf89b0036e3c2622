//! Why a connection ended.

use std::fmt;
use std::io;
use std::time::Duration;

use super::{AuthError, CompressionLack};
use crate::protocol::segment::SegmentError;
use crate::protocol::{DecodeError, EncodeError, ServerError, Version};

/// A step on the way to a connection that takes requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Opening the TCP connection.
    Tcp,
    /// The TLS handshake.
    Tls,
    /// OPTIONS until SUPPORTED, where compression is asked for.
    Options,
    /// STARTUP until READY or AUTHENTICATE.
    Startup,
    /// AUTH_RESPONSE until AUTH_SUCCESS.
    Authentication,
    /// A question to the program's own authenticator until its reply.
    Authenticator,
    /// `USE` of the session's keyspace.
    Keyspace,
}

/// Why a connection ended, or never became ready.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectionError {
    /// The name could not be looked up.
    Resolve(io::Error),
    /// TCP could not connect.
    Connect(io::Error),
    /// A step of the handshake took too long.
    HandshakeTimeout(Step, Duration),
    /// The peer closed the connection; `Some` if it did during the handshake.
    ClosedByPeer(Option<Step>),
    /// Reading or writing failed.
    Io(io::Error),
    /// TLS failed, or ended where it should not.
    #[cfg(feature = "tls")]
    Tls(crate::tls::TlsError),
    /// The first bytes are not CQL's.
    NotCql {
        /// What came first, up to eight bytes.
        first: Vec<u8>,
    },
    /// An envelope of another protocol version, or a request where a response should be.
    WrongVersion {
        /// What was agreed.
        agreed: Version,
        /// The header's first byte.
        byte: u8,
    },
    /// A frame's length is beyond the limit.
    FrameTooLong {
        /// What the header says.
        bytes: u32,
        /// The limit.
        bytes_max: u32,
    },
    /// A v5 segment is broken.
    Segment(SegmentError),
    /// v5: an envelope doesn't end where its self-contained segment does.
    CutEnvelope,
    /// An envelope's opcode is none of a response, or not one that can come here.
    UnexpectedOpcode {
        /// The opcode.
        opcode: u8,
        /// What was awaited.
        awaited: &'static str,
    },
    /// An answer to a request that was not made: stream ids can't be trusted any more.
    UnexpectedStream(i16),
    /// A handshake message can't be read.
    Decode(DecodeError),
    /// A handshake message can't be written: a name or password is too long.
    Encode(EncodeError),
    /// The server speaks none of the versions that may be used.
    NoCommonVersion {
        /// The lowest that was tried.
        tried: Version,
        /// What the server said.
        message: Box<str>,
    },
    /// The server refused the version; the next connection greets it with this one.
    LowerVersion(Version),
    /// The node speaks another version than the session.
    VersionDiffers {
        /// The session's.
        session: Version,
    },
    /// The session insists on a compression that can't be had.
    NoCompression(CompressionLack),
    /// The server wants credentials and none were given.
    CredentialsMissing {
        /// The server's authenticator class.
        authenticator: Box<str>,
    },
    /// The program's own authenticator refused to go on, or the server that it talked to.
    AuthenticatorRefused {
        /// The server's authenticator class.
        authenticator: Box<str>,
        /// Why.
        error: AuthError,
    },
    /// The program's own authenticator dropped its reply, or panicked.
    AuthenticatorGone {
        /// The server's authenticator class.
        authenticator: Box<str>,
    },
    /// The server goes on with its challenges and comes to no end.
    TooManyChallenges(u8),
    /// The server refused the credentials.
    CredentialsRefused {
        /// Whose.
        user: Box<str>,
        /// What the server said.
        error: ServerError,
    },
    /// The server answered a handshake step with an error.
    Refused(Step, ServerError),
    /// A heartbeat had no answer.
    HeartbeatLost(Duration),
    /// Too many answers are awaited that nobody wants: the node or the connection is stuck.
    TooManyOrphans(usize),
    /// The session is closing.
    Closing,
}

#[cfg(feature = "tls")]
impl From<crate::tls::TlsError> for ConnectionError {
    fn from(error: crate::tls::TlsError) -> Self {
        Self::Tls(error)
    }
}

impl ConnectionError {
    /// Whether the connection could go on, but for this side's decision.
    pub(crate) fn is_ours(&self) -> bool {
        !matches!(self, Self::Connect(_) | Self::ClosedByPeer(_) | Self::Io(_))
    }

    /// What the first bytes of a peer that doesn't speak CQL look like, for the message.
    fn guess(first: &[u8]) -> &'static str {
        match first {
            [0x15, 3, ..] => {
                "this is a TLS alert: the port wants TLS, so give the builder a TLS configuration"
            }
            [b'H', b'T', b'T', b'P', ..] => "this is an HTTP server",
            [b'S', b'S', b'H', b'-', ..] => "this is an SSH server",
            _ => "is this the native transport port (9042 by default)?",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "opening the TCP connection",
            Self::Tls => "the TLS handshake (does the port have TLS?)",
            Self::Options => "OPTIONS",
            Self::Startup => "STARTUP",
            Self::Authentication => "authentication",
            Self::Authenticator => "the program's authenticator",
            Self::Keyspace => "USE of the keyspace",
        })
    }
}

impl fmt::Display for ConnectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resolve(error) => write!(f, "the name can't be resolved: {error}"),
            Self::Connect(error) => write!(f, "can't connect: {error}"),
            Self::HandshakeTimeout(Step::Authenticator, after) => {
                write!(f, "the program's authenticator has not replied within {after:?}")
            }
            Self::HandshakeTimeout(step, after) => write!(f, "no answer to {step} within {after:?}"),
            Self::ClosedByPeer(None) => f.write_str("the server closed the connection"),
            Self::ClosedByPeer(Some(step)) => {
                write!(
                    f,
                    "the server closed the connection during {step}; is it Cassandra, and does the port want TLS?"
                )
            }
            Self::Io(error) => write!(f, "I/O failed: {error}"),
            #[cfg(feature = "tls")]
            Self::Tls(error) => error.fmt(f),
            Self::NotCql { first } => {
                write!(f, "the peer doesn't speak CQL (it sent {first:02x?}); {}", Self::guess(first))
            }
            Self::WrongVersion { agreed, byte } => {
                write!(f, "a frame of version byte {byte:#04x} came where protocol {agreed} was agreed")
            }
            Self::FrameTooLong { bytes, bytes_max } => {
                write!(
                    f,
                    "a frame of {bytes} bytes was announced, the limit is {bytes_max}; lower the page size"
                )
            }
            Self::Segment(error) => write!(f, "a broken segment came: {error}"),
            Self::CutEnvelope => f.write_str("an envelope doesn't end where its self-contained segment does"),
            Self::UnexpectedOpcode { opcode, awaited } => {
                write!(f, "opcode {opcode:#04x} came where {awaited} was awaited")
            }
            Self::UnexpectedStream(stream) => {
                write!(f, "an answer came on stream {stream}, which was not in use")
            }
            Self::Decode(error) => write!(f, "a handshake message can't be read: {error}"),
            Self::Encode(error) => write!(f, "a handshake message can't be written: {error}"),
            Self::NoCommonVersion { tried, message } => {
                write!(f, "no common protocol version (down to {tried}); the server says: {message}")
            }
            Self::LowerVersion(version) => write!(f, "the server asks for protocol version {version}"),
            Self::VersionDiffers { session } => {
                write!(f, "the node doesn't speak the session's protocol version {session}")
            }
            Self::NoCompression(lack) => write!(f, "the session insists on compression, but {lack}"),
            Self::CredentialsMissing { authenticator } => {
                write!(
                    f,
                    "the server wants credentials ({authenticator}); give the builder a user and password"
                )
            }
            Self::AuthenticatorRefused { authenticator, error } => {
                write!(f, "the program's authenticator gave the exchange with {authenticator} up: {error}")
            }
            Self::AuthenticatorGone { authenticator } => write!(
                f,
                "the program's authenticator dropped its reply to {authenticator} without an answer (did it panic?)"
            ),
            Self::TooManyChallenges(n) => write!(f, "authentication came to no end within {n} challenges"),
            Self::CredentialsRefused { user, error } => write!(f, "user '{user}' was refused: {error}"),
            Self::Refused(step, error) => write!(f, "{step} was refused: {error}"),
            Self::HeartbeatLost(after) => write!(f, "no answer to a heartbeat within {after:?}"),
            Self::TooManyOrphans(n) => {
                write!(f, "{n} requests have timed out or were cancelled without an answer")
            }
            Self::Closing => f.write_str("the session is closing"),
        }
    }
}

/// The message holds the words of its causes, and the variants hold the causes: a `source` would say them twice.
impl std::error::Error for ConnectionError {}
