//! The seam between the driver and the world: [`Machine`], which is the whole driver without I/O, and [`Reactor`],
//! which runs it.
//!
//! # The contract
//!
//! One thread or task owns a machine at a time and runs *turns*. A turn is:
//!
//! 1. Sleep until a connection is ready, a job is done, the inbox's waker was called, or [`Machine::deadline`] is
//!    reached. Then read the clock once: that `now` serves the whole turn.
//! 2. [`Machine::begin`]: from here on, what users push costs no wake.
//! 3. Tell what happened: [`Machine::handle`] for each event, or [`Machine::fill`] **once** for each connection that is
//!    ready to be read (a loop that reads until the socket is empty starves the others). If the deadline is reached,
//!    `handle(now, Event::Tick)`.
//! 4. [`Machine::settle`], then [`Settled::deliver`] while the machine is *not* borrowed by that call: user callbacks
//!    and wakers run here and nowhere else. They come before step 5 so that what they submit leaves in this turn.
//! 5. [`Machine::take_inbox`].
//! 6. Drain [`Machine::poll_action`] and carry each wish out. For each [`Action::Send`], [`Machine::flush`] (readiness
//!    loops) or [`Machine::take_block`] (completion loops) once all other wishes are drained.
//! 7. What 5 and 6 finished, settle and deliver too. If something is not done with (the inbox's budget was used up, a
//!    read filled its room, something was settled only now), start again at 2 without sleeping, but look at the sockets
//!    first. What was settled in step 4 is no reason: step 5 took what it submitted, and looking at the sockets again
//!    would cost a caller who sends one request at a time a second system call.
//! 8. [`Machine::arm`]. If it says `false`, go to 2. If `true`, sleep.
//!
//! What breaks it: sleeping without `arm` (a push is then never seen), pushing between `arm` and sleep without being
//! woken (the waker must make the coming sleep return), running user code inside `handle`, keeping the bytes lent by
//! [`Event::Bytes`], or freeing a [`Block`] that the kernel still reads.
//!
//! A machine that panics is done for: catch it around the turn, and let the machine be dropped *while the panic unwinds*,
//! which is how it can tell its requests why they end. Contain a second panic of its destructor.
//!
//! `helenus-reactor-common` has the turn as one function that readiness loops share.

mod launch;

pub use launch::{Latch, LatchGuard, LaunchError, Reactor, Running, Seed, TaskReactor, Turns, Woken};

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use crate::Time;
use crate::call::Settled;

/// A connection, as machine and reactor name it to each other.
///
/// The generation makes a late completion for a closed connection harmless: it can't name the connection that took
/// its place.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId {
    index: u32,
    generation: u32,
}

impl ConnId {
    /// Names slot `index` in its `generation`.
    pub const fn new(index: u32, generation: u32) -> Self {
        Self { index, generation }
    }

    /// A small number, reused after the connection is closed: fit for indexing a table.
    pub const fn index(self) -> usize {
        self.index as usize
    }

    /// How often that slot has been used before.
    pub const fn generation(self) -> u32 {
        self.generation
    }

    /// Both in one word: what epoll and io_uring carry as user data.
    pub const fn to_u64(self) -> u64 {
        (self.generation as u64) << 32 | self.index as u64
    }

    /// The inverse of [`ConnId::to_u64`].
    pub const fn from_u64(word: u64) -> Self {
        Self { index: word as u32, generation: (word >> 32) as u32 }
    }
}

impl fmt::Debug for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "conn {}.{}", self.index, self.generation)
    }
}

/// Bytes on their way to the kernel, owned by whoever holds them. It comes back by [`Event::Sent`] to be used again.
#[derive(Default)]
pub struct Block(pub Vec<u8>);

/// Its length: among the bytes there may be a password.
impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Block({} bytes)", self.0.len())
    }
}

/// Why a connection ended, as the reactor saw it.
#[derive(Debug)]
#[non_exhaustive]
pub enum CloseCause {
    /// It could not be opened: refused, unreachable, no descriptor left.
    Connect(io::Error),
    /// The peer closed its side.
    Eof,
    /// Reading or writing failed.
    Io(io::Error),
}

/// Names a wish to do something that may block, until [`Event::Done`] answers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct JobId(pub u64);

/// Work that may block or take long, and so doesn't belong into a turn.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Job {
    /// Look a host name up (`getaddrinfo` or better).
    Resolve {
        /// A name or the text of an address.
        host: String,
        /// Goes into each answer.
        port: u16,
        /// To be held until the thread that does it is done with everything.
        errand: Errand,
    },
}

