//! Compression: what is agreed on, and what becomes of compressed bodies and segments, good and bad.

use std::sync::Arc;

use super::*;
use crate::PreparedStatement;
use crate::protocol::request::Startup;
use crate::protocol::segment::lz4;
use crate::protocol::{Compression, DecodeError, Flags, envelope};

const SUPPORTED: [&str; 2] = ["snappy", "lz4"];

fn supported<'a>(algorithms: &[&'a str]) -> Message<'a> {
    Message::Supported(vec![("CQL_VERSION", vec!["3.4.5"]), ("COMPRESSION", algorithms.to_vec())])
}

fn asks(version: Version, compression: Compression) -> impl FnOnce(&mut Config) {
    move |config| {
        config.version = version;
        config.version_fixed = true;
        config.compression = Some(compression);
    }
}

/// A connection that has sent STARTUP, and what that named.
fn started(offers: &[&str], configure: impl FnOnce(&mut Config)) -> (Rig, ConnId, Option<String>) {
    let mut rig = Rig::new(&["10.0.0.1"], configure);
    let conn = rig.open[0];
    rig.event(Event::Opened { conn });
    let (options, _) = frames(&rig.sent.remove(&conn).unwrap()).remove(0);
    assert_eq!(opcode(&options), Opcode::Options, "asked before STARTUP");
    let version = Version::from_byte(options.version).unwrap();
    rig.bytes(conn, &response(version, 0, &supported(offers)));
    let (header, body) = frames(&rig.sent.remove(&conn).unwrap_or_default()).remove(0);
    let named = match Request::decode(version, header.opcode, &body).unwrap() {
        Request::Startup(startup) => startup.option(Startup::COMPRESSION).map(str::to_owned),
        other => panic!("{other:?}"),
    };
    (rig, conn, named)
}

/// The same, ready, and compressed as it asked for.
fn ready(version: Version, compression: Compression) -> (Rig, ConnId) {
    let (mut rig, conn, named) = started(&SUPPORTED, asks(version, compression));
    assert_eq!(named.as_deref(), Some(compression.name()));
    rig.bytes(conn, &response(version, 0, &Message::Ready));
    assert_eq!(rig.agreed.compression(), Some(compression));
    assert_eq!(rig.agreed.compression_fallback(), None);
    (rig, conn)
}

fn compressed(compression: Compression, stream: i16, message: &Message<'_>) -> Vec<u8> {
    let plain = response(Version::V4, stream, message);
    let mut out = plain[..Header::LEN].to_vec();
    compression.compress(&plain[Header::LEN..], &mut out).unwrap();
    envelope::set_flags(&mut out, Flags::COMPRESSION);
    envelope::finish(&mut out, 0).unwrap();
    out
}

#[test]
fn what_is_asked_for_is_used_where_node_and_version_have_it() {
    for (version, compression) in [
        (Version::V3, Compression::Snappy),
        (Version::V4, Compression::Lz4),
        (Version::V4, Compression::Snappy),
        (Version::V5, Compression::Lz4),
    ] {
        let (rig, _) = ready(version, compression);
        assert_eq!(rig.counters.snapshot().connections_uncompressed, 0);
    }
}

#[test]
fn without_a_wish_nothing_is_asked() {
    let mut rig = Rig::new(&["10.0.0.1"], |_| {});
    let conn = rig.open[0];
    rig.event(Event::Opened { conn });
    assert_eq!(rig.take_requests(conn), [(Opcode::Startup, 0)]);
}

