//! Randomness as an argument: a seed goes in, jitter comes out.

use std::time::Duration;

/// SplitMix64: enough for jitter, and the same on every machine for the same seed.
#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Between 85 % and 115 % of `duration`, so that many clients don't reconnect in step.
    pub(crate) fn jitter(&mut self, duration: Duration) -> Duration {
        let percent = 85 + u32::try_from(self.next() % 31).unwrap_or(15);
        duration.saturating_mul(percent) / 100
    }
}
