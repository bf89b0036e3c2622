//! `helenus codec` as its user runs it.
#![expect(clippy::unwrap_used, reason = "a test ends with the first surprise")]

use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use helenus_core::protocol::request::{
    Batch, BatchQuery, BatchStatement, Execute, ParameterOptions, Parameters, Query, Request, Startup, Values,
};
use helenus_core::protocol::response::{
    ColumnSpec, Event, Failures, Message, NodeChange, Prefix, Prepared, Response, ResultMessage, Rows,
    RowsMetadata, WriteType,
};
use helenus_core::protocol::segment::{self, lz4};
use helenus_core::protocol::{
    Compression, Consistency, ErrorKind, Flags, Opcode, ServerError, Version, envelope,
};
use serde_json::{Value, json};

fn codec(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_helenus"));
    command.arg("codec").args(arguments).stdin(Stdio::null());
    command
}

/// The object that one call prints, and its exit code.
fn call(arguments: &[&str]) -> (Value, Option<i32>) {
    let Output { status, stdout, .. } = codec(arguments).output().unwrap();
    (serde_json::from_slice(&stdout).unwrap(), status.code())
}

/// The answers to these lines.
fn lines(subcommand: &str, lines: &[&str]) -> Vec<Value> {
    let mut command = codec(&[subcommand, "--lines"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let text = lines.join("\n") + "\n";
    let writer = std::thread::spawn(move || input.write_all(text.as_bytes()).unwrap());
    let Output { status, stdout, .. } = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(status.success());
    let answers: Vec<_> = stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
    assert_eq!(answers.len(), lines.len());
    answers.into_iter().map(|line| serde_json::from_slice(line).unwrap()).collect()
}

fn ok(value: Value) -> Value {
    json!({ "ok": value })
}

fn error(answer: &Value) -> &str {
    answer["error"].as_str().unwrap_or_else(|| panic!("{answer}"))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn each_call_prints_an_object_and_exits_by_it() {
    assert_eq!(call(&["decode", "list<int>", "00000001000000040000002a"]), (ok("[42]".into()), Some(0)));
    assert_eq!(call(&["encode", "int", "-1"]), (ok("ffffffff".into()), Some(0)));
    assert_eq!(call(&["encode", "int", "null"]), (ok(Value::Null), Some(0)));
    let token = ok(json!({ "routing_key": "313233", "token": -7_468_325_962_851_647_638_i64 }));
    assert_eq!(call(&["token", "text", "--", "'123'"]), (token, Some(0)));
    assert_eq!(call(&["segments", "0102"]), (ok(json!({ "segments": [], "incomplete": 2 })), Some(0)));
    let (answer, code) = call(&["encode", "int", "x"]);
    let message = "the literal: at byte 0: expected an integer from -2147483648 to 2147483647, found x";
    assert_eq!((error(&answer), code), (message, Some(1)));
    for wrong in [
        &["decode"][..],
        &["decode", "int"],
        &["encode", "int", "1", "2"],
        &["token", "int"],
        &["frame", "00", "--lines", "--compression", "lz4"],
    ] {
        assert_eq!(codec(wrong).output().unwrap().status.code(), Some(2), "{wrong:?}");
    }
}

#[test]
fn values_go_line_by_line_whatever_the_lines_are() {
    let answers = lines(
        "decode",
        &[
            r#"{"type": "udt{x int, \"Y\" text}", "hex": "ffffffff00000000"}"#,
            "{",
            r#"{"type": "int", "hex": ""}"#,
            "",
            r#"{"type": "int"}"#,
            r#"{"type": "int", "hex": null}"#,
            r#"{"type": "nonsense", "hex": ""}"#,
            r#"{"type": "int", "hex": "0g"}"#,
            r#"{"type": "smallint", "hex": ""}"#,
            "\u{fffd}",
            r#"{"type": "text", "hex": "C3A9"}"#,
        ],
    );
    assert_eq!(answers[0], ok(r#"{x: null, "Y": ''}"#.into()));
    assert_eq!(answers[2], ok("blob_as_int(0x)".into()));
    assert_eq!(error(&answers[4]), "missing field `hex` at line 1 column 15");
    assert_eq!(answers[5], ok("null".into()));
    assert_eq!(error(&answers[6]), "the type: at byte 0: expected a CQL type, found nonsense");
    assert_eq!(error(&answers[7]), "the hexadecimal digits: at byte 1: expected a digit, 0 to 9 or a to f");
    assert_eq!(
        error(&answers[8]),
        "the bytes are no value of smallint: it is empty, and its type has no empty value"
    );
    assert_eq!(answers[10], ok("'é'".into()));
    for wrong in [1, 3, 9] {
        error(&answers[wrong]);
    }

    let answers = lines(
        "encode",
        &[
            r#"{"type": "udt{x int, \"Y\" text}", "literal": "{\"Y\": '', x: null}"}"#,
            r#"{"type": "int", "literal": "blob_as_int(0x)"}"#,
            r#"{"type": "int", "literal": "NULL"}"#,
            r#"{"type": "int", "literal": 5}"#,
            r#"{"type": "vector<float, 3>", "literal": "[1, 2.5]"}"#,
        ],
    );
    assert_eq!(answers[..3], [ok("ffffffff00000000".into()), ok("".into()), ok(Value::Null)]);
    assert!(error(&answers[3]).contains("expected a string"));
    assert_eq!(
        error(&answers[4]),
        "the literal: at byte 0: expected a vector of 3 elements, not of 2, found [1, 2.5]"
    );

    let answers = lines(
        "token",
        &[
            r#"{"types": ["int", "text"], "literals": ["5", "'a'"]}"#,
            r#"{"types": ["int"], "literals": ["null"]}"#,
            r#"{"types": ["int", "int"], "literals": ["1"]}"#,
            r#"{"types": [], "literals": []}"#,
        ],
    );
    let expected = json!({ "routing_key": "0004000000050000016100", "token": 5_313_751_574_897_454_094_i64 });
    assert_eq!(answers[0], ok(expected));
    assert_eq!(error(&answers[1]), "column 0: a partition key has no null");
    assert_eq!(
        error(&answers[2]),
        "there are 2 types and 1 literals, but each column of the partition key has one of both"
    );
    error(&answers[3]);
}

fn column(name: &str, column_type: &str) -> ColumnSpec {
    let column_type = column_type.parse().unwrap();
    ColumnSpec { keyspace: "ks".into(), table: "t".into(), name: name.into(), column_type }
}

/// An envelope on stream 7 with that body, compressed if wished.
fn frame(
    version: Version,
    opcode: Opcode,
    flags: Flags,
    body: &[u8],
    compression: Option<Compression>,
) -> String {
    let mut out = Vec::new();
    let flags = if compression.is_some() { flags | Flags::COMPRESSION } else { flags };
    let start = envelope::begin(&mut out, version, flags, opcode);
    match compression {
        Some(compression) => compression.compress(body, &mut out).unwrap(),
        None => out.extend_from_slice(body),
    }
    envelope::finish(&mut out, start).unwrap();
    envelope::set_stream(&mut out, 7);
    hex(&out)
}

fn request_frame(version: Version, request: &Request<'_>) -> String {
    let mut body = Vec::new();
    request.put(version, &mut body).unwrap();
    frame(version, request.opcode(), Flags::NONE, &body, None)
}

fn response_frame(
    version: Version,
    prefix: Prefix<'_>,
    message: Message<'_>,
    compression: Option<Compression>,
) -> String {
    let mut body = Vec::new();
    let (flags, opcode) = (prefix.flags(), message.opcode());
    Response { prefix, message }.put(version, &mut body).unwrap();
    frame(version, opcode, flags, &body, compression)
}

fn decoded(frame: &str, direction: &str, compression: &str) -> Value {
    let line = json!({ "frame": frame, "direction": direction, "compression": compression }).to_string();
    let answer = lines("frame", &[&line]).remove(0);
    assert!(answer.get("ok").is_some(), "{answer}");
    answer["ok"].clone()
}

#[test]
fn responses_show_all_their_fields() {
    let columns: Arc<[_]> = [column("id", "int"), column("tags", "set<text>")].into();
    let metadata = RowsMetadata { paging_state: Some(b"\x01"), ..RowsMetadata::new(columns) };
    let content =
        [&[0, 0, 0, 4, 0, 0, 0, 1, 255, 255, 255, 255][..], &[0, 0, 0, 1, 9], &[0, 0, 0, 4, 0, 0, 0, 0]]
            .concat();
    let rows = Rows { metadata, row_count: 2, content: &content };
    let prefix = Prefix {
        tracing_id: Some([0x11; 16]),
        warnings: vec!["slow"],
        custom_payload: vec![("k", Some(b"v")), ("n", None)],
    };
    for version in [Version::V4, Version::V5] {
        let message = Message::Result(ResultMessage::Rows(rows.clone()));
        let mut compressions = vec![(None, "none")];
        if version == Version::V4 {
            compressions.extend([(Some(Compression::Lz4), "lz4"), (Some(Compression::Snappy), "snappy")]);
        }
        for (compression, name) in compressions {
            let frame = response_frame(version, prefix.clone(), message.clone(), compression);
            let mut flags = vec!["TRACING", "CUSTOM_PAYLOAD", "WARNING"];
            if compression.is_some() {
                flags.insert(0, "COMPRESSION");
            }
            let column =
                |name: &str, ty: &str| json!({ "keyspace": "ks", "table": "t", "name": name, "type": ty });
            let broken = json!({ "hex": "09", "error": "it should have 4 bytes, but has 1" });
            let expected = json!({
                "version": version.byte(),
                "direction": "response",
                "flags": flags,
                "stream": 7,
                "opcode": "RESULT",
                "tracing_id": "11111111-1111-1111-1111-111111111111",
                "warnings": ["slow"],
                "payload": { "k": "76", "n": null },
                "body": {
                    "kind": "ROWS",
                    "metadata": {
                        "column_count": 2,
                        "columns": [column("id", "int"), column("tags", "set<text>")],
                        "paging_state": "01",
                        "new_metadata_id": null,
                    },
                    "row_count": 2,
                    "rows": [["1", null], [broken, "{}"]],
                },
            });
            assert_eq!(decoded(&frame, "response", name), expected);
        }
    }
}

#[test]
fn each_kind_of_response_is_named() {
    let plain = |version, message| {
        decoded(&response_frame(version, Prefix::default(), message, None), "response", "none")
    };
    let body = |version, message| plain(version, message)["body"].clone();
    assert_eq!(plain(Version::V3, Message::Ready)["opcode"], "READY");
    assert_eq!(
        body(Version::V3, Message::Authenticate { authenticator: "a.B" }),
        json!({ "authenticator": "a.B" })
    );
    let supported = Message::Supported(vec![("COMPRESSION", vec!["lz4", "snappy"])]);
    assert_eq!(body(Version::V5, supported), json!({ "options": { "COMPRESSION": ["lz4", "snappy"] } }));
    assert_eq!(body(Version::V4, Message::AuthChallenge(Some(b"\xff"))), json!({ "token": "ff" }));
    assert_eq!(body(Version::V4, Message::AuthSuccess(None)), json!({ "token": null }));
    assert_eq!(body(Version::V4, Message::Result(ResultMessage::Void)), json!({ "kind": "VOID" }));
    let event = Event::StatusChange { change: NodeChange::Up, address: "[::1]:9042".parse().unwrap() };
    let expected = json!({ "type": "STATUS_CHANGE", "change": "UP", "address": "[::1]:9042" });
    assert_eq!(body(Version::V4, Message::Event(event)), expected);
    let prepared = Prepared {
        id: b"\x01\x02",
        result_metadata_id: Some(b"\x03"),
        bind_markers: [column("v", "vector<float, 3>")].into(),
        pk_indexes: vec![0],
        result_metadata: RowsMetadata::default(),
    };
    let expected = json!({
        "kind": "PREPARED",
        "id": "0102",
        "result_metadata_id": "03",
        "bind_markers": [{ "keyspace": "ks", "table": "t", "name": "v", "type": "vector<float, 3>" }],
        "pk_indexes": [0],
        "result_metadata": { "column_count": 0, "columns": null, "paging_state": null, "new_metadata_id": null },
    });
    assert_eq!(body(Version::V5, Message::Result(ResultMessage::Prepared(prepared))), expected);
    let kind = ErrorKind::WriteFailure {
        consistency: Consistency::Quorum,
        received: 1,
        required: 2,
        failures: Failures::Reasons([("127.0.0.1".parse().unwrap(), 1)].into()),
        write_type: WriteType::Cas,
    };
    let expected = json!({
        "code": "0x1500", "error": "WRITE_FAILURE", "message": "why",
        "consistency": "QUORUM", "received": 1, "required": 2,
        "failures": [{ "address": "127.0.0.1", "code": 1 }], "write_type": "CAS",
    });
    assert_eq!(body(Version::V5, Message::Error(ServerError::new(kind, "why"))), expected);
}

#[test]
fn requests_show_all_their_fields() {
    let values = [&[0, 0, 0, 1, 9][..], &[255; 4], &[255, 255, 255, 254]].concat();
    let options = ParameterOptions {
        page_size: Some(10),
        timestamp: Some(-5),
        keyspace: Some("ks"),
        ..ParameterOptions::default()
    };
    let parameters = Parameters { values: Values::new(3, &values), options };
    let query = decoded(
        &request_frame(Version::V5, &Request::Query(Query { text: "SELECT 1", parameters })),
        "request",
        "none",
    );
    let expected = json!({
        "version": 5, "direction": "request", "flags": [], "stream": 7, "opcode": "QUERY",
        "tracing_id": null, "warnings": [], "payload": null,
        "body": {
            "query": "SELECT 1", "consistency": "LOCAL_QUORUM", "values": ["09", null, "unset"], "skip_metadata": false,
            "page_size": 10, "paging_state": null, "serial_consistency": null, "timestamp": -5, "keyspace": "ks",
            "now_in_seconds": null,
        },
    });
    assert_eq!(query, expected);
    let named = [&[0, 1, b'n'][..], &[0, 0, 0, 1, 9]].concat();
    let parameters = Parameters { values: Values::named(1, &named), ..Parameters::default() };
    let execute = Execute { id: b"\x0a", result_metadata_id: None, parameters };
    let execute = decoded(&request_frame(Version::V4, &Request::Execute(execute)), "request", "none");
    assert_eq!(
        (&execute["body"]["id"], &execute["body"]["values"]),
        (&json!("0a"), &json!([{ "name": "n", "value": "09" }]))
    );
    let statements = vec![
        BatchStatement { query: BatchQuery::Text("INSERT"), values: Values::NONE },
        BatchStatement { query: BatchQuery::Prepared(b"\x0b"), values: Values::new(1, &[0, 0, 0, 0]) },
    ];
    let batch = decoded(
        &request_frame(Version::V4, &Request::Batch(Batch { statements, ..Batch::default() })),
        "request",
        "none",
    );
    assert_eq!(batch["body"]["type"], "LOGGED");
    assert_eq!(
        batch["body"]["statements"],
        json!([{ "query": "INSERT", "values": [] }, { "id": "0b", "values": [""] }])
    );
    let startup = decoded(&request_frame(Version::V3, &Request::Startup(Startup::new())), "request", "none");
    assert_eq!(startup["body"], json!({ "options": { "CQL_VERSION": "3.0.0" } }));
    let options = decoded(&request_frame(Version::V3, &Request::Options), "request", "none");
    assert_eq!((&options["opcode"], &options["body"]), (&json!("OPTIONS"), &json!({})));
}

#[test]
fn frames_that_the_driver_refuses_are_errors() {
    let ready = frame(Version::V4, Opcode::Ready, Flags::NONE, &[], None);
    let line = |fields: Value| fields.to_string();
    for (fields, message) in [
        (json!({ "frame": "84" }), "a header has 9 bytes, but there are 1"),
        (json!({ "frame": ready.clone() + "00" }), "the header announces a body of 0 bytes, but 1 follow"),
        (json!({ "frame": "860000000200000000" }), "the header: version 6 is none of 3, 4 and 5"),
        (
            json!({ "frame": ready, "direction": "request" }),
            "the header is that of a response, not of a request",
        ),
        (json!({ "frame": "840000007700000000" }), "the body: opcode of a response: 0x0077 is unknown"),
        (json!({ "frame": "84000000080000000400000006" }), "the body: kind of a RESULT: 0x0006 is unknown"),
        (
            json!({ "frame": "8401000002000000017f" }),
            "the header: its flags say that the body is compressed, but no compression is given",
        ),
        (
            json!({ "frame": "8401000002000000057fffffff00", "compression": "lz4" }),
            "the compressed body: 2147483647 bytes are more than the 268435456 allowed",
        ),
        (
            json!({ "frame": "84010000020000000500ffffff00", "compression": "lz4" }),
            "the compressed body: the compressed bytes don't become the 16777215 bytes that are announced",
        ),
        (
            json!({ "frame": "840100000200000002ff00", "compression": "snappy" }),
            "the compressed body: the compressed bytes don't become the 127 bytes that are announced",
        ),
    ] {
        assert_eq!(error(&lines("frame", &[&line(fields)])[0]), message);
    }
}

#[test]
fn segments_come_in_both_forms() {
    let mut plain = Vec::new();
    let start = segment::open(&mut plain);
    plain.extend_from_slice(b"abc");
    segment::close(&mut plain, start, true).unwrap();
    let end = plain.len();
    let start = segment::open(&mut plain);
    segment::close(&mut plain, start, false).unwrap();
    let both =
        json!([{ "self_contained": true, "payload": "616263" }, { "self_contained": false, "payload": "" }]);
    let (answer, _) = call(&["segments", &hex(&plain)]);
    assert_eq!(answer, ok(json!({ "segments": both, "incomplete": 0 })));
    let (answer, _) = call(&["segments", &hex(&plain[..end + 7])]);
    assert_eq!(answer, ok(json!({ "segments": [both[0]], "incomplete": 7 })));
    plain[end - 1] ^= 1;
    let (answer, code) = call(&["segments", &hex(&plain)]);
    assert!(error(&answer).starts_with("segment 0: the payload of a segment has checksum"), "{answer}");
    assert_eq!(code, Some(1));

    let mut compressed = Vec::new();
    lz4::put(&mut compressed, &[7; 200], true).unwrap();
    assert!(compressed.len() < 100, "what is long enough is compressed");
    let expected =
        json!({ "segments": [{ "self_contained": true, "payload": "07".repeat(200) }], "incomplete": 1 });
    let line = json!({ "segments": hex(&compressed) + "00", "compression": "lz4" }).to_string();
    assert_eq!(lines("segments", &[&line]), [ok(expected)]);
    let line = json!({ "segments": hex(&compressed) }).to_string();
    assert!(
        error(&lines("segments", &[&line])[0]).starts_with("segment 0: the header of a segment has checksum")
    );
    assert_eq!(
        error(&lines("segments", &[r#"{"segments": "", "compression": "snappy"}"#])[0]),
        "protocol v5 has no snappy"
    );
}

#[test]
fn a_thousand_lines_are_answered_in_order() {
    let ask: Vec<_> =
        (0..1_000).map(|n| json!({ "type": "varint", "literal": n.to_string() }).to_string()).collect();
    let answers = lines("encode", &ask.iter().map(String::as_str).collect::<Vec<_>>());
    let back: Vec<_> =
        answers.iter().map(|answer| json!({ "type": "varint", "hex": answer["ok"] }).to_string()).collect();
    let answers = lines("decode", &back.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(answers.iter().enumerate().all(|(n, answer)| *answer == ok(n.to_string().into())));
}
