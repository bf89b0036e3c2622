//! Segments, which carry envelopes in v5 once the connection is initialised (v5, section 2).
//!
//! A segment without compression is, all little-endian: 3 bytes of header (17 bits of payload length, 1 bit
//! 'self-contained', the rest zero), the CRC24 of these 3 bytes, the payload, the CRC32 of the payload (4 bytes).
//! A self-contained segment holds one or more whole envelopes; one that isn't holds a slice of one large envelope, and
//! the slices follow each other.
//!
//! Where LZ4 was agreed on, segments have 5 bytes of header, with the length before and after compression: see [`lz4`].

use std::error::Error;
use std::fmt;

use super::{CompressionError, EncodeError};

pub mod lz4;

/// The header's length with its CRC24, in bytes.
pub const HEADER_LEN: usize = 6;
/// The length of the CRC32 after the payload, in bytes.
pub const TRAILER_LEN: usize = 4;
/// The longest payload in bytes: 17 bits' worth.
pub const MAX_PAYLOAD: usize = 131_071;

const SELF_CONTAINED: u32 = 1 << 17;

/// Leaves room for a header and returns where the segment begins. Append the payload, then call [`close`].
pub fn open(out: &mut Vec<u8>) -> usize {
    let start = out.len();
    out.extend_from_slice(&[0; HEADER_LEN]);
    start
}

/// Completes the segment that begins at `start` and whose payload is all that follows its header: fills the header
/// in and appends the CRC32.
///
/// # Errors
/// [`EncodeError::Limit`] if the payload is longer than [`MAX_PAYLOAD`], or if `start` isn't from [`open`].
pub fn close(out: &mut Vec<u8>, start: usize, self_contained: bool) -> Result<(), EncodeError> {
    let length = out.len();
    let split = out.get_mut(start..).and_then(|segment| segment.split_first_chunk_mut::<HEADER_LEN>());
    let Some((header, payload)) = split else {
        return Err(EncodeError::Limit { what: "start of a segment", actual: start, limit: length });
    };
    if payload.len() > MAX_PAYLOAD {
        let what = "bytes of a segment's payload";
        return Err(EncodeError::Limit { what, actual: payload.len(), limit: MAX_PAYLOAD });
    }
    let word = payload.len() as u32 | if self_contained { SELF_CONTAINED } else { 0 };
    let [a, b, c, _] = word.to_le_bytes();
    let [x, y, z, _] = crc24([a, b, c]).to_le_bytes();
    *header = [a, b, c, x, y, z];
    let trailer = crc32(payload).to_le_bytes();
    out.extend_from_slice(&trailer);
    Ok(())
}

/// Appends an envelope that is too long for one segment as slices in segments that are not self-contained.
pub fn put_large(out: &mut Vec<u8>, envelope: &[u8]) -> Result<(), EncodeError> {
    out.reserve(envelope.len() + envelope.len().div_ceil(MAX_PAYLOAD) * (HEADER_LEN + TRAILER_LEN));
    for slice in envelope.chunks(MAX_PAYLOAD) {
        let start = open(out);
        out.extend_from_slice(slice);
        close(out, start, false)?;
    }
    Ok(())
}

/// A segment whose CRCs are right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment<'a> {
    /// Whole envelopes, or a slice of one.
    pub payload: &'a [u8],
    /// Whether the payload is whole envelopes.
    pub self_contained: bool,
    /// How many bytes the segment takes: the next one begins there.
    pub encoded_len: usize,
}

/// Reads the segment that `bytes` begins with; `None` if more bytes are needed. The header's CRC is checked as soon as
/// the header is there, so a wrong length is never waited for.
///
/// # Errors
/// [`SegmentError`]: the connection can't be used further.
pub fn parse(bytes: &[u8]) -> Result<Option<Segment<'_>>, SegmentError> {
    let Some((&[a, b, c, x, y, z], rest)) = bytes.split_first_chunk::<HEADER_LEN>() else { return Ok(None) };
    let (found, expected) = (u32::from_le_bytes([x, y, z, 0]), crc24([a, b, c]));
    if found != expected {
        return Err(SegmentError::HeaderCrc { found, expected });
    }
    let word = u32::from_le_bytes([a, b, c, 0]);
    let length = (word & MAX_PAYLOAD as u32) as usize;
    let Some((payload, rest)) = rest.split_at_checked(length) else { return Ok(None) };
    let Some(trailer) = rest.first_chunk::<TRAILER_LEN>() else { return Ok(None) };
    let (found, expected) = (u32::from_le_bytes(*trailer), crc32(payload));
    if found != expected {
        return Err(SegmentError::PayloadCrc { found, expected });
    }
    let encoded_len = HEADER_LEN + length + TRAILER_LEN;
    Ok(Some(Segment { payload, self_contained: word & SELF_CONTAINED != 0, encoded_len }))
}

/// How many bytes the segment that `bytes` begins with takes; `None` if its header isn't there yet. For a reader that
/// found it cut by [`parse`], which has checked the header's CRC.
pub fn encoded_len(bytes: &[u8]) -> Option<usize> {
    let &[a, b, c] = bytes.first_chunk::<3>()?;
    let length = (u32::from_le_bytes([a, b, c, 0]) & MAX_PAYLOAD as u32) as usize;
    Some(HEADER_LEN + length + TRAILER_LEN)
}

/// Why bytes are no segment: they were changed on the way, or the peer doesn't send segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SegmentError {
    /// The header's CRC24 is wrong.
    HeaderCrc {
        /// As it came.
        found: u32,
        /// Of the header that came.
        expected: u32,
    },
    /// The payload's CRC32 is wrong.
    PayloadCrc {
        /// As it came.
        found: u32,
        /// Of the payload that came.
        expected: u32,
    },
    /// The payload can't be decompressed, though its CRC32 is right.
    Compression(CompressionError),
}

impl fmt::Display for SegmentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (part, found, expected) = match self {
            Self::HeaderCrc { found, expected } => ("header", found, expected),
            Self::PayloadCrc { found, expected } => ("payload", found, expected),
            Self::Compression(error) => return write!(f, "the payload of a segment: {error}"),
        };
        write!(
            f,
            "the {part} of a segment has checksum {found:08x} where {expected:08x} is right: the bytes were changed \
             on the way, or the peer doesn't speak protocol v5"
        )
    }
}

impl Error for SegmentError {}

const CRC24_START: u32 = 0x0087_5060;
const CRC24_POLYNOMIAL: u32 = 0x0197_4F0B;

const CRC24_TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u32) << 16;
        let mut bit = 0;
        while bit < 8 {
            crc <<= 1;
            if crc & 0x0100_0000 != 0 {
                crc ^= CRC24_POLYNOMIAL;
            }
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

fn crc24<const N: usize>(header: [u8; N]) -> u32 {
    header.into_iter().fold(CRC24_START, |crc, byte| {
        (crc << 8 & 0x00FF_FFFF) ^ CRC24_TABLE[(crc >> 16) as usize ^ usize::from(byte)]
    })
}

/// The CRC32 of FA 2D 55 CA, the four bytes with which the checksum of every payload begins.
const CRC32_OF_PREFIX: u32 = 0x4477_7ED3;

fn crc32(payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(CRC32_OF_PREFIX);
    hasher.update(payload);
    hasher.finalize()
}
