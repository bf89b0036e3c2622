//! What answers say beside rows: conditions, warnings, payloads, traces, changes of the schema; and what is wrong with a part
//! of them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use helenus::value::Uuid;
use helenus::{Change, ColumnSpec, ColumnType, Error, SchemaTarget, Session, ShapeError, Version};
use helenus_core::protocol::response::{
    Message, Prefix, Response as ProtocolResponse, ResultMessage, Rows, RowsMetadata,
};
use helenus_core::protocol::{ErrorKind, Opcode, ServerError, wire};

use crate::common::scripted::{self, Incoming, Peer};
use crate::common::{self, Kind, on_every_reactor, table};

on_every_reactor!(
    conditions_say_whether_they_were_true,
    conditional_statements_and_batches,
    warnings_and_payloads_come_with_every_kind_of_answer,
    a_trace_is_read_once_it_is_whole,
    a_trace_that_never_ends_is_not_waited_for_for_ever,
    changes_of_the_schema_are_typed,
    a_bad_cell_fails_its_row_alone,
    a_page_whose_connection_is_lost_is_fetched_again,
    a_page_without_rows_is_not_the_last,
);

fn column(name: &str, column_type: ColumnType) -> ColumnSpec {
    ColumnSpec { keyspace: "ks".into(), table: "t".into(), name: name.into(), column_type }
}

/// The cells of rows, one after another.
fn content(cells: &[Option<&[u8]>]) -> Vec<u8> {
    let mut out = Vec::new();
    cells.iter().for_each(|cell| wire::put_bytes(&mut out, *cell).unwrap());
    out
}

fn rows<'a>(columns: &Arc<[ColumnSpec]>, content: &'a [u8], state: Option<&'a [u8]>) -> Message<'a> {
    let cells = {
        let (mut rest, mut cells) = (content, 0);
        while let Some((length, after)) = rest.split_first_chunk() {
            rest = &after[i32::from_be_bytes(*length).max(0) as usize..];
            cells += 1;
        }
        cells
    };
    let metadata = RowsMetadata { paging_state: state, ..RowsMetadata::new(columns.clone()) };
    Message::Result(ResultMessage::Rows(Rows { row_count: cells / columns.len(), metadata, content }))
}

/// A session in v4 with two nodes that answer as `answer` says.
fn with_server(
    kind: Kind,
    answer: impl Fn(&mut Peer, &Incoming) -> Option<()> + Send + Sync + 'static,
) -> Session {
    let answer = Arc::new(answer);
    let nodes = [answer.clone(), answer].map(node);
    let points = nodes.iter().map(ToString::to_string);
    let builder = Session::builder().contact_points(points).request_timeout(common::PATIENCE);
    kind.connect(builder.protocol_version(Version::V4)).unwrap()
}

fn node(answer: Arc<impl Fn(&mut Peer, &Incoming) -> Option<()> + Send + Sync + 'static>) -> SocketAddr {
    scripted::serve(move |_, mut peer| {
        if peer.handshake().is_none() {
            return;
        }
        while let Some(request) = peer.request() {
            if request.opcode() == Opcode::Options {
                peer.reply(request.stream(), Opcode::Supported, &[0, 0]);
            } else if answer(&mut peer, &request).is_none() {
                return;
            }
        }
    })
}

