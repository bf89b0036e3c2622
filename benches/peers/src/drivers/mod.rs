//! The clients that are compared. Each is set up as its own documentation advises for throughput, with
//! one connection for requests, TLS only where asked for, no compression, protocol v4, and its own defaults otherwise.

mod bare;
mod cdrs;
pub(crate) mod helenus;
mod scylla;
mod tasks;

use crate::latency::Sampler;
use crate::threads::{self, Blocking};
use crate::workload::Op;
use anyhow::{Result, ensure};
use clap::ValueEnum;
use helenus::{Flavour, Loop, Place, Shape};
use rustls::ClientConfig;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// The server, and how to connect to it.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    /// With TLS, so configured.
    pub(crate) tls: Option<Arc<ClientConfig>>,
}

impl Target {
    fn plain(address: SocketAddr) -> Self {
        Self { address, tls: None }
    }
}

/// A client that is connected and has its statement prepared.
pub(crate) trait Client {
    /// Sends `requests` requests, keeping `in_flight` of them on their way, and checks every answer.
    fn run(&mut self, requests: u64, sampler: &Arc<Sampler>) -> Result<()>;
}

/// Each client with its name, how it was set up (for the reader who asks whether the comparison is fair), and how it
/// connects.
macro_rules! drivers {
    ($($(#[$doc:meta])* $variant:ident $name:literal $setting:literal $connect:expr;)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub(crate) enum Driver { $($(#[$doc])* $variant,)* }

        impl Driver {
            pub(crate) const ALL: &[Self] = &[$(Self::$variant,)*];

            pub(crate) fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            pub(crate) fn setting(self) -> &'static str {
                match self { $(Self::$variant => $setting,)* }
            }

            pub(crate) fn connect(self, target: &Target, op: Op, in_flight: usize) -> Result<Box<dyn Client>> {
                match self { $(Self::$variant => ($connect)(target, op, in_flight),)* }
            }
        }
    };
}

drivers! {
    /// An epoll loop without futures, sessions or errors: the floor
    Bare "bare"
        "epoll, one thread; a turn is one wait, one read (64 KB), one write; frames from a template; checks version, stream, opcode, kind"
        plain(bare::epoll);
    /// A blocking socket: the floor of one request at a time
    BareBlocking "bare-blocking"
        "a blocking socket, one write and one read a request"
        plain(|server, op, in_flight| Ok(bare::blocking(server, op, in_flight)? as Box<dyn Client>));
    /// The same on tokio's current-thread runtime: what the runtime costs
    BareTokio "bare-tokio"
        "the bare loop as the future of a current-thread runtime: poll_read, poll_write"
        plain(bare::tokio);
    /// The same on smol
    BareSmol "bare-smol"
        "the bare loop as the future of async_io::block_on with a LocalExecutor: poll_read, poll_write"
        plain(bare::smol);
    /// The same on async-std
    BareAsyncStd "bare-async-std"
        "the bare loop as the future of async_std::task::block_on: poll_read, poll_write"
        plain(bare::async_std);
    /// The same on glommio
    BareGlommio "bare-glommio"
        "the bare loop as the future of a LocalExecutor: poll_read, poll_write"
        plain(bare::glommio);
    /// helenus, its mio loop on a thread of its own; futures on the main thread
    HelenusMio "helenus-mio"
        "reactor-mio, one shard on its own thread; N chains in a FuturesUnordered on the main thread"
        place(Place::Loop(Loop::Mio, Shape::Chains));
    /// As helenus-mio, with two shards
    HelenusMioTwo "helenus-mio-two"
        "reactor-mio, two shards, each on a thread of its own; N chains in a FuturesUnordered on the main thread, which uses one of them"
        place(Place::Loop(Loop::MioTwo, Shape::Chains));
    /// As helenus-mio, through `execute_concurrent` instead of one future a request
    HelenusMioThreadWindow "helenus-mio-thread-window"
        "reactor-mio, one shard on its own thread; execute_concurrent with a window of N"
        place(Place::Loop(Loop::Mio, Shape::Window));
    /// helenus, its mio loop driven by the main thread with `block_on`
    HelenusMioCaller "helenus-mio-caller"
        "reactor-mio on the caller's thread (block_on); N chains in a FuturesUnordered"
        place(Place::Loop(Loop::MioCaller, Shape::Chains));
    /// As helenus-mio-caller, through `execute_concurrent` instead of one future a request
    HelenusMioWindow "helenus-mio-window"
        "reactor-mio on the caller's thread; execute_concurrent with a window of N"
        place(Place::Loop(Loop::MioCaller, Shape::Window));
    /// As helenus-mio-caller, by callbacks that send the next request
    HelenusMioCallbacks "helenus-mio-callbacks"
        "reactor-mio on the caller's thread; N chains of callbacks"
        place(Place::Loop(Loop::MioCaller, Shape::Callbacks));
    /// As helenus-mio-caller, a FuturesUnordered of futures of one request each
    HelenusMioEach "helenus-mio-each"
        "reactor-mio on the caller's thread; a FuturesUnordered of N futures, one a request"
        place(Place::Loop(Loop::MioCaller, Shape::Each));
    /// helenus, driven by a task on tokio's current-thread runtime
    HelenusTokioCt "helenus-tokio-ct"
        "reactor-tokio as a task of a current-thread runtime; N spawned tasks"
        place(Place::Tokio(Flavour::CurrentThread));
    /// helenus, driven by a task on tokio's multi-thread runtime
    HelenusTokioMt "helenus-tokio-mt"
        "reactor-tokio as a task of a multi-thread runtime, 2 workers on the client's one core; N spawned tasks"
        place(Place::Tokio(Flavour::MultiThread));
    /// helenus on io_uring, on a thread of its own
    HelenusUring "helenus-uring"
        "reactor-uring, one shard on its own thread; N chains in a FuturesUnordered on the main thread"
        place(Place::Loop(Loop::Uring, Shape::Chains));
    /// helenus on io_uring, driven by the main thread
    HelenusUringCaller "helenus-uring-caller"
        "reactor-uring on the caller's thread (block_on); N chains in a FuturesUnordered"
        place(Place::Loop(Loop::UringCaller, Shape::Chains));
    /// helenus, driven by a task of a smol executor
    HelenusSmol "helenus-smol"
        "reactor-smol as a task of a LocalExecutor; N tasks there"
        place(Place::Smol);
    /// helenus, driven by a task of async-std's executor
    HelenusAsyncStd "helenus-async-std"
        "reactor-async-std as a task of async-std's executor, one thread; N tasks there"
        place(Place::AsyncStd);
    /// helenus, driven by a task of a glommio executor
    HelenusGlommio "helenus-glommio"
        "reactor-glommio as a task of an executor on the client's core; N tasks there"
        place(Place::Glommio);
    /// scylla on tokio's current-thread runtime
    ScyllaCt "scylla-ct"
        "current-thread runtime, N spawned tasks (in a LocalSet beyond 1,024: cheaper for it), execute_unpaged, PerHost(1), write coalescing on (default)"
        |target: &Target, op, in_flight| scylla::connect(scylla::Runtime::CurrentThread, target, op, in_flight);
    /// scylla on tokio's multi-thread runtime, two workers
    ScyllaMt "scylla-mt"
        "multi-thread runtime, 2 workers on the client's one core, N spawned tasks, otherwise as scylla-ct"
        |target: &Target, op, in_flight| scylla::connect(scylla::Runtime::MultiThread, target, op, in_flight);
    /// cdrs-tokio on tokio's current-thread runtime
    CdrsCt "cdrs-ct"
        "current-thread runtime, N spawned tasks (in a LocalSet beyond 1,024: cheaper for it), round robin, pool of 1, transport buffer of max(1024, N) as its docs advise"
        plain(cdrs::connect);
}

fn place(place: Place) -> impl Fn(&Target, Op, usize) -> Result<Box<dyn Client>> {
    move |target, op, in_flight| helenus::connect(place, target, op, in_flight)
}

/// A client that has no TLS here.
fn plain(
    connect: impl Fn(SocketAddr, Op, usize) -> Result<Box<dyn Client>>,
) -> impl Fn(&Target, Op, usize) -> Result<Box<dyn Client>> {
    move |target, op, in_flight| {
        ensure!(target.tls.is_none(), "it has no TLS here");
        connect(target.address, op, in_flight)
    }
}

impl Driver {
    /// Whether it can keep so many requests in flight.
    pub(crate) fn fits(self, in_flight: usize) -> bool {
        match self {
            Self::BareBlocking => in_flight == 1,
            Self::Bare | Self::BareTokio | Self::BareSmol | Self::BareAsyncStd | Self::BareGlommio => {
                in_flight <= bare::MAX_IN_FLIGHT
            }
            _ => true,
        }
    }

    /// A client whose calls block, for threads to share.
    pub(crate) fn connect_blocking(self, server: SocketAddr) -> Result<Arc<dyn Blocking>> {
        Ok(match self {
            Self::BareBlocking => Arc::new(Mutexed(Mutex::new(bare::blocking(server, threads::OP, 1)?))),
            Self::HelenusMio => helenus::blocking(Loop::Mio, server)?,
            Self::HelenusMioTwo => helenus::blocking(Loop::MioTwo, server)?,
            Self::HelenusMioCaller => helenus::blocking(Loop::MioCaller, server)?,
            Self::HelenusUring => helenus::blocking(Loop::Uring, server)?,
            Self::HelenusUringCaller => helenus::blocking(Loop::UringCaller, server)?,
            Self::ScyllaMt => scylla::blocking(server)?,
            other => anyhow::bail!("{} has no blocking calls here", other.name()),
        })
    }
}

/// A client of one thread, as one for threads to share.
struct Mutexed(Mutex<Box<dyn Client + Send>>);

impl Blocking for Mutexed {
    fn insert(&self, _number: u64) -> Result<()> {
        let sampler = Arc::new(Sampler::new(1));
        self.0.lock().unwrap_or_else(PoisonError::into_inner).run(1, &sampler)
    }
}
