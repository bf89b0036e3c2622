//! What every client is asked to do, so that no client gets another task than its neighbour.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use std::fmt;

pub(crate) const CREATE_KEYSPACE: &str = "CREATE KEYSPACE IF NOT EXISTS bench WITH replication = \
                                          {'class': 'SimpleStrategy', 'replication_factor': 1}";
pub(crate) const CREATE_TABLE: &str = "CREATE TABLE IF NOT EXISTS bench.pairs (k text PRIMARY KEY, v text)";
const INSERT: &str = "INSERT INTO bench.pairs (k, v) VALUES (?, ?)";
const SELECT: &str = "SELECT k, v FROM bench.pairs WHERE k = ?";

pub(crate) const KEY_BYTES: usize = 16;
pub(crate) const VALUE_BYTES: usize = 100;
/// As many keys as stay in a core's second-level cache; a power of two, so that picking one costs a mask.
pub(crate) const KEYS: usize = 4_096;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Op {
    Insert,
    Select,
}

impl Op {
    pub(crate) const ALL: [Self; 2] = [Self::Insert, Self::Select];

    pub(crate) fn statement(self) -> &'static str {
        match self {
            Self::Insert => INSERT,
            Self::Select => SELECT,
        }
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Insert => "insert",
            Self::Select => "select",
        })
    }
}

/// The keys and the value, made before anything is measured.
pub(crate) struct Data {
    keys: Vec<String>,
    value: String,
}

impl Data {
    pub(crate) fn new() -> Self {
        Self {
            keys: (0..KEYS).map(|n| format!("key-{n:012}")).collect(),
            value: "value-abcd".repeat(VALUE_BYTES / 10),
        }
    }

    pub(crate) fn key(&self, number: u64) -> &str {
        &self.keys[number as usize & (KEYS - 1)]
    }

    pub(crate) fn value(&self) -> &str {
        &self.value
    }
}

/// One of the loops that together keep a fixed number of requests in flight.
///
/// Each has its fixed share rather than taking from a common counter: answers come back in order of
/// their requests, so the loops stay level and the tail in which fewer are in flight is short.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chain {
    pub(crate) index: u64,
    pub(crate) requests: u64,
    chains: u64,
}

impl Chain {
    pub(crate) fn split(requests: u64, in_flight: usize) -> impl ExactSizeIterator<Item = Self> {
        let chains = in_flight as u64;
        let (each, rest) = (requests / chains, requests % chains);
        (0..in_flight).map(move |index| index as u64).map(move |index| Self {
            index,
            requests: each + u64::from(index < rest),
            chains,
        })
    }

    /// The numbers of this chain's requests among all: interleaved with those of its neighbours.
    pub(crate) fn numbers(self) -> impl Iterator<Item = u64> {
        (0..self.requests).map(move |turn| self.index + turn * self.chains)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_value_have_the_sizes_that_the_figures_are_quoted_for() {
        let data = Data::new();
        assert_eq!(data.key(u64::MAX).len(), KEY_BYTES);
        assert_ne!(data.key(0), data.key(1));
        assert_eq!(data.value().len(), VALUE_BYTES);
    }

    #[test]
    fn chains_cover_each_request_once() {
        let mut numbers: Vec<u64> = Chain::split(1_003, 16).flat_map(Chain::numbers).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..1_003).collect::<Vec<_>>());
    }
}
