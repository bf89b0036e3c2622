//! Segments of v5, one after another as on a connection.

use helenus_core::protocol::segment::{self, SegmentError, lz4};

use crate::memory::bounded;

/// An LZ4 block grows by 255 at most; memory is taken for that alone.
const FACTOR: usize = 600;

pub(super) fn run(bytes: &[u8]) {
    let Some((mode, bytes)) = bytes.split_first() else { return };
    let header_len = if mode & 1 == 0 { segment::HEADER_LEN } else { lz4::HEADER_LEN };
    let mut bytes = bytes.to_vec();
    if mode & 2 != 0 {
        set_checksums(&mut bytes, header_len);
    }
    let mut rest = &bytes[..];
    while let Ok(Some((payload, self_contained, length))) = next(rest, mode & 1 != 0) {
        assert!(length > header_len && length <= rest.len());
        assert!(payload.len() <= segment::MAX_PAYLOAD);
        let mut again = Vec::new();
        if mode & 1 == 0 {
            let start = segment::open(&mut again);
            again.extend_from_slice(&payload);
            segment::close(&mut again, start, self_contained).unwrap();
        } else {
            lz4::put(&mut again, &payload, self_contained).unwrap();
        }
        let parsed = next(&again, mode & 1 != 0);
        assert_eq!(parsed, Ok(Some((payload, self_contained, again.len()))));
        rest = &rest[length..];
    }
}

/// The payload of the segment at the front, whether it is self-contained, and how many bytes it takes.
type Next = Result<Option<(Vec<u8>, bool, usize)>, SegmentError>;

fn next(bytes: &[u8], compressed: bool) -> Next {
    if !compressed {
        let parsed = segment::parse(bytes)?;
        return Ok(parsed.map(|found| (found.payload.to_vec(), found.self_contained, found.encoded_len)));
    }
    let Some(found) = lz4::parse(bytes)? else { return Ok(None) };
    let payload = bounded(found.encoded_len, FACTOR, || {
        let mut payload = Vec::new();
        let done = found.payload(&mut payload);
        assert!(done.is_ok() || payload.is_empty());
        done.map(|()| payload)
    })?;
    Ok(Some((payload, found.self_contained, found.encoded_len)))
}

/// Puts the checksums where a peer would, for no change keeps them right.
fn set_checksums(bytes: &mut [u8], header_len: usize) {
    let mut rest = bytes;
    while rest.len() >= header_len {
        let (header, after) = rest.split_at_mut(header_len);
        let (fields, checksum) = header.split_at_mut(header_len - 3);
        checksum.copy_from_slice(&crc24(fields).to_le_bytes()[..3]);
        let length = u32::from_le_bytes([fields[0], fields[1], fields[2], 0]) as usize & segment::MAX_PAYLOAD;
        if after.len() < length + segment::TRAILER_LEN {
            return;
        }
        let (payload, after) = after.split_at_mut(length);
        let (trailer, after) = after.split_at_mut(segment::TRAILER_LEN);
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&[0xfa, 0x2d, 0x55, 0xca]);
        hasher.update(payload);
        trailer.copy_from_slice(&hasher.finalize().to_le_bytes());
        rest = after;
    }
}

/// Bit by bit, as section 2.2 of v5 describes it; the product has a table.
fn crc24(fields: &[u8]) -> u32 {
    fields.iter().fold(0x87_5060, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte) << 16, |crc, _| match crc << 1 {
            over if over & 0x100_0000 != 0 => over ^ 0x197_4f0b,
            crc => crc,
        })
    })
}
