//! The deadline and the clock.

use std::time::Duration;

use helenus_core::Time;

use super::{CONN, MEGABYTE};
use crate::script::Step;
use crate::{Command, Mount, Rig};

const HOUR: Duration = Duration::from_secs(3_600);
/// A loaded machine may let a loop sleep longer than it wanted, but not that long.
const LATE_MAX: Duration = Duration::from_secs(10);

/// The deadline comes nearer, goes, and comes again while the loop sleeps.
pub(crate) fn keeps_a_deadline_that_moves(mount: &Mount) {
    const SHORT: [Duration; 3] = [Duration::from_millis(50), Duration::ZERO, Duration::from_millis(20)];
    let rig = Rig::start(mount);
    rig.push(Command::Nothing);
    rig.wait("the first turn", |log| log.taken == 1);
    let begun = rig.remote.log().now;

    for (ticks, short) in SHORT.into_iter().enumerate() {
        // First one that is far away, with time to fall asleep on it.
        rig.push(Command::Deadline(HOUR));
        rig.pass(Duration::from_millis(20));
        rig.push(Command::Deadline(short));
        rig.wait("tick", |log| log.ticks.len() == ticks + 1);
    }

    let log = rig.end();
    assert!(log.now.since(begun) >= SHORT.iter().sum::<Duration>());
    assert_eq!(log.ticks.len(), 3);
    assert!(log.ticks.iter().all(|late| *late < LATE_MAX), "late ticks: {:?}", log.ticks);
}

/// What is due already needs no sleep.
pub(crate) fn ticks_at_once_for_a_deadline_in_the_past(mount: &Mount) {
    let rig = Rig::start(mount);
    for ticks in 1..=10 {
        rig.push(Command::DeadlineAt(Time::ZERO));
        rig.wait("tick", |log| log.ticks.len() == ticks);
    }
    rig.end();
}

/// The end of time is no deadline that overflows, and none that is due.
pub(crate) fn takes_a_deadline_that_never_comes(mount: &Mount) {
    let rig = Rig::start(mount);
    let peer = rig.echo(1);
    rig.open(CONN, &peer);
    rig.push(Command::DeadlineAt(Time::from_nanos(u64::MAX)));
    for round in 1..=5 {
        rig.send_and_await(CONN, 10, 10 * round);
        rig.pass(Duration::from_millis(2));
    }
    rig.push(Command::Close(CONN));
    rig.join(peer);
    assert!(rig.end().ticks.is_empty());
}

/// Bytes that never stop don't keep the deadline from being told.
pub(crate) fn ticks_while_bytes_flood_in(mount: &Mount) {
    let rig = Rig::start(mount);
    let peer = rig.peer(1, [Step::Flood]);
    rig.open(CONN, &peer);
    rig.wait("the flood", |log| log.received.get(&CONN).is_some_and(|count| *count > MEGABYTE));
    for ticks in 1..=5 {
        rig.push(Command::Deadline(Duration::from_millis(5)));
        rig.wait("tick", |log| log.ticks.len() == ticks);
    }
    rig.push(Command::Close(CONN));
    rig.join(peer);
    rig.end();
}

/// Time passes between turns, and never goes back, which the probe watches.
pub(crate) fn reads_the_clock_anew_each_turn(mount: &Mount) {
    let rig = Rig::start(mount);
    let mut last = Time::ZERO;
    for number in 1..=5 {
        rig.push(Command::Nothing);
        rig.wait("the push", |log| log.taken == number);
        let now = rig.remote.log().now;
        assert!(number == 1 || now.since(last) >= Duration::from_millis(9), "{last:?} then {now:?}");
        last = now;
        rig.pass(Duration::from_millis(10));
    }
    rig.end();
}
