//! What statements look like on the wire, and what becomes of them when the server forgets or changes them.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use helenus::value::Named;
use helenus::{
    Batch, ColumnSpec, ColumnType, Consistency, Error, Fate, ReprepareFailure, RequestError,
    SerialConsistency, Session, SessionBuilder, Statement, Version,
};
use helenus_core::protocol::request::{self, Request, split_payload};
use helenus_core::protocol::response::{Message, Prepared, ResultMessage, Rows, RowsMetadata};
use helenus_core::protocol::{ErrorKind, Flags, Opcode, ServerError};

use crate::common::scripted::{self, Incoming, Peer};

const VERSIONS: [Version; 3] = [Version::V3, Version::V4, Version::V5];

/// What came, in order.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<(Version, Incoming)>>>);

impl Seen {
    fn take<T>(&self, read: impl Fn(Request<'_>, Flags, Vec<(&str, Option<&[u8]>)>) -> T) -> Vec<T> {
        let seen = std::mem::take(&mut *self.0.lock().unwrap());
        let read = |(version, incoming): &(Version, Incoming)| {
            let (payload, body) = split_payload(*version, incoming.header.flags, &incoming.body).unwrap();
            let request = Request::decode(*version, incoming.header.opcode, body).unwrap();
            read(request, incoming.header.flags, payload)
        };
        seen.iter().map(read).collect()
    }

    fn opcodes(&self) -> Vec<Opcode> {
        std::mem::take(&mut *self.0.lock().unwrap()).iter().map(|(_, incoming)| incoming.opcode()).collect()
    }
}

/// A server that keeps what comes and answers as it is told.
fn server(answer: impl Fn(&mut Peer, &Incoming) + Send + Sync + 'static) -> (SocketAddr, Seen) {
    let seen = Seen::default();
    let kept = seen.clone();
    let address = scripted::serve(move |_, mut peer| {
        if peer.handshake().is_none() {
            return;
        }
        while let Some(request) = peer.request() {
            let header = request.header;
            let (_, body) = split_payload(peer.version, header.flags, &request.body).unwrap();
            let bare = Incoming { header, body: body.to_vec() };
            kept.0.lock().unwrap().push((peer.version, request));
            answer(&mut peer, &bare);
        }
    });
    (address, seen)
}

fn builder(address: SocketAddr, version: Version) -> SessionBuilder {
    Session::builder().contact_point(address.to_string()).protocol_version(version)
}

fn connect(address: SocketAddr, version: Version) -> Session {
    builder(address, version).connect().wait().unwrap()
}

fn column(name: &str, column_type: ColumnType) -> ColumnSpec {
    ColumnSpec { keyspace: "ks".into(), table: "t".into(), name: name.into(), column_type }
}

/// Prepares anything: with a marker `a int`, and a column `a int` if it is a SELECT. The id is the text's length.
fn prepare(peer: &mut Peer, request: &Incoming) {
    prepare_as(peer, request, ColumnType::Int, &[1]);
}

fn prepare_as(peer: &mut Peer, request: &Incoming, marker: ColumnType, metadata_id: &[u8]) {
    let text = request.text();
    let columns: Vec<_> =
        text.starts_with("SELECT").then(|| column("a", ColumnType::Int)).into_iter().collect();
    let prepared = Prepared {
        id: &(text.len() as u32).to_be_bytes(),
        result_metadata_id: (peer.version >= Version::V5).then_some(metadata_id),
        bind_markers: Arc::new([column("a", marker)]),
        result_metadata: RowsMetadata::new(columns.into()),
        ..Prepared::default()
    };
    peer.message(request.stream(), Message::Result(ResultMessage::Prepared(prepared)));
}

/// Void to everything, but for PREPARE.
fn good(peer: &mut Peer, request: &Incoming) {
    match request.opcode() {
        Opcode::Prepare => prepare(peer, request),
        _ => peer.void(request.stream()),
    }
}

fn unprepared(peer: &mut Peer, request: &Incoming, id: &[u8]) {
    peer.error(request.stream(), ServerError::new(ErrorKind::Unprepared { id: id.into() }, "not here"));
}

#[test]
fn every_setting_reaches_the_wire() {
    for version in VERSIONS {
        let (address, seen) = server(good);
        let session = connect(address, version);
        let v4 = version >= Version::V4;
        let v5 = version >= Version::V5;
        let mut statement = Statement::new("INSERT 1")
            .consistency(Consistency::One)
            .serial_consistency(SerialConsistency::LocalSerial)
            .page_size(7)
            .timestamp_us(42)
            .tracing(true);
        if v4 {
            statement = statement.custom_payload([("key", b"value")]);
        }
        if v5 {
            statement = statement.now_in_seconds(99).keyspace("Ks");
        }
        session.query(&statement, (1_i32,)).wait().unwrap();
        let insert = session.prepare(&statement).wait().unwrap();
        session.execute(&insert, (1_i32,)).wait().unwrap();
        let mut batch = Batch::counter().timestamp_us(42).consistency(Consistency::One).tracing(true);
        if v4 {
            batch = batch.custom_payload([("key", b"value")]);
        }
        if v5 {
            batch = batch.now_in_seconds(99).keyspace("Ks");
        }
        batch.push(&insert, (2_i32,));
        session.batch(&batch.serial_consistency(SerialConsistency::LocalSerial)).wait().unwrap();
        let now = v5.then_some(99);
        let keyspace = v5.then_some("Ks");
        let checked = seen.take(|request, flags, payload| {
            assert_eq!(payload, v4.then_some(("key", Some(&b"value"[..]))).into_iter().collect::<Vec<_>>());
            assert!(flags.contains(Flags::TRACING));
            let serial = Some(Consistency::LocalSerial);
            match request {
                Request::Query(query) => {
                    let options = query.parameters.options;
                    assert_eq!((options.consistency, options.page_size), (Consistency::One, Some(7)));
                    assert_eq!((options.serial_consistency, options.timestamp), (serial, Some(42)));
                    assert_eq!((options.now_in_seconds, options.keyspace), (now, keyspace));
                }
                Request::Prepare(prepare) => assert_eq!(prepare.keyspace, keyspace),
                Request::Execute(execute) => {
                    let options = execute.parameters.options;
                    assert_eq!((options.consistency, options.page_size), (Consistency::One, None), "no rows");
                    assert_eq!((options.serial_consistency, options.timestamp), (serial, Some(42)));
                    assert_eq!((options.now_in_seconds, options.keyspace), (now, None));
                    assert_eq!(execute.parameters.values.count(), 1);
                }
                Request::Batch(batch) => {
                    let options = batch.options;
                    assert_eq!((batch.kind, batch.statements.len()), (request::BatchKind::Counter, 1));
                    assert_eq!((options.consistency, options.serial_consistency), (Consistency::One, serial));
                    assert_eq!((options.timestamp, options.keyspace), (Some(42), keyspace));
                    assert_eq!(options.now_in_seconds, now);
                }
                other => panic!("{other:?}"),
            }
        });
        assert_eq!(checked.len(), 4);
    }
}

#[test]
fn what_a_version_lacks_is_an_error_that_says_so() {
    let refused = |version, statement: &Statement<'_>, what: &str| {
        let (address, seen) = server(good);
        let session = connect(address, version);
        let error = session.query(statement, ()).wait().unwrap_err();
        assert_eq!(error.fate(), Fate::NeverSent);
        let text = error.to_string();
        assert!(text.contains(what) && text.contains(&version.to_string()), "{text}");
        assert!(seen.opcodes().is_empty());
    };
    let statement = Statement::new("INSERT");
    refused(
        Version::V3,
        &statement.clone().custom_payload([("a", "b")]),
        "a custom payload needs protocol v4",
    );
    for version in [Version::V3, Version::V4] {
        refused(version, &statement.clone().keyspace("ks"), "keyspace of a single request needs protocol v5");
        refused(version, &statement.clone().now_in_seconds(1), "needs protocol v5");
    }
}

