//! The floors: real v4 frames over one socket, by one bare loop, and nothing else.

mod frames;
mod runtimes;

use super::Client;
use crate::latency::Sampler;
use crate::workload::Op;
use anyhow::Result;
pub(super) use frames::MAX_IN_FLIGHT;
use frames::{Frames, Progress};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

pub(super) use runtimes::{async_std, glommio, smol, tokio};

const READ_BYTES: usize = 64 * 1024;

/// An epoll loop: the floor of all.
pub(super) fn epoll(server: SocketAddr, op: Op, in_flight: usize) -> Result<Box<dyn Client>> {
    let (frames, socket) = Frames::connect(server, op, in_flight)?;
    socket.set_nonblocking(true)?;
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    epoll.add(&socket, EpollEvent::new(EpollFlags::EPOLLIN, 0))?;
    Ok(Box::new(Bare { frames, socket, epoll, waits_for_room: false }))
}

struct Bare {
    frames: Frames,
    socket: TcpStream,
    epoll: Epoll,
    waits_for_room: bool,
}

impl Client for Bare {
    fn run(&mut self, requests: u64, sampler: &Arc<Sampler>) -> Result<()> {
        let mut progress = Progress::new(requests, sampler);
        self.frames.begin(&mut progress);
        self.write()?;
        let mut events = [EpollEvent::empty()];
        while !progress.is_over() {
            match self.epoll.wait(&mut events, EpollTimeout::NONE) {
                Ok(_) | Err(nix::Error::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
            self.frames.read(&mut self.socket, &mut progress)?;
            self.write()?;
        }
        Ok(())
    }
}

impl Bare {
    /// One write; what the socket doesn't take waits until it says that it has room.
    fn write(&mut self) -> Result<()> {
        self.frames.write(&mut self.socket)?;
        if self.frames.has_outgoing() != self.waits_for_room {
            self.waits_for_room = !self.waits_for_room;
            let room = if self.waits_for_room { EpollFlags::EPOLLOUT } else { EpollFlags::empty() };
            self.epoll.modify(&self.socket, &mut EpollEvent::new(EpollFlags::EPOLLIN | room, 0))?;
        }
        Ok(())
    }
}

/// A blocking socket: the floor of one request at a time.
pub(super) fn blocking(server: SocketAddr, op: Op, in_flight: usize) -> Result<Box<dyn Client + Send>> {
    anyhow::ensure!(in_flight == 1, "a blocking socket has one request at a time");
    let (frames, socket) = Frames::connect(server, op, in_flight)?;
    Ok(Box::new(Blocking { frames, socket }))
}

struct Blocking {
    frames: Frames,
    socket: TcpStream,
}

impl Client for Blocking {
    fn run(&mut self, requests: u64, sampler: &Arc<Sampler>) -> Result<()> {
        let mut progress = Progress::new(requests, sampler);
        self.frames.begin(&mut progress);
        while !progress.is_over() {
            while self.frames.has_outgoing() {
                self.frames.write(&mut self.socket)?;
            }
            self.frames.read(&mut self.socket, &mut progress)?;
        }
        Ok(())
    }
}
