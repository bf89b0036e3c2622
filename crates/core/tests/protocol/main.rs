//! The codec of the native protocol, seen from outside: every message in every version there and back, bytes written
//! by hand from the specification's text, and bytes that nobody should send.

#![expect(clippy::unwrap_used, reason = "a test that fails here says where")]

mod any;
mod hostile;
mod request_vectors;
mod response_vectors;
mod round_trip;
mod segments;

/// Bytes as the vectors write them: `0004 'name'` is two bytes in hexadecimal and four of text.
fn bytes(notation: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for (i, part) in notation.split('\'').enumerate() {
        if i % 2 == 1 {
            out.extend_from_slice(part.as_bytes());
            continue;
        }
        let digits: Vec<u8> =
            part.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_digit(16).unwrap() as u8).collect();
        assert!(digits.len() % 2 == 0, "half a byte in {part:?}");
        out.extend(digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]));
    }
    out
}
