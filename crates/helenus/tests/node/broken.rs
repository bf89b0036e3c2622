//! Connections that break, in all the ways that they can.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use helenus::{ConnectionError, Error, Fate, RequestError, Session, SessionBuilder, Version};
use helenus_core::protocol::response::{Message, ResultMessage};
use helenus_core::protocol::{Opcode, segment};
use helenus_node::Node;

use crate::common::scripted::{self, Peer};
use crate::common::{self, Kind, on_every_reactor, until};

on_every_reactor!(
    what_is_no_answer_ends_the_connection_and_no_more,
    broken_segments,
    late_answers_are_typed_errors,
    a_timeout_does_not_end_the_connection,
    idempotent_requests_are_sent_again,
    a_restarted_node_is_found_again,
    events_and_unknown_things_are_ignored,
    a_silent_connection_is_given_up,
    a_body_that_cannot_be_read_fails_its_request_alone,
);

fn quick(address: std::net::SocketAddr) -> SessionBuilder {
    Session::builder()
        .contact_point(address.to_string())
        .reconnection(Duration::from_millis(10), Duration::from_millis(50))
        .handshake_timeout(Duration::from_secs(10))
}

/// A server that answers three requests, does `harm` when the fourth comes, and behaves on its later connections.
fn harmful(harm: impl Fn(&mut Peer, i16) + Send + Sync + 'static) -> std::net::SocketAddr {
    let harmed = Mutex::new(false);
    scripted::serve(move |_, mut peer| {
        if peer.handshake().is_none() {
            return;
        }
        for _ in 0..3 {
            let Some(request) = peer.request() else { return };
            peer.void(request.stream());
        }
        let Some(request) = peer.request() else { return };
        if std::mem::replace(&mut *harmed.lock().unwrap(), true) {
            peer.void(request.stream());
            return peer.be_good();
        }
        harm(&mut peer, request.stream());
    })
}

/// Runs into the harm, and gets over it. Gives the error that the request got.
fn suffer(kind: Kind, builder: SessionBuilder) -> Error {
    // One shard has one connection, so the fourth request finds the harm.
    let kind = if kind == Kind::MioThreads { Kind::MioThread } else { kind };
    let session = kind.connect(builder).unwrap();
    for _ in 0..3 {
        session.query("good", ()).wait().unwrap();
    }
    let start = Instant::now();
    let error = session.query("bad", ()).wait().unwrap_err();
    assert!(start.elapsed() < Duration::from_secs(5), "not by a timeout");
    assert_eq!(error.fate(), Fate::Unknown, "{error}");
    until(&session, "it is connected again", || session.query("good", ()).wait().is_ok());
    for _ in 0..10 {
        session.query("good", ()).wait().unwrap();
    }
    error
}

fn cause(error: &Error) -> &ConnectionError {
    match error {
        Error::Request(RequestError::ConnectionLost { cause, .. }) => cause,
        other => panic!("{other:?}"),
    }
}

fn v4(harm: impl Fn(&mut Peer, i16) + Send + Sync + 'static) -> SessionBuilder {
    quick(harmful(harm)).protocol_version(Version::V4)
}