fn conditions_say_whether_they_were_true(kind: Kind) {
    let applied = || column("[applied]", ColumnType::Boolean);
    let alone: Arc<[_]> = [applied()].into();
    let with_row: Arc<[_]> =
        [applied(), column("id", ColumnType::BigInt), column("name", ColumnType::Text)].into();
    let session = with_server(kind, move |peer, request| {
        let (seven, nine) = (7_i64.to_be_bytes(), 9_i64.to_be_bytes());
        let one = [Some(&[0][..]), Some(&seven), Some(b"Ada")];
        let two = [one, [Some(&[0][..]), Some(&nine), None]].concat();
        match &*request.text() {
            "yes" => peer.message(request.stream(), rows(&alone, &content(&[Some(&[1])]), None)),
            "no row" => peer.message(request.stream(), rows(&alone, &content(&[Some(&[0])]), None)),
            "no" => peer.message(request.stream(), rows(&with_row, &content(&one), None)),
            "batch" => peer.message(request.stream(), rows(&with_row, &content(&two), None)),
            "null" => peer.message(request.stream(), rows(&alone, &content(&[None]), None)),
            "rows" => peer.message(
                request.stream(),
                rows(&with_row.iter().skip(1).cloned().collect(), &content(&one[1..]), None),
            ),
            _ => peer.void(request.stream()),
        }
        Some(())
    });
    let ask = |text: &str| session.query(text, ()).wait().unwrap();
    let existing = |text: &str| {
        let response = ask(text);
        let rows = response.existing::<(i64, Option<&str>)>().unwrap().map(Result::unwrap);
        let rows = rows.map(|(id, name)| (id, name.map(str::to_owned))).collect::<Vec<_>>();
        (response.applied().unwrap(), rows)
    };
    assert_eq!(existing("yes"), (true, vec![]));
    assert_eq!(existing("no row"), (false, vec![]));
    assert_eq!(existing("no"), (false, vec![(7, Some("Ada".to_owned()))]));
    assert_eq!(existing("batch"), (false, vec![(7, Some("Ada".to_owned())), (9, None)]));
    for text in ["rows", "void"] {
        let error = ask(text).applied().unwrap_err();
        assert!(matches!(error, Error::Shape(ShapeError::NotConditional)), "{text}: {error}");
        assert!(matches!(ask(text).existing::<(i64,)>(), Err(Error::Shape(ShapeError::NotConditional))));
    }
    assert!(matches!(ask("null").applied(), Err(Error::Row(_))));
    // A row type that doesn't go with the columns says so in terms of its own columns.
    let error = ask("no").existing::<(i64, i32)>().map(drop).unwrap_err();
    assert!(error.to_string().contains("'name'"), "{error}");
}

fn warnings_and_payloads_come_with_every_kind_of_answer(kind: Kind) {
    let columns: Arc<[_]> = [column("id", ColumnType::Int)].into();
    let session = with_server(kind, move |peer, request| {
        let prefix = Prefix {
            tracing_id: Some([9; 16]),
            warnings: vec!["slow", "large"],
            custom_payload: vec![("key", Some(b"value")), ("none", None)],
        };
        let content = content(&[Some(&[0, 0, 0, 5])]);
        let message = match &*request.text() {
            "void" => Message::Result(ResultMessage::Void),
            "rows" => rows(&columns, &content, Some(b"more")),
            "schema" => {
                let target = SchemaTarget::Keyspace { keyspace: "ks" };
                Message::Result(ResultMessage::SchemaChange(helenus::SchemaChange {
                    change: Change::Dropped,
                    target,
                }))
            }
            _ => Message::Error(ServerError::new(ErrorKind::Overloaded, "enough")),
        };
        peer.response(request.stream(), &ProtocolResponse { prefix, message });
        Some(())
    });
    for text in ["void", "rows", "schema"] {
        let response = session.query(text, ()).wait().unwrap();
        assert_eq!(response.warnings(), ["slow", "large"], "{text}");
        let expected = [("key".to_owned(), Some(b"value".to_vec())), ("none".to_owned(), None)];
        assert_eq!(response.custom_payload(), expected, "{text}");
        assert_eq!(response.tracing_id(), Some(Uuid::from_bytes([9; 16])), "{text}");
        if text == "rows" {
            let state = response.paging_state().unwrap().clone();
            let error = session.query("void", ()).page(state).wait().unwrap_err();
            assert!(matches!(error, Error::PagingState(_)), "bound although something came before the page");
        }
    }
    let error = session.query("error", ()).wait().unwrap_err();
    assert_eq!(error.warnings(), ["slow", "large"]);
    match error {
        Error::Server { notes, .. } => assert_eq!(notes.tracing_id(), Some(Uuid::from_bytes([9; 16]))),
        other => panic!("{other}"),
    }
}

