//! How much may be in flight, and who waits for room.

use super::*;
use crate::call::RequestError;
use crate::inbox::{Inbox, Limits};

const ONE: Limits = Limits { in_flight_max: 1, in_flight_bytes_max: 100 };

/// Submits as soon as there is room, as `helenus` does.
fn submit_when_there_is_room(inbox: &Arc<Inbox>, byte: u8) {
    let (bell, mut heard, mut place) = (Bell::new(), 0, None);
    loop {
        let Err(rejected) = inbox.submit(command(byte), Terms::default(), Notify::Nobody) else { break };
        assert!(matches!(rejected.error, RequestError::Overloaded { in_flight: 1, in_flight_bytes: 1 }));
        if place.is_some() && heard == bell.rung() {
            bell.sleep(&mut heard);
            continue;
        }
        heard = bell.rung();
        inbox.wait_for_room(&mut place, &bell.waker());
    }
    if let Some(place) = place.take() {
        place.done(inbox);
    }
}

#[test]
fn two_threads_share_room_for_one() {
    explore("limits: two threads submit, with room for one, and wait for it", Bound::Preemptions, || {
        let inbox = Arc::new(Inbox::new(ONE));
        let (bell, mut heard) = (Bell::new(), 0);
        inbox.set_waker(&bell.waker());
        let pushers = [1, 2].map(|byte| {
            let inbox = inbox.clone();
            loom::thread::spawn(move || submit_when_there_is_room(&inbox, byte))
        });
        let mut done = 0;
        while done < 2 {
            let mut entries = Vec::new();
            inbox.disarm();
            inbox.take(&mut entries);
            assert!(entries.len() <= 1, "never more in flight than there is room for");
            for entry in entries {
                inbox.release(1, entry.frame_bytes).into_iter().for_each(Waker::wake);
                tell(entry.finish(Ok(crate::call::Reply::Closed)));
                done += 1;
            }
            if done < 2 && inbox.arm() {
                bell.sleep(&mut heard);
            }
        }
        pushers.into_iter().for_each(|pusher| pusher.join().unwrap());
        assert_eq!(inbox.in_flight(), 0);
    });
}

/// A machine that panics gives nothing back.
#[test]
fn who_waits_for_room_hears_of_the_end() {
    explore("limits: one waits for room while the machine goes", Bound::Whole, || {
        let inbox = Arc::new(Inbox::new(ONE));
        drop(inbox.submit(command(1), Terms::default(), Notify::Nobody).unwrap());
        let waiting = inbox.clone();
        let waiter = loom::thread::spawn(move || {
            let (bell, mut heard, mut place) = (Bell::new(), 0, None);
            loop {
                match waiting.submit(command(2), Terms::default(), Notify::Nobody).map_err(|it| it.error) {
                    Err(RequestError::Closed { .. }) => return,
                    Err(RequestError::Overloaded { .. }) => {}
                    other => panic!("there is no room: {other:?}"),
                }
                match place.is_some() {
                    true => bell.sleep(&mut heard),
                    false => waiting.wait_for_room(&mut place, &bell.waker()),
                }
            }
        });
        inbox.close(&mut Vec::new()).into_iter().for_each(Waker::wake);
        waiter.join().unwrap();
    });
}

#[test]
fn what_is_refused_counts_for_nothing() {
    explore("limits: two threads submit, with room for one", Bound::Whole, || {
        let inbox = Arc::new(Inbox::new(ONE));
        let pushers = [1, 2].map(|byte| {
            let inbox = inbox.clone();
            loom::thread::spawn(move || inbox.submit(command(byte), Terms::default(), Notify::Nobody).is_ok())
        });
        let accepted: Vec<_> = pushers.into_iter().map(|pusher| pusher.join().unwrap()).collect();
        assert_eq!(accepted.iter().filter(|accepted| **accepted).count(), 1);
        assert_eq!(inbox.in_flight(), 1);
        assert!(inbox.release(1, 1).is_empty());
        assert_eq!(inbox.in_flight(), 0);
    });
}
