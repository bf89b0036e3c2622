//! Inputs to begin with: what real servers sent, the vectors that the tests of core have, and messages of each kind.

use helenus_core::protocol::request::{
    AuthResponse, Batch, BatchKind, BatchOptions, BatchQuery, BatchStatement, Execute, ParameterOptions,
    Parameters, Prepare, Query, Register, Request, Startup, Values,
};
use helenus_core::protocol::wire::put_option;
use helenus_core::protocol::{ColumnType, Compression, Consistency, Flags, Version, envelope, segment};

/// Frames of v3, v4 and v5, recorded from Cassandra; those of v5 in segments.
const CAPTURED: [&str; 3] = [
    include_str!("../../helenus/tests/captured/v3.txt"),
    include_str!("../../helenus/tests/captured/v4.txt"),
    include_str!("../../helenus/tests/captured/v5.txt"),
];
const CELLS: &str = include_str!("../../core/src/value/dynamic/bytes.txt");
const LITERALS: &str = include_str!("../../core/src/value/dynamic/literals.txt");

const TYPES: [&str; 16] = [
    "frozen<map<text, vector<float, 3>>>",
    "list<set<map<int, tuple<text, uuid>>>>",
    "vector<vector<float, 3>, 70000>",
    "'org.example.Type(a,b)'",
    "udt{a int, b udt{\"C \"\"d\" text}}",
    "'org.apache.cassandra.db.marshal.ListType(org.apache.cassandra.db.marshal.Int32Type)'",
    "tuple<ascii, bigint, blob, boolean, counter, date, decimal, double>",
    "tuple<duration, float, inet, smallint, text, time, timestamp, timeuuid, tinyint, uuid, varchar, varint>",
    "ks.\"Point\"",
    "list<frozen<point>>",
    "VectorType(FloatType , 3)",
    "MapType(UTF8Type,FrozenType(SetType(ReversedType(DecimalType))))",
    "UserType(ks,706f696e74,78:Int32Type,c3bf:TupleType(ByteType,DurationType))",
    "CompositeType(Int32Type,Odd((a),b))",
    "vector<text, 2>",
    "frozen<tuple<frozen<udt{x frozen<set<time>>}>>>",
];

/// Those of a target, and its corpus: what `cargo xtask fuzz` found to reach code that nothing else reaches.
pub fn of(target: &str) -> Vec<Vec<u8>> {
    let mut seeds = made(target);
    seeds.extend(corpus(target));
    seeds
}

/// Each line of the file is an input in hexadecimal. A new target has none.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("corpus/{target}.txt"));
    std::fs::read_to_string(file).unwrap_or_default().lines().map(from_hex).collect()
}

fn made(target: &str) -> Vec<Vec<u8>> {
    match target {
        "requests" => requests(),
        "responses" => captured().collect(),
        "metadata" => captured().filter_map(|frame| rows_of(&frame)).collect(),
        "segments" => segments(),
        "compression" => compressed(),
        "cells" => vectors(CELLS).map(|fields| typed(fields[1], &from_hex(fields[2]))).collect(),
        "native" => vectors(CELLS)
            .enumerate()
            .map(|(index, fields)| [vec![(index % 36) as u8], from_hex(fields[2])].concat())
            .collect(),
        "types" | "classes" => TYPES.iter().map(|ty| ty.as_bytes().to_vec()).collect(),
        "options" => TYPES.iter().filter_map(|ty| option(&ty.parse().ok()?)).collect(),
        "literals" => vectors(LITERALS).map(|fields| typed(fields[0], fields[1].as_bytes())).collect(),
        "rows" => rows(),
        "states" => states(),
        "codec" => codec(),
        _ => Vec::new(),
    }
}

fn vectors(file: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    file.lines().filter(|line| !line.starts_with('#')).map(|line| line.split('\t').collect())
}

fn typed(ty: &str, rest: &[u8]) -> Vec<u8> {
    [ty.as_bytes(), &[0], rest].concat()
}

fn from_hex(text: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    (0..text.len()).step_by(2).map_while(digit).collect()
}

fn lines() -> impl Iterator<Item = Vec<u8>> {
    let lines = CAPTURED.into_iter().flat_map(str::lines).filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| Some(from_hex(line.split_once(": ")?.1)))
}

/// Envelopes, without their segments.
fn captured() -> impl Iterator<Item = Vec<u8>> {
    lines().map(|bytes| match segment::parse(&bytes) {
        Ok(Some(found)) if bytes[0] & 0x80 == 0 || bytes.len() == found.encoded_len => found.payload.to_vec(),
        _ => bytes,
    })
}

/// What follows the kind of a RESULT of kind Rows.
fn rows_of(frame: &[u8]) -> Option<Vec<u8>> {
    let rest = frame.get(9..)?.strip_prefix(&[0, 0, 0, 2])?;
    Some([&[frame[0] & 0x7f], rest].concat())
}

fn requests() -> Vec<Vec<u8>> {
    Version::ALL.into_iter().flat_map(requests_in).collect()
}

