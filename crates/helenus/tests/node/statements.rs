//! Statements with settings, batches and names, against the embedded node.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use helenus::value::{CqlValue, Named, Unset};
use helenus::{Batch, Consistency, Error, Fate, Profile, RequestError, Statement, Version};
use helenus_node::Node;

use crate::common::{self, Kind, on_every_reactor, table};

on_every_reactor!(
    batches_of_text_and_prepared_statements,
    a_batch_is_taught_to_nodes_unseen,
    what_is_wrong_with_a_batch,
    values_by_name,
    unset_is_refused_in_v3,
    one_node_alone,
    settings_are_said_once_for_many,
);

const INSERT: &str = "INSERT INTO ks.t (id, name) VALUES (?, ?)";

fn name_of(session: &helenus::Session, id: i64) -> Option<String> {
    let response = session.query("SELECT name FROM ks.t WHERE id = ?", (id,)).wait().unwrap();
    response.opt::<(String,)>().unwrap().map(|(name,)| name)
}

fn batches_of_text_and_prepared_statements(kind: Kind) {
    let node = Node::builder().start().unwrap();
    common::make_table(&node);
    for version in [Version::V3, Version::V4, Version::V5] {
        let session = kind.connect(common::builder(&node).protocol_version(version)).unwrap();
        let insert = session.prepare(INSERT).wait().unwrap();
        let mut batch = Batch::logged();
        batch.push(&insert, (1_i64, format!("one {version}")));
        batch.push(INSERT, (2_i64, format!("two {version}")));
        batch.push("INSERT INTO ks.t (id, name) VALUES (3, 'three')", ());
        batch.push(&insert, Named(&[("name", &"four"), ("id", &4_i64)]));
        assert_eq!(batch.len(), 4);
        // It can be used again.
        for _ in 0..2 {
            session.batch(&batch).wait().unwrap();
        }
        assert_eq!(name_of(&session, 1), Some(format!("one {version}")));
        assert_eq!(name_of(&session, 2), Some(format!("two {version}")));
        assert_eq!(name_of(&session, 3).as_deref(), Some("three"));
        assert_eq!(name_of(&session, 4).as_deref(), Some("four"));
        session.batch(&Batch::unlogged()).wait().unwrap();
        session.close().wait().unwrap();
    }
}

fn a_batch_is_taught_to_nodes_unseen(kind: Kind) {
    let (_node, session) = table(kind, 3);
    // More of them than one request may be without luck.
    let statements: Vec<_> = (0..20)
        .map(|number| session.prepare(format!("{INSERT}{}", " ".repeat(number))).wait().unwrap())
        .collect();
    let mut batch = Batch::unlogged();
    for (id, statement) in (0_i64..).zip(&statements) {
        batch.push(statement, (id, "x"));
    }
    let batch = batch.consistency(Consistency::One);
    for _ in 0..9 {
        session.batch(&batch).wait().unwrap();
    }
    assert_eq!(common::count(&session), 20);
    let counters = session.metrics().counters;
    assert!(counters.reprepares >= 40, "each on two nodes more: {counters:?}");
    assert_eq!(counters.failures, 0);
}

fn what_is_wrong_with_a_batch(kind: Kind) {
    let (_node, session) = table(kind, 1);
    let insert = session.prepare(INSERT).wait().unwrap();
    let refused = |batch: &Batch| {
        let error = session.batch(batch).wait().unwrap_err();
        assert_eq!(error.fate(), Fate::NeverSent, "{error}");
        error
    };
    let mut batch = Batch::logged();
    batch.push(&insert, (1_i64, "good")).push(&insert, (2_i32, "bad")).push(&insert, (3_i64, "good"));
    let error = refused(&batch);
    assert!(matches!(&error, Error::Batch { statement: 1, error } if matches!(**error, Error::Bind(_))));
    assert!(error.to_string().contains("statement 1 of the batch"), "{error}");

    let mut batch = Batch::logged();
    batch.push(INSERT, Named(&[("id", &1_i64), ("name", &"x")]));
    let error = refused(&batch).to_string();
    assert!(error.contains("names of values") && error.contains("prepare"), "{error}");

    let mut batch = Batch::unlogged();
    for _ in 0..=65_535 {
        batch.push("I", ());
    }
    assert_eq!(batch.len(), 65_535);
    let error = refused(&batch).to_string();
    assert!(error.contains("statement 65535") && error.contains("statements of a batch"), "{error}");

    let mut batch = Batch::logged();
    batch.push("USE ks", ());
    assert!(matches!(refused(&batch), Error::Batch { error, .. } if matches!(*error, Error::UseStatement)));
    assert_eq!(common::count(&session), 0, "nothing of them was done");
}

