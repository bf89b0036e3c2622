//! Compression: against a server that echoes, and one that sends what is no compressed body.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use helenus::{Compression, Error, PagingStateError, Session, SessionBuilder, Version};
use helenus_core::protocol::response::{Message, ResultMessage, Rows, RowsMetadata};
use helenus_core::protocol::wire::put_bytes;
use helenus_core::protocol::{ColumnSpec, ColumnType, Flags, Opcode, envelope};
use helenus_node::Node;

use crate::common::scripted::{self, Peer};
use crate::common::{self, Kind, PATIENCE, on_every_reactor};

on_every_reactor!(
    statements_and_rows_survive_each_compression,
    a_node_that_can_not_is_talked_to_without,
    a_node_that_can_not_is_refused_if_one_insists,
    a_bad_body_fails_its_request_alone,
    pages_of_the_node_and_states_to_resume_them,
);

const ALL: &[&str] = &["snappy", "lz4"];

#[derive(Debug, Default)]
struct Seen {
    /// Requests whose header says that they are compressed.
    compressed: AtomicUsize,
    /// Connections that asked for compression.
    asked: AtomicUsize,
}

/// Answers each QUERY with one row: its own text.
fn echo(offers: &'static [&'static str]) -> (SessionBuilder, Arc<Seen>) {
    let seen = Arc::new(Seen::default());
    let books = seen.clone();
    let address = scripted::serve(move |_, mut peer| {
        peer.offers = offers;
        if peer.handshake().is_none() {
            return;
        }
        books.asked.fetch_add(peer.compression.is_some().into(), Ordering::SeqCst);
        while let Some(request) = peer.request() {
            let compressed = request.header.flags.contains(Flags::COMPRESSION);
            books.compressed.fetch_add(compressed.into(), Ordering::SeqCst);
            row(&mut peer, request.stream(), &request.text());
        }
    });
    (Session::builder().contact_point(address.to_string()).request_timeout(PATIENCE), seen)
}

fn row(peer: &mut Peer, stream: i16, text: &str) {
    let columns = [ColumnSpec {
        keyspace: "ks".into(),
        table: "t".into(),
        name: "text".into(),
        column_type: ColumnType::Text,
    }];
    let mut content = Vec::new();
    put_bytes(&mut content, Some(text.as_bytes())).unwrap();
    let metadata =
        RowsMetadata { columns: Some(Arc::new(columns)), column_count: 1, ..RowsMetadata::default() };
    peer.message(
        stream,
        Message::Result(ResultMessage::Rows(Rows { metadata, row_count: 1, content: &content })),
    );
}

/// Lengths around those that matter: of what is worth compressing, of segments, of reads.
fn texts() -> impl Iterator<Item = String> {
    [3, 100, 200, 5_000, 70_000, 131_058, 131_072, 400_000]
        .into_iter()
        .map(|length| (0..length).map(|i| char::from(b'a' + (i / 7 % 11 + i / 1_000 % 5) as u8)).collect())
}

fn statements_and_rows_survive_each_compression(kind: Kind) {
    for (version, compression) in [
        (Version::V3, Compression::Lz4),
        (Version::V4, Compression::Snappy),
        (Version::V4, Compression::Lz4),
        (Version::V5, Compression::Lz4),
    ] {
        let (builder, seen) = echo(ALL);
        let builder = builder.compression(compression).protocol_version(version).require_compression();
        let session = kind.connect(builder).unwrap();
        assert_eq!((session.compression(), session.compression_fallback()), (Some(compression), None));
        let requests: Vec<_> = texts().map(|text| session.query(text, ())).collect();
        let mut answers = 0;
        for (number, result) in session.execute_concurrent(requests, 4) {
            let response = result.unwrap();
            assert!(
                response.one::<(&str,)>().unwrap().0 == texts().nth(number).unwrap(),
                "{version} {number}"
            );
            answers += 1;
        }
        assert_eq!(answers, texts().count());
        let metrics = session.metrics().counters;
        assert!(metrics.bytes_sent < 400_000 && metrics.bytes_received < 400_000, "{version}: {metrics:?}");
        assert_eq!((metrics.connections_uncompressed, metrics.failures), (0, 0));
        assert!(seen.asked.load(Ordering::SeqCst) > 0);
        // In v5 it is the segments.
        assert_eq!(seen.compressed.load(Ordering::SeqCst) > 0, version < Version::V5);
        session.close().wait().unwrap();
    }
}

