//! Tests what a program does when the cluster misbehaves: the embedded node refuses, hangs, stops, and tells what it was asked.
//!
//! `cargo run -p helenus --example faults`

use std::time::Duration;

use helenus::{Error, Session};
use helenus_node::{Action, ErrorKind, Node, Opcode, Place, Rule, ServerError};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // ANCHOR: start
    let mut node = Node::builder().nodes(2).log_limit(1_000).start()?;
    // ANCHOR_END: start
    let session = Session::builder().contact_point(node.addresses()[0].to_string()).connect().wait()?;
    session
        .query(
            "CREATE KEYSPACE shop WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
            (),
        )
        .wait()?;
    session.query("CREATE TABLE shop.users (id bigint PRIMARY KEY, name text)", ()).wait()?;
    let insert = session.prepare("INSERT INTO shop.users (id, name) VALUES (?, ?)").wait()?;

    // ANCHOR: fail
    let overloaded = ServerError::new(ErrorKind::Overloaded, "injected");
    let rule = node
        .inject(Rule::new(Action::Fail(overloaded)).opcode(Opcode::Execute).table("shop.users").first(1))?;

    let refused = session.execute(&insert, (1_i64, "Ada")).wait();
    assert!(matches!(refused, Err(Error::Server { error, .. }) if error.kind == ErrorKind::Overloaded));
    session.execute(&insert, (1_i64, "Ada")).wait()?;
    assert_eq!(node.remove_rule(rule)?, 1);
    // ANCHOR_END: fail

    // ANCHOR: delay
    node.inject(Rule::new(Action::Delay(Duration::from_secs(5))).statement("SELECT name").nth(1))?;
    let select = session.query("SELECT name FROM shop.users WHERE id = 1", ());
    assert!(select.timeout(Duration::from_millis(100)).wait().is_err());
    node.clear_rules()?;
    // ANCHOR_END: delay

    // ANCHOR: log
    let inserts = node.take_log()?.into_iter().filter(|seen| seen.opcode == Opcode::Execute);
    let texts = inserts.filter_map(|seen| seen.statement).collect::<Vec<_>>();
    assert_eq!(texts, ["INSERT INTO shop.users (id, name) VALUES (?, ?)"; 2]);
    // ANCHOR_END: log

    // ANCHOR: members
    node.stop(1)?;
    node.restart(1)?;
    let third = node.add(Place::new("datacenter2", "rack1"))?;
    node.pause(third)?;
    node.resume(third)?;
    node.remove(third)?;
    // ANCHOR_END: members

    session.close().wait()?;
    Ok(())
}
