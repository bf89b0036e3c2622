//! What `bench` and its worker processes say to each other: lines of JSON over the worker's standard input and output.
//!
//! The worker gets a [`Job`], connects and prepares, says `Ready`, waits for the line `go`, measures, and says `Done`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use helenus::{Compression, Consistency, Session, SessionBuilder, Version};
use serde::{Deserialize, Serialize};

use super::pattern::Pattern;
use super::reactor::ReactorName;
use crate::tls::TlsOptions;

/// How to connect.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Target {
    pub(crate) hosts: Vec<String>,
    pub(crate) credentials: Option<(String, String)>,
    pub(crate) tls: TlsOptions,
    pub(crate) protocol_version: Option<u8>,
    pub(crate) compression: Option<String>,
    pub(crate) consistency: String,
    pub(crate) connections: usize,
    pub(crate) on_wire: Option<usize>,
    pub(crate) timeout: Duration,
    /// Of one session; the queue has room for all of them.
    pub(crate) ops: u64,
}

impl Target {
    pub(crate) fn builder(&self) -> SessionBuilder {
        let queue = usize::try_from(self.ops).unwrap_or(usize::MAX).max(131_072);
        let mut builder = Session::builder()
            .contact_points(&self.hosts)
            .connections_per_node(self.connections)
            .request_timeout(self.timeout)
            .consistency(self.consistency.parse::<Consistency>().unwrap_or_default())
            .in_flight_max(queue, queue.saturating_mul(2_048));
        if let Some((user, password)) = &self.credentials {
            builder = builder.credentials(user, password);
        }
        if let Some(tls) = self.tls.configuration() {
            builder = builder.tls(tls);
        }
        if let Some(version) = self.protocol_version.and_then(Version::from_byte) {
            builder = builder.protocol_version(version);
        }
        if let Some(compression) = self.compression.as_deref().and_then(Compression::from_name) {
            // A measurement of something else would be worse than none.
            builder = builder.compression(compression).require_compression();
        }
        match self.on_wire {
            Some(requests) => builder.on_wire_max(requests),
            None => builder,
        }
    }
}

/// One worker process's part of a measurement.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) target: Target,
    pub(crate) reactor: ReactorName,
    pub(crate) pattern: Pattern,
    pub(crate) threads: usize,
    /// The number of the first request: numbers make keys.
    pub(crate) first: u64,
    pub(crate) ops: u64,
    pub(crate) in_flight: usize,
    pub(crate) read: bool,
    /// Whether rows that are read are those that were written: not from a null node.
    pub(crate) stored: bool,
    pub(crate) sample_every: u64,
    pub(crate) cpus: Vec<usize>,
    pub(crate) profile: Option<PathBuf>,
}

/// What a worker says.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Message {
    /// It is connected and has prepared; it waits for `go`.
    Ready,
    /// So many requests are finished.
    Progress(u64),
    /// What came of it.
    Done(Box<Outcome>),
    /// It could not even begin.
    Failed(String),
}

/// What one worker measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) ops: u64,
    pub(crate) wall: Duration,
    pub(crate) cpu_user: Duration,
    pub(crate) cpu_system: Duration,
    /// Latencies in nanoseconds, and how often each was seen.
    pub(crate) latencies: Vec<(u64, u64)>,
    /// `None` where the system doesn't say.
    pub(crate) memory_idle_bytes: Option<u64>,
    pub(crate) memory_peak_bytes: Option<u64>,
    pub(crate) errors: Errors,
    /// The numbers of the requests that failed.
    pub(crate) failed: Vec<u64>,
    /// What the driver counted meanwhile, and what stands at the end.
    pub(crate) counters: BTreeMap<String, u64>,
    pub(crate) protocol_version: u8,
}

/// Failed requests by kind.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Errors(pub(crate) BTreeMap<String, ErrorCount>);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ErrorCount {
    pub(crate) count: u64,
    pub(crate) example: String,
}

impl Errors {
    pub(crate) fn add(&mut self, kind: &str, count: u64, example: impl FnOnce() -> String) {
        match self.0.get_mut(kind) {
            Some(known) => known.count += count,
            None => drop(self.0.insert(kind.into(), ErrorCount { count, example: example() })),
        }
    }

    pub(crate) fn merge(&mut self, other: Self) {
        for (kind, error) in other.0 {
            self.add(&kind, error.count, || error.example);
        }
    }

    pub(crate) fn total(&self) -> u64 {
        self.0.values().map(|error| error.count).sum()
    }
}

