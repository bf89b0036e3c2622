//! No thread but the program's own: whoever waits for an answer runs the loop meanwhile. A blocking call then costs one
//! write, one read, and the time between them.
//!
//! `cargo run -p helenus --example caller_thread -- 127.0.0.1:9042`

mod support;

use std::time::{Duration, Instant};

use helenus::Session;
use helenus::reactor::Mio;
use support::host;

const REQUESTS: u32 = 1_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for (name, reactor) in
        [("a thread of its own", Mio::threads(1)), ("the caller's thread", Mio::on_caller())]
    {
        let session = Session::builder().contact_point(host()).reactor(reactor).connect().wait()?;
        println!("on {name:<20} {:?} for each request", time_requests(&session)?);
        session.close().wait()?;
    }
    Ok(())
}

// ANCHOR: block
/// How long one request takes, one after another.
fn time_requests(session: &Session) -> Result<Duration, helenus::Error> {
    let select = session.prepare("SELECT release_version FROM system.local").wait()?;
    let start = Instant::now();
    for _ in 0..REQUESTS {
        session.execute(&select, ()).wait()?.one::<(&str,)>()?;
    }
    // Nothing moves while nobody waits. To run the loop beside other work, wait for that work on the session:
    // `session.block_on(future)` drives both.
    Ok(start.elapsed() / REQUESTS)
}
// ANCHOR_END: block
