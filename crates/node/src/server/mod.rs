//! The loop: one thread, one epoll, all nodes and connections.

mod connection;
mod dispatch;
mod listen;
mod output;

pub(crate) use listen::listen;

use std::io;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use helenus_core::protocol::Version;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};

use crate::clock::Clock;
use crate::system::{Cluster, System};
use connection::{Connection, Next};
use dispatch::Dispatch;
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

pub(crate) struct Server {
    poll: Poll,
    waker: Arc<Waker>,
    stop: Arc<AtomicBool>,
    /// Token: the node's number.
    listeners: Vec<TcpListener>,
    /// Token: the number of nodes and the slot.
    connections: Vec<Option<Connection>>,
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
    pub(crate) fn new(
        mut listeners: Vec<TcpListener>,
        addresses: &[SocketAddr],
        settings: Settings,
        stop: Arc<AtomicBool>,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        for (node, listener) in listeners.iter_mut().enumerate() {
            poll.registry().register(listener, Token(node), Interest::READABLE)?;
        }
        let connection_limit = settings.connection_limit;
        Ok(Self {
            poll,
            waker,
            stop,
            listeners,
            connections: Vec::new(),
            free: Vec::new(),
            open: 0,
            connection_limit,
            buffered_bytes: 0,
            again: Vec::new(),
            stalled: Vec::new(),
            scratch: vec![0; READ_BYTES],
            output: Output::default(),
            dispatch: Dispatch::new(System::new(Cluster::new(addresses)), settings),
        })
    }

    pub(crate) fn waker(&self) -> Arc<Waker> {
        self.waker.clone()
    }

    /// Serves until it is told to stop. Dropping the sockets then ends all connections.
    pub(crate) fn run(&mut self) {
        let mut events = Events::with_capacity(1024);
        while !self.stop.load(Ordering::Acquire) {
            let timeout = match (self.again.is_empty(), self.stalled.is_empty()) {
                (false, _) => Some(Duration::ZERO),
                (true, false) => Some(ACCEPT_PAUSE),
                (true, true) => None,
            };
            match self.poll.poll(&mut events, timeout) {
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
            let nodes = self.listeners.len();
            for event in &events {
                match event.token() {
                    WAKER => {}
                    Token(node) if node < nodes => self.accept(node),
                    Token(token) => self.turn(token - nodes),
                }
            }
        }
    }

    fn accept(&mut self, node: usize) {
        loop {
            match self.listeners[node].accept() {
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
        let token = Token(self.listeners.len() + slot);
        let registered = socket.set_nodelay(true).and_then(|()| {
            self.poll.registry().register(&mut socket, token, Interest::READABLE | Interest::WRITABLE)
        });
        if registered.is_err() {
            if slot < self.connections.len() {
                self.free.push(slot);
            }
            return;
        }
        let connection = Some(Connection::new(socket, node));
        if slot == self.connections.len() {
            self.connections.push(connection);
        } else {
            self.connections[slot] = connection;
        }
        self.open += 1;
    }

    fn turn(&mut self, slot: usize) {
        let Some(connection) = self.connections.get_mut(slot).and_then(Option::as_mut) else { return };
        self.output.bytes.clear();
        let before = connection.buffered_bytes();
        let next = connection.turn(&mut self.scratch, &mut self.output, &mut self.dispatch);
        let after = connection.buffered_bytes();
        self.buffered_bytes = self.buffered_bytes + after - before;
        let next = if after > 0 && self.buffered_bytes > BUFFERED_LIMIT_BYTES { Next::Close } else { next };
        match next {
            Next::Wait => {}
            Next::Again if connection.queued => {}
            Next::Again => {
                connection.queued = true;
                self.again.push(slot);
            }
            Next::Close => {
                // The kernel forgets a closed socket by itself; a failure changes nothing.
                let _ = self.poll.registry().deregister(connection.socket());
                self.buffered_bytes -= after;
                self.connections[slot] = None;
                self.free.push(slot);
                self.open -= 1;
            }
        }
        if self.output.bytes.capacity() > KEPT_OUTPUT_BYTES {
            self.output = Output::default();
        }
    }
}

/// Whether accepting failed for one connection only, so that the next may succeed.
fn is_about_one_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}
