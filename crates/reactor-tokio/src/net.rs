//! Sockets of the runtime around.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use helenus_core::reactor::{ConnId, OpenOptions};
use helenus_reactor_common::tasks::Hub;
use helenus_reactor_common::{Net, Readiness, finish_connect, start_connect};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

/// Tokio knows which of both it is: asking in vain costs no system call, and one waker costs less than two.
const EITHER: Readiness = Readiness { readable: true, writable: true, ended: false };

pub(crate) struct Sockets {
    pub(crate) hub: Arc<Hub>,
    /// Why there can be none here.
    pub(crate) lacks: Option<&'static str>,
}

pub(crate) struct Socket {
    stream: TcpStream,
    /// Reports this connection to the hub. Each call that would block leaves it with the runtime.
    waker: Waker,
}

impl Socket {
    /// Leaves the waker for reading with the runtime, or calls it.
    fn watch_reading(&self) {
        if self.stream.poll_read_ready(&mut Context::from_waker(&self.waker)).is_ready() {
            self.waker.wake_by_ref();
        }
    }
}

impl Net for Sockets {
    type Socket = Socket;

    fn open(&mut self, conn: ConnId, address: SocketAddr, options: &OpenOptions) -> io::Result<Socket> {
        if let Some(lacks) = self.lacks {
            return Err(io::Error::new(io::ErrorKind::Unsupported, lacks));
        }
        let stream = TcpStream::from_std(start_connect(address, options)?)?;
        let waker = self.hub.for_conn(conn, EITHER);
        if stream.poll_write_ready(&mut Context::from_waker(&waker)).is_ready() {
            waker.wake_by_ref();
        }
        Ok(Socket { stream, waker })
    }

    fn opened(&mut self, socket: &mut Socket) -> io::Result<bool> {
        let stream = &socket.stream;
        match stream.poll_write_ready(&mut Context::from_waker(&socket.waker)) {
            Poll::Ready(ready) => ready?,
            Poll::Pending => return Ok(false),
        }
        let finish = || if finish_connect(stream)? { Ok(()) } else { Err(io::ErrorKind::WouldBlock.into()) };
        match stream.try_io(Interest::WRITABLE, finish) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                // That took the readiness back; asking again leaves the waker.
                socket.waker.wake_by_ref();
                return Ok(false);
            }
            Err(error) => return Err(error),
        }
        socket.watch_reading();
        Ok(true)
    }

    fn read(&mut self, socket: &mut Socket, room: &mut [u8]) -> io::Result<usize> {
        let mut room = ReadBuf::new(room);
        let mut context = Context::from_waker(&socket.waker);
        match Pin::new(&mut socket.stream).poll_read(&mut context, &mut room) {
            Poll::Ready(read) => read?,
            Poll::Pending => return Err(io::ErrorKind::WouldBlock.into()),
        }
        // `poll_read` noticed if the read came short, so this costs no system call.
        socket.watch_reading();
        Ok(room.filled().len())
    }

    fn write(&mut self, socket: &mut Socket, bytes: &[u8]) -> io::Result<usize> {
        let mut context = Context::from_waker(&socket.waker);
        match Pin::new(&mut socket.stream).poll_write(&mut context, bytes) {
            Poll::Ready(written) => written,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    fn close(&mut self, socket: Socket) {
        drop(socket);
    }
}
