use std::error::Error;
use std::fmt;

use super::{CompressionError, Version};

/// Why bytes are not what the protocol says they should be.
///
/// `what` names the part of the message that was being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes end too early, or a length or count claims more than is there.
    Short {
        /// The part being read.
        what: &'static str,
        /// How many bytes it takes at least.
        needed: usize,
        /// How many are left.
        available: usize,
    },
    /// A length, count, size or port that can't be, whatever follows.
    Length {
        /// The part being read.
        what: &'static str,
        /// What it says.
        length: i64,
    },
    /// Text that isn't UTF-8.
    Utf8 {
        /// The part being read.
        what: &'static str,
    },
    /// A code, kind or opcode that the specification doesn't know.
    Unknown {
        /// The part being read.
        what: &'static str,
        /// The code.
        code: u32,
    },
    /// Types nested deeper than helenus follows.
    TooDeep {
        /// The deepest nesting that it follows.
        limit: usize,
    },
    /// Something that the specification names but that can't be read.
    Unsupported {
        /// The part being read.
        what: &'static str,
    },
    /// A body that can't be decompressed.
    Compressed(CompressionError),
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short { what, needed, available } => {
                write!(
                    f,
                    "the message is cut short: {what} takes at least {needed} bytes, {available} are left"
                )
            }
            Self::Length { what, length } => write!(f, "{what}: {length} is not possible"),
            Self::Utf8 { what } => write!(f, "{what} is not UTF-8"),
            Self::Unknown { what, code } => write!(f, "{what}: 0x{code:04X} is unknown"),
            Self::TooDeep { limit } => write!(f, "a type is nested more than {limit} levels deep"),
            Self::Unsupported { what } => write!(f, "{what} can't be read"),
            Self::Compressed(error) => write!(f, "the body can't be decompressed: {error}"),
        }
    }
}

impl Error for DecodeError {}

/// Why a message can't be put into bytes. The buffer then holds a part of it: cut it back to where it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EncodeError {
    /// Longer, or more of it, than the protocol can carry.
    Limit {
        /// The part being written.
        what: &'static str,
        /// Bytes or elements.
        actual: usize,
        /// The most that fits.
        limit: usize,
    },
    /// The protocol has it only from a later version on.
    NotInVersion {
        /// What was asked for.
        what: &'static str,
        /// The version of the connection.
        version: Version,
        /// The first version that has it.
        since: Version,
    },
    /// This version of the protocol requires something that isn't there.
    Missing {
        /// What is required.
        what: &'static str,
        /// The version of the connection.
        version: Version,
    },
    /// Something that the specification names but that no version can carry.
    Unsupported {
        /// What was asked for.
        what: &'static str,
    },
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Limit { what, actual, limit } => {
                write!(f, "{what}: {actual} is more than the {limit} that the protocol can carry")
            }
            Self::NotInVersion { what, version, since } => {
                write!(f, "{what} needs protocol {since} or later; this connection speaks {version}")
            }
            Self::Missing { what, version } => write!(f, "protocol {version} requires {what}"),
            Self::Unsupported { what } => write!(f, "no version of the protocol can carry {what}"),
        }
    }
}

impl Error for EncodeError {}
