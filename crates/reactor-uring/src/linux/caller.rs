//! The loop on the threads of those who wait.

use std::task::Waker;
use std::time::Duration;

use helenus_core::reactor::{LatchGuard, Seed, Turns, Woken};
use helenus_reactor_common::{Clock, Next, Runner};

use super::Lane;
use super::sockets::Sockets;

pub(crate) struct Caller {
    runner: Runner<Sockets>,
    clock: Clock,
    waker: Waker,
    /// Last, so that all else is gone when the latch opens.
    _guard: LatchGuard,
}

impl Caller {
    pub(crate) fn new(lane: Lane, seed: Seed, guard: LatchGuard) -> Self {
        let waker = lane.waker();
        Self { runner: lane.grow(seed), clock: Clock::start(), waker, _guard: guard }
    }
}

impl Turns for Caller {
    /// A turn sends what was submitted since the last one, sleeps, and handles what came. Between turns the machine is
    /// not armed, so that submitting costs no system call.
    fn turn(&mut self, wait: Option<Duration>) -> Woken {
        let limit = self.runner.prepare(self.clock.now(), wait);
        if !self.runner.delivered() || self.runner.has_exited() {
            self.runner.outside().ring.wait(limit);
            if self.runner.turn_unarmed(self.clock.now()) == Next::Exit {
                return Woken::Exited;
            }
        }
        // The caller may not come back soon, and what callbacks have submitted should not wait for that.
        self.runner.outside().ring.submit_urgent();
        Woken::Turned
    }

    fn waker(&self) -> Waker {
        self.waker.clone()
    }
}
