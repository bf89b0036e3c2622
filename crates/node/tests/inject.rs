//! What rules do, and the log.

#![expect(clippy::unwrap_used, reason = "what goes wrong fails the test")]

mod common;

use std::io::Read;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use common::{Client, KEYSPACE, Statement, int};
use helenus_core::protocol::request::{Batch, BatchKind, BatchOptions, BatchQuery, BatchStatement, Values};
use helenus_core::protocol::request::{Query, Request, Startup};
use helenus_core::protocol::response::{Message, ResultMessage};
use helenus_core::protocol::wire::Value;
use helenus_core::protocol::{Compression, segment};
use helenus_node::{
    Action, Consistency, ErrorKind, Failures, Node, Opcode, Rule, Script, ServerError, Version, WriteType,
};

const SELECT: &str = "SELECT key FROM system.local";

/// A node with a table and a client of it.
fn node(version: Version) -> (Node, Client) {
    let node = Node::start().unwrap();
    let mut client = Client::connect(node.addresses()[0], version);
    client.run(KEYSPACE);
    client.run("CREATE TABLE ks.kv (k int PRIMARY KEY, v text)");
    (node, client)
}

fn silent(client: &mut Client) -> bool {
    client.socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let silent = client.try_receive().is_none();
    client.socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    silent
}

fn rows(client: &mut Client) -> usize {
    client.run("SELECT k FROM ks.kv").rows().len()
}

fn insert(client: &mut Client) -> Statement {
    client.prepare("INSERT INTO ks.kv (k, v) VALUES (?, 'v')")
}

#[test]
fn errors_come_with_their_fields_in_each_version() {
    let (consistency, received, required) = (Consistency::LocalQuorum, 1, 2);
    let failures = |version| match version {
        Version::V5 => Failures::Reasons(vec![([127, 0, 0, 1].into(), 0)].into()),
        _ => Failures::Count(1),
    };
    let write_type = WriteType::Simple;
    for version in [Version::V4, Version::V5] {
        let (node, mut client) = node(version);
        let insert = insert(&mut client);
        for kind in [
            ErrorKind::Overloaded,
            ErrorKind::Unavailable { consistency, required, alive: 1 },
            ErrorKind::ReadTimeout { consistency, received, required, data_present: true },
            ErrorKind::WriteTimeout {
                consistency,
                received,
                required,
                write_type: write_type.clone(),
                contentions: None,
            },
            ErrorKind::ReadFailure {
                consistency,
                received,
                required,
                failures: failures(version),
                data_present: false,
            },
            ErrorKind::WriteFailure {
                consistency,
                received,
                required,
                failures: failures(version),
                write_type: write_type.clone(),
            },
            ErrorKind::Unknown { code: 0x7000 },
        ] {
            let given = match kind.clone() {
                ErrorKind::ReadFailure { data_present, .. } => {
                    let failures = Failures::Count(1);
                    ErrorKind::ReadFailure { consistency, received, required, failures, data_present }
                }
                other => other,
            };
            let rule = Rule::new(Action::Fail(ServerError::new(given, "as asked"))).opcode(Opcode::Execute);
            let rule = node.inject(rule).unwrap();
            let error = client.execute(&insert, &[Value::Bytes(&int(1))]).error();
            assert_eq!((error.kind, &*error.message), (kind, "as asked"));
            assert_eq!(node.remove_rule(rule).unwrap(), 1);
        }
        assert_eq!(rows(&mut client), 0, "none was run");
        let unknown = ErrorKind::CasWriteUnknown { consistency, received, required };
        node.inject(Rule::new(Action::RunThenFail(ServerError::new(unknown, ""))).opcode(Opcode::Execute))
            .unwrap();
        let error = client.execute(&insert, &[Value::Bytes(&int(1))]).error();
        assert_eq!(error.code(), if version == Version::V5 { 0x1700 } else { 0x1100 });
        assert_eq!(rows(&mut client), 1, "and this one was");
    }
}

