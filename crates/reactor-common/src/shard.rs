//! A machine with the sockets of a readiness loop.

use std::task::Waker;
use std::time::Duration;

use helenus_core::Time;
use helenus_core::reactor::{ConnId, Machine};

use crate::world::World;
use crate::{Net, Next, Readiness, Runner};

/// A machine with its sockets: what a readiness loop runs.
///
/// A loop is then no more than this:
///
/// ```no_run
/// use helenus_core::Time;
/// use helenus_reactor_common::{Clock, Net, Next, Readiness, Shard};
///
/// fn run<N: Net>(mut shard: Shard<N>, mut wait: impl FnMut(&mut N, Option<Time>) -> Vec<(usize, Readiness)>) {
///     let clock = Clock::start();
///     let mut until = Some(Time::ZERO);
///     loop {
///         for (index, readiness) in wait(shard.net(), until) {
///             shard.ready_at(index, readiness);
///         }
///         until = match shard.turn(clock.now()) {
///             Next::Again => Some(Time::ZERO),
///             Next::Sleep { until } => until,
///             Next::Exit => return,
///         };
///     }
/// }
/// ```
pub struct Shard<N: Net>(Runner<World<N>>);

impl<N: Net> Shard<N> {
    /// A shard that runs `machine` on `net`. `waker` makes the loop's sleep return, from any thread; it is woken by
    /// reference and serves inbox and jobs.
    pub fn new(machine: Box<dyn Machine>, net: N, waker: &Waker) -> Self {
        Self::with_wakers(machine, net, waker, waker)
    }

    /// As [`Shard::new`], for loops that want to know whether they were woken for the inbox or for a job.
    pub fn with_wakers(machine: Box<dyn Machine>, net: N, inbox: &Waker, jobs: &Waker) -> Self {
        Self(Runner::new(machine, World::new(net, jobs.clone()), inbox))
    }

    /// The loop's own part.
    pub fn net(&mut self) -> &mut N {
        &mut self.0.outside().net
    }

    /// Reports what is known about a socket; the next turn handles it. Nothing happens if the connection is gone.
    pub fn ready(&mut self, conn: ConnId, readiness: Readiness) {
        self.0.outside().report(conn, readiness);
    }

    /// As [`Shard::ready`], for the connection that has this index now.
    pub fn ready_at(&mut self, index: usize, readiness: Readiness) {
        let world = self.0.outside();
        if let Some(conn) = world.id_at(index) {
            world.report(conn, readiness);
        }
    }

    /// As [`Runner::turn`].
    pub fn turn(&mut self, now: Time) -> Next {
        self.0.turn(now)
    }

    /// As [`Runner::turn_unarmed`].
    pub fn turn_unarmed(&mut self, now: Time) -> Next {
        self.0.turn_unarmed(now)
    }

    /// As [`Runner::arm`].
    pub fn arm(&mut self) -> bool {
        self.0.arm()
    }

    /// As [`Runner::prepare`].
    pub fn prepare(&mut self, now: Time, wait: Option<Duration>) -> Option<Duration> {
        self.0.prepare(now, wait)
    }

    /// Whether the last turn finished requests.
    pub fn delivered(&self) -> bool {
        self.0.delivered()
    }

    /// Whether the answer to a job is still to come.
    pub fn has_jobs(&mut self) -> bool {
        self.0.outside().jobs.has_unanswered()
    }

    /// Whether the machine is gone.
    pub fn has_exited(&self) -> bool {
        self.0.has_exited()
    }
}
