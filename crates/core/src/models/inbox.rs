//! Pushing, taking, sleeping and the end.

use super::*;
use crate::inbox::{Inbox, Limits};

/// The consumer of a model: the turns of a loop, as far as the inbox sees them.
struct Loop {
    inbox: Arc<Inbox>,
    bell: Arc<Bell>,
    sleeps: usize,
    taken: Vec<u8>,
}

impl Loop {
    fn new(inbox: &Arc<Inbox>) -> Self {
        let bell = Bell::new();
        inbox.set_waker(&bell.waker());
        Self { inbox: inbox.clone(), bell, sleeps: 0, taken: Vec::new() }
    }

    /// Runs turns until `count` requests were taken.
    fn run(&mut self, count: usize) {
        loop {
            self.inbox.disarm();
            let mut entries = Vec::new();
            self.inbox.take(&mut entries);
            self.taken.extend(entries.iter_mut().rev().map(byte_of));
            if self.taken.len() >= count {
                return;
            }
            if self.inbox.arm() {
                self.bell.sleep(&mut self.sleeps);
            }
        }
    }
}

fn submit(inbox: &Inbox, byte: u8) -> Call {
    inbox.submit(command(byte), Terms::default(), Notify::Nobody).unwrap()
}

/// Sleep that nobody ends would be a deadlock, which loom finds.
#[test]
fn two_threads_push_and_nothing_is_lost_with_one_wake_per_sleep() {
    explore("inbox: two threads push, the loop takes and sleeps", Bound::Preemptions, || {
        let inbox = Arc::new(Inbox::new(Limits::default()));
        let mut consumer = Loop::new(&inbox);
        let pushers = [1, 2].map(|byte| {
            let inbox = inbox.clone();
            loom::thread::spawn(move || drop(submit(&inbox, byte)))
        });
        consumer.run(2);
        pushers.into_iter().for_each(|pusher| pusher.join().unwrap());
        consumer.taken.sort_unstable();
        assert_eq!(consumer.taken, [1, 2]);
        assert_eq!(consumer.bell.rung(), consumer.sleeps, "one wake per sleep, and none without");
    });
}

#[test]
fn one_thread_pushes_twice_and_the_order_holds() {
    explore("inbox: one thread pushes twice, the loop takes and sleeps", Bound::Whole, || {
        let inbox = Arc::new(Inbox::new(Limits::default()));
        let mut consumer = Loop::new(&inbox);
        let pusher = {
            let inbox = inbox.clone();
            loom::thread::spawn(move || [1, 2].map(|byte| drop(submit(&inbox, byte))))
        };
        consumer.run(2);
        pusher.join().unwrap();
        assert_eq!(consumer.taken, [1, 2]);
        assert_eq!(consumer.bell.rung(), consumer.sleeps, "one wake per sleep, and none without");
    });
}

/// What a task does: each poll sets the waker that it was polled with.
#[test]
fn a_waker_that_changes_between_sleeps_misses_nothing() {
    explore("inbox: the waker changes while a thread pushes", Bound::Whole, || {
        let inbox = Arc::new(Inbox::new(Limits::default()));
        let (first, second) = (Bell::new(), Bell::new());
        inbox.set_waker(&first.waker());
        let armed = inbox.arm();
        assert!(armed);
        let pusher = {
            let inbox = inbox.clone();
            loom::thread::spawn(move || drop(submit(&inbox, 1)))
        };
        // Polled again, for another reason, with another waker.
        let mut entries = Vec::new();
        inbox.disarm();
        inbox.take(&mut entries);
        inbox.set_waker(&second.waker());
        if entries.is_empty() && inbox.arm() {
            second.sleep(&mut 0);
        }
        inbox.take(&mut entries);
        pusher.join().unwrap();
        assert_eq!(entries.iter_mut().rev().map(byte_of).collect::<Vec<_>>(), [1]);
        assert!(first.rung() + second.rung() <= 2, "at most one wake for each time it was armed");
    });
}

#[test]
fn what_is_pushed_around_the_end_comes_back_or_is_ended_once() {
    explore("inbox: two threads push while the machine goes", Bound::Whole, || {
        let inbox = Arc::new(Inbox::new(Limits::default()));
        let pushers = [1, 2].map(|byte| {
            let inbox = inbox.clone();
            loom::thread::spawn(move || match inbox.submit(command(byte), Terms::default(), Notify::Nobody) {
                Ok(call) => Some(call),
                Err(rejected) => {
                    assert!(matches!(rejected.command, Command::Send(frame) if frame == [byte]));
                    None
                }
            })
        });
        let mut left = Vec::new();
        assert!(inbox.close(&mut left).is_empty());
        let accepted = left.len();
        for entry in left {
            assert!(inbox.release(1, entry.frame_bytes).is_empty());
            tell(entry.finish(Ok(crate::call::Reply::Closed)));
        }
        let calls: Vec<_> = pushers.into_iter().filter_map(|pusher| pusher.join().unwrap()).collect();
        assert_eq!(calls.len(), accepted, "each is rejected or in the list, not both and not neither");
        assert!(calls.into_iter().all(|mut call| call.try_take().is_some()));
        assert_eq!(inbox.in_flight(), 0);
    });
}

#[test]
fn what_no_machine_takes_is_freed_with_the_inbox() {
    explore("inbox: two threads push, and nobody ever takes", Bound::Whole, || {
        let inbox = Arc::new(Inbox::new(Limits::default()));
        let bell = Bell::new();
        let pushers = [1, 2].map(|byte| {
            let (inbox, notify) = (inbox.clone(), Notify::Waker(bell.waker()));
            loom::thread::spawn(move || drop(inbox.submit(command(byte), Terms::default(), notify).unwrap()))
        });
        drop(inbox);
        pushers.into_iter().for_each(|pusher| pusher.join().unwrap());
        assert_eq!(
            (Arc::strong_count(&bell), bell.rung()),
            (1, 0),
            "the requests are gone with their wakers"
        );
    });
}
