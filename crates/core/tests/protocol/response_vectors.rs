//! Responses in bytes, written by hand from the text of the specification.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use helenus_core::protocol::response::{
    Change, ColumnSpec, Event, Failures, Message, NodeChange, Prefix, Prepared, Response, ResultMessage,
    Rows, RowsHead, RowsMetadata, SchemaChange, SchemaTarget, WriteType, is_void,
};
use helenus_core::protocol::wire::Reader;
use helenus_core::protocol::{
    ColumnType, Consistency, ErrorKind, Flags, Header, Opcode, ServerError, Version,
};

use crate::bytes;

const ALL: &[Version] = &Version::ALL;
const V3: &[Version] = &[Version::V3];
const V4: &[Version] = &[Version::V4];
const V5: &[Version] = &[Version::V5];
const SINCE_V4: &[Version] = &[Version::V4, Version::V5];

/// `notation` is how `message` is written in each of `versions`, and is read as it.
fn check(versions: &[Version], message: Message<'_>, notation: &str) {
    let expected = bytes(notation);
    for version in versions {
        let mut out = Vec::new();
        message.put(*version, &mut out).unwrap();
        assert_eq!(out, expected, "{version} {}", message.opcode());
        let read = Message::read(&mut Reader::new(&expected), *version, message.opcode().byte());
        assert_eq!(read.as_ref(), Ok(&message), "{version}");
    }
}

fn check_result(versions: &[Version], result: ResultMessage<'_>, notation: &str) {
    check(versions, Message::Result(result), notation);
}

fn check_error(versions: &[Version], kind: ErrorKind, code: &str, fields: &str) {
    let error = ServerError::new(kind, "why");
    check(versions, Message::Error(error), &format!("{code} 0003 'why' {fields}"));
}

fn column(keyspace: &str, table: &str, name: &str, column_type: ColumnType) -> ColumnSpec {
    ColumnSpec { keyspace: keyspace.into(), table: table.into(), name: name.into(), column_type }
}

/// Section 2.2: tracing id, then warnings, then the custom payload.
#[test]
fn what_precedes_a_body() {
    let body = bytes(
        "000102030405060708090A0B0C0D0E0F 0002 0004 'slow' 0002 'no' \
         0002 0001 'a' 00000001 'x' 0001 'b' FFFFFFFF 00000001",
    );
    let prefix = Prefix {
        tracing_id: Some([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]),
        warnings: vec!["slow", "no"],
        custom_payload: vec![("a", Some(b"x")), ("b", None)],
    };
    let response = Response { prefix, message: Message::Result(ResultMessage::Void) };
    let flags = Flags::TRACING | Flags::WARNING | Flags::CUSTOM_PAYLOAD;
    assert_eq!(response.prefix.flags(), flags);
    let header =
        Header { version: 4, response: true, flags, stream: 0, opcode: 8, length: body.len() as u32 };
    for version in [Version::V4, Version::V5] {
        assert_eq!(Response::decode(version, &header, &body).as_ref(), Ok(&response));
        let mut out = Vec::new();
        response.put(version, &mut out).unwrap();
        assert_eq!(out, body);
    }
    assert!(response.put(Version::V3, &mut Vec::new()).is_err());
    // v3 has neither warnings nor payloads: their flags mean nothing there.
    let header = Header { flags: Flags::WARNING | Flags::CUSTOM_PAYLOAD, ..header };
    let read = Response::decode(Version::V3, &header, &[0, 0, 0, 1]).unwrap();
    assert_eq!(read, Response { prefix: Prefix::default(), message: Message::Result(ResultMessage::Void) });
}

/// Sections 4.2.2 to 4.2.4, 4.2.7 and 4.2.8.
#[test]
fn the_handshake() {
    check(ALL, Message::Ready, "");
    check(ALL, Message::Authenticate { authenticator: "o.a.Auth" }, "0008 'o.a.Auth'");
    let supported = vec![("CQL_VERSION", vec!["3.4.7"]), ("COMPRESSION", vec!["snappy", "lz4"])];
    let notation =
        "0002 000B 'CQL_VERSION' 0001 0005 '3.4.7' 000B 'COMPRESSION' 0002 0006 'snappy' 0003 'lz4'";
    check(ALL, Message::Supported(supported), notation);
    check(ALL, Message::AuthChallenge(Some(b"?")), "00000001 '?'");
    check(ALL, Message::AuthSuccess(None), "FFFFFFFF");
}

