//! What a real Cassandra sent, byte by byte, read by the protocol: driver and embedded node share their code, so that one
//! fault could hide on both sides.
//!
//! `captured/v3.txt` and its like hold one response a line: a name, and its bytes as they came from the socket, in v5 with
//! their segments. `record` writes them anew.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

#[path = "captured/record.rs"]
mod record;

use std::collections::BTreeMap;

use helenus_core::protocol::response::{
    Change, Event, Message, Prefix, Response, ResultMessage, Rows, SchemaChange, SchemaTarget,
};
use helenus_core::protocol::{ColumnSpec, Consistency, ErrorKind, Header, Version, segment};

/// Flags of a result's metadata (section 4.2.5.2).
const GLOBAL_TABLE: u8 = 1;
const NO_METADATA: u8 = 4;

const VERSIONS: [Version; 3] = [Version::V3, Version::V4, Version::V5];

/// All that was captured in one version.
struct Captured {
    responses: BTreeMap<String, Vec<u8>>,
}

impl Captured {
    fn load(version: Version) -> Self {
        let text = match version {
            Version::V3 => include_str!("captured/v3.txt"),
            Version::V4 => include_str!("captured/v4.txt"),
            _ => include_str!("captured/v5.txt"),
        };
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let responses = lines.map(|line| {
            let (name, hex) = line.split_once(": ").unwrap();
            let bytes = (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap());
            (name.to_owned(), bytes.collect())
        });
        Self { responses: responses.collect() }
    }

    /// Header and body, out of their segments if they came in some.
    fn frame(&self, name: &str) -> (Header, Vec<u8>) {
        let mut bytes = self.responses.get(name).unwrap_or_else(|| panic!("{name} wasn't captured")).clone();
        // v5 has them after READY. Nothing else has the right CRC24 in that place.
        if segment::parse(&bytes).is_ok_and(|parsed| parsed.is_some()) {
            let (mut rest, mut envelope) = (&bytes[..], Vec::new());
            while let Some(parsed) = segment::parse(rest).unwrap() {
                envelope.extend_from_slice(parsed.payload);
                rest = &rest[parsed.encoded_len..];
            }
            assert!(rest.is_empty(), "{name}: {} bytes after the last segment", rest.len());
            bytes = envelope;
        }
        let (header, body) = bytes.split_first_chunk().unwrap();
        let header = Header::parse(header);
        assert_eq!(header.length as usize, body.len(), "{name}");
        (header, body.to_vec())
    }

    /// Decodes, lets `judge` see, and encodes again: what was read is what was sent.
    fn check(&self, name: &str, judge: impl FnOnce(&Prefix<'_>, &Message<'_>)) {
        let (header, body) = self.frame(name);
        assert!(header.response, "{name}");
        let version = Version::from_byte(header.version).unwrap();
        let response =
            Response::decode(version, &header, &body).unwrap_or_else(|error| panic!("{name}: {error}"));
        judge(&response.prefix, &response.message);
        assert_eq!(response.message.opcode().byte(), header.opcode, "{name}");
        assert_eq!(response.prefix.flags(), header.flags, "{name} in {version}");
        let mut again = Vec::new();
        response.put(version, &mut again).unwrap();
        let mut body = body;
        if body.starts_with(&[0, 0, 0, 2]) && body[7] & NO_METADATA != 0 {
            // Cassandra says of columns that it leaves out that all are of one table.
            body[7] &= !GLOBAL_TABLE;
        }
        assert_eq!(again, body, "{name} in {version} is encoded as it came");
    }

    fn check_rows(&self, name: &str, judge: impl FnOnce(&Prefix<'_>, &Rows<'_>)) {
        self.check(name, |prefix, message| match message {
            Message::Result(ResultMessage::Rows(rows)) => judge(prefix, rows),
            other => panic!("{name}: {other:?}"),
        });
    }

    fn check_error(&self, name: &str, kind: &ErrorKind, words: &str) {
        self.check(name, |_, message| match message {
            Message::Error(error) => {
                assert_eq!(error.kind, *kind, "{name}");
                assert!(error.message.contains(words), "{name}: {}", error.message);
            }
            other => panic!("{name}: {other:?}"),
        });
    }
}

fn columns(columns: &[ColumnSpec]) -> Vec<String> {
    columns
        .iter()
        .map(|column| format!("{}.{} {} {}", column.keyspace, column.table, column.name, column.column_type))
        .collect()
}

#[test]
fn handshakes() {
    for version in VERSIONS {
        let captured = Captured::load(version);
        captured.check("supported", |_, message| {
            let Message::Supported(options) = message else { panic!("{message:?}") };
            let values =
                |name| options.iter().find(|(key, _)| *key == name).map(|(_, values)| values.clone());
            assert_eq!(values("CQL_VERSION"), Some(vec!["3.4.7"]));
            assert_eq!(values("PROTOCOL_VERSIONS"), Some(vec!["3/v3", "4/v4", "5/v5", "6/v6-beta"]));
            assert_eq!(values("COMPRESSION"), Some(vec!["snappy", "lz4"]));
        });
        captured.check("ready", |_, message| assert_eq!(*message, Message::Ready));
        let (header, _) = captured.frame("version_refused");
        assert_eq!(header.version, Version::V5.byte(), "a server answers in the highest that it speaks");
        captured.check_error(
            "version_refused",
            &ErrorKind::Protocol,
            "Invalid or unsupported protocol version (66)",
        );
    }
}

