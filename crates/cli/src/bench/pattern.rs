//! The ways of calling the driver that are measured. The first five are those of the Python driver's benchmarks.

use std::fmt;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub(crate) enum Pattern {
    /// One request at a time, each waited for
    Sync,
    /// Start a batch of requests, wait for all of them, start the next batch
    FutureBatches,
    /// Keep a queue of requests: wait for the oldest whenever one more is started
    FutureFullPipeline,
    /// Start all requests at once, then wait for them
    FutureFullThrottle,
    /// Chains of callbacks: each completion starts the next request
    CallbackFullPipeline,
    /// Session::execute_concurrent
    Concurrent,
    /// A stream of requests through buffer_unordered
    Stream,
}

impl Pattern {
    pub(crate) fn all() -> Vec<Self> {
        Self::value_variants().to_vec()
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sync => "sync",
            Self::FutureBatches => "future_batches",
            Self::FutureFullPipeline => "future_full_pipeline",
            Self::FutureFullThrottle => "future_full_throttle",
            Self::CallbackFullPipeline => "callback_full_pipeline",
            Self::Concurrent => "concurrent",
            Self::Stream => "stream",
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
