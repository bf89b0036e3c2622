//! Batches, names, timestamps and what v5 can say of one statement, as a real server takes them.

use std::collections::BTreeSet;

use helenus::value::{Named, Unset};
use helenus::{Batch, Error, ErrorKind, Session, Statement, Version};

use crate::cluster::{Stage, builder};
use crate::common::Kind;
use crate::on_real_cassandra;

on_real_cassandra!(
    batches,
    names,
    whose_timestamp_it_is,
    keyspace_and_time_of_one_statement,
    each_node_alone
);

const VERSIONS: [Version; 3] = [Version::V3, Version::V4, Version::V5];

fn kind_of(error: &Error) -> &ErrorKind {
    &error.server_error().unwrap_or_else(|| panic!("{error}")).kind
}

fn batches(kind: Kind) {
    let stage = Stage::new(kind);
    let (table, hits) = (stage.name("t"), stage.name("hits"));
    stage.schema(&format!("CREATE TABLE {table} (id int PRIMARY KEY, name text)"));
    stage.schema(&format!("CREATE TABLE {hits} (id int PRIMARY KEY, hits counter)"));
    for version in VERSIONS {
        let session = kind.connect(builder().protocol_version(version)).unwrap();
        session.query(format!("TRUNCATE {table}"), ()).wait().unwrap();
        let insert = session.prepare(format!("INSERT INTO {table} (id, name) VALUES (?, ?)")).wait().unwrap();
        let text = format!("INSERT INTO {table} (id, name) VALUES (?, 'text')");
        for (round, empty) in [Batch::logged(), Batch::unlogged()].into_iter().enumerate() {
            let mut batch = empty;
            batch.push(&insert, (10 * round as i32, "prepared")).push(&text, (10 * round as i32 + 1,));
            batch.push(&insert, Named(&[("name", &"by name"), ("id", &(10 * round as i32 + 2))]));
            // On each node, two of which have to be taught the statement.
            for _ in 0..4 {
                session.batch(&batch).wait().unwrap();
            }
        }
        let rows = session.query(format!("SELECT id, name FROM {table}"), ()).wait().unwrap();
        let rows: BTreeSet<_> = rows.rows::<(i32, String)>().unwrap().map(Result::unwrap).collect();
        let expected =
            [(0, "prepared"), (1, "text"), (2, "by name"), (10, "prepared"), (11, "text"), (12, "by name")];
        assert!(rows.iter().map(|(id, name)| (*id, &**name)).eq(expected), "{rows:?}");

        for empty in [Batch::logged(), Batch::unlogged(), Batch::counter()] {
            session.batch(&empty).wait().unwrap();
        }
        let count =
            session.prepare(format!("UPDATE {hits} SET hits = hits + ? WHERE id = 1")).wait().unwrap();
        let mut counters = Batch::counter();
        counters.push(&count, (helenus::value::Counter(3),)).push(&count, (helenus::value::Counter(4),));
        session.batch(&counters).wait().unwrap();
        let mut mixed = Batch::counter();
        mixed.push(&count, (helenus::value::Counter(1),)).push(&insert, (99, "no"));
        let mut in_logged = Batch::logged();
        in_logged.push(&count, (helenus::value::Counter(1),));
        for wrong in [mixed, in_logged] {
            assert_eq!(kind_of(&session.batch(&wrong).wait().unwrap_err()), &ErrorKind::Invalid);
        }
        conditional(&session, &table);
        unset(&session, &insert, &table, version);
    }
    let session = kind.connect(builder()).unwrap();
    let total = session.query(format!("SELECT hits FROM {hits} WHERE id = 1"), ()).wait().unwrap();
    assert_eq!(total.one::<(helenus::value::Counter,)>().unwrap().0.0, 3 * 7);
}

fn conditional(session: &Session, table: &str) {
    let insert = session
        .prepare(format!("INSERT INTO {table} (id, name) VALUES (?, ?) IF NOT EXISTS"))
        .wait()
        .unwrap();
    let mut batch = Batch::logged();
    batch.push(&insert, (50, "first"));
    assert!(session.batch(&batch).wait().unwrap().applied().unwrap());
    let refused = session.batch(&batch).wait().unwrap();
    assert!(!refused.applied().unwrap());
    assert_eq!(refused.existing::<(i32, String)>().unwrap().next().unwrap().unwrap().1, "first");
}

fn unset(session: &Session, insert: &helenus::Prepared, table: &str, version: Version) {
    let mut batch = Batch::logged();
    batch.push(insert, (0, Unset));
    let done = session.batch(&batch).wait();
    assert_eq!(done.is_ok(), version >= Version::V4, "{done:?}");
    let kept = session.query(format!("SELECT name FROM {table} WHERE id = 0"), ()).wait().unwrap();
    assert_eq!(kept.one::<(String,)>().unwrap().0, "prepared");
}

fn names(kind: Kind) {
    let stage = Stage::new(kind);
    let table = stage.name("t");
    stage.schema(&format!("CREATE TABLE {table} (id int PRIMARY KEY, \"Name\" text)"));
    for version in VERSIONS {
        let session = kind.connect(builder().protocol_version(version)).unwrap();
        // A `?` goes by the name of its column.
        for (id, markers) in [(1, ":id, :\"Name\""), (2, "?, ?")] {
            let insert = format!("INSERT INTO {table} (id, \"Name\") VALUES ({markers})");
            let name = format!("{version} {markers}");
            session.query(&insert, Named(&[("Name", &name), ("id", &id)])).wait().unwrap();
            let prepared = session.prepare(&insert).wait().unwrap();
            session.execute(&prepared, Named(&[("Name", &name), ("id", &(id + 10))])).wait().unwrap();
            for id in [id, id + 10] {
                let select = format!("SELECT \"Name\" FROM {table} WHERE id = :key");
                let row = session.query(select, Named(&[("key", &id)])).wait().unwrap();
                assert_eq!(row.one::<(String,)>().unwrap().0, name);
            }
        }
        let insert = format!("INSERT INTO {table} (id, \"Name\") VALUES (:id, :name)");
        let missing = session.query(&insert, Named(&[("id", &1)])).wait().unwrap_err();
        assert_eq!(kind_of(&missing), &ErrorKind::Invalid, "{missing}");
    }
}

