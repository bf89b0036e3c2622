//! Connections and loops end, by the peer, by the machine, by a fault, and leave nothing behind.

use std::io::ErrorKind;
use std::time::Duration;

use helenus_core::reactor::{ConnId, JobId};
use helenus_core::tls::PLAIN_BYTES_MAX;

use super::{CONN, MEGABYTE};
use crate::script::{Gate, Step};
use crate::{Command, Mount, Rig, Transport};

/// More than any kernel takes for a peer that doesn't read.
const TOO_MUCH: usize = 64 * MEGABYTE;

/// The peer closes an idle connection.
pub(crate) fn tells_the_end_of_the_stream(mount: &Mount) {
    let rig = Rig::start(mount);
    let peer = rig.peer(1, [Step::Pause(Duration::from_millis(30))]);

    rig.open(CONN, &peer);
    rig.wait("the end", |log| log.ended == [CONN]);

    rig.join(peer);
    rig.end();
}

/// Bytes and end are there before the loop looks: one edge announces both.
pub(crate) fn tells_an_end_that_comes_with_the_last_bytes(mount: &Mount) {
    let rig = Rig::start(mount);
    for generation in 0..20 {
        let conn = ConnId::new(0, generation);
        // It reads first, so that this end is closed without a reset.
        let peer = rig.peer(1, [Step::Read(8), Step::Write(300)]);

        rig.remote.push_all([Command::Open(conn, peer.address), Command::Send(conn, 8)]);
        rig.wait("the end", |log| log.ended.contains(&conn));

        assert_eq!(rig.remote.log().received[&conn], 300);
        rig.join(peer);
    }
    rig.end();
}

/// The peer ends its sending side and goes on reading: that is the end, and the machine closes the rest.
pub(crate) fn tells_a_half_closed_connection(mount: &Mount) {
    let rig = Rig::start(mount);
    let peer = rig.peer(1, [Step::Read(8), Step::Write(300), Step::ShutWrite, Step::ReadToEnd]);

    rig.open(CONN, &peer);
    rig.push(Command::Send(CONN, 8));
    rig.wait("the end", |log| log.ended == [CONN]);

    // The peer ends only when this side is closed too.
    assert_eq!(rig.join(peer), 8);
    let log = rig.end();
    assert_eq!(log.received[&CONN], 300);
}

/// The peer ends its receiving side and goes on sending: what it sends arrives.
pub(crate) fn hears_a_peer_that_no_longer_reads(mount: &Mount) {
    let rig = Rig::start(mount);
    let gate = Gate::new();
    let peer = rig.peer(1, [Step::ShutRead, Step::Write(300), Step::Await(gate.clone())]);

    rig.open(CONN, &peer);
    rig.push(Command::Send(CONN, 8));
    rig.wait("all bytes", |log| log.received.get(&CONN) == Some(&300));
    gate.open();
    // With bytes unread, a close may be a reset.
    rig.wait("the end", |log| log.ended.len() + log.broken.len() == 1);

    rig.join(peer);
    rig.end();
}

/// The peer resets after a few bytes, which arrive or don't; the error is told once.
pub(crate) fn tells_a_reset_in_the_middle_of_a_frame(mount: &Mount) {
    let rig = Rig::start(mount);
    for generation in 0..20 {
        let conn = ConnId::new(0, generation);
        let peer = rig.peer(1, [Step::Read(8), Step::Write(5), Step::Reset]);

        rig.remote.push_all([Command::Open(conn, peer.address), Command::Send(conn, 8)]);
        rig.wait("the reset", |log| log.broken.iter().any(|(broken, _)| *broken == conn));

        rig.join(peer);
        assert!(rig.remote.log().received.get(&conn).is_none_or(|count| *count <= 5));
    }
    let log = rig.end();
    assert_eq!(log.broken.len(), 20);
    assert!(
        log.broken.iter().all(|(_, error)| error.kind() == ErrorKind::ConnectionReset),
        "{:?}",
        log.broken
    );
    assert!(log.ended.is_empty(), "a reset is no end of the stream");
}

