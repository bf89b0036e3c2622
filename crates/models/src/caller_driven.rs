//! Threads that wait, of which one drives: when it leaves, another follows.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use helenus_core::reactor::{Turns, Woken};
use helenus_core::sync::modelled::{Bound, explore};
use loom::sync::{Condvar, Mutex};

use crate::caller::CallerDriven;

/// A machine that answers one request a turn, and sleeps while there is none.
#[derive(Default)]
struct World {
    state: Mutex<State>,
    rung: Condvar,
}

#[derive(Default)]
struct State {
    rung: bool,
    submitted: VecDeque<Arc<Mutex<Request>>>,
}

#[derive(Default)]
struct Request {
    is_done: bool,
    waker: Option<Waker>,
}

impl World {
    fn submit(&self) -> Answer {
        let request = Arc::default();
        let mut state = self.state.lock().unwrap();
        state.submitted.push_back(Arc::clone(&request));
        state.rung = true;
        drop(state);
        self.rung.notify_one();
        Answer(request)
    }
}

impl Wake for World {
    fn wake(self: Arc<Self>) {
        self.state.lock().unwrap().rung = true;
        self.rung.notify_one();
    }
}

struct Machine(Arc<World>);

impl Turns for Machine {
    fn turn(&mut self, wait: Option<Duration>) -> Woken {
        let mut state = self.0.state.lock().unwrap();
        while wait.is_none() && !state.rung && state.submitted.is_empty() {
            state = self.0.rung.wait(state).unwrap();
        }
        state.rung = false;
        let request = state.submitted.pop_front();
        drop(state);
        let waker = request.and_then(|request| {
            let mut request = request.lock().unwrap();
            request.is_done = true;
            request.waker.take()
        });
        waker.into_iter().for_each(Waker::wake);
        Woken::Turned
    }

    fn waker(&self) -> Waker {
        self.0.clone().into()
    }
}

struct Answer(Arc<Mutex<Request>>);

impl Future for Answer {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut request = self.0.lock().unwrap();
        if request.is_done {
            return Poll::Ready(());
        }
        request.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// Each of `threads` threads submits a request and waits for it. One that nobody wakes would be a deadlock, which loom finds.
fn all_wait(threads: usize) {
    let world = Arc::new(World::default());
    let driven = Arc::new(CallerDriven::new(Box::new(Machine(world.clone()))));
    let wait = move || assert!(driven.block_on(world.submit()).is_some());
    let others: Vec<_> = (1..threads).map(|_| loom::thread::spawn(wait.clone())).collect();
    wait();
    others.into_iter().for_each(|other| other.join().unwrap());
}

#[test]
fn when_the_driver_leaves_the_sleeper_follows() {
    explore("caller-driven: two threads wait, one drives, one follows", Bound::Preemptions, || all_wait(2));
}

#[test]
fn each_that_leaves_lets_another_follow() {
    explore("caller-driven: three threads wait, one drives, others follow", Bound::Preemptions, || {
        all_wait(3)
    });
}

/// What another thread wakes is polled, though the driver sleeps in a turn.
#[test]
fn the_driver_is_woken_for_what_no_turn_brings() {
    explore("caller-driven: another thread ends what the driver waits for", Bound::Whole, || {
        let world = Arc::new(World::default());
        let driven = CallerDriven::new(Box::new(Machine(world)));
        let request = Arc::<Mutex<Request>>::default();
        let ended = request.clone();
        let other = loom::thread::spawn(move || {
            let mut request = ended.lock().unwrap();
            request.is_done = true;
            let waker = request.waker.take();
            drop(request);
            waker.into_iter().for_each(Waker::wake);
        });
        assert!(driven.block_on(Answer(request)).is_some());
        other.join().unwrap();
    });
}