fn values_by_name(kind: Kind) {
    let node = Node::builder().start().unwrap();
    common::make_table(&node);
    for version in [Version::V3, Version::V4, Version::V5] {
        let session = kind.connect(common::builder(&node).protocol_version(version)).unwrap();
        let values = Named(&[("name", &"by query"), ("id", &1_i64)]);
        session.query("INSERT INTO ks.t (id, name) VALUES (:id, :name)", values).wait().unwrap();
        let insert = session.prepare("INSERT INTO ks.t (id, name) VALUES (:id, :name)").wait().unwrap();
        session.execute(&insert, Named(&[("name", &"by execute"), ("id", &2_i64)])).wait().unwrap();
        let map = HashMap::from([
            ("id".to_owned(), CqlValue::BigInt(3)),
            ("name".to_owned(), CqlValue::Text("by map".into())),
        ]);
        session.execute(&insert, &map).wait().unwrap();
        assert_eq!(name_of(&session, 1).as_deref(), Some("by query"));
        assert_eq!(name_of(&session, 2).as_deref(), Some("by execute"));
        assert_eq!(name_of(&session, 3).as_deref(), Some("by map"));
        let select = "SELECT name FROM ks.t WHERE id = :id";
        let response = session.query(select, BTreeMap::from([("id", 3_i64)])).wait().unwrap();
        assert_eq!(response.one::<(&str,)>().unwrap().0, "by map");
        let error = session.execute(&insert, Named(&[("id", &4_i64)])).wait().unwrap_err().to_string();
        assert!(error.contains("'name'"), "{error}");
        session.close().wait().unwrap();
    }
}

fn unset_is_refused_in_v3(kind: Kind) {
    let node = Node::builder().start().unwrap();
    common::make_table(&node);
    for version in [Version::V3, Version::V4, Version::V5] {
        let session = kind.connect(common::builder(&node).protocol_version(version)).unwrap();
        let insert = session.prepare(INSERT).wait().unwrap();
        session.execute(&insert, (1_i64, "kept")).wait().unwrap();
        let mut batch = Batch::logged();
        batch.push(&insert, (2_i64, "two")).push(&insert, (1_i64, Unset));
        let requests = [
            session.execute(&insert, (1_i64, Unset)),
            session.query(INSERT, (1_i64, Unset)),
            session.batch(&batch),
        ];
        for request in requests {
            match request.wait() {
                Ok(_) => assert!(version >= Version::V4),
                Err(error) => {
                    assert_eq!((version, error.fate()), (Version::V3, Fate::NeverSent), "{error}");
                    assert!(
                        error.to_string().contains("unset") && error.to_string().contains("v3"),
                        "{error}"
                    );
                }
            }
        }
        assert_eq!(name_of(&session, 1).as_deref(), Some("kept"));
        assert_eq!(name_of(&session, 2).is_some(), version >= Version::V4, "a batch is refused whole");
        session.query("TRUNCATE ks.t", ()).wait().unwrap();
        session.close().wait().unwrap();
    }
}

fn one_node_alone(kind: Kind) {
    let (node, session) = table(kind, 3);
    let insert = session.prepare(INSERT).wait().unwrap();
    let mut seen = BTreeSet::new();
    for id in 0..300_i64 {
        seen.insert(session.execute(&insert, (id, "x")).wait().unwrap().coordinator());
        if seen.len() == 3 {
            break;
        }
    }
    for &address in node.addresses() {
        let statement = Statement::new("SELECT id FROM ks.t").node(address);
        let requests = (0..50).map(|_| session.query(&statement, ()));
        for (_, result) in session.execute_concurrent(requests, 10) {
            assert_eq!(result.unwrap().coordinator(), address);
        }
        let response = session.execute(&insert, (1_i64, "x")).node(address).wait().unwrap();
        assert_eq!(response.coordinator(), address);
        let prepared = session.prepare("SELECT id FROM ks.t").node(address).wait().unwrap().node(address);
        assert_eq!(session.execute(&prepared, ()).wait().unwrap().coordinator(), address);
    }
    let stranger = "127.0.0.1:1".parse().unwrap();
    let error = session.execute(&insert, (1_i64, "x")).node(stranger).wait().unwrap_err();
    assert!(
        matches!(&error, Error::Request(RequestError::NotConnected { node }) if *node == stranger),
        "{error}"
    );
    assert_eq!(error.fate(), Fate::NeverSent);
    assert!(error.to_string().contains("127.0.0.1:1"), "{error}");
}

fn settings_are_said_once_for_many(kind: Kind) {
    let (_node, session) = table(kind, 1);
    common::fill(&session, 30);
    let profile = Profile::new().page_size(7);
    let select = "SELECT id FROM ks.t";
    let statement = Statement::new(select).profile(&profile);
    let prepared = session.prepare(&statement).wait().unwrap();
    let bare = session.prepare(select).wait().unwrap();
    let rows = |request: helenus::Request<helenus::Response>| request.wait().unwrap().row_count();
    assert_eq!(rows(session.query(&statement, ())), 7);
    assert_eq!(rows(session.execute(&prepared, ())), 7, "it has those of its statement");
    assert_eq!(rows(session.execute(&bare, ())), 30);
    assert_eq!(rows(session.execute(&bare, ()).profile(&profile)), 7);
    assert_eq!(rows(session.execute(&prepared.clone().page_size(9), ())), 9, "the later word wins");
    assert_eq!(rows(session.execute(&prepared, ()).page_size(3)), 3);
    assert_eq!(rows(session.execute(&bare.clone().page_size(9).profile(&profile), ())), 7);
    assert_eq!(rows(session.execute(&bare, ())), 30, "clones are apart");
    let mut ids: Vec<i64> =
        (session.execute(&prepared, ()).blocking_iter::<(i64,)>()).map(|row| row.unwrap().0).collect();
    ids.sort_unstable();
    assert!(ids.into_iter().eq(0..30));
}