fn timestamps(seen: &Seen) -> Vec<Option<i64>> {
    seen.take(|request, _, _| match request {
        Request::Query(query) => Some(query.parameters.options.timestamp),
        Request::Execute(execute) => Some(execute.parameters.options.timestamp),
        Request::Batch(batch) => Some(batch.options.timestamp),
        _ => None,
    })
    .into_iter()
    .flatten()
    .collect()
}

fn now_us() -> i64 {
    std::time::UNIX_EPOCH.elapsed().unwrap().as_micros().try_into().unwrap()
}

#[test]
fn writes_have_timestamps_that_grow() {
    for version in VERSIONS {
        let (address, seen) = server(good);
        let session = connect(address, version);
        let insert = session.prepare("INSERT").wait().unwrap();
        let select = session.prepare("SELECT").wait().unwrap();
        let before = now_us();
        let made_first = session.execute(&insert, (1_i32,));
        session.query("INSERT", ()).wait().unwrap();
        session.execute(&insert, (1_i32,)).serial_consistency(SerialConsistency::Serial).wait().unwrap();
        session.batch(&Batch::logged()).wait().unwrap();
        made_first.wait().unwrap();
        session.execute(&select, (1_i32,)).wait().unwrap();
        session.execute(&select, (1_i32,)).page_size(3).wait().unwrap();
        session.query("INSERT", ()).server_timestamp().wait().unwrap();
        session.execute(&insert, (1_i32,)).timestamp_us(-5).wait().unwrap();
        let seen = timestamps(&seen);
        let ours: Vec<_> = seen[..4].iter().map(|timestamp| timestamp.unwrap()).collect();
        assert!(ours.is_sorted_by(|a, b| a < b), "by use, not by making: {ours:?}");
        assert!(before <= ours[0] && ours[3] <= now_us() + 4, "{before} {ours:?}");
        assert_eq!(seen[4..], [None, None, None, Some(-5)], "reads need none");
        assert_eq!(session.metrics().timestamps_ahead, 0);
    }
}

