//! Sockets watched by async-io, whichever thread waits for it at the time.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use async_io::Async;
use helenus_core::reactor::{ConnId, OpenOptions};
use helenus_reactor_common::tasks::Hub;
use helenus_reactor_common::{Net, Readiness, finish_connect, start_connect};

const READABLE: Readiness = Readiness { readable: true, writable: false, ended: false };
const WRITABLE: Readiness = Readiness { readable: false, writable: true, ended: false };

pub(crate) struct Sockets {
    pub(crate) hub: Arc<Hub>,
    /// Why there can be none here.
    pub(crate) lacks: Option<&'static str>,
}

/// Each wait is one `epoll_ctl`, and ends by one report. So reading and writing report apart, the socket is asked
/// only after a report, and watched again only once it is known to be empty or full.
pub(crate) struct Socket {
    stream: Async<TcpStream>,
    reading: Waker,
    writing: Waker,
    /// Why it can't be watched any more, for the next read.
    broken: Option<io::Error>,
}

impl Socket {
    fn watch_reading(&self) -> io::Result<()> {
        watch(&self.reading, |cx| self.stream.poll_readable(cx))
    }

    fn watch_writing(&self) -> io::Result<()> {
        watch(&self.writing, |cx| self.stream.poll_writable(cx))
    }
}

/// Leaves the waker. What is true by then is reported too, so nothing is missed between looking and watching.
fn watch(waker: &Waker, mut poll: impl FnMut(&mut Context<'_>) -> Poll<io::Result<()>>) -> io::Result<()> {
    let mut cx = Context::from_waker(waker);
    // The first answer may be about the report that was heeded just now; asked again, it waits for the next one.
    for _ in 0..2 {
        match poll(&mut cx) {
            Poll::Pending => return Ok(()),
            Poll::Ready(told) => told?,
        }
    }
    waker.wake_by_ref();
    Ok(())
}

impl Net for Sockets {
    type Socket = Socket;

    fn open(&mut self, conn: ConnId, address: SocketAddr, options: &OpenOptions) -> io::Result<Socket> {
        if let Some(lacks) = self.lacks {
            return Err(io::Error::new(io::ErrorKind::Unsupported, lacks));
        }
        let stream = Async::new_nonblocking(start_connect(address, options)?)?;
        let (reading, writing) = (self.hub.for_conn(conn, READABLE), self.hub.for_conn(conn, WRITABLE));
        let socket = Socket { stream, reading, writing, broken: None };
        socket.watch_writing()?;
        Ok(socket)
    }

    fn opened(&mut self, socket: &mut Socket) -> io::Result<bool> {
        let connected = finish_connect(&socket.stream)?;
        if connected {
            socket.watch_reading()?
        } else {
            socket.watch_writing()?
        }
        Ok(connected)
    }

    fn read(&mut self, socket: &mut Socket, room: &mut [u8]) -> io::Result<usize> {
        if let Some(error) = socket.broken.take() {
            return Err(error);
        }
        match socket.stream.get_ref().read(room) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => socket.watch_reading().and(Err(error)),
            Ok(count) if 0 < count && count < room.len() => {
                if let Err(error) = socket.watch_reading() {
                    socket.broken = Some(error);
                    socket.reading.wake_by_ref();
                }
                Ok(count)
            }
            done => done,
        }
    }

    fn write(&mut self, socket: &mut Socket, bytes: &[u8]) -> io::Result<usize> {
        match socket.stream.get_ref().write(bytes) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => socket.watch_writing().and(Err(error)),
            done => done,
        }
    }

    fn close(&mut self, socket: Socket) {
        drop(socket);
    }
}
