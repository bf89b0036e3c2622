//! The caller's thread as the loop: what a turn costs, and when it comes back.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::thread;
use std::time::{Duration, Instant};

use helenus_conformance::{Command, Log, Peer, Remote};
use helenus_core::reactor::{ConnId, LaunchError, Reactor, Running, Turns, Woken};
use helenus_reactor_uring::Uring;

const CONN: ConnId = ConnId::new(0, 0);
const LONG: Duration = Duration::from_secs(60);

fn launch() -> (Remote, Running, Box<dyn Turns>) {
    let (remote, seed) = Remote::new();
    let mut running = Box::new(Uring::on_caller()).launch(vec![seed]).unwrap();
    let turns = running.take_turns().unwrap();
    (remote, running, turns)
}

fn turn_until(turns: &mut dyn Turns, remote: &Remote, seen: impl Fn(&Log) -> bool) {
    while !seen(&remote.log()) {
        assert_eq!(turns.turn(Some(LONG)), Woken::Turned);
    }
}

#[test]
fn a_request_is_one_turn_with_one_write_and_one_read_and_no_wake() {
    const ROUNDS: usize = 1_000;
    let (remote, running, mut turns) = launch();
    let peer = Peer::echo(1);
    remote.push(Command::Open(CONN, peer.address()));
    turn_until(&mut *turns, &remote, |log| log.opened == [CONN]);
    let before = remote.log().turns;

    for round in 1..=ROUNDS {
        remote.push(Command::Send(CONN, 8));
        turn_until(&mut *turns, &remote, |log| log.received.get(&CONN) == Some(&(8 * round)));
    }

    // The machine runs twice for each call: before the sleep and after it. An answer that takes milliseconds, as on a busy
    // machine, costs another call.
    let log = remote.log();
    assert_eq!((log.writes, log.reads, log.wakes), (ROUNDS, ROUNDS, 0));
    assert!(
        (2 * ROUNDS..2 * ROUNDS + ROUNDS / 10).contains(&(log.turns - before)),
        "{} turns",
        log.turns - before
    );
    assert_eq!(log.violations, [""; 0]);
    drop((log, turns));
    peer.join();
    running.join();
}

#[test]
fn a_wait_runs_out() {
    let (_remote, _running, mut turns) = launch();
    let begun = Instant::now();

    assert_eq!(turns.turn(Some(Duration::from_millis(30))), Woken::Turned);

    let waited = begun.elapsed();
    assert!(waited >= Duration::from_millis(30) && waited < LONG, "{waited:?}");
}

#[test]
fn a_wait_does_not_outlast_the_deadline() {
    let (remote, _running, mut turns) = launch();
    remote.push(Command::Deadline(Duration::from_millis(30)));
    let begun = Instant::now();

    turn_until(&mut *turns, &remote, |log| log.ticks.len() == 1);

    assert!(begun.elapsed() < LONG);
}

#[test]
fn the_waker_ends_a_sleep_that_has_begun_and_one_that_has_not() {
    let (_remote, _running, mut turns) = launch();
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

#[test]
fn a_push_of_another_thread_ends_a_sleep() {
    let (remote, _running, mut turns) = launch();
    let other = remote.clone();
    let pusher = thread::spawn(move || {
        thread::sleep(Duration::from_millis(20));
        other.push(Command::Nothing);
    });

    turn_until(&mut *turns, &remote, |log| log.taken == 1);

    pusher.join().unwrap();
    assert_eq!(remote.log().wakes, 1);
}

#[test]
fn after_the_exit_every_turn_says_so_and_all_is_closed() {
    let (remote, running, mut turns) = launch();
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

#[test]
fn dropping_the_turns_lets_go_of_the_machine() {
    let (remote, running, turns) = launch();

    drop(turns);

    running.join();
    assert!(remote.log().dropped);
}

#[test]
fn two_shards_are_refused_with_advice() {
    let seeds = vec![Remote::new().1, Remote::new().1];

    let error = Box::new(Uring::on_caller()).launch(seeds).unwrap_err();

    assert!(matches!(error, LaunchError::Unsupported { .. }));
    assert!(error.to_string().contains("Uring::threads"), "{error}");
}
