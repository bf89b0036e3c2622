//! Why TLS failed, and what to do.

use std::fmt;

use rustls::{AlertDescription, CertificateError};

/// Why a connection could not be secured, or did not stay so.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum TlsError {
    /// No certificate can be for this name.
    Name {
        /// The text.
        name: Box<str>,
    },
    /// The function that names nodes panicked.
    NamesPanicked,
    /// The node's certificate was refused.
    Certificate {
        /// What it must be for.
        name: Box<str>,
        /// What is wrong.
        problem: CertificateError,
    },
    /// The node answered without TLS.
    NotTls {
        /// What came first, up to eight bytes.
        first: Vec<u8>,
    },
    /// The node refused, or gave up.
    Alert(AlertDescription),
    /// The stream ended without TLS' own end: it was cut, by the end of the node's process or by somebody between.
    Truncated,
    /// The stream ended before the handshake did.
    EndedInHandshake,
    /// Too much came for a handshake.
    HandshakeTooLong {
        /// How much may come.
        bytes_max: usize,
    },
    /// Anything else, in rustls' words.
    Failed(rustls::Error),
}

impl TlsError {
    /// What rustls found wrong with a node that must be called `name`.
    pub(super) fn of(error: rustls::Error, name: &str) -> Self {
        match error {
            rustls::Error::InvalidCertificate(problem) => Self::Certificate { name: name.into(), problem },
            rustls::Error::AlertReceived(alert) => Self::Alert(alert),
            other => Self::Failed(other),
        }
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name { name } => write!(
                f,
                "no certificate can be for '{name}'; give a host name or an address, by the contact point or by the TLS \
                 configuration's server names"
            ),
            Self::NamesPanicked => f.write_str("the function that names nodes for TLS panicked"),
            Self::Certificate { name, problem } => certificate(f, name, problem),
            Self::NotTls { first } if speaks_cql(first) => f.write_str(
                "the node answered in CQL without TLS: this port has none; connect without TLS, or to the port that has it \
                 (client_encryption_options in cassandra.yaml)",
            ),
            Self::NotTls { first } => {
                write!(f, "the peer does not speak TLS (it sent {first:02x?}); is this the port of a Cassandra node?")
            }
            Self::Alert(alert) => refusal(f, *alert),
            Self::Truncated => f.write_str(
                "the connection was cut: it ended without TLS' close_notify, as when the node is killed or something between \
                 closes connections",
            ),
            Self::EndedInHandshake => f.write_str(
                "the node closed the connection during the TLS handshake; does the port have TLS, and does the node's log say \
                 why it refused?",
            ),
            Self::HandshakeTooLong { bytes_max } => {
                write!(f, "the node sent more than {bytes_max} bytes that no TLS handshake needs")
            }
            Self::Failed(error) => write!(f, "TLS failed: {error}"),
        }
    }
}

impl std::error::Error for TlsError {}

/// Whether these can be the first bytes of a CQL response.
pub(super) fn speaks_cql(first: &[u8]) -> bool {
    first.first().is_some_and(|first| matches!(first, 0x81..=0x86))
}

fn certificate(f: &mut fmt::Formatter<'_>, name: &str, problem: &CertificateError) -> fmt::Result {
    write!(f, "the node's certificate was refused: {problem}; ")?;
    use CertificateError as P;
    match problem {
        P::Expired | P::ExpiredContext { .. } => {
            f.write_str("replace it on the node, or set this machine's clock if it is wrong")
        }
        P::NotValidYet | P::NotValidYetContext { .. } => f.write_str("is this machine's clock right?"),
        P::UnknownIssuer => f.write_str(
            "none of the given roots has signed it: give the certificate of the authority that did, or the node's own if it \
             signed itself",
        ),
        P::NotValidForName | P::NotValidForNameContext { .. } => write!(
            f,
            "the node was to be '{name}': give the contact point by a name that is in the certificate, or say by the TLS \
             configuration's server names what the node is called there"
        ),
        P::InvalidPurpose | P::InvalidPurposeContext { .. } => {
            f.write_str("it must be one for servers (extended key usage serverAuth)")
        }
        P::Other(_) if is_authority(problem) => f.write_str(
            "it is an authority's certificate (CA:TRUE), which must not be a node's own: issue the node one that it signs",
        ),
        P::BadSignature => f.write_str(
            "a given root has the name of the authority that signed it, but another key: is it the right root, and not an \
             earlier one of the same name?",
        ),
        _ => write!(f, "the node was to be '{name}'"),
    }
}

/// rustls has no variant of its own for this; webpki's is named so.
fn is_authority(problem: &CertificateError) -> bool {
    format!("{problem:?}").contains("CaUsedAsEndEntity")
}

fn refusal(f: &mut fmt::Formatter<'_>, alert: AlertDescription) -> fmt::Result {
    write!(f, "the node ended TLS with the alert {alert:?}; ")?;
    use AlertDescription as A;
    f.write_str(match alert {
        A::CertificateRequired => "it wants a client certificate, and none was given",
        A::UnknownCA | A::BadCertificate | A::CertificateUnknown | A::DecryptError => {
            "it refused the client certificate, or wants one: is it signed by an authority in the node's truststore?"
        }
        A::CertificateExpired => "the client certificate has expired",
        A::CertificateRevoked => "the client certificate was revoked",
        A::UnsupportedCertificate => "the client certificate must be one for clients (extended key usage clientAuth)",
        A::HandshakeFailure | A::InsufficientSecurity => {
            "there is no cipher suite in common, or it wants a client certificate; see cipher_suites in cassandra.yaml"
        }
        A::ProtocolVersion => "there is no TLS version in common; this driver speaks 1.2 and 1.3",
        A::UnrecognisedName => "it knows no server of the name that was asked for (SNI)",
        _ => "the node's log may say why",
    })
}
