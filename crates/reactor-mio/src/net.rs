//! Sockets, and waiting for them.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::time::Duration;

use helenus_core::reactor::{ConnId, LaunchError, OpenOptions, Seed};
use helenus_reactor_common::{Clock, Net, Readiness, Shard, finish_connect, start_connect};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Registry, Token};

/// How many events one wait fetches; the rest is fetched by the next.
const EVENTS: usize = 1024;
const WAKE: Token = Token(usize::MAX);

/// What a loop needs of the system, made before its machine.
pub(crate) struct Lane {
    poll: Poll,
    waker: Waker,
}

/// What a loop waits with.
pub(crate) struct Watch {
    events: Events,
    pub(crate) clock: Clock,
    pub(crate) waker: Waker,
}

/// The sockets of a loop.
pub(crate) struct Sockets {
    poll: Poll,
}

impl Lane {
    pub(crate) fn new() -> Result<Self, LaunchError> {
        let failed = |what| move |source| LaunchError::Io { what, source };
        let poll = Poll::new().map_err(failed("the descriptor that it waits on"))?;
        let waker = mio::Waker::new(poll.registry(), WAKE).map_err(failed("the descriptor that wakes it"))?;
        Ok(Self { poll, waker: Arc::new(LoopWaker(waker)).into() })
    }

    pub(crate) fn grow(self, seed: Seed) -> (Shard<Sockets>, Watch) {
        let shard = Shard::new(seed.grow(), Sockets { poll: self.poll }, &self.waker);
        let watch = Watch { events: Events::with_capacity(EVENTS), clock: Clock::start(), waker: self.waker };
        (shard, watch)
    }
}

impl Watch {
    /// Sleeps until a socket is ready, the waker is called, or `limit` has passed, and reports to the shard.
    pub(crate) fn wait(&mut self, shard: &mut Shard<Sockets>, limit: Option<Duration>) {
        // A signal is the one cause that is not a fault of this code; the turn that follows is short.
        if let Err(error) = shard.net().poll.poll(&mut self.events, limit) {
            debug_assert_eq!(error.kind(), io::ErrorKind::Interrupted, "epoll_wait failed: {error}");
            self.events.clear();
        }
        for event in self.events.iter().filter(|event| event.token() != WAKE) {
            let readiness = Readiness {
                readable: event.is_readable() || event.is_error(),
                writable: event.is_writable() || event.is_error() || event.is_write_closed(),
                ended: event.is_read_closed(),
            };
            shard.ready_at(event.token().0, readiness);
        }
    }
}

impl Sockets {
    fn registry(&self) -> &Registry {
        self.poll.registry()
    }
}

impl Net for Sockets {
    type Socket = TcpStream;

    // Windows' selector, as mio emulates it, reports again only after a call that would have blocked.
    const SHORT_READ_DRAINS: bool = cfg!(unix);

    fn open(&mut self, conn: ConnId, address: SocketAddr, options: &OpenOptions) -> io::Result<TcpStream> {
        let mut socket = TcpStream::from_std(start_connect(address, options)?);
        // Registered once for both: edges cost nothing while nothing changes. The index says enough, for a socket
        // leaves epoll when it is closed, and each batch of events is reported before anything can be closed.
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.registry().register(&mut socket, Token(conn.index()), interest)?;
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
        // Closing alone is not enough where a forked child still holds the descriptor. An error leaves it as it was.
        let _ = self.registry().deregister(&mut socket);
    }
}

struct LoopWaker(mio::Waker);

impl Wake for LoopWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // It writes to an eventfd, which can't fail while that is open.
        let _ = self.0.wake();
    }
}
