//! The reactor where io_uring is.

mod buffers;
mod caller;
mod needs;
mod ring;
mod sockets;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::task::Waker;
use std::time::Duration;

use helenus_core::reactor::{Latch, LaunchError, Running, Seed};
use helenus_reactor_common::{Clock, Next, Runner, launch_threads};

use caller::Caller;
use ring::{Ring, Use};
use sockets::Sockets;

pub(crate) fn on_threads(seeds: Vec<Seed>, starved: &Arc<AtomicU64>) -> Result<Running, LaunchError> {
    let starved = starved.clone();
    launch_threads("uring", seeds, move |_| Lane::new(Use::OneThread, &starved), run)
}

pub(crate) fn on_caller(seed: Seed, starved: &Arc<AtomicU64>) -> Result<Running, LaunchError> {
    let latch = Latch::new();
    let caller = Caller::new(Lane::new(Use::ManyThreads, starved)?, seed, latch.guard());
    Ok(Running::caller_driven(latch, Box::new(caller)))
}

/// What a loop needs of the system, made before its machine.
struct Lane {
    ring: Ring,
    starved: Arc<AtomicU64>,
}

impl Lane {
    fn new(mode: Use, starved: &Arc<AtomicU64>) -> Result<Self, LaunchError> {
        let ring = Ring::new(mode).map_err(needs::explain)?;
        Ok(Self { ring, starved: starved.clone() })
    }

    fn waker(&self) -> Waker {
        self.ring.waker()
    }

    fn grow(self, seed: Seed) -> Runner<Sockets> {
        let waker = self.waker();
        Runner::new(seed.grow(), Sockets::new(self.ring, self.starved), &waker)
    }
}

/// The loop of a thread.
fn run(lane: Lane, seed: Seed) {
    let mut runner = lane.grow(seed);
    let clock = Clock::start();
    let mut wait = Some(Duration::ZERO);
    loop {
        runner.outside().ring.wait(wait);
        let now = clock.now();
        wait = match runner.turn(now) {
            Next::Again => Some(Duration::ZERO),
            Next::Sleep { until } => until.map(|until| until.since(now)),
            Next::Exit => return,
        };
    }
}
