//! The clients that are compared. Each is set up as its own documentation advises for throughput, with
//! one connection for requests, no TLS, no compression, protocol v4, and its own defaults otherwise.

mod bare;
mod cdrs;
mod helenus;
mod scylla;
mod tasks;

use crate::latency::Sampler;
use crate::workload::Op;
use anyhow::Result;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::sync::Arc;

/// A client that is connected and has its statement prepared.
pub(crate) trait Client {
    /// Sends `requests` requests, keeping `in_flight` of them on their way, and checks every answer.
    fn run(&mut self, requests: u64, sampler: &Arc<Sampler>) -> Result<()>;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Driver {
    /// An epoll loop without futures, sessions or errors: the floor
    Bare,
    /// helenus, its mio loop on a thread of its own; futures on the main thread
    HelenusMio,
    /// helenus, its mio loop driven by the main thread with `block_on`
    HelenusMioCaller,
    /// As helenus-mio-caller, through `execute_concurrent` instead of one future a request
    HelenusMioWindow,
    /// helenus, driven by a task on tokio's current-thread runtime
    HelenusTokioCt,
    /// scylla on tokio's current-thread runtime
    ScyllaCt,
    /// scylla on tokio's multi-thread runtime, two workers
    ScyllaMt,
    /// cdrs-tokio on tokio's current-thread runtime
    CdrsCt,
}

impl Driver {
    pub(crate) const ALL: [Self; 8] = [
        Self::Bare,
        Self::HelenusMio,
        Self::HelenusMioCaller,
        Self::HelenusMioWindow,
        Self::HelenusTokioCt,
        Self::ScyllaCt,
        Self::ScyllaMt,
        Self::CdrsCt,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::HelenusMio => "helenus-mio",
            Self::HelenusMioCaller => "helenus-mio-caller",
            Self::HelenusMioWindow => "helenus-mio-window",
            Self::HelenusTokioCt => "helenus-tokio-ct",
            Self::ScyllaCt => "scylla-ct",
            Self::ScyllaMt => "scylla-mt",
            Self::CdrsCt => "cdrs-ct",
        }
    }

    /// How the peer was set up, for the reader who asks whether the comparison is fair.
    pub(crate) fn setting(self) -> &'static str {
        match self {
            Self::Bare => {
                "epoll, one thread; a turn is one wait, one read (64 KB), one write; frames from a template; checks version, stream, opcode, kind"
            }
            Self::HelenusMio => {
                "reactor-mio, one shard on its own thread; N chains in a FuturesUnordered on the main thread"
            }
            Self::HelenusMioCaller => {
                "reactor-mio on the caller's thread (block_on); N chains in a FuturesUnordered"
            }
            Self::HelenusMioWindow => {
                "reactor-mio on the caller's thread; execute_concurrent with a window of N"
            }
            Self::HelenusTokioCt => "reactor-tokio as a task of a current-thread runtime; N spawned tasks",
            Self::ScyllaCt => {
                "current-thread runtime, N spawned tasks (in a LocalSet beyond 1,024: cheaper for it), execute_unpaged, PerHost(1), write coalescing on (default)"
            }
            Self::ScyllaMt => {
                "multi-thread runtime, 2 workers on the client's one core, N spawned tasks, otherwise as scylla-ct"
            }
            Self::CdrsCt => {
                "current-thread runtime, N spawned tasks (in a LocalSet beyond 1,024: cheaper for it), round robin, pool of 1, transport buffer of max(1024, N) as its docs advise"
            }
        }
    }

    pub(crate) fn connect(self, server: SocketAddr, op: Op, in_flight: usize) -> Result<Box<dyn Client>> {
        match self {
            Self::Bare => bare::connect(server, op, in_flight),
            Self::HelenusMio => helenus::connect(helenus::Loop::OwnThread, server, op, in_flight),
            Self::HelenusMioCaller => helenus::connect(helenus::Loop::Caller, server, op, in_flight),
            Self::HelenusMioWindow => helenus::connect(helenus::Loop::CallerWindow, server, op, in_flight),
            Self::HelenusTokioCt => helenus::connect(helenus::Loop::Tokio, server, op, in_flight),
            Self::ScyllaCt => scylla::connect(scylla::Runtime::CurrentThread, server, op, in_flight),
            Self::ScyllaMt => scylla::connect(scylla::Runtime::MultiThread, server, op, in_flight),
            Self::CdrsCt => cdrs::connect(server, op, in_flight),
        }
    }
}
