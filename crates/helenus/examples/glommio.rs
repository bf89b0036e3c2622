//! Thread per core on glommio: on each core an executor, with a session whose driver is a task of it. Requests, answers and
//! sockets never leave their core.
//!
//! `cargo run -p helenus --features reactor-glommio --example glommio -- 127.0.0.1:9042`

mod support;

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("glommio is for Linux");
}

#[cfg(target_os = "linux")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    // ANCHOR: cores
    // One executor on each of two cores; glommio wants none of its memory for files here.
    let placement = glommio::PoolPlacement::Unbound(2);
    let executors = glommio::LocalExecutorPoolBuilder::new(placement).io_memory(0);
    let cores = executors.on_all_shards(|| async { on_core().await.map_err(|error| error.to_string()) })?;
    // ANCHOR_END: cores
    for core in cores.join_all() {
        println!("{} rows", core??);
    }
    Ok(())
}

#[cfg(target_os = "linux")]
async fn on_core() -> Result<i64, Box<dyn std::error::Error>> {
    use futures_util::StreamExt;
    use helenus::Session;
    use helenus::reactor::Glommio;

    const ROWS: i64 = 2_000;

    // ANCHOR: connect
    let (connecting, driver) = Session::builder().contact_point(support::host()).split(Glommio::task());
    let driver = glommio::spawn_local(driver);
    let session = connecting.await?;
    // ANCHOR_END: connect
    // Each core has its own rows.
    let core = i64::try_from(glommio::executor().id())?;
    support::make_table(&session, "cores", "t (core bigint, id bigint, PRIMARY KEY (core, id))").await?;
    let insert = session.prepare("INSERT INTO cores.t (core, id) VALUES (?, ?)").await?;
    let requests = (0..ROWS).map(|id| session.execute(&insert, (core, id)).idempotent(true));
    let mut results = session.execute_concurrent(requests, 64);
    while let Some((_, result)) = results.next().await {
        result?;
    }
    let response = session.query("SELECT count(*) FROM cores.t WHERE core = ?", (core,)).await?;
    let (rows,) = response.one::<(i64,)>()?;
    session.close().await;
    driver.await;
    Ok(rows)
}
