//! On smol: the driver is a task of the program's own executor.
//!
//! `cargo run -p helenus --features reactor-smol --example smol -- 127.0.0.1:9042`

mod support;

use futures_util::StreamExt;
use helenus::Session;
use helenus::reactor::Smol;
use support::{host, make_table};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // ANCHOR: connect
    // All on this thread. With `smol::spawn` the driver would run on smol's global executor.
    let executor = smol::LocalExecutor::new();
    smol::block_on(executor.run(async {
        let (connecting, driver) = Session::builder().contact_point(host()).split(Smol::task());
        let driver = executor.spawn(driver);
        let session = connecting.await?;
        work(&session).await?;
        session.close().await;
        driver.await;
        Ok(())
    }))
    // ANCHOR_END: connect
}

async fn work(session: &Session) -> Result<(), helenus::Error> {
    make_table(session, "on_smol", "t (id bigint PRIMARY KEY, name text)").await?;
    let insert = session.prepare("INSERT INTO on_smol.t (id, name) VALUES (?, ?)").await?;
    let requests = (0..2_000_i64).map(|id| session.execute(&insert, (id, "smol")).idempotent(true));
    let mut results = session.execute_concurrent(requests, 64);
    while let Some((_, result)) = results.next().await {
        result?;
    }
    let mut rows = session.query("SELECT id FROM on_smol.t", ()).stream::<(i64,)>();
    let mut sum = 0;
    while let Some(row) = rows.next().await {
        sum += row?.0;
    }
    println!("the sum of all ids is {sum}");
    Ok(())
}