/// Says by its existence that a job is under way. Blocking work can't be interrupted, so it may outlive its machine, with a
/// thread and descriptors; a session that is being closed waits until nobody holds an errand of it.
#[derive(Clone, Debug, Default)]
pub struct Errand(#[expect(dead_code, reason = "it is held, not read")] Option<Arc<LatchGuard>>);

impl Errand {
    /// One for which whoever waits for `latch` waits. The default is one that nobody waits for.
    pub fn of(latch: &Arc<Latch>) -> Self {
        Self(Some(Arc::new(latch.guard())))
    }
}

/// What came of a [`Job`].
#[derive(Debug)]
#[non_exhaustive]
pub enum JobOutcome {
    /// Of [`Job::Resolve`]: all addresses, of both families, in the resolver's order.
    Resolved(io::Result<Vec<SocketAddr>>),
}

/// Something that happened, told to the machine.
#[derive(Debug)]
pub enum Event<'a> {
    /// [`Action::Open`] succeeded.
    Opened {
        /// Which.
        conn: ConnId,
    },
    /// Bytes came, in the reactor's memory, lent for this call. Readiness loops use [`Machine::fill`] instead.
    Bytes {
        /// From where.
        conn: ConnId,
        /// At least one byte.
        bytes: &'a [u8],
    },
    /// The kernel is done with a block from [`Machine::take_block`].
    Sent {
        /// Where to.
        conn: ConnId,
        /// The block, to be used again.
        block: Block,
    },
    /// The connection is gone and the reactor has let go of it: no [`Action::Close`] follows.
    Closed {
        /// Which.
        conn: ConnId,
        /// How many bytes the kernel took of blocks that no `Sent` has returned. Readiness loops say 0: `flush` knows.
        accepted_bytes: usize,
        /// Why.
        cause: CloseCause,
    },
    /// [`Action::Offload`] is finished.
    Done {
        /// Which.
        job: JobId,
        /// What came of it.
        outcome: JobOutcome,
    },
    /// [`Machine::deadline`] was reached.
    Tick,
}

/// A wish of the machine.
#[derive(Debug)]
pub enum Action {
    /// Open a TCP connection without blocking; answered by `Opened` or `Closed`.
    Open {
        /// How it will be called.
        conn: ConnId,
        /// Where to.
        address: SocketAddr,
        /// How.
        options: OpenOptions,
    },
    /// There are bytes to send. Said once until they were asked for, however many requests they are.
    Send(ConnId),
    /// Let go of the connection: close the socket (at once, unread bytes and all). No event about it may follow.
    Close(ConnId),
    /// Do this where blocking is allowed; answered by `Done`.
    Offload {
        /// How it will be called.
        job: JobId,
        /// What to do.
        work: Job,
    },
    /// All is done and closed: end the loop. Nothing follows.
    Exit,
}

/// How to open a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenOptions {
    /// `TCP_NODELAY`. The machine coalesces by itself, so waiting in the kernel only costs latency.
    pub nodelay: bool,
    /// `SO_KEEPALIVE` with this idle time, rounded to seconds.
    pub keepalive: Option<Duration>,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self { nodelay: true, keepalive: None }
    }
}

/// What [`Machine::fill`] says about the room it offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filled {
    /// The read came short, would have blocked, or ended the connection: wait for readiness.
    Drained,
    /// The room was filled: the socket may hold more. Read again next turn, even if no readiness is reported.
    More,
}

/// What [`Machine::flush`] says about what is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flushed {
    /// All is with the kernel (or the connection ended).
    Done,
    /// The socket is full: call `flush` again when it can be written.
    Blocked,
}

/// The driver as one state machine without I/O. See the [module](self) for how to run it.
///
/// It is implemented once, by core's shard. It is `Send` because a caller-driven machine moves between the threads
/// that wait, and because tokio's multi-thread runtime moves tasks; only one owns it at a time.
pub trait Machine: Send {
    /// Opens a turn: until [`Machine::arm`], pushes into the inbox wake nobody.
    fn begin(&mut self, now: Time);

    /// Something happened. Events for connections that the machine no longer knows are ignored.
    fn handle(&mut self, now: Time, event: Event<'_>);

    /// For readiness loops: offers the machine's receive buffer (at most 64 KiB) to `read`, which is called at most once
    /// and returns what `Read::read` would: `Ok(0)` at the end of the stream, `WouldBlock` if there is nothing. Other
    /// errors and the end close the connection: [`Action::Close`] follows.
    fn fill(
        &mut self,
        now: Time,
        conn: ConnId,
        read: &mut dyn FnMut(&mut [u8]) -> io::Result<usize>,
    ) -> Filled;

    /// Moves the finished requests into `batch`, to be delivered after this call.
    fn settle(&mut self, batch: &mut Settled);

    /// Takes at most `budget` of what users submitted. Returns how many it took; `budget` itself means that there may
    /// be more. Never arms.
    fn take_inbox(&mut self, now: Time, budget: usize) -> usize;

    /// The next wish; drain it each turn.
    fn poll_action(&mut self, now: Time) -> Option<Action>;

    /// For readiness loops: lends the bytes to send to `write`, which returns what `Write::write` would. It is called
    /// until all is written, it returns `WouldBlock`, or it fails; a failure closes the connection
    /// ([`Action::Close`] follows).
    fn flush(
        &mut self,
        now: Time,
        conn: ConnId,
        write: &mut dyn FnMut(&[u8]) -> io::Result<usize>,
    ) -> Flushed;

    /// For completion loops: the bytes to send as an owned block. `None` if there are none, or while an earlier block of
    /// this connection has not come back by [`Event::Sent`].
    fn take_block(&mut self, conn: ConnId) -> Option<Block>;

    /// A lower bound of the instant at which `Tick` is wanted next; `None` if never.
    fn deadline(&self) -> Option<Time>;

    /// Who is to be woken by the push that finds the machine asleep. Thread loops set it once, at launch (it is woken by
    /// reference); tasks set theirs before each `arm`.
    fn set_waker(&mut self, waker: &Waker);

    /// The last call before sleeping. `true`: the inbox is empty and the next push will wake. `false`: something came;
    /// don't sleep.
    fn arm(&mut self) -> bool;
}
