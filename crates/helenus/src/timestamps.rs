//! The timestamps of what is written.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// A timestamp that is so much later than the clock is counted: the clock was set back, or the program writes more than once
/// a microsecond for long.
const AHEAD_MAX_US: i64 = 1_000_000;

/// Gives each write its timestamp, by which Cassandra decides which of two writes to a cell is the later one.
///
/// A session asks for one when a request is used that writes or may write. Requests that are sent again keep theirs.
pub trait TimestampSource: Send + Sync + 'static {
    /// Microseconds since 1970-01-01T00:00Z.
    fn timestamp_us(&self) -> i64;
}

impl<F: Fn() -> i64 + Send + Sync + 'static> TimestampSource for F {
    fn timestamp_us(&self) -> i64 {
        self()
    }
}

/// The system's clock in microseconds, never the same twice and never going back: while the clock stands still or was set
/// back, each timestamp is the last one and 1.
///
/// Clones share that. A session makes its own unless [`SessionBuilder::timestamps`](crate::SessionBuilder::timestamps) says
/// otherwise; give several sessions clones of one where they write to the same rows.
///
/// ```
/// use helenus::{MonotonicTimestamps, TimestampSource};
///
/// let timestamps = MonotonicTimestamps::new();
/// assert!(timestamps.timestamp_us() < timestamps.timestamp_us());
/// ```
#[derive(Clone, Debug, Default)]
pub struct MonotonicTimestamps(Arc<Monotonic>);

#[derive(Debug, Default)]
struct Monotonic {
    last: AtomicI64,
    ahead: AtomicU64,
}

impl MonotonicTimestamps {
    /// One that has given none yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many timestamps were more than a second later than the clock.
    pub fn ahead(&self) -> u64 {
        self.0.ahead.load(Ordering::Relaxed)
    }

    #[inline]
    fn at(&self, now: i64) -> i64 {
        let mut last = self.0.last.load(Ordering::Relaxed);
        loop {
            let next = now.max(last.saturating_add(1));
            match self.0.last.compare_exchange_weak(last, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => {
                    if next - now > AHEAD_MAX_US {
                        self.0.ahead.fetch_add(1, Ordering::Relaxed);
                    }
                    return next;
                }
                Err(other) => last = other,
            }
        }
    }
}

impl TimestampSource for MonotonicTimestamps {
    #[inline]
    fn timestamp_us(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        // In 64 bits, for it is on the way of every write: they last for the next 292,000 years.
        let seconds = i64::try_from(since.as_secs()).unwrap_or_default();
        self.at(seconds.saturating_mul(1_000_000).saturating_add(since.subsec_micros().into()))
    }
}

/// Who gives the timestamps of a session.
#[derive(Clone)]
pub(crate) enum Timestamps {
    Monotonic(MonotonicTimestamps),
    Other(Arc<dyn TimestampSource>),
    /// The coordinator.
    Server,
}

impl Timestamps {
    /// The session's own, if it is one of these, without the indirection.
    pub(crate) fn new(source: impl TimestampSource) -> Self {
        match (&source as &dyn Any).downcast_ref::<MonotonicTimestamps>() {
            Some(timestamps) => Self::Monotonic(timestamps.clone()),
            None => Self::Other(Arc::new(source)),
        }
    }

    /// Whether this side gives them.
    #[inline]
    pub(crate) fn are_ours(&self) -> bool {
        !matches!(self, Self::Server)
    }

    #[inline]
    pub(crate) fn next_us(&self) -> Option<i64> {
        match self {
            Self::Monotonic(timestamps) => Some(timestamps.timestamp_us()),
            Self::Other(source) => Some(source.timestamp_us()),
            Self::Server => None,
        }
    }

    pub(crate) fn ahead(&self) -> u64 {
        match self {
            Self::Monotonic(timestamps) => timestamps.ahead(),
            Self::Other(_) | Self::Server => 0,
        }
    }
}

impl fmt::Debug for Timestamps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Monotonic(_) => "Monotonic",
            Self::Other(_) => "Other",
            Self::Server => "Server",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_follow_the_clock_and_never_go_back() {
        let timestamps = MonotonicTimestamps::new();
        assert_eq!(timestamps.at(1_000), 1_000);
        assert_eq!(timestamps.at(1_000), 1_001);
        assert_eq!(timestamps.clone().at(5), 1_002, "set back; clones share it");
        assert_eq!(timestamps.at(2_000), 2_000);
        assert_eq!(timestamps.ahead(), 0);
    }

    #[test]
    fn a_clock_that_was_set_back_is_counted() {
        let timestamps = MonotonicTimestamps::new();
        timestamps.at(10_000_000);
        assert_eq!(timestamps.at(10_000_001 - AHEAD_MAX_US), 10_000_001);
        assert_eq!(timestamps.ahead(), 0, "a second exactly");
        timestamps.at(1);
        assert_eq!(timestamps.ahead(), 1);
    }

    #[test]
    fn threads_never_get_the_same() {
        let timestamps = MonotonicTimestamps::new();
        let of_thread = || {
            let timestamps = timestamps.clone();
            move || (0..10_000).map(|_| timestamps.at(7)).collect::<Vec<_>>()
        };
        let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(of_thread())).collect();
        let mut all: Vec<i64> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        all.sort_unstable();
        assert!(all.iter().copied().eq(7..40_007));
    }
}
