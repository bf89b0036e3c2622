use std::fmt;

/// A version of the protocol that helenus speaks (section 2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// Cassandra 2.1 and later.
    V3,
    /// Cassandra 2.2 and later.
    V4,
    /// Cassandra 4.0 and later; its envelopes travel in [segments](super::segment).
    V5,
}

impl Version {
    /// The newest: what a connection tries first.
    pub const LATEST: Self = Self::V5;
    /// All, oldest first.
    pub const ALL: [Self; 3] = [Self::V3, Self::V4, Self::V5];

    /// The version with this number (the low 7 bits of a header's first byte), if helenus speaks it.
    #[inline]
    pub const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            3 => Some(Self::V3),
            4 => Some(Self::V4),
            5 => Some(Self::V5),
            _ => None,
        }
    }

    /// Its number.
    #[inline]
    pub const fn byte(self) -> u8 {
        match self {
            Self::V3 => 3,
            Self::V4 => 4,
            Self::V5 => 5,
        }
    }

    /// Whether envelopes travel in segments once the connection is initialised (v5, section 2).
    #[inline]
    pub const fn has_segments(self) -> bool {
        matches!(self, Self::V5)
    }

    /// What to try when a server refuses this one.
    pub const fn lower(self) -> Option<Self> {
        match self {
            Self::V3 => None,
            Self::V4 => Some(Self::V3),
            Self::V5 => Some(Self::V4),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.byte())
    }
}