#[test]
fn requests_and_answers_are_dropped_and_delayed() {
    for version in Version::ALL {
        let (node, mut client) = node(version);
        let insert = insert(&mut client);
        for (action, expected) in [(Action::DropRequest, 0), (Action::DropAnswer, 1)] {
            let rule = node.inject(Rule::new(action).table("kv").opcode(Opcode::Execute)).unwrap();
            let values = common::encode_values(&[Value::Bytes(&int(1))]);
            let request = Request::Execute(helenus_core::protocol::request::Execute {
                id: &insert.id,
                result_metadata_id: insert.result_metadata_id.as_deref(),
                parameters: helenus_core::protocol::request::Parameters {
                    values: Values::new(1, &values),
                    options: Default::default(),
                },
            });
            client.send(9, &request);
            assert!(silent(&mut client));
            assert_eq!(rows(&mut client), expected);
            node.remove_rule(rule).unwrap();
        }
        let delay = Duration::from_millis(150);
        node.inject(Rule::new(Action::Delay(delay)).statement("system.local").first(1)).unwrap();
        let start = Instant::now();
        client.send(1, &Request::Query(Query::new(SELECT)));
        client.send(2, &Request::Query(Query::new(SELECT)));
        assert_eq!(client.receive().header.stream, 2, "others pass");
        let answer = client.receive();
        assert_eq!((answer.header.stream, answer.rows().len()), (1, 1));
        assert!(start.elapsed() >= delay);
    }
}

#[test]
fn connections_are_closed_before_after_and_within() {
    for version in Version::ALL {
        let (node, mut client) = node(version);
        let insert = insert(&mut client);
        let whole = |action, answered, run| {
            let rule = node.inject(Rule::new(action).opcode(Opcode::Execute)).unwrap();
            let mut other = Client::connect(node.addresses()[0], version);
            other.send(1, &Request::Query(Query::new(SELECT)));
            other.receive();
            let before = rows(&mut other);
            let key = int(i32::try_from(before).unwrap());
            let values = common::encode_values(&[Value::Bytes(&key)]);
            other.send(
                7,
                &Request::Execute(helenus_core::protocol::request::Execute {
                    id: &insert.id,
                    result_metadata_id: insert.result_metadata_id.as_deref(),
                    parameters: helenus_core::protocol::request::Parameters {
                        values: Values::new(1, &values),
                        options: Default::default(),
                    },
                }),
            );
            assert_eq!(other.try_receive().is_some(), answered);
            assert!(other.try_receive().is_none());
            node.remove_rule(rule).unwrap();
            let mut check = Client::connect(node.addresses()[0], version);
            assert_eq!(rows(&mut check), before + usize::from(run));
        };
        whole(Action::CloseBefore, false, false);
        whole(Action::CloseAfter, true, true);
        whole(Action::CloseWithin(5), false, true);
        // Exactly so many bytes come.
        node.inject(Rule::new(Action::CloseWithin(7)).statement("system.local")).unwrap();
        client.send(1, &Request::Query(Query::new(SELECT)));
        let mut rest = Vec::new();
        client.socket.read_to_end(&mut rest).unwrap();
        assert_eq!(rest.len(), 7);
    }
}

#[test]
fn bytes_come_one_by_one_or_wrong() {
    for (version, compression) in [
        (Version::V4, None),
        (Version::V4, Some(Compression::Lz4)),
        (Version::V5, None),
        (Version::V5, Some(Compression::Lz4)),
    ] {
        let (node, mut client) = node(version);
        if let Some(compression) = compression {
            client = Client::compressed(node.addresses()[0], version, compression);
        }
        let rule = node.inject(Rule::new(Action::Bytewise).opcode(Opcode::Query)).unwrap();
        for _ in 0..3 {
            assert_eq!(client.run("SELECT * FROM system.local").rows().len(), 1);
        }
        assert_eq!(node.hits(rule).unwrap(), 3);
        node.clear_rules().unwrap();
        node.inject(Rule::new(Action::WrongStream(77)).opcode(Opcode::Query).nth(2)).unwrap();
        assert_eq!(client.ask(&Request::Query(Query::new(SELECT))).header.stream, 3);
        client.send(4, &Request::Query(Query::new(SELECT)));
        assert_eq!(client.receive().header.stream, 77);
        node.clear_rules().unwrap();
        node.inject(Rule::new(Action::Corrupt).opcode(Opcode::Query)).unwrap();
        client.send(4, &Request::Query(Query::new(SELECT)));
        let mut bytes = vec![0; 4_096];
        let mut count = 0;
        // A segment or envelope is small enough to come at once or nearly so.
        client.socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        while let Ok(more) = client.socket.read(&mut bytes[count..]) {
            count += more;
        }
        match (version, compression) {
            (Version::V5, None) => assert!(segment::parse(&bytes[..count]).is_err()),
            (Version::V5, Some(_)) => assert!(segment::lz4::parse(&bytes[..count]).is_err()),
            _ => assert_eq!(bytes[0], 0x84 ^ 0x55),
        }
        node.clear_rules().unwrap();
        node.inject(Rule::new(Action::Garbage(100)).opcode(Opcode::Query)).unwrap();
        client.send(4, &Request::Query(Query::new(SELECT)));
        client.socket.read_exact(&mut bytes[..100]).unwrap();
        assert!(bytes[..100].iter().any(|byte| *byte != bytes[0]));
    }
}