fn conditional_statements_and_batches(kind: Kind) {
    let (_node, session) = table(kind, 1);
    let insert = session.prepare("INSERT INTO ks.t (id, name) VALUES (?, ?) IF NOT EXISTS").wait().unwrap();
    let first = session.execute(&insert, (1_i64, "one")).wait().unwrap();
    assert!(first.applied().unwrap() && first.existing::<(i64, &str)>().unwrap().next().is_none());
    for _ in 0..2 {
        let second = session.execute(&insert, (1_i64, "two")).wait().unwrap();
        assert!(!second.applied().unwrap());
        assert_eq!(second.existing::<(i64, &str)>().unwrap().next().unwrap().unwrap(), (1, "one"));
    }
    let update =
        session.query("UPDATE ks.t SET name = 'x' WHERE id = 1 IF name = 'none'", ()).wait().unwrap();
    assert!(!update.applied().unwrap());
    assert_eq!(update.existing::<(&str,)>().unwrap().next().unwrap().unwrap(), ("one",));
    let absent = session.query("DELETE FROM ks.t WHERE id = 9 IF EXISTS", ()).wait().unwrap();
    assert!(!absent.applied().unwrap() && absent.existing::<(i64,)>().unwrap().next().is_none());

    let mut batch = helenus::Batch::logged();
    batch.push(&insert, (1_i64, "three"));
    let refused = session.batch(&batch).wait().unwrap();
    assert!(!refused.applied().unwrap());
    assert_eq!(refused.existing::<(i64, &str)>().unwrap().next().unwrap().unwrap(), (1, "one"));
    let mut batch = helenus::Batch::logged();
    batch.push(&insert, (2_i64, "two"));
    assert!(session.batch(&batch).wait().unwrap().applied().unwrap());
    let plain = session.query("INSERT INTO ks.t (id) VALUES (3)", ()).wait().unwrap();
    assert!(matches!(plain.applied(), Err(Error::Shape(ShapeError::NotConditional))));
}

/// A server of traces, of which the coordinator writes the last at the `whole_at`th look.
fn tracing(kind: Kind, whole_at: usize) -> (Session, Arc<AtomicUsize>) {
    let looks = Arc::new(AtomicUsize::new(0));
    let counted = looks.clone();
    let text = ColumnType::Text;
    let sessions: Arc<[_]> = [
        column("coordinator", ColumnType::Inet),
        column("client", ColumnType::Inet),
        column("command", text.clone()),
        column("request", text.clone()),
        column("parameters", ColumnType::Map(Arc::new((text.clone(), text.clone())))),
        column("started_at", ColumnType::Timestamp),
        column("duration", ColumnType::Int),
    ]
    .into();
    let events: Arc<[_]> = [
        column("event_id", ColumnType::TimeUuid),
        column("activity", text.clone()),
        column("source", ColumnType::Inet),
        column("source_elapsed", ColumnType::Int),
        column("thread", text),
    ]
    .into();
    let session = with_server(kind, move |peer, request| {
        let text = request.text();
        let content = if text.contains("system_traces.sessions") {
            let look = counted.fetch_add(1, Ordering::SeqCst) + 1;
            let duration = 1_500_i32.to_be_bytes();
            let parameters = [&[0, 0, 0, 1, 0, 0, 0, 1][..], b"q", &[0, 0, 0, 1], b"S"].concat();
            let millis = 1_000_i64.to_be_bytes();
            match look {
                1 => Vec::new(),
                look => content(&[
                    Some(&[127, 0, 0, 1]),
                    Some(&[127, 0, 0, 9]),
                    Some(b"QUERY"),
                    Some(b"Execute CQL3 query"),
                    Some(&parameters),
                    Some(&millis),
                    (look >= whole_at).then_some(&duration),
                ]),
            }
        } else if text.contains("system_traces.events") {
            let mut id = [0; 16];
            id[6] = 0x10;
            let elapsed = 40_i32.to_be_bytes();
            content(&[Some(&id), Some(b"Parsing"), Some(&[127, 0, 0, 2]), Some(&elapsed), Some(b"Native-1")])
        } else {
            let prefix = Prefix { tracing_id: Some([3; 16]), ..Prefix::default() };
            let message = Message::Result(ResultMessage::Void);
            peer.response(request.stream(), &ProtocolResponse { prefix, message });
            return Some(());
        };
        let columns = if text.contains("events") { &events } else { &sessions };
        // Consistency ONE follows the text.
        assert_eq!(request.body[4 + text.len()..][..2], [0, 1], "{text}");
        peer.message(request.stream(), rows(columns, &content, None));
        Some(())
    });
    (session, looks)
}

