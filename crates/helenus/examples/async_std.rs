//! On async-std, for programs that still use it: it is discontinued (RUSTSEC-2025-0052), and smol its named successor.
//!
//! `cargo run -p helenus --features reactor-async-std --example async_std -- 127.0.0.1:9042`

mod support;

use helenus::Session;
use helenus::reactor::AsyncStd;
use support::{host, make_table};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    async_std::task::block_on(async {
        // A task of async-std's global executor, spawned by the launch.
        let session = Session::builder().contact_point(host()).reactor(AsyncStd::global()).connect().await?;
        make_table(&session, "on_async_std", "t (id bigint PRIMARY KEY, name text)").await?;
        let insert = session.prepare("INSERT INTO on_async_std.t (id, name) VALUES (?, ?)").await?;
        let tasks = (0..100_i64).map(|id| {
            let request = session.execute(&insert, (id, format!("by task {id}")));
            async_std::task::spawn(request.into_future())
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await?;
        }
        let (rows,) = session.query("SELECT count(*) FROM on_async_std.t", ()).await?.one::<(i64,)>()?;
        println!("{rows} rows");
        session.close().await;
        Ok(())
    })
}
