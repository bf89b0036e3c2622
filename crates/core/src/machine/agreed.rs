//! What a session's connections agreed on with their nodes, for all shards and users' threads to see.

use std::fmt;
use std::net::SocketAddr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::protocol::{Compression, Version};

/// The protocol version of a session, and what became of its wish for compression.
#[derive(Debug, Default)]
pub struct Agreed {
    version: AtomicU8,
    compression: OnceLock<Compression>,
    fallback: OnceLock<CompressionFallback>,
}

impl Agreed {
    /// The version, once there is one: the first connection of any shard decides, all others follow.
    pub fn version(&self) -> Option<Version> {
        Version::from_byte(self.version.load(Ordering::Acquire))
    }

    /// What is compressed with, once a connection is.
    pub fn compression(&self) -> Option<Compression> {
        self.compression.get().copied()
    }

    /// The first connection that is not compressed although that was asked for, if there was one.
    pub fn compression_fallback(&self) -> Option<&CompressionFallback> {
        self.fallback.get()
    }

    /// Proposes a version; gives the one that holds.
    pub(crate) fn agree(&self, version: Version) -> Version {
        let first = self.version.compare_exchange(0, version.byte(), Ordering::AcqRel, Ordering::Acquire);
        first.err().and_then(Version::from_byte).unwrap_or(version)
    }

    pub(crate) fn compressed(&self, compression: Compression) {
        // A session asks for one, so whoever comes later says the same.
        self.compression.get_or_init(|| compression);
    }

    pub(crate) fn fell_back(&self, node: SocketAddr, lack: CompressionLack) {
        self.fallback.get_or_init(|| CompressionFallback { node, lack });
    }
}

/// Why a connection can't be compressed as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CompressionLack {
    /// The node doesn't do it.
    Node {
        /// What was asked for.
        asked: Compression,
        /// What the node does, in its own words; empty if that is none.
        offers: Box<str>,
    },
    /// The protocol version doesn't have it.
    Version {
        /// What was asked for.
        asked: Compression,
        /// The version.
        version: Version,
    },
    /// This build doesn't have it.
    Build {
        /// What was asked for.
        asked: Compression,
    },
}

impl fmt::Display for CompressionLack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node { asked, offers } if offers.is_empty() => {
                write!(f, "the node doesn't do {asked}, nor any other compression")
            }
            Self::Node { asked, offers } => write!(f, "the node doesn't do {asked}; it offers {offers}"),
            Self::Version { asked, version } => {
                write!(f, "protocol {version} has no {asked}; ask for lz4, or for protocol v4")
            }
            Self::Build { asked } => {
                write!(f, "this build has no {asked}: compile helenus with the feature {asked}")
            }
        }
    }
}

/// A connection that is not compressed although that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CompressionFallback {
    /// The node at its other end.
    pub node: SocketAddr,
    /// Why.
    pub lack: CompressionLack,
}

impl fmt::Display for CompressionFallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "connections to {} are not compressed: {}", self.node, self.lack)
    }
}
