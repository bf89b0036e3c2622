//! Where a partition lives: its routing key, and the token that Cassandra's `Murmur3Partitioner` gives it.

use std::error::Error;
use std::fmt;

/// The place of a partition on the ring.
///
/// ```
/// use helenus_core::{RoutingKey, Token};
///
/// let mut key = RoutingKey::new();
/// key.push(b"123")?;
/// assert_eq!(Token::of(key.as_bytes()), Token(-7_468_325_962_851_647_638));
/// # Ok::<(), helenus_core::RoutingKeyError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub i64);

impl Token {
    /// Of a routing key: the first half of the 128-bit x64 variant of Murmur3 with seed 0, but that Cassandra takes the last
    /// bytes, up to 15, as signed. No key's token is `i64::MIN` but the empty one's, with which no partition can be written.
    #[inline]
    pub fn of(routing_key: &[u8]) -> Self {
        if routing_key.is_empty() {
            return Self(i64::MIN);
        }
        match hash(routing_key) as i64 {
            i64::MIN => Self(i64::MAX),
            token => Self(token),
        }
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A partition key as bytes, of the encoded values of its columns: of one column they are all; of several, each has its
/// length before it (`[short]`) and a zero after it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct RoutingKey {
    bytes: Vec<u8>,
    columns: usize,
}

impl RoutingKey {
    /// Of no columns yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends the value of the next column.
    ///
    /// # Errors
    /// [`RoutingKeyError`] if one of several columns has more than 65,535 bytes; the key is then as it was.
    pub fn push(&mut self, value: &[u8]) -> Result<(), RoutingKeyError> {
        if self.columns == 1 {
            let length = short(self.bytes.len())?;
            short(value.len())?;
            self.bytes.splice(..0, length);
            self.bytes.push(0);
        }
        if self.columns > 0 {
            self.bytes.extend_from_slice(&short(value.len())?);
        }
        self.bytes.extend_from_slice(value);
        if self.columns > 0 {
            self.bytes.push(0);
        }
        self.columns += 1;
        Ok(())
    }

    /// As the server has it.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Forgets all columns, and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.columns = 0;
    }
}

/// A column of a partition key that is too long to be one of several: Cassandra takes at most 65,535 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoutingKeyError {
    /// How long it is.
    pub bytes: usize,
}

impl fmt::Display for RoutingKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a column of the partition key has {} bytes, but can have at most 65535", self.bytes)
    }
}

impl Error for RoutingKeyError {}

fn short(length: usize) -> Result<[u8; 2], RoutingKeyError> {
    u16::try_from(length).map(u16::to_be_bytes).map_err(|_| RoutingKeyError { bytes: length })
}

const C1: u64 = 0x87c3_7b91_1142_53d5;
const C2: u64 = 0x4cf5_ad43_2745_937f;

fn hash(key: &[u8]) -> u64 {
    let (mut h1, mut h2) = (0_u64, 0_u64);
    let mut blocks = key.chunks_exact(16);
    for block in &mut blocks {
        let (low, high) = block.split_at(8);
        h1 ^= mix1(word(low));
        h1 = h1.rotate_left(27).wrapping_add(h2).wrapping_mul(5).wrapping_add(0x52dc_e729);
        h2 ^= mix2(word(high));
        h2 = h2.rotate_left(31).wrapping_add(h1).wrapping_mul(5).wrapping_add(0x3849_5ab5);
    }
    let tail = blocks.remainder();
    let (low, high) = tail.split_at(tail.len().min(8));
    h2 ^= mix2(signed_word(high));
    h1 ^= mix1(signed_word(low));
    h1 ^= key.len() as u64;
    h2 ^= key.len() as u64;
    h1 = h1.wrapping_add(h2);
    h2 = h2.wrapping_add(h1);
    finish(h1).wrapping_add(finish(h2))
}

#[inline]
fn mix1(word: u64) -> u64 {
    word.wrapping_mul(C1).rotate_left(31).wrapping_mul(C2)
}

#[inline]
fn mix2(word: u64) -> u64 {
    word.wrapping_mul(C2).rotate_left(33).wrapping_mul(C1)
}

#[inline]
fn finish(mut h: u64) -> u64 {
    h = (h ^ (h >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    h = (h ^ (h >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    h ^ (h >> 33)
}

/// Eight bytes, the lowest first.
#[inline]
fn word(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
}

/// Up to eight bytes, the lowest first, each extended by its sign over those above it.
#[inline]
fn signed_word(bytes: &[u8]) -> u64 {
    bytes.iter().enumerate().fold(0, |word, (i, byte)| word ^ ((*byte as i8 as i64 as u64) << (8 * i)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Cassandra 5.0.8's own `Murmur3Partitioner` says of the first 0 to 40 bytes of a pattern, many of them negative.
    #[test]
    fn tokens_are_those_of_cassandra() {
        let pattern: Vec<u8> = (0..64_u32).map(|i| (i * 37 + 200) as u8).collect();
        for (length, token) in TOKENS.into_iter().enumerate() {
            assert_eq!(Token::of(&pattern[..length]), Token(token), "{length}");
        }
    }

    #[rustfmt::skip]
    const TOKENS: [i64; 41] = [
        i64::MIN, 8_767_593_904_841_234_184, 4_404_565_633_966_553_562,
        3_360_815_430_260_917_352, -620_854_974_821_282_453, 2_358_554_034_960_036_757,
        -6_013_199_726_869_694_967, 6_848_258_939_198_013_424, 6_825_294_896_896_719_330,
        712_808_515_514_910_092, 2_191_066_051_894_306_468, -4_673_795_996_072_160_337,
        8_950_166_686_994_512_205, 3_114_265_477_266_355_416, -3_421_362_532_935_520_974,
        -6_264_688_551_098_331_046, 98_493_579_079_920_379, 468_209_433_970_893_934,
        -5_392_407_157_453_564_661, 6_166_294_579_111_480_802, -5_601_928_453_503_323_687,
        7_790_259_223_999_475_574, 7_142_400_945_347_608_507, 3_575_278_787_307_344_037,
        -7_820_917_022_413_328_062, -3_138_480_301_959_228_827, -5_043_898_629_676_150_093,
        6_893_181_342_285_309_456, -2_834_769_081_185_784_227, -60_608_620_664_882_271,
        3_799_801_908_474_491_645, 7_904_706_896_177_658_798, 6_903_858_879_627_398_310,
        -1_327_470_326_574_766_236, -4_048_950_785_276_790_881, 6_398_764_629_599_453_109,
        -3_777_241_880_524_881_262, 281_391_135_934_089_672, 6_906_763_960_089_776_741,
        2_149_414_407_343_682_199, 8_388_329_217_224_073_015,
    ];

    #[test]
    fn a_key_of_several_columns_tells_them_apart() {
        let mut key = RoutingKey::new();
        assert_eq!(key.as_bytes(), b"");
        key.push(b"ab").unwrap();
        assert_eq!(key.as_bytes(), b"ab");
        key.push(b"").unwrap();
        assert_eq!(key.as_bytes(), b"\0\x02ab\0\0\0\0");
        key.push(b"c").unwrap();
        assert_eq!(key.as_bytes(), b"\0\x02ab\0\0\0\0\0\x01c\0");
        key.clear();
        key.push(&[7; 65_536]).unwrap();
        assert_eq!(key.push(b"a"), Err(RoutingKeyError { bytes: 65_536 }));
        key.clear();
        key.push(b"a").unwrap();
        assert_eq!(key.push(&[7; 65_536]), Err(RoutingKeyError { bytes: 65_536 }));
        assert_eq!(key.as_bytes(), b"a");
    }
}
