//! How much may be in flight, and on the wire.

use std::thread;

use futures_util::future::join_all;
use helenus::{RequestError, WhenFull};

use crate::common::{self, Kind, on_every_reactor, scripted, table, table_with, until};

on_every_reactor!(
    a_full_session_fails_at_once,
    a_full_session_lets_wait,
    no_room_for_a_detached_request,
    many_wait_for_little_room,
    bytes_are_bounded_too,
    few_on_the_wire_many_in_flight,
    thirty_two_thousand_in_flight,
    sixteen_threads,
);

const INSERT: &str = "INSERT INTO ks.t (id, name) VALUES (?, ?)";

/// A server that answers nothing before it is told to.
fn holding() -> (std::net::SocketAddr, std::sync::mpsc::SyncSender<()>) {
    let (release, released) = std::sync::mpsc::sync_channel(1_000);
    let released = std::sync::Arc::new(std::sync::Mutex::new(released));
    let address = scripted::serve(move |_, mut peer| {
        if peer.handshake().is_none() {
            return;
        }
        while let Some(request) = peer.request() {
            if request.text() == "held" && released.lock().unwrap().recv().is_err() {
                return;
            }
            peer.void(request.stream());
        }
    });
    (address, release)
}

fn a_full_session_fails_at_once(kind: Kind) {
    let (address, release) = holding();
    let builder = helenus::Session::builder().contact_point(address.to_string()).in_flight_max(2, 1 << 20);
    let session = kind.connect(builder).unwrap();
    let held: Vec<_> = (0..2).map(|_| session.query("held", ()).submit()).collect();
    for error in [
        session.query("more", ()).wait().unwrap_err(),
        session.query("more", ()).submit().wait().unwrap_err(),
        session.block_on(async { session.query("more", ()).await }).unwrap().unwrap_err(),
    ] {
        assert!(error.is_overloaded(), "{error}");
        let helenus::Error::Request(RequestError::Overloaded { in_flight, .. }) = error else { panic!() };
        assert!(in_flight >= 2);
    }
    (0..2).for_each(|_| release.send(()).unwrap());
    for held in held {
        held.wait().unwrap();
    }
    session.query("more", ()).wait().unwrap();
    assert_eq!(session.metrics().in_flight, 0);
}

fn a_full_session_lets_wait(kind: Kind) {
    let (_node, session) =
        table_with(kind, 1, |builder| builder.in_flight_max(2, 1 << 20).when_full(WhenFull::Wait));
    let requests: Vec<_> = (0..500_i64).map(|id| session.query(INSERT, (id, "x")).submit()).collect();
    for result in session.block_on(join_all(requests)).unwrap() {
        result.unwrap();
    }
    let threads: Vec<_> = (0..8_i64)
        .map(|number| {
            let session = session.clone();
            thread::spawn(move || {
                for id in 0..50_i64 {
                    session.query(INSERT, (1_000 + number * 50 + id, "x")).wait().unwrap();
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(common::count(&session), 900);
    assert_eq!(session.metrics().in_flight, 0);
}

/// Nobody waits for it, so nobody could wait for room for it.
fn no_room_for_a_detached_request(kind: Kind) {
    for when_full in [WhenFull::Fail, WhenFull::Wait] {
        let (address, release) = holding();
        let builder =
            helenus::Session::builder().contact_point(address.to_string()).in_flight_max(1, 1 << 20);
        let kind = if kind == Kind::MioThreads { Kind::MioThread } else { kind };
        let session = kind.connect(builder.when_full(when_full)).unwrap();
        let held = session.query("held", ()).submit();
        assert!(session.query("more", ()).submit().detach().unwrap_err().is_overloaded());
        release.send(()).unwrap();
        held.wait().unwrap();
    }
}

/// Those who wait must not be woken all for each one that can go on.
fn many_wait_for_little_room(kind: Kind) {
    let (_node, session) =
        table_with(kind, 1, |builder| builder.in_flight_max(4, 1 << 20).when_full(WhenFull::Wait));
    let insert = session.prepare(INSERT).wait().unwrap();
    let requests = (0..4_000_i64).map(|id| session.execute(&insert, (id, "x")).into_future());
    let tasks: Vec<_> = requests.collect();
    for result in session.block_on(join_all(tasks)).unwrap() {
        result.unwrap();
    }
    assert_eq!(common::count(&session), 4_000);
}

fn bytes_are_bounded_too(kind: Kind) {
    let (address, release) = holding();
    let builder = helenus::Session::builder().contact_point(address.to_string()).in_flight_max(1_000, 10_000);
    let session = kind.connect(builder).unwrap();
    let held = session.query("held", ()).submit();
    let long = "x".repeat(20_000);
    assert!(session.query(&long, ()).wait().unwrap_err().is_overloaded());
    release.send(()).unwrap();
    held.wait().unwrap();
    until(&session, "it is settled", || session.metrics().in_flight == 0);
    // Alone it is sent, however long it is.
    session.query(&long, ()).wait().unwrap();
}

fn few_on_the_wire_many_in_flight(kind: Kind) {
    let (_node, session) = table_with(kind, 1, |builder| builder.on_wire_max(5));
    let insert = session.prepare(INSERT).wait().unwrap();
    let requests: Vec<_> = (0..2_000_i64).map(|id| session.execute(&insert, (id, "x")).submit()).collect();
    for result in session.block_on(join_all(requests)).unwrap() {
        result.unwrap();
    }
    let counters = session.metrics().counters;
    assert!(counters.on_wire_max <= 5 * kind.shards() as u64, "{counters:?}");
    assert_eq!((counters.waiting, counters.on_wire), (0, 0));
    assert_eq!(common::count(&session), 2_000);
}

fn thirty_two_thousand_in_flight(kind: Kind) {
    let (_node, session) = table(kind, 1);
    let insert = session.prepare(INSERT).wait().unwrap();
    let requests: Vec<_> = (0..32_000_i64).map(|id| session.execute(&insert, (id, "x")).submit()).collect();
    for request in requests {
        request.wait().unwrap();
    }
    assert_eq!(common::count(&session), 32_000);
    assert_eq!(session.metrics().in_flight, 0);
}

fn sixteen_threads(kind: Kind) {
    let (_node, session) = table(kind, 3);
    let insert = session.prepare(INSERT).wait().unwrap();
    thread::scope(|scope| {
        for number in 0..16_i64 {
            let (session, insert) = (&session, &insert);
            scope.spawn(move || {
                for id in 0..100 {
                    let response = session.execute(insert, (number * 100 + id, "x")).wait();
                    response.unwrap_or_else(|error| panic!("thread {number}, {id}: {error}"));
                }
            });
        }
    });
    assert_eq!(common::count(&session), 1_600);
}
