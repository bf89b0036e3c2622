//! Requests that are almost right: whatever they say, the node answers or ends the connection, and lives.

#![expect(clippy::unwrap_used, reason = "what goes wrong fails the test")]

mod common;

use std::time::Duration;

use common::{Client, KEYSPACE, int};
use helenus_core::protocol::request::{
    AuthResponse, Batch, BatchKind, BatchOptions, BatchQuery, BatchStatement, Execute, ParameterOptions,
    Parameters, Prepare, Query, Register, Request, Startup, Values,
};
use helenus_core::protocol::wire::Value;
use helenus_core::protocol::{Compression, Consistency, Header, Opcode, Version, envelope};
use helenus_node::Node;

/// The stream of the request by which it is seen that the node goes on.
const PROBE: i16 = 999;

struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % limit
    }

    /// Changes bytes, cuts, repeats or inserts.
    fn spoil(&mut self, body: &mut Vec<u8>) {
        for _ in 0..=self.below(3) {
            let at = self.below(body.len() + 1);
            match self.below(5) {
                0 | 1 if at < body.len() => {
                    body[at] = [0, 1, 0x7f, 0x80, 0xff, self.below(256) as u8][self.below(6)]
                }
                2 => body.truncate(at),
                3 => {
                    let part = body[at..].to_vec();
                    body.extend_from_slice(&part[..part.len().min(100)]);
                }
                _ => body.insert(at, self.below(256) as u8),
            }
        }
    }
}

/// Requests of every kind, as bodies.
fn bodies(client: &mut Client) -> Vec<(Opcode, Vec<u8>)> {
    let version = client.version;
    let insert = client.prepare("INSERT INTO ks.kv (k, v) VALUES (?, ?)");
    let select = client.prepare("SELECT k, v FROM ks.kv WHERE k = ?");
    let key = int(1);
    let values = common::encode_values(&[Value::Bytes(&key), Value::Bytes(b"text")]);
    let options = ParameterOptions {
        page_size: Some(10),
        serial_consistency: Some(Consistency::Serial),
        timestamp: Some(1),
        ..ParameterOptions::default()
    };
    let parameters = |count| Parameters {
        values: Values::new(count, &values[..if count == 1 { 8 } else { values.len() }]),
        options,
    };
    let execute = |id, known, count| {
        Request::Execute(Execute { id, result_metadata_id: known, parameters: parameters(count) })
    };
    let statements = vec![
        BatchStatement { query: BatchQuery::Prepared(&insert.id), values: Values::new(2, &values) },
        BatchStatement { query: BatchQuery::Text("INSERT INTO ks.kv (k) VALUES (2)"), values: Values::NONE },
    ];
    let requests = [
        Request::Options,
        Request::Startup(Startup::new()),
        Request::AuthResponse(AuthResponse { token: Some(b"\0user\0password") }),
        Request::Register(Register { events: vec!["SCHEMA_CHANGE", "STATUS_CHANGE"] }),
        Request::Query(Query { text: "INSERT INTO ks.kv (k, v) VALUES (?, ?)", parameters: parameters(2) }),
        Request::Query(Query::new("SELECT * FROM ks.kv WHERE k IN (1, 2) AND token(k) > -5 LIMIT 7")),
        Request::Query(Query::new(
            "CREATE TABLE ks.t (a int, b text, PRIMARY KEY (a, b)) WITH comment = 'x'",
        )),
        Request::Prepare(Prepare { text: "UPDATE ks.kv SET v = ? WHERE k = ? IF v = 'x'", keyspace: None }),
        execute(&insert.id, insert.result_metadata_id.as_deref(), 2),
        execute(&select.id, select.result_metadata_id.as_deref(), 1),
        Request::Batch(Batch { kind: BatchKind::Logged, statements, options: BatchOptions::default() }),
    ];
    let body = |request: &Request<'_>| {
        let mut body = Vec::new();
        request.put(version, &mut body).unwrap();
        (request.opcode(), body)
    };
    requests.iter().map(body).collect()
}

