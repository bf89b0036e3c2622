//! Many tasks on tokio's multi-thread runtime: the driver is one task more among them.
//!
//! `cargo run -p helenus --features reactor-tokio --example tokio_multi_thread -- 127.0.0.1:9042`

mod support;

use helenus::reactor::Tokio;
use helenus::{Error, Session};
use support::{host, make_table};
use tokio::task::JoinSet;

const TASKS: i64 = 100;
const EACH: i64 = 50;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // ANCHOR: connect
    // With the runtime's handle nothing has to be spawned by hand: the launch does it.
    let reactor = Tokio::handle(tokio::runtime::Handle::current());
    let session = Session::builder().contact_point(host()).reactor(reactor).connect().await?;
    // ANCHOR_END: connect
    make_table(&session, "on_workers", "t (id bigint PRIMARY KEY, name text)").await?;
    let insert = session.prepare("INSERT INTO on_workers.t (id, name) VALUES (?, ?)").await?;

    // A session is cheap to clone; each task has its own handle on the same connections.
    let mut tasks = JoinSet::new();
    for number in 0..TASKS {
        let (session, insert) = (session.clone(), insert.clone());
        tasks.spawn(async move {
            for id in number * EACH..(number + 1) * EACH {
                session.execute(&insert, (id, format!("by task {number}"))).await?;
            }
            Ok::<_, Error>(())
        });
    }
    while let Some(task) = tasks.join_next().await {
        task??;
    }

    // A thread that may block can wait for the same session.
    let own = session.clone();
    let count = move || own.query("SELECT count(*) FROM on_workers.t", ()).wait()?.one::<(i64,)>();
    let (rows,) = tokio::task::spawn_blocking(count).await??;
    println!("{rows} rows from {TASKS} tasks");
    assert_eq!(rows, TASKS * EACH);
    session.close().await;
    Ok(())
}