#[test]
fn statements_are_forgotten_on_demand() {
    for version in Version::ALL {
        let (node, mut client) = node(version);
        let insert = insert(&mut client);
        let key = int(1);
        let values = [Value::Bytes(&key)];
        node.inject(Rule::new(Action::Unprepared).first(2)).unwrap();
        // PREPARE executes nothing, and is left alone; QUERY too. Both count.
        client.run(SELECT);
        let error = client.execute(&insert, &values).error();
        assert_eq!(error.kind, ErrorKind::Unprepared { id: insert.id.clone().into() });
        // It is forgotten indeed.
        assert_eq!(client.execute(&insert, &values).error().kind, error.kind);
        client.prepare("INSERT INTO ks.kv (k, v) VALUES (?, 'v')");
        assert_eq!(client.execute(&insert, &values).result(), ResultMessage::Void);
        node.forget_prepared(0).unwrap();
        assert_eq!(client.execute(&insert, &values).error().kind, error.kind);
    }
}

#[test]
fn heartbeats_stay_unanswered_but_not_the_handshake() {
    let node = Node::start().unwrap();
    node.inject(Rule::new(Action::DropRequest).opcode(Opcode::Options).ready()).unwrap();
    let mut client = Client::raw(node.addresses()[0], Version::V4);
    assert!(matches!(client.ask(&Request::Options).message(), Message::Supported(_)));
    assert_eq!(client.ask(&Request::Startup(Startup::new())).message(), Message::Ready);
    client.send(1, &Request::Options);
    assert!(silent(&mut client));
    assert_eq!(client.run(SELECT).rows().len(), 1);
}

#[test]
fn connections_are_refused_or_ignored() {
    let node = Node::builder().nodes(2).start().unwrap();
    node.inject(Rule::refuse_connections().node(1).first(1)).unwrap();
    let mut refused = Client::raw(node.addresses()[1], Version::V4);
    assert!(refused.try_receive().is_none());
    Client::connect(node.addresses()[1], Version::V4);
    node.inject(Rule::ignore_connections().node(1)).unwrap();
    let mut ignored = Client::raw(node.addresses()[1], Version::V4);
    ignored.send(1, &Request::Startup(Startup::new()));
    assert!(silent(&mut ignored));
    TcpStream::connect(node.addresses()[1]).unwrap();
    Client::connect(node.addresses()[0], Version::V4);
}

#[test]
fn only_what_a_rule_names_is_met() {
    let node = Node::builder().nodes(2).log_limit(1_000).start().unwrap();
    let mut clients = [0, 0, 1].map(|at| Client::connect(node.addresses()[at], Version::V5));
    let numbers = node.connections(0).unwrap();
    let overloaded = || Action::Fail(ServerError::new(ErrorKind::Overloaded, ""));
    let mut met = |rule: Rule| {
        let rule = node.inject(rule).unwrap();
        let met =
            clients.each_mut().map(|client| matches!(client.query(SELECT).message(), Message::Error(_)));
        node.remove_rule(rule).unwrap();
        met
    };
    assert_eq!(met(Rule::new(overloaded())), [true; 3]);
    assert_eq!(met(Rule::new(overloaded()).node(1)), [false, false, true]);
    assert_eq!(met(Rule::new(overloaded()).connection(numbers[1])), [false, true, false]);
    assert_eq!(met(Rule::new(overloaded()).opcode(Opcode::Batch)), [false; 3]);
    assert_eq!(met(Rule::new(overloaded()).every(2)), [false, true, false]);
    assert_eq!(met(Rule::new(overloaded()).table("local")), [true; 3]);
    assert_eq!(met(Rule::new(overloaded()).table("system.local")), [true; 3]);
    assert_eq!(met(Rule::new(overloaded()).table("system.peers")), [false; 3]);
    assert_eq!(met(Rule::new(overloaded()).statement_prefix("SELECT")), [true; 3]);
    assert_eq!(met(Rule::new(overloaded()).statement_prefix("key")), [false; 3]);
    assert_eq!(met(Rule::new(overloaded()).statement("key")), [true; 3]);
    assert_eq!(met(Rule::new(overloaded()).probability(0.0, 1)), [false; 3]);
    let log = node.take_log().unwrap();
    let injected = log.iter().filter(|seen| seen.injected).count();
    assert_eq!((log.len(), injected), (3 + 12 * 3, 3 + 1 + 1 + 1 + 3 + 3 + 3 + 3));
    assert_eq!(node.log().unwrap(), []);
}

