//! The system's monotonic clock, as the machine's time.

use std::time::Instant;

use helenus_core::Time;

/// Reads the system's monotonic clock.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// A clock that shows [`Time::ZERO`] now.
    pub fn start() -> Self {
        Self { origin: Instant::now() }
    }

    /// What it shows. Read it once a turn.
    pub fn now(&self) -> Time {
        Time::ZERO + self.origin.elapsed()
    }
}
