//! The network and its clock: everything that happens outside the machine, in order.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use helenus_core::Time;
use helenus_core::reactor::{Block, ConnId};

use crate::link::{Arrival, Link, Phase};
use crate::node::{Deed, Deeds, Server};
use crate::plan::Network;
use crate::rng::Rng;
use crate::trace::Trace;
use crate::users::Wish;

/// Something that happens at its time.
#[derive(Debug)]
pub(crate) enum Happening {
    Connected(usize),
    Refused(usize),
    /// Something arrives at the node's end of a link.
    ToNode(usize),
    /// Something arrives at the client's end of a link.
    ToClient(usize),
    Deed(usize, Deed),
    User(Wish),
    NodeFault,
    NodeUp(usize),
    /// Faults end, all is repaired.
    Calm,
    /// Requests that must succeed.
    Probe,
    /// They must have succeeded.
    CheckProbes,
    Close,
    /// The loop ends without being asked.
    Drop,
}

/// Links, the queue of what will happen, and the clock.
pub(crate) struct Net {
    pub(crate) now: Time,
    queue: BTreeMap<(Time, u64), Happening>,
    count: u64,
    pub(crate) links: Vec<Link>,
    pub(crate) network: Network,
    pub(crate) rng: Rng,
    pub(crate) trace: Trace,
    /// The planted bug 'two bodies swapped': an answer that waits for another one.
    pub(crate) swaps: bool,
    swap: Option<(usize, i16, Vec<u8>)>,
}

impl Net {
    pub(crate) fn new(network: Network, rng: Rng, trace: Trace, swaps: bool) -> Self {
        Self {
            now: Time::ZERO,
            queue: BTreeMap::new(),
            count: 0,
            links: Vec::new(),
            network,
            rng,
            trace,
            swaps,
            swap: None,
        }
    }

    pub(crate) fn at(&mut self, time: Time, happening: Happening) {
        self.count += 1;
        self.queue.insert((time, self.count), happening);
    }

    pub(crate) fn after(&mut self, delay: Duration, happening: Happening) {
        self.at(self.now + delay, happening);
    }

    /// When something happens next.
    pub(crate) fn next_at(&self) -> Option<Time> {
        self.queue.first_key_value().map(|((time, _), _)| *time)
    }

    /// The next thing that has happened by now.
    pub(crate) fn pop(&mut self) -> Option<Happening> {
        if self.next_at()? > self.now {
            return None;
        }
        self.queue.pop_first().map(|(_, happening)| happening)
    }

    /// A new link to a node; `None`: to an address where nobody is.
    pub(crate) fn open(&mut self, conn: ConnId, node: Option<usize>, refused: bool) {
        let link = self.links.len();
        self.links.push(Link::new(conn, node.unwrap_or(0), &mut self.rng));
        let (low, high) = self.network.latency_us;
        let delay = Duration::from_micros(self.rng.between(low, high));
        if self.rng.chance(self.network.connect_hole) {
            return;
        }
        let refused = refused || node.is_none() || self.rng.chance(self.network.refuse);
        self.after(delay, if refused { Happening::Refused(link) } else { Happening::Connected(link) });
    }

    /// The link that a connection is, if the machine has it.
    pub(crate) fn find(&self, conn: ConnId) -> Option<usize> {
        self.links.iter().rposition(|link| link.conn == conn && link.phase != Phase::Gone)
    }