impl Outcome {
    /// Adds what another process measured at the same time.
    pub(crate) fn merge(mut self, other: Self) -> Self {
        let mut latencies: BTreeMap<u64, u64> = self.latencies.into_iter().collect();
        for (value, count) in other.latencies {
            *latencies.entry(value).or_default() += count;
        }
        for (name, count) in other.counters {
            *self.counters.entry(name).or_default() += count;
        }
        self.errors.merge(other.errors);
        self.failed.extend(other.failed);
        Self {
            ops: self.ops + other.ops,
            wall: self.wall.max(other.wall),
            cpu_user: self.cpu_user + other.cpu_user,
            cpu_system: self.cpu_system + other.cpu_system,
            latencies: latencies.into_iter().collect(),
            memory_idle_bytes: self.memory_idle_bytes.zip(other.memory_idle_bytes).map(|(a, b)| a + b),
            memory_peak_bytes: self.memory_peak_bytes.zip(other.memory_peak_bytes).map(|(a, b)| a + b),
            errors: self.errors,
            failed: self.failed,
            counters: self.counters,
            protocol_version: self.protocol_version.min(other.protocol_version),
        }
    }

    /// The latency in nanoseconds that `share` of the requests did not exceed.
    pub(crate) fn latency_at(&self, share: f64) -> Option<u64> {
        let total: u64 = self.latencies.iter().map(|(_, count)| count).sum();
        let rank = ((total as f64 * share).ceil() as u64).clamp(1, total.max(1));
        let mut seen = 0;
        self.latencies.iter().find_map(|(value, count)| {
            seen += count;
            (seen >= rank).then_some(*value)
        })
    }

    pub(crate) fn cpu(&self) -> Duration {
        self.cpu_user + self.cpu_system
    }

    pub(crate) fn throughput(&self) -> f64 {
        self.ops as f64 / self.wall.as_secs_f64().max(1e-9)
    }

    pub(crate) fn cpu_us_per_op(&self) -> f64 {
        self.cpu().as_secs_f64() * 1e6 / self.ops.max(1) as f64
    }

    pub(crate) fn memory_bytes(&self) -> Option<u64> {
        Some(self.memory_peak_bytes?.saturating_sub(self.memory_idle_bytes?))
    }

    pub(crate) fn counter(&self, name: &str) -> u64 {
        self.counters.get(name).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(ops: u64, wall_ms: u64, latencies: &[(u64, u64)]) -> Outcome {
        let mut errors = Errors::default();
        errors.add("timed out", ops / 10, || format!("example of {ops}"));
        Outcome {
            ops,
            wall: Duration::from_millis(wall_ms),
            cpu_user: Duration::from_millis(3),
            cpu_system: Duration::from_millis(1),
            latencies: latencies.to_vec(),
            memory_idle_bytes: Some(1_000),
            memory_peak_bytes: Some(1_500),
            errors,
            failed: vec![ops],
            counters: [("writes".to_owned(), ops)].into(),
            protocol_version: 5,
        }
    }

    #[test]
    fn merged_outcomes_add_up() {
        let merged = outcome(100, 50, &[(10, 3), (30, 1)]).merge(outcome(200, 80, &[(20, 4), (30, 1)]));
        assert_eq!((merged.ops, merged.wall), (300, Duration::from_millis(80)));
        assert_eq!(merged.cpu(), Duration::from_millis(8));
        assert_eq!(merged.latencies, [(10, 3), (20, 4), (30, 2)]);
        assert_eq!(merged.memory_bytes(), Some(1_000));
        assert_eq!(merged.counter("writes"), 300);
        assert_eq!(merged.errors.total(), 30);
        assert_eq!(merged.failed, [100, 200]);
        assert_eq!(merged.errors.0["timed out"].example, "example of 100");
        assert_eq!(merged.throughput().round(), 3_750.0);
    }

    #[test]
    fn memory_that_one_process_does_not_know_is_unknown() {
        let silent = Outcome { memory_peak_bytes: None, ..outcome(1, 1, &[]) };
        assert_eq!(outcome(1, 1, &[]).merge(silent).memory_bytes(), None);
    }

    #[test]
    fn percentiles_are_of_all_that_was_seen() {
        let outcome = outcome(1, 1, &[(10, 98), (20, 1), (90, 1)]);
        assert_eq!(outcome.latency_at(0.5), Some(10));
        assert_eq!(outcome.latency_at(0.99), Some(20));
        assert_eq!(outcome.latency_at(0.999), Some(90));
        assert_eq!(Outcome::default().latency_at(0.5), None);
    }

    #[test]
    fn jobs_and_messages_survive_the_pipe() {
        let message = Message::Done(Box::new(outcome(7, 7, &[(1, 2)])));
        let line = serde_json::to_string(&message).unwrap();
        assert!(!line.contains('\n'));
        let Message::Done(back) = serde_json::from_str(&line).unwrap() else { panic!("another message") };
        assert_eq!(*back, outcome(7, 7, &[(1, 2)]));
    }
}