fn what_is_no_answer_ends_the_connection_and_no_more(kind: Kind) {
    let error = suffer(
        kind,
        v4(|peer, _| {
            peer.raw(b"lorem ipsum dolor");
            peer.be_silent()
        }),
    );
    assert!(matches!(cause(&error), ConnectionError::WrongVersion { .. }), "{error}");
    let error = suffer(
        kind,
        v4(|peer, _| {
            peer.raw(b"\x84\0\0\0\x08\xff\xff\xff\xff");
            peer.be_silent()
        }),
    );
    assert!(matches!(cause(&error), ConnectionError::FrameTooLong { bytes: u32::MAX, .. }), "{error}");
    let error = suffer(
        kind,
        v4(|peer, stream| {
            let mut frame = peer.frame(stream, Opcode::Result, &[0, 0, 0, 1]);
            frame[4] = 0x77;
            peer.raw(&frame);
            peer.be_silent();
        }),
    );
    assert!(matches!(cause(&error), ConnectionError::UnexpectedOpcode { opcode: 0x77, .. }), "{error}");
    let error = suffer(
        kind,
        v4(|peer, stream| {
            peer.void(stream + 1);
            peer.be_silent()
        }),
    );
    assert!(matches!(cause(&error), ConnectionError::UnexpectedStream(_)), "{error}");
    let error = suffer(
        kind,
        v4(|peer, stream| {
            let frame = peer.frame(stream, Opcode::Result, &[0, 0, 0, 1]);
            peer.raw(&frame[..11]);
            let _ = peer.socket.shutdown(std::net::Shutdown::Both);
        }),
    );
    assert!(matches!(cause(&error), ConnectionError::ClosedByPeer(None)), "{error}");
    // A long frame, cut.
    let error = suffer(
        kind,
        v4(|peer, stream| {
            let frame = peer.frame(stream, Opcode::Result, &[0; 300_000]);
            peer.raw(&frame[..200_000]);
            let _ = peer.socket.shutdown(std::net::Shutdown::Both);
        }),
    );
    assert!(matches!(cause(&error), ConnectionError::ClosedByPeer(None)), "{error}");
}

fn broken_segments(kind: Kind) {
    let v5 = |harm: fn(&mut Peer, i16)| quick(harmful(harm)).protocol_version(Version::V5);
    let error = suffer(
        kind,
        v5(|peer, stream| {
            let mut frame = peer.frame(stream, Opcode::Result, &[0, 0, 0, 1]);
            frame[3] ^= 1;
            peer.raw(&frame);
            peer.be_silent();
        }),
    );
    let ConnectionError::Segment(broken) = cause(&error) else { panic!("{error}") };
    assert!(matches!(broken, segment::SegmentError::HeaderCrc { .. }), "{error}");
    let error = suffer(
        kind,
        v5(|peer, stream| {
            let mut frame = peer.frame(stream, Opcode::Result, &[0, 0, 0, 1]);
            *frame.last_mut().unwrap() ^= 0x80;
            peer.raw(&frame);
            peer.be_silent();
        }),
    );
    let ConnectionError::Segment(broken) = cause(&error) else { panic!("{error}") };
    assert!(matches!(broken, segment::SegmentError::PayloadCrc { .. }), "{error}");
    // A bare frame where a segment should be.
    let error = suffer(
        kind,
        v5(|peer, stream| {
            let frame = peer.frame(stream, Opcode::Result, &[0, 0, 0, 1]);
            peer.raw(&frame[6..frame.len() - 4]);
            peer.be_silent();
        }),
    );
    assert!(matches!(cause(&error), ConnectionError::Segment(_)), "{error}");
    let error = suffer(
        kind,
        v5(|peer, stream| {
            let frame = peer.frame(stream, Opcode::Result, &[0, 0, 0, 1]);
            let mut cut = Vec::new();
            let start = segment::open(&mut cut);
            cut.extend_from_slice(&frame[6..frame.len() - 6]);
            segment::close(&mut cut, start, true).unwrap();
            peer.raw(&cut);
            peer.be_silent();
        }),
    );
    assert!(matches!(cause(&error), ConnectionError::CutEnvelope), "{error}");
}

fn late_answers_are_typed_errors(kind: Kind) {
    let address = scripted::serve(|_, mut peer| {
        if peer.handshake().is_some() {
            peer.be_silent();
        }
    });
    let session = kind.connect(quick(address).request_timeout(Duration::from_millis(50))).unwrap();
    let start = Instant::now();
    for error in [
        session.query("late", ()).wait().unwrap_err(),
        session.query("late", ()).timeout(Duration::from_millis(80)).submit().wait().unwrap_err(),
        session.block_on(async { session.prepare("late").await }).unwrap().map(drop).unwrap_err(),
    ] {
        assert!(error.is_timeout() && error.fate() == Fate::Unknown, "{error}");
        assert!(error.to_string().contains(&address.to_string()), "{error}");
        let Error::Request(RequestError::TimedOut { node, after }) = error else { panic!("{error}") };
        assert!(node == Some(address) && after <= Duration::from_millis(80));
    }
    assert!(start.elapsed() >= Duration::from_millis(180) && start.elapsed() < Duration::from_secs(10));
    let (told, heard) = tokio::sync::oneshot::channel();
    session.query("late", ()).on_complete(|_, result| told.send(result.map(drop)).unwrap());
    assert!(session.block_on(heard).unwrap().unwrap().unwrap_err().is_timeout());
    let late = session.execute_concurrent((0..50).map(|_| session.query("late", ())), 10);
    assert_eq!(late.into_iter().filter(|(_, result)| result.as_ref().unwrap_err().is_timeout()).count(), 50);
    assert_eq!(session.metrics().counters.timeouts, 54);
    assert_eq!(session.metrics().in_flight, 0);
}

