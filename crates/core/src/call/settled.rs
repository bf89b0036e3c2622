//! Finished requests on their way to those who wait.

use std::cell::Cell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError};
use std::task::Waker;

use super::Finished;
use crate::sync::{Mutex, MutexGuard};

thread_local! {
    /// The number of the shard whose requests this thread is delivering.
    static DELIVERING: Cell<Option<usize>> = const { Cell::new(None) };
}

/// The requests that one turn finished. Kept from turn to turn, so that its memory is.
#[derive(Default)]
pub struct Settled {
    told: Vec<Finished>,
    wakes: Vec<Waker>,
    /// Callbacks and wakers that panicked since the machine last asked.
    panics: u64,
    shard: usize,
}

impl Settled {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether there is nothing to deliver.
    pub fn is_empty(&self) -> bool {
        self.told.is_empty() && self.wakes.is_empty()
    }

    /// The shard for which this thread is inside [`Settled::deliver`]: a callback that blocks here would wait for itself,
    /// and what it submits goes best to that shard.
    pub fn delivering() -> Option<usize> {
        DELIVERING.get()
    }

    /// Wakes and calls everyone. Call it while the machine is not borrowed. A callback or waker that panics is caught
    /// and counted; the others are still told.
    pub fn deliver(&mut self) {
        if self.is_empty() {
            return;
        }
        let _mark = DeliveryMark(DELIVERING.replace(Some(self.shard)));
        let mut told = std::mem::take(&mut self.told);
        let mut rest = told.drain(..);
        while rest.len() > 0 {
            // One landing pad for many: only a panic ends the inner loop early.
            let outcome = catch_unwind(AssertUnwindSafe(|| rest.by_ref().for_each(|told| self.tell(told))));
            self.panics += u64::from(outcome.is_err());
        }
        drop(rest);
        self.told = told;
        let mut wakes = std::mem::take(&mut self.wakes);
        for waker in wakes.drain(..) {
            let outcome = catch_unwind(AssertUnwindSafe(|| waker.wake()));
            self.panics += u64::from(outcome.is_err());
        }
        self.wakes = wakes;
    }

    fn tell(&mut self, told: Finished) {
        match told {
            Finished::Seen => {}
            Finished::Waker(waker) => waker.wake(),
            Finished::Callback(callback, outcome) => outcome.call(callback),
            Finished::Window(window, number) => self.wakes.extend(window.push(number)),
            Finished::Errand(errand) => errand(),
        }
    }

    #[inline]
    pub(crate) fn push(&mut self, finished: Finished) {
        if !matches!(finished, Finished::Seen) {
            self.told.push(finished);
        }
    }

    pub(crate) fn push_wakes(&mut self, wakers: impl IntoIterator<Item = Waker>) {
        self.wakes.extend(wakers);
    }

    /// Exchanges an empty batch for what `self` has, keeping both memories.
    pub(crate) fn swap_into(&mut self, batch: &mut Self, shard: usize) -> u64 {
        batch.shard = shard;
        std::mem::swap(&mut self.told, &mut batch.told);
        std::mem::swap(&mut self.wakes, &mut batch.wakes);
        std::mem::take(&mut batch.panics)
    }
}

impl fmt::Debug for Settled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settled").field("requests", &self.told.len()).finish_non_exhaustive()
    }
}

/// Says, while it lives, that this thread runs user code for the machine.
struct DeliveryMark(Option<usize>);

impl Drop for DeliveryMark {
    fn drop(&mut self) {
        DELIVERING.set(self.0);
    }
}

/// A set of concurrent requests whose completions of one turn arrive as one list with one wake.
#[derive(Debug, Default)]
pub struct Window {
    state: Mutex<WindowState>,
}

#[derive(Debug, Default)]
struct WindowState {
    finished: Vec<usize>,
    waker: Option<Waker>,
}

impl Window {
    /// An empty window.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Moves the numbers of what has finished since the last call to the end of `into`. If that is nothing, `waker` will be woken once
    /// something is there.
    pub fn take(&self, into: &mut Vec<usize>, waker: &Waker) {
        let mut state = self.lock();
        if state.finished.is_empty() {
            match &mut state.waker {
                Some(known) => known.clone_from(waker),
                none => *none = Some(waker.clone()),
            }
            return;
        }
        into.append(&mut state.finished);
    }

    /// Adds one; gives the waker if it is the first since the last `take`.
    fn push(&self, number: usize) -> Option<Waker> {
        let mut state = self.lock();
        state.finished.push(number);
        state.waker.take()
    }

    // Nothing under this lock can panic half-way through a change, so poison carries no news.
    fn lock(&self) -> MutexGuard<'_, WindowState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
