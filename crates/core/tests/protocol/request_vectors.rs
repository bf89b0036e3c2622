//! Requests in bytes, written by hand from the text of the specification.

use helenus_core::protocol::request::{
    AuthResponse, Batch, BatchKind, BatchOptions, BatchQuery, BatchStatement, Execute, ParameterOptions,
    Parameters, Prepare, Query, Register, Request, Startup, Values,
};
use helenus_core::protocol::wire::Value;
use helenus_core::protocol::{Consistency, EncodeError, Flags, Header, Opcode, Version, envelope};

use crate::bytes;

/// `notation` is how `request` is written in each of `versions`, and is read as it.
fn check(versions: &[Version], request: Request<'_>, notation: &str) {
    let expected = bytes(notation);
    for version in versions {
        let mut out = Vec::new();
        request.put(*version, &mut out).unwrap();
        assert_eq!(out, expected, "{version} {}", request.opcode());
        assert_eq!(
            Request::decode(*version, request.opcode().byte(), &expected),
            Ok(request.clone()),
            "{version}"
        );
    }
}

const ALL: &[Version] = &Version::ALL;
const OLD: &[Version] = &[Version::V3, Version::V4];
const V5: &[Version] = &[Version::V5];

/// Section 2 and 4.1.3: the smallest request there is.
#[test]
fn an_options_envelope() {
    let mut out = Vec::new();
    let start = envelope::begin(&mut out, Version::V4, Flags::TRACING, Opcode::Options);
    envelope::finish(&mut out, start).unwrap();
    envelope::set_stream(&mut out, 0x0102);
    assert_eq!(out, bytes("04 02 0102 05 00000000"));
    let header = Header::parse(out.first_chunk().unwrap());
    let expected =
        Header { version: 4, response: false, flags: Flags::TRACING, stream: 0x0102, opcode: 5, length: 0 };
    assert_eq!(header, expected);
    check(ALL, Request::Options, "");
}

/// Section 2.1: the highest bit of the version says response. Section 4.2.6: events have stream -1.
#[test]
fn an_envelope_around_a_body_in_the_middle_of_a_buffer() {
    let mut out = b"before".to_vec();
    let start = envelope::begin(&mut out, Version::V5, Flags::NONE, Opcode::Event);
    out.extend_from_slice(b"body");
    envelope::finish(&mut out, start).unwrap();
    envelope::set_stream(&mut out[start..], -1);
    assert_eq!(out, bytes("'before' 85 00 FFFF 0C 00000004 'body'"));
    assert!(envelope::finish(&mut out, 20).is_err(), "no header begins there");
}

/// Section 2.5: a body has at most 256 MiB.
#[test]
fn an_envelope_has_a_limit() {
    let mut out = vec![0; Header::LEN + envelope::MAX_BODY + 1];
    let limit = envelope::MAX_BODY;
    let error = EncodeError::Limit { what: "body of an envelope", actual: limit + 1, limit };
    assert_eq!(envelope::finish(&mut out, 0), Err(error));
    assert_eq!(envelope::finish(&mut out, 1), Ok(()));
    assert_eq!(out[6..10], [0x10, 0, 0, 0]);
}

/// Sections 4.1.1, 4.1.2 and 4.1.8.
#[test]
fn the_handshake() {
    check(ALL, Request::Startup(Startup::new()), "0001 000B 'CQL_VERSION' 0005 '3.0.0'");
    let token = Some(&b"\0user\0pass"[..]);
    check(ALL, Request::AuthResponse(AuthResponse { token }), "0000000A 00 'user' 00 'pass'");
    check(ALL, Request::AuthResponse(AuthResponse { token: Some(&[]) }), "00000000");
    check(ALL, Request::AuthResponse(AuthResponse { token: None }), "FFFFFFFF");
    let events = vec!["STATUS_CHANGE", "SCHEMA_CHANGE"];
    check(ALL, Request::Register(Register { events }), "0002 000D 'STATUS_CHANGE' 000D 'SCHEMA_CHANGE'");
}

