//! The turn.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Waker;

use helenus_core::Time;
use helenus_core::call::Settled;
use helenus_core::reactor::{ConnId, Event, Machine};

use crate::world::World;
use crate::{Net, Readiness};

/// How many submitted requests a turn takes at most. Some hundred microseconds of work, so that no socket waits longer.
const INBOX_BUDGET: usize = 4096;

/// What a loop has to do after a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Look at the sockets without sleeping, then run another turn.
    Again,
    /// Sleep until something is ready, the waker is called, or the time has come.
    Sleep {
        /// The machine's deadline.
        until: Option<Time>,
    },
    /// The machine is gone, by its own wish or by its panic. All is closed; there are no more turns.
    Exit,
}

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
pub struct Shard<N: Net> {
    /// `None` once it has exited.
    machine: Option<Box<dyn Machine>>,
    world: World<N>,
    settled: Settled,
    /// Whether the last turn delivered something.
    delivered: bool,
}

impl<N: Net> Shard<N> {
    /// A shard that runs `machine` on `net`. `waker` makes the loop's sleep return, from any thread; it is woken by
    /// reference and serves inbox and jobs.
    pub fn new(machine: Box<dyn Machine>, net: N, waker: &Waker) -> Self {
        Self::with_wakers(machine, net, waker, waker)
    }

    /// As [`Shard::new`], for loops that want to know whether they were woken for the inbox or for a job.
    pub fn with_wakers(mut machine: Box<dyn Machine>, net: N, inbox: &Waker, jobs: &Waker) -> Self {
        machine.set_waker(inbox);
        let world = World::new(net, jobs.clone());
        Self { machine: Some(machine), world, settled: Settled::new(), delivered: false }
    }

    /// The loop's own part.
    pub fn net(&mut self) -> &mut N {
        &mut self.world.net
    }

    /// Reports what is known about a socket; the next turn handles it. Nothing happens if the connection is gone.
    pub fn ready(&mut self, conn: ConnId, readiness: Readiness) {
        self.world.report(conn, readiness);
    }

    /// As [`Shard::ready`], for the connection that has this index now.
    pub fn ready_at(&mut self, index: usize, readiness: Readiness) {
        if let Some(conn) = self.world.id_at(index) {
            self.world.report(conn, readiness);
        }
    }

    /// Runs a turn, and arms if there is nothing more to do: after [`Next::Sleep`], a push will wake.
    pub fn turn(&mut self, now: Time) -> Next {
        match self.turn_unarmed(now) {
            Next::Sleep { until } if self.arm() => Next::Sleep { until },
            Next::Sleep { .. } => self.again(),
            next => next,
        }
    }

    /// Runs a turn and does not arm: pushes cost no wake, and are seen by the next turn only. For loops that run on a
    /// caller's thread, and are not asleep merely because that thread does something else.
    pub fn turn_unarmed(&mut self, now: Time) -> Next {
        let next = self.guarded(|shard, machine| shard.steps(now, machine)).unwrap_or(Next::Exit);
        if next == Next::Exit {
            self.end();
        }
        next
    }

    /// After [`Shard::turn_unarmed`] said [`Next::Sleep`]: whether the loop may really sleep.
    pub fn arm(&mut self) -> bool {
        self.guarded(|_, machine| machine.arm()).unwrap_or(false)
    }

    /// Whether the last turn finished requests.
    pub fn delivered(&self) -> bool {
        self.delivered
    }

    /// Whether the answer to a job is still to come.
    pub fn has_jobs(&self) -> bool {
        self.world.jobs.has_unanswered()
    }

    /// Whether the machine is gone.
    pub fn has_exited(&self) -> bool {
        self.machine.is_none()
    }

    fn again(&self) -> Next {
        if self.has_exited() { Next::Exit } else { Next::Again }
    }

    /// The contract of [`helenus_core::reactor`], steps 2 to 7.
    fn steps(&mut self, now: Time, machine: &mut dyn Machine) -> Next {
        machine.begin(now);
        self.world.tell(now, machine);
        if machine.deadline().is_some_and(|deadline| deadline <= now) {
            machine.handle(now, Event::Tick);
        }
        self.delivered = self.deliver(machine);
        let taken = machine.take_inbox(now, INBOX_BUDGET);
        let mut exit = self.world.act(now, machine);
        self.world.flush(now, machine);
        // Flushing may have ended connections; taking and flushing may have finished requests.
        exit |= self.world.act(now, machine);
        let late = self.deliver(machine);
        self.delivered |= late;
        if exit {
            return Next::Exit;
        }
        if late || taken == INBOX_BUDGET || self.world.has_work() {
            return Next::Again;
        }
        Next::Sleep { until: machine.deadline() }
    }

    /// Tells those who wait, while the machine is not borrowed by a call. Says whether there were any.
    fn deliver(&mut self, machine: &mut dyn Machine) -> bool {
        machine.settle(&mut self.settled);
        let any = !self.settled.is_empty();
        self.settled.deliver();
        any
    }

    /// Runs `step`, unless the machine is gone. If that panics, it is dropped while the panic unwinds, so that it can tell
    /// its requests why, and the process's panic hook has reported it: the other shards and the process live on.
    fn guarded<T>(&mut self, step: impl FnOnce(&mut Self, &mut dyn Machine) -> T) -> Option<T> {
        let machine = Contained(self.machine.take());
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let mut contained = machine;
            let done = contained.0.as_deref_mut().map(|machine| step(self, machine));
            (done, contained.0.take())
        }));
        if let Ok((done, machine)) = outcome {
            self.machine = machine;
            return done;
        }
        self.end();
        None
    }

    /// Lets go of the machine, whose requests thereby learn that they are closed, and then of the sockets.
    fn end(&mut self) {
        drop(Contained(self.machine.take()));
        self.settled.deliver();
        self.world.close_all();
    }
}

impl<N: Net> Drop for Shard<N> {
    fn drop(&mut self) {
        self.end();
    }
}

/// A machine whose destructor may panic without harm, even while another panic unwinds.
struct Contained(Option<Box<dyn Machine>>);

impl Drop for Contained {
    fn drop(&mut self) {
        if let Some(machine) = self.0.take() {
            // The hook has reported it, and there is nothing left to save.
            let _ = catch_unwind(AssertUnwindSafe(|| drop(machine)));
        }
    }
}
