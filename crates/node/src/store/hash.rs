//! 128 bits that name something: statements, schema versions, hosts. No secret depends on them.

/// Two FNV-1a hashes with different starts, each finished by a mix, over parts that can't run into each other.
pub(crate) struct Hasher128 {
    low: u64,
    high: u64,
}

const PRIME: u64 = 0x0000_0100_0000_01b3;

impl Hasher128 {
    pub(crate) fn new() -> Self {
        Self { low: 0xcbf2_9ce4_8422_2325, high: 0x6c62_272e_07bb_0142 }
    }

    /// Adds bytes; their length goes in first, so that ("a", "bc") and ("ab", "c") differ.
    pub(crate) fn part(mut self, bytes: &[u8]) -> Self {
        let len = (bytes.len() as u64).to_be_bytes();
        for byte in len.iter().chain(bytes) {
            self.low = (self.low ^ u64::from(*byte)).wrapping_mul(PRIME);
            self.high = (self.high.rotate_left(29) ^ u64::from(*byte)).wrapping_mul(PRIME);
        }
        self
    }

    pub(crate) fn finish(self) -> [u8; 16] {
        let mix = |mut word: u64| {
            word = (word ^ (word >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
            word ^ (word >> 33)
        };
        (u128::from(mix(self.low)) << 64 | u128::from(mix(self.high ^ self.low))).to_be_bytes()
    }

    /// As a uuid of version 4.
    pub(crate) fn uuid(self) -> [u8; 16] {
        let mut bytes = self.finish();
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        bytes
    }
}

/// 64 bits that show whether something was changed or made up.
pub(crate) fn check64(bytes: &[u8]) -> [u8; 8] {
    let [a, b, c, d, e, f, g, h, ..] = Hasher128::new().part(bytes).finish();
    [a, b, c, d, e, f, g, h]
}
