//! A bare epoll responder: the yardstick for `helenus node --null`, and a server for checking this program.
//!
//! It answers any prepared INSERT with Void and any prepared SELECT with one canned row, and as much of the
//! system tables as clients ask for while they connect. It stores nothing.

mod answer;
mod system;

use crate::processor;
use crate::wire::{HEADER_BYTES, Header, MAX_BODY_BYTES};
use answer::Answers;
use anyhow::{Context, Result, ensure};
use clap::Args;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;

const READ_BYTES: usize = 64 * 1024;
const MAX_CONNECTIONS: usize = 1_024;
const LISTENER: u64 = u64::MAX;

#[derive(Args, Debug)]
pub(crate) struct ServeArgs {
    /// Where to listen
    #[arg(long, default_value = "127.0.0.1:9042")]
    listen: SocketAddr,
    /// Pin this process to a core
    #[arg(long)]
    core: Option<usize>,
}

pub(crate) fn run(args: &ServeArgs) -> Result<()> {
    if let Some(core) = args.core {
        processor::pin(core)?;
    }
    let listener =
        TcpListener::bind(args.listen).with_context(|| format!("can't listen on {}", args.listen))?;
    let address = listener.local_addr()?;
    listener.set_nonblocking(true)?;
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    epoll.add(&listener, EpollEvent::new(EpollFlags::EPOLLIN, LISTENER))?;
    println!("listening on {address}");
    Server { listener, epoll, peers: HashMap::new(), answers: Answers::new(address) }.run()
}

struct Server {
    listener: TcpListener,
    epoll: Epoll,
    peers: HashMap<u64, Peer>,
    answers: Answers,
}

struct Peer {
    socket: TcpStream,
    incoming: Vec<u8>,
    kept: usize,
    outgoing: Vec<u8>,
    waits_for_room: bool,
}

impl Server {
    fn run(&mut self) -> Result<()> {
        let mut events = [EpollEvent::empty(); 64];
        loop {
            let count = match self.epoll.wait(&mut events, EpollTimeout::NONE) {
                Ok(count) => count,
                Err(nix::Error::EINTR) => 0,
                Err(error) => return Err(error.into()),
            };
            for event in &events[..count] {
                if event.data() == LISTENER {
                    self.accept()?;
                } else {
                    self.turn(event.data());
                }
            }
        }
    }

    fn accept(&mut self) -> Result<()> {
        let socket = match self.listener.accept() {
            Ok((socket, _)) => socket,
            Err(_) => return Ok(()),
        };
        if self.peers.len() == MAX_CONNECTIONS {
            return Ok(());
        }
        socket.set_nonblocking(true)?;
        socket.set_nodelay(true)?;
        let id = socket.as_raw_fd() as u64;
        self.epoll.add(&socket, EpollEvent::new(EpollFlags::EPOLLIN, id))?;
        let incoming = vec![0; READ_BYTES];
        self.peers
            .insert(id, Peer { socket, incoming, kept: 0, outgoing: Vec::new(), waits_for_room: false });
        Ok(())
    }

    /// A connection that closed or speaks something else is dropped, which closes it; the others live on.
    fn turn(&mut self, id: u64) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let goes_on = peer.read(&mut self.answers).and_then(|()| peer.write(&self.epoll, id));
        if goes_on.is_err() {
            self.peers.remove(&id);
        }
    }
}

impl Peer {
    /// A client that doesn't take its answers isn't read from either, so `outgoing` stays bounded.
    fn read(&mut self, answers: &mut Answers) -> Result<()> {
        if self.waits_for_room {
            return Ok(());
        }
        match self.socket.read(&mut self.incoming[self.kept..]) {
            Ok(0) => anyhow::bail!("closed"),
            Ok(count) => self.take_frames(self.kept + count, answers),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn take_frames(&mut self, filled: usize, answers: &mut Answers) -> Result<()> {
        let mut at = 0;
        while let Some(bytes) = self.incoming[at..filled].first_chunk::<HEADER_BYTES>() {
            let header = Header::parse(bytes);
            ensure!(header.body_bytes <= MAX_BODY_BYTES, "a request of {} bytes", header.body_bytes);
            let end = at + HEADER_BYTES + header.body_bytes;
            if end > filled {
                let needed = HEADER_BYTES + header.body_bytes;
                self.incoming.resize(self.incoming.len().max(needed), 0);
                break;
            }
            answers.answer(&header, &self.incoming[at + HEADER_BYTES..end], &mut self.outgoing)?;
            at = end;
        }
        self.incoming.copy_within(at..filled, 0);
        self.kept = filled - at;
        Ok(())
    }

    fn write(&mut self, epoll: &Epoll, id: u64) -> Result<()> {
        if !self.outgoing.is_empty() {
            match self.socket.write(&self.outgoing) {
                Ok(count) if count == self.outgoing.len() => self.outgoing.clear(),
                Ok(count) => drop(self.outgoing.drain(..count)),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let waits_for_room = !self.outgoing.is_empty();
        if waits_for_room != self.waits_for_room {
            self.waits_for_room = waits_for_room;
            let wanted = if waits_for_room { EpollFlags::EPOLLOUT } else { EpollFlags::EPOLLIN };
            epoll.modify(&self.socket, &mut EpollEvent::new(wanted, id))?;
        }
        Ok(())
    }
}
