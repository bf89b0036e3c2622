//! The rows, one function each. [`mount!`](crate::mount) mounts them all.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process;
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use helenus_core::reactor::{ConnId, JobId};

use crate::rig::alone;
use crate::{Command, Mount, Peer, Rig, pattern};

const CONN: ConnId = ConnId::new(0, 0);
const MEGABYTE: usize = 1 << 20;

/// A connection is opened, and bytes go there and back.
pub fn connects_and_echoes(mount: &Mount) {
    let (rig, peer) = (Rig::start(mount), Peer::echo(1));

    open(&rig, CONN, peer.address());
    send_and_await(&rig, CONN, 100, 100);
    send_and_await(&rig, CONN, 100, 200);

    rig.remote.push(Command::Close(CONN));
    peer.join();
    let log = rig.end();
    assert_eq!(log.opened, [CONN]);
}

/// A port where nobody listens is an error of that connection, with the system's reason.
pub fn tells_a_refused_connection(mount: &Mount) {
    let rig = Rig::start(mount);
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();

    rig.remote.push(Command::Open(CONN, nobody));
    rig.remote.wait("refusal", |log| !log.refused.is_empty());
    let log = rig.remote.log();

    assert_eq!(log.refused[0].0, CONN);
    assert_eq!(log.refused[0].1.kind(), ErrorKind::ConnectionRefused);
    assert!(log.opened.is_empty());
    drop(log);
    rig.end();
}

/// More is sent than the kernel takes while the peer does not read; all arrives in the end, and a megabyte comes back.
pub fn sends_16_megabytes_through_a_full_socket(mount: &Mount) {
    const SENT: usize = 16 * MEGABYTE;
    let rig = Rig::start(mount);
    let (read, may_read) = mpsc::channel();
    let may_read = Mutex::new(may_read);
    let peer = Peer::new(1, move |mut stream| {
        may_read.lock().unwrap().recv().unwrap();
        let mut all = vec![0; SENT];
        stream.read_exact(&mut all).unwrap();
        assert!(all == pattern(0, SENT), "the peer got other bytes than were sent");
        stream.write_all(&all[..MEGABYTE]).unwrap();
        let _ = stream.read(&mut [0]);
    });

    open(&rig, CONN, peer.address());
    rig.remote.push(Command::Send(CONN, SENT));
    rig.remote.wait("the first bytes", |log| log.writes > 0);
    thread::sleep(Duration::from_millis(100));
    let accepted = rig.remote.log().accepted.get(&CONN).copied().unwrap_or(0);
    assert!(accepted < SENT, "the socket was never full, so this row shows nothing");
    read.send(()).unwrap();
    rig.remote.wait("the echo", |log| log.received.get(&CONN) == Some(&MEGABYTE));

    rig.remote.push(Command::Close(CONN));
    peer.join();
    let log = rig.end();
    assert!(log.blocked < 2_000, "a full socket was tried {} times", log.blocked);
}

/// A peer that sends single bytes.
pub fn reads_what_comes_byte_by_byte(mount: &Mount) {
    let rig = Rig::start(mount);
    let peer = Peer::new(1, |mut stream| {
        stream.set_nodelay(true).unwrap();
        for byte in pattern(0, 600) {
            stream.write_all(&[byte]).unwrap();
            if byte % 10 == 0 {
                thread::sleep(Duration::from_millis(1));
            }
        }
        let _ = stream.read(&mut [0]);
    });

    open(&rig, CONN, peer.address());
    rig.remote.wait("all bytes", |log| log.received.get(&CONN) == Some(&600));

    rig.remote.push(Command::Close(CONN));
    peer.join();
    rig.end();
}

/// The peer closes an idle connection.
pub fn tells_the_end_of_the_stream(mount: &Mount) {
    let rig = Rig::start(mount);
    let peer = Peer::new(1, |_| thread::sleep(Duration::from_millis(30)));

    open(&rig, CONN, peer.address());
    rig.remote.wait("the end", |log| log.ended == [CONN]);

    peer.join();
    rig.end();
}

/// Bytes and end are there before the loop looks: one edge announces both.
pub fn tells_an_end_that_comes_with_the_last_bytes(mount: &Mount) {
    let rig = Rig::start(mount);
    for generation in 0..20 {
        let conn = ConnId::new(0, generation);
        let peer = Peer::new(1, |mut stream| {
            // Read first, so that this end is closed without a reset.
            stream.read_exact(&mut [0; 8]).unwrap();
            stream.write_all(&pattern(0, 300)).unwrap();
        });

        rig.remote.push_all([Command::Open(conn, peer.address()), Command::Send(conn, 8)]);
        rig.remote.wait("the end", |log| log.ended.contains(&conn));
        let log = rig.remote.log();

        assert_eq!(log.received[&conn], 300);
        drop(log);
        peer.join();
    }
    rig.end();
}

