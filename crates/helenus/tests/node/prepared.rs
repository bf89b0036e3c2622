//! Prepared statements on nodes that have and haven't seen them.

use helenus::Session;
use helenus_node::Node;

use crate::common::{self, Kind, on_every_reactor, table};

on_every_reactor!(
    nodes_that_do_not_know_a_statement_are_taught_unseen,
    many_at_once_are_prepared_once,
    a_restarted_node_is_taught_again,
    a_statement_whose_table_is_gone,
    what_a_statement_knows_of_itself,
    preparing_twice_is_one_prepare,
    what_fails_for_one_fails_for_all_who_wait_and_is_not_remembered,
    those_who_give_up_leave_others_their_answer,
);

fn nodes_that_do_not_know_a_statement_are_taught_unseen(kind: Kind) {
    let (node, session) = table(kind, 3);
    let insert = session.prepare("INSERT INTO ks.t (id, name) VALUES (?, ?)").wait().unwrap();
    let select = session.prepare("SELECT name FROM ks.t WHERE id = ?").wait().unwrap();
    let mut coordinators = std::collections::BTreeSet::new();
    for id in 0..30_i64 {
        session.execute(&insert, (id, id.to_string())).wait().unwrap();
        let response = session.execute(&select, (id,)).wait().unwrap();
        assert_eq!(response.one::<(String,)>().unwrap().0, id.to_string());
        coordinators.insert(response.coordinator());
    }
    assert!(coordinators.iter().eq(node.addresses()), "all nodes have work: {coordinators:?}");
    let counters = session.metrics().counters;
    assert_eq!(counters.reprepares, 4, "two statements on two nodes more: {counters:?}");
    assert_eq!(counters.failures, 0);
}

fn many_at_once_are_prepared_once(kind: Kind) {
    let (_node, session) = table(kind, 3);
    common::fill(&session, 5_000);
    assert_eq!(common::count(&session), 5_000);
    let reprepares = session.metrics().counters.reprepares;
    assert!((2..=2 * kind.shards() as u64).contains(&reprepares), "{reprepares}");
}

fn a_restarted_node_is_taught_again(kind: Kind) {
    let node = Node::builder().nodes(1).start().unwrap();
    common::make_table(&node);
    let builder =
        common::builder(&node).reconnection(std::time::Duration::from_millis(20), common::PATIENCE / 60);
    let session = kind.connect(builder).unwrap();
    let insert = session.prepare("INSERT INTO ks.t (id, name) VALUES (?, ?)").wait().unwrap();
    session.execute(&insert, (1_i64, "one")).wait().unwrap();
    let address = node.addresses()[0];
    drop(node);
    let node = Node::builder().listen(address).start().unwrap();
    common::make_table(&node);
    common::until(&session, "it is there again", || session.execute(&insert, (1_i64, "one")).wait().is_ok());
    assert!(session.metrics().counters.reprepares > 0);
    assert_eq!(common::count(&session), 1);
}

fn a_statement_whose_table_is_gone(kind: Kind) {
    let (_node, session) = table(kind, 3);
    let insert = session.prepare("INSERT INTO ks.t (id, name) VALUES (?, ?)").wait().unwrap();
    session.query("DROP TABLE ks.t", ()).wait().unwrap();
    for id in 0..9_i64 {
        let error = session.execute(&insert, (id, "x")).wait().unwrap_err();
        assert!(error.to_string().contains("ks.t") || error.to_string().contains('t'), "{error}");
    }
    session.query("CREATE TABLE ks.t (id bigint PRIMARY KEY, name text)", ()).wait().unwrap();
    for id in 0..9_i64 {
        session.execute(&insert, (id, "x")).wait().unwrap();
    }
}

fn what_a_statement_knows_of_itself(kind: Kind) {
    let (_node, session) = table(kind, 1);
    let text = "SELECT name FROM ks.t WHERE id = ?";
    let prepare = |session: &Session| session.prepare(text).wait().unwrap();
    let select = prepare(&session);
    assert_eq!(select.text(), text);
    assert_eq!(select.bind_markers()[0].to_string_for_test(), "id bigint");
    assert_eq!(select.result_columns()[0].to_string_for_test(), "name text");
    assert_eq!(select.partition_key_indexes(), [0]);
}

/// How many requests the session has sent.
fn sent(session: &Session) -> u64 {
    session.metrics().counters.requests_sent
}

fn preparing_twice_is_one_prepare(kind: Kind) {
    let (_node, session) = table(kind, 1);
    let text = "SELECT name FROM ks.t WHERE id = ?";
    let before = sent(&session);
    let all: Vec<_> = (0..50).map(|_| session.prepare(text).submit()).collect();
    for pending in all {
        assert_eq!(pending.wait().unwrap().text(), text);
    }
    assert_eq!(session.prepare(text).wait().unwrap().result_columns().len(), 1);
    session.block_on(async { session.prepare(text).await.unwrap() }).unwrap();
    assert_eq!(sent(&session) - before, 1);
    // Settings are each caller's own.
    let statement = helenus::Statement::new(text).page_size(1);
    session.prepare(&statement).wait().unwrap();
    assert_eq!(sent(&session) - before, 1);
    session.prepare(text).timeout(common::PATIENCE / 2).wait().unwrap();
    assert_eq!(sent(&session) - before, 2, "a timeout of its own is a request of its own");
    let (_node, forgetful) = common::table_with(kind, 1, |builder| builder.prepared_cache(0));
    let before = sent(&forgetful);
    (0..3).for_each(|_| drop(forgetful.prepare(text).wait().unwrap()));
    assert_eq!(sent(&forgetful) - before, 3);
}

fn what_fails_for_one_fails_for_all_who_wait_and_is_not_remembered(kind: Kind) {
    let (_node, session) = table(kind, 1);
    let text = "SELECT name FROM ks.later WHERE id = ?";
    let before = sent(&session);
    let all: Vec<_> = (0..20).map(|_| session.prepare(text).submit()).collect();
    for pending in all {
        let error = pending.wait().unwrap_err();
        assert!(error.server_error().is_some() && error.to_string().contains("later"), "{error}");
    }
    // On a reactor of its own threads the first may have failed before the last came.
    assert!((1..=20).contains(&(sent(&session) - before)));
    session.query("CREATE TABLE ks.later (id bigint PRIMARY KEY, name text)", ()).wait().unwrap();
    session.prepare(text).wait().unwrap();
}

fn those_who_give_up_leave_others_their_answer(kind: Kind) {
    let (_node, session) = table(kind, 1);
    for round in 0..20 {
        let text = format!("SELECT name FROM ks.t WHERE id = ?{}", " ".repeat(round));
        let first = session.prepare(&text).submit();
        let second = session.prepare(&text).submit();
        drop(first);
        assert_eq!(second.wait().unwrap().text(), text);
        let (detached, third) = (session.prepare(&text), session.prepare(&text));
        detached.submit().detach().unwrap();
        third.wait().unwrap();
    }
}

trait Spec {
    fn to_string_for_test(&self) -> String;
}

impl Spec for helenus::ColumnSpec {
    fn to_string_for_test(&self) -> String {
        format!("{} {}", self.name, self.column_type)
    }
}
