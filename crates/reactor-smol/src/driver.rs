//! The future that runs a machine.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use async_io::Timer;
use helenus_core::Time;
use helenus_core::reactor::{LatchGuard, Seed};
use helenus_reactor_common::tasks::{Hub, Runtime, TaskLoop};

use crate::context;
use crate::net::Sockets;

/// Runs a machine until it exits. Any executor can run it, on any thread.
///
/// Dropped early, or when its executor ends first, it closes the sockets, and the requests learn that they are closed.
#[must_use = "a future does nothing unless it is spawned or polled"]
pub struct Driver(TaskLoop<AsyncIo>);

impl Driver {
    pub(crate) fn new(seed: Seed, guard: Option<LatchGuard>) -> Self {
        Self(TaskLoop::new(seed, guard))
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

/// What async-io gives: it serves the whole process, from a thread of its own if nobody else waits for it.
struct AsyncIo {
    lacking: bool,
    origin: Instant,
    timer: Timer,
    /// When the timer will call.
    set: Option<Time>,
}

impl Runtime for AsyncIo {
    type Net = Sockets;

    // Executors here run tasks in the order in which they were woken. In a `block_on`, yielding would cost a look at the
    // sockets, which is five system calls.
    const YIELDS: bool = false;

    fn enter(hub: &Arc<Hub>) -> (Self, Sockets) {
        let lacks = context::lacks();
        let this =
            Self { lacking: lacks.is_some(), origin: Instant::now(), timer: Timer::never(), set: None };
        (this, Sockets { hub: hub.clone(), lacks })
    }

    fn is_lacking(&self) -> bool {
        self.lacking
    }

    fn now(&self) -> Time {
        Time::ZERO + self.origin.elapsed()
    }

    // Each setting of the timer interrupts whoever waits for async-io. So one that calls too early is left as it is: with
    // timeouts of some seconds it is set once in that time, and not once a request.
    fn poll_deadline(&mut self, deadline: Option<Time>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = deadline else { return Poll::Pending };
        let now = self.now();
        if deadline <= now {
            return Poll::Ready(());
        }
        if self.set.is_some_and(|set| now < set && set <= deadline) {
            return Poll::Pending;
        }
        // A deadline that no instant names never comes.
        let Some(instant) = self.origin.checked_add(Duration::from_nanos(deadline.as_nanos())) else {
            return Poll::Pending;
        };
        self.timer.set_at(instant);
        self.set = Some(deadline);
        Pin::new(&mut self.timer).poll(cx).map(drop)
    }
}
