//! Bytes go there and back: all of them, in order.

use std::time::Duration;

use helenus_core::reactor::ConnId;

use super::{CONN, MEGABYTE};
use crate::script::{Gate, Step};
use crate::{Command, Mount, Rig};

const BODY: usize = 16 * MEGABYTE;

/// More is sent than the kernel takes while the peer does not read; all arrives in the end.
pub(crate) fn sends_16_megabytes_through_a_full_socket(mount: &Mount) {
    let rig = Rig::start(mount);
    let gate = Gate::new();
    let script = [Step::Await(gate.clone()), Step::Read(BODY), Step::Write(10), Step::ReadToEnd];
    let peer = rig.peer(1, script);

    rig.open(CONN, &peer);
    rig.push(Command::Send(CONN, BODY));
    rig.wait("the first bytes", |log| log.writes > 0);
    rig.pass(Duration::from_millis(100));
    let accepted = rig.remote.log().accepted.get(&CONN).copied().unwrap_or(0);
    assert!(accepted < BODY, "the socket was never full, so this row shows nothing");
    gate.open();
    rig.wait("the answer", |log| log.received.get(&CONN) == Some(&10));

    rig.push(Command::Close(CONN));
    assert_eq!(rig.join(peer), BODY);
    let log = rig.end();
    assert_eq!(log.accepted[&CONN], BODY);
    assert!(log.blocked < BODY / 1_000, "a full socket was tried {} times", log.blocked);
}

/// A long answer comes as fast as it can.
pub(crate) fn receives_16_megabytes(mount: &Mount) {
    let rig = Rig::start(mount);
    let peer = rig.peer(1, [Step::Read(10), Step::Write(BODY), Step::ReadToEnd]);

    rig.open(CONN, &peer);
    rig.send_and_await(CONN, 10, BODY);

    rig.push(Command::Close(CONN));
    rig.join(peer);
    rig.end();
}

/// The peer reads only as fast as its own bytes are read: who only writes while there is something to write, hangs.
pub(crate) fn echoes_16_megabytes_each_way_at_once(mount: &Mount) {
    let rig = Rig::start(mount);
    let peer = rig.echo(1);

    rig.open(CONN, &peer);
    rig.send_and_await(CONN, BODY, BODY);

    rig.push(Command::Close(CONN));
    rig.join(peer);
    rig.end();
}

/// A peer that sends single bytes, now and then with a pause.
pub(crate) fn reads_what_comes_byte_by_byte(mount: &Mount) {
    const PIECES: usize = 60;
    let rig = Rig::start(mount);
    let piece = [Step::WriteSingly(10), Step::Pause(Duration::from_millis(1))];
    let mut script: Vec<_> = std::iter::repeat_n(piece, PIECES).flatten().collect();
    script.push(Step::ReadToEnd);
    let peer = rig.peer(1, script);

    rig.open(CONN, &peer);
    rig.wait("all bytes", |log| log.received.get(&CONN) == Some(&(10 * PIECES)));

    rig.push(Command::Close(CONN));
    rig.join(peer);
    rig.end();
}

/// Sends of many lengths on ten connections in turn, while earlier ones are still under way.
pub(crate) fn keeps_the_order_of_many_sends(mount: &Mount) {
    let rig = Rig::start(mount);
    let peer = rig.echo(10);
    let conns: Vec<_> = (0..10).map(|index| ConnId::new(index, 0)).collect();
    conns.iter().for_each(|conn| rig.push(Command::Open(*conn, peer.address)));
    rig.wait("all opened", |log| log.opened.len() == conns.len());

    let mut total = 0;
    for number in 0..200 {
        let count = number * number % 9_973 + 1;
        total += count;
        conns.iter().for_each(|conn| rig.push(Command::Send(*conn, count)));
    }
    rig.wait("all echoed", |log| conns.iter().all(|conn| log.received.get(conn) == Some(&total)));

    conns.iter().for_each(|conn| rig.push(Command::Close(*conn)));
    rig.join(peer);
    rig.end();
}
