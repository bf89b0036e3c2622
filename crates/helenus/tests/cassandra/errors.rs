//! What the server refuses, warns of and traces.

use helenus::{Consistency, Error, ErrorKind, SerialConsistency, Version};

use crate::cluster::{Stage, builder};
use crate::common::Kind;
use crate::on_real_cassandra;

on_real_cassandra!(refusals_are_typed, warnings_and_traces, keyspaces_and_conditional_writes);

fn kind_of(error: &Error) -> &ErrorKind {
    &error.server_error().unwrap_or_else(|| panic!("{error:?}")).kind
}

fn refusals_are_typed(kind: Kind) {
    let stage = Stage::new(kind);
    let keyspace = stage.keyspace.clone();
    stage.schema(&format!("CREATE TABLE {} (id int PRIMARY KEY, name text)", stage.name("t")));
    let many = format!("{keyspace}_many");
    let strategy = |replicas| format!("{{'class': 'SimpleStrategy', 'replication_factor': {replicas}}}");
    stage.schema(&format!("CREATE KEYSPACE {many} WITH replication = {}", strategy(5)));
    stage.schema(&format!("CREATE TABLE {many}.t (id int PRIMARY KEY)"));
    for version in [Version::V3, Version::V4, Version::V5] {
        let session = kind.connect(builder().protocol_version(version)).unwrap();
        let refused = |text: &str| session.query(text, ()).wait().unwrap_err();
        assert_eq!(*kind_of(&refused("SELEKT 1")), ErrorKind::Syntax);
        assert_eq!(*kind_of(&session.prepare("SELEKT 1").wait().unwrap_err()), ErrorKind::Syntax);
        assert_eq!(*kind_of(&refused("SELECT * FROM nowhere.t")), ErrorKind::Invalid);
        assert_eq!(*kind_of(&refused(&format!("SELECT nothing FROM {keyspace}.t"))), ErrorKind::Invalid);
        assert_eq!(
            *kind_of(&refused(&format!("CREATE TABLE {keyspace}.t (id int PRIMARY KEY)"))),
            ErrorKind::AlreadyExists { keyspace: keyspace.as_str().into(), table: "t".into() }
        );
        assert_eq!(
            *kind_of(&refused(&format!("CREATE KEYSPACE {keyspace} WITH replication = {}", strategy(1)))),
            ErrorKind::AlreadyExists { keyspace: keyspace.as_str().into(), table: "".into() }
        );
        assert_eq!(
            *kind_of(&refused("CREATE KEYSPACE x WITH replication = {'class': 'Nothing'}")),
            ErrorKind::Config
        );
        // More replicas are wanted than there are nodes.
        let unavailable =
            session.query(format!("INSERT INTO {many}.t (id) VALUES (1)"), ()).consistency(Consistency::All);
        let error = unavailable.wait().unwrap_err();
        assert_eq!(
            *kind_of(&error),
            ErrorKind::Unavailable { consistency: Consistency::All, required: 5, alive: 3 }
        );
        assert!(error.to_string().contains("alive"), "{error}");
        // A value of the wrong length, which only the server can see.
        let error =
            session.query(format!("INSERT INTO {keyspace}.t (id) VALUES (?)"), (1_i64,)).wait().unwrap_err();
        assert_eq!(*kind_of(&error), ErrorKind::Invalid, "{error}");
        session.query(format!("INSERT INTO {keyspace}.t (id) VALUES (?)"), (1_i32,)).wait().unwrap();
    }
    stage.schema(&format!("DROP KEYSPACE {many}"));
}

fn warnings_and_traces(kind: Kind) {
    let stage = Stage::new(kind);
    stage.schema(&format!("CREATE TABLE {} (id int PRIMARY KEY, name text)", stage.name("t")));
    for version in [Version::V4, Version::V5] {
        let session = kind.connect(builder().protocol_version(version)).unwrap();
        let insert =
            session.prepare(format!("INSERT INTO {} (id) VALUES (?)", stage.name("t"))).wait().unwrap();
        let first = session.execute(&insert, (1,)).tracing().wait().unwrap();
        let second = session.execute(&insert, (2,)).tracing().wait().unwrap();
        assert!(first.tracing_id().is_some() && first.tracing_id() != second.tracing_id());
        assert!(session.execute(&insert, (3,)).wait().unwrap().tracing_id().is_none());
        let trace = first.trace(&session).unwrap().wait().unwrap();
        assert_eq!(trace.id, first.tracing_id().unwrap());
        assert_eq!(trace.coordinator, Some(first.coordinator().ip()));
        assert!(trace.parameters["query"].starts_with("INSERT"), "{trace:?}");
        assert!(!trace.duration.is_zero() && !trace.events.is_empty(), "{trace:?}");
        assert!(trace.events.windows(2).all(|pair| pair[0].id <= pair[1].id), "{trace:?}");
        let counted = session.query(format!("SELECT count(*) FROM {}", stage.name("t")), ()).wait().unwrap();
        assert_eq!(counted.one::<(i64,)>().unwrap().0, 3);
        // "Aggregation query used without partition key", in the server's own words.
        assert!(
            counted.warnings().iter().any(|warning| warning.contains("partition key")),
            "{:?}",
            counted.warnings()
        );
    }
}

fn keyspaces_and_conditional_writes(kind: Kind) {
    let stage = Stage::new(kind);
    stage.schema(&format!("CREATE TABLE {} (id int PRIMARY KEY, name text)", stage.name("t")));
    let session = kind.connect(builder().keyspace(&stage.keyspace)).unwrap();
    let insert = session.prepare("INSERT INTO t (id, name) VALUES (?, ?) IF NOT EXISTS").wait().unwrap();
    let applied =
        session.execute(&insert, (1, "one")).serial_consistency(SerialConsistency::Serial).wait().unwrap();
    assert_eq!(applied.one::<(bool,)>().unwrap(), (true,));
    assert!(applied.applied().unwrap() && applied.existing::<(i32, &str)>().unwrap().next().is_none());
    let refused = session.execute(&insert, (1, "two")).wait().unwrap();
    assert!(!refused.applied().unwrap());
    assert_eq!(refused.existing::<(i32, &str)>().unwrap().next().unwrap().unwrap(), (1, "one"));
    let batch = "BEGIN BATCH INSERT INTO t (id, name) VALUES (1, 'x') IF NOT EXISTS APPLY BATCH";
    let batch = session.query(batch, ()).wait().unwrap();
    assert!(!batch.applied().unwrap());
    assert_eq!(batch.existing::<(i32, &str)>().unwrap().next().unwrap().unwrap(), (1, "one"));
    // Neither a row nor a condition on a column: only `[applied]` comes.
    let absent = session.query("DELETE FROM t WHERE id = 99 IF EXISTS", ()).wait().unwrap();
    assert!(!absent.applied().unwrap() && absent.existing::<(i32, &str)>().unwrap().next().is_none());
    let plain = session.query("INSERT INTO t (id) VALUES (5)", ()).wait().unwrap();
    assert!(plain.applied().is_err());
    assert_eq!(refused.one::<(bool, i32, String)>().unwrap(), (false, 1, "one".to_owned()));
    for _ in 0..6 {
        // On every node, some of which have to be taught the statement.
        assert!(
            !session.execute(&insert, (1, "three")).wait().unwrap().one::<(bool, i32, String)>().unwrap().0
        );
    }
}
