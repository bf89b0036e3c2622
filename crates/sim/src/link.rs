//! One TCP connection: two pipes with delays, and what the client's kernel shows of it.

use std::collections::VecDeque;
use std::io;

use helenus_core::Time;
use helenus_core::reactor::{Block, ConnId};

use crate::node::Server;
use crate::plan::Network;
use crate::rng::Rng;

/// What arrives at an end.
#[derive(Debug)]
pub(crate) enum Arrival {
    Bytes(Vec<u8>),
    /// The other side has closed, or half-closed.
    End,
    /// The other side has reset.
    Reset,
}

/// Bytes on the way in one direction, in order.
#[derive(Debug, Default)]
pub(crate) struct Pipe {
    queue: VecDeque<Arrival>,
    bytes: usize,
    last: Time,
    /// Nothing arrives any more, and nobody is told.
    pub(crate) black: bool,
}

impl Pipe {
    /// Puts `arrival` in; gives the time at which it comes out, unless it never does.
    fn push(&mut self, now: Time, arrival: Arrival, network: &Network, rng: &mut Rng) -> Option<Time> {
        if let Arrival::Bytes(bytes) = &arrival {
            self.bytes += bytes.len();
        }
        self.queue.push_back(arrival);
        let (low, high) = network.latency_us;
        let at = Time::from_nanos(now.as_nanos() + rng.between(low * 1_000, high * 1_000));
        self.last = self.last.max(at);
        (!self.black).then_some(self.last)
    }

    /// Puts bytes in, cut into pieces; gives the times at which they come out.
    pub(crate) fn send(&mut self, now: Time, bytes: &[u8], network: &Network, rng: &mut Rng) -> Vec<Time> {
        let mut times = Vec::new();
        // Long runs are cut less finely, or one page would be ten thousand events.
        let longest = network.split.max(bytes.len() / 50);
        let mut rest = bytes;
        while !rest.is_empty() {
            let (piece, left) = rest.split_at(rest.len().min(rng.index(longest) + 1));
            times.extend(self.push(now, Arrival::Bytes(piece.to_vec()), network, rng));
            rest = left;
        }
        times
    }

    pub(crate) fn end(&mut self, now: Time, reset: bool, network: &Network, rng: &mut Rng) -> Option<Time> {
        self.push(now, if reset { Arrival::Reset } else { Arrival::End }, network, rng)
    }

    pub(crate) fn arrive(&mut self) -> Option<Arrival> {
        let arrival = self.queue.pop_front()?;
        if let Arrival::Bytes(bytes) = &arrival {
            self.bytes -= bytes.len();
        }
        Some(arrival)
    }

    /// How much of `length` bytes fits.
    pub(crate) fn room(&self, length: usize, network: &Network) -> usize {
        network.capacity.saturating_sub(self.bytes).min(length)
    }

    /// What is on the way is lost.
    pub(crate) fn clear(&mut self) {
        self.queue.clear();
        self.bytes = 0;
    }
}

/// How far the client's side is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Connecting,
    Open,
    /// The machine has been told that it is gone, or has wished so.
    Gone,
}

/// A connection with both ends.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) conn: ConnId,
    pub(crate) node: usize,
    pub(crate) phase: Phase,
    /// Read by `Event::Bytes` instead of `fill`.
    pub(crate) pushes_bytes: bool,
    /// Written by `take_block` instead of `flush`.
    pub(crate) takes_blocks: bool,
    pub(crate) to_node: Pipe,
    pub(crate) to_client: Pipe,
    pub(crate) received: VecDeque<u8>,
    pub(crate) ended: bool,
    pub(crate) broken: bool,
    /// `flush` said `Blocked`.
    pub(crate) blocked: bool,
    /// The last read filled its room.
    pub(crate) more: bool,
    /// A block with the kernel, and how much of it the kernel has taken.
    pub(crate) block: Option<(Block, usize)>,
    /// `None` once the server has let go of it.
    pub(crate) server: Option<Server>,
}

impl Link {
    pub(crate) fn new(conn: ConnId, node: usize, rng: &mut Rng) -> Self {
        Self {
            conn,
            node,
            phase: Phase::Connecting,
            pushes_bytes: rng.chance(500),
            takes_blocks: rng.chance(500),
            to_node: Pipe::default(),
            to_client: Pipe::default(),
            received: VecDeque::new(),
            ended: false,
            broken: false,
            blocked: false,
            more: false,
            block: None,
            server: None,
        }
    }

    /// Whether the machine should be told something.
    pub(crate) fn is_ready(&self, network: &Network) -> bool {
        self.phase == Phase::Open
            && (self.broken
                || self.ended
                || self.more
                || !self.received.is_empty()
                || self.block.as_ref().is_some_and(|(block, taken)| *taken == block.0.len())
                || (self.blocked && self.to_node.room(1, network) > 0))
    }

    /// Whether it is ready for requests, has none, and nothing is on its way.
    pub(crate) fn is_idle(&self) -> bool {
        self.phase == Phase::Open
            && self.server.as_ref().is_some_and(Server::is_idle)
            && self.to_node.queue.is_empty()
            && self.to_client.queue.is_empty()
            && self.received.is_empty()
            && self.block.is_none()
            && !(self.ended || self.broken || self.blocked)
    }

    /// Bytes that a node has sent and the machine has not read.
    #[cfg(test)]
    pub(crate) fn unread(&self) -> usize {
        self.to_client.bytes + self.received.len()
    }

    /// `read(2)`.
    pub(crate) fn read(&mut self, room: &mut [u8], network: &Network, rng: &mut Rng) -> io::Result<usize> {
        if self.broken {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        if rng.chance(network.spurious) {
            return Err(rng.pick(&[io::ErrorKind::WouldBlock, io::ErrorKind::Interrupted]).into());
        }
        if self.received.is_empty() && !self.ended {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let longest = network.read_max.max(self.received.len() / 50);
        let count = room.len().min(self.received.len()).min(rng.index(longest) + 1);
        room.iter_mut().zip(self.received.drain(..count)).for_each(|(to, byte)| *to = byte);
        Ok(count)
    }
}