#[test]
fn timestamps_may_come_from_elsewhere() {
    let (address, seen) = server(good);
    let next = AtomicI64::new(7);
    let source = move || next.fetch_add(1, Ordering::Relaxed);
    let session = builder(address, Version::V4).timestamps(source).connect().wait().unwrap();
    let insert = session.prepare("INSERT").wait().unwrap();
    session.query("INSERT", ()).wait().unwrap();
    session.execute(&insert, (1_i32,)).wait().unwrap();
    let server = builder(address, Version::V4).server_timestamps().connect().wait().unwrap();
    server.query("INSERT", ()).wait().unwrap();
    // The beginning of its EXECUTE was made for the other session.
    server.execute(&insert, (1_i32,)).wait().unwrap();
    server.batch(&Batch::logged()).wait().unwrap();
    let select = session.prepare("SELECT").wait().unwrap();
    session.execute(&select, (1_i32,)).wait().unwrap();
    session.execute(&select, (1_i32,)).page_size(3).wait().unwrap();
    session.execute(&insert, (1_i32,)).wait().unwrap();
    let expected = [Some(7), Some(8), None, None, None, None, None, Some(9)];
    assert_eq!(timestamps(&seen), expected, "reads ask for none");
}

#[test]
fn names_are_on_the_wire_of_a_query() {
    for version in VERSIONS {
        let (address, seen) = server(good);
        let session = connect(address, version);
        session.query("INSERT", Named(&[("id", &7_i32), ("Name", &"x")])).page_size(3).wait().unwrap();
        let names = seen.take(|request, _, _| match request {
            Request::Query(query) => {
                assert_eq!(query.parameters.options.page_size, Some(3));
                query.parameters.values.iter().map(|(name, _)| name.unwrap().to_owned()).collect::<Vec<_>>()
            }
            other => panic!("{other:?}"),
        });
        assert_eq!(names, [["id", "Name"]]);
    }
}

/// A server that knows no statement until it was prepared `times` times on this connection.
fn forgetful(times: usize) -> (SocketAddr, Seen) {
    let prepared = Mutex::new(Vec::new());
    server(move |peer, request| {
        let mut prepared = prepared.lock().unwrap();
        match request.opcode() {
            Opcode::Prepare => {
                prepared.push((request.text().len() as u32).to_be_bytes());
                prepare(peer, request);
            }
            Opcode::Batch => {
                let decoded = Request::decode(peer.version, request.header.opcode, &request.body).unwrap();
                let Request::Batch(batch) = decoded else { panic!("{decoded:?}") };
                let known = |id: &[u8]| prepared.iter().filter(|known| **known == *id).count() > times;
                let missing = batch.statements.iter().find_map(|statement| match statement.query {
                    request::BatchQuery::Prepared(id) => (!known(id)).then_some(id),
                    request::BatchQuery::Text(_) => None,
                });
                match missing {
                    Some(id) => unprepared(peer, request, id),
                    None => peer.void(request.stream()),
                }
            }
            _ => peer.void(request.stream()),
        }
    })
}

#[test]
fn a_batch_is_prepared_again_statement_by_statement() {
    for version in VERSIONS {
        let (address, seen) = forgetful(1);
        let session = connect(address, version);
        let mut batch = Batch::logged();
        for number in 0..12 {
            let statement = session.prepare(format!("INSERT{}", "!".repeat(number))).wait().unwrap();
            batch.push(&statement, (1_i32,)).push(&statement, (2_i32,)).push("INSERT", ());
        }
        seen.opcodes();
        session.batch(&batch).wait().unwrap();
        let mut expected = [Opcode::Batch, Opcode::Prepare].repeat(12);
        expected.push(Opcode::Batch);
        assert_eq!(seen.opcodes(), expected);
        assert_eq!(session.metrics().counters.reprepares, 12);
    }
}

