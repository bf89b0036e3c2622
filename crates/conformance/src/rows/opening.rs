//! Connections come to be, or don't.

use std::io::ErrorKind;
use std::net::TcpListener;
use std::time::Duration;

use helenus_core::reactor::ConnId;

use super::CONN;
use crate::apart::in_a_process_with_descriptors;
use crate::{Command, Mount, Rig};

/// A connection is opened, and bytes go there and back.
pub(crate) fn connects_and_echoes(mount: &Mount) {
    let rig = Rig::start(mount);
    let peer = rig.echo(1);

    rig.open(CONN, &peer);
    rig.send_and_await(CONN, 100, 100);
    rig.send_and_await(CONN, 100, 200);

    rig.push(Command::Close(CONN));
    rig.join(peer);
    let log = rig.end();
    assert_eq!(log.opened, [CONN]);
}

/// A port where nobody listens is an error of that connection, with the system's reason.
pub(crate) fn tells_a_refused_connection(mount: &Mount) {
    let rig = Rig::start(mount);

    rig.push(Command::Open(CONN, rig.nobody()));
    rig.wait("refusal", |log| !log.refused.is_empty());

    let log = rig.end();
    assert_eq!(log.refused[0].0, CONN);
    assert_eq!(log.refused[0].1.kind(), ErrorKind::ConnectionRefused);
    assert!(log.opened.is_empty());
}

/// A peer that never answers costs that connection nothing but its wait; closing ends it, and its index is free.
pub(crate) fn lets_go_of_a_connection_that_never_opens(mount: &Mount) {
    let rig = Rig::start(mount);
    let address = rig.black_hole();
    let peer = rig.echo(1);
    let next = ConnId::new(0, 1);

    rig.remote.push_all([
        Command::Open(CONN, address),
        Command::Send(CONN, 10),
        Command::Deadline(Duration::from_millis(200)),
    ]);
    rig.wait("tick", |log| log.ticks.len() == 1);
    let log = rig.remote.log();
    assert!(log.opened.is_empty() && log.refused.is_empty(), "nobody has answered");
    drop(log);
    rig.push(Command::Close(CONN));
    rig.open(next, &peer);
    rig.send_and_await(next, 10, 10);

    rig.push(Command::Close(next));
    rig.join(peer);
    rig.end();
}

/// Closed in the turn that opened it: no event follows, which the probe watches.
pub(crate) fn tells_nothing_about_a_connection_closed_at_once(mount: &Mount) {
    let rig = Rig::start(mount);
    let peer = rig.echo(1);

    for (generation, address) in [rig.nobody(), peer.address].into_iter().enumerate() {
        let conn = ConnId::new(0, u32::try_from(generation).unwrap());
        rig.remote.push_all([Command::Open(conn, address), Command::Close(conn)]);
    }
    rig.wait("both", |log| log.taken == 4);
    rig.pass(Duration::from_millis(20));
    // Where connecting begins only later, the peer was never knocked at.
    let last = ConnId::new(0, 2);
    rig.push(Command::Open(last, peer.address));
    rig.pass(Duration::from_millis(20));
    rig.push(Command::Close(last));
    rig.join(peer);

    let log = rig.end();
    assert!(log.opened.iter().all(|conn| *conn == last) && log.refused.iter().all(|(conn, _)| *conn == last));
}

/// An index is used again and again, with no event for the wrong generation.
pub(crate) fn gives_an_index_to_the_next_connection(mount: &Mount) {
    const LIVES: u32 = 50;
    let rig = Rig::start(mount);
    let peer = rig.echo(LIVES as usize);
    for generation in 0..LIVES {
        let conn = ConnId::new(3, generation);
        rig.open(conn, &peer);
        rig.send_and_await(conn, 10, 10);
        rig.push(Command::Send(conn, 10));
        rig.push(Command::Close(conn));
    }
    rig.join(peer);
    rig.end();
}

/// No descriptor is left: that connection fails, the loop lives on, and opens the next when there is one again.
///
/// Runs in a process of its own, whose limit is low.
pub(crate) fn tells_that_descriptors_ran_out(mount: &Mount) {
    in_a_process_with_descriptors(80, mount, "tells_that_descriptors_ran_out", || {
        let rig = Rig::start(mount);
        let peer = rig.echo(1);
        rig.push(Command::Nothing);
        rig.wait("the first turn", |log| log.taken == 1);
        let mut hoard: Vec<_> = std::iter::from_fn(|| TcpListener::bind("127.0.0.1:0").ok()).collect();
        assert!(!hoard.is_empty());

        rig.push(Command::Open(CONN, peer.address));
        rig.wait("a refusal", |log| log.refused.len() == 1);
        let log = rig.remote.log();
        assert!(log.refused[0].1.to_string().contains("open files"), "{:?}", log.refused);
        drop(log);

        hoard.truncate(hoard.len() / 2);
        let next = ConnId::new(0, 1);
        rig.open(next, &peer);
        rig.send_and_await(next, 10, 10);
        rig.push(Command::Close(next));
        drop(hoard);
        rig.join(peer);
        rig.end();
    });
}
