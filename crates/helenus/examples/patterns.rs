//! The ways to issue requests, side by side: the book's chapter on request patterns.
//!
//! `cargo run -p helenus --features reactor-tokio --example patterns -- 127.0.0.1:9042`

mod support;

use std::sync::mpsc;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use helenus::reactor::Tokio;
use helenus::{Error, Prepared, Session, WhenFull};
use support::{host, make_table};

const ROWS: i64 = 1_000;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // ANCHOR: wait_for_room
    let builder =
        Session::builder().contact_point(host()).in_flight_max(500, 64 << 20).when_full(WhenFull::Wait);
    // ANCHOR_END: wait_for_room
    let (connecting, driver) = builder.split(Tokio::task());
    let driver = tokio::spawn(driver);
    let session = connecting.await?;
    make_table(&session, "patterns", "t (id bigint PRIMARY KEY, name text)").await?;
    let insert = session.prepare("INSERT INTO patterns.t (id, name) VALUES (?, ?)").await?;

    one_at_a_time(&session, &insert).await?;
    pieces(&session, &insert).await?;
    window(&session, &insert).await?;
    unthrottled(&session, &insert).await?;
    callbacks(&session, &insert).await?;
    stream(&session).await?;
    cancel_and_detach(&session, &insert)?;

    session.close().await;
    driver.await?;
    Ok(())
}

async fn one_at_a_time(session: &Session, insert: &Prepared) -> Result<(), Error> {
    // ANCHOR: one
    for id in 0..10_i64 {
        session.execute(insert, (id, "one at a time")).await?;
    }
    // ANCHOR_END: one
    Ok(())
}

async fn pieces(session: &Session, insert: &Prepared) -> Result<(), Error> {
    // ANCHOR: pieces
    for piece in (0..ROWS).collect::<Vec<_>>().chunks(100) {
        let started: Vec<_> =
            piece.iter().map(|id| session.execute(insert, (*id, "in pieces")).submit()).collect();
        for pending in started {
            pending.await?;
        }
    }
    // ANCHOR_END: pieces
    Ok(())
}

async fn window(session: &Session, insert: &Prepared) -> Result<(), Error> {
    // ANCHOR: window
    let requests = (0..ROWS).map(|id| session.execute(insert, (id, "a window")).idempotent(true));
    let mut results = session.execute_concurrent(requests, 120);
    while let Some((number, result)) = results.next().await {
        if let Err(error) = result {
            eprintln!("insert {number}: {error}");
        }
    }
    // ANCHOR_END: window
    Ok(())
}

async fn unthrottled(session: &Session, insert: &Prepared) -> Result<(), Error> {
    // ANCHOR: unthrottled
    let mut all: FuturesUnordered<_> =
        (0..ROWS).map(|id| session.execute(insert, (id, "all at once")).into_future()).collect();
    while let Some(result) = all.next().await {
        result?;
    }
    // ANCHOR_END: unthrottled
    Ok(())
}

async fn callbacks(session: &Session, insert: &Prepared) -> Result<(), Error> {
    // ANCHOR: callbacks
    let (sender, ended) = mpsc::channel();
    for id in 0..100_i64 {
        let sender = sender.clone();
        session.execute(insert, (id, "a callback")).on_complete(move |_context, result| {
            // If nobody listens any more, nobody needs to know.
            let _ = sender.send(result.map(drop));
        });
    }
    // ANCHOR_END: callbacks
    drop(sender);
    // This thread runs the loop, so it must not block: it looks now and then.
    let mut count = 0;
    while count < 100 {
        match ended.try_recv() {
            Ok(result) => {
                result?;
                count += 1;
            }
            Err(_) => tokio::task::yield_now().await,
        }
    }
    Ok(())
}

async fn stream(session: &Session) -> Result<(), Error> {
    // ANCHOR: stream
    let mut rows =
        session.query("SELECT id, name FROM patterns.t", ()).page_size(100).stream::<(i64, String)>();
    let mut count = 0;
    while let Some(row) = rows.next().await {
        let (_id, _name) = row?;
        count += 1;
    }
    // ANCHOR_END: stream
    assert_eq!(count, ROWS);
    Ok(())
}

fn cancel_and_detach(session: &Session, insert: &Prepared) -> Result<(), Error> {
    // ANCHOR: cancel
    let pending = session.execute(insert, (1_i64, "nobody waits for this")).submit();
    drop(pending);
    session.execute(insert, (1_i64, "nor for this, but it is carried out")).submit().detach()?;
    // ANCHOR_END: cancel
    Ok(())
}