fn now_us() -> i64 {
    std::time::UNIX_EPOCH.elapsed().unwrap().as_micros().try_into().unwrap()
}

fn whose_timestamp_it_is(kind: Kind) {
    let stage = Stage::new(kind);
    let table = stage.name("t");
    stage.schema(&format!("CREATE TABLE {table} (id int PRIMARY KEY, name text)"));
    let mut id = 0;
    for version in VERSIONS {
        let session = kind.connect(builder().protocol_version(version)).unwrap();
        let mut written = |what: &dyn Fn(i32) -> helenus::Request<helenus::Response>| {
            id += 1;
            what(id).wait().unwrap();
            let select = format!("SELECT WRITETIME(name) FROM {table} WHERE id = ?");
            session.query(select, (id,)).wait().unwrap().one::<(i64,)>().unwrap().0
        };
        let text = format!("INSERT INTO {table} (id, name) VALUES (?, 'x')");
        let insert = session.prepare(&text).wait().unwrap();
        let using = format!("{text} USING TIMESTAMP 77");
        let prepared_using = session.prepare(&using).wait().unwrap();
        let conditional = session.prepare(format!("{text} IF NOT EXISTS")).wait().unwrap();
        let before = now_us();
        let query = written(&|id| session.query(&text, (id,)));
        let execute = written(&|id| session.execute(&insert, (id,)));
        assert!(before <= query && query < execute && execute <= now_us() + 1_000, "{query} {execute}");
        assert_eq!(written(&|id| session.query(&text, (id,)).timestamp_us(5)), 5);
        assert_eq!(written(&|id| session.execute(&insert, (id,)).timestamp_us(6)), 6);
        assert_eq!(written(&|id| session.execute(&insert, (id,)).timestamp_us(-6)), -6);
        let batch = |id: i32| {
            let mut batch = Batch::logged().timestamp_us(7);
            batch.push(&insert, (id,));
            session.batch(&batch)
        };
        assert_eq!(written(&batch), 7);
        let in_batch = |id: i32| {
            let mut batch = Batch::unlogged();
            batch.push(&insert, (id,));
            session.batch(&batch)
        };
        assert!(written(&in_batch) > execute);
        // The text wins.
        assert_eq!(written(&|id| session.query(&using, (id,)).timestamp_us(5)), 77);
        assert_eq!(written(&|id| session.execute(&prepared_using, (id,))), 77);
        // All nodes of the test have one clock.
        assert!(written(&|id| session.execute(&insert, (id,)).server_timestamp()) > execute);
        // A conditional one has that of its ballot.
        assert!(written(&|id| session.execute(&conditional, (id,)).timestamp_us(5)) > execute);
        let error =
            session.query(format!("{text} IF NOT EXISTS USING TIMESTAMP 5"), (id,)).wait().unwrap_err();
        assert_eq!(kind_of(&error), &ErrorKind::Invalid, "{error}");
    }
}

fn keyspace_and_time_of_one_statement(kind: Kind) {
    let stage = Stage::new(kind);
    stage.schema(&format!("CREATE TABLE {} (id int PRIMARY KEY, name text)", stage.name("t")));
    let session = kind.connect(builder().protocol_version(Version::V5)).unwrap();
    let here = |text: &'static str| Statement::new(text).keyspace(&stage.keyspace);
    let insert =
        session.prepare(here("INSERT INTO t (id, name) VALUES (?, 'x') USING TTL 1000")).wait().unwrap();
    assert_eq!(insert.keyspace(), Some(&*stage.keyspace));
    // Also on the nodes that have to be taught it, in that keyspace.
    for id in 0..12 {
        session.execute(&insert, (id,)).wait().unwrap();
    }
    assert!(session.metrics().counters.reprepares >= 2);
    let mut batch = Batch::logged().keyspace(&stage.keyspace);
    batch.push("INSERT INTO t (id, name) VALUES (100, 'kept')", ());
    session.batch(&batch).wait().unwrap();
    let now = i32::try_from(now_us() / 1_000_000).unwrap();
    let count = |at: i32| {
        let response = session.query(here("SELECT id FROM t").now_in_seconds(at), ()).wait().unwrap();
        response.rows::<(i32,)>().unwrap().count()
    };
    assert_eq!((count(now), count(now + 2_000)), (13, 1), "the others have expired by then");
    let error = session.query("SELECT id FROM t", ()).wait().unwrap_err();
    assert_eq!(kind_of(&error), &ErrorKind::Invalid, "{error}");
}

fn each_node_alone(kind: Kind) {
    let stage = Stage::new(kind);
    stage.schema(&format!("CREATE TABLE {} (id int PRIMARY KEY)", stage.name("t")));
    let session = kind.connect(builder()).unwrap();
    let insert = session.prepare(format!("INSERT INTO {} (id) VALUES (?)", stage.name("t"))).wait().unwrap();
    let nodes: BTreeSet<_> =
        (0..30).map(|id| session.execute(&insert, (id,)).wait().unwrap().coordinator()).collect();
    assert_eq!(nodes.len(), 3);
    for &node in &nodes {
        for id in 0..10 {
            let response = session.execute(&insert.clone().node(node), (id,)).wait().unwrap();
            assert_eq!(response.coordinator(), node);
        }
    }
}
