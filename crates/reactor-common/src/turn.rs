//! The turn.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Waker;
use std::time::Duration;

use helenus_core::Time;
use helenus_core::call::Settled;
use helenus_core::reactor::{Event, Machine};

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

/// The sockets and jobs of a machine, as a turn uses them. Readiness loops have it made for them by
/// [`Shard`](crate::Shard); completion loops implement it.
pub trait Outside {
    /// Tells the machine all that happened, but a tick.
    fn tell(&mut self, now: Time, machine: &mut dyn Machine);

    /// Carries out what the machine wishes; marks what is to be flushed. Says whether it wishes to end.
    fn act(&mut self, now: Time, machine: &mut dyn Machine) -> bool;

    /// Sends what the marked connections have to send.
    fn flush(&mut self, now: Time, machine: &mut dyn Machine);

    /// Whether the next turn has something to do for which no wait will return.
    fn has_work(&self) -> bool;

    /// Lets go of all sockets.
    fn close_all(&mut self);
}

/// A machine and what is outside of it: runs turns by the contract of [`helenus_core::reactor`], and contains the
/// machine's panics.
pub struct Runner<O: Outside> {
    /// `None` once it has exited.
    machine: Option<Box<dyn Machine>>,
    outside: O,
    settled: Settled,
    /// Whether the last turn delivered something.
    delivered: bool,
}

impl<O: Outside> Runner<O> {
    /// Runs `machine`. `waker` makes the loop's sleep return, from any thread; it is woken by reference.
    pub fn new(mut machine: Box<dyn Machine>, outside: O, waker: &Waker) -> Self {
        machine.set_waker(waker);
        Self { machine: Some(machine), outside, settled: Settled::new(), delivered: false }
    }

    /// The loop's own part.
    pub fn outside(&mut self) -> &mut O {
        &mut self.outside
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
        let next = self.guarded(|runner, machine| runner.steps(now, machine)).unwrap_or(Next::Exit);
        if next == Next::Exit {
            self.end();
        }
        next
    }

    /// After [`Runner::turn_unarmed`] said [`Next::Sleep`]: whether the loop may really sleep.
    pub fn arm(&mut self) -> bool {
        self.guarded(|_, machine| machine.arm()).unwrap_or(false)
    }

    /// For loops that run on a caller's thread, before it sleeps: runs a turn with what is known. Says how long the caller
    /// may sleep then, if it wants to wait so long: not at all, and unarmed, if it may have got what it waits for or there
    /// is more to do.
    pub fn prepare(&mut self, now: Time, wait: Option<Duration>) -> Option<Duration> {
        let Next::Sleep { until } = self.turn_unarmed(now) else { return Some(Duration::ZERO) };
        if self.delivered || !self.arm() {
            return Some(Duration::ZERO);
        }
        match (wait, until.map(|until| until.since(now))) {
            (Some(wait), Some(due)) => Some(wait.min(due)),
            (wait, due) => wait.or(due),
        }
    }

    /// Whether the last turn finished requests.
    pub fn delivered(&self) -> bool {
        self.delivered
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
        self.outside.tell(now, machine);
        if machine.deadline().is_some_and(|deadline| deadline <= now) {
            machine.handle(now, Event::Tick);
        }
        self.delivered = self.deliver(machine);
        let taken = machine.take_inbox(now, INBOX_BUDGET);
        let mut exit = self.outside.act(now, machine);
        self.outside.flush(now, machine);
        // Flushing may have ended connections; taking and flushing may have finished requests.
        exit |= self.outside.act(now, machine);
        let late = self.deliver(machine);
        self.delivered |= late;
        if exit {
            return Next::Exit;
        }
        if late || taken == INBOX_BUDGET || self.outside.has_work() {
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
        self.outside.close_all();
    }
}

impl<O: Outside> Drop for Runner<O> {
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
