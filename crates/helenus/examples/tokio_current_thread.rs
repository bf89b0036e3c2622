//! The program's own tokio runtime runs the session: no other thread, no hop between threads.
//!
//! `cargo run -p helenus --features reactor-tokio --example tokio_current_thread -- 127.0.0.1:9042`

mod support;

use futures_util::StreamExt;
use helenus::Session;
use helenus::reactor::Tokio;
use support::{host, make_table};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // ANCHOR: connect
    // The driver is a future like any other. Spawned here, it shares this thread with all that the program does.
    let (connecting, driver) = Session::builder().contact_point(host()).split(Tokio::task());
    let driver = tokio::spawn(driver);
    let session = connecting.await?;
    // ANCHOR_END: connect

    make_table(&session, "on_tokio", "t (id bigint PRIMARY KEY, name text)").await?;
    let insert = session.prepare("INSERT INTO on_tokio.t (id, name) VALUES (?, ?)").await?;

    // A stream of results, with at most 64 requests in flight.
    let requests =
        (0..10_000_i64).map(|id| session.execute(&insert, (id, format!("row {id}"))).idempotent(true));
    let mut results = session.execute_concurrent(requests, 64);
    while let Some((number, result)) = results.next().await {
        result.map_err(|error| format!("insert {number}: {error}"))?;
    }

    // Requests are futures, so they go wherever futures go: here into a task each.
    let tasks = (0..10_i64).map(|id| {
        let session = session.clone();
        tokio::spawn(async move { session.query("SELECT name FROM on_tokio.t WHERE id = ?", (id,)).await })
    });
    for task in tasks.collect::<Vec<_>>() {
        let response = task.await??;
        let (name,) = response.one::<(&str,)>()?;
        println!("{name}");
    }

    session.close().await;
    driver.await?;
    Ok(())
}
