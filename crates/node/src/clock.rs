//! What time it is, for timestamps and time to live.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The time that nodes take for timestamps, `now()` and the expiry of values: the system's, or one that a test moves.
///
/// ```
/// use std::time::Duration;
///
/// let clock = helenus_node::Clock::starting_at(Duration::from_secs(1_000_000_000));
/// let node = helenus_node::Node::builder().clock(clock.clone()).start()?;
/// // What is written with a time to live of a minute is gone now.
/// clock.advance(Duration::from_secs(61));
/// # drop(node);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Clock {
    /// Microseconds since 1970; `None` for the system's clock.
    set: Option<Arc<AtomicI64>>,
}

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self::default()
    }

    /// A clock that stands still, so long after 1970-01-01T00:00Z; copies of it are the same clock.
    pub fn starting_at(since_epoch: Duration) -> Self {
        Self { set: Some(Arc::new(AtomicI64::new(micros(since_epoch)))) }
    }

    /// Moves the clock on; the system's clock can't be moved and isn't.
    pub fn advance(&self, by: Duration) {
        if let Some(set) = &self.set {
            set.fetch_add(micros(by), Ordering::Relaxed);
        }
    }

    /// Microseconds since 1970-01-01T00:00Z.
    pub(crate) fn now_micros(&self) -> i64 {
        match &self.set {
            Some(set) => set.load(Ordering::Relaxed),
            None => micros(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()),
        }
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