#[test]
fn what_can_not_be_had_is_done_without_and_said() {
    for (version, offers, words) in [
        (
            Version::V4,
            &["snappy"][..],
            "10.0.0.1:9042 are not compressed: the node doesn't do lz4; it offers snappy",
        ),
        (Version::V5, &[], "10.0.0.1:9042 are not compressed: the node doesn't do lz4, nor any other"),
    ] {
        let (mut rig, conn, named) = started(offers, asks(version, Compression::Lz4));
        assert_eq!(named, None);
        let mut connect = rig.submit(Command::Connect, Terms::default());
        rig.bytes(conn, &response(version, 0, &Message::Ready));
        assert!(matches!(connect.try_take(), Some(Ok(Reply::Connected(_)))));
        assert_eq!(rig.agreed.compression(), None);
        let said = rig.agreed.compression_fallback().unwrap().to_string();
        assert!(said.contains(words), "{said}");
        assert_eq!(rig.counters.snapshot().connections_uncompressed, 1);
        rig.lose(conn, 0);
        assert_eq!(rig.counters.snapshot().connections_uncompressed, 0);
    }
}

#[test]
fn version_5_has_no_snappy() {
    let (rig, _, named) = started(&SUPPORTED, asks(Version::V5, Compression::Snappy));
    assert_eq!(named, None);
    drop(rig);
    let mut rig = Rig::new(&["10.0.0.1"], |config| {
        asks(Version::V5, Compression::Snappy)(config);
        config.compression_required = true;
    });
    let mut connect = rig.submit(Command::Connect, Terms::default());
    let conn = rig.open[0];
    rig.event(Event::Opened { conn });
    rig.bytes(conn, &response(Version::V5, 0, &supported(&SUPPORTED)));
    let cause = causes(connect.try_take()).remove(0);
    assert!(matches!(*cause, ConnectionError::NoCompression(CompressionLack::Version { .. })), "{cause:?}");
    assert!(cause.to_string().contains("ask for lz4, or for protocol v4"), "{cause}");
}

#[test]
fn options_may_find_the_version_too_high() {
    let mut rig = Rig::new(&["10.0.0.1"], |config| {
        (config.version, config.compression) = (Version::V5, Some(Compression::Lz4));
    });
    let first = rig.open[0];
    rig.event(Event::Opened { conn: first });
    let refusal = Message::Error(ServerError::new(ErrorKind::Protocol, "Invalid or unsupported version"));
    rig.bytes(first, &response(Version::V4, 0, &refusal));
    let second = rig.open[0];
    rig.event(Event::Opened { conn: second });
    assert_eq!(rig.sent.remove(&second).unwrap()[0], 4);
}

#[test]
fn compressed_answers_go_to_their_callers_as_they_are() {
    for compression in [Compression::Lz4, Compression::Snappy] {
        let (mut rig, conn) = ready(Version::V4, compression);
        let mut call = rig.query(Terms::default());
        rig.bytes(conn, &compressed(compression, 0, &VOID));
        let Some(Ok(Reply::Answer(answer))) = call.try_take() else { panic!("no answer") };
        assert!(answer.header.flags.contains(Flags::COMPRESSION));
        let done = |bytes: &[u8]| {
            let (mut rig, conn) = ready(Version::V4, compression);
            let call = rig.query(Terms::default());
            rig.bytes(conn, bytes);
            assert_eq!(rig.closed, [], "it is one request's matter");
            call.into_done().unwrap()
        };
        let mut good = done(&compressed(compression, 0, &VOID));
        good.decompress(Some(compression), 100).unwrap();
        assert!(crate::protocol::response::is_void(good.header(), good.body()));
        let mut too_long = done(&compressed(compression, 0, &VOID));
        assert!(matches!(too_long.decompress(Some(compression), 3), Err(DecodeError::Compressed(_))));
        let mut broken = compressed(compression, 0, &VOID);
        broken[9..].fill(0x7f);
        let error = done(&broken).decompress(Some(compression), u32::MAX).unwrap_err();
        assert!(matches!(error, DecodeError::Compressed(_)), "{error}");
        let error = done(&broken).decompress(None, u32::MAX).unwrap_err();
        assert!(error.to_string().contains("where no compression was agreed on"), "{error}");
    }
}

