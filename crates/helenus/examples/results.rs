//! What an answer says beside rows: whether conditions were true, what changed in the schema, what the nodes did.
//!
//! `cargo run -p helenus --example results -- 127.0.0.1:9042`

mod support;

use helenus::{Session, value::RawRow};
use support::{host, make_table};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let session = Session::builder().contact_point(host()).connect().wait()?;
    session.block_on(make_table(&session, "results", "users (id bigint PRIMARY KEY, name text)"))??;
    session.query("TRUNCATE results.users", ()).wait()?;

    // ANCHOR: applied
    let insert =
        session.prepare("INSERT INTO results.users (id, name) VALUES (?, ?) IF NOT EXISTS").wait()?;
    for name in ["Ada", "Grace"] {
        let response = session.execute(&insert, (7_i64, name)).wait()?;
        if response.applied()? {
            println!("{name} is registered");
        }
        // What is there instead: no row if it was applied.
        for row in response.existing::<(i64, &str)>()? {
            let (id, taken_by) = row?;
            println!("{name} isn't registered: {id} is taken by {taken_by}");
        }
    }
    // ANCHOR_END: applied

    // ANCHOR: schema
    let response =
        session.query("CREATE TABLE IF NOT EXISTS results.log (id uuid PRIMARY KEY)", ()).wait()?;
    match response.schema_change() {
        Some(change) => println!("{change} by {}", response.coordinator()),
        None => println!("it was there already"),
    }
    // ANCHOR_END: schema

    // ANCHOR: trace
    let response = session.query("SELECT * FROM results.users", ()).tracing().wait()?;
    // A server that doesn't trace gives no id.
    if let Some(trace) = response.trace(&session) {
        for event in trace.wait()?.events {
            println!("{:?} {:?} {}", event.elapsed, event.source, event.activity);
        }
    }
    // ANCHOR_END: trace

    // Columns that are only known when they come.
    for row in response.rows::<RawRow<'_>>()? {
        for cell in row?.cells() {
            println!("{} = {}", cell.column().name, cell.decode::<helenus::value::CqlValue>()?);
        }
    }
    session.close().wait()?;
    Ok(())
}
