//! The protocol's rules, in each version: handshake, refusals, frames cut and glued, hostile bytes.

mod common;

use std::io::{Read, Write};
use std::time::Duration;

use common::{Client, int, kv};
use helenus_core::protocol::request::{Query, Request, Startup};
use helenus_core::protocol::response::{Message, ResultMessage};
use helenus_core::protocol::wire::Value;
use helenus_core::protocol::{ErrorKind, Version, segment};
use helenus_node::Node;

#[test]
fn the_handshake_in_each_version() {
    let node = Node::start().unwrap();
    for version in Version::ALL {
        let mut client = Client::raw(node.addresses()[0], version);
        let answer = client.ask(&Request::Options);
        let Message::Supported(options) = answer.message() else { panic!("{:?}", answer.message()) };
        assert!(options.iter().any(|(name, values)| *name == "CQL_VERSION" && values == &["3.4.6"]));
        let early = client.query("SELECT * FROM system.local").error();
        assert_eq!(early.kind, ErrorKind::Protocol, "{early}");
        assert_eq!(client.ask(&Request::Startup(Startup::new())).message(), Message::Ready);
        client.segments = version.has_segments();
        assert_eq!(client.register().message(), Message::Ready);
        assert_eq!(client.query("SELECT key FROM system.local").rows(), vec![vec![Some(b"local".to_vec())]]);
    }
}

#[test]
fn other_versions_are_refused_as_cassandra_refuses_them() {
    let node = Node::start().unwrap();
    let mut client = Client::raw(node.addresses()[0], Version::V4);
    client.socket.write_all(&[66, 0, 0, 5, 5, 0, 0, 0, 0]).unwrap();
    let answer = client.receive();
    assert_eq!((answer.header.version, answer.header.stream), (5, 5));
    let error = answer.error();
    assert_eq!(error.kind, ErrorKind::Protocol);
    let expected = "Invalid or unsupported protocol version (66); the lowest supported version is 3 and the greatest is 5";
    assert_eq!(&*error.message, expected);
    assert!(client.try_receive().is_none(), "the connection ends");
}

#[test]
fn a_node_told_to_speak_less_refuses_the_rest() {
    let node = Node::builder().versions(Version::V3..=Version::V4).start().unwrap();
    let mut client = Client::raw(node.addresses()[0], Version::V5);
    client.send(1, &Request::Startup(Startup::new()));
    let answer = client.receive();
    assert_eq!((answer.header.version, answer.header.stream), (4, 1));
    assert!(answer.error().message.ends_with("(5); the lowest supported version is 3 and the greatest is 4"));
    Client::connect(node.addresses()[0], Version::V4).run("SELECT key FROM system.local");
}

#[test]
fn frames_come_in_single_bytes_or_many_at_once() {
    for version in Version::ALL {
        let (_node, mut client) = kv(version);
        let request = |client: &Client, stream: i16| {
            client.encode(stream, &Request::Query(Query::new("SELECT key FROM system.local")))
        };
        let all = (0..200).flat_map(|stream| request(&client, stream)).collect::<Vec<_>>();
        client.send_envelopes(&all);
        for stream in 0..200 {
            assert_eq!(client.receive().header.stream, stream);
        }
        let bytes = client.framed(&request(&client, 9));
        for byte in bytes {
            client.socket.write_all(&[byte]).unwrap();
        }
        assert_eq!(client.receive().header.stream, 9);
    }
}

#[test]
fn messages_larger_than_a_segment_go_both_ways() {
    for version in Version::ALL {
        let (_node, mut client) = kv(version);
        let insert = client.prepare("INSERT INTO kv (k, v) VALUES (?, ?)");
        let select = client.prepare("SELECT v FROM kv WHERE k = ?");
        for len in [131_000, 131_072, 400_000, 3_000_000] {
            let text = "x".repeat(len);
            let key = int(7);
            let values = [Value::Bytes(&key), Value::Bytes(text.as_bytes())];
            assert_eq!(client.execute(&insert, &values).result(), ResultMessage::Void);
            let rows = client.execute(&select, &values[..1]).rows();
            assert_eq!(rows, vec![vec![Some(text.into_bytes())]]);
        }
    }
}

#[test]
fn a_request_longer_than_the_limit_ends_the_connection() {
    let node = Node::builder().frame_limit_bytes(1000).start().unwrap();
    for version in Version::ALL {
        let mut client = Client::connect(node.addresses()[0], version);
        let long = format!("SELECT key FROM system.local -- {}", "x".repeat(1000));
        client.send(1, &Request::Query(Query::new(&long)));
        assert!(client.receive().error().message.contains("too big"));
        assert!(client.try_receive().is_none());
    }
}

