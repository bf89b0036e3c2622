//! The future that runs a machine.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use helenus_core::reactor::{LatchGuard, Seed};
use helenus_reactor_common::tasks::TaskLoop;

use crate::nowhere::Nowhere;
#[cfg(target_os = "linux")]
use crate::tied::{self, Tied};

/// Runs a machine until it exits. Spawn it on a glommio executor.
///
/// Dropped early, or when the executor ends first, it closes the sockets, and the requests learn that they are closed.
#[must_use = "a future does nothing unless it is spawned or polled"]
pub struct Driver {
    place: Place,
    /// Sockets and timers belong to one executor, and so to one thread, from the first poll on.
    _stays: PhantomData<Rc<()>>,
}

enum Place {
    /// Not polled yet. Dropped in this order.
    Sown(Option<Seed>, Option<LatchGuard>),
    #[cfg(target_os = "linux")]
    Executor(Tied),
    Nowhere(TaskLoop<Nowhere>),
}

impl Driver {
    pub(crate) fn new(seed: Seed, guard: Option<LatchGuard>) -> Self {
        Self { place: Place::Sown(Some(seed), guard), _stays: PhantomData }
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let place = &mut self.get_mut().place;
        if let Place::Sown(seed, guard) = place {
            let Some(seed) = seed.take() else { return Poll::Ready(()) };
            *place = Place::find(seed, guard.take());
        }
        match place {
            Place::Sown(..) => Poll::Ready(()),
            #[cfg(target_os = "linux")]
            Place::Executor(tied) => tied.poll(cx),
            Place::Nowhere(machine) => Pin::new(machine).poll(cx),
        }
    }
}

impl Place {
    #[cfg(target_os = "linux")]
    fn find(seed: Seed, guard: Option<LatchGuard>) -> Self {
        if tied::is_executor() {
            Self::Executor(Tied::new(seed, guard))
        } else {
            Self::Nowhere(TaskLoop::new(seed, guard))
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn find(seed: Seed, guard: Option<LatchGuard>) -> Self {
        Self::Nowhere(TaskLoop::new(seed, guard))
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Driver")
    }
}
