//! The clock as the machine sees it: an argument.

use std::time::Duration;

/// An instant by the reactor's clock, in nanoseconds since some moment before the reactor began.
///
/// The machine never reads a clock. A reactor reads it once a turn and passes it to each call of that turn; the
/// simulator passes virtual time. Instants of two reactors can't be compared.
///
/// ```
/// use helenus_core::Time;
/// use std::time::Duration;
///
/// let start = Time::from_nanos(1_000);
/// let later = start + Duration::from_micros(2);
/// assert_eq!(later.since(start), Duration::from_nanos(2_000));
/// assert_eq!(start.since(later), Duration::ZERO);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

impl Time {
    /// The origin of the clock.
    pub const ZERO: Self = Self(0);

    /// The instant that many nanoseconds after the origin.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the origin.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Whole milliseconds since the origin.
    pub const fn as_millis(self) -> u64 {
        self.0 / 1_000_000
    }

    /// How long after `earlier` this instant is; zero if it isn't.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl std::ops::Add<Duration> for Time {
    type Output = Self;

    /// Saturates: five hundred years after the origin is late enough for any deadline.
    fn add(self, duration: Duration) -> Self {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }
}