#[test]
fn the_machine_reads_compressed_errors_and_prepared_results() {
    let (mut rig, conn) = ready(Version::V4, Compression::Lz4);
    let known: Arc<PreparedStatement> = statement();
    let mut call = rig.query(Terms { statement: Some(known), ..Terms::default() });
    rig.take_requests(conn);
    let unprepared = error(ErrorKind::Unprepared { id: (*b"id").into() });
    rig.bytes(conn, &compressed(Compression::Lz4, 0, &unprepared));
    let sent = rig.take_requests(conn);
    assert_eq!(sent[0].0, Opcode::Prepare);
    rig.bytes(conn, &compressed(Compression::Lz4, sent[0].1, &prepared(b"id")));
    let sent = rig.take_requests(conn);
    rig.bytes(conn, &compressed(Compression::Lz4, sent[0].1, &VOID));
    assert!(matches!(call.try_take(), Some(Ok(Reply::Answer(_)))));
}

#[test]
fn the_handshake_may_be_compressed() {
    let (mut rig, conn, _) = started(&SUPPORTED, |config| {
        asks(Version::V4, Compression::Snappy)(config);
        config.authentication = Authentication::Plain(Credentials::new("user", "hunter2"));
    });
    let mut connect = rig.submit(Command::Connect, Terms::default());
    let authenticate = Message::Authenticate { authenticator: "PasswordAuthenticator" };
    rig.bytes(conn, &compressed(Compression::Snappy, 0, &authenticate));
    rig.bytes(conn, &compressed(Compression::Snappy, 0, &Message::AuthSuccess(None)));
    assert!(matches!(connect.try_take(), Some(Ok(Reply::Connected(_)))));
}

/// READY and what follows it may come in one read, and a body may come in several segments.
#[test]
fn compressed_segments_begin_behind_ready() {
    for cut in [1, 7, 100, 1 << 20] {
        let (mut rig, conn, _) = started(&SUPPORTED, asks(Version::V5, Compression::Lz4));
        let mut call = rig.query(Terms::default());
        let mut bytes = response(Version::V5, 0, &Message::Ready);
        let event = Message::Event(crate::protocol::response::Event::StatusChange {
            change: crate::protocol::response::NodeChange::Up,
            address: ([10, 0, 0, 9], 9042).into(),
        });
        let events: Vec<u8> = std::iter::repeat_n(response(Version::V5, -1, &event), 30).flatten().collect();
        lz4::put(&mut bytes, &events, true).unwrap();
        bytes.chunks(cut).for_each(|chunk| rig.bytes(conn, chunk));
        assert_eq!(rig.counters.snapshot().events, 30);
        let sent = rig.sent.remove(&conn).unwrap();
        let parsed = lz4::parse(&sent).unwrap().unwrap();
        let mut payload = Vec::new();
        parsed.payload(&mut payload).unwrap();
        assert_eq!(opcode(&frames(&payload)[0].0), Opcode::Query);
        let mut answer = Vec::new();
        lz4::put(&mut answer, &response(Version::V5, 0, &VOID), true).unwrap();
        answer.chunks(cut).for_each(|chunk| rig.bytes(conn, chunk));
        assert!(matches!(call.try_take(), Some(Ok(Reply::Answer(_)))));
    }
}

#[test]
fn a_bad_compressed_segment_ends_the_connection() {
    let mut cut = Vec::new();
    lz4::put(&mut cut, &response(Version::V5, 0, &VOID)[..7], true).unwrap();
    let mut changed = Vec::new();
    lz4::put(&mut changed, &response(Version::V5, 0, &VOID), true).unwrap();
    let end = changed.len() - 1;
    changed[end] ^= 1;
    for (bytes, words) in [(cut, "doesn't end where"), (changed, "checksum")] {
        let (mut rig, conn) = ready(Version::V5, Compression::Lz4);
        let mut call = rig.query(Terms::default());
        rig.bytes(conn, &bytes);
        assert_eq!(rig.closed, [conn]);
        let lost = call.try_take().unwrap().unwrap_err().to_string();
        assert!(lost.contains(words), "{lost}");
    }
}
