//! Segments of v5: hand-checked bytes, cut anywhere, changed anywhere.

use helenus_core::protocol::EncodeError;
use helenus_core::protocol::segment::{self, HEADER_LEN, MAX_PAYLOAD, Segment, SegmentError, TRAILER_LEN};
use proptest::collection::vec;
use proptest::prelude::*;

/// Bit by bit, as the specification describes it, and not by a table.
fn crc24(bytes: &[u8]) -> u32 {
    let mut crc = 0x0087_5060;
    for byte in bytes {
        crc ^= u32::from(*byte) << 16;
        for _ in 0..8 {
            crc <<= 1;
            crc ^= if crc & 0x0100_0000 != 0 { 0x0197_4F0B } else { 0 };
        }
    }
    crc
}

/// Bit by bit: the CRC32 of zlib over FA 2D 55 CA and the payload.
fn crc32(payload: &[u8]) -> u32 {
    let prefix = [0xFA, 0x2D, 0x55, 0xCA];
    let crc = prefix.iter().chain(payload).fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| crc >> 1 ^ if crc & 1 == 1 { 0xEDB8_8320 } else { 0 })
    });
    !crc
}

fn sealed(payload: &[u8], self_contained: bool) -> Vec<u8> {
    let mut out = Vec::new();
    let start = segment::open(&mut out);
    out.extend_from_slice(payload);
    segment::close(&mut out, start, self_contained).unwrap();
    out
}

/// Checksums by another program: zlib's CRC32, and CRC24 from the description.
#[test]
fn bytes_by_another_program() {
    let empty = [0x00, 0x00, 0x02, 0x6A, 0x36, 0xC4, 0xD3, 0x7E, 0x77, 0x44];
    assert_eq!(sealed(b"", true), empty);
    let hello = [5, 0, 0, 0x04, 0x48, 0x23, b'h', b'e', b'l', b'l', b'o', 0x74, 0x80, 0x0E, 0xB6];
    assert_eq!(sealed(b"hello", false), hello);
    let fifty = [&[0x32, 0x00, 0x02, 0xA5, 0xFF, 0xEE][..], &[b'b'; 50], &[0x7A, 0xAE, 0xEB, 0x7C]].concat();
    assert_eq!(sealed(&[b'b'; 50], true), fifty);
    let longest = sealed(&[b'b'; MAX_PAYLOAD], false);
    assert_eq!(longest[..HEADER_LEN], [0xFF, 0xFF, 0x01, 0x38, 0x91, 0xFE]);
    assert_eq!(longest[HEADER_LEN + MAX_PAYLOAD..], [0x94, 0x1A, 0x59, 0x84]);
}

#[test]
fn every_flipped_bit_is_noticed() {
    let good = sealed(b"OPTIONS", true);
    for bit in 0..good.len() * 8 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        let error = segment::parse(&bad).unwrap_err();
        let in_header = bit / 8 < HEADER_LEN;
        assert_eq!(matches!(error, SegmentError::HeaderCrc { .. }), in_header, "bit {bit}: {error}");
    }
}

#[test]
fn a_wrong_header_is_not_waited_for() {
    let mut header = sealed(&[0; 1000], true);
    header[0] ^= 1;
    assert_eq!(segment::parse(&header[..HEADER_LEN - 1]), Ok(None));
    assert!(matches!(segment::parse(&header[..HEADER_LEN]), Err(SegmentError::HeaderCrc { .. })));
}

#[test]
fn a_payload_has_a_limit() {
    let mut out = vec![1, 2, 3];
    let start = segment::open(&mut out);
    out.resize(start + HEADER_LEN + MAX_PAYLOAD + 1, 0);
    let limit = EncodeError::Limit {
        what: "bytes of a segment's payload",
        actual: MAX_PAYLOAD + 1,
        limit: MAX_PAYLOAD,
    };
    assert_eq!(segment::close(&mut out, start, true), Err(limit));
    out.pop();
    assert_eq!(segment::close(&mut out, start, true), Ok(()));
    assert_eq!(out.len(), start + HEADER_LEN + MAX_PAYLOAD + TRAILER_LEN);
    assert!(segment::close(&mut vec![0; 5], 0, true).is_err());
}

#[test]
fn a_large_envelope_travels_in_slices() {
    let envelope: Vec<u8> = (0..2 * MAX_PAYLOAD + 5).map(|i| (i % 251) as u8).collect();
    let mut out = Vec::new();
    segment::put_large(&mut out, &envelope).unwrap();
    let mut joined = Vec::new();
    let mut lengths = Vec::new();
    while let Some(Segment { payload, self_contained, encoded_len }) = segment::parse(&out).unwrap() {
        assert!(!self_contained);
        lengths.push(payload.len());
        joined.extend_from_slice(payload);
        out.drain(..encoded_len);
    }
    assert_eq!(lengths, [MAX_PAYLOAD, MAX_PAYLOAD, 5]);
    assert!(out.is_empty() && joined == envelope);
}

proptest! {
    #[test]
    fn checksums_are_as_described(payload in vec(any::<u8>(), 0..300), self_contained: bool) {
        let bytes = sealed(&payload, self_contained);
        let (header, rest) = bytes.split_at(HEADER_LEN);
        prop_assert_eq!(&header[3..], &crc24(&header[..3]).to_le_bytes()[..3]);
        prop_assert_eq!(&rest[payload.len()..], &crc32(&payload).to_le_bytes());
    }

    #[test]
    fn cut_anywhere(
        payloads in vec((vec(any::<u8>(), 0..40), any::<bool>()), 0..6),
        cuts in vec(1..30_usize, 1..40),
    ) {
        let stream: Vec<u8> = payloads.iter().flat_map(|(payload, whole)| sealed(payload, *whole)).collect();
        let (mut sent, mut buffer, mut read) = (0, Vec::new(), Vec::new());
        for cut in cuts.iter().cycle() {
            while let Some(segment) = segment::parse(&buffer).unwrap() {
                read.push((segment.payload.to_vec(), segment.self_contained));
                let length = segment.encoded_len;
                buffer.drain(..length);
            }
            if sent == stream.len() {
                break;
            }
            let end = stream.len().min(sent + cut);
            buffer.extend_from_slice(&stream[sent..end]);
            sent = end;
        }
        prop_assert!(buffer.is_empty());
        prop_assert_eq!(read, payloads);
    }

    #[test]
    fn any_bytes(bytes in vec(any::<u8>(), 0..64)) {
        let right = bytes.len() < HEADER_LEN || bytes[3..HEADER_LEN] == crc24(&bytes[..3]).to_le_bytes()[..3];
        prop_assert_eq!(!matches!(segment::parse(&bytes), Err(SegmentError::HeaderCrc { .. })), right);
    }
}