fn a_timeout_does_not_end_the_connection(kind: Kind) {
    // Answers "late" ones only when something else has come, and says by which name they went.
    let address = scripted::serve(|number, mut peer| {
        if peer.handshake().is_none() {
            return;
        }
        assert!(number < 4, "no new connections");
        let mut late = Vec::new();
        while let Some(request) = peer.request() {
            if request.text() == "late" {
                late.push(request.stream());
                continue;
            }
            assert!(!late.contains(&request.stream()), "an id in use");
            peer.void(request.stream());
            if request.text() == "answer" {
                for stream in late.drain(..) {
                    peer.message(stream, Message::Result(ResultMessage::SetKeyspace { keyspace: "late" }));
                }
            }
        }
    });
    let kind = if kind == Kind::MioThreads { Kind::MioThread } else { kind };
    let session = kind.connect(quick(address)).unwrap();
    let late: Vec<_> =
        (0..20).map(|_| session.query("late", ()).timeout(Duration::from_millis(30)).submit()).collect();
    for late in late {
        assert!(late.wait().unwrap_err().is_timeout());
    }
    for _ in 0..50 {
        session.query("good", ()).wait().unwrap();
    }
    assert_eq!(session.metrics().counters.orphans, 20);
    session.query("answer", ()).wait().unwrap();
    for _ in 0..50 {
        session.query("good", ()).wait().unwrap();
    }
    let counters = session.metrics().counters;
    assert_eq!((counters.orphans, counters.on_wire, counters.connections_opened), (0, 0, 1), "{counters:?}");
}

fn idempotent_requests_are_sent_again(kind: Kind) {
    // Dies of each request the first time that it comes.
    let seen = Arc::new(AtomicUsize::new(0));
    let count = seen.clone();
    let address = scripted::serve(move |_, mut peer| {
        if peer.handshake().is_none() {
            return;
        }
        while let Some(request) = peer.request() {
            if request.text() == "deadly" && count.fetch_add(1, Ordering::SeqCst) == 0 {
                return peer.close();
            }
            peer.void(request.stream());
        }
    });
    let kind = if kind == Kind::MioThreads { Kind::MioThread } else { kind };
    let session = kind.connect(quick(address)).unwrap();
    // One that ends at once counts as a failed attempt, and is not tried again before a pause.
    common::sleep(&session, Duration::from_millis(50));
    session.query("deadly", ()).idempotent(true).wait().unwrap();
    assert_eq!(seen.load(Ordering::SeqCst), 2);
    assert_eq!(session.metrics().counters.resent, 1);

    // What isn't is never sent twice.
    seen.store(0, Ordering::SeqCst);
    let error = loop {
        match session.query("deadly", ()).wait().unwrap_err() {
            Error::Request(RequestError::NoConnection(_)) => {
                common::sleep(&session, Duration::from_millis(5))
            }
            error => break error,
        }
    };
    assert!(matches!(cause(&error), ConnectionError::ClosedByPeer(None)), "{error}");
    assert_eq!((seen.load(Ordering::SeqCst), error.fate()), (1, Fate::Unknown));
    until(&session, "it is connected again", || session.query("good", ()).wait().is_ok());
    assert_eq!(seen.load(Ordering::SeqCst), 1);
}