/// The deadline comes nearer, goes, and comes again while the loop sleeps.
pub fn keeps_a_deadline_that_moves(mount: &Mount) {
    let rig = Rig::start(mount);
    let begun = Instant::now();

    for (ticks, after_ms) in [(0, 30_000), (1, 50), (1, 60_000), (2, 0), (3, 20)] {
        rig.remote.push(Command::Deadline(Duration::from_millis(after_ms)));
        rig.remote.wait("tick", |log| log.ticks.len() == ticks);
        if after_ms > 1000 {
            thread::sleep(Duration::from_millis(20));
        }
    }

    assert!(begun.elapsed() < Duration::from_secs(10), "a deadline that came nearer was not noticed");
    assert!(begun.elapsed() >= Duration::from_millis(110));
    let log = rig.end();
    assert_eq!(log.ticks.len(), 3);
    assert!(log.ticks.iter().all(|late| *late < Duration::from_secs(1)), "late ticks: {:?}", log.ticks);
}

/// Single pushes, each to a loop that had time to fall asleep.
pub fn wakes_for_a_push_while_asleep(mount: &Mount) {
    let rig = Rig::start(mount);
    for number in 1..=20 {
        thread::sleep(Duration::from_millis(5));
        rig.remote.push(Command::Nothing);
        rig.remote.wait("the push", |log| log.taken == number);
    }
    let log = rig.end();
    assert!(log.wakes >= 15, "only {} wakes: the loop did not sleep", log.wakes);
}

/// 100,000 pushes of four threads: none is lost, and no more wakes than turns.
pub fn survives_a_storm_of_pushes(mount: &Mount) {
    let rig = Rig::start(mount);
    let storm: Vec<_> = (0..4)
        .map(|_| {
            let remote = rig.remote.clone();
            thread::spawn(move || (0..25_000).for_each(|_| remote.push(Command::Nothing)))
        })
        .collect();
    storm.into_iter().for_each(|thread| thread.join().unwrap());

    rig.remote.wait("all pushes", |log| log.taken == 100_000);

    let log = rig.end();
    assert!(log.wakes <= log.turns, "{} wakes in {} turns", log.wakes, log.turns);
}

/// Names, the text of an address, and what is neither.
pub fn resolves_names(mount: &Mount) {
    let rig = Rig::start(mount);

    rig.remote.push(Command::Resolve(JobId(1), "localhost"));
    rig.remote.push(Command::Resolve(JobId(2), "192.0.2.7"));
    rig.remote.push(Command::Resolve(JobId(3), "no\0name"));
    rig.remote.wait("three answers", |log| log.resolved.len() == 3);
    let log = rig.remote.log();

    let answer = |job| &log.resolved.iter().find(|(id, _)| *id == JobId(job)).unwrap().1;
    let localhost = answer(1).as_ref().unwrap();
    assert!(!localhost.is_empty());
    assert!(localhost.iter().all(|address| address.ip().is_loopback() && address.port() == 9042));
    assert_eq!(answer(2).as_ref().unwrap(), &["192.0.2.7:9042".parse::<SocketAddr>().unwrap()]);
    assert_eq!(answer(3).as_ref().unwrap_err().kind(), ErrorKind::InvalidInput);
    drop(log);
    rig.end();
}

/// Closed in the turn that opened it: no event follows, which the probe watches.
pub fn tells_nothing_about_a_connection_closed_at_once(mount: &Mount) {
    let rig = Rig::start(mount);
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let peer = Peer::echo(1);

    for (generation, address) in [nobody, peer.address()].into_iter().enumerate() {
        let conn = ConnId::new(0, u32::try_from(generation).unwrap());
        rig.remote.push_all([Command::Open(conn, address), Command::Close(conn)]);
    }
    peer.join();
    thread::sleep(Duration::from_millis(20));

    let log = rig.end();
    assert!(log.opened.is_empty() && log.refused.is_empty());
}

/// An index is used again and again, with no event for the wrong generation.
pub fn gives_an_index_to_the_next_connection(mount: &Mount) {
    let (rig, peer) = (Rig::start(mount), Peer::echo(50));
    for generation in 0..50 {
        let conn = ConnId::new(3, generation);
        open(&rig, conn, peer.address());
        send_and_await(&rig, conn, 10, 10);
        rig.remote.push(Command::Send(conn, 10));
        rig.remote.push(Command::Close(conn));
    }
    peer.join();
    rig.end();
}

/// Two hundred connections, all busy at once.
pub fn serves_many_connections(mount: &Mount) {
    const COUNT: u32 = 200;
    let (rig, peer) = (Rig::start(mount), Peer::echo(COUNT as usize));
    let conns = || (0..COUNT).map(|index| ConnId::new(index, 0));

    conns().for_each(|conn| rig.remote.push(Command::Open(conn, peer.address())));
    rig.remote.wait("all opened", |log| log.opened.len() == COUNT as usize);
    conns().for_each(|conn| rig.remote.push(Command::Send(conn, 100_000)));
    rig.remote.wait("all echoed", |log| {
        log.received.len() == COUNT as usize && log.received.values().all(|count| *count == 100_000)
    });

    conns().for_each(|conn| rig.remote.push(Command::Close(conn)));
    peer.join();
    rig.end();
}