/// Sections 4.2.5.1 and 4.2.5.3.
#[test]
fn small_results() {
    check_result(ALL, ResultMessage::Void, "00000001");
    check_result(ALL, ResultMessage::SetKeyspace { keyspace: "ks" }, "00000003 0002 'ks'");
}

/// Section 2.2: what looks like the kind of a result may belong to what precedes it, or be compressed.
#[test]
fn a_void_is_told_from_what_looks_like_it() {
    let void = |opcode: Opcode, flags, body: &str| {
        let header =
            Header { version: 4, response: true, flags, stream: 0, opcode: opcode.byte(), length: 4 };
        is_void(&header, &bytes(body))
    };
    assert!(void(Opcode::Result, Flags::NONE, "00000001"));
    assert!(void(Opcode::Result, Flags::BETA, "00000001 'more'"));
    assert!(!void(Opcode::Result, Flags::NONE, "00000003"));
    assert!(!void(Opcode::Result, Flags::NONE, "000001"));
    assert!(!void(Opcode::Error, Flags::NONE, "00000001"));
    for flags in [Flags::COMPRESSION, Flags::TRACING, Flags::CUSTOM_PAYLOAD, Flags::WARNING] {
        assert!(!void(Opcode::Result, flags, "00000001"));
    }
}

/// Section 4.2.5.2: one table for all columns, more pages, two rows.
#[test]
fn rows_of_one_table() {
    let text_list = ColumnType::List(Arc::new(ColumnType::Text));
    let columns = [column("ks", "t", "id", ColumnType::Int), column("ks", "t", "tags", text_list)];
    let metadata = RowsMetadata { paging_state: Some(b"PS"), ..RowsMetadata::new(columns.into()) };
    let content = bytes("00000004 0000002A FFFFFFFF 00000004 00000007 00000000");
    let rows = Rows { metadata, row_count: 2, content: &content };
    check_result(
        ALL,
        ResultMessage::Rows(rows),
        "00000002 00000003 00000002 00000002 'PS' 0002 'ks' 0001 't' 0002 'id' 0009 0004 'tags' 0020 000D \
         00000002 00000004 0000002A FFFFFFFF 00000004 00000007 00000000",
    );
}

/// Section 4.2.5.2: without flag 0x0001 each column names its table.
#[test]
fn rows_of_several_tables() {
    let map = ColumnType::Map(Arc::new((ColumnType::Uuid, ColumnType::Boolean)));
    let columns = [column("k1", "t", "a", map), column("k2", "t", "b", ColumnType::Tuple([].into()))];
    let rows = Rows { metadata: RowsMetadata::new(columns.into()), row_count: 0, content: &[] };
    check_result(
        ALL,
        ResultMessage::Rows(rows),
        "00000002 00000000 00000002 0002 'k1' 0001 't' 0001 'a' 0021 000C 0004 \
         0002 'k2' 0001 't' 0001 'b' 0031 0000 00000000",
    );
}

/// Section 4.2.5.2: the client knows the columns. Written in place, as a node does it.
#[test]
fn rows_without_metadata() {
    let metadata = RowsMetadata { column_count: 1, ..RowsMetadata::default() };
    let expected = bytes("00000002 00000004 00000001 00000001 00000001 'x'");
    let mut out = Vec::new();
    let head = RowsHead::begin(&mut out, Version::V4, &metadata).unwrap();
    out.extend_from_slice(&[0, 0, 0, 1, b'x']);
    head.finish(&mut out, 1).unwrap();
    assert_eq!(out, expected);
    let rows = Rows { metadata, row_count: 1, content: &[0, 0, 0, 1, b'x'] };
    check_result(ALL, ResultMessage::Rows(rows), "00000002 00000004 00000001 00000001 00000001 'x'");
}

/// v5: flag 0x0008, and the new id after the paging state.
#[test]
fn rows_with_changed_metadata() {
    let metadata = RowsMetadata {
        paging_state: Some(b"PS"),
        new_metadata_id: Some(b"NEW"),
        ..RowsMetadata::new([column("k", "t", "c", ColumnType::Duration)].into())
    };
    let message = Message::Result(ResultMessage::Rows(Rows { metadata, row_count: 0, content: &[] }));
    assert!(message.put(Version::V4, &mut Vec::new()).is_err());
    check(
        V5,
        message,
        "00000002 0000000B 00000001 00000002 'PS' 0003 'NEW' 0001 'k' 0001 't' 0001 'c' 0015 00000000",
    );
}