fn requests_in(version: Version) -> Vec<Vec<u8>> {
    let is_v5 = version >= Version::V5;
    let values = [&[0, 0, 0, 1, 7][..], &[0xff; 4]].concat();
    let named = [&[0, 1, b'a'][..], &values[..5], &[0, 1, b'b'], &values[5..]].concat();
    let options = ParameterOptions {
        consistency: Consistency::LocalQuorum,
        skip_metadata: true,
        page_size: Some(5_000),
        paging_state: Some(b"state"),
        serial_consistency: Some(Consistency::LocalSerial),
        timestamp: Some(-1),
        names: false,
        keyspace: is_v5.then_some("ks"),
        now_in_seconds: is_v5.then_some(1),
    };
    let parameters = |values, names| Parameters { values, options: ParameterOptions { names, ..options } };
    let statements = vec![
        BatchStatement { query: BatchQuery::Text("INSERT"), values: Values::NONE },
        BatchStatement { query: BatchQuery::Prepared(b"id"), values: Values::new(2, &values) },
    ];
    let batch_options = BatchOptions {
        consistency: Consistency::One,
        serial_consistency: Some(Consistency::Serial),
        timestamp: Some(1),
        keyspace: is_v5.then_some("ks"),
        now_in_seconds: is_v5.then_some(1),
    };
    let requests = [
        Request::Startup(Startup { options: vec![("CQL_VERSION", "3.0.0"), ("COMPRESSION", "lz4")] }),
        Request::Options,
        Request::AuthResponse(AuthResponse { token: Some(b"\0user\0password") }),
        Request::Register(Register { events: vec!["STATUS_CHANGE", "SCHEMA_CHANGE"] }),
        Request::Query(Query::new("SELECT * FROM system.local")),
        Request::Query(Query { text: "SELECT", parameters: parameters(Values::named(2, &named), true) }),
        Request::Prepare(Prepare { text: "SELECT", keyspace: is_v5.then_some("ks") }),
        Request::Execute(Execute {
            id: b"0123456789abcdef",
            result_metadata_id: is_v5.then_some(b"0123456789abcdef"),
            parameters: parameters(Values::new(2, &values), false),
        }),
        Request::Batch(Batch { kind: BatchKind::Unlogged, statements, options: batch_options }),
    ];
    let frame = |request: &Request<'_>| {
        let mut out = Vec::new();
        let start = envelope::begin(&mut out, version, Flags::NONE, request.opcode());
        request.put(version, &mut out).ok()?;
        envelope::finish(&mut out, start).ok()?;
        Some(out)
    };
    requests.iter().filter_map(frame).collect()
}

fn segments() -> Vec<Vec<u8>> {
    let plain = lines().filter(|bytes| matches!(segment::parse(bytes), Ok(Some(_))));
    let mut seeds: Vec<_> =
        plain.flat_map(|bytes| [[&[0], &bytes[..]].concat(), [&[2], &bytes[..]].concat()]).collect();
    for payload in [&b""[..], b"abc", &[7; 400], CELLS.as_bytes()] {
        for mode in [1, 3] {
            let mut out = vec![mode];
            let put = segment::lz4::put(&mut out, &payload[..payload.len().min(2_000)], true)
                .and_then(|()| segment::lz4::put(&mut out, b"again and again and again and again", false));
            seeds.extend(put.ok().map(|()| out));
        }
    }
    seeds
}

fn compressed() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (mark, compression) in [(0, Compression::Lz4), (1, Compression::Snappy)] {
        for body in [&b""[..], b"abc", &[7; 400], &LITERALS.as_bytes()[..2_000]] {
            let mut out = vec![mark];
            seeds.extend(compression.compress(body, &mut out).ok().map(|()| out));
        }
    }
    seeds
}

fn option(ty: &ColumnType) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    put_option(&mut out, Version::V5, ty).ok()?;
    Some(out)
}

/// For each order of the columns one row, twice.
fn rows() -> Vec<Vec<u8>> {
    let cells: [&[u8]; 5] = [
        &[0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 7],
        &[0, 0, 0, 3, b'A', b'd', b'a'],
        &[0xff; 4],
        &[0, 0, 0, 16, 0, 0, 0, 4, 0, 0, 0, 9, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0],
        &[0, 0, 0, 12, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 5],
    ];
    let row = |order: usize| {
        let mut row = cells;
        row.rotate_left(order % 5);
        row.swap(0, order / 16 % 5);
        [vec![2, order as u8], row.concat(), row.concat()].concat()
    };
    (0..80).filter(|order| order % 16 < 5).map(row).collect()
}

fn states() -> Vec<Vec<u8>> {
    let states = [&b""[..], b"x", &[0xff; 40], b"\x00\x10state"].map(helenus::PagingState::from_server_bytes);
    let mut seeds: Vec<_> = states.iter().map(|state| state.to_bytes().to_vec()).collect();
    seeds.extend(states.iter().map(|state| state.to_string().into_bytes()));
    seeds
}

fn codec() -> Vec<Vec<u8>> {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let decode =
        vectors(CELLS).step_by(9).map(|f| (0, format!(r#"{{"type":{},"hex":"{}"}}"#, quoted(f[1]), f[2])));
    let encode = vectors(LITERALS)
        .step_by(9)
        .map(|f| (1, format!(r#"{{"type":{},"literal":{}}}"#, quoted(f[0]), quoted(f[1]))));
    let token = [(2, r#"{"types":["int","text"],"literals":["1","'a'"]}"#.to_owned())];
    let frame = captured()
        .step_by(5)
        .chain(requests().into_iter().step_by(3))
        .map(|frame| (3, format!(r#"{{"frame":"{}","compression":"lz4"}}"#, to_hex(&frame))));
    let segments = segments().into_iter().step_by(7).map(|bytes| {
        let compression = if bytes[0] & 1 == 0 { "none" } else { "lz4" };
        (4, format!(r#"{{"segments":"{}","compression":"{compression}"}}"#, to_hex(&bytes[1..])))
    });
    let lines = decode.chain(encode).chain(token).chain(frame).chain(segments);
    lines.map(|(command, line)| [&[command], line.as_bytes()].concat()).collect()
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
