//! Where all that can wake the task comes together.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::task::{Wake, Waker};

use helenus_core::reactor::ConnId;

use crate::Readiness;
use crate::sync::{AtomicBool, Mutex, MutexGuard};

/// Shared by the task that runs a machine and everything that may wake it. It is itself the waker for what needs no
/// report.
#[derive(Debug, Default)]
pub struct Hub {
    /// Whether a push into the inbox woke the task.
    pushed: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The task that the machine is in. `None` before its first poll and after its end, so that no cycle keeps it.
    task: Option<Waker>,
    /// Connections about which the runtime has something to say. A runtime takes a waker out when it calls it, so that is
    /// at most two a connection.
    ready: Vec<(ConnId, Readiness)>,
}

impl Hub {
    /// The waker to leave with the runtime for a connection: it reports `readiness`.
    pub fn for_conn(self: &Arc<Self>, conn: ConnId, readiness: Readiness) -> Waker {
        Arc::new(Ready { hub: self.clone(), conn, readiness }).into()
    }

    /// The waker for the inbox.
    pub(super) fn for_inbox(self: &Arc<Self>) -> Waker {
        Arc::new(Pushed(self.clone())).into()
    }

    /// Notes the task that the machine is in now, and moves the ready connections to `ready`.
    #[inline]
    pub(super) fn attend(&self, task: &Waker, ready: &mut Vec<(ConnId, Readiness)>) {
        let mut state = self.lock();
        ready.append(&mut state.ready);
        if !state.task.as_ref().is_some_and(|known| known.will_wake(task)) {
            let left = state.task.replace(task.clone());
            // What a task owns may wake this hub when it is dropped.
            drop(state);
            drop(left);
        }
    }

    /// Whether the inbox woke the task since the last call.
    #[inline]
    pub(super) fn take_pushed(&self) -> bool {
        self.pushed.swap(false, Ordering::Acquire)
    }

    /// Lets go of the task: nobody is to be woken any more.
    pub(super) fn leave(&self) {
        let task = self.lock().task.take();
        drop(task);
    }

    // The waker is called outside the lock: what it does is not known.
    fn wake_task(&self) {
        let task = self.lock().task.clone();
        if let Some(task) = task {
            task.wake();
        }
    }

    // Nothing under this lock can panic half-way through a change, so poison carries no news.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Hub {
    fn wake(self: Arc<Self>) {
        self.wake_task();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.wake_task();
    }
}

struct Pushed(Arc<Hub>);

impl Wake for Pushed {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.pushed.store(true, Ordering::Release);
        self.0.wake_task();
    }
}

struct Ready {
    hub: Arc<Hub>,
    conn: ConnId,
    readiness: Readiness,
}

impl Wake for Ready {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.hub.lock().ready.push((self.conn, self.readiness));
        self.hub.wake_task();
    }
}