/// Section 4.2.5.2: a user-defined type names itself and its fields.
#[test]
fn a_user_defined_type() {
    let udt = bytes("0030 0002 'ks' 0005 'point' 0002 0001 'x' 0008 0001 'y' 0022 0013");
    let read = Reader::new(&udt).option().unwrap();
    assert_eq!(read.to_string(), "ks.point");
    let ColumnType::Udt(point) = read else { panic!("{read}") };
    let set = ColumnType::Set(Arc::new(ColumnType::SmallInt));
    assert_eq!(*point.fields, [("x".into(), ColumnType::Float), ("y".into(), set)]);
}

/// Section 4.2.5.4: v3 doesn't say which markers are the partition key; v5 adds the result metadata's id.
#[test]
fn a_prepared_select() {
    let markers: Arc<[_]> =
        [column("ks", "t", "b", ColumnType::Int), column("ks", "t", "a", ColumnType::Blob)].into();
    let result_metadata = RowsMetadata::new([column("ks", "t", "v", ColumnType::Ascii)].into());
    let v3 = Prepared { id: b"ID", bind_markers: markers, result_metadata, ..Prepared::default() };
    let v4 = Prepared { pk_indexes: vec![1, 0], ..v3.clone() };
    let v5 = Prepared { result_metadata_id: Some(b"RID"), ..v4.clone() };
    let markers = "0002 'ks' 0001 't' 0001 'b' 0009 0001 'a' 0003";
    let result = "00000001 00000001 0002 'ks' 0001 't' 0001 'v' 0001";
    let head = "00000001 00000002";
    let prepared = ResultMessage::Prepared;
    check_result(V3, prepared(v3), &format!("00000004 0002 'ID' {head} {markers} {result}"));
    let head = format!("{head} 00000002 0001 0000");
    check_result(V4, prepared(v4.clone()), &format!("00000004 0002 'ID' {head} {markers} {result}"));
    check_result(V5, prepared(v5), &format!("00000004 0002 'ID' 0003 'RID' {head} {markers} {result}"));
    let no_id = Message::Result(prepared(v4));
    assert!(no_id.put(Version::V5, &mut Vec::new()).is_err());
}

/// Section 4.2.5.4: what is no SELECT has empty metadata, and no marker may be there.
#[test]
fn a_prepared_statement_without_markers_or_result() {
    let prepared = Prepared { id: b"I", ..Prepared::default() };
    let notation = "00000004 0001 'I' 00000000 00000000 00000000 00000004 00000000";
    check_result(V4, ResultMessage::Prepared(prepared), notation);
}

/// Sections 4.2.5.5 and 4.2.6.
#[test]
fn schema_changes() {
    let change = |change, target| ResultMessage::SchemaChange(SchemaChange { change, target });
    let keyspace = change(Change::Created, SchemaTarget::Keyspace { keyspace: "ks" });
    check_result(ALL, keyspace, "00000005 0007 'CREATED' 0008 'KEYSPACE' 0002 'ks'");
    let table = change(Change::Updated, SchemaTarget::Table { keyspace: "ks", name: "t" });
    check_result(ALL, table, "00000005 0007 'UPDATED' 0005 'TABLE' 0002 'ks' 0001 't'");
    let udt = change(Change::Dropped, SchemaTarget::Type { keyspace: "ks", name: "p" });
    check_result(ALL, udt, "00000005 0007 'DROPPED' 0004 'TYPE' 0002 'ks' 0001 'p'");
    let arguments = vec!["int", "text"];
    let function = SchemaTarget::Function { keyspace: "ks", name: "f", arguments: arguments.clone() };
    let notation = "00000005 0007 'DROPPED' 0008 'FUNCTION' 0002 'ks' 0001 'f' 0002 0003 'int' 0004 'text'";
    check_result(SINCE_V4, change(Change::Dropped, function.clone()), notation);
    let aggregate = SchemaTarget::Aggregate { keyspace: "ks", name: "g", arguments: vec![] };
    let notation = "00000005 0007 'CREATED' 0009 'AGGREGATE' 0002 'ks' 0001 'g' 0000";
    check_result(SINCE_V4, change(Change::Created, aggregate), notation);

    let mut out = Vec::new();
    change(Change::Dropped, function).put(Version::V3, &mut out).unwrap();
    assert_eq!(out, bytes("00000005 0007 'UPDATED' 0008 'KEYSPACE' 0002 'ks'"), "v3 knows no functions");
}

