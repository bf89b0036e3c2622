//! The same loop on foreign runtimes, without a driver: what each of them costs by itself.

use super::{Frames, Progress};
use crate::drivers::Client;
use crate::drivers::helenus::{Flavour, executor};
use crate::latency::Sampler;
use crate::workload::Op;
use ::tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use anyhow::Result;
use async_io::Async;
use futures_util::io::{AsyncRead as FuturesRead, AsyncWrite as FuturesWrite};
use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Runs the loop's future on a runtime.
type Run = Box<dyn FnMut(Pin<&mut dyn Future<Output = Result<()>>>) -> Result<()>>;

struct OnRuntime {
    frames: Frames,
    socket: Box<dyn Socket>,
    run: Run,
}

/// Each read and write leaves the waker where it would block.
trait Socket {
    fn read(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>>;
    fn write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>>;
}

impl Client for OnRuntime {
    fn run(&mut self, requests: u64, sampler: &Arc<Sampler>) -> Result<()> {
        let Self { frames, socket, run } = self;
        let mut progress = Progress::new(requests, sampler);
        frames.begin(&mut progress);
        let turns = poll_fn(|cx| turn(frames, socket.as_mut(), &mut progress, cx));
        run(std::pin::pin!(turns))
    }
}

/// Reads until that would block, and writes after each read.
fn turn(
    frames: &mut Frames,
    socket: &mut dyn Socket,
    progress: &mut Progress<'_>,
    cx: &mut Context<'_>,
) -> Poll<Result<()>> {
    loop {
        frames.write(&mut Polled(socket, cx))?;
        if progress.is_over() {
            return Poll::Ready(Ok(()));
        }
        if !frames.read(&mut Polled(socket, cx), progress)? {
            return Poll::Pending;
        }
    }
}

/// A socket that says `WouldBlock` where polling it says `Pending`.
struct Polled<'a, 'b>(&'a mut dyn Socket, &'a mut Context<'b>);

impl io::Read for Polled<'_, '_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        blocked(self.0.read(self.1, room))
    }
}

impl io::Write for Polled<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        blocked(self.0.write(self.1, bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn blocked(poll: Poll<io::Result<usize>>) -> io::Result<usize> {
    match poll {
        Poll::Ready(done) => done,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}

fn connect(server: SocketAddr, op: Op, in_flight: usize) -> Result<(Frames, TcpStream)> {
    let (frames, socket) = Frames::connect(server, op, in_flight)?;
    socket.set_nonblocking(true)?;
    Ok((frames, socket))
}

pub(in crate::drivers) fn tokio(server: SocketAddr, op: Op, in_flight: usize) -> Result<Box<dyn Client>> {
    let (frames, socket) = connect(server, op, in_flight)?;
    let runtime = Flavour::CurrentThread.runtime()?;
    let entered = runtime.enter();
    let socket = Box::new(::tokio::net::TcpStream::from_std(socket)?);
    drop(entered);
    let run: Run = Box::new(move |turns| runtime.block_on(::tokio::task::unconstrained(turns)));
    Ok(Box::new(OnRuntime { frames, socket, run }))
}

pub(in crate::drivers) fn smol(server: SocketAddr, op: Op, in_flight: usize) -> Result<Box<dyn Client>> {
    let (frames, socket) = connect(server, op, in_flight)?;
    let socket = Box::new(Async::new(socket)?);
    let executor = async_executor::LocalExecutor::new();
    let run: Run = Box::new(move |turns| async_io::block_on(executor.run(turns)));
    Ok(Box::new(OnRuntime { frames, socket, run }))
}

pub(in crate::drivers) fn async_std(server: SocketAddr, op: Op, in_flight: usize) -> Result<Box<dyn Client>> {
    let (frames, socket) = connect(server, op, in_flight)?;
    let socket = Box::new(async_std::net::TcpStream::from(socket));
    Ok(Box::new(OnRuntime { frames, socket, run: Box::new(|turns| async_std::task::block_on(turns)) }))
}

pub(in crate::drivers) fn glommio(server: SocketAddr, op: Op, in_flight: usize) -> Result<Box<dyn Client>> {
    let executor = executor()?;
    let (frames, socket) = connect(server, op, in_flight)?;
    let socket =
        Box::new(executor.run(async { ::glommio::net::TcpStream::from(socket2_04::Socket::from(socket)) }));
    Ok(Box::new(OnRuntime { frames, socket, run: Box::new(move |turns| executor.run(turns)) }))
}

impl Socket for ::tokio::net::TcpStream {
    fn read(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut room = ReadBuf::new(room);
        Pin::new(self).poll_read(cx, &mut room).map_ok(|()| room.filled().len())
    }

    fn write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(self).poll_write(cx, bytes)
    }
}

/// What implements the traits of futures-io.
macro_rules! futures_socket {
    ($($socket:ty),*) => {$(
        impl Socket for $socket {
            fn read(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
                Pin::new(self).poll_read(cx, room)
            }

            fn write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
                Pin::new(self).poll_write(cx, bytes)
            }
        }
    )*};
}

futures_socket!(Async<TcpStream>, async_std::net::TcpStream, ::glommio::net::TcpStream);
