//! Statements: batches, values by name, and settings for one request, one statement or many.
//!
//! `cargo run -p helenus --example statements -- 127.0.0.1:9042`

mod support;

use std::time::Duration;

use helenus::value::Named;
use helenus::{Batch, Consistency, Profile, Session, Statement};
use support::{host, make_table};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let session = Session::builder().contact_point(host()).connect().wait()?;
    session.block_on(make_table(&session, "statements", "t (id bigint PRIMARY KEY, name text)"))??;

    // ANCHOR: batch
    let insert = session.prepare("INSERT INTO statements.t (id, name) VALUES (?, ?)").wait()?;
    let mut batch = Batch::logged();
    for (id, name) in [(1_i64, "Ada"), (2, "Grace")] {
        batch.push(&insert, (id, name));
    }
    batch.push("INSERT INTO statements.t (id, name) VALUES (?, 'Edsger')", (3_i64,));
    session.batch(&batch.idempotent(true)).wait()?;
    // ANCHOR_END: batch

    // ANCHOR: names
    let by_name = "INSERT INTO statements.t (id, name) VALUES (:id, :name)";
    session.query(by_name, Named(&[("name", &"Barbara"), ("id", &4_i64)])).wait()?;
    // ANCHOR_END: names

    // ANCHOR: settings
    let report =
        Profile::new().consistency(Consistency::LocalOne).timeout(Duration::from_secs(60)).page_size(500);
    let all = Statement::new("SELECT id, name FROM statements.t").profile(&report);
    let names = session.query(&all, ()).wait()?;
    let prepared = session.prepare(&all).wait()?;
    let again = session.execute(&prepared, ()).page_size(2).wait()?;
    // ANCHOR_END: settings
    println!("{} rows, then {}", names.row_count(), again.row_count());

    // ANCHOR: node
    let node = again.coordinator();
    let same = session.execute(&prepared.node(node), ()).wait()?;
    // ANCHOR_END: node
    println!("{} answered both", same.coordinator());
    session.close().wait()?;
    Ok(())
}
