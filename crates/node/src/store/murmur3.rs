//! The token of a partition key: Cassandra's Murmur3, which is not everybody's.

/// The token of an encoded partition key.
///
/// It is the first half of the 128-bit x64 Murmur3 with seed 0, but that the bytes of the tail are sign-extended, as
/// Java's bytes are. An empty key has the least token, and no other key has it: that hash becomes the greatest.
pub(crate) fn token(key: &[u8]) -> i64 {
    if key.is_empty() {
        return i64::MIN;
    }
    match hash(key).0 as i64 {
        i64::MIN => i64::MAX,
        token => token,
    }
}

const C1: u64 = 0x87c3_7b91_1142_53d5;
const C2: u64 = 0x4cf5_ad43_2745_937f;

fn hash(key: &[u8]) -> (u64, u64) {
    let (mut h1, mut h2) = (0u64, 0u64);
    let mut blocks = key.chunks_exact(16);
    for block in &mut blocks {
        let (low, high) = block.split_at(8);
        h1 ^= mix1(word(low));
        h1 = h1.rotate_left(27).wrapping_add(h2).wrapping_mul(5).wrapping_add(0x52dc_e729);
        h2 ^= mix2(word(high));
        h2 = h2.rotate_left(31).wrapping_add(h1).wrapping_mul(5).wrapping_add(0x3849_5ab5);
    }
    let tail = blocks.remainder();
    if tail.len() > 8 {
        h2 ^= mix2(tail_word(&tail[8..]));
    }
    if !tail.is_empty() {
        h1 ^= mix1(tail_word(&tail[..tail.len().min(8)]));
    }
    h1 ^= key.len() as u64;
    h2 ^= key.len() as u64;
    h1 = h1.wrapping_add(h2);
    h2 = h2.wrapping_add(h1);
    h1 = finish(h1);
    h2 = finish(h2);
    h1 = h1.wrapping_add(h2);
    (h1, h2.wrapping_add(h1))
}

fn mix1(word: u64) -> u64 {
    word.wrapping_mul(C1).rotate_left(31).wrapping_mul(C2)
}

fn mix2(word: u64) -> u64 {
    word.wrapping_mul(C2).rotate_left(33).wrapping_mul(C1)
}

fn finish(mut h: u64) -> u64 {
    h = (h ^ (h >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    h = (h ^ (h >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    h ^ (h >> 33)
}

fn word(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
}

fn tail_word(bytes: &[u8]) -> u64 {
    bytes.iter().enumerate().fold(0, |word, (i, byte)| word ^ ((*byte as i8 as i64 as u64) << (8 * i)))
}

#[cfg(test)]
mod tests {
    use super::token;

    /// As the Python driver's `Murmur3Token.hash_fn` and the server's `SELECT token(..)` say.
    #[test]
    fn tokens_are_those_of_cassandra() {
        for (key, expected) in [
            (&b"123"[..], -7_468_325_962_851_647_638),
            (&b"\x00\xff\x10\xfa\x99".repeat(10), 5_837_342_703_291_459_765),
            (&[0xfe; 8], -8_927_430_733_708_461_935),
            (&[0x10; 8], 1_446_172_840_243_228_796),
            (b"9223372036854775807", 7_162_290_910_810_015_547),
            (b"", i64::MIN),
        ] {
            assert_eq!(token(key), expected, "{key:?}");
        }
    }
}
