//! The monotonic clock, as the machine's time.

use std::time::{Duration, Instant};

use helenus_core::Time;

/// Turns instants of the system's monotonic clock into [`Time`], and back.
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

    /// The instant at which it will show `time`; `None` if the system can't name one that far ahead.
    pub fn instant(&self, time: Time) -> Option<Instant> {
        self.origin.checked_add(Duration::from_nanos(time.as_nanos()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_shown_as_the_time_it_was_asked_for() {
        let clock = Clock::start();
        let later = Time::from_nanos(5_000_000_000);

        let instant = clock.instant(later).unwrap();

        assert_eq!(instant - clock.origin, Duration::from_secs(5));
        assert!(clock.now() < later);
    }
}