/// Section 4.1.4: flags are a [byte], from v5 on an [int].
#[test]
fn a_query_without_parameters() {
    let options = ParameterOptions { consistency: Consistency::LocalOne, ..ParameterOptions::default() };
    let parameters = Parameters { options, ..Parameters::default() };
    let query = Request::Query(Query { text: "SELECT", parameters });
    check(OLD, query.clone(), "00000006 'SELECT' 000A 00");
    check(V5, query, "00000006 'SELECT' 000A 00000000");
}

/// Section 4.1.4: all that v3 has, in the order of the flags.
#[test]
fn a_query_with_all_parameters() {
    let options = ParameterOptions {
        consistency: Consistency::Quorum,
        skip_metadata: true,
        page_size: Some(5000),
        paging_state: Some(b"PS"),
        serial_consistency: Some(Consistency::LocalSerial),
        timestamp: Some(0x0102_0304_0506_0708),
        names: false,
        keyspace: None,
        now_in_seconds: None,
    };
    let values = Values::new(2, &[0, 0, 0, 1, b'k', 0xFF, 0xFF, 0xFF, 0xFF]);
    let query = |options| Request::Query(Query { text: "Q", parameters: Parameters { values, options } });
    let after = "0002 00000001 'k' FFFFFFFF 00001388 00000002 'PS' 0009 0102030405060708";
    check(OLD, query(options), &format!("00000001 'Q' 0004 3F {after}"));
    check(V5, query(options), &format!("00000001 'Q' 0004 0000003F {after}"));
    let options = ParameterOptions { keyspace: Some("ks"), now_in_seconds: Some(-2), ..options };
    check(V5, query(options), &format!("00000001 'Q' 0004 000001BF {after} 0002 'ks' FFFFFFFE"));
}

/// Section 4.1.4: with flag 0x40 a name precedes each value. Section 3: -2 is 'not set'.
#[test]
fn a_query_with_named_values() {
    let encoded = bytes("0001 'a' 00000000 0001 'b' FFFFFFFE");
    let values = Values::named(2, &encoded);
    let options =
        ParameterOptions { consistency: Consistency::One, names: true, ..ParameterOptions::default() };
    let query = Request::Query(Query { text: "", parameters: Parameters { values, options } });
    check(&[Version::V4], query, "00000000 0001 41 0002 0001 'a' 00000000 0001 'b' FFFFFFFE");
    let read: Vec<_> = values.iter().collect();
    assert_eq!(read, [(Some("a"), Value::Bytes(b"")), (Some("b"), Value::Unset)]);
}

/// Section 4.1.5; in v5 flags [int] follow the text.
#[test]
fn a_prepare() {
    let prepare = |keyspace| Request::Prepare(Prepare { text: "P", keyspace });
    check(OLD, prepare(None), "00000001 'P'");
    check(V5, prepare(None), "00000001 'P' 00000000");
    check(V5, prepare(Some("ks")), "00000001 'P' 00000001 0002 'ks'");
}

/// Section 4.1.6; in v5 the result metadata's id follows the statement's.
#[test]
fn an_execute() {
    let values = Values::new(1, &[0, 0, 0, 0]);
    let options = ParameterOptions { consistency: Consistency::Two, ..ParameterOptions::default() };
    let parameters = Parameters { values, options };
    let execute =
        |result_metadata_id| Request::Execute(Execute { id: b"ID", result_metadata_id, parameters });
    check(OLD, execute(None), "0002 'ID' 0002 01 0001 00000000");
    check(V5, execute(Some(b"RID")), "0002 'ID' 0003 'RID' 0002 00000001 0001 00000000");

    let mut out = Vec::new();
    execute(Some(b"RID")).put(Version::V4, &mut out).unwrap();
    assert_eq!(out, bytes("0002 'ID' 0002 01 0001 00000000"), "v4 has no second id");
    let missing = execute(None).put(Version::V5, &mut out);
    assert!(matches!(missing, Err(EncodeError::Missing { version: Version::V5, .. })));
}

