//! What was measured, as it is shown and written.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::cluster::Found;
use super::job::{ErrorCount, Outcome};
use super::machine::Machine;
use super::pattern::Pattern;
use super::reactor::ReactorName;

/// From this share of a core on something is said to be busy.
const BUSY: f64 = 0.85;

/// Below this share of a core a client with many requests in flight waits for the cluster.
const IDLE: f64 = 0.5;

/// In flight, from here on, are many.
const MANY: u64 = 16;

/// All of a run of `bench`.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) helenus: &'static str,
    pub(crate) machine: Machine,
    pub(crate) setup: Setup,
    pub(crate) left_out: Vec<String>,
    pub(crate) results: Vec<Measured>,
}

/// What holds for all results.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Setup {
    /// What was talked to, in words.
    pub(crate) server: String,
    pub(crate) protocol: String,
    pub(crate) compression: &'static str,
    /// "writes" or "reads".
    pub(crate) operation: &'static str,
    pub(crate) requests: u64,
    pub(crate) threads: u16,
    pub(crate) processes: u16,
    pub(crate) in_flight: u32,
    pub(crate) connections_per_node: usize,
    /// `None` is the driver's own limit.
    pub(crate) on_wire_per_connection_max: Option<usize>,
    pub(crate) consistency: String,
    pub(crate) replication_factor: u32,
    /// "none", or which CPU is whose.
    pub(crate) pinned: String,
    /// A latency was taken of each so-manyth request.
    pub(crate) latency_of_every: u64,
}

/// One reactor and pattern.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Measured {
    pub(crate) reactor: ReactorName,
    pub(crate) pattern: Pattern,
    /// Why there are no figures, if there are none.
    pub(crate) failed: Option<String>,
    pub(crate) figures: Option<Figures>,
    /// `None` where rows were not looked for.
    pub(crate) rows: Option<Found>,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figures {
    pub(crate) requests_per_s: f64,
    pub(crate) wall_s: f64,
    pub(crate) client_cpu_us_per_request: f64,
    pub(crate) client_cpu_user_s: f64,
    pub(crate) client_cpu_system_s: f64,
    /// Of the node that was started.
    pub(crate) node_cpu_s: Option<f64>,
    pub(crate) latency_us: BTreeMap<&'static str, f64>,
    pub(crate) memory_above_idle_bytes: Option<u64>,
    pub(crate) on_wire_max: u64,
    pub(crate) limit: Limit,
    pub(crate) error_count: u64,
    pub(crate) errors: BTreeMap<String, ErrorCount>,
    pub(crate) counters: BTreeMap<String, u64>,
}

/// What held a measurement up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Limit {
    Server,
    Client,
    Both,
    RoundTrip,
}

impl Limit {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Client => "client",
            Self::Both => "both",
            Self::RoundTrip => "round trip",
        }
    }

    /// `node` is the CPU time of the node that was started; of a real cluster's it is unknown.
    fn judge(wall: Duration, client: Duration, node: Option<Duration>, on_wire_max: u64) -> Self {
        let share = |cpu: Duration| cpu.as_secs_f64() / wall.as_secs_f64().max(1e-9);
        let server_busy = match node {
            Some(node) => share(node) >= BUSY,
            None => share(client) < IDLE && on_wire_max >= MANY,
        };
        match (server_busy, share(client) >= BUSY) {
            (true, true) => Self::Both,
            (true, false) => Self::Server,
            (false, true) => Self::Client,
            (false, false) => Self::RoundTrip,
        }
    }
}

/// The percentiles that are shown, and those that `--metrics` adds.
pub(crate) const PERCENTILES: [(&str, f64); 8] = [
    ("p50", 0.5),
    ("p75", 0.75),
    ("p90", 0.9),
    ("p95", 0.95),
    ("p98", 0.98),
    ("p99", 0.99),
    ("p99.9", 0.999),
    ("max", 1.0),
];

impl Figures {
    pub(crate) fn of(outcome: Outcome, node: Option<Duration>) -> Self {
        let latency = |share| outcome.latency_at(share).map(|nanos| nanos as f64 / 1e3);
        let on_wire_max = outcome.counter("on_wire_max");
        Self {
            requests_per_s: outcome.throughput(),
            wall_s: outcome.wall.as_secs_f64(),
            client_cpu_us_per_request: outcome.cpu_us_per_op(),
            client_cpu_user_s: outcome.cpu_user.as_secs_f64(),
            client_cpu_system_s: outcome.cpu_system.as_secs_f64(),
            node_cpu_s: node.map(|node| node.as_secs_f64()),
            latency_us: PERCENTILES
                .iter()
                .filter_map(|(name, share)| Some((*name, latency(*share)?)))
                .collect(),
            memory_above_idle_bytes: outcome.memory_bytes(),
            on_wire_max,
            limit: Limit::judge(outcome.wall, outcome.cpu(), node, on_wire_max),
            error_count: outcome.errors.total(),
            errors: outcome.errors.0,
            counters: outcome.counters,
        }
    }

    pub(crate) fn latency_us(&self, name: &str) -> Option<f64> {
        self.latency_us.get(name).copied()
    }
}

impl Measured {
    /// Whether all went well: no request failed, no row is missing.
    pub(crate) fn is_good(&self) -> bool {
        let figures = self.figures.as_ref().is_some_and(|figures| figures.error_count == 0);
        figures && self.rows.is_none_or(|rows| rows.is_all())
    }
}

impl Report {
    pub(crate) fn is_good(&self) -> bool {
        self.results.iter().all(Measured::is_good)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_judged_by_cpu_over_wall_time() {
        let judge = |client, node: Option<u64>, on_wire| {
            let ms = Duration::from_millis;
            Limit::judge(ms(1_000), ms(client), node.map(ms), on_wire)
        };
        assert_eq!(judge(300, Some(900), 120), Limit::Server);
        assert_eq!(judge(950, Some(700), 120), Limit::Client);
        assert_eq!(judge(950, Some(950), 120), Limit::Both);
        assert_eq!(judge(600, Some(600), 1), Limit::RoundTrip);
        assert_eq!(judge(200, None, 120), Limit::Server);
        assert_eq!(judge(200, None, 1), Limit::RoundTrip);
        assert_eq!(judge(900, None, 120), Limit::Client);
    }
}
