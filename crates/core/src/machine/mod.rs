//! The whole driver as one state machine without I/O: [`Shard`], core's [`Machine`].
//!
//! ```text
//!   inbox ──► dispatch ──► streams + outgoing ──► flush / take_block ──► reactor
//!                ▲ waiting         │
//!   desk ◄── responses ◄── handshake / streams ◄── incoming ◄── fill / Bytes ◄── reactor
//!     │                                             pool ◄──► Open / Close / Offload
//!     └► settle ► callbacks, wakers
//! ```
//!
//! Each layer is a module of its own: `incoming` makes envelopes of bytes, `outgoing` bytes of envelopes, `streams` knows
//! who waits for which answer, `handshake` decides on the way to a ready connection, `node` when to open the next one;
//! `dispatch`, `responses`, `pool` and `clock` are what the shard does with them; `desk` is where requests end.

mod agreed;
mod authenticator;
mod clock;
mod config;
mod connection;
mod counters;
mod desk;
mod dispatch;
mod error;
mod handshake;
mod incoming;
mod node;
mod outgoing;
#[cfg(feature = "planted-bugs")]
pub mod planted;
mod pool;
mod responses;
mod rng;
mod secured;
mod streams;
#[cfg(test)]
mod tests;
#[cfg(not(feature = "tls"))]
mod unsecured;

pub use agreed::{Agreed, CompressionFallback, CompressionLack};
pub use authenticator::{AuthError, AuthExchange, AuthReply, AuthServer, Authentication, Authenticator};
pub use config::{Config, ContactPoint, ContactPointError, Credentials, STREAMS_MAX};
pub use counters::{CounterReader, Counters};
pub use error::{ConnectionError, Step};
pub(crate) use incoming::plain;

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::task::Waker;

use connection::Connection;
use desk::Desk;
use node::Node;
use outgoing::{Moved, Spares};
use rng::Rng;
use secured::Steps;
use streams::NEVER;
#[cfg(not(feature = "tls"))]
use unsecured::{Layer, PLAIN_BYTES_MAX, layer_for};

use crate::Time;
use crate::call::{ClosedBecause, Entry, Settled};
use crate::inbox::Inbox;
use crate::reactor::{
    Action, Block, CloseCause, ConnId, Event, Filled, Flushed, JobId, Latch, Machine, Seed,
};

#[cfg(feature = "tls")]
use crate::tls::{Layer, PLAIN_BYTES_MAX};

/// The room that one read is offered.
const ROOM_BYTES: usize = 64 << 10;

/// What the shards of a session and its users' threads share.
#[derive(Clone, Debug)]
pub struct Shared {
    /// The session's configuration.
    pub config: Arc<Config>,
    /// The way into this shard.
    pub inbox: Arc<Inbox>,
    /// One for all shards.
    pub agreed: Arc<Agreed>,
    /// This shard's.
    pub counters: CounterReader,
    /// This shard's number.
    pub shard: usize,
    /// Open while no job of the session is under way.
    pub errands: Arc<Latch>,
}

/// The seed of one shard. Dropped instead of grown it ends the session as a loop that ends does.
pub fn seed(shared: Shared) -> Seed {
    let ungrown = Ungrown(Some(shared));
    Seed::new(move || Box::new(ungrown.grow()))
}

struct Ungrown(Option<Shared>);

impl Ungrown {
    fn grow(mut self) -> Shard {
        Shard::new(self.0.take().unwrap_or_else(|| unreachable!("only growing and dropping take it")))
    }
}

impl Drop for Ungrown {
    fn drop(&mut self) {
        // A machine that ends tells everyone who waits.
        drop(self.0.take().map(Shard::new));
    }
}

/// One machine: its own connections to every node, its own stream ids, timers and waiting requests.
#[derive(Debug)]
pub struct Shard {
    config: Arc<Config>,
    inbox: Arc<Inbox>,
    agreed: Arc<Agreed>,
    errands: Arc<Latch>,
    desk: Desk,

    nodes: Vec<Node>,
    slots: Vec<Slot>,
    free_slots: Vec<u32>,
    /// Slots of the connections that take requests, and whose turn it is.
    ready: Vec<u32>,
    next_ready: usize,

    /// Taken from the inbox and not yet looked at; the next one is the last.
    taken: Vec<Entry>,
    /// Requests for which there was no stream id, with their deadlines.
    waiting: VecDeque<(Entry, Time)>,
    /// No deadline in `waiting` is earlier.
    waiting_due: Time,
    /// `waiting` was looked through for timeouts, and is not again before.
    waiting_looked: Time,
    /// `Connect` commands that wait for the first connection.
    connects: Vec<Entry>,
    /// `Pause` commands, with when they are over.
    pauses: Vec<(Entry, Time)>,
    closing: Option<Closing>,

