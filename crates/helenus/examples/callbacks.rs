//! Callbacks: they run on the session's loop, and what they submit leaves in the same turn. Here 100 chains of requests,
//! each next one submitted by the callback of the one before.
//!
//! `cargo run -p helenus --example callbacks -- 127.0.0.1:9042`

mod support;

use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::time::Instant;

use helenus::{Error, Prepared, Session};
use support::{host, make_table};

const CHAINS: i64 = 100;
const LENGTH: i64 = 100;

/// What each link of a chain hands to the next.
struct Chain {
    insert: Prepared,
    ended: Sender<Result<(), Error>>,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let session = Session::builder().contact_point(host()).connect().wait()?;
    session.block_on(make_table(&session, "callbacks", "t (id bigint PRIMARY KEY, name text)"))??;
    let insert = session.prepare("INSERT INTO callbacks.t (id, name) VALUES (?, ?)").wait()?;

    let start = Instant::now();
    let (ended, ends) = mpsc::channel();
    for chain in 0..CHAINS {
        let links = Arc::new(Chain { insert: insert.clone(), ended: ended.clone() });
        write(&session, links, chain * LENGTH, LENGTH);
    }
    // The callbacks have their own; without this one the loop below ends with them.
    drop(ended);
    for result in ends {
        result?;
    }
    println!("{} rows in {CHAINS} chains took {:?}", CHAINS * LENGTH, start.elapsed());
    session.close().wait()?;
    Ok(())
}

/// Writes one row, and from its callback the rest of the chain.
fn write(session: &Session, chain: Arc<Chain>, id: i64, left: i64) {
    session.execute(&chain.insert, (id, "a link")).on_complete(move |context, result| match result {
        Ok(_) if left > 1 => write(context.session(), chain, id + 1, left - 1),
        // The end of the chain, or of its luck. If nobody listens any more, nobody needs to know.
        result => drop(chain.ended.send(result.map(drop))),
    });
}
