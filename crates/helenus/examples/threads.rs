//! Plain threads with blocking calls: one session for all of them. What they submit at the same time leaves in one write.
//!
//! `cargo run -p helenus --example threads -- 127.0.0.1:9042`

mod support;

use std::thread;
use std::time::Instant;

use helenus::reactor::Mio;
use helenus::{Error, Session};
use support::{host, make_table};

const THREADS: i64 = 8;
const EACH: i64 = 500;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // ANCHOR: connect
    // Two shards: two threads of the driver's, each with a connection of its own. One, the default, is enough for most.
    let session = Session::builder().contact_point(host()).reactor(Mio::threads(2)).connect().wait()?;
    // ANCHOR_END: connect
    session.block_on(make_table(&session, "threads", "t (id bigint PRIMARY KEY, name text)"))??;
    let insert = session.prepare("INSERT INTO threads.t (id, name) VALUES (?, ?)").wait()?;

    let start = Instant::now();
    // ANCHOR: write
    thread::scope(|scope| {
        let writers = (0..THREADS).map(|number| {
            let (session, insert) = (&session, &insert);
            scope.spawn(move || -> Result<(), Error> {
                for id in number * EACH..(number + 1) * EACH {
                    session.execute(insert, (id, format!("by thread {number}"))).wait()?;
                }
                Ok(())
            })
        });
        // All of them, before the first is waited for.
        let writers: Vec<_> = writers.collect();
        writers.into_iter().try_for_each(|writer| writer.join().expect("a thread panicked"))
    })?;
    // ANCHOR_END: write
    println!("{} rows from {THREADS} threads took {:?}", THREADS * EACH, start.elapsed());

    let (rows,) = session.query("SELECT count(*) FROM threads.t", ()).wait()?.one::<(i64,)>()?;
    assert_eq!(rows, THREADS * EACH);
    session.close().wait()?;
    Ok(())
}