    actions: VecDeque<Action>,
    dirty: Vec<ConnId>,
    jobs: u64,
    due: Time,
    rng: Rng,
    /// When the turn began.
    began: Time,
    /// TLS handshakes that wait for their share of a turn, and what is left of this one's.
    securing: VecDeque<ConnId>,
    steps: Steps,
    receive: Vec<u8>,
    /// What TLS makes of `receive`.
    plain: Vec<u8>,
    /// The payload of the compressed segment that is being read.
    inflated: Vec<u8>,
    spares: Spares,
}

#[derive(Debug, Default)]
struct Slot {
    generation: u32,
    connection: Option<Box<Connection>>,
}

#[derive(Debug)]
struct Closing {
    deadline: Time,
    calls: Vec<Entry>,
    /// All connections were closed, or are leaving.
    exited: bool,
    /// The wish to exit was said.
    said: bool,
}

impl Shard {
    /// A shard that has not done anything yet. Its first turn begins to connect.
    pub fn new(shared: Shared) -> Self {
        let Shared { config, inbox, agreed, counters, shard, errands } = shared;
        let nodes =
            config.contact_points.iter().map(|point| Node::new(point.clone(), config.version)).collect();
        Self {
            rng: Rng::new(config.seed.wrapping_add(shard as u64)),
            config,
            inbox,
            agreed,
            errands,
            desk: Desk::new(counters.0, shard),
            nodes,
            slots: Vec::new(),
            free_slots: Vec::new(),
            ready: Vec::new(),
            next_ready: 0,
            taken: Vec::new(),
            waiting: VecDeque::new(),
            waiting_due: NEVER,
            waiting_looked: Time::ZERO,
            connects: Vec::new(),
            pauses: Vec::new(),
            closing: None,
            actions: VecDeque::new(),
            dirty: Vec::new(),
            jobs: 0,
            // The first turn is a tick: it begins to connect.
            due: Time::ZERO,
            began: Time::ZERO,
            securing: VecDeque::new(),
            steps: Steps::default(),
            receive: Vec::new(),
            plain: Vec::new(),
            inflated: Vec::new(),
            spares: Spares::default(),
        }
    }

    /// Takes a connection out of the table while it is worked on, so that the shard can be borrowed beside it.
    fn check_out(&mut self, id: ConnId) -> Option<Box<Connection>> {
        let slot = self.slots.get_mut(id.index())?;
        if slot.generation != id.generation() { None } else { slot.connection.take() }
    }

    fn check_in(&mut self, connection: Box<Connection>) {
        let index = connection.id.index();
        self.slots[index].connection = Some(connection);
    }

    /// Wants a tick at `at` at the latest.
    fn want_tick(&mut self, at: Time) {
        self.due = self.due.min(at);
    }

    /// Whether anything is left that a drain waits for.
    fn is_idle(&self) -> bool {
        self.waiting.is_empty()
            && self.taken.is_empty()
            && self.slots.iter().flat_map(|slot| &slot.connection).all(|connection| {
                connection.streams.user() == connection.streams.orphans() && connection.preparing.is_empty()
            })
    }

    fn end_read(&mut self, now: Time, mut connection: Box<Connection>, used: usize) {
        let receive = std::mem::take(&mut self.receive);
        let outcome = self.process(now, &mut connection, &receive[..used]);
        self.receive = receive;
        match outcome {
            Ok(()) => self.check_in(connection),
            Err(error) => self.close_connection(now, connection, error),
        }
    }

    fn closed(&mut self, now: Time, conn: ConnId, accepted_bytes: usize, cause: CloseCause) {
        let Some(connection) = self.check_out(conn) else { return };
        let error = match cause {
            CloseCause::Connect(error) => ConnectionError::Connect(error),
            CloseCause::Eof => connection.end_of_stream(),
            CloseCause::Io(error) => ConnectionError::Io(error),
        };
        self.discard(now, connection, error, Some(accepted_bytes));
    }

    fn next_job(&mut self) -> JobId {
        self.jobs += 1;
        JobId(self.jobs)
    }

    fn received(&mut self, n: usize) {
        self.desk.counters.reads.add(1);
        self.desk.counters.bytes_received.add(n as u64);
    }

    fn moved(&self, moved: Moved) {
        self.desk.counters.bytes_sent.add(moved.bytes);
        self.desk.counters.writes.add(moved.calls);
    }
}

/// The TLS of a connection to this node, if it is to have one.
#[cfg(feature = "tls")]
fn layer_for(
    config: &Config,
    host: &str,
    address: std::net::SocketAddr,
) -> Result<Option<Box<Layer>>, ConnectionError> {
    let Some(tls) = &config.tls else { return Ok(None) };
    Ok(Some(Box::new(Layer::new(tls, &crate::tls::NodeAt::new(host, address))?)))
}

impl Machine for Shard {
    fn begin(&mut self, now: Time) {
        (self.began, self.steps) = (now, Steps::default());
        self.inbox.disarm();
        self.desk.counters.turns.add(1);
    }

