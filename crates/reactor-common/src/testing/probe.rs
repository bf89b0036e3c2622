//! A machine that does what it is told from afar, writes down what it is told by the reactor, and knows the contract.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

use helenus_core::Time;
use helenus_core::call::Settled;
use helenus_core::reactor::{
    Action, Block, CloseCause, ConnId, Event, Filled, Flushed, Job, JobId, JobOutcome, Machine, OpenOptions,
    Seed,
};

/// The bytes of each stream repeat after that many; a prime, so that no buffer's size hides a shift.
pub const PATTERN_PERIOD: usize = 251;
const ROOM: usize = 64 * 1024;
const PATIENCE: Duration = Duration::from_secs(20);

/// `count` bytes of a stream, from its byte number `from` on.
pub fn pattern(from: usize, count: usize) -> Vec<u8> {
    (from..from + count).map(|number| (number % PATTERN_PERIOD) as u8).collect()
}

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
    /// Panic.
    Panic,
    /// Wish to end.
    Exit,
}

/// What a probe saw.
#[derive(Debug, Default)]
pub struct Log {
    /// Turns begun.
    pub turns: usize,
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
    /// Calls of `fill` that found bytes.
    pub reads: usize,
    /// Calls of `write`.
    pub writes: usize,
    /// How often a socket was full.
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
struct Shared {
    inbox: Mutex<Inbox>,
    log: Mutex<Log>,
    changed: Condvar,
}

#[derive(Default)]
struct Inbox {
    commands: VecDeque<Command>,
    asleep: bool,
    waker: Option<Waker>,
}

impl Remote {
    /// A probe to be grown, and its remote control.
    pub fn new() -> (Self, Seed) {
        let remote = Self(Arc::default());
        let shared = remote.0.clone();
        (remote, Seed::new(move || Box::new(Probe::new(shared))))
    }

    /// Tells the probe to do something. Wakes its loop if it sleeps.
    pub fn push(&self, command: Command) {
        let mut inbox = lock(&self.0.inbox);
        inbox.commands.push_back(command);
        if !std::mem::take(&mut inbox.asleep) {
            return;
        }
        let waker = inbox.waker.clone();
        drop(inbox);
        lock(&self.0.log).wakes += 1;
        waker.expect("a machine that sleeps has a waker").wake_by_ref();
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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Asleep,
    Begun,
    Settled,
    Taken,
}

struct Probe {
    shared: Arc<Shared>,
    phase: Phase,
    now: Time,
    conns: BTreeMap<ConnId, Stream>,
    filled: BTreeSet<ConnId>,
    actions: VecDeque<Action>,
    deadline: Option<Time>,
    room: Vec<u8>,
    bytes: Vec<u8>,
}

#[derive(Default)]
struct Stream {
    sent: usize,
    to_send: usize,
    received: usize,
}

impl Probe {
    fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            phase: Phase::Taken,
            now: Time::ZERO,
            conns: BTreeMap::new(),
            filled: BTreeSet::new(),
            actions: VecDeque::new(),
            deadline: None,
            room: vec![0; ROOM],
            bytes: pattern(0, ROOM + PATTERN_PERIOD),
        }
    }

    fn log(&self, note: impl FnOnce(&mut Log)) {
        note(&mut lock(&self.shared.log));
        self.shared.changed.notify_all();
    }

    fn violation(&self, what: String) {
        self.log(|log| log.violations.push(what));
    }

    fn expect(&self, call: &str, phases: &[Phase]) {
        if !phases.contains(&self.phase) {
            self.violation(format!("{call} while {:?}", self.phase));
        }
    }

    fn expect_now(&self, call: &str, now: Time) {
        if now != self.now {
            self.violation(format!("{call} at {now:?} in the turn of {:?}", self.now));
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Nothing => {}
            Command::Open(conn, address) => {
                self.conns.insert(conn, Stream::default());
                let options = OpenOptions::default();
                self.actions.push_back(Action::Open { conn, address, options });
            }
            Command::Send(conn, count) => {
                let Some(stream) = self.conns.get_mut(&conn) else { return };
                stream.to_send += count;
                self.actions.push_back(Action::Send(conn));
            }
            Command::Close(conn) => self.close(conn),
            Command::Resolve(job, host) => {
                let work = Job::Resolve { host: host.into(), port: 9042 };
                self.actions.push_back(Action::Offload { job, work });
            }
            Command::Deadline(after) => self.deadline = Some(self.now + after),
            Command::Panic => panic!("told to"),
            Command::Exit => self.actions.push_back(Action::Exit),
        }
    }

    fn close(&mut self, conn: ConnId) {
        self.conns.remove(&conn);
        self.actions.push_back(Action::Close(conn));
    }

    fn receive(&mut self, conn: ConnId, count: usize) {
        let Some(stream) = self.conns.get_mut(&conn) else { return };
        let start = stream.received % PATTERN_PERIOD;
        let right = self.room[..count] == self.bytes[start..start + count];
        stream.received += count;
        let received = stream.received;
        if !right {
            self.violation(format!("{conn:?}: wrong bytes before {received}"));
        }
        self.log(|log| {
            log.reads += 1;
            log.received.insert(conn, received);
        });
    }
}

impl Machine for Probe {
    fn begin(&mut self, now: Time) {
        self.expect("begin", &[Phase::Asleep, Phase::Taken]);
        if now < self.now {
            self.violation(format!("the clock went back from {:?} to {now:?}", self.now));
        }
        (self.phase, self.now) = (Phase::Begun, now);
        self.filled.clear();
        lock(&self.shared.inbox).asleep = false;
        self.log(|log| log.turns += 1);
    }

