//! The loop: one thread, one epoll, all nodes and connections.

mod channel;
mod connection;
mod dispatch;
mod events;
mod faults;
mod listen;
mod login;
mod members;
mod output;
mod protocol;

pub(crate) use listen::{bind, listen, nth};
pub(crate) use login::Users;
pub use members::Announcement;

use std::collections::VecDeque;
use std::io;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use helenus_core::protocol::Version;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};

use crate::clock::Clock;
use crate::inject::{Action, Asked, Watch};
use crate::place::Place;
use crate::system::{Cluster, System};
use channel::Channel;
use connection::{Connection, Next};
use dispatch::Dispatch;
use members::Door;
use output::Output;

/// What the builder says.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) versions: RangeInclusive<Version>,
    pub(crate) null: bool,
    pub(crate) clock: Clock,
    pub(crate) memory_limit_bytes: usize,
    pub(crate) connection_limit: usize,
    pub(crate) frame_limit_bytes: usize,
    pub(crate) handshake_timeout: Duration,
    pub(crate) log_limit: usize,
    pub(crate) users: Users,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<Arc<rustls::ServerConfig>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            versions: dispatch::all_versions(),
            null: false,
            clock: Clock::system(),
            memory_limit_bytes: 1 << 30,
            connection_limit: 16_384,
            frame_limit_bytes: 16 << 20,
            handshake_timeout: Duration::from_secs(30),
            log_limit: 0,
            users: Users::default(),
            #[cfg(feature = "tls")]
            tls: None,
        }
    }
}

/// How much is read from a connection in one turn.
const READ_BYTES: usize = 128 << 10;

/// An output buffer that once held a large answer isn't kept.
const KEPT_OUTPUT_BYTES: usize = 4 << 20;

/// How much all connections together may have received and not handled, or not sent yet. It is memory that clients
/// fill without a row being written; the connection that goes beyond is closed.
const BUFFERED_LIMIT_BYTES: usize = 512 << 20;

/// When the process has no descriptor left, accepting is tried again after this.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

const WAKER: Token = Token(usize::MAX);

/// The bit by which tokens of listeners differ from those of connections.
const LISTENER: usize = 1 << (usize::BITS - 2);

/// Something to be done between two turns.
pub(crate) type Command = Box<dyn FnOnce(&mut Server) + Send>;

pub(crate) struct Server {
    poll: Poll,
    waker: Arc<Waker>,
    stop: Arc<AtomicBool>,
    /// What others ask of the loop.
    commands: Receiver<Command>,
    /// Token: `LISTENER` and the node's number.
    doors: Vec<Door>,
    /// Rules and log while there is nothing in them.
    idle_watch: Option<Box<Watch>>,
    /// Token: the slot.
    connections: Vec<Option<Connection>>,
    /// How many connections there ever were: it tells those of a slot apart.
    accepted: u64,
    /// Who has to be through with the handshake when: the slot and the number of the connection, by time.
    handshakes: VecDeque<(Instant, usize, u64)>,
    free: Vec<usize>,
    open: usize,
    connection_limit: usize,
    /// The sum of what connections have buffered.
    buffered_bytes: usize,
    /// Connections that may have more without the kernel saying so.
    again: Vec<usize>,
    /// Nodes whose last accept failed for want of descriptors.
    stalled: Vec<usize>,
    scratch: Vec<u8>,
    output: Output,
    dispatch: Dispatch,
}

impl Server {
    /// Listens on `listeners`, one for each of `places`.
    pub(crate) fn new(
        listeners: Vec<TcpListener>,
        places: &[Place],
        settings: Settings,
        commands: Receiver<Command>,
        stop: Arc<AtomicBool>,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let addresses = listeners.iter().map(TcpListener::local_addr).collect::<io::Result<Vec<_>>>()?;
        let (connection_limit, log_limit) = (settings.connection_limit, settings.log_limit);
        let mut server = Self {
            poll,
            waker,
            stop,
            commands,
            doors: Vec::new(),
            idle_watch: None,
            connections: Vec::new(),
            accepted: 0,
            handshakes: VecDeque::new(),
            free: Vec::new(),
            open: 0,
            connection_limit,
            buffered_bytes: 0,
            again: Vec::new(),
            stalled: Vec::new(),
            scratch: vec![0; READ_BYTES],
            output: Output::default(),
            dispatch: Dispatch::new(System::new(Cluster::new(&addresses, places)), settings),
        };
        for (node, listener) in listeners.into_iter().enumerate() {
            server.doors.push(Door { listener: None, paused: false });
            server.open_door(node, listener)?;
        }
        server.watch(|watch| watch.set_log_limit(log_limit));
        Ok(server)
    }

