//! Connects, makes a table, writes rows concurrently, and reads them back page by page, all with blocking calls.
//!
//! `cargo run -p helenus --example start -- 127.0.0.1:9042`

mod support;

use helenus::Session;
use support::{host, make_table};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let session = Session::builder().contact_point(host()).connect().wait()?;
    println!("connected: {session:?}");
    session.block_on(make_table(&session, "start", "users (id bigint PRIMARY KEY, name text)"))??;

    let insert = session.prepare("INSERT INTO start.users (id, name) VALUES (?, ?)").wait()?;
    let requests =
        (0..10_000_i64).map(|id| session.execute(&insert, (id, format!("user {id}"))).idempotent(true));
    for (number, result) in session.execute_concurrent(requests, 128) {
        result.map_err(|error| format!("insert {number}: {error}"))?;
    }

    let mut sum = 0;
    for row in session.query("SELECT id, name FROM start.users", ()).page_size(1_000).blocking_iter() {
        let (id, _name): (i64, String) = row?;
        sum += id;
    }
    println!("the sum of all ids is {sum}");
    for (name, value) in session.metrics().counters.named().filter(|(_, value)| *value > 0) {
        println!("{name:>20} {value}");
    }
    session.close().wait()?;
    Ok(())
}
