//! A reactor without sockets: the turn that readiness loops share, run on the caller's thread, and a
//! [`Peer`] for each connection.

use std::io;
use std::net::SocketAddr;
use std::task::Waker;
use std::time::Duration;

use helenus_core::Time;
use helenus_core::reactor::{
    ConnId, Latch, LatchGuard, LaunchError, OpenOptions, Reactor, Running, Seed, Turns, Woken,
};
use helenus_reactor_common::{Net, Next, Readiness, Shard};

use crate::peer::Peer;

/// The reactor.
#[derive(Debug, Default)]
pub struct Memory;

impl Reactor for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn launch(self: Box<Self>, seeds: Vec<Seed>) -> Result<Running, LaunchError> {
        let latch = Latch::new();
        let Ok([seed]) = <[Seed; 1]>::try_from(seeds) else {
            return Err(LaunchError::Unsupported { needs: "one shard".into() });
        };
        let shard = Shard::new(seed.grow(), Wire::default(), Waker::noop());
        let turns = Loop { shard, now: Time::ZERO, _guard: latch.guard() };
        Ok(Running::caller_driven(latch, Box::new(turns)))
    }
}

struct Loop {
    shard: Shard<Wire>,
    now: Time,
    _guard: LatchGuard,
}

impl Loop {
    fn step(&mut self) -> Next {
        self.now = self.now + Duration::from_micros(100);
        self.shard.turn_unarmed(self.now)
    }
}

impl Turns for Loop {
    /// As a loop over sockets on the caller's thread does it: send what was submitted, and if nobody was told of
    /// anything, wait and handle what came.
    fn turn(&mut self, _wait: Option<Duration>) -> Woken {
        let next = self.step();
        if next == Next::Exit {
            return Woken::Exited;
        }
        if self.shard.delivered() {
            return Woken::Turned;
        }
        self.shard.arm();
        let mut ready = std::mem::take(&mut self.shard.net().ready);
        if let (true, Next::Sleep { until }) = (ready.is_empty(), next) {
            // Nobody else can wake this loop.
            self.now = self
                .now
                .max(until.expect("a loop that sleeps for ever is a bug of the driver or of a bench"));
        }
        for (index, readiness) in ready.drain(..) {
            self.shard.ready_at(index, readiness);
        }
        self.shard.net().ready = ready;
        if self.step() == Next::Exit { Woken::Exited } else { Woken::Turned }
    }

    fn waker(&self) -> Waker {
        Waker::noop().clone()
    }
}

/// What takes the place of sockets and epoll.
#[derive(Default)]
struct Wire {
    ready: Vec<(usize, Readiness)>,
}

struct Line {
    index: usize,
    peer: Peer,
}

impl Net for Wire {
    type Socket = Line;

    fn open(&mut self, conn: ConnId, _address: SocketAddr, _options: &OpenOptions) -> io::Result<Line> {
        self.ready.push((conn.index(), Readiness { writable: true, ..Readiness::default() }));
        Ok(Line { index: conn.index(), peer: Peer::default() })
    }

    fn opened(&mut self, _socket: &mut Line) -> io::Result<bool> {
        Ok(true)
    }

    fn read(&mut self, line: &mut Line, room: &mut [u8]) -> io::Result<usize> {
        line.peer.read(room)
    }

    fn write(&mut self, line: &mut Line, bytes: &[u8]) -> io::Result<usize> {
        self.ready.push((line.index, Readiness { readable: true, ..Readiness::default() }));
        line.peer.write(bytes)
    }

    fn close(&mut self, _line: Line) {}
}
