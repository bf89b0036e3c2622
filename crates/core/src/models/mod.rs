//! The inbox and the end of a request, under every interleaving that loom finds: `cargo xtask models`.

mod call;
mod inbox;
mod limits;
mod planted;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Wake, Waker};

use loom::sync::atomic::AtomicUsize;

use crate::call::{Call, Command, Entry, Finished, Notify, Terms};
use crate::sync::modelled::{Bound, explore, thread};

/// What a thread sleeps on. Its parts are loom's own, where no fault is planted.
struct Bell {
    thread: thread::Thread,
    rung: AtomicUsize,
}

impl Bell {
    /// For the calling thread.
    fn new() -> Arc<Self> {
        Arc::new(Self { thread: thread::current(), rung: AtomicUsize::new(0) })
    }

    fn waker(self: &Arc<Self>) -> Waker {
        self.clone().into()
    }

    /// Sleeps until it has rung more often than `heard`, and counts what it then heard. If nobody will ever ring, loom says
    /// that this is a deadlock.
    fn sleep(&self, heard: &mut usize) {
        while self.rung.load(Ordering::Acquire) == *heard {
            thread::park();
        }
        *heard += 1;
    }

    fn rung(&self) -> usize {
        self.rung.load(Ordering::SeqCst)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.rung.fetch_add(1, Ordering::Release);
        self.thread.unpark();
    }
}

fn command(byte: u8) -> Command {
    Command::Send(vec![byte])
}

fn byte_of(entry: &mut Entry) -> u8 {
    entry.send(|frame| frame[0])
}

/// Tells as `Settled` does, but lets a panic of loom's through.
fn tell(finished: Finished) {
    match finished {
        Finished::Seen => {}
        Finished::Waker(waker) => waker.wake(),
        Finished::Callback(callback, outcome) => outcome.call(callback),
        Finished::Window(..) | Finished::Errand(_) => unreachable!("no model has one"),
    }
}
