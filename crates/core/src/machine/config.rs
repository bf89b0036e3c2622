//! What a machine is told at its birth.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::Authentication;
use crate::protocol::{Compression, Version};
use crate::reactor::OpenOptions;

/// Where a machine finds its nodes, and its limits. All of it is plain data, so that two machines with the same
/// configuration and the same events do the same.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Names or addresses with ports.
    pub contact_points: Vec<ContactPoint>,
    /// Connections for each contact point, at least one.
    pub connections_per_node: usize,
    /// The protocol version to begin with. Lower ones are tried as servers refuse it, unless `version_fixed`.
    pub version: Version,
    /// Never speak a lower version.
    pub version_fixed: bool,
    /// `USE`d on every connection before it takes requests. Quoted by the machine if need be.
    pub keyspace: Option<Arc<str>>,
    /// How to answer nodes that ask who this is.
    pub authentication: Authentication,
    /// Asked for on every connection. Where node or version don't have it, connections are not compressed, and
    /// [`Agreed::compression_fallback`](super::Agreed::compression_fallback) says so...
    pub compression: Option<Compression>,
    /// ...unless this is set: then they fail.
    pub compression_required: bool,
    /// How connections are secured; `None`: not at all.
    #[cfg(feature = "tls")]
    pub tls: Option<crate::tls::TlsConfig>,
    /// How connections are opened.
    pub open: OpenOptions,
    /// For each step until a connection is ready: TCP, TLS, OPTIONS (where compression is asked for), STARTUP, each authentication
    /// step, USE.
    pub handshake_timeout: Duration,
    /// A connection silent for that long gets a heartbeat (OPTIONS)...
    pub heartbeat_interval: Duration,
    /// ...and is closed if that has no answer for this long.
    pub heartbeat_timeout: Duration,
    /// Pause before the second attempt to open a connection; doubled each time, with jitter.
    pub reconnect_base: Duration,
    /// The longest such pause.
    pub reconnect_max: Duration,
    /// Requests on one connection whose answers are awaited, at most [`STREAMS_MAX`]; 1,024 unless set. More of them don't
    /// make a node faster, but let its queues grow until writes time out; the rest waits here, where it is bounded.
    pub streams_max: usize,
    /// Stream ids without anyone who waits; beyond, or if no others are left, the connection is replaced.
    pub orphans_max: usize,
    /// The longest frame body that is accepted, before and after decompression.
    pub frame_bytes_max: u32,
    /// Attempts of one request on different connections where repeating it is safe.
    pub attempts_max: u8,
    /// For jitter.
    pub seed: u64,
}

/// As many stream ids as the protocol has (section 2.3).
pub const STREAMS_MAX: usize = 32_768;

impl Config {
    /// The defaults, for these contact points.
    pub fn new(contact_points: Vec<ContactPoint>) -> Self {
        Self {
            contact_points,
            connections_per_node: 1,
            version: Version::LATEST,
            version_fixed: false,
            keyspace: None,
            authentication: Authentication::None,
            compression: None,
            compression_required: false,
            #[cfg(feature = "tls")]
            tls: None,
            open: OpenOptions::default(),
            handshake_timeout: Duration::from_secs(5),
            heartbeat_interval: Duration::from_secs(30),
            heartbeat_timeout: Duration::from_secs(10),
            reconnect_base: Duration::from_millis(500),
            reconnect_max: Duration::from_secs(60),
            streams_max: 1_024,
            orphans_max: 1_024,
            frame_bytes_max: 256 << 20,
            attempts_max: 4,
            seed: 0,
        }
    }
}

/// A node to begin with, by name or address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContactPoint {
    /// As the user gave it, for messages.
    pub text: Arc<str>,
    /// Name or address.
    pub host: Box<str>,
    /// Port.
    pub port: u16,
}

/// Why a text is no contact point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContactPointError(Box<str>);

impl fmt::Display for ContactPointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "'{}' is no contact point; give a host, host:port, IPv6 address or [IPv6 address]:port",
            self.0
        )
    }
}

impl std::error::Error for ContactPointError {}

impl ContactPoint {
    /// Reads `host`, `host:port`, `::1` or `[::1]:port`.
    ///
    /// ```
    /// use helenus_core::machine::ContactPoint;
    ///
    /// let point = ContactPoint::parse("db1.example:9043", 9042)?;
    /// assert_eq!((&*point.host, point.port), ("db1.example", 9043));
    /// assert_eq!(ContactPoint::parse("::1", 9042)?.port, 9042);
    /// # Ok::<(), helenus_core::machine::ContactPointError>(())
    /// ```
    pub fn parse(text: &str, default_port: u16) -> Result<Self, ContactPointError> {
        let fail = || ContactPointError(text.into());
        let (host, port) = match text.strip_prefix('[').map(|rest| rest.split_once(']').ok_or_else(fail)) {
            Some(bracketed) => {
                let (host, rest) = bracketed?;
                match rest.strip_prefix(':') {
                    Some(port) => (host, Some(port)),
                    None if rest.is_empty() => (host, None),
                    None => return Err(fail()),
                }
            }
            None => match text.split_once(':') {
                // A second colon: an IPv6 address without brackets has no port.
                Some((_, port)) if port.contains(':') => (text, None),
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        let port = port.map_or(Ok(default_port), |port| port.parse().map_err(|_| fail()))?;
        if host.is_empty() || host.contains(char::is_whitespace) {
            return Err(fail());
        }
        Ok(Self { text: text.into(), host: host.into(), port })
    }
}

/// Name and password for PLAIN authentication. The password reaches neither `Debug` output nor messages.
#[derive(Clone)]
pub struct Credentials {
    /// The user's name.
    pub user: Arc<str>,
    password: Arc<str>,
}

impl Credentials {
    /// From name and password.
    pub fn new(user: &str, password: &str) -> Self {
        Self { user: user.into(), password: password.into() }
    }

    /// The SASL PLAIN message: an empty authorisation id, user, password.
    pub(crate) fn plain_token(&self) -> Vec<u8> {
        [b"\0", self.user.as_bytes(), b"\0", self.password.as_bytes()].concat()
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contact_points_parse() {
        let parsed =
            |text| ContactPoint::parse(text, 9042).map(|point| (String::from(point.host), point.port));
        assert_eq!(parsed("a"), Ok(("a".into(), 9042)));
        assert_eq!(parsed("a:1"), Ok(("a".into(), 1)));
        assert_eq!(parsed("fe80::1"), Ok(("fe80::1".into(), 9042)));
        assert_eq!(parsed("[::1]:7"), Ok(("::1".into(), 7)));
        assert_eq!(parsed("[::1]"), Ok(("::1".into(), 9042)));
        for bad in ["", ":9042", "a:", "a:70000", "[::1", "[::1]x", "a b"] {
            assert!(parsed(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn passwords_stay_secret() {
        assert!(!format!("{:?}", Credentials::new("user", "hunter2")).contains("hunter2"));
    }
}
