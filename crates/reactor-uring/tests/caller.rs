//! The caller's thread as the loop: what a turn costs, and when it comes back.
#![cfg(target_os = "linux")]

use helenus_conformance::turns::{drive, turn_until};
use helenus_conformance::{Command, Peer, Remote};
use helenus_core::reactor::{ConnId, LaunchError, Reactor, Running, Seed};
use helenus_reactor_uring::Uring;

const CONN: ConnId = ConnId::new(0, 0);

fn launch(seed: Seed) -> Result<Running, LaunchError> {
    Box::new(Uring::on_caller()).launch(vec![seed])
}

helenus_conformance::mount_turns!(turns, launch);

#[test]
fn a_request_is_one_turn_with_one_write_and_one_read_and_no_wake() {
    const ROUNDS: usize = 1_000;
    let (remote, running, mut turns) = drive(launch);
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
fn two_shards_are_refused_with_advice() {
    let seeds = vec![Remote::new().1, Remote::new().1];

    let error = Box::new(Uring::on_caller()).launch(seeds).unwrap_err();

    assert!(matches!(error, LaunchError::Unsupported { .. }));
    assert!(error.to_string().contains("Uring::threads"), "{error}");
}
