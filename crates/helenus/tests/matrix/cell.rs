//! What a session speaks, and with whom.

use std::fmt;

use helenus::tls::Tls;
use helenus::{Compression, Session, SessionBuilder, Version};

use crate::common::PATIENCE;

/// As a fresh Cassandra that asks has them.
pub(crate) const USER: &str = "cassandra";
pub(crate) const PASSWORD: &str = "cassandra";

/// One way to speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) version: Version,
    pub(crate) compression: Option<Compression>,
    pub(crate) tls: bool,
    pub(crate) authentication: bool,
}

/// A node, and the authority that signed for it where it speaks TLS.
pub(crate) struct Server {
    pub(crate) address: String,
    pub(crate) ca: Option<String>,
}

impl Cell {
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let compressions = [None, Some(Compression::Lz4), Some(Compression::Snappy)];
        let secured = [(false, false), (true, false), (false, true), (true, true)];
        [Version::V3, Version::V4, Version::V5].into_iter().flat_map(move |version| {
            compressions.into_iter().flat_map(move |compression| {
                secured.map(|(tls, authentication)| Self { version, compression, tls, authentication })
            })
        })
    }

    /// What is compressed with in the end.
    pub(crate) fn agreed(&self) -> Option<Compression> {
        self.compression.filter(|compression| self.version < Version::V5 || *compression == Compression::Lz4)
    }

    pub(crate) fn builder(&self, server: &Server) -> SessionBuilder {
        let mut builder = Session::builder()
            .contact_point(&server.address)
            .protocol_version(self.version)
            .request_timeout(PATIENCE)
            .handshake_timeout(PATIENCE);
        if let Some(compression) = self.compression {
            builder = builder.compression(compression);
        }
        if let Some(ca) = &server.ca {
            builder = builder.tls(Tls::new().roots_pem(ca));
        }
        if self.authentication { builder.credentials(USER, PASSWORD) } else { builder }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let compression = self.compression.map_or("-", Compression::name);
        let (tls, authentication) =
            (if self.tls { "TLS" } else { "-" }, if self.authentication { "password" } else { "-" });
        write!(f, "{:3} {compression:7} {tls:4} {authentication:8}", self.version.to_string())
    }
}
