//! The future that runs a machine.

use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use helenus_core::Time;
use helenus_core::reactor::{ConnId, LatchGuard, Seed};
use helenus_reactor_common::{Next, Readiness, Shard};
use tokio::task::{Unconstrained, unconstrained};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::context;
use crate::hub::Hub;
use crate::net::Sockets;

/// Runs a machine until it exits. Spawn it on a tokio runtime.
///
/// It bounds its turns by itself, and so takes no part in tokio's cooperative budget. Dropped early, or when the runtime
/// ends first, it closes the sockets, and the requests learn that they are closed.
#[must_use = "a future does nothing unless it is spawned or polled"]
pub struct Driver(Unconstrained<Loop>);

impl Driver {
    pub(crate) fn new(seed: Seed, guard: Option<LatchGuard>) -> Self {
        let hub = Arc::default();
        let stage = Stage::Sown(Some(seed));
        Self(unconstrained(Loop { stage, hub, has_yielded: false, ready: Vec::new(), guard }))
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx)
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Driver")
    }
}

struct Loop {
    stage: Stage,
    hub: Arc<Hub>,
    /// Whether the last poll only let others go first.
    has_yielded: bool,
    /// Kept for its memory.
    ready: Vec<ConnId>,
    /// Taken when all else is gone.
    guard: Option<LatchGuard>,
}

enum Stage {
    Sown(Option<Seed>),
    Grown(Box<Grown>),
    Ended,
}

struct Grown {
    shard: Shard<Sockets>,
    origin: Instant,
    /// `None` where nothing can run.
    timer: Option<Timer>,
}

impl Future for Loop {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        // The shard catches its own panics. Tokio's remain: its timers do so once their runtime is gone.
        match catch_unwind(AssertUnwindSafe(|| this.step(cx))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(())) | Err(_) => {
                this.end();
                Poll::Ready(())
            }
        }
    }
}

impl Loop {
    fn step(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Stage::Sown(seed) = &mut self.stage {
            let Some(seed) = seed.take() else { return Poll::Ready(()) };
            self.stage = Stage::Grown(Box::new(Grown::new(seed, &self.hub)));
        }
        let Stage::Grown(grown) = &mut self.stage else { return Poll::Ready(()) };
        self.hub.attend(cx.waker(), &mut self.ready);
        // A worker of the multi-thread runtime runs a task that was woken at once, before the others that are about to
        // submit too: each request would get a write of its own. So they are let go first, once.
        self.has_yielded = self.hub.take_pushed() && !self.has_yielded;
        if self.has_yielded {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        for conn in self.ready.drain(..) {
            // Tokio knows which of both it is: asking in vain costs no system call.
            grown.shard.ready(conn, Readiness { readable: true, writable: true, ended: false });
        }
        grown.turn(cx)
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

impl Drop for Loop {
    fn drop(&mut self) {
        self.end();
    }
}

impl Grown {
    fn new(seed: Seed, hub: &Arc<Hub>) -> Self {
        let lacks = context::lacks();
        let net = Sockets { hub: hub.clone(), lacks };
        let shard = Shard::with_wakers(seed.grow(), net, &hub.for_inbox(), &hub.clone().into());
        let origin = Instant::now();
        Self { shard, origin, timer: lacks.is_none().then(|| Timer::new(origin)) }
    }

    fn turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // Tokio's clock, which its users can pause in their tests.
        let now = Time::ZERO + self.origin.elapsed();
        let until = match self.shard.turn(now) {
            Next::Sleep { until } => until,
            Next::Again => {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Next::Exit => return Poll::Ready(()),
        };
        let Some(timer) = &mut self.timer else {
            // All connections were refused, and no deadline can be kept.
            return if self.shard.has_jobs() { Poll::Pending } else { Poll::Ready(()) };
        };
        if timer.poll(self.origin, until, cx).is_ready() {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

/// One timer, moved only when the deadline is.
struct Timer {
    sleep: Pin<Box<Sleep>>,
    set: Option<Time>,
}

impl Timer {
    fn new(origin: Instant) -> Self {
        Self { sleep: Box::pin(sleep_until(origin)), set: None }
    }

    fn poll(&mut self, origin: Instant, until: Option<Time>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(until) = until else { return Poll::Pending };
        if self.set != Some(until) {
            // A deadline that no instant names never comes.
            let Some(instant) = origin.checked_add(Duration::from_nanos(until.as_nanos())) else {
                return Poll::Pending;
            };
            self.sleep.as_mut().reset(instant);
            self.set = Some(until);
        }
        self.sleep.as_mut().poll(cx)
    }
}
