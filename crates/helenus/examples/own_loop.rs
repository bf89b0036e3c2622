//! A program with an epoll loop of its own, which serves its own sockets and runs the driver in between: no thread, no
//! runtime. Its clients send a number in each line, and get the name of the row with that id.
//!
//! The driver needs three things of a loop: its sockets in the loop's epoll set ([`Net`]), a turn after each wait
//! ([`Shard`]), and a waker. The loop gets the machine from a [`Reactor`] that does no more than hand its seed over.
//!
//! `cargo run -p helenus --example own_loop -- 127.0.0.1:9042`

mod support;

use std::collections::HashMap;
use std::error::Error;
use std::future::Future;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use helenus::reactor::{ConnId, Latch, LatchGuard, LaunchError, OpenOptions, Reactor, Running, Seed};
use helenus::{Prepared, Session};
use helenus_reactor_common::{Clock, Net, Next, Readiness, Shard, finish_connect, start_connect};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Registry, Token};
use support::{host, make_table};

const ROWS: i64 = 100;

const WAKE: Token = Token(0);
const LISTENER: Token = Token(1);
/// From here on even numbers are the program's clients, odd ones the driver's connections.
const FIRST: usize = 2;

fn main() -> Result<(), Box<dyn Error>> {
    let mut program = Program::new()?;
    let address = program.listener.local_addr()?;
    let (hand, handed) = mpsc::channel();
    let connecting = Session::builder().contact_point(host()).reactor(HandOver(hand)).connect().submit();
    let (seed, guard) = handed.recv()?;
    program.driver = Some(Driver::new(seed, guard, program.epoll.registry().try_clone()?, &program.waker));

    let (session, select) = program.run_until(async {
        let session = connecting.await?;
        let select = set_up(&session).await?;
        Ok::<_, Box<dyn Error>>((session, select))
    })??;
    let client = std::thread::spawn(move || ask(address));
    while !client.is_finished() {
        program.turn()?;
        program.serve(&session, &select)?;
    }
    println!("{}", client.join().expect("the client panicked")?);
    program.run_until(session.close())?;
    Ok(())
}

async fn set_up(session: &Session) -> Result<Prepared, helenus::Error> {
    make_table(session, "own_loop", "t (id bigint PRIMARY KEY, name text)").await?;
    for id in 0..ROWS {
        session.query("INSERT INTO own_loop.t (id, name) VALUES (?, ?)", (id, format!("row {id}"))).await?;
    }
    session.prepare("SELECT name FROM own_loop.t WHERE id = ?").await
}

/// What the program had before it had a driver: a loop, clients, answers to be sent.
struct Program {
    epoll: mio::Poll,
    events: Events,
    waker: Waker,
    listener: TcpListener,
    clients: HashMap<usize, Client>,
    readable: Vec<usize>,
    answered: (Sender<Answer>, Receiver<Answer>),
    driver: Option<Driver>,
}

/// Whom it is for, and a line.
type Answer = (usize, String);

struct Client {
    socket: TcpStream,
    /// The beginning of a line.
    received: Vec<u8>,
}

impl Program {
    fn new() -> io::Result<Self> {
        let epoll = mio::Poll::new()?;
        let waker = Arc::new(LoopWaker(mio::Waker::new(epoll.registry(), WAKE)?)).into();
        let mut listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        epoll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        Ok(Self {
            epoll,
            events: Events::with_capacity(256),
            waker,
            listener,
            clients: HashMap::new(),
            readable: Vec::new(),
            answered: mpsc::channel(),
            driver: None,
        })
    }

    /// Polls a future whenever the loop has turned.
    fn run_until<F: Future>(&mut self, future: F) -> io::Result<F::Output> {
        let (mut future, waker) = (pin!(future), self.waker.clone());
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                return Ok(output);
            }
            self.turn()?;
        }
    }

    // ANCHOR: turn
    /// Waits until something happens, notes what is the program's, and gives the driver its turn.
    fn turn(&mut self) -> io::Result<()> {
        self.epoll.poll(&mut self.events, self.driver.as_ref().and_then(Driver::patience))?;
        for event in &self.events {
            match event.token() {
                WAKE => {}
                LISTENER => self.readable.push(LISTENER.0),
                Token(token) if token % 2 == 0 => self.readable.push(token),
                Token(token) => self.driver.iter_mut().for_each(|driver| driver.report(token, event)),
            }
        }
        // Once it has exited nothing is left of it but its guard, for which `close` waits.
        self.driver = self.driver.take().and_then(Driver::turn);
        Ok(())
    }
    // ANCHOR_END: turn

    /// Works on what the clients sent, and sends what has been answered.
    fn serve(&mut self, session: &Session, select: &Prepared) -> io::Result<()> {
        for token in std::mem::take(&mut self.readable) {
            match token == LISTENER.0 {
                true => self.accept()?,
                false => self.read(token, session, select)?,
            }
        }
        for (token, answer) in self.answered.1.try_iter() {
            if let Some(client) = self.clients.get_mut(&token) {
                client.socket.write_all(answer.as_bytes())?;
            }
        }
        Ok(())
    }

    fn accept(&mut self) -> io::Result<()> {
        while let Some((mut socket, _)) = if_ready(self.listener.accept())? {
            let token = FIRST + 2 * self.clients.len();
            self.epoll.registry().register(&mut socket, Token(token), Interest::READABLE)?;
            self.clients.insert(token, Client { socket, received: Vec::new() });
        }
        Ok(())
    }

    fn read(&mut self, token: usize, session: &Session, select: &Prepared) -> io::Result<()> {
        let Some(client) = self.clients.get_mut(&token) else { return Ok(()) };
        if_ready(client.socket.read_to_end(&mut client.received))?;
        while let Some(end) = client.received.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = client.received.drain(..=end).collect();
            let id: i64 = String::from_utf8_lossy(&line).trim().parse().unwrap_or(-1);
            let answered = self.answered.0.clone();
            // The callback runs in the driver's turn, on this very thread.
            session.execute(select, (id,)).on_complete(move |_, result| {
                let name = result.and_then(|response| response.opt::<(String,)>());
                let answer = match name {
                    Ok(Some((name,))) => format!("{id}: {name}\n"),
                    Ok(None) => format!("{id}: none\n"),
                    Err(error) => format!("{id}: {error}\n"),
                };
                // If nobody listens any more, nobody needs to know.
                let _ = answered.send((token, answer));
            });
        }
        Ok(())
    }
}

