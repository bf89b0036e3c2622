//! Segments of connections that agreed on LZ4 (v5, section 2.2).
//!
//! The header, all little-endian, has 17 bits of the payload's length as it is sent, 17 bits of its length before
//! compression, 1 bit 'self-contained', 5 bits of zero, then the CRC24 of these 5 bytes. The payload is an LZ4 block
//! without a length of its own, or stored as it is where its length before compression is given as 0. The CRC32 is of
//! the payload as it is sent. No feature is needed to parse; to decompress or compress, `lz4` is.

use super::{MAX_PAYLOAD, SegmentError, TRAILER_LEN, crc24, crc32};
use crate::protocol::EncodeError;
use crate::protocol::compression::{WORTH_BYTES_MIN, lz4 as block};

/// The header's length with its CRC24, in bytes.
pub const HEADER_LEN: usize = 8;

const LENGTH_BITS: u32 = 17;
const SELF_CONTAINED: u64 = 1 << (2 * LENGTH_BITS);

/// Appends `payload` as one segment, compressed unless it is very short or would become longer.
///
/// # Errors
/// [`EncodeError::Limit`] if the payload is longer than [`MAX_PAYLOAD`]; [`EncodeError::Unsupported`] if this build has
/// no LZ4. `out` is then as it was.
pub fn put(out: &mut Vec<u8>, payload: &[u8], self_contained: bool) -> Result<(), EncodeError> {
    if payload.len() > MAX_PAYLOAD {
        let what = "bytes of a segment's payload";
        return Err(EncodeError::Limit { what, actual: payload.len(), limit: MAX_PAYLOAD });
    }
    let start = out.len();
    out.extend_from_slice(&[0; HEADER_LEN]);
    let content = start + HEADER_LEN;
    if payload.len() >= WORTH_BYTES_MIN && block::compress(payload, out).is_err() {
        out.truncate(start);
        return Err(EncodeError::Unsupported { what: "LZ4, which this build lacks" });
    }
    let mut uncompressed = payload.len() as u64;
    if out.len() == content || out.len() - content >= payload.len() {
        out.truncate(content);
        out.extend_from_slice(payload);
        uncompressed = 0;
    }
    let stored = (out.len() - content) as u64;
    let word = stored | uncompressed << LENGTH_BITS | if self_contained { SELF_CONTAINED } else { 0 };
    let [a, b, c, d, e, ..] = word.to_le_bytes();
    let [x, y, z, _] = crc24([a, b, c, d, e]).to_le_bytes();
    out[start..content].copy_from_slice(&[a, b, c, d, e, x, y, z]);
    let trailer = crc32(&out[content..]).to_le_bytes();
    out.extend_from_slice(&trailer);
    Ok(())
}

/// A segment whose CRCs are right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment<'a> {
    /// Whether the payload is whole envelopes.
    pub self_contained: bool,
    /// How many bytes the segment takes: the next one begins there.
    pub encoded_len: usize,
    stored: &'a [u8],
    uncompressed_len: usize,
}

impl Segment<'_> {
    /// Appends the payload, which has at most [`MAX_PAYLOAD`] bytes.
    ///
    /// # Errors
    /// [`SegmentError::Compression`]: the connection can't be used further. `out` is then as it was.
    pub fn payload(&self, out: &mut Vec<u8>) -> Result<(), SegmentError> {
        if self.uncompressed_len == 0 {
            out.extend_from_slice(self.stored);
            return Ok(());
        }
        block::decompress(self.stored, self.uncompressed_len, out).map_err(SegmentError::Compression)
    }
}

/// Reads the segment that `bytes` begins with; `None` if more bytes are needed. The header's CRC is checked as soon as
/// the header is there, so a wrong length is never waited for.
///
/// # Errors
/// [`SegmentError`]: the connection can't be used further.
pub fn parse(bytes: &[u8]) -> Result<Option<Segment<'_>>, SegmentError> {
    let Some((header, rest)) = bytes.split_first_chunk::<HEADER_LEN>() else { return Ok(None) };
    let &[a, b, c, d, e, x, y, z] = header;
    let (found, expected) = (u32::from_le_bytes([x, y, z, 0]), crc24([a, b, c, d, e]));
    if found != expected {
        return Err(SegmentError::HeaderCrc { found, expected });
    }
    let (stored_len, uncompressed_len, self_contained) = fields(u64::from_le_bytes([a, b, c, d, e, 0, 0, 0]));
    let Some((stored, rest)) = rest.split_at_checked(stored_len) else { return Ok(None) };
    let Some(trailer) = rest.first_chunk::<TRAILER_LEN>() else { return Ok(None) };
    let (found, expected) = (u32::from_le_bytes(*trailer), crc32(stored));
    if found != expected {
        return Err(SegmentError::PayloadCrc { found, expected });
    }
    let encoded_len = HEADER_LEN + stored_len + TRAILER_LEN;
    Ok(Some(Segment { self_contained, encoded_len, stored, uncompressed_len }))
}

