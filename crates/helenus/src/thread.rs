//! The calling thread: its number, and how it sleeps until a future can go on.

use std::cell::Cell;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use helenus_core::Inbox;

use crate::sync::thread::{self, Thread};
use crate::sync::{AtomicBool, thread_local};

/// A small number of this thread's own, so that it sticks to one shard.
pub(crate) fn number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local!(static NUMBER: Cell<Option<usize>> = const { Cell::new(None) });
    NUMBER.with(Cell::get).unwrap_or_else(|| {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        NUMBER.with(|own| own.set(Some(number)));
        number
    })
}

/// Wakes a parked thread.
struct Unpark {
    thread: Thread,
    woken: AtomicBool,
}

impl Unpark {
    fn current() -> Arc<Self> {
        Arc::new(Self { thread: thread::current(), woken: AtomicBool::new(false) })
    }

    fn park(&self) {
        while !self.woken.swap(false, Ordering::Acquire) {
            thread::park();
        }
    }

    fn park_for(&self, limit: Duration) -> bool {
        let start = Instant::now();
        while !self.woken.swap(false, Ordering::Acquire) {
            let Some(left) = limit.checked_sub(start.elapsed()) else { return false };
            thread::park_timeout(left);
        }
        true
    }
}

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.woken.swap(true, Ordering::Release) {
            self.thread.unpark();
        }
    }
}

/// A parker with its waker, which nobody else on this thread uses meanwhile: a future that is polled while another one is
/// waited for may wait itself, and must not take the wake that is meant for the other.
pub(crate) struct Parker(Option<Idle>);

type Idle = (Arc<Unpark>, Waker);

// Making one costs two allocations, so the last one is kept.
thread_local!(static IDLE: Cell<Option<Idle>> = const { Cell::new(None) });

impl Parker {
    pub(crate) fn new() -> Self {
        let kept = IDLE.try_with(Cell::take).ok().flatten();
        Self(Some(kept.unwrap_or_else(|| {
            let unpark = Unpark::current();
            (unpark.clone(), unpark.into())
        })))
    }

    fn both(&self) -> &Idle {
        self.0.as_ref().unwrap_or_else(|| unreachable!("it is taken by drop alone"))
    }

    pub(crate) fn waker(&self) -> &Waker {
        &self.both().1
    }

    /// Sleeps until somebody woke it since the last time.
    pub(crate) fn park(&self) {
        self.both().0.park();
    }

    /// The same, for at most so long. Says whether it was woken.
    fn park_for(&self, limit: Duration) -> bool {
        self.both().0.park_for(limit)
    }
}

impl Drop for Parker {
    fn drop(&mut self) {
        let idle = self.0.take();
        // A thread that is ending keeps none.
        let _ = IDLE.try_with(|kept| kept.set(idle));
    }
}

/// Runs a future to its end, parking in between.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let parker = Parker::new();
    let mut cx = Context::from_waker(parker.waker());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        parker.park();
    }
}

/// When a thread gives up to wait for a machine, which somebody else is to run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// What was submitted is taken sooner than this, if anybody runs the machine.
    pub(crate) untaken: Duration,
    /// No machine that is run is without a turn for so long.
    pub(crate) turnless: Duration,
}

/// The same for a future that waits for the machine of `inbox`.
///
/// # Errors
/// Nobody runs it, for as long as this says. This thread may be the one that should: one of several of a runtime, all of which
/// wait.
pub(crate) fn block_on_driven<F: Future>(
    future: F,
    inbox: &Inbox,
    patience: Option<Patience>,
) -> Result<F::Output, Duration> {
    let Some(patience) = patience else { return Ok(block_on(future)) };
    let mut future = pin!(future);
    let parker = Parker::new();
    let mut cx = Context::from_waker(parker.waker());
    let mut idle = Idleness::default();
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return Ok(output);
        }
        if parker.park_for(patience.untaken) {
            idle = Idleness::default();
        } else if idle.is_too_long(inbox, patience) {
            return Err(patience.untaken);
        }
    }
}

/// What was seen of a machine each time that `Patience::untaken` went by.
#[derive(Default)]
struct Idleness {
    turns: Option<usize>,
    times: u32,
    untaken: bool,
}

impl Idleness {
    fn is_too_long(&mut self, inbox: &Inbox, patience: Patience) -> bool {
        let (turns, untaken) = (inbox.turns(), inbox.has_untaken());
        if inbox.has_ended() || self.turns.is_some_and(|before| before != turns) {
            *self = Self::default();
            return false;
        }
        // What lies there now may have come this moment; what lay there before has not.
        let lies = std::mem::replace(&mut self.untaken, untaken) && untaken;
        self.turns = Some(turns);
        self.times += 1;
        turns == 0 || lies || patience.untaken * self.times > patience.turnless
    }
}
