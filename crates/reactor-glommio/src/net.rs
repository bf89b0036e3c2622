//! Sockets of the executor around.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use futures_io::{AsyncRead, AsyncWrite};
use glommio::net::TcpStream;
use helenus_core::reactor::{ConnId, OpenOptions};
use helenus_reactor_common::tasks::Hub;
use helenus_reactor_common::{Net, Readiness, start_connect};

const READABLE: Readiness = Readiness { readable: true, writable: false, ended: false };
const WRITABLE: Readiness = Readiness { readable: false, writable: true, ended: false };

pub(crate) struct Sockets {
    pub(crate) hub: Arc<Hub>,
}

/// Glommio watches each direction by a poll in its ring, which completes once and has room for one waker.
pub(crate) struct Socket {
    stream: TcpStream,
    readable: Waker,
    writable: Waker,
}

impl Socket {
    fn poll_read(&mut self, room: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_read(&mut Context::from_waker(&self.readable), room)
    }

    fn poll_write(&mut self, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(&mut Context::from_waker(&self.writable), bytes)
    }

    /// Would block until the socket is connected, and says, once, why it could not be.
    fn poll_send_nothing(&mut self) -> Poll<io::Result<()>> {
        self.poll_write(&[]).map_ok(drop)
    }

    /// Leaves the waker for reading with the poll that is under way, or calls it. Nothing is read, and while a poll is
    /// under way that costs no system call.
    fn watch_reading(&mut self) {
        if self.poll_read(&mut []).is_ready() {
            self.readable.wake_by_ref();
        }
    }

    /// The kernel may pick the very port that it connects to.
    fn has_met_itself(&self) -> io::Result<bool> {
        Ok(self.stream.local_addr()? == self.stream.peer_addr()?)
    }
}

impl Net for Sockets {
    type Socket = Socket;

    fn open(&mut self, conn: ConnId, address: SocketAddr, options: &OpenOptions) -> io::Result<Socket> {
        // Not glommio's own `connect`, which sets no options before it begins.
        let stream = TcpStream::from(socket2_04::Socket::from(start_connect(address, options)?));
        let (readable, writable) = (self.hub.for_conn(conn, READABLE), self.hub.for_conn(conn, WRITABLE));
        let mut socket = Socket { stream, readable, writable };
        if let Poll::Ready(sent) = socket.poll_send_nothing() {
            sent?;
            socket.writable.wake_by_ref();
        }
        Ok(socket)
    }

    fn opened(&mut self, socket: &mut Socket) -> io::Result<bool> {
        match socket.poll_send_nothing() {
            Poll::Ready(sent) => sent?,
            Poll::Pending => return Ok(false),
        }
        if socket.has_met_itself()? {
            let met = "nobody listens: the socket met itself";
            return Err(io::Error::new(io::ErrorKind::ConnectionRefused, met));
        }
        socket.watch_reading();
        Ok(true)
    }

    fn read(&mut self, socket: &mut Socket, room: &mut [u8]) -> io::Result<usize> {
        let Poll::Ready(read) = socket.poll_read(room) else { return Err(io::ErrorKind::WouldBlock.into()) };
        // After a read that came short, glommio has begun to poll; a full one will be followed by another.
        if read.as_ref().is_ok_and(|count| (1..room.len()).contains(count)) {
            socket.watch_reading();
        }
        read
    }

    fn write(&mut self, socket: &mut Socket, bytes: &[u8]) -> io::Result<usize> {
        match socket.poll_write(bytes) {
            Poll::Ready(written) => written,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    fn close(&mut self, mut socket: Socket) {
        // The ring holds the file until it has cancelled its polls; the peer is told now. It only fails if the peer knows.
        let _ = Pin::new(&mut socket.stream).poll_close(&mut Context::from_waker(Waker::noop()));
    }
}
