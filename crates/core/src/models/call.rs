//! The end of a request, told to who waits for it, and its memory, which whoever lets go last has.

use std::sync::atomic::AtomicUsize as Tally;
use std::task::Poll;

use super::*;
use crate::call::{Done, Outcome, Reply, Settled, Window, make};

/// The machine's side of a model.
fn finish_on_another_thread(entry: Entry) -> loom::thread::JoinHandle<()> {
    loom::thread::spawn(move || tell(entry.finish(Ok(Reply::Closed))))
}

/// Waits as a future does.
fn wait(call: &mut Call) -> Outcome {
    let (bell, mut heard) = (Bell::new(), 0);
    let waker = bell.waker();
    loop {
        match call.poll(&waker) {
            Poll::Ready(outcome) => return outcome,
            Poll::Pending => bell.sleep(&mut heard),
        }
    }
}

#[test]
fn the_end_comes_while_the_waker_is_left() {
    explore("call: the end comes while the first waker is left", Bound::Whole, || {
        let (mut call, entry) = make(command(1), Terms::default(), Notify::Nobody);
        let machine = finish_on_another_thread(entry);
        assert!(matches!(wait(&mut call), Ok(Reply::Closed)));
        assert!(call.try_take().is_none(), "the outcome is given once");
        machine.join().unwrap();
    });
}

#[test]
fn the_end_comes_while_the_waker_is_replaced() {
    explore("call: the end comes while the waker is replaced by another's", Bound::Whole, || {
        let first = Bell::new();
        let (mut call, entry) = make(command(1), Terms::default(), Notify::Waker(first.waker()));
        let machine = finish_on_another_thread(entry);
        // The task moved: whoever polled last is to be woken.
        assert!(matches!(wait(&mut call), Ok(Reply::Closed)));
        machine.join().unwrap();
        drop(call);
        assert!(first.rung() <= 1);
        assert_eq!(Arc::strong_count(&first), 1, "the waker is gone with the request");
    });
}

#[test]
fn the_end_comes_while_the_outcome_is_looked_for() {
    explore("call: the end comes while the call is turned into its outcome", Bound::Whole, || {
        let (call, entry) = make(command(1), Terms::default(), Notify::Nobody);
        let machine = finish_on_another_thread(entry);
        if let Ok(done) = call.into_done() {
            assert!(matches!(done.into_outcome(), Ok(Reply::Closed)));
        }
        machine.join().unwrap();
    });
}

#[test]
fn a_cancelled_request_ends_or_is_dropped() {
    explore("call: its caller goes while it ends", Bound::Whole, || {
        let bell = Bell::new();
        let (call, entry) = make(command(1), Terms::default(), Notify::Waker(bell.waker()));
        let machine = loom::thread::spawn(move || match entry.is_cancelled() {
            true => drop(entry),
            false => tell(entry.finish(Ok(Reply::Closed))),
        });
        call.cancel();
        drop(call);
        machine.join().unwrap();
        assert!(bell.rung() <= 1);
        assert_eq!(Arc::strong_count(&bell), 1, "the waker is gone with the request");
    });
}

#[test]
fn a_registered_call_goes_while_its_request_ends() {
    explore("call: its caller looks once and goes while it ends", Bound::Whole, || {
        let bell = Bell::new();
        let (mut call, entry) = make(command(1), Terms::default(), Notify::Nobody);
        let machine = finish_on_another_thread(entry);
        let _ = call.poll_done(&bell.waker());
        call.cancel();
        drop(call);
        machine.join().unwrap();
        assert!(bell.rung() <= 1);
        assert_eq!(Arc::strong_count(&bell), 1, "the waker is gone with the request");
    });
}

#[test]
fn a_callback_is_called_once_with_the_outcome() {
    explore("call: a callback is called while its caller goes", Bound::Whole, || {
        let called = Arc::new(Tally::new(0));
        let counted = called.clone();
        let callback = Box::new(move |done: Done| {
            assert!(matches!(done.into_outcome(), Ok(Reply::Closed)));
            counted.fetch_add(1, Ordering::Relaxed);
        });
        let (mut call, entry) = make(command(1), Terms::default(), Notify::Callback(callback));
        let machine = finish_on_another_thread(entry);
        assert!(call.try_take().is_none(), "the outcome is the callback's");
        drop(call);
        machine.join().unwrap();
        assert_eq!((called.load(Ordering::Relaxed), Arc::strong_count(&called)), (1, 1));
    });
}

/// Loom finds a second use that begins before the first has ended, as each writes the cells.
#[test]
fn memory_is_used_again_only_after_both_are_done_with_it() {
    static AGAIN: Tally = Tally::new(0);
    static NEW: Tally = Tally::new(0);
    explore("call: its memory is used again while the machine lets go", Bound::Whole, || {
        let (mut call, entry) = make(command(1), Terms::default(), Notify::Nobody);
        let first = std::ptr::from_ref(call.terms()).addr();
        let machine = finish_on_another_thread(entry);
        let looked = call.poll_done(Waker::noop());
        drop(call);
        let (mut call, mut entry) = make(command(2), Terms::default(), Notify::Nobody);
        let again = std::ptr::from_ref(call.terms()).addr() == first;
        assert!(again || looked.is_pending(), "what was done is the caller's, to be used again");
        if again { &AGAIN } else { &NEW }.fetch_add(1, Ordering::Relaxed);
        assert_eq!(byte_of(&mut entry), 2);
        assert!(!entry.is_cancelled() && call.try_take().is_none(), "nothing is left of the first use");
        machine.join().unwrap();
        tell(entry.finish(Ok(Reply::Closed)));
        assert!(call.try_take().is_some());
    });
    assert!(
        AGAIN.load(Ordering::Relaxed) > 0 && NEW.load(Ordering::Relaxed) > 0,
        "both must have been tried"
    );
}

#[test]
fn a_window_hears_of_each_end() {
    explore("window: two requests end while their window is looked at", Bound::Whole, || {
        let window = Window::new();
        let machines = [0, 1].map(|number| {
            let (call, entry) = make(command(1), Terms::default(), Notify::Window(window.clone(), number));
            let machine = loom::thread::spawn(move || {
                let mut told = Settled::new();
                told.push(entry.finish(Ok(Reply::Closed)));
                told.deliver();
            });
            (call, machine)
        });
        let (bell, mut heard, mut ended) = (Bell::new(), 0, Vec::new());
        while ended.len() < 2 {
            let before = ended.len();
            window.take(&mut ended, &bell.waker());
            if ended.len() == before {
                bell.sleep(&mut heard);
            }
        }
        ended.sort_unstable();
        assert_eq!(ended, [0, 1]);
        for (mut call, machine) in machines {
            assert!(call.try_take().is_some(), "who is told finds the outcome");
            machine.join().unwrap();
        }
    });
}