    /// The client's `write(2)`.
    pub(crate) fn write(&mut self, link: usize, bytes: &[u8]) -> io::Result<usize> {
        if self.links[link].broken {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if self.rng.chance(self.network.spurious) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let mut count = self.links[link].to_node.room(bytes.len(), &self.network);
        if count == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        if self.rng.chance(self.network.short_write) {
            count = self.rng.index(count) + 1;
        }
        self.send_to_node(link, &bytes[..count]);
        Ok(count)
    }

    fn send_to_node(&mut self, link: usize, bytes: &[u8]) {
        self.trace.bytes(self.now, "write", link, bytes);
        let times = self.links[link].to_node.send(self.now, bytes, &self.network, &mut self.rng);
        for time in times {
            self.at(time, Happening::ToNode(link));
        }
    }

    /// The kernel gets a block.
    pub(crate) fn lend(&mut self, link: usize, block: Block) {
        self.links[link].block = Some((block, 0));
        self.progress(link);
    }

    /// The kernel takes of a block what fits.
    pub(crate) fn progress(&mut self, link: usize) {
        let Some((block, taken)) = self.links[link].block.take() else { return };
        let mut count = 0;
        if !self.links[link].broken {
            count = self.links[link].to_node.room(block.0.len() - taken, &self.network);
        }
        if count > 0 {
            self.send_to_node(link, &block.0[taken..taken + count]);
        }
        self.links[link].block = Some((block, taken + count));
    }

    /// The client closes its side.
    pub(crate) fn close_by_client(&mut self, link: usize) {
        let reset = self.rng.chance(self.network.client_reset);
        let which = &mut self.links[link];
        which.phase = Phase::Gone;
        which.block = None;
        if reset {
            which.to_node.clear();
        }
        if let Some(time) = which.to_node.end(self.now, reset, &self.network, &mut self.rng) {
            self.at(time, Happening::ToNode(link));
        }
    }

    /// Something came to the client's end.
    pub(crate) fn arrive_at_client(&mut self, link: usize) {
        let which = &mut self.links[link];
        match which.to_client.arrive() {
            Some(Arrival::Bytes(bytes)) => which.received.extend(bytes),
            Some(Arrival::End) => which.ended = true,
            Some(Arrival::Reset) => which.broken = true,
            None => {}
        }
    }

    /// Something came to the node's end: bytes, if they are for someone.
    pub(crate) fn arrive_at_node(&mut self, link: usize) -> Option<Vec<u8>> {
        let arrival = self.links[link].to_node.arrive()?;
        self.progress(link);
        match arrival {
            Arrival::Bytes(bytes) if self.links[link].server.is_some() => Some(bytes),
            // Nobody is there any more: the kernel answers with a reset.
            Arrival::Bytes(_) => {
                self.end_to_client(link, true);
                None
            }
            Arrival::End | Arrival::Reset => {
                self.links[link].server = None;
                None
            }
        }
    }

    pub(crate) fn schedule(&mut self, link: usize, deeds: Deeds) {
        for (delay, deed) in deeds {
            self.after(delay, Happening::Deed(link, deed));
        }
    }

    /// A node acts on a link, if it still has it. Says whether that broke the connection.
    pub(crate) fn act(&mut self, link: usize, deed: Deed) -> bool {
        let Some(mut server) = self.links[link].server.take() else { return false };
        let bytes = match deed {
            Deed::Answer { stream, frame, bare } => self.answer(link, &mut server, stream, frame, bare),
            Deed::Raw { bytes, closes } => {
                let bytes = server.raw(bytes);
                self.send_to_client(link, &bytes);
                if closes {
                    let reset = self.rng.chance(500);
                    self.end_to_client(link, reset);
                } else {
                    self.links[link].server = Some(server);
                }
                return true;
            }
            Deed::Flush => server.flush(),
            Deed::Close { reset } => {
                if reset {
                    self.links[link].to_node.clear();
                }
                self.end_to_client(link, reset);
                return true;
            }
            Deed::HalfClose => {
                self.end_to_client(link, false);
                self.links[link].server = Some(server);
                return true;
            }
            Deed::Blacken { to_node, to_client } => {
                self.links[link].to_node.black |= to_node;
                self.links[link].to_client.black |= to_client;
                self.links[link].server = Some(server);
                return true;
            }
        };
        self.links[link].server = Some(server);
        self.send_to_client(link, &bytes);
        false
    }

    fn answer(
        &mut self,
        link: usize,
        server: &mut Server,
        stream: i16,
        frame: Vec<u8>,
        bare: bool,
    ) -> Vec<u8> {
        let held = self.rng.chance(300);
        if held {
            self.after(Duration::from_micros(50), Happening::Deed(link, Deed::Flush));
        }
        // RESULT Rows, the answer to a request of a user.
        if self.swaps
            && !bare
            && frame.get(4..13).is_some_and(|head| head[0] == 8 && head[5..] == [0, 0, 0, 2])
        {
            match self.swap.take() {
                Some((other_link, other_stream, other_frame)) if other_link == link => {
                    self.swaps = false;
                    let mut bytes = server.answer(stream, other_frame, bare, held);
                    bytes.extend(server.answer(other_stream, frame, bare, held));
                    return bytes;
                }
                _ => {
                    self.swap = Some((link, stream, frame));
                    return Vec::new();
                }
            }
        }
        server.answer(stream, frame, bare, held)
    }

    pub(crate) fn send_to_client(&mut self, link: usize, bytes: &[u8]) {
        self.trace.bytes(self.now, "answer", link, bytes);
        let times = self.links[link].to_client.send(self.now, bytes, &self.network, &mut self.rng);
        for time in times {
            self.at(time, Happening::ToClient(link));
        }
    }

    pub(crate) fn end_to_client(&mut self, link: usize, reset: bool) {
        if let Some(time) = self.links[link].to_client.end(self.now, reset, &self.network, &mut self.rng) {
            self.at(time, Happening::ToClient(link));
        }
    }
}