    pub(crate) fn waker(&self) -> Arc<Waker> {
        self.waker.clone()
    }

    /// Serves until it is told to stop. Dropping the sockets then ends all connections.
    pub(crate) fn run(&mut self) {
        let mut events = Events::with_capacity(1024);
        while !self.stop.load(Ordering::Acquire) {
            match self.poll.poll(&mut events, self.patience()) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                // Waiting itself fails: there is nobody to tell, and spinning would be worse than stopping.
                Err(_) => return,
            }
            for slot in std::mem::take(&mut self.again) {
                // The slot may be another connection's by now, to which a turn too many does no harm.
                if let Some(connection) = &mut self.connections[slot] {
                    connection.queued = false;
                    self.turn(slot);
                }
            }
            for node in std::mem::take(&mut self.stalled) {
                self.accept(node);
            }
            for event in &events {
                match event.token() {
                    WAKER => {
                        while let Ok(command) = self.commands.try_recv() {
                            command(self);
                        }
                    }
                    Token(token) if token & LISTENER != 0 => self.accept(token ^ LISTENER),
                    Token(slot) => {
                        self.turn(slot);
                        // The end may lie behind bytes that were just read, and is told of once.
                        if event.is_read_closed() {
                            self.next(slot, Next::Again);
                        }
                    }
                }
            }
            if !self.handshakes.is_empty() {
                self.end_slow_handshakes();
            }
            if !self.dispatch.waiting.is_empty() {
                self.release();
            }
            if !self.dispatch.news.is_empty() {
                self.tell();
            }
        }
    }

    /// How long to wait for the kernel.
    fn patience(&self) -> Option<Duration> {
        if !self.again.is_empty() {
            return Some(Duration::ZERO);
        }
        let pause = (!self.stalled.is_empty()).then_some(ACCEPT_PAUSE);
        let from_now = |due: Instant| due.saturating_duration_since(Instant::now());
        let handshake = self.handshakes.front().map(|(due, ..)| from_now(*due));
        let delayed = self.dispatch.waiting.first_due().map(from_now);
        [pause, handshake, delayed].into_iter().flatten().min()
    }

    /// Closes connections whose handshake took too long, and forgets those that are through.
    fn end_slow_handshakes(&mut self) {
        let mut now = None;
        while let Some(&(due, slot, number)) = self.handshakes.front() {
            let connection = self.connections[slot].as_ref().filter(|open| open.number() == number);
            if connection.is_some_and(|open| !open.is_ready() && !open.paused) {
                if due > *now.get_or_insert_with(Instant::now) {
                    return;
                }
                self.next(slot, Next::Close);
            }
            self.handshakes.pop_front();
        }
    }

    /// Sends events to those who asked for them.
    fn tell(&mut self) {
        for news in std::mem::take(&mut self.dispatch.news) {
            for slot in 0..self.connections.len() {
                self.deliver(slot, |connection, output| connection.put_news(&news, output));
            }
        }
    }

    /// Sends what `put` makes, unless it says that there is nothing.
    fn deliver(&mut self, slot: usize, put: impl FnOnce(&Connection, &mut Output) -> bool) {
        let Some(connection) = self.connections.get_mut(slot).and_then(Option::as_mut) else { return };
        self.output.bytes.clear();
        if connection.is_deaf() || !put(connection, &mut self.output) {
            return;
        }
        let before = connection.buffered_bytes();
        let next = connection.deliver(&mut self.output);
        self.buffered_bytes = self.buffered_bytes + connection.buffered_bytes() - before;
        self.next(slot, next);
    }

    fn accept(&mut self, node: usize) {
        while !self.doors[node].paused {
            let Some(listener) = &self.doors[node].listener else { return };
            match listener.accept() {
                // Dropping it closes it.
                Ok(_) if self.open >= self.connection_limit => {}
                Ok((socket, _)) => self.admit(node, socket),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if is_about_one_peer(&error) => {}
                Err(_) => {
                    self.stalled.push(node);
                    return;
                }
            }
        }
    }

    fn admit(&mut self, node: usize, mut socket: TcpStream) {
        let slot = self.free.pop().unwrap_or(self.connections.len());
        let registered = socket.set_nodelay(true).and_then(|()| {
            let interest = Interest::READABLE | Interest::WRITABLE;
            self.poll.registry().register(&mut socket, Token(slot), interest)
        });
        let Ok(channel) = registered.and_then(|()| self.channel(socket)) else {
            self.free_slot(slot);
            return;
        };
        let number = self.accepted + 1;
        let fate = self.dispatch.watch.as_mut().and_then(|watch| watch.look(&connecting(node, number)));
        if matches!(fate, Some(Action::CloseBefore)) {
            self.free_slot(slot);
            return;
        }
        self.accepted = number;
        let due = Instant::now() + self.dispatch.settings.handshake_timeout;
        self.handshakes.push_back((due, slot, self.accepted));
        let mut connection = Connection::new(channel, node, slot, number);
        connection.paused = fate.is_some();
        let connection = Some(connection);
        if slot == self.connections.len() {
            self.connections.push(connection);
        } else {
            self.connections[slot] = connection;
        }
        self.open += 1;
    }

    /// Takes a slot back that was to be used.
    fn free_slot(&mut self, slot: usize) {
        if slot < self.connections.len() {
            self.free.push(slot);
        }
    }

    #[cfg(not(feature = "tls"))]
    fn channel(&self, socket: TcpStream) -> io::Result<Channel> {
        Ok(Channel::Plain(socket))
    }

    #[cfg(feature = "tls")]
    fn channel(&self, socket: TcpStream) -> io::Result<Channel> {
        match &self.dispatch.settings.tls {
            None => Ok(Channel::Plain(socket)),
            Some(config) => Ok(Channel::Tls(Box::new(channel::tls::Tls::new(socket, config.clone())?))),
        }
    }

    fn turn(&mut self, slot: usize) {
        let Some(connection) = self.connections.get_mut(slot).and_then(Option::as_mut) else { return };
        self.output.bytes.clear();
        let before = connection.buffered_bytes();
        let next = connection.turn(&mut self.scratch, &mut self.output, &mut self.dispatch);
        let after = connection.buffered_bytes();
        self.buffered_bytes = self.buffered_bytes + after - before;
        let next = if after > 0 && self.buffered_bytes > BUFFERED_LIMIT_BYTES { Next::Close } else { next };
        self.next(slot, next);
        if self.output.capacity() > KEPT_OUTPUT_BYTES {
            self.output = Output::default();
        }
    }

    fn next(&mut self, slot: usize, next: Next) {
        let Some(connection) = self.connections.get_mut(slot).and_then(Option::as_mut) else { return };
        match next {
            Next::Wait => {}
            Next::Again if connection.queued => {}
            Next::Again => {
                connection.queued = true;
                self.again.push(slot);
            }
            Next::Close => {
                self.buffered_bytes -= connection.buffered_bytes();
                // The kernel forgets a closed socket by itself; a failure changes nothing.
                let _ = self.poll.registry().deregister(connection.socket());
                self.connections[slot] = None;
                self.free.push(slot);
                self.open -= 1;
            }
        }
    }
}

/// A connection that is opened, as rules see it.
fn connecting(node: usize, connection: u64) -> Asked<'static> {
    Asked {
        node,
        connection,
        ready: false,
        version: Version::LATEST,
        stream: 0,
        opcode: None,
        texts: &[],
        keyspace: None,
        consistency: None,
    }
}

/// Whether accepting failed for one connection only, so that the next may succeed.
fn is_about_one_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}