#[test]
fn a_batch_that_is_never_known_ends() {
    let (address, seen) = forgetful(usize::MAX);
    let session = connect(address, Version::V5);
    let statement = session.prepare("INSERT").wait().unwrap();
    let mut batch = Batch::logged();
    batch.push(&statement, (1_i32,));
    let error = session.batch(&batch).wait().unwrap_err();
    let reason = ReprepareFailure::StillUnprepared;
    assert!(
        matches!(&error, Error::Request(RequestError::Reprepare { reason: found, .. }) if *found == reason),
        "{error}"
    );
    assert_eq!(error.fate(), Fate::NeverSent);
    let batches = seen.opcodes().into_iter().filter(|opcode| *opcode == Opcode::Batch).count();
    assert!((2..=9).contains(&batches), "{batches}");
}

#[test]
fn a_batch_of_which_something_unknown_is_missing() {
    let (address, _) = server(|peer, request| match request.opcode() {
        Opcode::Prepare => prepare(peer, request),
        _ => unprepared(peer, request, b"a stranger"),
    });
    let session = connect(address, Version::V4);
    let statement = session.prepare("INSERT").wait().unwrap();
    let mut batch = Batch::logged();
    batch.push(&statement, (1_i32,));
    let error = session.batch(&batch).wait().unwrap_err();
    assert!(
        matches!(&error, Error::Request(RequestError::Reprepare { reason: ReprepareFailure::UnknownId, .. })),
        "{error}"
    );
}

#[test]
fn only_idempotent_batches_are_sent_again() {
    // The first request after the handshake ends each of the first connections.
    let fragile = || {
        let harmed = AtomicI64::new(0);
        scripted::serve(move |_, mut peer| {
            if peer.handshake().is_none() {
                return;
            }
            while let Some(request) = peer.request() {
                match request.opcode() {
                    Opcode::Prepare => prepare(&mut peer, &request),
                    _ if harmed.fetch_add(1, Ordering::Relaxed) == 0 => return peer.close(),
                    _ => peer.void(request.stream()),
                }
            }
        })
    };
    let send = |make: &dyn Fn(&helenus::Prepared) -> Batch| {
        let short = std::time::Duration::from_millis(10);
        let session = builder(fragile(), Version::V4).reconnection(short, short).connect().wait().unwrap();
        let statement = session.prepare("INSERT").wait().unwrap();
        // A connection that lived shorter than that is not opened again at once.
        std::thread::sleep(short * 3);
        session.batch(&make(&statement)).wait().map(drop)
    };
    let of = |mut batch: Batch, statement: helenus::Prepared| {
        batch.push(&statement, (1_i32,)).push(Statement::new("x").idempotent(true), ());
        batch
    };
    assert!(send(&|statement| of(Batch::logged(), statement.clone())).is_err());
    send(&|statement| of(Batch::logged(), statement.clone().idempotent(true))).unwrap();
    send(&|statement| of(Batch::logged(), statement.clone()).idempotent(true)).unwrap();
    assert!(
        send(&|statement| of(Batch::logged().idempotent(false), statement.clone().idempotent(true))).is_err()
    );
    let error = send(&|statement| of(Batch::counter(), statement.clone().idempotent(true)).idempotent(true));
    assert_eq!(error.unwrap_err().fate(), Fate::Unknown, "counting twice is never the same");
}

/// Rows of one column `a`, of this type, said to be new with `id`; one row with four bytes.
fn changed(peer: &mut Peer, request: &Incoming, column_type: ColumnType, id: Option<&[u8]>) {
    let mut metadata = RowsMetadata::new(Arc::new([column("a", column_type)]));
    metadata.new_metadata_id = id;
    let rows = Rows { metadata, row_count: 1, content: &[0, 0, 0, 4, b'a', b'b', b'c', b'd'] };
    peer.message(request.stream(), Message::Result(ResultMessage::Rows(rows)));
}

fn metadata_ids(seen: &Seen) -> Vec<Vec<u8>> {
    let ids = seen.take(|request, _, _| match request {
        Request::Execute(execute) => Some(execute.result_metadata_id.unwrap().to_vec()),
        _ => None,
    });
    ids.into_iter().flatten().collect()
}

