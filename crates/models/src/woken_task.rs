//! A task that runs a machine, and all that may wake it.

use std::sync::Arc;
use std::task::{Wake, Waker};

use helenus_core::reactor::ConnId;
use helenus_core::sync::modelled::{Bound, explore, thread};

use crate::Readiness;
use crate::hub::Hub;

/// The runtime's waker for the task: the poll comes after it was called.
struct Poll(thread::Thread);

impl Poll {
    fn waker() -> Waker {
        Arc::new(Self(thread::current())).into()
    }
}

impl Wake for Poll {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// A task that nobody wakes would be a deadlock, which loom finds.
#[test]
fn a_wake_that_comes_while_the_task_is_noted_is_not_lost() {
    explore("task: inbox and socket wake while the task is noted", Bound::Whole, || {
        let hub = Arc::<Hub>::default();
        let conn = ConnId::new(1, 1);
        let wakers = [hub.for_inbox(), hub.for_conn(conn, Readiness::Readable)];
        let wakers = wakers.map(|waker| loom::thread::spawn(move || waker.wake()));
        let (mut ready, mut pushed) = (Vec::new(), false);
        loop {
            // A runtime may come with another waker each time.
            hub.attend(&Poll::waker(), &mut ready);
            pushed |= hub.take_pushed();
            if pushed && !ready.is_empty() {
                break;
            }
            thread::park();
        }
        assert_eq!(ready, [(conn, Readiness::Readable)]);
        wakers.into_iter().for_each(|waker| waker.join().unwrap());
        hub.leave();
    });
}

#[test]
fn a_task_that_leaves_is_let_go_of() {
    explore("task: a socket wakes while the task leaves", Bound::Whole, || {
        let hub = Arc::<Hub>::default();
        let task = Arc::new(Poll(thread::current()));
        hub.attend(&task.clone().into(), &mut Vec::new());
        let waker = hub.for_conn(ConnId::new(1, 1), Readiness::Readable);
        let socket = loom::thread::spawn(move || waker.wake());
        hub.leave();
        socket.join().unwrap();
        assert_eq!(Arc::strong_count(&task), 1, "no cycle keeps the task");
    });
}