#[test]
fn schema_changes_and_events() {
    for version in VERSIONS {
        let captured = Captured::load(version);
        let created = |target| SchemaChange { change: Change::Created, target };
        let keyspace = created(SchemaTarget::Keyspace { keyspace: "captured" });
        captured.check("create_keyspace", |_, message| {
            assert_eq!(*message, Message::Result(ResultMessage::SchemaChange(keyspace.clone())));
        });
        let table = |name| created(SchemaTarget::Table { keyspace: "captured", name });
        captured.check("create_table", |_, message| {
            assert_eq!(*message, Message::Result(ResultMessage::SchemaChange(table("t"))));
        });
        captured.check("registered", |_, message| assert_eq!(*message, Message::Ready));
        captured.check("event", |_, message| {
            assert_eq!(*message, Message::Event(Event::SchemaChange(table("watched"))));
        });
        assert_eq!(captured.frame("event").0.stream, -1);
        captured.check("use", |_, message| {
            assert_eq!(*message, Message::Result(ResultMessage::SetKeyspace { keyspace: "captured" }));
        });
    }
}

#[test]
fn prepared_statements() {
    for version in VERSIONS {
        let captured = Captured::load(version);
        captured.check("prepare_insert", |_, message| {
            let Message::Result(ResultMessage::Prepared(prepared)) = message else { panic!("{message:?}") };
            assert_eq!(prepared.id.len(), 16);
            assert_eq!(prepared.result_metadata_id.map(<[u8]>::len), (version >= Version::V5).then_some(16));
            assert_eq!(columns(&prepared.bind_markers), ["captured.t id bigint", "captured.t name text"]);
            assert_eq!(prepared.pk_indexes, if version >= Version::V4 { vec![0] } else { vec![] });
            assert_eq!(prepared.result_metadata.column_count, 0);
        });
        captured.check("prepare_select", |_, message| {
            let Message::Result(ResultMessage::Prepared(prepared)) = message else { panic!("{message:?}") };
            assert_eq!(columns(&prepared.bind_markers), ["captured.t id bigint"]);
            let result = prepared.result_metadata.columns.as_ref().unwrap();
            assert_eq!(columns(result), ["captured.t id bigint", "captured.t name text"]);
        });
        captured.check("void", |prefix, message| {
            assert_eq!((prefix.tracing_id, message), (None, &Message::Result(ResultMessage::Void)));
        });
        captured.check("traced", |prefix, message| {
            assert!(prefix.tracing_id.is_some());
            assert_eq!(*message, Message::Result(ResultMessage::Void));
        });
    }
}

#[test]
fn rows() {
    let bytes =
        |cells: &Rows<'_>| cells.cells().map(|cell| cell.unwrap().map(<[u8]>::to_vec)).collect::<Vec<_>>();
    for version in VERSIONS {
        let captured = Captured::load(version);
        captured.check_rows("page", |prefix, rows| {
            assert_eq!(
                columns(rows.metadata.columns.as_ref().unwrap()),
                ["captured.t id bigint", "captured.t name text"]
            );
            assert!(rows.metadata.paging_state.is_some() && prefix.warnings.is_empty());
            assert_eq!(rows.row_count, 1);
        });
        captured.check_rows("row", |_, rows| {
            assert_eq!(rows.metadata.column_count, 2);
            assert!(rows.metadata.columns.is_none() && rows.metadata.paging_state.is_none());
            assert_eq!(bytes(rows), [Some(1_i64.to_be_bytes().to_vec()), Some(b"one".to_vec())]);
        });
        captured.check_rows("null", |_, rows| {
            assert_eq!(bytes(rows), [Some(2_i64.to_be_bytes().to_vec()), None]);
        });
        captured.check_rows("count", |prefix, rows| {
            assert_eq!(bytes(rows), [Some(2_i64.to_be_bytes().to_vec())]);
            let warned = prefix.warnings.iter().any(|warning| warning.contains("without partition key"));
            assert_eq!(warned, version >= Version::V4);
        });
        captured.check_rows("types", |_, rows| {
            // Before v5 duration has no number of its own, and vectors have none at all.
            let expected = TYPES.map(|(name, cql)| format!("captured.types {name} {cql}"));
            assert_eq!(columns(rows.metadata.columns.as_ref().unwrap()), expected, "{version}");
        });
    }
}

/// Columns as the server orders them, by name.
const TYPES: [(&str, &str); 17] = [
    ("id", "int"),
    ("a", "ascii"),
    ("address", "captured.address"),
    ("b", "blob"),
    ("d", "duration"),
    ("dec", "decimal"),
    ("f", "float"),
    ("i", "inet"),
    ("l", "list<tuple<int, text>>"),
    ("m", "map<text, set<uuid>>"),
    ("s", "set<timeuuid>"),
    ("small", "smallint"),
    ("t", "time"),
    ("ti", "tinyint"),
    ("ts", "timestamp"),
    ("v", "varint"),
    ("vec", "vector<float, 3>"),
];

#[test]
fn errors() {
    for version in VERSIONS {
        let captured = Captured::load(version);
        captured.check_error("syntax", &ErrorKind::Syntax, "SELEKT");
        captured.check_error("invalid", &ErrorKind::Invalid, "nothing");
        let exists =
            |table: &str| ErrorKind::AlreadyExists { keyspace: "captured".into(), table: table.into() };
        captured.check_error("keyspace_exists", &exists(""), "captured");
        captured.check_error("table_exists", &exists("t"), "already existing table");
        captured.check_error("config", &ErrorKind::Config, "Nothing");
        captured.check_error("unprepared", &ErrorKind::Unprepared { id: [7; 16].into() }, "07070707");
        let unavailable = ErrorKind::Unavailable { consistency: Consistency::All, required: 5, alive: 3 };
        captured.check_error("unavailable", &unavailable, "ALL");
        // Bytes that are no request, of an opcode that isn't one.
        captured.check_error("bad_opcode", &ErrorKind::Protocol, "opcode");
    }
}