#[test]
fn changed_columns_hold_from_then_on_for_all_clones() {
    let (address, seen) = server(|peer, request| match request.opcode() {
        Opcode::Prepare => prepare(peer, request),
        _ => {
            let Ok(Request::Execute(execute)) =
                Request::decode(peer.version, request.header.opcode, &request.body)
            else {
                panic!()
            };
            if execute.result_metadata_id == Some(&[2]) {
                // As it knows them, they are left out.
                let metadata = RowsMetadata { column_count: 1, ..RowsMetadata::default() };
                let rows = Rows { metadata, row_count: 1, content: &[0, 0, 0, 4, b'e', b'f', b'g', b'h'] };
                return peer.message(request.stream(), Message::Result(ResultMessage::Rows(rows)));
            }
            changed(peer, request, ColumnType::Text, Some(&[2]));
        }
    });
    let session = connect(address, Version::V5);
    let other = connect(address, Version::V5);
    let select = session.prepare("SELECT").wait().unwrap();
    let clone = select.clone().idempotent(true);
    let made_before = session.execute(&select, (1_i32,));
    let first = session.execute(&select, (1_i32,)).wait().unwrap();
    assert_eq!(first.one::<(&str,)>().unwrap().0, "abcd");
    assert_eq!(select.result_columns()[0].column_type, ColumnType::Text);
    for request in [session.execute(&clone, (1_i32,)), other.execute(&select, (1_i32,))] {
        assert_eq!(request.wait().unwrap().one::<(&str,)>().unwrap().0, "efgh");
    }
    // What was encoded before is read as the server says.
    assert_eq!(made_before.page_size(3).wait().unwrap().one::<(&str,)>().unwrap().0, "efgh");
    assert_eq!(metadata_ids(&seen), [[1], [2], [2], [2]]);
}

#[test]
fn conditional_statements_learn_no_columns() {
    let (address, seen) = server(|peer, request| match request.opcode() {
        Opcode::Prepare => prepare(peer, request),
        _ => changed(peer, request, ColumnType::Text, Some(&[2])),
    });
    let session = connect(address, Version::V5);
    let insert = session.prepare("INSERT IF NOT EXISTS").wait().unwrap();
    for _ in 0..3 {
        let response = session.execute(&insert, (1_i32,)).wait().unwrap();
        assert_eq!(response.one::<(&str,)>().unwrap().0, "abcd");
    }
    assert!(insert.result_columns().is_empty());
    assert_eq!(metadata_ids(&seen), [[1], [1], [1]]);
}

#[test]
fn a_server_whose_columns_change_each_time_costs_no_more_memory() {
    let number = AtomicI64::new(0);
    let (address, _) = server(move |peer, request| match request.opcode() {
        Opcode::Prepare => prepare(peer, request),
        _ => {
            let id = number.fetch_add(1, Ordering::Relaxed).to_be_bytes();
            let column_type = if id[7] % 2 == 0 { ColumnType::Text } else { ColumnType::Int };
            changed(peer, request, column_type, Some(&id));
        }
    });
    let session = connect(address, Version::V5);
    let select = session.prepare("SELECT").wait().unwrap();
    for round in 0..300 {
        let response = session.execute(&select, (1_i32,)).wait().unwrap();
        let text = response.one::<(&str,)>().map(|(text,)| text.to_owned());
        assert_eq!(text.is_ok(), round % 2 == 0, "{round}");
    }
}

#[test]
fn markers_that_changed_fail_what_was_bound_and_hold_for_what_comes() {
    for version in VERSIONS {
        let prepares = AtomicI64::new(0);
        let (address, seen) = server(move |peer, request| match request.opcode() {
            Opcode::Prepare if prepares.fetch_add(1, Ordering::Relaxed) == 0 => prepare(peer, request),
            // The table was dropped and made anew with another type; the id is of the text alone.
            Opcode::Prepare => prepare_as(peer, request, ColumnType::Float, &[1]),
            _ if prepares.load(Ordering::Relaxed) == 1 => unprepared(peer, request, &6_u32.to_be_bytes()),
            _ => peer.void(request.stream()),
        });
        let session = connect(address, version);
        let insert = session.prepare("INSERT").wait().unwrap();
        let error = session.execute(&insert, (1_i32,)).wait().unwrap_err();
        let reason = ReprepareFailure::MarkersChanged;
        assert!(
            matches!(&error, Error::Request(RequestError::Reprepare { reason: found, .. }) if *found == reason),
            "{error}"
        );
        assert_eq!(error.fate(), Fate::NeverSent);
        assert_eq!(seen.opcodes(), [Opcode::Prepare, Opcode::Execute, Opcode::Prepare]);
        let error = session.execute(&insert, (1_i32,)).wait().unwrap_err();
        assert!(matches!(error, Error::Bind(_)) && error.to_string().contains("float"), "{error}");
        session.execute(&insert, (1.5_f32,)).wait().unwrap();
    }
}
