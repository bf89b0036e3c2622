//! The default reactor of helenus: epoll loops (kqueue, where that is what there is) on threads of their own, or on the
//! caller's thread.
//!
//! [`Mio::threads`] suits programs whose threads or runtimes are many: each shard has its loop. [`Mio::on_caller`] adds
//! no thread at all: whoever waits for an answer runs the loop meanwhile, so that a blocking call costs one write, one
//! read and the wait between them.

mod caller;
mod net;

use std::time::Duration;

use helenus_core::reactor::{Latch, LaunchError, Reactor, Running, Seed};
use helenus_reactor_common::{Next, launch_threads};

use caller::Caller;
use net::Lane;

/// The reactor. It is a value for the session's builder.
#[derive(Clone, Debug)]
pub struct Mio(Mode);

#[derive(Clone, Debug)]
enum Mode {
    Threads(usize),
    Caller,
}

impl Mio {
    /// So many shards, each a thread named `helenus-mio-0` and so on. 0 counts as 1.
    pub fn threads(count: usize) -> Self {
        Self(Mode::Threads(count.max(1)))
    }

    /// No thread: the threads that wait run the loop. Nothing moves while none of them waits, heartbeats included.
    pub fn on_caller() -> Self {
        Self(Mode::Caller)
    }
}

impl Default for Mio {
    /// One thread.
    fn default() -> Self {
        Self::threads(1)
    }
}

impl Reactor for Mio {
    fn name(&self) -> &'static str {
        match self.0 {
            Mode::Threads(_) => "mio",
            Mode::Caller => "mio-caller",
        }
    }

    fn shards(&self) -> usize {
        match self.0 {
            Mode::Threads(count) => count,
            Mode::Caller => 1,
        }
    }

    fn launch(self: Box<Self>, seeds: Vec<Seed>) -> Result<Running, LaunchError> {
        match self.0 {
            Mode::Threads(_) => launch_threads("mio", seeds, |_| Lane::new(), run),
            Mode::Caller => on_caller(seeds),
        }
    }
}

fn on_caller(seeds: Vec<Seed>) -> Result<Running, LaunchError> {
    let latch = Latch::new();
    let Ok([seed]) = <[Seed; 1]>::try_from(seeds) else {
        let needs = "the caller's thread runs one shard, neither less nor more; take Mio::threads for more";
        return Err(LaunchError::Unsupported { needs: needs.into() });
    };
    let caller = Caller::new(Lane::new()?, seed, latch.guard());
    Ok(Running::caller_driven(latch, Box::new(caller)))
}

/// The loop of a thread.
fn run(lane: Lane, seed: Seed) {
    let (mut shard, mut watch) = lane.grow(seed);
    let mut wait = Some(Duration::ZERO);
    loop {
        watch.wait(&mut shard, wait);
        let now = watch.clock.now();
        wait = match shard.turn(now) {
            Next::Again => Some(Duration::ZERO),
            Next::Sleep { until } => until.map(|until| until.since(now)),
            Next::Exit => return,
        };
    }
}