fn a_node_that_can_not_is_talked_to_without(kind: Kind) {
    for (version, offers, words) in
        [(Version::V4, &["snappy"][..], "offers snappy"), (Version::V5, &[], "nor any other compression")]
    {
        let (builder, seen) = echo(offers);
        let builder = builder.compression(Compression::Lz4).protocol_version(version);
        let session = kind.connect(builder).unwrap();
        for text in texts() {
            let response = session.query(&text, ()).wait().unwrap();
            assert!(response.one::<(&str,)>().unwrap().0 == text);
        }
        assert_eq!(session.compression(), None);
        let said = session.compression_fallback().unwrap().to_string();
        assert!(said.contains(words) && said.contains("127.0.0.1:"), "{said}");
        assert!(session.metrics().counters.connections_uncompressed > 0);
        assert_eq!(seen.asked.load(Ordering::SeqCst) + seen.compressed.load(Ordering::SeqCst), 0);
    }
}

fn a_node_that_can_not_is_refused_if_one_insists(kind: Kind) {
    let (builder, _) = echo(&["snappy"]);
    let error = kind.connect(builder.compression(Compression::Lz4).require_compression()).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("insists on compression") && text.contains("it offers snappy"), "{text}");
}

/// The requests of pages are kept for their paging states, and were compressed.
fn pages_of_the_node_and_states_to_resume_them(kind: Kind) {
    let node = Node::start().unwrap();
    common::make_table(&node);
    for (version, compression) in
        [(Version::V3, Compression::Snappy), (Version::V4, Compression::Lz4), (Version::V5, Compression::Lz4)]
    {
        let builder = common::builder(&node).compression(compression).protocol_version(version);
        let session = kind.connect(builder.require_compression()).unwrap();
        common::fill(&session, 200);
        assert_eq!(common::count(&session), 200);
        // Long enough to be compressed.
        let text = format!("SELECT name FROM ks.t /* {} */", "a remark ".repeat(30));
        let first = session.query(&text, ()).page_size(150).wait().unwrap();
        let state = first.paging_state().unwrap().clone();
        assert_eq!((first.row_count(), session.compression()), (150, Some(compression)));
        let other = session.query(format!("{text} "), ()).page(state.clone()).wait().unwrap_err();
        assert!(matches!(other, Error::PagingState(PagingStateError::Statement)), "{other}");
        let second = session.query(&text, ()).page_size(150).page(state).wait().unwrap();
        assert_eq!((second.row_count(), second.paging_state().is_none()), (50, true));
        session.close().wait().unwrap();
    }
}

/// v4: the second answer is no LZ4, the third becomes longer than it may.
fn a_bad_body_fails_its_request_alone(kind: Kind) {
    let address = scripted::serve(|_, mut peer| {
        peer.offers = ALL;
        let Some(()) = peer.handshake() else { return };
        while let Some(request) = peer.request() {
            match request.text().as_str() {
                "good" => row(&mut peer, request.stream(), "good"),
                "broken" => raw(&mut peer, request.stream(), &[0, 0, 0, 9, 0xff, 1, 2]),
                "bomb" => raw(&mut peer, request.stream(), &[0x7f, 0xff, 0xff, 0xff, 0x10, 0, 1, 0, 0]),
                _ => raw(&mut peer, request.stream(), &[1]),
            }
        }
    });
    let builder = Session::builder().contact_point(address.to_string()).protocol_version(Version::V4);
    let session = kind.connect(builder.compression(Compression::Lz4)).unwrap();
    for (text, words) in [
        ("broken", "can't be decompressed"),
        ("bomb", "2147483647 bytes are more than the 268435456 allowed"),
        ("short", "the bytes are no lz4 block"),
    ] {
        match session.query(text, ()).wait() {
            Err(error @ Error::Response { .. }) => {
                assert!(
                    error.to_string().contains(words) && error.to_string().contains("127.0.0.1"),
                    "{error}"
                )
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(session.query("good", ()).wait().unwrap().one::<(&str,)>().unwrap().0, "good");
    }
    assert_eq!(session.metrics().counters.connections_closed, 0);
}

/// RESULT with a body that is said to be compressed.
fn raw(peer: &mut Peer, stream: i16, body: &[u8]) {
    let mut frame = Vec::new();
    envelope::begin(&mut frame, Version::V4, Flags::COMPRESSION, Opcode::Result);
    frame.extend_from_slice(body);
    envelope::finish(&mut frame, 0).unwrap();
    envelope::set_stream(&mut frame, stream);
    peer.raw(&frame);
}