#[test]
fn the_log_tells_what_was_asked() {
    let node = Node::builder().log_limit(4).start().unwrap();
    let mut client = Client::connect(node.addresses()[0], Version::V4);
    client.run(KEYSPACE);
    client.run("CREATE TABLE ks.kv (k int PRIMARY KEY, v text)");
    let insert = insert(&mut client);
    let key = int(1);
    client.execute(&insert, &[Value::Bytes(&key)]);
    let values = common::encode_values(&[Value::Bytes(&key)]);
    let statements = vec![
        BatchStatement { query: BatchQuery::Prepared(&insert.id), values: Values::new(1, &values) },
        BatchStatement { query: BatchQuery::Text("INSERT INTO ks.kv (k) VALUES (2)"), values: Values::NONE },
    ];
    let options = BatchOptions { consistency: Consistency::EachQuorum, ..BatchOptions::default() };
    client.ask(&Request::Batch(Batch { kind: BatchKind::Logged, statements, options }));
    let log = node.log().unwrap();
    let opcodes = log.iter().map(|seen| seen.opcode).collect::<Vec<_>>();
    assert_eq!(opcodes, [Opcode::Query, Opcode::Prepare, Opcode::Execute, Opcode::Batch], "the last four");
    let text = "INSERT INTO ks.kv (k, v) VALUES (?, 'v')";
    assert_eq!(log[2].statement.as_deref(), Some(text));
    assert_eq!(log[3].statement, Some(format!("{text}; INSERT INTO ks.kv (k) VALUES (2)")));
    assert_eq!(log[3].consistency, Some(Consistency::EachQuorum));
    assert_eq!((log[2].node, log[2].connection, log[2].stream, log[2].version), (0, 1, 3, Version::V4));
    assert!(log.windows(2).all(|pair| pair[0].at <= pair[1].at));
    node.set_log_limit(0).unwrap();
    client.run(SELECT);
    assert_eq!(node.log().unwrap(), []);
}

#[test]
fn a_script_is_carried_out_in_time() {
    let mut node = Node::builder().nodes(2).start().unwrap();
    let script = "rule prefix=SELECT first=1 do=fail:unavailable,consistency=ALL,required=3,alive=2\n\
                  at 50ms stop 1\nat 150ms restart 1\nat 200ms add east r1\n";
    let (now, later) = Script::parse(script).unwrap().split_start();
    now.run(&mut node).unwrap();
    let mut client = Client::connect(node.addresses()[0], Version::V4);
    assert_eq!(client.register().message(), Message::Ready);
    let expected = ErrorKind::Unavailable { consistency: Consistency::All, required: 3, alive: 2 };
    assert_eq!(client.query(SELECT).error().kind, expected);
    let start = Instant::now();
    later.run(&mut node).unwrap();
    assert!(start.elapsed() >= Duration::from_millis(200));
    let names = (0..4).map(|_| match client.receive().message() {
        Message::Event(helenus_core::protocol::response::Event::StatusChange { change, .. }) => {
            change.name().to_owned()
        }
        Message::Event(helenus_core::protocol::response::Event::TopologyChange { change, .. }) => {
            change.name().to_owned()
        }
        other => panic!("{other:?}"),
    });
    assert_eq!(names.collect::<Vec<_>>(), ["DOWN", "UP", "NEW_NODE", "UP"]);
    assert!(Script::parse("stop 7").unwrap().run(&mut node).unwrap_err().to_string().contains("no node 7"));
}
