//! What belongs to a connection: compression, authentication, events, and how long a handshake may take.

mod common;

use std::io::Read;
use std::time::{Duration, Instant};

use common::{Answer, Client, KEYSPACE, int};
use helenus_core::protocol::request::{AuthResponse, Query, Register, Request, Startup};
use helenus_core::protocol::response::{Change, Event, Message, ResultMessage, SchemaTarget};
use helenus_core::protocol::wire::Value;
use helenus_core::protocol::{Compression, ErrorKind, Flags, Version};
use helenus_node::Node;

/// Every version with what it can be compressed by.
const COMPRESSED: [(Version, Compression); 5] = [
    (Version::V3, Compression::Lz4),
    (Version::V3, Compression::Snappy),
    (Version::V4, Compression::Lz4),
    (Version::V4, Compression::Snappy),
    (Version::V5, Compression::Lz4),
];

#[test]
fn what_is_compressed_arrives() {
    let node = Node::start().unwrap();
    let mut plain = Client::connect(node.addresses()[0], Version::V4);
    plain.run(KEYSPACE);
    plain.run("CREATE TABLE ks.kv (k int PRIMARY KEY, v text)");
    for (version, compression) in COMPRESSED {
        let mut client = Client::compressed(node.addresses()[0], version, compression);
        let insert = client.prepare("INSERT INTO ks.kv (k, v) VALUES (?, ?)");
        let select = client.prepare("SELECT v FROM ks.kv WHERE k = ?");
        let mut seed = 1u32;
        let noise = (0..300_000).map(|_| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            char::from(b' ' + (seed >> 25) as u8 % 90)
        });
        for text in [String::new(), "x".repeat(100), "x".repeat(1_000_000), noise.collect()] {
            let key = int(7);
            let values = [Value::Bytes(&key), Value::Bytes(text.as_bytes())];
            assert_eq!(client.execute(&insert, &values).result(), ResultMessage::Void);
            let rows = client.execute(&select, &values[..1]).rows();
            assert_eq!(rows, vec![vec![Some(text.into_bytes())]], "{version} {compression}");
        }
        assert!(matches!(client.query("nonsense").error().kind, ErrorKind::Syntax));
        // Several at once share a segment.
        let ask = |stream| client.encode(stream, &Request::Query(Query::new("SELECT key FROM system.local")));
        let many = (0..50).flat_map(ask).collect::<Vec<_>>();
        client.send_envelopes(&many);
        (0..50).for_each(|stream| assert_eq!(client.receive().header.stream, stream));
    }
}

#[test]
fn supported_names_the_compressions_and_startup_takes_no_others() {
    let node = Node::start().unwrap();
    for version in Version::ALL {
        let mut client = Client::raw(node.addresses()[0], version);
        let answer = client.ask(&Request::Options);
        let Message::Supported(options) = answer.message() else { panic!("{:?}", answer.message()) };
        assert!(options.contains(&("COMPRESSION", vec!["snappy", "lz4"])), "{options:?}");
        let mut refused = |name| {
            let options = vec![(Startup::CQL_VERSION, "3.0.0"), (Startup::COMPRESSION, name)];
            let error = client.ask(&Request::Startup(Startup { options })).error();
            assert_eq!(error.kind, ErrorKind::Protocol);
            error.message
        };
        assert_eq!(&*refused("deflate"), "Unknown compression algorithm: deflate");
        if version == Version::V5 {
            assert_eq!(&*refused("snappy"), "Snappy compression is not supported in protocol V5");
        }
        assert_eq!(client.ask(&Request::Startup(Startup::new())).message(), Message::Ready);
    }
}

#[test]
fn broken_compression_ends_the_connection() {
    let node = Node::builder().frame_limit_bytes(1 << 20).start().unwrap();
    for (version, compression) in COMPRESSED.into_iter().filter(|(version, _)| *version < Version::V5) {
        let mut bomb = Vec::new();
        compression.compress(&vec![b'x'; 2 << 20], &mut bomb).unwrap();
        for body in [&[0xff; 30][..], &[], &bomb] {
            let mut client = Client::compressed(node.addresses()[0], version, compression);
            let mut frame = vec![version.byte(), Flags::COMPRESSION.0, 0, 1, 7];
            frame.extend_from_slice(&(body.len() as u32).to_be_bytes());
            frame.extend_from_slice(body);
            client.write_all(&frame);
            assert!(client.receive().error().message.contains("can't be decompressed"));
            assert!(client.try_receive().is_none());
        }
        let mut client = Client::connect(node.addresses()[0], version);
        client.write_all(&[version.byte(), Flags::COMPRESSION.0, 0, 1, 7, 0, 0, 0, 1, 0]);
        assert!(client.receive().error().message.contains("no compression"));
        assert!(client.try_receive().is_none());
    }
}