    fn handle(&mut self, now: Time, event: Event<'_>) {
        self.expect("handle", &[Phase::Begun]);
        self.expect_now("handle", now);
        if let Event::Opened { conn } | Event::Closed { conn, .. } = &event {
            if !self.conns.contains_key(conn) {
                self.violation(format!("{event:?} about a connection that is closed"));
            }
        }
        match event {
            Event::Opened { conn } => self.log(|log| log.opened.push(conn)),
            Event::Closed { conn, cause: CloseCause::Connect(error), .. } => {
                self.conns.remove(&conn);
                self.log(|log| log.refused.push((conn, error)));
            }
            Event::Done { job, outcome: JobOutcome::Resolved(addresses) } => {
                self.log(|log| log.resolved.push((job, addresses)));
            }
            Event::Tick => match self.deadline {
                Some(deadline) if deadline <= now => {
                    self.deadline = None;
                    self.log(|log| log.ticks.push(now.since(deadline)));
                }
                deadline => self.violation(format!("Tick at {now:?}, due {deadline:?}")),
            },
            other => self.violation(format!("unexpected {other:?}")),
        }
    }

    fn fill(
        &mut self,
        now: Time,
        conn: ConnId,
        read: &mut dyn FnMut(&mut [u8]) -> io::Result<usize>,
    ) -> Filled {
        self.expect("fill", &[Phase::Begun]);
        self.expect_now("fill", now);
        if !self.filled.insert(conn) {
            self.violation(format!("{conn:?} was read twice in a turn"));
        }
        if !self.conns.contains_key(&conn) {
            self.violation(format!("fill of {conn:?}, which is closed"));
            return Filled::Drained;
        }
        match read(&mut self.room) {
            Ok(0) => {
                self.close(conn);
                self.log(|log| log.ended.push(conn));
            }
            Ok(count) => {
                self.receive(conn, count);
                if count == ROOM {
                    return Filled::More;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => {
                self.close(conn);
                self.log(|log| log.broken.push((conn, error)));
            }
        }
        Filled::Drained
    }

    fn settle(&mut self, _batch: &mut Settled) {
        self.expect("settle", &[Phase::Begun, Phase::Taken]);
        if self.phase == Phase::Begun {
            self.phase = Phase::Settled;
        }
    }

    fn take_inbox(&mut self, now: Time, budget: usize) -> usize {
        self.expect("take_inbox", &[Phase::Settled]);
        self.expect_now("take_inbox", now);
        self.phase = Phase::Taken;
        let mut inbox = lock(&self.shared.inbox);
        let count = budget.min(inbox.commands.len());
        let commands: Vec<_> = inbox.commands.drain(..count).collect();
        drop(inbox);
        commands.into_iter().for_each(|command| self.obey(command));
        self.log(|log| log.taken += count);
        count
    }

    fn poll_action(&mut self, now: Time) -> Option<Action> {
        self.expect("poll_action", &[Phase::Taken]);
        self.expect_now("poll_action", now);
        self.actions.pop_front()
    }

    fn flush(
        &mut self,
        now: Time,
        conn: ConnId,
        write: &mut dyn FnMut(&[u8]) -> io::Result<usize>,
    ) -> Flushed {
        self.expect("flush", &[Phase::Taken]);
        self.expect_now("flush", now);
        if !self.actions.is_empty() {
            self.violation("flush before all wishes were drained".into());
        }
        let Some(stream) = self.conns.get_mut(&conn) else {
            self.violation(format!("flush of {conn:?}, which is closed"));
            return Flushed::Done;
        };
        let (mut writes, mut failure, mut flushed) = (0, None, Flushed::Done);
        while stream.to_send > 0 {
            let start = stream.sent % PATTERN_PERIOD;
            writes += 1;
            match write(&self.bytes[start..start + stream.to_send.min(ROOM)]) {
                Ok(count) => {
                    stream.sent += count;
                    stream.to_send -= count;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    flushed = Flushed::Blocked;
                    break;
                }
                Err(error) => {
                    failure = Some(error);
                    break;
                }
            }
        }
        self.log(|log| {
            log.writes += writes;
            log.blocked += usize::from(flushed == Flushed::Blocked);
        });
        if let Some(error) = failure {
            self.close(conn);
            self.log(|log| log.broken.push((conn, error)));
        }
        flushed
    }

    fn take_block(&mut self, _conn: ConnId) -> Option<Block> {
        self.violation("take_block by a readiness loop".into());
        None
    }

    fn deadline(&self) -> Option<Time> {
        self.deadline
    }

    fn set_waker(&mut self, waker: &Waker) {
        lock(&self.shared.inbox).waker = Some(waker.clone());
    }

    fn arm(&mut self) -> bool {
        self.expect("arm", &[Phase::Taken]);
        let mut inbox = lock(&self.shared.inbox);
        if !inbox.commands.is_empty() {
            return false;
        }
        inbox.asleep = true;
        drop(inbox);
        self.phase = Phase::Asleep;
        true
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        *lock(&self.shared.inbox) = Inbox::default();
        let by_panic = std::thread::panicking();
        self.log(|log| (log.dropped, log.dropped_by_panic) = (true, by_panic));
        if by_panic {
            panic!("one more, while the first one unwinds");
        }
    }
}

// A probe that panics does so without any of these locks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