    fn handle(&mut self, now: Time, event: Event<'_>) {
        match event {
            Event::Opened { conn } => self.opened(now, conn),
            Event::Bytes { conn, bytes } => {
                let Some(mut connection) = self.check_out(conn) else { return };
                self.received(bytes.len());
                if connection.tls.is_some() {
                    return self.bytes_secured(now, connection, bytes);
                }
                let tail = connection.incoming.move_tail(&mut self.receive, bytes.len());
                self.receive[tail..tail + bytes.len()].copy_from_slice(bytes);
                self.end_read(now, connection, tail + bytes.len());
            }
            Event::Sent { conn, block } => {
                let mut moved = Moved::default();
                let Some(connection) = self.check_out(conn) else { return self.spares.put(block.0) };
                if connection.tls.is_some() {
                    return self.sent_secured(now, connection, block);
                }
                let mut connection = connection;
                if connection.outgoing.sent(block, &mut self.spares, &mut moved) {
                    self.mark_dirty(&mut connection);
                }
                self.check_in(connection);
                self.moved(moved);
            }
            Event::Closed { conn, accepted_bytes, cause } => self.closed(now, conn, accepted_bytes, cause),
            Event::Done { job, outcome } => self.job_done(now, job, outcome),
            Event::Tick => self.tick(now),
        }
    }

    fn fill(
        &mut self,
        now: Time,
        conn: ConnId,
        read: &mut dyn FnMut(&mut [u8]) -> io::Result<usize>,
    ) -> Filled {
        let Some(mut connection) = self.check_out(conn) else { return Filled::Drained };
        if connection.tls.is_some() {
            return self.fill_secured(now, connection, read);
        }
        let tail = connection.incoming.move_tail(&mut self.receive, ROOM_BYTES);
        match read(&mut self.receive[tail..tail + ROOM_BYTES]) {
            Ok(0) => {
                let error = connection.end_of_stream();
                self.close_connection(now, connection, error);
                Filled::Drained
            }
            Ok(n) => {
                self.received(n);
                self.end_read(now, connection, tail + n);
                if n == ROOM_BYTES { Filled::More } else { Filled::Drained }
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                connection.incoming.restore_tail(&self.receive[..tail]);
                self.check_in(connection);
                if error.kind() == io::ErrorKind::Interrupted { Filled::More } else { Filled::Drained }
            }
            Err(error) => {
                self.close_connection(now, connection, ConnectionError::Io(error));
                Filled::Drained
            }
        }
    }

    fn settle(&mut self, batch: &mut Settled) {
        self.desk.settle(&self.inbox, batch);
    }

    fn take_inbox(&mut self, now: Time, budget: usize) -> usize {
        if !self.securing.is_empty() {
            self.go_on_securing(now);
        }
        self.pump_waiting(now);
        if self.taken.is_empty() {
            self.inbox.take(&mut self.taken);
        }
        let count = budget.min(self.taken.len());
        for _ in 0..count {
            let Some(call) = self.taken.pop() else { break };
            self.start(now, call);
        }
        self.finish_closing(now);
        count
    }

    fn poll_action(&mut self, _now: Time) -> Option<Action> {
        self.actions.pop_front().or_else(|| self.dirty.pop().map(Action::Send))
    }

    fn flush(
        &mut self,
        now: Time,
        conn: ConnId,
        write: &mut dyn FnMut(&[u8]) -> io::Result<usize>,
    ) -> Flushed {
        let Some(mut connection) = self.check_out(conn) else { return Flushed::Done };
        if connection.tls.is_some() {
            return self.flush_secured(now, connection, write);
        }
        let mut moved = Moved::default();
        let outcome = connection.outgoing.flush(write, &mut self.spares, &mut moved);
        self.moved(moved);
        match outcome {
            Ok(flushed) => {
                self.check_in(connection);
                flushed
            }
            Err(error) => {
                self.close_connection(now, connection, ConnectionError::Io(error));
                Flushed::Done
            }
        }
    }

    fn take_block(&mut self, conn: ConnId) -> Option<Block> {
        // Written out, so that the connection and the spares can be borrowed beside each other.
        let slot = self.slots.get_mut(conn.index()).filter(|slot| slot.generation == conn.generation())?;
        if slot.connection.as_ref()?.tls.is_some() {
            let connection = slot.connection.take()?;
            return self.take_block_secured(connection);
        }
        slot.connection.as_mut()?.outgoing.take_block(&mut self.spares)
    }

    fn deadline(&self) -> Option<Time> {
        (self.due != NEVER).then_some(self.due)
    }

    fn set_waker(&mut self, waker: &Waker) {
        self.inbox.set_waker(waker);
    }

    fn arm(&mut self) -> bool {
        let at_rest = self.taken.is_empty()
            && self.actions.is_empty()
            && self.dirty.is_empty()
            && self.securing.is_empty()
            && self.desk.is_empty()
            && !self.can_serve_waiting();
        at_rest && self.inbox.arm()
    }
}

impl Drop for Shard {
    /// The loop ended, by `Exit` or before it: nobody may be left waiting.
    fn drop(&mut self) {
        let because =
            if std::thread::panicking() { ClosedBecause::Panicked } else { ClosedBecause::LoopEnded };
        self.end_all(because);
        let mut batch = Settled::new();
        self.settle(&mut batch);
        batch.deliver();
    }
}
