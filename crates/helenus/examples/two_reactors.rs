//! One process, two reactors: a session on the program's own tokio runtime, and one on a thread of its own for plain threads.
//! A reactor is a value, not a choice for the whole program, so they don't know of each other.
//!
//! `cargo run -p helenus --features reactor-tokio --example two_reactors -- 127.0.0.1:9042`

mod support;

use futures_util::StreamExt;
use helenus::Session;
use helenus::reactor::{Mio, Tokio};
use support::{host, make_table};

const ROWS: i64 = 2_000;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Awaiting works for either. Of the first, the answers come by this very thread; of the second, by a thread of its own.
    let (connecting, driver) = Session::builder().contact_point(host()).split(Tokio::task());
    let driver = tokio::spawn(driver);
    let here = connecting.await?;
    let elsewhere = Session::builder().contact_point(host()).reactor(Mio::threads(1)).connect().await?;
    println!("{} and {}", here.reactor(), elsewhere.reactor());

    make_table(&here, "two", "t (id bigint PRIMARY KEY, name text)").await?;
    let insert = elsewhere.prepare("INSERT INTO two.t (id, name) VALUES (?, ?)").await?;
    let requests = (0..ROWS).map(|id| elsewhere.execute(&insert, (id, "two")).idempotent(true));
    let mut written = elsewhere.execute_concurrent(requests, 64);
    while let Some((_, result)) = written.next().await {
        result?;
    }
    let (rows,) = here.query("SELECT count(*) FROM two.t", ()).await?.one::<(i64,)>()?;
    assert_eq!(rows, ROWS);

    // ANCHOR: deadlock
    // Blocking here is fine for a session that runs elsewhere. For the one that this thread runs it would wait for itself,
    // and so is an error.
    elsewhere.query("SELECT count(*) FROM two.t", ()).wait()?;
    let error = here.query("SELECT count(*) FROM two.t", ()).wait().expect_err("this thread runs it");
    println!("{error}");
    // ANCHOR_END: deadlock

    elsewhere.close().await;
    here.close().await;
    driver.await?;
    Ok(())
}
