//! A machine as a future, for runtimes that poll.

mod hub;

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use helenus_core::Time;
use helenus_core::reactor::{ConnId, LatchGuard, Seed};

pub use hub::Hub;

use crate::{Net, Next, Readiness, Shard};

/// What a runtime gives to a machine that runs in one of its tasks: sockets, the clock, and one timer.
pub trait Runtime: Sized {
    /// Its sockets. Each leaves wakers of [`Hub::for_conn`] with the runtime.
    type Net: Net;

    /// Whether a task that another one woke may run before the others that are ready. Then the machine's lets them go
    /// first, once, or each request that they submit gets a write of its own.
    const YIELDS: bool = true;

    /// Begins, within the task: this is the first poll.
    fn enter(hub: &Arc<Hub>) -> (Self, Self::Net);

    /// Whether nothing can run here. `Net::open` has to say why; once all connections were refused, the task ends.
    fn is_lacking(&self) -> bool {
        false
    }

    /// What its clock shows.
    fn now(&self) -> Time;

    /// Ready if `deadline` has passed; else the waker of `cx`, which is always the same, is called by then or a little
    /// earlier. Only the last deadline counts. It is asked once a turn: move the runtime's timer only if need be.
    fn poll_deadline(&mut self, deadline: Option<Time>, cx: &mut Context<'_>) -> Poll<()>;
}

/// The future that runs a machine until it exits.
///
/// It may be sent to another thread if what the runtime gives may. Dropped early, it closes the sockets, and the requests
/// learn that they are closed. It never panics: what the runtime does about that ends it.
#[must_use = "a future does nothing unless it is spawned or polled"]
pub struct TaskLoop<R: Runtime> {
    stage: Stage<R>,
    hub: Arc<Hub>,
    /// The hub's own, for timer and jobs: so the task's is stored once, and neither cares when the task changes.
    waker: Waker,
    /// Whether the last poll only let others go first.
    has_yielded: bool,
    /// Kept for its memory.
    ready: Vec<(ConnId, Readiness)>,
    /// Taken when all else is gone.
    guard: Option<LatchGuard>,
}

enum Stage<R: Runtime> {
    Sown(Option<Seed>),
    Grown(Box<Grown<R>>),
    Ended,
}

struct Grown<R: Runtime> {
    shard: Shard<R::Net>,
    runtime: R,
}

impl<R: Runtime> TaskLoop<R> {
    /// Grows `seed` when it is polled first. Holds `guard` until it has let go of everything.
    pub fn new(seed: Seed, guard: Option<LatchGuard>) -> Self {
        let hub: Arc<Hub> = Arc::default();
        let waker = hub.clone().into();
        Self { stage: Stage::Sown(Some(seed)), hub, waker, has_yielded: false, ready: Vec::new(), guard }
    }

    fn step(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Stage::Sown(seed) = &mut self.stage {
            let Some(seed) = seed.take() else { return Poll::Ready(()) };
            self.stage = Stage::Grown(Box::new(Grown::new(seed, &self.hub, &self.waker)));
        }
        let Stage::Grown(grown) = &mut self.stage else { return Poll::Ready(()) };
        self.hub.attend(cx.waker(), &mut self.ready);
        if R::YIELDS {
            self.has_yielded = self.hub.take_pushed() && !self.has_yielded;
            if self.has_yielded {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
        for (conn, readiness) in self.ready.drain(..) {
            grown.shard.ready(conn, readiness);
        }
        grown.turn(cx, &self.waker)
    }

    /// Lets go of the machine and its sockets, then of the task, and then says so.
    fn end(&mut self) {
        // Dropping what panicked before may panic again; then there is nothing left to save.
        let stage = std::mem::replace(&mut self.stage, Stage::Ended);
        let _ = catch_unwind(AssertUnwindSafe(|| drop(stage)));
        self.hub.leave();
        self.guard = None;
    }
}

impl<R: Runtime> Future for TaskLoop<R> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        // The shard catches its own panics. The runtime's remain: timers and sockets may do so once it is gone.
        match catch_unwind(AssertUnwindSafe(|| this.step(cx))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(())) | Err(_) => {
                this.end();
                Poll::Ready(())
            }
        }
    }
}

impl<R: Runtime> Drop for TaskLoop<R> {
    fn drop(&mut self) {
        self.end();
    }
}

impl<R: Runtime> Grown<R> {
    fn new(seed: Seed, hub: &Arc<Hub>, waker: &Waker) -> Self {
        let (runtime, net) = R::enter(hub);
        Self { shard: Shard::with_wakers(seed.grow(), net, &hub.for_inbox(), waker), runtime }
    }

    fn turn(&mut self, cx: &mut Context<'_>, waker: &Waker) -> Poll<()> {
        let until = match self.shard.turn(self.runtime.now()) {
            Next::Sleep { until } => until,
            Next::Again => {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Next::Exit => return Poll::Ready(()),
        };
        if self.runtime.is_lacking() {
            // All connections were refused, and no deadline can be kept.
            return if self.shard.has_jobs() { Poll::Pending } else { Poll::Ready(()) };
        }
        if self.runtime.poll_deadline(until, &mut Context::from_waker(waker)).is_ready() {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}