/// Through with STARTUP on a node that wants a password.
fn asked(node: &Node, version: Version) -> Client {
    let mut client = Client::raw(node.addresses()[0], version);
    let answer = client.ask(&Request::Startup(Startup::new()));
    let authenticator = "org.apache.cassandra.auth.PasswordAuthenticator";
    assert_eq!(answer.message(), Message::Authenticate { authenticator });
    client.segments = version.has_segments();
    client
}

fn login(client: &mut Client, token: &[u8]) -> Answer {
    client.ask(&Request::AuthResponse(AuthResponse { token: Some(token) }))
}

#[test]
fn only_who_gives_a_password_comes_in() {
    let node = Node::builder().authentication("cassandra", "secret").authentication("second", "other");
    let node = node.start().unwrap();
    for version in Version::ALL {
        let mut client = asked(&node, version);
        for early in [Request::Query(Query::new("SELECT key FROM system.local")), Request::Options] {
            let error = client.ask(&early).error();
            assert_eq!(error.kind, ErrorKind::Protocol);
            assert!(error.message.starts_with("Unexpected message "), "{error}");
        }
        let error = login(&mut client, b"\0cassandra\0wrong").error();
        assert_eq!(error.kind, ErrorKind::Authentication);
        assert_eq!(&*error.message, "Provided username cassandra and/or password are incorrect");
        assert_eq!(login(&mut client, b"\0cassandra\0secret").message(), Message::AuthSuccess(None));
        assert_eq!(client.run("SELECT key FROM system.local").rows().len(), 1);
        let mut second = asked(&node, version);
        assert_eq!(login(&mut second, b"\0second\0other").message(), Message::AuthSuccess(None));
    }
}

#[test]
fn those_who_registered_are_told_of_the_schema() {
    let node = Node::builder().nodes(2).start().unwrap();
    let mut told = Version::ALL.map(|version| Client::connect(node.addresses()[1], version));
    let mut compressed = Client::compressed(node.addresses()[1], Version::V5, Compression::Lz4);
    let mut other = Client::connect(node.addresses()[1], Version::V4);
    for client in told.iter_mut().chain([&mut compressed]) {
        assert_eq!(client.register().message(), Message::Ready);
    }
    let events = vec!["STATUS_CHANGE"];
    assert_eq!(other.ask(&Request::Register(Register { events })).message(), Message::Ready);
    let error = other.ask(&Request::Register(Register { events: vec!["WEATHER"] })).error();
    assert_eq!(error.kind, ErrorKind::Protocol);
    let mut client = Client::connect(node.addresses()[0], Version::V5);
    client.run(KEYSPACE);
    client.run("CREATE TABLE ks.kv (k int PRIMARY KEY)");
    client.run("CREATE TABLE IF NOT EXISTS ks.kv (k int PRIMARY KEY)");
    client.run("DROP TABLE ks.kv");
    let keyspace = "ks";
    let table = SchemaTarget::Table { keyspace, name: "kv" };
    let expected = [
        (Change::Created, SchemaTarget::Keyspace { keyspace }),
        (Change::Created, table.clone()),
        (Change::Dropped, table),
    ];
    for client in told.iter_mut().chain([&mut compressed]) {
        for (change, target) in &expected {
            let answer = client.receive();
            assert_eq!(answer.header.stream, -1);
            let Message::Event(Event::SchemaChange(event)) = answer.message() else { panic!() };
            assert_eq!((&event.change, &event.target), (change, target));
        }
    }
    // Whoever asked for something else has nothing before its own answer.
    assert_eq!(other.run("SELECT key FROM system.local").rows().len(), 1);
}

#[test]
fn events_for_a_client_that_reads_none_do_not_pile_up() {
    let node = Node::start().unwrap();
    let mut deaf = Client::connect(node.addresses()[0], Version::V4);
    deaf.register();
    let mut client = Client::connect(node.addresses()[0], Version::V4);
    client.run(KEYSPACE);
    let name = "x".repeat(48);
    // Far more than the kernel's buffers and the node's limit together hold.
    for _ in 0..45_000 {
        client.run(&format!("CREATE TABLE ks.{name} (k int PRIMARY KEY)"));
        client.run(&format!("DROP TABLE ks.{name}"));
    }
    let mut events = 0;
    while deaf.try_receive().is_some() {
        events += 1;
    }
    assert!((1_000..90_000).contains(&events), "{events}");
}

#[test]
fn a_handshake_takes_no_longer_than_it_may() {
    let node = Node::builder().handshake_timeout(Duration::from_millis(300)).start().unwrap();
    let mut ready = Client::connect(node.addresses()[0], Version::V4);
    let start = Instant::now();
    let mut slow = Client::raw(node.addresses()[0], Version::V4);
    let request = slow.encode(1, &Request::Startup(Startup::new()));
    slow.write_all(&request[..5]);
    assert_eq!(slow.socket.read(&mut [0; 100]).unwrap(), 0, "the node ends it");
    assert!(start.elapsed() >= Duration::from_millis(290));
    ready.run("SELECT key FROM system.local");
}