/// How many bytes the segment that `bytes` begins with takes; `None` if its header isn't there yet. For a reader that
/// found it cut by [`parse`], which has checked the header's CRC.
pub fn encoded_len(bytes: &[u8]) -> Option<usize> {
    let &[a, b, c, d, e] = bytes.first_chunk::<5>()?;
    let (stored_len, ..) = fields(u64::from_le_bytes([a, b, c, d, e, 0, 0, 0]));
    Some(HEADER_LEN + stored_len + TRAILER_LEN)
}

/// The lengths as sent and before compression, and whether the payload is whole envelopes.
fn fields(word: u64) -> (usize, usize, bool) {
    let length = |shift: u32| (word >> shift) as usize & MAX_PAYLOAD;
    (length(0), length(LENGTH_BITS), word & SELF_CONTAINED != 0)
}

#[cfg(all(test, feature = "lz4"))]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::protocol::CompressionError;

    fn payload(segment: &Segment<'_>) -> Result<Vec<u8>, SegmentError> {
        let mut out = Vec::new();
        segment.payload(&mut out)?;
        Ok(out)
    }

    #[test]
    fn what_does_not_shrink_is_stored() {
        let mut out = Vec::new();
        put(&mut out, b"abc", true).unwrap();
        assert_eq!(out.len(), HEADER_LEN + 3 + TRAILER_LEN);
        assert_eq!(out[..5], [3, 0, 0, 0, 0x04]);
        let segment = parse(&out).unwrap().unwrap();
        assert_eq!((payload(&segment).unwrap(), segment.self_contained), (b"abc".to_vec(), true));
    }

    #[test]
    fn a_wrong_length_before_compression_is_an_error() {
        let mut out = Vec::new();
        put(&mut out, &[7; 1000], false).unwrap();
        for change in [1_u64, u64::MAX] {
            let mut word = [0; 8];
            word[..5].copy_from_slice(&out[..5]);
            let word = (u64::from_le_bytes(word) as i64 + ((change as i64) << LENGTH_BITS)) as u64;
            let [a, b, c, d, e, ..] = word.to_le_bytes();
            let [x, y, z, _] = crc24([a, b, c, d, e]).to_le_bytes();
            let mut wrong = out.clone();
            wrong[..8].copy_from_slice(&[a, b, c, d, e, x, y, z]);
            let segment = parse(&wrong).unwrap().unwrap();
            assert!(matches!(
                payload(&segment),
                Err(SegmentError::Compression(CompressionError::Length { .. }))
            ));
        }
    }

    proptest! {
        #[test]
        fn segments_come_back(
            words in proptest::collection::vec(0..5_u32, 0..2_000),
            self_contained: bool,
            cut: proptest::sample::Index,
            flip: proptest::sample::Index,
        ) {
            let content: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
            let mut out = Vec::new();
            put(&mut out, &content, self_contained).unwrap();
            prop_assert_eq!(parse(&out[..cut.index(out.len())]), Ok(None));
            prop_assert_eq!(encoded_len(&out), Some(out.len()));
            let segment = parse(&out).unwrap().unwrap();
            prop_assert_eq!((segment.self_contained, segment.encoded_len), (self_contained, out.len()));
            prop_assert_eq!(payload(&segment).unwrap(), content);
            let flip = flip.index(out.len());
            out[flip] ^= 1;
            prop_assert!(parse(&out).is_err());
        }
    }

    #[test]
    fn too_long_a_payload_is_refused() {
        let mut out = vec![1];
        assert!(matches!(put(&mut out, &[0; MAX_PAYLOAD + 1], true), Err(EncodeError::Limit { .. })));
        assert_eq!(out, [1]);
        put(&mut out, &[0; MAX_PAYLOAD], true).unwrap();
        assert_eq!(payload(&parse(&out[1..]).unwrap().unwrap()).unwrap().len(), MAX_PAYLOAD);
    }
}
