//! Pushes reach a loop that sleeps, that is about to, or that runs.

use std::task::Waker;
use std::thread;
use std::time::Duration;

use super::CONN;
use crate::{Command, Mount, Remote, Rig};

/// Single pushes, each to a loop that had time to fall asleep.
pub(crate) fn wakes_for_a_push_while_asleep(mount: &Mount) {
    let rig = Rig::start(mount);
    for number in 1..=20 {
        rig.pass(Duration::from_millis(5));
        rig.push(Command::Nothing);
        rig.wait("the push", |log| log.taken == number);
    }
    let log = rig.end();
    assert!(log.wakes > 0, "the loop never slept, so this row shows nothing");
    assert!(log.wakes <= 21, "{} wakes for 20 pushes", log.wakes);
}

/// The next push comes as soon as the last one was taken: while the loop goes to sleep.
pub(crate) fn loses_no_push_that_races_with_its_sleep(mount: &Mount) {
    let rig = Rig::start(mount);
    for number in 1..=5_000 {
        rig.push(Command::Nothing);
        rig.wait("the push", |log| log.taken == number);
    }
    rig.end();
}

/// 1,000,000 pushes of four threads: none is lost, no more wakes than turns, and then it sleeps.
pub(crate) fn survives_a_storm_of_pushes(mount: &Mount) {
    const EACH: usize = 250_000;
    let rig = Rig::start(mount);
    let push = |remote: &Remote| (0..EACH).for_each(|_| remote.push(Command::Nothing));
    thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(|| push(&rig.remote)))));

    rig.wait("all pushes", |log| log.taken == 4 * EACH);
    sleeps(&rig);

    let log = rig.end();
    assert!(log.wakes <= log.turns, "{} wakes in {} turns", log.wakes, log.turns);
}

/// The waker is called by four threads without reason, while the loop runs and after it has ended: no harm is done, and
/// pushes still arrive.
pub(crate) fn survives_wakes_without_a_push_and_after_the_end(mount: &Mount) {
    let rig = Rig::start(mount);
    let peer = rig.echo(1);
    rig.open(CONN, &peer);
    let waker = rig.remote.waker().unwrap();
    let wake = |waker: &Waker| (0..20_000).for_each(|_| waker.wake_by_ref());
    thread::scope(|scope| {
        (0..4).for_each(|_| drop(scope.spawn(|| wake(&waker))));
        for round in 1..=100 {
            rig.send_and_await(CONN, 10, 10 * round);
        }
    });
    sleeps(&rig);

    let late = waker.clone();
    let waking = thread::spawn(move || wake(&late));
    rig.push(Command::Exit);
    rig.join(peer);
    waking.join().unwrap();
    rig.wait("the end of the machine", |log| log.dropped);
    wake(&waker);
    drop(waker);
    rig.end_by_itself();
}

/// Nothing happens: after a while the loop runs no more turns.
fn sleeps(rig: &Rig) {
    let mut turns = usize::MAX;
    for _ in 0..100 {
        rig.pass(Duration::from_millis(50));
        let now = rig.remote.log().turns;
        if std::mem::replace(&mut turns, now) == now {
            return;
        }
    }
    panic!("the loop runs turn after turn, although nothing happens");
}
