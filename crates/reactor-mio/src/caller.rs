//! The loop on the threads of those who wait.

use std::task::Waker;
use std::time::Duration;

use helenus_core::reactor::{LatchGuard, Seed, Turns, Woken};
use helenus_reactor_common::{Next, Shard};

use crate::net::{Lane, Sockets, Watch};

pub(crate) struct Caller {
    shard: Shard<Sockets>,
    watch: Watch,
    /// Last, so that all else is gone when the latch opens.
    _guard: LatchGuard,
}

impl Caller {
    pub(crate) fn new(lane: Lane, seed: Seed, guard: LatchGuard) -> Self {
        let (shard, watch) = lane.grow(seed);
        Self { shard, watch, _guard: guard }
    }
}

impl Turns for Caller {
    /// A turn sends what was submitted since the last one, sleeps, and handles what came. Between turns the machine is
    /// not armed, so that submitting costs no system call.
    fn turn(&mut self, wait: Option<Duration>) -> Woken {
        let limit = self.shard.prepare(self.watch.clock.now(), wait);
        if self.shard.delivered() && !self.shard.has_exited() {
            return Woken::Turned;
        }
        self.watch.wait(&mut self.shard, limit);
        match self.shard.turn_unarmed(self.watch.clock.now()) {
            Next::Exit => Woken::Exited,
            Next::Again | Next::Sleep { .. } => Woken::Turned,
        }
    }

    fn waker(&self) -> Waker {
        self.watch.waker.clone()
    }
}
