//! The shard by hand-fed bytes: each test is the server, the network and the clock.

mod authentication;
#[cfg(all(feature = "lz4", feature = "snappy"))]
mod compression;
mod rig;
#[cfg(feature = "tls")]
mod secured;

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::call::{Call, Command, Fate, Notify, Outcome, Reply, ReprepareFailure, RequestError, Terms};
use crate::protocol::request::{AuthResponse, Request};
use crate::protocol::response::{Message, ResultMessage, Rows, RowsMetadata};
use crate::protocol::{ErrorKind, Header, Opcode, ServerError, Version, segment};
use rig::{MS, Rig, VOID, error, frames, opcode, prepared, query, response, statement, within};

/// The causes that a `Connect` fails with.
fn causes(outcome: Option<Outcome>) -> Vec<Arc<ConnectionError>> {
    match outcome {
        Some(Err(RequestError::NoConnection(failures))) => {
            failures.iter().map(|failure| failure.cause.clone()).collect()
        }
        other => panic!("{other:?}"),
    }
}

/// The cause that the only connection fails with once `bytes` came instead of an answer to STARTUP.
fn cause_of(bytes: &[u8]) -> Arc<ConnectionError> {
    let mut rig = Rig::new(&["10.0.0.1"], |_| {});
    let conn = rig.open[0];
    let mut connect = rig.submit(Command::Connect, Terms::default());
    rig.event(Event::Opened { conn });
    rig.bytes(conn, bytes);
    assert_eq!(rig.closed, [conn]);
    causes(connect.try_take()).remove(0)
}

