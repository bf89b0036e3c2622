//! How a row tells its probe what to do, and what the probe writes down.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

use helenus_core::Time;
use helenus_core::reactor::{ConnId, JobId, Seed};

use crate::Transport;
use crate::probe::Probe;

/// How long a row waits for what must come. It is only ever waited for in vain.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// What a probe can be told.
#[derive(Debug)]
pub enum Command {
    /// Nothing: only the push counts.
    Nothing,
    /// Wish for a connection.
    Open(ConnId, SocketAddr),
    /// Send that many bytes.
    Send(ConnId, usize),
    /// Wish to close it.
    Close(ConnId),
    /// Wish for a name lookup.
    Resolve(JobId, &'static str),
    /// Want a tick so long after the turn that takes this.
    Deadline(Duration),
    /// Want a tick at this time, by the clock of the loop.
    DeadlineAt(Time),
    /// Panic.
    Panic,
    /// Wish to end.
    Exit,
}

/// What a probe saw.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Log {
    /// Turns begun.
    pub turns: usize,
    /// The time of the last of them, by the clock of the loop.
    pub now: Time,
    /// How often a push found the machine asleep.
    pub wakes: usize,
    /// Commands taken.
    pub taken: usize,
    /// Connections opened, in order.
    pub opened: Vec<ConnId>,
    /// Connections that could not be opened.
    pub refused: Vec<(ConnId, io::Error)>,
    /// Connections whose end was read.
    pub ended: Vec<ConnId>,
    /// Connections on which reading or writing failed.
    pub broken: Vec<(ConnId, io::Error)>,
    /// Bytes received on each.
    pub received: BTreeMap<ConnId, usize>,
    /// Bytes of each that the kernel took, as far as the reactor said so.
    pub accepted: BTreeMap<ConnId, usize>,
    /// How often bytes came: by `fill` or by [`Event::Bytes`](helenus_core::reactor::Event::Bytes).
    pub reads: usize,
    /// How often bytes went: by a call of `write`, or as a block.
    pub writes: usize,
    /// How often a socket was found full. A completion loop never says so.
    pub blocked: usize,
    /// How late each tick was.
    pub ticks: Vec<Duration>,
    /// Answers to lookups.
    pub resolved: Vec<(JobId, io::Result<Vec<SocketAddr>>)>,
    /// The machine is gone.
    pub dropped: bool,
    /// And it could see that this was by a panic.
    pub dropped_by_panic: bool,
    /// Rules of the contract that the reactor broke.
    pub violations: Vec<String>,
}

/// Tells a probe what to do, and looks at its log, from any thread.
#[derive(Clone)]
pub struct Remote(Arc<Shared>);

#[derive(Default)]
pub(crate) struct Shared {
    pub(crate) inbox: Mutex<Inbox>,
    log: Mutex<Log>,
    changed: Condvar,
}

#[derive(Default)]
pub(crate) struct Inbox {
    pub(crate) commands: VecDeque<Command>,
    pub(crate) asleep: bool,
    pub(crate) waker: Option<Waker>,
}

impl Remote {
    /// A probe to be grown, and its remote control.
    pub fn new() -> (Self, Seed) {
        Self::over(Transport::Plain)
    }

    /// The same, with connections over `transport`.
    pub fn over(transport: Transport) -> (Self, Seed) {
        let remote = Self(Arc::default());
        let shared = remote.0.clone();
        (remote, Seed::new(move || Box::new(Probe::new(shared, transport))))
    }

    /// Tells the probe to do something. Wakes its loop if it sleeps.
    pub fn push(&self, command: Command) {
        self.push_all([command]);
    }

    /// Tells the probe to do several things, which one turn takes.
    pub fn push_all(&self, commands: impl IntoIterator<Item = Command>) {
        let mut inbox = lock(&self.0.inbox);
        inbox.commands.extend(commands);
        if !std::mem::take(&mut inbox.asleep) {
            return;
        }
        let waker = inbox.waker.clone();
        drop(inbox);
        lock(&self.0.log).wakes += 1;
        waker.expect("a machine that sleeps has a waker").wake_by_ref();
    }

    /// The waker that the reactor gave its machine, while that lives.
    pub fn waker(&self) -> Option<Waker> {
        lock(&self.0.inbox).waker.clone()
    }

    /// What was seen so far.
    pub fn log(&self) -> MutexGuard<'_, Log> {
        lock(&self.0.log)
    }

    /// Waits until `seen` is true of the log.
    pub fn wait(&self, what: &str, mut seen: impl FnMut(&Log) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        let mut log = self.log();
        while !seen(&log) {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "waited in vain: {what}; the log says {:#?}", *log);
            log = self.0.changed.wait_timeout(log, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Shared {
    pub(crate) fn note(&self, note: impl FnOnce(&mut Log)) {
        note(&mut lock(&self.log));
        self.changed.notify_all();
    }
}

// A probe that panics does so without any of these locks.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