/// Section 4.1.7.
#[test]
fn a_batch() {
    let text = BatchStatement { query: BatchQuery::Text("INSERT"), values: Values::NONE };
    let encoded = bytes("00000001 'v' FFFFFFFF");
    let prepared = BatchStatement { query: BatchQuery::Prepared(b"ID"), values: Values::new(2, &encoded) };
    let batch = |kind, options| Request::Batch(Batch { kind, statements: vec![text, prepared], options });
    let statements = "0002 00 00000006 'INSERT' 0000 01 0002 'ID' 0002 00000001 'v' FFFFFFFF";
    let plain = BatchOptions { consistency: Consistency::All, ..BatchOptions::default() };
    check(OLD, batch(BatchKind::Unlogged, plain), &format!("01 {statements} 0005 00"));
    check(V5, batch(BatchKind::Unlogged, plain), &format!("01 {statements} 0005 00000000"));
    let full = BatchOptions { serial_consistency: Some(Consistency::Serial), timestamp: Some(1), ..plain };
    check(OLD, batch(BatchKind::Counter, full), &format!("02 {statements} 0005 30 0008 0000000000000001"));
    let full = BatchOptions { keyspace: Some("ks"), now_in_seconds: Some(7), ..full };
    let expected = format!("00 {statements} 0005 000001B0 0008 0000000000000001 0002 'ks' 00000007");
    check(V5, batch(BatchKind::Logged, full), &expected);
    check(ALL, Request::Options, "");
}

#[test]
fn what_a_version_lacks_is_refused() {
    let refused = |request: Request<'_>, version| request.put(version, &mut Vec::new()).unwrap_err();
    let not_in = |what, version| EncodeError::NotInVersion { what, version, since: Version::V5 };
    let keyspace = "a keyspace of a single request";
    for version in [Version::V3, Version::V4] {
        let prepare = Request::Prepare(Prepare { text: "", keyspace: Some("ks") });
        assert_eq!(refused(prepare, version), not_in(keyspace, version));
        let options = ParameterOptions { keyspace: Some("ks"), ..ParameterOptions::default() };
        let query = Query { text: "", parameters: Parameters { options, values: Values::NONE } };
        assert_eq!(refused(Request::Query(query), version), not_in(keyspace, version));
        let options = BatchOptions { now_in_seconds: Some(1), ..BatchOptions::default() };
        let batch = Batch { options, ..Batch::default() };
        let error = refused(Request::Batch(batch), version);
        assert_eq!(error, not_in("a current time of a single request", version));
    }
    let named = BatchStatement { query: BatchQuery::Text(""), values: Values::named(0, &[]) };
    let batch = Request::Batch(Batch { statements: vec![named], ..Batch::default() });
    assert!(matches!(refused(batch, Version::V5), EncodeError::Unsupported { .. }));
}

/// Counts and strings of more than 65,535 don't fit into a [short].
#[test]
fn what_does_not_fit_is_refused() {
    let long = "x".repeat(65_536);
    let register = Register { events: vec![&long] };
    let limit = EncodeError::Limit { what: "bytes of a [string]", actual: 65_536, limit: 65_535 };
    assert_eq!(register.put(Version::V4, &mut Vec::new()), Err(limit));
    let statement = BatchStatement { query: BatchQuery::Prepared(b""), values: Values::NONE };
    let batch = |count| Batch { statements: vec![statement; count], ..Batch::default() };
    let limit = EncodeError::Limit { what: "statements of a batch", actual: 65_536, limit: 65_535 };
    assert_eq!(batch(65_536).put(Version::V4, &mut Vec::new()), Err(limit));
    assert_eq!(batch(65_535).put(Version::V4, &mut Vec::new()), Ok(()));
}