/// Section 4.2.6. MOVED_NODE is v3's.
#[test]
fn events() {
    let address = (Ipv4Addr::new(10, 0, 0, 9), 9042).into();
    let topology = |change| Message::Event(Event::TopologyChange { change, address });
    let notation = "000F 'TOPOLOGY_CHANGE' 0008 'NEW_NODE' 04 0A000009 00002352";
    check(ALL, topology(NodeChange::New), notation);
    let notation = "000F 'TOPOLOGY_CHANGE' 000C 'REMOVED_NODE' 04 0A000009 00002352";
    check(ALL, topology(NodeChange::Removed), notation);
    let notation = "000F 'TOPOLOGY_CHANGE' 000A 'MOVED_NODE' 04 0A000009 00002352";
    check(ALL, topology(NodeChange::Moved), notation);
    let address = (Ipv6Addr::LOCALHOST, 1).into();
    let status = |change| Message::Event(Event::StatusChange { change, address });
    let end = "10 00000000000000000000000000000001 00000001";
    check(ALL, status(NodeChange::Up), &format!("000D 'STATUS_CHANGE' 0002 'UP' {end}"));
    check(ALL, status(NodeChange::Down), &format!("000D 'STATUS_CHANGE' 0004 'DOWN' {end}"));
    let target = SchemaTarget::Keyspace { keyspace: "ks" };
    let schema = Event::SchemaChange(SchemaChange { change: Change::Dropped, target });
    check(ALL, Message::Event(schema), "000D 'SCHEMA_CHANGE' 0007 'DROPPED' 0008 'KEYSPACE' 0002 'ks'");
    let notation = bytes("0008 'GRAPHIC!' 0102");
    let read = Message::read(&mut Reader::new(&notation), Version::V4, Opcode::Event.byte());
    assert_eq!(read, Ok(Message::Event(Event::Other { name: "GRAPHIC!" })));
}

/// Section 9: the codes without further fields.
#[test]
fn plain_errors() {
    for (kind, code) in [
        (ErrorKind::Server, "00000000"),
        (ErrorKind::Protocol, "0000000A"),
        (ErrorKind::Authentication, "00000100"),
        (ErrorKind::Overloaded, "00001001"),
        (ErrorKind::IsBootstrapping, "00001002"),
        (ErrorKind::Truncate, "00001003"),
        (ErrorKind::CdcWriteFailure, "00001600"),
        (ErrorKind::Syntax, "00002000"),
        (ErrorKind::Unauthorized, "00002100"),
        (ErrorKind::Invalid, "00002200"),
        (ErrorKind::Config, "00002300"),
        (ErrorKind::Unknown { code: 0x1234_5678 }, "12345678"),
    ] {
        check_error(ALL, kind, code, "");
    }
}

/// Section 9: the codes with further fields that all versions write alike.
#[test]
fn errors_with_fields() {
    let consistency = Consistency::EachQuorum;
    check_error(
        ALL,
        ErrorKind::Unavailable { consistency, required: 3, alive: 1 },
        "00001000",
        "0007 00000003 00000001",
    );
    let read = ErrorKind::ReadTimeout { consistency, received: 1, required: 2, data_present: true };
    check_error(ALL, read, "00001200", "0007 00000001 00000002 01");
    let write_type = WriteType::BatchLog;
    let write =
        ErrorKind::WriteTimeout { consistency, received: 0, required: 2, write_type, contentions: None };
    check_error(ALL, write, "00001100", "0007 00000000 00000002 0009 'BATCH_LOG'");
    let exists = ErrorKind::AlreadyExists { keyspace: "ks".into(), table: "".into() };
    check_error(ALL, exists, "00002400", "0002 'ks' 0000");
    check_error(ALL, ErrorKind::Unprepared { id: b"ID"[..].into() }, "00002500", "0002 'ID'");
    let keyspace = "ks".into();
    let argument_types = ["int".into()].into();
    let function = ErrorKind::FunctionFailure { keyspace, function: "f".into(), argument_types };
    check_error(SINCE_V4, function, "00001400", "0002 'ks' 0001 'f' 0001 0003 'int'");
}