fn framed(client: &Client, version: Version, opcode: u8, flags: u8, stream: i16, body: &[u8]) -> Vec<u8> {
    let length = body.len() as u32;
    let mut bytes = Vec::new();
    let flags = helenus_core::protocol::Flags(flags);
    Header { version: version.byte(), response: false, flags, stream, opcode, length }.put(&mut bytes);
    bytes.extend_from_slice(body);
    client.framed(&bytes)
}

#[test]
fn requests_that_are_almost_right() {
    let node = Node::builder().memory_limit_bytes(64 << 20).start().unwrap();
    let address = node.addresses()[0];
    let mut first = Client::connect(address, Version::V4);
    first.run(KEYSPACE);
    first.run("CREATE TABLE ks.kv (k int PRIMARY KEY, v text)");
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let ways = [
        (Version::V3, None),
        (Version::V4, None),
        (Version::V4, Some(Compression::Lz4)),
        (Version::V4, Some(Compression::Snappy)),
        (Version::V5, None),
        (Version::V5, Some(Compression::Lz4)),
    ];
    let (mut answered, mut ended) = (0, 0);
    for (version, compression) in ways {
        let connect = || match compression {
            None => Client::connect(address, version),
            Some(compression) => Client::compressed(address, version, compression),
        };
        let mut client = connect();
        let bodies = bodies(&mut client);
        for round in 0..1_500 {
            let (opcode, mut body) = bodies[round % bodies.len()].clone();
            let mut opcode = opcode.byte();
            random.spoil(&mut body);
            if random.below(50) == 0 {
                opcode = random.below(32) as u8;
            }
            let flags = if random.below(10) == 0 { random.below(32) as u8 } else { 0 };
            let bytes = framed(&client, version, opcode, flags, 1, &body);
            let probe = client.encode(PROBE, &Request::Options);
            let probe = client.framed(&probe);
            // The connection may be gone by the second.
            let _ = std::io::Write::write_all(&mut client.socket, &[bytes, probe].concat());
            // Until the probe is answered. Events may come as well, if REGISTER got through.
            loop {
                match client.try_receive() {
                    Some(answer) if answer.header.stream == PROBE => {
                        answered += 1;
                        break;
                    }
                    Some(_) => {}
                    None => {
                        ended += 1;
                        client = connect();
                        break;
                    }
                }
            }
        }
    }
    assert!(answered > 5_000 && ended > 100, "{answered} went on, {ended} ended");
    // It is as it was, for others.
    first.query("CREATE TABLE IF NOT EXISTS ks.kv (k int PRIMARY KEY, v text)");
    assert_eq!(Client::connect(address, Version::V5).run("SELECT key FROM system.local").rows().len(), 1);
}

#[test]
fn envelopes_of_any_length_in_segments() {
    let node = Node::builder().frame_limit_bytes(1 << 20).start().unwrap();
    let mut random = Random(7);
    for round in 0..300 {
        let mut client = Client::connect(node.addresses()[0], Version::V5);
        client.socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let mut bytes = Vec::new();
        let start =
            envelope::begin(&mut bytes, Version::V5, helenus_core::protocol::Flags::NONE, Opcode::Query);
        Query::new("SELECT key FROM system.local").put(Version::V5, &mut bytes).unwrap();
        envelope::finish(&mut bytes, start).unwrap();
        // The length that it claims, in a segment that is right.
        let length = [0, 1, 0x7fff_ffff, 0xffff_ffff, 1 << 20, random.below(1 << 22) as u32][round % 6];
        bytes[5..9].copy_from_slice(&length.to_be_bytes());
        let framed = client.framed(&bytes);
        let _ = std::io::Write::write_all(&mut client.socket, &framed);
        while client.try_receive().is_some() {}
    }
    Client::connect(node.addresses()[0], Version::V5).run("SELECT key FROM system.local");
}
