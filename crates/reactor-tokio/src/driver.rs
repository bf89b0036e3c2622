//! The future that runs a machine.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use helenus_core::Time;
use helenus_core::reactor::{LatchGuard, Seed};
use helenus_reactor_common::tasks::{Hub, Runtime, TaskLoop};
use tokio::task::{Unconstrained, unconstrained};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::context;
use crate::net::Sockets;

/// Runs a machine until it exits. Spawn it on a tokio runtime.
///
/// It bounds its turns by itself, and so takes no part in tokio's cooperative budget. Dropped early, or when the runtime
/// ends first, it closes the sockets, and the requests learn that they are closed.
#[must_use = "a future does nothing unless it is spawned or polled"]
pub struct Driver(Unconstrained<TaskLoop<Around>>);

impl Driver {
    pub(crate) fn new(seed: Seed, guard: Option<LatchGuard>) -> Self {
        Self(unconstrained(TaskLoop::new(seed, guard)))
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

/// The tokio runtime around.
struct Around {
    origin: Instant,
    /// `None` where nothing can run.
    timer: Option<Timer>,
}

impl Runtime for Around {
    type Net = Sockets;

    // A worker of the multi-thread runtime runs a task that was woken at once, before the others.
    const YIELDS: bool = true;

    fn enter(hub: &Arc<Hub>) -> (Self, Sockets) {
        let lacks = context::lacks();
        let origin = Instant::now();
        let timer = lacks.is_none().then(|| Timer::new(origin));
        (Self { origin, timer }, Sockets { hub: hub.clone(), lacks })
    }

    fn is_lacking(&self) -> bool {
        self.timer.is_none()
    }

    // Tokio's clock, which its users can pause in their tests.
    fn now(&self) -> Time {
        Time::ZERO + self.origin.elapsed()
    }

    fn poll_deadline(&mut self, deadline: Option<Time>, cx: &mut Context<'_>) -> Poll<()> {
        match (&mut self.timer, deadline) {
            (Some(timer), Some(deadline)) => timer.poll(self.origin, deadline, cx),
            _ => Poll::Pending,
        }
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

    fn poll(&mut self, origin: Instant, until: Time, cx: &mut Context<'_>) -> Poll<()> {
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