fn a_restarted_node_is_found_again(kind: Kind) {
    let node = Node::builder().start().unwrap();
    let address = node.addresses()[0];
    common::make_table(&node);
    let session = kind.connect(quick(address)).unwrap();
    let mut node = Some(node);
    for round in 0..3 {
        let pending: Vec<_> = (0..500_i64)
            .map(|id| session.query("INSERT INTO ks.t (id, name) VALUES (?, ?)", (id, "x")).submit())
            .collect();
        drop(node.take());
        for result in pending.into_iter().map(helenus::Pending::wait) {
            match result {
                Ok(_)
                | Err(Error::Request(RequestError::ConnectionLost { .. } | RequestError::NoConnection(_))) => {
                }
                Err(error) => panic!("round {round}: {error}"),
            }
        }
        let error = session.query("SELECT id FROM ks.t", ()).wait().unwrap_err();
        assert!(error.to_string().contains(&address.to_string()), "{error}");
        node = Some(Node::builder().listen(address).start().unwrap());
        common::make_table(node.as_ref().unwrap());
        until(&session, "it is found again", || session.query("SELECT id FROM ks.t", ()).wait().is_ok());
    }
    assert_eq!(session.metrics().in_flight, 0);
}

fn events_and_unknown_things_are_ignored(kind: Kind) {
    let address = scripted::serve(|_, mut peer| {
        if peer.handshake().is_none() {
            return;
        }
        while let Some(request) = peer.request() {
            // An event, of a kind that nobody knows.
            peer.reply(-1, Opcode::Event, b"\0\x04NEWS\0\x01x");
            peer.void(request.stream());
        }
    });
    let session = kind.connect(quick(address)).unwrap();
    for _ in 0..10 {
        session.query("good", ()).wait().unwrap();
    }
    assert_eq!(session.metrics().counters.events, 10);
}

fn a_silent_connection_is_given_up(kind: Kind) {
    // The first connection of each shard falls silent; the others answer.
    let shards = if kind == Kind::MioThreads { 4 } else { 1 };
    let address = scripted::serve(move |number, mut peer| {
        if peer.handshake().is_none() {
            return;
        }
        if number < shards {
            return peer.be_silent();
        }
        while let Some(request) = peer.request() {
            match request.opcode() {
                Opcode::Options => peer.reply(request.stream(), Opcode::Supported, &[0, 0]),
                _ => peer.void(request.stream()),
            }
        }
    });
    let builder = quick(address).heartbeat(Duration::from_millis(50), Duration::from_millis(50));
    let session = kind.connect(builder).unwrap();
    let error = session.query("lost", ()).wait().unwrap_err();
    assert!(matches!(cause(&error), ConnectionError::HeartbeatLost(_)), "{error}");
    until(&session, "it is connected again", || session.query("good", ()).wait().is_ok());
}

fn a_body_that_cannot_be_read_fails_its_request_alone(kind: Kind) {
    let address = scripted::serve(|number, mut peer| {
        assert!(number < 4, "no new connections");
        if peer.handshake().is_none() {
            return;
        }
        while let Some(request) = peer.request() {
            match request.text().as_str() {
                "empty" => peer.reply(request.stream(), Opcode::Result, &[]),
                "kind" => peer.reply(request.stream(), Opcode::Result, &[0, 0, 0, 99]),
                "rows" => peer.reply(
                    request.stream(),
                    Opcode::Result,
                    b"\0\0\0\x02\0\0\0\x04\0\0\0\x01\x7f\xff\xff\xff",
                ),
                "error" => peer.reply(request.stream(), Opcode::Error, &[0, 0]),
                "ready" => peer.reply(request.stream(), Opcode::Ready, &[]),
                _ => peer.void(request.stream()),
            }
        }
    });
    let session = kind.connect(quick(address)).unwrap();
    for text in ["empty", "kind", "rows", "error", "ready"] {
        for error in
            [session.query(text, ()).wait().unwrap_err(), session.prepare(text).wait().map(drop).unwrap_err()]
        {
            assert!(matches!(error, Error::Response { node, .. } if node == address), "{text}: {error:?}");
        }
        session.query("good", ()).wait().unwrap();
    }
    assert!(session.prepare("void").wait().is_err());
    assert_eq!(session.metrics().counters.connections_closed, 0);
}