/// Section 9 of v4 and of v5: a number of failures became a map of reasons; v5 adds contentions and 0x1700.
#[test]
fn errors_that_v5_changed() {
    let consistency = Consistency::One;
    let read = |failures| ErrorKind::ReadFailure {
        consistency,
        received: 1,
        required: 2,
        failures,
        data_present: false,
    };
    check_error(V4, read(Failures::Count(1)), "00001300", "0001 00000001 00000002 00000001 00");
    let reasons = [(Ipv4Addr::new(127, 0, 0, 2).into(), 4), (Ipv6Addr::LOCALHOST.into(), 1)];
    let v5 = read(Failures::Reasons(reasons.into()));
    let map = "00000002 04 7F000002 0004 10 00000000000000000000000000000001 0001";
    check_error(V5, v5, "00001300", &format!("0001 00000001 00000002 {map} 00"));
    let write = |failures| ErrorKind::WriteFailure {
        consistency,
        received: 0,
        required: 1,
        failures,
        write_type: WriteType::Simple,
    };
    check_error(V4, write(Failures::Count(2)), "00001500", "0001 00000000 00000001 00000002 0006 'SIMPLE'");
    let reasons = Failures::Reasons([(Ipv4Addr::new(127, 0, 0, 2).into(), 0)].into());
    let notation = "0001 00000000 00000001 00000001 04 7F000002 0000 0006 'SIMPLE'";
    check_error(V5, write(reasons), "00001500", notation);
    let count = ServerError::new(write(Failures::Count(1)), "");
    assert!(count.put(Version::V5, &mut Vec::new()).is_err(), "v5 wants to know who failed");

    let cas = |contentions| ErrorKind::WriteTimeout {
        consistency: Consistency::Serial,
        received: 1,
        required: 2,
        write_type: WriteType::Cas,
        contentions,
    };
    check_error(&[Version::V3, Version::V4], cas(None), "00001100", "0008 00000001 00000002 0003 'CAS'");
    check_error(V5, cas(Some(5)), "00001100", "0008 00000001 00000002 0003 'CAS' 0005");
    let unknown = ErrorKind::CasWriteUnknown { consistency: Consistency::Serial, received: 1, required: 2 };
    check_error(V5, unknown, "00001700", "0008 00000001 00000002");
}

/// An old client is told of a new kind of error in the words that it knows.
#[test]
fn errors_for_older_versions() {
    let consistency = Consistency::One;
    let (received, required) = (1, 2);
    let written = |kind, version| {
        let mut out = Vec::new();
        ServerError::new(kind, "").put(version, &mut out).unwrap();
        match Message::read(&mut Reader::new(&out), version, Opcode::Error.byte()).unwrap() {
            Message::Error(error) => error.kind,
            other => panic!("{other:?}"),
        }
    };
    let write_type = WriteType::Cas;
    let cas = ErrorKind::WriteTimeout { consistency, received, required, write_type, contentions: None };
    let unknown = ErrorKind::CasWriteUnknown { consistency, received, required };
    assert_eq!(written(unknown.clone(), Version::V3), cas);
    assert_eq!(written(unknown, Version::V4), cas);
    let (failures, data_present) = (Failures::Count(1), true);
    let failure = ErrorKind::ReadFailure { consistency, received, required, failures, data_present };
    let timeout = ErrorKind::ReadTimeout { consistency, received, required, data_present };
    assert_eq!(written(failure, Version::V3), timeout);
    let (failures, write_type) = (Failures::Count(1), WriteType::View);
    let failure =
        ErrorKind::WriteFailure { consistency, received, required, failures, write_type: write_type.clone() };
    let timeout = ErrorKind::WriteTimeout { consistency, received, required, write_type, contentions: None };
    assert_eq!(written(failure, Version::V3), timeout);
    let (keyspace, function, argument_types) = ("ks".into(), "f".into(), [].into());
    let function = ErrorKind::FunctionFailure { keyspace, function, argument_types };
    assert_eq!(written(function, Version::V3), ErrorKind::Invalid);
}

#[test]
fn errors_say_what_happened() {
    let shown = |kind| ServerError::new(kind, "why").to_string();
    let consistency = Consistency::Quorum;
    let unavailable = ErrorKind::Unavailable { consistency, required: 2, alive: 1 };
    assert_eq!(shown(unavailable), "not enough replicas are alive (1 of 2 for QUORUM): why");
    let failures = Failures::Reasons([(Ipv4Addr::LOCALHOST.into(), 3)].into());
    let failure =
        ErrorKind::ReadFailure { consistency, received: 1, required: 2, failures, data_present: true };
    let expected = "replicas failed at a read (1 failed, 1 of 2 answered for QUORUM; 127.0.0.1: code 3): why";
    assert_eq!(shown(failure), expected);
    let unprepared = ErrorKind::Unprepared { id: [0xAB, 0x01].into() };
    assert_eq!(shown(unprepared), "the node doesn't know this prepared statement (id ab01): why");
    assert_eq!(ServerError::new(ErrorKind::Syntax, "").to_string(), "syntax error");
}