fn a_trace_is_read_once_it_is_whole(kind: Kind) {
    let (session, looks) = tracing(kind, 4);
    let response = session.query("SELECT", ()).tracing().wait().unwrap();
    let trace = response.trace(&session).unwrap().wait().unwrap();
    assert_eq!(looks.load(Ordering::SeqCst), 4);
    assert_eq!(trace.id, response.tracing_id().unwrap());
    assert_eq!(trace.coordinator.unwrap().to_string(), "127.0.0.1");
    assert_eq!(trace.client.unwrap().to_string(), "127.0.0.9");
    assert_eq!((&*trace.command, &*trace.request), ("QUERY", "Execute CQL3 query"));
    assert_eq!(trace.parameters["q"], "S");
    assert_eq!(trace.started_at.unwrap().millis(), 1_000);
    assert_eq!(trace.duration, Duration::from_micros(1_500));
    let [event] = &trace.events[..] else { panic!("{:?}", trace.events) };
    assert_eq!((&*event.activity, &*event.thread), ("Parsing", "Native-1"));
    assert_eq!(event.source.unwrap().to_string(), "127.0.0.2");
    assert_eq!(event.elapsed, Some(Duration::from_micros(40)));

    // As a future, on an executor that knows nothing of the session's.
    if !kind.is_caller_driven() {
        let trace = common::foreign_block_on(session.trace(trace.id)).unwrap();
        assert_eq!(trace.events.len(), 1);
    }
}

fn a_trace_that_never_ends_is_not_waited_for_for_ever(kind: Kind) {
    let (session, looks) = tracing(kind, usize::MAX);
    let id = Uuid::from_bytes([3; 16]);
    let patience = Duration::from_millis(40);
    match session.trace(id).patience(patience).wait().unwrap_err() {
        Error::TraceIncomplete { id: of, waited } => assert_eq!((of, waited), (id, patience)),
        other => panic!("{other}"),
    }
    // After 0, 3, 9, 21 and 40 ms.
    assert_eq!(looks.load(Ordering::SeqCst), 5);
}

fn changes_of_the_schema_are_typed(kind: Kind) {
    let (_node, session) = table(kind, 1);
    let response = session.query("CREATE TABLE ks.another (id int PRIMARY KEY)", ()).wait().unwrap();
    let change = response.schema_change().unwrap();
    assert_eq!(change.change, Change::Created);
    assert_eq!(change.target, SchemaTarget::Table { keyspace: "ks", name: "another" });
    assert_eq!((change.target.keyspace(), change.target.name()), (Some("ks"), Some("another")));
    assert_eq!(change.to_string(), "CREATED TABLE ks.another");
    let dropped = session.query("DROP KEYSPACE ks", ()).wait().unwrap();
    assert_eq!(dropped.schema_change().unwrap().to_string(), "DROPPED KEYSPACE ks");
    assert!(session.query("SELECT key FROM system.local", ()).wait().unwrap().schema_change().is_none());
}

