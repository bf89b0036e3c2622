//! What happened, as a hash: two runs of one seed must have the same.

use helenus_core::Time;

/// Folds every event into one number (FNV-1a), and prints each if that is wanted.
#[derive(Debug)]
pub(crate) struct Trace {
    hash: u64,
    printed: bool,
}

impl Trace {
    pub(crate) fn new(printed: bool) -> Self {
        Self { hash: 0xCBF2_9CE4_8422_2325, printed }
    }

    /// `what` happened at `now`, with numbers that say which and how much.
    pub(crate) fn note(&mut self, now: Time, what: &'static str, numbers: &[u64]) {
        self.fold(what.as_bytes());
        self.fold(&now.as_nanos().to_le_bytes());
        for number in numbers {
            self.fold(&number.to_le_bytes());
        }
        if self.printed {
            println!("{:>12.6} ms  {what} {numbers:?}", now.as_nanos() as f64 / 1e6);
        }
    }

    /// Bytes moved.
    pub(crate) fn bytes(&mut self, now: Time, what: &'static str, link: usize, bytes: &[u8]) {
        self.fold(bytes);
        self.note(now, what, &[link as u64, bytes.len() as u64]);
    }

    /// Words for people; they don't count for the hash.
    pub(crate) fn say(&self, now: Time, text: impl FnOnce() -> String) {
        if self.printed {
            println!("{:>12.6} ms  {}", now.as_nanos() as f64 / 1e6, text());
        }
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    fn fold(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.hash = (self.hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3);
        }
    }
}
