//! The caller's thread as the loop: when a turn comes back, and how the machine ends.

use std::thread;
use std::time::{Duration, Instant};

use helenus_core::reactor::{ConnId, LaunchError, Running, Seed, Turns, Woken};

use crate::{Command, Log, Peer, Remote};

/// Launches a reactor that is driven by its caller.
pub type Launch = fn(Seed) -> Result<Running, LaunchError>;

const CONN: ConnId = ConnId::new(0, 0);
const LONG: Duration = Duration::from_secs(60);

/// A probe with the turns that run it.
pub fn drive(launch: Launch) -> (Remote, Running, Box<dyn Turns>) {
    let (remote, seed) = Remote::new();
    let mut running = launch(seed).unwrap();
    let turns = running.take_turns().unwrap();
    (remote, running, turns)
}

/// Runs turns until the log shows what is waited for.
pub fn turn_until(turns: &mut dyn Turns, remote: &Remote, seen: impl Fn(&Log) -> bool) {
    while !seen(&remote.log()) {
        assert_eq!(turns.turn(Some(LONG)), Woken::Turned);
    }
}

/// The wait that the caller names is kept.
pub fn a_wait_runs_out(launch: Launch) {
    let (_remote, _running, mut turns) = drive(launch);
    let begun = Instant::now();

    assert_eq!(turns.turn(Some(Duration::from_millis(30))), Woken::Turned);

    let waited = begun.elapsed();
    assert!(waited >= Duration::from_millis(30) && waited < LONG, "{waited:?}");
}

/// The machine's deadline ends it before.
pub fn a_wait_does_not_outlast_the_deadline(launch: Launch) {
    let (remote, _running, mut turns) = drive(launch);
    remote.push(Command::Deadline(Duration::from_millis(30)));
    let begun = Instant::now();

    turn_until(&mut *turns, &remote, |log| log.ticks.len() == 1);

    assert!(begun.elapsed() < LONG);
}

/// No call of the waker is lost.
pub fn the_waker_ends_a_sleep_that_has_begun_and_one_that_has_not(launch: Launch) {
    let (_remote, _running, mut turns) = drive(launch);
    let begun = Instant::now();
    let waker = turns.waker();
    let other = thread::spawn(move || {
        thread::sleep(Duration::from_millis(50));
        waker.wake_by_ref();
        waker
    });
    assert_eq!(turns.turn(Some(LONG)), Woken::Turned);
    assert!(begun.elapsed() >= Duration::from_millis(50));

    other.join().unwrap().wake();
    assert_eq!(turns.turn(Some(LONG)), Woken::Turned);

    assert!(begun.elapsed() < LONG);
}

/// And costs one wake.
pub fn a_push_of_another_thread_ends_a_sleep(launch: Launch) {
    let (remote, _running, mut turns) = drive(launch);
    let other = remote.clone();
    let pusher = thread::spawn(move || {
        thread::sleep(Duration::from_millis(20));
        other.push(Command::Nothing);
    });

    turn_until(&mut *turns, &remote, |log| log.taken == 1);

    pusher.join().unwrap();
    assert_eq!(remote.log().wakes, 1);
}

/// The machine is gone before the turns are.
pub fn after_the_exit_every_turn_says_so_and_all_is_closed(launch: Launch) {
    let (remote, running, mut turns) = drive(launch);
    let peer = Peer::echo(1);
    remote.push(Command::Open(CONN, peer.address()));
    turn_until(&mut *turns, &remote, |log| log.opened == [CONN]);
    remote.push(Command::Exit);

    assert_eq!(turns.turn(None), Woken::Exited);
    assert_eq!(turns.turn(None), Woken::Exited);

    assert!(remote.log().dropped);
    // The socket is closed although the turns are still held.
    peer.join();
    drop(turns);
    running.join();
}

/// Nobody has to exit first.
pub fn dropping_the_turns_lets_go_of_the_machine(launch: Launch) {
    let (remote, running, turns) = drive(launch);

    drop(turns);

    running.join();
    assert!(remote.log().dropped);
}