/// The cause that a ready connection ends with once `bytes` came while a request waits.
fn cause_when_ready(bytes: &[u8]) -> Arc<ConnectionError> {
    let (mut rig, conn) = Rig::ready(|config| config.frame_bytes_max = 1_000);
    let mut call = rig.query(Terms::default());
    rig.bytes(conn, bytes);
    assert_eq!(rig.closed, [conn]);
    match call.try_take() {
        Some(Err(RequestError::ConnectionLost { fate: Fate::Unknown, cause, .. })) => cause,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_refused_version_is_lowered_on_a_new_connection() {
    let mut rig = Rig::new(&["10.0.0.1"], |config| config.version = Version::V5);
    let mut connect = rig.submit(Command::Connect, Terms::default());
    let first = rig.open[0];
    rig.event(Event::Opened { conn: first });
    assert_eq!(rig.sent.remove(&first).unwrap()[0], 5);
    let refusal = Message::Error(ServerError::new(ErrorKind::Protocol, "Invalid or unsupported version"));
    rig.bytes(first, &response(Version::V4, 0, &refusal));
    assert_eq!(rig.closed, [first]);
    let second = rig.open[0];
    rig.event(Event::Opened { conn: second });
    assert_eq!(rig.sent.remove(&second).unwrap()[0], 4, "at once and without a pause");
    rig.reply(second, 0, &Message::Ready);
    assert!(matches!(connect.try_take(), Some(Ok(Reply::Connected(Version::V4)))));
}

#[test]
fn a_fixed_version_is_not_lowered() {
    let mut rig = Rig::new(&["10.0.0.1"], |config| config.version_fixed = true);
    let mut connect = rig.submit(Command::Connect, Terms::default());
    let conn = rig.open[0];
    rig.event(Event::Opened { conn });
    let refusal = Message::Error(ServerError::new(ErrorKind::Protocol, "unsupported protocol version"));
    rig.bytes(conn, &response(Version::V3, 0, &refusal));
    assert!(matches!(*causes(connect.try_take())[0], ConnectionError::NoCommonVersion { .. }));
}

#[test]
fn credentials_are_sent_if_they_are_asked_for() {
    let authenticate = Message::Authenticate { authenticator: "PasswordAuthenticator" };
    let refused = Message::Error(ServerError::new(ErrorKind::Authentication, "bad credentials"));
    for answer in [Message::AuthSuccess(None), refused] {
        let mut rig = Rig::new(&["10.0.0.1"], |config| {
            config.authentication = Authentication::Plain(Credentials::new("user", "hunter2"));
        });
        let mut connect = rig.submit(Command::Connect, Terms::default());
        let conn = rig.open[0];
        rig.event(Event::Opened { conn });
        rig.take_requests(conn);
        rig.reply(conn, 0, &authenticate);
        let (header, body) = frames(&rig.sent.remove(&conn).unwrap()).remove(0);
        let token = Some(&b"\0user\0hunter2"[..]);
        let request = Request::decode(Version::V4, header.opcode, &body).unwrap();
        assert_eq!(request, Request::AuthResponse(AuthResponse { token }));
        rig.reply(conn, 0, &answer);
        match answer {
            Message::AuthSuccess(_) => assert!(matches!(connect.try_take(), Some(Ok(Reply::Connected(_))))),
            _ => {
                let cause = causes(connect.try_take()).remove(0);
                assert!(cause.to_string().contains("user 'user' was refused"), "{cause}");
                assert!(!cause.to_string().contains("hunter2"));
            }
        }
    }
    let cause = cause_of(&response(Version::V4, 0, &authenticate));
    assert!(cause.to_string().contains("give the builder a user and password"), "{cause}");
}

#[test]
fn a_v5_login_is_in_segments_from_auth_response_on() {
    let mut rig = Rig::new(&["10.0.0.1"], |config| {
        config.version = Version::V5;
        config.authentication = Authentication::Plain(Credentials::new("user", "hunter2"));
    });
    let mut connect = rig.submit(Command::Connect, Terms::default());
    let conn = rig.open[0];
    rig.event(Event::Opened { conn });
    assert_eq!(frames(&rig.sent.remove(&conn).unwrap())[0].0.version, 5, "STARTUP is bare");
    let authenticate = Message::Authenticate { authenticator: "PasswordAuthenticator" };
    rig.bytes(conn, &response(Version::V5, 0, &authenticate));
    let sent = rig.sent.remove(&conn).unwrap();
    let parsed = segment::parse(&sent).unwrap().unwrap();
    assert!(parsed.self_contained && parsed.encoded_len == sent.len());
    assert_eq!(opcode(&frames(parsed.payload)[0].0), Opcode::AuthResponse);
    let mut answer = Vec::new();
    let start = segment::open(&mut answer);
    answer.extend(response(Version::V5, 0, &Message::AuthSuccess(None)));
    segment::close(&mut answer, start, true).unwrap();
    // The segment's first byte is not that of any envelope.
    answer.iter().for_each(|byte| rig.bytes(conn, &[*byte]));
    assert!(matches!(connect.try_take(), Some(Ok(Reply::Connected(Version::V5)))));
}

#[test]
fn peers_that_do_not_speak_cql_are_recognised() {
    for (bytes, words) in [
        (&b"\x15\x03\x03\x00\x02\x02\x50"[..], "the port wants TLS"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "this is an HTTP server"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "this is an SSH server"),
        (b"\x04\0\0\0\x02\0\0\0\0", "is this the native transport port"),
    ] {
        let cause = cause_of(bytes);
        assert!(
            matches!(*cause, ConnectionError::NotCql { .. }) && cause.to_string().contains(words),
            "{cause}"
        );
    }
}

#[test]
fn what_can_not_answer_startup_is_refused() {
    let unexpected = cause_of(&response(Version::V4, 0, &VOID));
    assert!(matches!(*unexpected, ConnectionError::UnexpectedOpcode { .. }), "{unexpected}");
    let stream = cause_of(&response(Version::V4, 3, &Message::Ready));
    assert!(matches!(*stream, ConnectionError::UnexpectedStream(3)), "{stream}");
    let version = cause_of(&response(Version::V3, 0, &Message::Ready));
    assert!(matches!(*version, ConnectionError::WrongVersion { byte: 3, .. }), "{version}");
    let overloaded = cause_of(&response(Version::V4, 0, &error(ErrorKind::Overloaded)));
    assert!(matches!(*overloaded, ConnectionError::Refused(Step::Startup, _)), "{overloaded}");
}

#[test]
fn each_step_of_the_handshake_has_a_timeout_of_its_own() {
    let steps = [Step::Tcp, Step::Startup, Step::Authentication, Step::Keyspace];
    for (reached, awaited) in steps.into_iter().enumerate() {
        let mut rig = Rig::new(&["10.0.0.1"], |config| {
            config.handshake_timeout = 100 * MS;
            config.authentication = Authentication::Plain(Credentials::new("user", "hunter2"));
            config.keyspace = Some("ks".into());
        });
        let mut connect = rig.submit(Command::Connect, Terms::default());
        let conn = rig.open[0];
        let mut answers =
            [Message::Authenticate { authenticator: "PasswordAuthenticator" }, Message::AuthSuccess(None)]
                .into_iter();
        for step in 0..reached {
            rig.pass(99 * MS);
            match step {
                0 => rig.event(Event::Opened { conn }),
                _ => rig.reply(conn, 0, &answers.next().unwrap()),
            }
        }
        rig.pass(99 * MS);
        assert!(!connect.is_done(), "{awaited:?}");
        rig.pass(MS);
        assert_eq!(rig.closed, [conn]);
        match &*causes(connect.try_take())[0] {
            ConnectionError::HandshakeTimeout(step, after) => {
                assert_eq!((*step, *after), (awaited, 100 * MS))
            }
            other => panic!("{other}"),
        }
    }
}

#[test]
fn all_contact_points_refused_is_one_error_that_lists_each() {
    let mut rig = Rig::new(&["10.0.0.1", "10.0.0.2:1", "db.example"], |_| {});
    let mut connect = rig.submit(Command::Connect, Terms::default());
    let conns = rig.open.clone();
    assert_eq!(conns.len(), 2, "the name can't be resolved");
    rig.refuse(conns[0]);
    assert!(!connect.is_done(), "one is still being tried");
    rig.refuse(conns[1]);
    let Some(Err(error)) = connect.try_take() else { panic!("it has failed") };
    let text = error.to_string();
    assert_eq!(error.fate(), Fate::NeverSent);
    for part in ["10.0.0.1", "10.0.0.2:1", "db.example", "connection refused", "no such host"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let mut call = rig.query(Terms::default());
    assert!(matches!(call.try_take(), Some(Err(RequestError::NoConnection(_)))), "during the pause, at once");
    rig.pass(Duration::from_secs(1));
    assert_eq!(rig.open.len(), 2, "after the pause all are tried again");
}

#[test]
fn what_was_never_sent_is_sent_elsewhere() {
    let mut rig = Rig::new(&["10.0.0.1", "10.0.0.2"], |_| {});
    let conns = rig.open.clone();
    conns.iter().for_each(|conn| rig.make_ready(*conn));
    // Connections that lived for a while are opened again at once.
    rig.now = Time::from_nanos(10_000_000_000);
    rig.stuck = true;
    let mut calls = [rig.query(Terms::default()), rig.query(Terms::default())];
    rig.stuck = false;
    rig.lose(conns[0], 0);
    assert!(!calls[0].is_done() && !calls[1].is_done(), "both live on");
    rig.lose(conns[1], 1);
    let lost = calls.iter_mut().filter_map(Call::try_take).collect::<Vec<_>>();
    // The block with the second request was partly taken; behind it the first one waits, untouched.
    let [Err(RequestError::ConnectionLost { fate: Fate::Unknown, cause, .. })] = &lost[..] else {
        panic!("{lost:?}");
    };
    assert!(matches!(**cause, ConnectionError::ClosedByPeer(None)));
}

#[test]
fn an_unknown_fate_is_an_error_unless_repeating_is_safe() {
    for idempotent in [false, true] {
        let (mut rig, conn) = Rig::ready(|_| {});
        rig.now = Time::from_nanos(10_000_000_000);
        let mut call = rig.query(Terms { idempotent, timeout: Some(100 * MS), ..Terms::default() });
        assert_eq!(rig.take_requests(conn), [(Opcode::Query, 0)]);
        rig.lose(conn, 0);
        if !idempotent {
            let outcome = call.try_take();
            let Some(Err(error)) = outcome else { panic!("{outcome:?}") };
            assert_eq!(error.fate(), Fate::Unknown);
            continue;
        }
        assert!(!call.is_done());
        let again = rig.open[0];
        rig.make_ready(again);
        assert_eq!(rig.take_requests(again), [(Opcode::Query, 0)]);
        rig.reply(again, 0, &VOID);
        assert!(matches!(call.try_take(), Some(Ok(Reply::Answer(_)))));
    }
}

#[test]
fn an_attempt_of_unknown_fate_is_not_forgotten() {
    let (mut rig, conn) = Rig::ready(|_| {});
    rig.now = Time::from_nanos(10_000_000_000);
    let terms = || Terms { idempotent: true, timeout: Some(100 * MS), ..Terms::default() };
    let (mut late, mut stranded) = (rig.query(terms()), rig.query(Terms { timeout: None, ..terms() }));
    rig.lose(conn, 0);
    rig.pass(100 * MS);
    let outcome = late.try_take();
    assert!(matches!(outcome, Some(Err(RequestError::TimedOut { node: Some(_), .. }))), "{outcome:?}");
    let again = rig.open[0];
    rig.refuse(again);
    let Some(Err(error)) = stranded.try_take() else { panic!("no connection is left") };
    assert_eq!(error.fate(), Fate::Unknown, "{error}");
}

#[test]
fn an_unprepared_statement_is_prepared_once_for_all_who_want_it() {
    let (mut rig, conn) = Rig::ready(|_| {});
    let statement = statement();
    let terms = || Terms { statement: Some(statement.clone()), ..Terms::default() };
    let mut calls: Vec<_> = (0..10).map(|_| rig.query(terms())).collect();
    assert_eq!(rig.take_requests(conn).len(), 10);
    let unprepared = error(ErrorKind::Unprepared { id: (*b"id").into() });
    (0..10).for_each(|stream| rig.reply(conn, stream, &unprepared));
    let prepares = rig.take_requests(conn);
    assert_eq!(prepares.len(), 1);
    assert_eq!(prepares[0].0, Opcode::Prepare);
    rig.reply(conn, prepares[0].1, &prepared(b"id"));
    let again = rig.take_requests(conn);
    assert_eq!(again.len(), 10);
    again.iter().for_each(|(_, stream)| rig.reply(conn, *stream, &VOID));
    assert!(calls.iter_mut().all(|call| matches!(call.try_take(), Some(Ok(Reply::Answer(_))))));
    assert_eq!(rig.counters.snapshot().reprepares, 1);
    assert_eq!(rig.counters.snapshot().on_wire, 0);
}

#[test]
fn preparing_again_can_fail() {
    let invalid = error(ErrorKind::Invalid);
    for (answer, expected) in [
        (prepared(b"other"), Some(ReprepareFailure::IdChanged)),
        (VOID, Some(ReprepareFailure::BadAnswer)),
        (invalid, None),
    ] {
        let (mut rig, conn) = Rig::ready(|_| {});
        let statement = statement();
        let mut call = rig.query(Terms { statement: Some(statement.clone()), ..Terms::default() });
        rig.reply(conn, 0, &error(ErrorKind::Unprepared { id: (*b"id").into() }));
        rig.reply(conn, 0, &answer);
        assert_eq!(statement.is_outdated(), expected == Some(ReprepareFailure::IdChanged), "{expected:?}");
        match (call.try_take(), expected) {
            (Some(Err(RequestError::Reprepare { reason, .. })), Some(expected)) => {
                assert_eq!(reason, expected);
            }
            // The server's own words say best why.
            (Some(Ok(Reply::Answer(answer))), None) => assert_eq!(answer.header.opcode, 0),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_node_that_keeps_forgetting_is_given_up() {
    let (mut rig, conn) = Rig::ready(|_| {});
    let mut call = rig.query(Terms { statement: Some(statement()), ..Terms::default() });
    for _ in 0..20 {
        if call.is_done() {
            break;
        }
        rig.reply(conn, 0, &error(ErrorKind::Unprepared { id: (*b"id").into() }));
        if !call.is_done() {
            rig.reply(conn, 0, &prepared(b"id"));
        }
    }
    let reason = ReprepareFailure::StillUnprepared;
    assert!(matches!(call.try_take(), Some(Err(RequestError::Reprepare { reason: r, .. })) if r == reason));
}

#[test]
fn a_prepare_without_answer_does_not_block_the_statement() {
    let (mut rig, conn) = Rig::ready(|_| {});
    let unprepared = error(ErrorKind::Unprepared { id: (*b"id").into() });
    let terms = || Terms { statement: Some(statement()), ..within(100 * MS) };
    let mut first = rig.query(terms());
    rig.reply(conn, 0, &unprepared);
    rig.pass(100 * MS);
    assert!(matches!(first.try_take(), Some(Err(RequestError::TimedOut { .. }))));
    rig.take_requests(conn);
    let mut second = rig.query(terms());
    assert_eq!(rig.take_requests(conn), [(Opcode::Query, 1)], "stream 0 is the first PREPARE's");
    rig.reply(conn, 1, &unprepared);
    assert_eq!(rig.take_requests(conn), [(Opcode::Prepare, 1)], "a PREPARE of its own");
    rig.reply(conn, 0, &prepared(b"id"));
    rig.reply(conn, 1, &prepared(b"id"));
    rig.reply(conn, 1, &VOID);
    assert!(matches!(second.try_take(), Some(Ok(Reply::Answer(_)))));
    assert_eq!((rig.counters.snapshot().on_wire, rig.counters.snapshot().orphans), (0, 0));
}

#[test]
fn a_late_answer_goes_to_nobody() {
    let (mut rig, conn) = Rig::ready(|_| {});
    let mut first = rig.query(within(100 * MS));
    rig.pass(99 * MS);
    assert!(!first.is_done());
    rig.pass(MS);
    assert!(matches!(first.try_take(), Some(Err(RequestError::TimedOut { node: Some(_), .. }))));
    rig.take_requests(conn);
    let second = rig.query(within(100 * MS));
    assert_eq!(rig.take_requests(conn), [(Opcode::Query, 1)], "stream 0 is not free yet");
    rig.reply(conn, 0, &VOID);
    assert!(!second.is_done());
    rig.query(within(100 * MS));
    assert_eq!(rig.take_requests(conn), [(Opcode::Query, 0)], "now it is");
    assert!(rig.closed.is_empty(), "a timeout doesn't cost the connection");
}

#[test]
fn too_many_orphans_replace_the_connection() {
    let (mut rig, conn) = Rig::ready(|config| config.orphans_max = 2);
    let _calls = [1, 2, 3].map(|n| rig.query(within(n * MS)));
    let mut patient = rig.query(Terms::default());
    rig.pass(MS);
    rig.pass(MS);
    assert!(rig.closed.is_empty());
    rig.pass(MS);
    assert_eq!(rig.closed, [conn]);
    let Some(Err(RequestError::ConnectionLost { cause, .. })) = patient.try_take() else {
        panic!("its connection ended");
    };
    assert!(matches!(*cause, ConnectionError::TooManyOrphans(3)));
}

#[test]
fn a_cancelled_request_gives_its_place_back_with_its_answer() {
    let (mut rig, conn) = Rig::ready(|_| {});
    let mut call = rig.query(Terms::default());
    call.cancel();
    assert_eq!(rig.inbox.in_flight(), 1);
    rig.reply(conn, 0, &VOID);
    assert_eq!(rig.inbox.in_flight(), 0);
    assert!(call.try_take().is_none());
}

#[test]
fn a_lost_heartbeat_ends_the_connection() {
    let (mut rig, conn) = Rig::ready(|_| {});
    let mut call = rig.query(Terms::default());
    rig.take_requests(conn);
    rig.pass(Duration::from_secs(31));
    let beats = rig.take_requests(conn);
    assert_eq!(beats, [(Opcode::Options, 1)]);
    rig.reply(conn, 1, &Message::Supported(Vec::new()));
    rig.pass(Duration::from_secs(31));
    assert_eq!(rig.take_requests(conn), [(Opcode::Options, 1)], "answered; the next one is due");
    rig.pass(Duration::from_secs(9));
    assert!(rig.closed.is_empty());
    rig.pass(Duration::from_secs(1));
    assert_eq!(rig.closed, [conn]);
    let Some(Err(RequestError::ConnectionLost { cause, .. })) = call.try_take() else { panic!("it is lost") };
    assert!(matches!(*cause, ConnectionError::HeartbeatLost(_)));
}

#[test]
fn beyond_the_limit_requests_are_refused_and_beyond_the_ids_they_wait() {
    let (mut rig, conn) = Rig::ready(|config| config.streams_max = 2);
    let mut calls: Vec<_> = (0..20).map(|_| rig.query(Terms::default())).collect();
    let rejected = rig.inbox.submit(Command::Send(query()), Terms::default(), Notify::Nobody).unwrap_err();
    assert!(matches!(rejected.error, RequestError::Overloaded { in_flight: 20, .. }));
    assert_eq!(rig.counters.snapshot().waiting, 18);
    for _ in 0..10 {
        assert_eq!(rig.take_requests(conn).len(), 2);
        rig.reply(conn, 0, &VOID);
        rig.reply(conn, 1, &VOID);
    }
    assert!(calls.iter_mut().all(|call| call.try_take().is_some()));
    assert_eq!(rig.inbox.in_flight(), 0);
}

#[test]
fn a_long_queue_is_not_walked_for_each_deadline_in_it() {
    const WAITING: usize = 5_000;
    let mut rig = Rig::with_room(WAITING + 1, &["10.0.0.1"], |config| config.streams_max = 1);
    rig.make_ready(rig.open[0]);
    let mut first = rig.query(Terms::default());
    let mut calls: Vec<_> =
        (0..WAITING).map(|i| rig.query(within(MS + Duration::from_micros(i as u64)))).collect();
    let (mut walks, begin) = (0, rig.now);
    while rig.counters.snapshot().waiting > 0 {
        let due = rig.shard.as_ref().unwrap().deadline().unwrap();
        rig.pass(due.since(rig.now));
        walks += 1;
    }
    assert!(walks < 100, "{walks} walks");
    assert!(rig.now.since(begin) <= 2 * MS + Duration::from_micros(WAITING as u64), "{:?}", rig.now);
    for call in &mut calls {
        assert!(matches!(call.try_take(), Some(Err(RequestError::TimedOut { .. }))));
    }
    assert!(first.try_take().is_none());
}

#[test]
fn close_waits_for_what_is_pending_but_not_for_ever() {
    for answered in [true, false] {
        let (mut rig, conn) = Rig::ready(|_| {});
        let mut call = rig.query(Terms::default());
        let mut close = rig.submit(Command::Close { drain: 100 * MS }, Terms::default());
        let late = rig.inbox.submit(Command::Send(query()), Terms::default(), Notify::Nobody).unwrap_err();
        assert!(matches!(late.error, RequestError::Closed { fate: Fate::NeverSent, .. }));
        rig.pass(99 * MS);
        assert!(!close.is_done() && !rig.exited);
        if answered {
            rig.reply(conn, 0, &VOID);
            assert!(matches!(call.try_take(), Some(Ok(Reply::Answer(_)))));
        } else {
            rig.pass(MS);
            let because = ClosedBecause::SessionClosed;
            let outcome = call.try_take();
            assert!(
                matches!(outcome, Some(Err(RequestError::Closed { because: b, fate: Fate::Unknown })) if b == because),
                "{outcome:?}"
            );
        }
        assert!(matches!(close.try_take(), Some(Ok(Reply::Closed))));
        assert!(rig.exited && rig.closed == [conn] && rig.inbox.in_flight() == 0);
    }
}

#[test]
fn a_pause_ends_in_its_time_or_with_the_machine() {
    let (mut rig, _) = Rig::ready(|_| {});
    let mut pauses =
        [50, 20, 500].map(|ms| rig.submit(Command::Pause { duration: ms * MS }, Terms::default()));
    assert_eq!(rig.inbox.in_flight(), 0, "a pause is no request");
    rig.pass(19 * MS);
    assert!(pauses.iter().all(|pause| !pause.is_done()));
    rig.pass(MS);
    assert_eq!(pauses.each_ref().map(Call::is_done), [false, true, false]);
    rig.pass(30 * MS);
    assert!(matches!(pauses[0].try_take(), Some(Ok(Reply::Elapsed))));
    let _close = rig.submit(Command::Close { drain: 100 * MS }, Terms::default());
    assert!(rig.exited, "a drain doesn't wait for it");
    assert!(matches!(pauses[2].try_take(), Some(Err(RequestError::Closed { .. }))));
}

#[test]
fn a_page_with_another_one_after_it_comes_with_its_request() {
    let rows = |paging_state| {
        let metadata = RowsMetadata { column_count: 1, paging_state, ..RowsMetadata::default() };
        Message::Result(ResultMessage::Rows(Rows { metadata, row_count: 1, content: &[0, 0, 0, 1, 7] }))
    };
    for (message, kept) in [(rows(Some(b"s")), true), (rows(None), false), (VOID, false)] {
        let (mut rig, conn) = Rig::ready(|_| {});
        let call = rig.query(Terms::default());
        rig.reply(conn, 0, &message);
        let done = call.into_done().unwrap();
        assert_eq!(done.request(), kept.then(query).as_deref(), "{message:?}");
        let body = response(Version::V4, 0, &message).split_off(Header::LEN);
        assert_eq!(done.body(), body);
    }
}

#[test]
fn close_does_not_wait_for_what_nobody_wants() {
    let (mut rig, conn) = Rig::ready(|config| config.streams_max = 2);
    let [cancelled, mut wanted, waiting] = std::array::from_fn(|_| rig.query(Terms::default()));
    cancelled.cancel();
    waiting.cancel();
    let mut close = rig.submit(Command::Close { drain: 100 * MS }, Terms::default());
    rig.pass(MS);
    assert!(!close.is_done(), "one is wanted");
    rig.reply(conn, 1, &VOID);
    assert!(matches!(wanted.try_take(), Some(Ok(Reply::Answer(_)))));
    assert!(matches!(close.try_take(), Some(Ok(Reply::Closed))));
    assert!(rig.exited && rig.inbox.in_flight() == 0);
}

#[test]
fn dropping_the_machine_fails_what_is_pending() {
    let (mut rig, _) = Rig::ready(|config| config.streams_max = 1);
    let mut calls = [rig.query(Terms::default()), rig.query(Terms::default())];
    let mut fresh = rig.inbox.submit(Command::Send(query()), Terms::default(), Notify::Nobody).unwrap();
    rig.shard = None;
    let fates = calls.each_mut().map(|call| call.try_take().unwrap().unwrap_err().fate());
    assert_eq!(fates, [Fate::Unknown, Fate::NeverSent]);
    let because = ClosedBecause::LoopEnded;
    assert!(matches!(fresh.try_take(), Some(Err(RequestError::Closed { because: b, .. })) if b == because));
    assert_eq!(rig.inbox.in_flight(), 0);
    assert!(rig.inbox.submit(Command::Connect, Terms::default(), Notify::Nobody).is_err());
}

#[test]
fn a_ready_connection_ends_with_what_can_not_be() {
    type Check = fn(&ConnectionError) -> bool;
    let mut long = response(Version::V4, 0, &VOID);
    long[5..9].copy_from_slice(&1_001_u32.to_be_bytes());
    let mut opcode = response(Version::V4, 0, &VOID);
    opcode[4] = 0x77;
    let cases: [(Vec<u8>, Check); 4] = [
        (long, |error| matches!(error, ConnectionError::FrameTooLong { bytes: 1_001, bytes_max: 1_000 })),
        (opcode, |error| matches!(error, ConnectionError::UnexpectedOpcode { opcode: 0x77, .. })),
        (response(Version::V4, 1, &VOID), |error| matches!(error, ConnectionError::UnexpectedStream(1))),
        (response(Version::V3, 0, &VOID), |error| matches!(error, ConnectionError::WrongVersion { .. })),
    ];
    for (bytes, expected) in cases {
        let cause = cause_when_ready(&bytes);
        assert!(expected(&cause), "{cause}");
    }
}

#[test]
fn a_second_answer_is_not_for_the_next_request() {
    let (mut rig, conn) = Rig::ready(|_| {});
    let mut first = rig.query(Terms::default());
    rig.reply(conn, 0, &VOID);
    assert!(first.try_take().is_some());
    rig.reply(conn, 0, &VOID);
    assert_eq!(rig.closed, [conn], "stream ids can't be trusted any more");
}
