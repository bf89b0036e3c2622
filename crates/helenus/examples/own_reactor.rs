//! A reactor of one's own, on the `polling` crate: a thread with a loop. `mod tests` holds it to what every reactor must do.
//!
//! `cargo run -p helenus --example own_reactor -- 127.0.0.1:9042`

mod support;

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::time::Duration;

use helenus::Session;
use helenus::reactor::{ConnId, LaunchError, OpenOptions, Reactor, Running, Seed};
use helenus_reactor_common::{
    Clock, Net, Next, Readiness, Shard, finish_connect, launch_threads, start_connect,
};
use polling::{Event, Events, PollMode, Poller};
use support::{host, make_table};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let session =
        Session::builder().contact_point(host()).reactor(Polling { threads: 2 }).connect().wait()?;
    println!("connected: {session:?}");
    session.block_on(make_table(&session, "own_reactor", "t (id bigint PRIMARY KEY, name text)"))??;
    let insert = session.prepare("INSERT INTO own_reactor.t (id, name) VALUES (?, ?)").wait()?;
    let requests = (0..5_000_i64).map(|id| session.execute(&insert, (id, format!("row {id}"))));
    for (number, result) in session.execute_concurrent(requests, 128) {
        result.map_err(|error| format!("insert {number}: {error}"))?;
    }
    let (rows,) = session.query("SELECT count(*) FROM own_reactor.t", ()).wait()?.one::<(i64,)>()?;
    assert_eq!(rows, 5_000);
    session.close().wait()?;
    Ok(())
}

/// The reactor: so many threads, each with a machine.
struct Polling {
    threads: usize,
}

impl Reactor for Polling {
    fn name(&self) -> &'static str {
        "polling"
    }

    fn shards(&self) -> usize {
        self.threads
    }

    // ANCHOR: launch
    fn launch(self: Box<Self>, seeds: Vec<Seed>) -> Result<Running, LaunchError> {
        launch_threads("polling", seeds, make_poller, run)
    }
    // ANCHOR_END: launch
}

/// What a thread needs of the system. What can't be had is an error of the launch.
fn make_poller(_thread: usize) -> Result<Arc<Poller>, LaunchError> {
    let poller = Poller::new().map_err(|source| LaunchError::Io { what: "a poller", source })?;
    if !poller.supports_edge() {
        let needs = "edge-triggered polling, as epoll and kqueue have it; take reactor-mio here".into();
        return Err(LaunchError::Unsupported { needs });
    }
    Ok(Arc::new(poller))
}

// ANCHOR: run
/// A thread's loop: wait, report what is ready, turn.
fn run(poller: Arc<Poller>, seed: Seed) {
    let waker = Waker::from(Arc::new(Notify(poller.clone())));
    let mut shard = Shard::new(seed.grow(), Sockets { poller: poller.clone() }, &waker);
    let (mut events, clock) = (Events::new(), Clock::start());
    let mut wait = Some(Duration::ZERO);
    loop {
        events.clear();
        // An interrupted wait is like one in which nothing happened.
        let _ = poller.wait(&mut events, wait);
        for event in events.iter() {
            shard.ready_at(event.key, readiness(&event));
        }
        let now = clock.now();
        wait = match shard.turn(now) {
            Next::Again => Some(Duration::ZERO),
            Next::Sleep { until } => until.map(|until| until.since(now)),
            Next::Exit => return,
        };
    }
}
// ANCHOR_END: run

fn readiness(event: &Event) -> Readiness {
    let failed = event.is_err() == Some(true);
    Readiness {
        readable: event.readable || failed,
        writable: event.writable || failed,
        // This crate doesn't tell it apart, which is why short reads don't count as the last, below.
        ended: false,
    }
}

// ANCHOR: net
/// The machine's sockets.
struct Sockets {
    poller: Arc<Poller>,
}

impl Net for Sockets {
    type Socket = TcpStream;

    // The peer's end may come together with its last bytes, and then no further edge tells of it.
    const SHORT_READ_DRAINS: bool = false;

    fn open(&mut self, conn: ConnId, address: SocketAddr, options: &OpenOptions) -> io::Result<TcpStream> {
        let socket = start_connect(address, options)?;
        let interest = Event::all(conn.index());
        // SAFETY: `close` takes the socket out before it is closed, and the shard closes all of its sockets before the poller
        // goes, which `run` holds.
        unsafe { self.poller.add_with_mode(&socket, interest, PollMode::Edge)? };
        Ok(socket)
    }

    fn opened(&mut self, socket: &mut TcpStream) -> io::Result<bool> {
        finish_connect(socket)
    }

    fn read(&mut self, socket: &mut TcpStream, room: &mut [u8]) -> io::Result<usize> {
        socket.read(room)
    }

    fn write(&mut self, socket: &mut TcpStream, bytes: &[u8]) -> io::Result<usize> {
        socket.write(bytes)
    }

    fn close(&mut self, socket: TcpStream) {
        // An error means that it is not there any more.
        let _ = self.poller.delete(&socket);
    }
}
// ANCHOR_END: net

// ANCHOR: waker
/// Makes the wait return, from any thread.
struct Notify(Arc<Poller>);

impl Wake for Notify {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // It writes to an eventfd or its like, which can't fail while that is open.
        let _ = self.0.notify();
    }
}
// ANCHOR_END: waker

// ANCHOR: suite
#[cfg(test)]
mod tests {
    use helenus_conformance::{Launched, launch};

    use super::*;

    fn start(seeds: Vec<Seed>) -> Launched {
        launch(Polling { threads: seeds.len() }, seeds)
    }

    helenus_conformance::mount!(polling, start);
    helenus_conformance::mount!(tls: polling_tls, start);
}
// ANCHOR_END: suite
