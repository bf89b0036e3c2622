//! A web server whose one thread runs the driver too, and which stays responsive meanwhile: while the driver connects,
//! prepares, pages through 100,000 rows and closes, nothing holds the loop up for more than 2 ms. A task that ticks as often
//! as the loop lets it measures that.
//!
//! What is measured is the thread's CPU time between two ticks: a busy machine takes the thread off its core for longer than
//! that, which is no fault of the driver's. The best of three rounds counts, for what the machine does (a page fault, an
//! interrupt) does not repeat, and what the driver does, does. The same ticks without the driver are printed for comparison.
//!
//! `cargo run -p helenus --features reactor-tokio --example web_server -- 127.0.0.1:9042`

mod support;

use std::cell::Cell;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use futures_util::StreamExt;
use helenus::reactor::Tokio;
use helenus::{Prepared, Session};
use nix::time::{ClockId, clock_gettime};
use support::{host, make_table};
use tokio::net::TcpListener;

const ROWS: i64 = 100_000;
const STALL_MAX: Duration = Duration::from_millis(2);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    fill()?;
    // `serve_with_session` is the program; all else is there to watch it.
    let quiet = longest_stall(serve(Router::new().route("/", get(hello)), &["/", "/"])).await?;
    println!("without the driver the longest stall is {quiet:?}");
    let mut longest = Duration::MAX;
    for _ in 0..3 {
        longest = longest.min(longest_stall(serve_with_session()).await?);
        println!("with the driver it is {longest:?}");
        if longest <= STALL_MAX {
            return Ok(());
        }
    }
    Err(format!("the driver held the loop up for {longest:?}").into())
}

// ANCHOR: serve
/// Connects, serves what is asked for, and closes.
async fn serve_with_session() -> Result<(), Box<dyn std::error::Error>> {
    let (connecting, driver) = Session::builder().contact_point(host()).split(Tokio::task());
    let driver = tokio::spawn(driver);
    let session = connecting.await?;
    let select = session.prepare("SELECT id, name FROM web.t").await?;
    let app = Router::new().route("/", get(hello)).route("/rows", get(rows));
    serve(app.with_state(Rows { session: session.clone(), select }), &["/", "/rows", "/"]).await?;
    session.close().await;
    driver.await?;
    Ok(())
}
// ANCHOR_END: serve

/// What the handlers share: a handle on the session, and what was prepared once.
#[derive(Clone)]
struct Rows {
    session: Session,
    select: Prepared,
}

async fn hello() -> &'static str {
    "hello"
}

/// Reads the whole table, a page at a time. Tokio looks at its sockets when no task is ready any more, or after 61 that were:
/// the rows of one page are what can keep it from that, so that smaller pages make for a more even loop.
async fn rows(State(Rows { session, select }): State<Rows>) -> String {
    let mut rows = session.execute(&select, ()).page_size(1_000).stream::<(i64, String)>();
    let (mut count, mut letters) = (0_i64, 0);
    while let Some(row) = rows.next().await {
        match row {
            Ok((_id, name)) => (count, letters) = (count + 1, letters + name.len()),
            Err(error) => return error.to_string(),
        }
    }
    format!("{count} rows, {letters} letters")
}

/// Serves until a client has asked for each of `paths`.
async fn serve(app: Router, paths: &'static [&'static str]) -> Result<(), Box<dyn std::error::Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let (done, answers) = tokio::sync::oneshot::channel();
    thread::spawn(move || done.send(paths.iter().map(|path| ask(address, path)).collect()));
    let mut result: Option<io::Result<Vec<String>>> = None;
    let until = async { result = answers.await.ok() };
    tokio::select! {
        served = axum::serve(listener, app) => served?,
        () = until => {}
    }
    let answers = result.ok_or("the client panicked")??;
    for (path, answer) in paths.iter().zip(&answers) {
        let expected = if *path == "/rows" { format!("{ROWS} rows") } else { "hello".to_owned() };
        assert!(answer.contains(&expected), "{path}: {answer}");
    }
    Ok(())
}

/// What a server answers, head and all.
fn ask(address: SocketAddr, path: &str) -> io::Result<String> {
    let mut socket = std::net::TcpStream::connect(address)?;
    write!(socket, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer)?;
    Ok(answer)
}

/// Runs `work` on this thread beside a task that ticks, and says how much CPU time went by between two ticks, at most.
async fn longest_stall(
    work: impl Future<Output = Result<(), Box<dyn std::error::Error>>>,
) -> Result<Duration, Box<dyn std::error::Error>> {
    let longest = Rc::new(Cell::new(Duration::ZERO));
    let tick = async {
        let mut before = thread_cpu();
        loop {
            // Comes back when the loop has looked at its sockets and polled whatever was ready.
            tokio::task::yield_now().await;
            let now = thread_cpu();
            longest.set(longest.get().max(now - before));
            before = now;
        }
    };
    tokio::select! {
        biased;
        done = work => done?,
        () = tick => {}
    }
    Ok(longest.get())
}

/// CPU time that this thread has used.
fn thread_cpu() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("Linux and the BSDs have this clock").into()
}

/// Writes the rows, on a session of its own that is gone before anything is measured.
fn fill() -> Result<(), Box<dyn std::error::Error>> {
    let session = Session::builder().contact_point(host()).reactor(Tokio::runtime()).connect().wait()?;
    session.block_on(make_table(&session, "web", "t (id bigint PRIMARY KEY, name text)"))??;
    let insert = session.prepare("INSERT INTO web.t (id, name) VALUES (?, ?)").wait()?;
    let requests = (0..ROWS).map(|id| session.execute(&insert, (id, format!("row {id}"))).idempotent(true));
    let mut results = session.execute_concurrent(requests, 512).into_iter();
    results.try_for_each(|(_, result)| result.map(drop))?;
    session.close().wait()?;
    Ok(())
}