/// The machine closes a connection whose peer doesn't read: at once, and nothing is told any more.
pub(crate) fn closes_while_bytes_are_unsent(mount: &Mount) {
    let rig = Rig::start(mount);
    let gate = Gate::new();
    let peer = rig.peer(1, [Step::Await(gate.clone()), Step::ReadToEnd]);

    rig.open(CONN, &peer);
    rig.push(Command::Send(CONN, TOO_MUCH));
    rig.wait("the first bytes", |log| log.writes > 0);
    rig.pass(Duration::from_millis(20));
    rig.push(Command::Close(CONN));
    let taken = rig.remote.log().taken;
    rig.push(Command::Nothing);
    rig.wait("the turn of the close", |log| log.taken > taken);
    gate.open();

    assert!(rig.join(peer) < TOO_MUCH);
    let log = rig.end();
    assert!(log.ended.is_empty() && log.broken.is_empty());
}

/// A connection ends while a block is with the kernel. The peer goes on reading, so it gets all that the kernel took,
/// which is what the reactor said: so 'never sent' and 'unknown' can be told apart.
pub(crate) fn says_how_much_the_kernel_took(mount: &Mount) {
    let rig = Rig::start(mount);
    let (half, rest) = (Gate::new(), Gate::new());
    let script = [Step::Await(half.clone()), Step::ShutWrite, Step::Await(rest.clone()), Step::ReadToEnd];
    let peer = rig.peer(1, script);

    rig.open(CONN, &peer);
    rig.push(Command::Send(CONN, TOO_MUCH));
    rig.wait("the first bytes", |log| log.writes > 0);
    rig.pass(Duration::from_millis(50));
    half.open();
    rig.wait("the end", |log| log.ended == [CONN]);
    rest.open();

    let read = rig.join(peer);
    let log = rig.end();
    // With TLS, what was encrypted at once counts as taken as soon as any of it is.
    let more = if mount.transport == Transport::Tls { PLAIN_BYTES_MAX } else { 0 };
    let said = log.accepted[&CONN];
    assert!((read..=read + more).contains(&said), "the reactor said {said}, the peer read {read}");
    assert!(read > 0 && read < TOO_MUCH);
}

/// The loop ends without a close: all that it had is closed, in whatever state.
pub(crate) fn exits_with_connections_open_full_and_connecting(mount: &Mount) {
    let rig = Rig::start(mount);
    let address = rig.black_hole();
    let gate = Gate::new();
    let idle = rig.echo(2);
    let full = rig.peer(1, [Step::Await(gate.clone()), Step::ReadToEnd]);

    rig.open(CONN, &idle);
    rig.open(ConnId::new(1, 0), &idle);
    rig.open(ConnId::new(2, 0), &full);
    rig.remote.push_all([Command::Send(CONN, 10), Command::Send(ConnId::new(2, 0), TOO_MUCH)]);
    rig.wait("the echo", |log| log.received.get(&CONN) == Some(&10));
    rig.remote.push_all([
        Command::Open(ConnId::new(3, 0), address),
        Command::Send(ConnId::new(1, 0), 10),
        Command::Deadline(Duration::from_secs(3_600)),
        Command::Exit,
    ]);
    rig.wait("the end of the machine", |log| log.dropped);
    gate.open();

    rig.join(idle);
    rig.join(full);
    rig.end_by_itself();
}

/// The reactor ends, and lets go of machine, sockets and threads, even if the machine's destructor panics too.
pub(crate) fn lets_go_after_a_panic_of_the_machine(mount: &Mount) {
    let rig = Rig::start(mount);
    let peer = rig.echo(1);
    rig.open(CONN, &peer);
    rig.push(Command::Resolve(JobId(1), "localhost"));
    rig.wait("the answer", |log| log.resolved.len() == 1);

    rig.push(Command::Panic);

    rig.join(peer);
    assert!(rig.end_by_itself().dropped_by_panic, "the machine can't tell its requests why they end");
}

/// Launched, used and ended again and again; each life is looked through for threads and descriptors.
pub(crate) fn leaves_nothing_after_twenty_lives(mount: &Mount) {
    for _ in 0..20 {
        let rig = Rig::start(mount);
        let peer = rig.echo(1);
        rig.open(CONN, &peer);
        rig.send_and_await(CONN, 10, 10);
        rig.push(Command::Exit);
        rig.join(peer);
        rig.end_by_itself();
    }
}
