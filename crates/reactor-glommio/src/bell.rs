//! What wakes the driver's task, from any thread.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

/// Holds the one waker of the task that there is.
///
/// Glommio counts a task's wakers in 16 bits, and a task can be freed under a foreign thread that drops its last one. So
/// it is lent only under this lock, and it is dropped on the task's own thread.
#[derive(Default)]
pub(crate) struct Bell(Mutex<State>);

#[derive(Default)]
struct State {
    task: Option<Waker>,
    polling: bool,
    rung: bool,
}

impl Bell {
    /// The task is about to be polled: until [`Bell::end_poll`], ringing is only noted.
    pub(crate) fn begin_poll(&self, task: &Waker) {
        let mut state = self.lock();
        (state.polling, state.rung) = (true, false);
        if !state.task.as_ref().is_some_and(|known| known.will_wake(task)) {
            let left = state.task.replace(task.clone());
            drop(state);
            drop(left);
        }
    }

    /// Whether it was rung during the poll.
    pub(crate) fn end_poll(&self) -> bool {
        let mut state = self.lock();
        state.polling = false;
        std::mem::take(&mut state.rung)
    }

    /// Lets go of the task. Called on its thread.
    pub(crate) fn leave(&self) {
        let task = self.lock().task.take();
        drop(task);
    }

    // Poison carries no news: nothing here is torn by a panic of the waker.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let mut state = self.lock();
        if std::mem::replace(&mut state.rung, true) || state.polling {
            return;
        }
        // Waking a task of glommio puts it into a queue and runs nothing, so the lock can be held.
        if let Some(task) = &state.task {
            task.wake_by_ref();
        }
    }
}
