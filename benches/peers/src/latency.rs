//! Latency, sampled so that the clock doesn't become what is measured.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A histogram's unit. Depth 1 takes some 20 us, so a tenth of one is fine enough, and small.
const UNIT_NS: u64 = 100;
const LONGEST_MS: u64 = 60_000;

/// Times each request up to 16 in flight, one in 32 beyond: there the two clock readings (50 ns) would
/// be as dear as the request.
pub(crate) struct Sampler {
    every: u64,
    histogram: Mutex<Histogram<u32>>,
}

/// Percentiles in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Percentiles {
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) p999_us: f64,
    pub(crate) samples: u64,
}

impl Sampler {
    pub(crate) fn new(in_flight: usize) -> Self {
        #[expect(
            clippy::expect_used,
            reason = "the bounds are constants and valid: 1 <= low, 2 * low <= high"
        )]
        let histogram = Histogram::new_with_bounds(1, LONGEST_MS * 1_000_000 / UNIT_NS, 3)
            .expect("constant bounds are valid");
        Self { every: if in_flight <= 16 { 1 } else { 32 }, histogram: Mutex::new(histogram) }
    }

    /// Whether the request of this place in its chain is one to be timed; the chains are staggered.
    pub(crate) fn picks(&self, place: u64) -> bool {
        place.is_multiple_of(self.every)
    }

    pub(crate) fn start(&self, place: u64) -> Option<Instant> {
        self.picks(place).then(Instant::now)
    }

    pub(crate) fn stop(&self, started: Option<Instant>) {
        if let Some(started) = started {
            self.record(started.elapsed());
        }
    }

    pub(crate) fn record(&self, took: Duration) {
        let units = took.as_nanos() as u64 / UNIT_NS;
        self.histogram.lock().unwrap_or_else(PoisonError::into_inner).saturating_record(units.max(1));
    }

    pub(crate) fn clear(&self) {
        self.histogram.lock().unwrap_or_else(PoisonError::into_inner).reset();
    }

    pub(crate) fn percentiles(&self) -> Percentiles {
        let histogram = self.histogram.lock().unwrap_or_else(PoisonError::into_inner);
        let at = |quantile| (histogram.value_at_quantile(quantile) * UNIT_NS) as f64 / 1e3;
        Percentiles { p50_us: at(0.5), p99_us: at(0.99), p999_us: at(0.999), samples: histogram.len() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_come_in_microseconds() {
        let sampler = Sampler::new(1);
        (1..=1_000).for_each(|us| sampler.record(Duration::from_micros(us)));
        let found = sampler.percentiles();
        assert!((found.p50_us - 500.0).abs() < 2.0, "{found:?}");
        assert!((found.p99_us - 990.0).abs() < 2.0, "{found:?}");
        assert_eq!(found.samples, 1_000);
    }
}
