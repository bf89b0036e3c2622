//! Writes the fixtures anew, from the first node of a real cluster of three.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Duration;

use helenus_core::protocol::request::{
    Execute, ParameterOptions, Parameters, Prepare, Query, Register, Request, Startup, Values,
};
use helenus_core::protocol::response::{Message, Response, ResultMessage};
use helenus_core::protocol::{Consistency, Flags, Header, Opcode, Version, envelope, segment, wire};

/// One connection, and what came over it.
struct Recorder {
    socket: TcpStream,
    version: Version,
    segments: bool,
    lines: String,
}

#[test]
#[ignore = "SKIPPED: records the fixtures anew from a real cluster of three nodes: `HELENUS_CASSANDRA=127.0.0.1 cargo test -p helenus --test captured -- --ignored`"]
fn record() {
    for version in super::VERSIONS {
        let file =
            PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/captured/v{}.txt", version.byte()));
        std::fs::write(file, record_version(version)).unwrap();
    }
}

fn record_version(version: Version) -> String {
    let mut refused = Recorder::connect(version);
    refused.send_bytes(&[0x42, 0, 0, 0, Opcode::Options.byte(), 0, 0, 0, 0]);
    refused.record("version_refused");

    let mut on = Recorder::connect(version);
    on.lines = format!(
        "# Protocol {version}, from Apache Cassandra 5.0.8: name, and the bytes that came.\n{}",
        refused.lines
    );
    on.ask("supported", &Request::Options);
    on.ask("ready", &Request::Startup(Startup::new()));
    on.segments = version.has_segments();
    on.schema(&mut |on| {
        on.query("create_keyspace", "CREATE KEYSPACE captured WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}");
        on.query("create_table", "CREATE TABLE captured.t (id bigint PRIMARY KEY, name text)");
        on.statements();
        on.types();
        on.errors();
        on.events();
    });
    on.lines
}

impl Recorder {
    fn connect(version: Version) -> Self {
        let hosts = std::env::var("HELENUS_CASSANDRA").expect("HELENUS_CASSANDRA names a node");
        let host = hosts.split(',').next().unwrap();
        let socket = TcpStream::connect((host, 9042)).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        Self { socket, version, segments: false, lines: String::new() }
    }

    /// With nothing left of an earlier run, and leaving nothing.
    fn schema(&mut self, work: &mut dyn FnMut(&mut Self)) {
        let clean = |on: &mut Self| {
            for keyspace in ["captured", "captured_many"] {
                on.send(
                    &Request::Query(Query::new(&format!("DROP KEYSPACE IF EXISTS {keyspace}"))),
                    Flags::NONE,
                );
                on.receive();
            }
        };
        clean(self);
        work(self);
        clean(self);
    }

    fn statements(&mut self) {
        let insert = self.prepare("prepare_insert", "INSERT INTO captured.t (id, name) VALUES (?, ?)");
        let select = self.prepare("prepare_select", "SELECT id, name FROM captured.t WHERE id = ?");
        let mut values = Vec::new();
        wire::put_value(&mut values, wire::Value::Bytes(&1_i64.to_be_bytes())).unwrap();
        let key_bytes = values.len();
        wire::put_value(&mut values, wire::Value::Bytes(b"one")).unwrap();
        self.execute("void", &insert, Values::new(2, &values), Flags::NONE);
        self.execute("traced", &insert, Values::new(2, &values), Flags::TRACING);
        self.query("inserted_null", "INSERT INTO captured.t (id) VALUES (2)");
        self.execute("row", &select, Values::new(1, &values[..key_bytes]), Flags::NONE);
        values.clear();
        wire::put_value(&mut values, wire::Value::Bytes(&2_i64.to_be_bytes())).unwrap();
        self.execute("null", &select, Values::new(1, &values), Flags::NONE);
        self.query("page", "SELECT id, name FROM captured.t");
        self.query("count", "SELECT count(*) FROM captured.t");
        self.query("use", "USE captured");
    }

    fn types(&mut self) {
        self.query("create_type", "CREATE TYPE captured.address (street text, zip int)");
        let columns = "id int PRIMARY KEY, a ascii, address frozen<address>, b blob, d duration, dec decimal, f float, i inet, \
                       l list<frozen<tuple<int, text>>>, m map<text, frozen<set<uuid>>>, s set<timeuuid>, small smallint, \
                       t time, ti tinyint, ts timestamp, v varint, vec vector<float, 3>";
        self.query("create_types", &format!("CREATE TABLE captured.types ({columns})"));
        self.query("types", "SELECT * FROM captured.types");
    }

    fn errors(&mut self) {
        let strategy = |replicas| format!("{{'class': 'SimpleStrategy', 'replication_factor': {replicas}}}");
        self.query("syntax", "SELEKT 1");
        self.query("invalid", "SELECT nothing FROM captured.t");
        self.query(
            "keyspace_exists",
            &format!("CREATE KEYSPACE captured WITH replication = {}", strategy(1)),
        );
        self.query("table_exists", "CREATE TABLE captured.t (id int PRIMARY KEY)");
        self.query("config", "CREATE KEYSPACE x WITH replication = {'class': 'Nothing'}");
        self.execute("unprepared", &(vec![7; 16], Some(vec![7; 16])), Values::NONE, Flags::NONE);
        self.query(
            "create_many",
            &format!("CREATE KEYSPACE captured_many WITH replication = {}", strategy(5)),
        );
        self.query("create_many_table", "CREATE TABLE captured_many.t (id int PRIMARY KEY)");
        let options = ParameterOptions { consistency: Consistency::All, ..ParameterOptions::default() };
        let parameters = Parameters { values: Values::NONE, options };
        self.ask(
            "unavailable",
            &Request::Query(Query { text: "INSERT INTO captured_many.t (id) VALUES (1)", parameters }),
        );
    }