fn a_bad_cell_fails_its_row_alone(kind: Kind) {
    let columns: Arc<[_]> = [column("id", ColumnType::Int), column("name", ColumnType::Text)].into();
    let session = with_server(kind, move |peer, request| {
        let (one, two, three) = (1_i32.to_be_bytes(), 2_i32.to_be_bytes(), 3_i32.to_be_bytes());
        let cells = [
            Some(&one[..]),
            Some(b"a"),
            Some(&two),
            Some(b"\xff"),
            Some(&[0; 3]),
            Some(b"c"),
            Some(&three),
            None,
        ];
        peer.message(request.stream(), rows(&columns, &content(&cells), None));
        Some(())
    });
    for round in 0..2 {
        let stream = session.query("SELECT", ()).blocking_iter::<(i32, Option<String>)>();
        let read: Vec<_> = stream.map(|row| row.map(|(id, _)| id)).collect();
        assert_eq!(read.len(), 4, "a result is never cut");
        assert!(matches!((&read[0], &read[3]), (Ok(1), Ok(3))), "round {round}: {read:?}");
        let words = [1, 2].map(|row: usize| read[row].as_ref().unwrap_err().to_string());
        assert!(words[0].contains("name") && words[1].contains("id"), "{words:?}");
        let response = session.query("SELECT", ()).wait().unwrap();
        // As bytes they can all be read, and what isn't asked for does no harm.
        assert!(response.rows::<(&[u8], Option<&[u8]>)>().is_err(), "an int isn't a blob");
        let raw = response.rows::<helenus::value::RawRow<'_>>().unwrap();
        assert!(raw.map(Result::unwrap).all(|row| row.cells().count() == 2));
    }
}

fn a_page_whose_connection_is_lost_is_fetched_again(kind: Kind) {
    let columns: Arc<[_]> = [column("id", ColumnType::Int)].into();
    let lost = AtomicUsize::new(0);
    let session = with_server(kind, move |peer, request| {
        let text = request.text();
        let page =
            request.body.windows(5).find(|window| window.starts_with(b"page")).map_or(b'1', |at| at[4]);
        if page == b'3' && lost.fetch_add(1, Ordering::SeqCst) == 0 {
            return None;
        }
        let id = i32::from(page - b'0').to_be_bytes();
        let next = [b'p', b'a', b'g', b'e', page + 1];
        let state = (page < b'5').then_some(&next[..]);
        assert_eq!(text, "SELECT");
        peer.message(request.stream(), rows(&columns, &content(&[Some(&id)]), state));
        Some(())
    });
    let rows = session.query("SELECT", ()).blocking_iter::<(i32,)>();
    let ids: Vec<_> = rows.map(|row| row.unwrap().0).collect();
    assert_eq!(ids, [1, 2, 3, 4, 5], "none lost, none twice");
    assert_eq!(session.metrics().counters.resent, 1);
}

/// Cassandra answers so where a page is full of tombstones, or of rows that a filter leaves out.
fn a_page_without_rows_is_not_the_last(kind: Kind) {
    let columns: Arc<[_]> = [column("id", ColumnType::Int)].into();
    let session = with_server(kind, move |peer, request| {
        let page =
            request.body.windows(5).find(|window| window.starts_with(b"page")).map_or(b'1', |at| at[4]);
        let id = i32::from(page - b'0').to_be_bytes();
        let content = if page % 2 == 0 { content(&[Some(&id)]) } else { Vec::new() };
        let next = [b'p', b'a', b'g', b'e', page + 1];
        let state = (page < b'5').then_some(&next[..]);
        peer.message(request.stream(), rows(&columns, &content, state));
        Some(())
    });
    let rows = session.query("SELECT", ()).blocking_iter::<(i32,)>();
    assert_eq!(rows.map(|row| row.unwrap().0).collect::<Vec<_>>(), [2, 4]);
    let stream = session.query("SELECT", ()).stream::<(i32,)>();
    let ids = session.block_on(stream.map(|row| row.unwrap().0).collect::<Vec<_>>()).unwrap();
    assert_eq!(ids, [2, 4]);
    let first = session.query("SELECT", ()).wait().unwrap();
    assert_eq!((first.row_count(), first.paging_state().is_some()), (0, true));
    assert!(first.rows::<(i32,)>().is_err(), "there is more than this page");
}