#[test]
fn garbage_ends_its_connection_and_no_other() {
    let (node, mut good) = kv(Version::V5);
    let address = node.addresses()[0];
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed as u8
    };
    for round in 0..200 {
        let version = Version::ALL[round % 3];
        let mut bad =
            if round % 2 == 0 { Client::connect(address, version) } else { Client::raw(address, version) };
        let mut bytes = (0..200).map(|_| random()).collect::<Vec<_>>();
        // Half of them have a good header in front, so that bodies are garbage too.
        if round % 4 < 2 {
            bytes[..9].copy_from_slice(&[
                version.byte(),
                0,
                0,
                1,
                [1, 7, 9, 10, 11, 13][round % 6],
                0,
                0,
                0,
                100,
            ]);
        }
        // And of those in segments, half are slices of something larger.
        if bad.segments && round % 8 < 4 {
            bytes = bad.framed(&bytes);
        } else if bad.segments {
            let payload = std::mem::take(&mut bytes);
            segment::put_large(&mut bytes, &payload).unwrap();
        }
        bad.socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        bad.socket.write_all(&bytes).unwrap();
        let mut rest = Vec::new();
        // Closed, or waiting for more: either will do, as long as the node lives.
        let _ = bad.socket.read_to_end(&mut rest);
    }
    assert_eq!(good.query("SELECT key FROM system.local").rows().len(), 1);
}

#[test]
fn a_wrong_checksum_ends_the_connection() {
    let node = Node::start().unwrap();
    for at in [0, 3, 8, 30] {
        let mut client = Client::connect(node.addresses()[0], Version::V5);
        let request = client.encode(1, &Request::Query(Query::new("SELECT key FROM system.local")));
        let mut bytes = client.framed(&request);
        bytes[at] ^= 1;
        client.socket.write_all(&bytes).unwrap();
        assert!(client.try_receive().is_none(), "byte {at}");
    }
}

#[test]
fn a_length_that_is_claimed_is_not_allocated() {
    let node = Node::start().unwrap();
    let mut clients = Vec::new();
    for _ in 0..500 {
        // 16 MiB each are announced and never come.
        let mut client = Client::raw(node.addresses()[0], Version::V4);
        client.socket.write_all(&[4, 0, 0, 1, 7, 1, 0, 0, 0]).unwrap();
        clients.push(client);
    }
    Client::connect(node.addresses()[0], Version::V4).run("SELECT key FROM system.local");
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    let kilobytes: usize = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(kilobytes < 1_000_000, "{line}");
}

#[test]
fn connections_beyond_the_limit_are_closed() {
    let node = Node::builder().connection_limit(2).start().unwrap();
    let address = node.addresses()[0];
    let first = Client::connect(address, Version::V4);
    let _second = Client::connect(address, Version::V4);
    let mut third = Client::raw(address, Version::V4);
    let _ = third.socket.write_all(&third.encode(1, &Request::Options));
    assert!(third.try_receive().is_none());
    drop(first);
    // The node learns of it in its own time.
    let again = (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(20));
        let mut client = Client::raw(address, Version::V4);
        client.socket.write_all(&client.encode(1, &Request::Options)).is_ok()
            && client.try_receive().is_some()
    });
    assert!(again);
}

#[test]
fn a_client_that_reads_nothing_is_not_answered_without_end() {
    let (_node, mut client) = kv(Version::V4);
    let value = "x".repeat(1 << 20);
    client.run(&format!("INSERT INTO kv (k, v) VALUES (1, '{value}')"));
    let request = client.encode(1, &Request::Query(Query::new("SELECT v FROM kv WHERE k = 1")));
    let many = request.repeat(400);
    let mut socket = client.socket.try_clone().unwrap();
    let writer = std::thread::spawn(move || socket.write_all(&many));
    std::thread::sleep(Duration::from_millis(300));
    for _ in 0..400 {
        assert_eq!(client.receive().rows()[0][0].as_ref().unwrap().len(), 1 << 20);
    }
    writer.join().unwrap().unwrap();
}

#[test]
fn a_segment_of_small_requests_for_much_is_answered_as_it_is_read() {
    let (_node, mut client) = kv(Version::V5);
    let value = "x".repeat(4 << 20);
    client.run(&format!("INSERT INTO kv (k, v) VALUES (1, '{value}')"));
    client.segments = false;
    let request = client.encode(1, &Request::Query(Query::new("SELECT v FROM kv WHERE k = 1")));
    let options = client.encode(2, &Request::Options);
    client.segments = true;
    // More than the node keeps for all connections.
    let count = 140;
    let bytes = client.framed(&[request.repeat(count), options].concat());
    assert!(bytes.len() < 20_000, "one segment");
    client.socket.write_all(&bytes).unwrap();
    for _ in 0..count {
        assert_eq!(client.receive().rows()[0][0].as_ref().unwrap().len(), 4 << 20);
    }
    assert_eq!(client.receive().header.stream, 2, "in their order");
}

#[test]
fn a_dropped_node_closes_its_port() {
    let node = Node::start().unwrap();
    let address = node.addresses()[0];
    let mut client = Client::connect(address, Version::V4);
    drop(node);
    assert!(client.try_receive().is_none());
    assert!(std::net::TcpStream::connect(address).is_err());
}