    /// A change of the schema, as it is told on another connection. Then a last word that ends the connection.
    fn events(&mut self) {
        let mut watching = Self::connect(self.version);
        watching.send(&Request::Startup(Startup::new()), Flags::NONE);
        watching.receive();
        watching.segments = self.segments;
        watching.ask("registered", &Request::Register(Register { events: vec!["SCHEMA_CHANGE"] }));
        self.query("create_watched", "CREATE TABLE captured.watched (id int PRIMARY KEY)");
        watching.record("event");
        self.lines.push_str(&watching.lines);
        let mut other = Self::connect(self.version);
        other.send_bytes(&[self.version.byte(), 0, 0, 0, 0x55, 0, 0, 0, 0]);
        other.record("bad_opcode");
        self.lines.push_str(&other.lines);
    }

    fn query(&mut self, name: &str, text: &str) {
        let options = ParameterOptions { page_size: Some(1), ..ParameterOptions::default() };
        let parameters = Parameters { values: Values::NONE, options };
        self.ask(name, &Request::Query(Query { text, parameters }));
        if text.starts_with("CREATE") {
            // A replica that hasn't heard of the table yet would let a read wait until it times out.
            std::thread::sleep(Duration::from_millis(1_500));
        }
    }

    fn prepare(&mut self, name: &str, text: &str) -> (Vec<u8>, Option<Vec<u8>>) {
        self.send(&Request::Prepare(Prepare { text, keyspace: None }), Flags::NONE);
        let (raw, header, body) = self.receive();
        self.line(name, &raw);
        let response = Response::decode(self.version, &header, &body).unwrap();
        let Message::Result(ResultMessage::Prepared(prepared)) = response.message else {
            panic!("{name}: {response:?}")
        };
        (prepared.id.to_vec(), prepared.result_metadata_id.map(<[u8]>::to_vec))
    }

    fn execute(
        &mut self,
        name: &str,
        statement: &(Vec<u8>, Option<Vec<u8>>),
        values: Values<'_>,
        flags: Flags,
    ) {
        let options = ParameterOptions { skip_metadata: true, ..ParameterOptions::default() };
        let (id, result_metadata_id) = (&statement.0, statement.1.as_deref());
        let execute = Execute { id, result_metadata_id, parameters: Parameters { values, options } };
        self.send(&Request::Execute(execute), flags);
        self.record(name);
    }

    fn ask(&mut self, name: &str, request: &Request<'_>) {
        self.send(request, Flags::NONE);
        self.record(name);
    }

    fn send(&mut self, request: &Request<'_>, flags: Flags) {
        let mut bytes = Vec::new();
        let start = if self.segments { segment::open(&mut bytes) } else { 0 };
        let at = envelope::begin(&mut bytes, self.version, flags, request.opcode());
        request.put(self.version, &mut bytes).unwrap();
        envelope::finish(&mut bytes, at).unwrap();
        if self.segments {
            segment::close(&mut bytes, start, true).unwrap();
        }
        self.send_bytes(&bytes);
    }

    fn send_bytes(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).unwrap();
    }

    fn record(&mut self, name: &str) {
        let (raw, _, _) = self.receive();
        self.line(name, &raw);
    }

    fn line(&mut self, name: &str, raw: &[u8]) {
        let hex: String = raw.iter().map(|byte| format!("{byte:02x}")).collect();
        writeln!(self.lines, "{name}: {hex}").unwrap();
    }

    /// One envelope: its bytes as they came, header and body.
    fn receive(&mut self) -> (Vec<u8>, Header, Vec<u8>) {
        let (mut raw, mut envelope) = (Vec::new(), Vec::new());
        loop {
            if let Some(header) = envelope.first_chunk().map(Header::parse) {
                if envelope.len() == Header::LEN + header.length as usize {
                    return (raw, header, envelope.split_off(Header::LEN));
                }
            }
            let wanted = if self.segments { self.segment_bytes() } else { self.envelope_bytes(&envelope) };
            if self.segments {
                envelope.extend_from_slice(segment::parse(&wanted).unwrap().unwrap().payload);
            } else {
                envelope.extend_from_slice(&wanted);
            }
            raw.extend(wanted);
        }
    }

    fn segment_bytes(&mut self) -> Vec<u8> {
        let mut bytes = self.exactly(segment::HEADER_LEN);
        let left = segment::encoded_len(&bytes).unwrap() - bytes.len();
        bytes.extend(self.exactly(left));
        bytes
    }

    fn envelope_bytes(&mut self, envelope: &[u8]) -> Vec<u8> {
        match envelope.first_chunk().map(Header::parse) {
            None => self.exactly(Header::LEN),
            Some(header) => self.exactly(header.length as usize),
        }
    }

    fn exactly(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.socket.read_exact(&mut bytes).unwrap();
        bytes
    }
}