/// `None` if there is nothing now.
fn if_ready<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(done) => Ok(Some(done)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

// ANCHOR: hand_over
/// Hands the seed to a loop that runs already.
struct HandOver(Sender<(Seed, LatchGuard)>);

impl Reactor for HandOver {
    fn name(&self) -> &'static str {
        "own-loop"
    }

    fn launch(self: Box<Self>, seeds: Vec<Seed>) -> Result<Running, LaunchError> {
        let latch = Latch::new();
        for seed in seeds {
            // A loop that is gone drops both, and the session learns that it is closed.
            let _ = self.0.send((seed, latch.guard()));
        }
        Ok(Running::new(latch))
    }
}
// ANCHOR_END: hand_over

/// The driver, as the loop has it.
struct Driver {
    shard: Shard<Sockets>,
    clock: Clock,
    next: Next,
    /// Last, so that all else is gone when the session hears of the end.
    _guard: LatchGuard,
}

impl Driver {
    fn new(seed: Seed, guard: LatchGuard, registry: Registry, waker: &Waker) -> Self {
        let shard = Shard::new(seed.grow(), Sockets(registry), waker);
        Self { shard, clock: Clock::start(), next: Next::Again, _guard: guard }
    }

    /// How long the loop may wait at most.
    fn patience(&self) -> Option<Duration> {
        match self.next {
            Next::Sleep { until } => until.map(|until| until.since(self.clock.now())),
            _ => Some(Duration::ZERO),
        }
    }

    fn report(&mut self, token: usize, event: &mio::event::Event) {
        let readiness = Readiness {
            readable: event.is_readable() || event.is_error(),
            writable: event.is_writable() || event.is_error(),
            ended: event.is_read_closed(),
        };
        self.shard.ready_at((token - FIRST) / 2, readiness);
    }

    /// `None` once it has exited.
    fn turn(mut self) -> Option<Self> {
        self.next = self.shard.turn(self.clock.now());
        (self.next != Next::Exit).then_some(self)
    }
}

/// The driver's sockets, in the program's epoll set.
struct Sockets(Registry);

impl Net for Sockets {
    type Socket = TcpStream;

    fn open(&mut self, conn: ConnId, address: SocketAddr, options: &OpenOptions) -> io::Result<TcpStream> {
        let mut socket = TcpStream::from_std(start_connect(address, options)?);
        let token = Token(FIRST + 2 * conn.index() + 1);
        self.0.register(&mut socket, token, Interest::READABLE | Interest::WRITABLE)?;
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

    fn close(&mut self, mut socket: TcpStream) {
        // An error leaves it as it was, and dropping it closes it anyway.
        let _ = self.0.deregister(&mut socket);
    }
}

struct LoopWaker(mio::Waker);

impl Wake for LoopWaker {
    fn wake(self: Arc<Self>) {
        // It writes to an eventfd, which can't fail while that is open.
        let _ = self.0.wake();
    }
}

/// A client: asks for every row and one more, and counts the names.
fn ask(address: SocketAddr) -> io::Result<String> {
    let mut socket = std::net::TcpStream::connect(address)?;
    for id in 0..=ROWS {
        writeln!(socket, "{id}")?;
    }
    let lines = BufReader::new(socket).lines().take(ROWS as usize + 1);
    let answers = lines.collect::<io::Result<Vec<_>>>()?;
    let names = answers.iter().filter(|answer| answer.contains(": row ")).count();
    assert_eq!((names, answers.contains(&format!("{ROWS}: none"))), (ROWS as usize, true), "{answers:?}");
    Ok(format!("{names} names from {} answers", answers.len()))
}