/// With an open connection and a distant deadline, no turn is run.
pub fn is_idle_when_nothing_happens(mount: &Mount) {
    let (rig, peer) = (Rig::start(mount), Peer::echo(1));
    open(&rig, CONN, peer.address());
    send_and_await(&rig, CONN, 10, 10);
    rig.remote.push(Command::Deadline(Duration::from_secs(3600)));
    thread::sleep(Duration::from_millis(100));

    let before = rig.remote.log().turns;
    thread::sleep(Duration::from_millis(300));
    assert_eq!(rig.remote.log().turns, before);

    rig.remote.push(Command::Close(CONN));
    peer.join();
    rig.end();
}

/// One request at a time: a turn to send, a turn to receive, and one write and one read.
pub fn makes_no_turn_in_vain(mount: &Mount) {
    const ROUNDS: usize = 50;
    let (rig, peer) = (Rig::start(mount), Peer::echo(1));
    open(&rig, CONN, peer.address());
    send_and_await(&rig, CONN, 10, 10);
    thread::sleep(Duration::from_millis(20));

    let (turns, reads, writes) = figures(&rig);
    for round in 1..=ROUNDS {
        send_and_await(&rig, CONN, 10, 10 * (round + 1));
        thread::sleep(Duration::from_millis(2));
    }
    let after = figures(&rig);

    assert_eq!((after.1 - reads, after.2 - writes), (ROUNDS, ROUNDS));
    // A caller's thread runs a turn before its sleep and one after it.
    assert!(after.0 - turns <= 4 * ROUNDS + 4, "{} turns for {ROUNDS} requests", after.0 - turns);
    rig.remote.push(Command::Close(CONN));
    peer.join();
    rig.end();
}

/// The reactor ends, and lets go of machine, sockets and threads, even if the machine's destructor panics too.
pub fn lets_go_after_a_panic_of_the_machine(mount: &Mount) {
    let (rig, peer) = (Rig::start(mount), Peer::echo(1));
    open(&rig, CONN, peer.address());
    rig.remote.push(Command::Resolve(JobId(1), "localhost"));
    rig.remote.wait("the answer", |log| log.resolved.len() == 1);

    rig.remote.push(Command::Panic);

    peer.join();
    assert!(rig.end_by_itself().dropped_by_panic, "the machine can't tell its requests why they end");
}

/// No descriptor is left: that connection fails, the loop lives on, and opens the next when there is one again.
///
/// Runs in a process of its own, whose limit is low.
pub fn tells_that_descriptors_ran_out(mount: &Mount) {
    const MARK: &str = "HELENUS_CONFORMANCE_FEW_DESCRIPTORS";
    if std::env::var_os(MARK).is_none() {
        return run_this_test_again_with_few_descriptors(MARK, mount);
    }
    let (rig, peer) = (Rig::start(mount), Peer::echo(1));
    rig.remote.push(Command::Nothing);
    rig.remote.wait("the first turn", |log| log.taken == 1);
    let mut hoard: Vec<_> = std::iter::from_fn(|| TcpListener::bind("127.0.0.1:0").ok()).collect();
    assert!(!hoard.is_empty());

    rig.remote.push(Command::Open(CONN, peer.address()));
    rig.remote.wait("a refusal", |log| log.refused.len() == 1);
    let log = rig.remote.log();
    assert!(log.refused[0].1.to_string().contains("open files"), "{:?}", log.refused);
    drop(log);

    hoard.truncate(hoard.len() / 2);
    let next = ConnId::new(0, 1);
    open(&rig, next, peer.address());
    send_and_await(&rig, next, 10, 10);
    rig.remote.push(Command::Close(next));
    drop(hoard);
    peer.join();
    rig.end();
}

fn run_this_test_again_with_few_descriptors(mark: &str, mount: &Mount) {
    // Its pipes are descriptors, which the others count.
    let _alone = alone();
    // The test runner's names lack the crate's.
    let (_, module) = mount.module.split_once("::").unwrap();
    let test = format!("{module}::tells_that_descriptors_ran_out");
    let program = std::env::current_exe().unwrap();
    let output = process::Command::new("sh")
        .args(["-c", "ulimit -n 64 && exec \"$0\" --exact \"$1\" --nocapture"])
        .arg(program)
        .arg(&test)
        .env(mark, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let failed = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{test}: {said}{failed}");
}

fn open(rig: &Rig, conn: ConnId, address: SocketAddr) {
    rig.remote.push(Command::Open(conn, address));
    rig.remote.wait("opened", |log| log.opened.contains(&conn));
}

fn send_and_await(rig: &Rig, conn: ConnId, count: usize, received: usize) {
    rig.remote.push(Command::Send(conn, count));
    rig.remote.wait("echo", |log| log.received.get(&conn) == Some(&received));
}

fn figures(rig: &Rig) -> (usize, usize, usize) {
    let log = rig.remote.log();
    (log.turns, log.reads, log.writes)
}
