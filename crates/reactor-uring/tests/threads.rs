//! Several shards, each on its thread.
#![cfg(target_os = "linux")]

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};

use helenus_conformance::{Command, Peer, Remote};
use helenus_core::reactor::{ConnId, Reactor};
use helenus_reactor_uring::Uring;

#[test]
fn four_shards_work_and_end_by_themselves() {
    let reactor = Box::new(Uring::threads(4));
    assert_eq!(reactor.shards(), 4);
    let (remotes, seeds): (Vec<_>, Vec<_>) = (0..4).map(|_| Remote::new()).unzip();
    let conn = ConnId::new(0, 0);
    let peer = Peer::echo(4);

    let mut running = pin!(reactor.launch(seeds).unwrap());

    for remote in &remotes {
        remote.push(Command::Open(conn, peer.address()));
        remote.push(Command::Send(conn, 1_000));
    }
    for remote in &remotes {
        remote.wait("the echo", |log| log.received.get(&conn) == Some(&1_000));
    }
    let mut context = Context::from_waker(Waker::noop());
    for (number, remote) in remotes.iter().enumerate() {
        assert!(running.as_mut().poll(&mut context).is_pending(), "ended before shard {number}");
        remote.push(if number == 2 { Command::Panic } else { Command::Exit });
        remote.wait("its end", |log| log.dropped);
    }
    while running.as_mut().poll(&mut context).is_pending() {
        std::thread::yield_now();
    }
    peer.join();
}

#[test]
fn no_thread_counts_as_one() {
    assert_eq!(Uring::threads(0).shards(), 1);
}
