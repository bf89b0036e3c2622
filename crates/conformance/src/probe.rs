//! A machine that does what it is told from afar, writes down what it is told by the reactor, and knows the contract.

mod secured;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::sync::Arc;
use std::task::Waker;

use helenus_core::Time;
use helenus_core::call::Settled;
use helenus_core::reactor::{
    Action, Block, CloseCause, ConnId, Errand, Event, Filled, Flushed, Job, JobOutcome, Machine, OpenOptions,
};
use helenus_core::tls::Layer;

use crate::Transport;
use crate::remote::{Command, Inbox, Log, Shared, lock};

/// The bytes of each stream repeat after that many; a prime, so that no buffer's size hides a shift.
pub const PATTERN_PERIOD: usize = 251;
const ROOM: usize = 64 * 1024;
/// More than a kernel takes at once, so that blocks go in parts.
const BLOCK: usize = 1 << 20;

/// `count` bytes of a stream, from its byte number `from` on.
pub fn pattern(from: usize, count: usize) -> Vec<u8> {
    (from..from + count).map(|number| (number % PATTERN_PERIOD) as u8).collect()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Asleep,
    Begun,
    Settled,
    Taken,
}

pub(crate) struct Probe {
    shared: Arc<Shared>,
    transport: Transport,
    phase: Phase,
    now: Time,
    conns: BTreeMap<ConnId, Stream>,
    filled: BTreeSet<ConnId>,
    actions: VecDeque<Action>,
    /// Connections that TLS ended, whose close the reactor was not told yet: it may still tell of them.
    doomed: BTreeSet<ConnId>,
    deadline: Option<Time>,
    room: Vec<u8>,
    /// What TLS makes of it.
    plain: Vec<u8>,
    bytes: Vec<u8>,
    told_to_panic: bool,
}

#[derive(Default)]
struct Stream {
    opened: bool,
    tls: Option<Box<Layer>>,
    /// What the kernel took, and blocks that came back.
    sent: usize,
    to_send: usize,
    received: usize,
    /// Length of the block that the reactor has.
    lent: Option<usize>,
    /// Whether `Action::Send` was wished and not yet served.
    announced: bool,
}

impl Stream {
    /// Whether the reactor has to be told now that there are bytes to send.
    fn announces(&mut self) -> bool {
        let wants = match &self.tls {
            None => self.to_send > 0,
            Some(layer) => !layer.pending().is_empty() || (layer.is_secure() && self.to_send > 0),
        };
        self.opened && wants && !std::mem::replace(&mut self.announced, true)
    }
}

impl Probe {
    pub(crate) fn new(shared: Arc<Shared>, transport: Transport) -> Self {
        Self {
            shared,
            transport,
            phase: Phase::Taken,
            now: Time::ZERO,
            conns: BTreeMap::new(),
            filled: BTreeSet::new(),
            actions: VecDeque::new(),
            doomed: BTreeSet::new(),
            deadline: None,
            room: vec![0; ROOM],
            plain: Vec::new(),
            bytes: pattern(0, BLOCK + PATTERN_PERIOD),
            told_to_panic: false,
        }
    }

    fn log(&self, note: impl FnOnce(&mut Log)) {
        self.shared.note(note);
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

    /// Whether the machine knows the connection, and was told that it is open.
    fn expect_open(&self, call: &str, conn: ConnId) -> bool {
        let open = self.conns.get(&conn).is_some_and(|stream| stream.opened);
        if !open {
            self.violation(format!("{call} of {conn:?}, which is not open"));
        }
        open
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Nothing => {}
            Command::Open(conn, address) => {
                let tls = self.layer(address);
                self.conns.insert(conn, Stream { tls, ..Stream::default() });
                let options = OpenOptions::default();
                self.actions.push_back(Action::Open { conn, address, options });
            }
            Command::Send(conn, count) => {
                let Some(stream) = self.conns.get_mut(&conn) else { return };
                stream.to_send += count;
                if stream.announces() {
                    self.actions.push_back(Action::Send(conn));
                }
            }
            Command::Close(conn) => self.close(conn),
            Command::Resolve(job, host) => {
                let work = Job::Resolve { host: host.into(), port: 9042, errand: Errand::default() };
                self.actions.push_back(Action::Offload { job, work });
            }
            Command::Deadline(after) => self.deadline = Some(self.now + after),
            Command::DeadlineAt(time) => self.deadline = Some(time),
            Command::Panic => {
                self.told_to_panic = true;
                panic!("told to");
            }
            Command::Exit => self.actions.push_back(Action::Exit),
        }
    }

    /// Wishes to close a connection, if it still has it.
    fn close(&mut self, conn: ConnId) {
        if self.conns.remove(&conn).is_some() {
            self.actions.push_back(Action::Close(conn));
        }
    }

    fn opened(&mut self, conn: ConnId) {
        let Some(stream) = self.conns.get_mut(&conn) else { return };
        let again = std::mem::replace(&mut stream.opened, true);
        if stream.announces() {
            self.actions.push_back(Action::Send(conn));
        }
        if again {
            self.violation(format!("{conn:?} was opened twice"));
        }
        if self.is_secured(conn) {
            return self.secure(conn);
        }
        self.log(|log| log.opened.push(conn));
    }

    fn closed(&mut self, conn: ConnId, accepted_bytes: usize, cause: CloseCause) {
        let Some(stream) = self.conns.remove(&conn) else { return };
        let lent = stream.lent.unwrap_or(0);
        if accepted_bytes > lent {
            self.violation(format!("{conn:?}: {accepted_bytes} bytes accepted of a block of {lent}"));
        }
        if stream.opened == matches!(cause, CloseCause::Connect(_)) {
            self.violation(format!("{conn:?}, opened: {}, was closed by {cause:?}", stream.opened));
        }
        self.log(|log| {
            log.accepted.insert(conn, stream.accepted(accepted_bytes));
            match cause {
                CloseCause::Connect(error) => log.refused.push((conn, error)),
                CloseCause::Io(error) => log.broken.push((conn, error)),
                _ => log.ended.push(conn),
            }
        });
    }

    fn receive(&mut self, conn: ConnId, bytes: &[u8]) {
        let Some(stream) = self.conns.get_mut(&conn) else { return };
        let mut right = true;
        for piece in bytes.chunks(BLOCK) {
            let start = stream.received % PATTERN_PERIOD;
            right &= *piece == self.bytes[start..start + piece.len()];
            stream.received += piece.len();
        }
        let received = stream.received;
        if !right {
            self.violation(format!("{conn:?}: wrong bytes before {received}"));
        }
        self.log(|log| {
            log.reads += 1;
            log.received.insert(conn, received);
        });
    }

    fn block_came_back(&mut self, conn: ConnId, block: &Block) {
        if self.is_secured(conn) {
            return self.sent_secured(conn, block);
        }
        let Some(stream) = self.conns.get_mut(&conn) else { return };
        let start = stream.sent % PATTERN_PERIOD;
        let lent = stream.lent.take();
        let right =
            lent == Some(block.0.len()) && block.0[..] == self.bytes[start..start + lent.unwrap_or(0)];
        stream.sent += lent.unwrap_or(0);
        let sent = stream.sent;
        if stream.announces() {
            self.actions.push_back(Action::Send(conn));
        }
        if !right {
            self.violation(format!("{conn:?}: another block of {} than was lent", block.0.len()));
        }
        self.log(|log| {
            log.accepted.insert(conn, sent);
        });
    }

    fn tick(&mut self, now: Time) {
        match self.deadline {
            Some(deadline) if deadline <= now => {
                self.deadline = None;
                self.log(|log| log.ticks.push(now.since(deadline)));
            }
            deadline => self.violation(format!("Tick at {now:?}, due {deadline:?}")),
        }
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
        self.log(|log| (log.turns, log.now) = (log.turns + 1, now));
    }

    fn handle(&mut self, now: Time, event: Event<'_>) {
        self.expect("handle", &[Phase::Begun]);
        self.expect_now("handle", now);
        match event {
            Event::Closed { conn, .. } | Event::Bytes { conn, .. } if self.doomed.contains(&conn) => {}
            Event::Opened { conn } | Event::Closed { conn, .. } if !self.conns.contains_key(&conn) => {
                self.violation(format!("{event:?} about a connection that is closed"));
            }
            Event::Opened { conn } => self.opened(conn),
            Event::Closed { conn, accepted_bytes, cause } => self.closed(conn, accepted_bytes, cause),
            Event::Bytes { conn, bytes } => {
                if self.expect_open("Bytes", conn) && bytes.is_empty() {
                    self.violation(format!("{conn:?}: no bytes, told as some"));
                }
                match self.is_secured(conn) {
                    true => self.bytes_secured(conn, bytes),
                    false => self.receive(conn, bytes),
                }
            }
            Event::Sent { conn, .. } if self.doomed.contains(&conn) => {}
            Event::Sent { conn, block } => {
                self.expect_open("Sent", conn);
                self.block_came_back(conn, &block);
            }
            Event::Done { job, outcome: JobOutcome::Resolved(addresses) } => {
                self.log(|log| log.resolved.push((job, addresses)));
            }
            Event::Tick => self.tick(now),
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
        if !self.expect_open("fill", conn) {
            return Filled::Drained;
        }
        if self.is_secured(conn) {
            return self.fill_secured(conn, read);
        }
        let mut room = std::mem::take(&mut self.room);
        let outcome = read(&mut room);
        let mut filled = Filled::Drained;
        match outcome {
            Ok(0) => {
                self.close(conn);
                self.log(|log| log.ended.push(conn));
            }
            Ok(count) => {
                self.receive(conn, &room[..count]);
                if count == ROOM {
                    filled = Filled::More;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => {
                self.close(conn);
                self.log(|log| log.broken.push((conn, error)));
            }
        }
        self.room = room;
        filled
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
        let action = self.actions.pop_front();
        if let Some(Action::Close(conn)) = &action {
            self.doomed.remove(conn);
        }
        action
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
        if !self.expect_open("flush", conn) {
            return Flushed::Done;
        }
        if self.is_secured(conn) {
            return self.flush_secured(conn, write);
        }
        let Some(stream) = self.conns.get_mut(&conn) else { return Flushed::Done };
        let (mut writes, mut failure, mut flushed) = (0, None, Flushed::Done);
        stream.announced = false;
        while stream.to_send > 0 {
            let start = stream.sent % PATTERN_PERIOD;
            writes += 1;
            match write(&self.bytes[start..start + stream.to_send.min(ROOM)]) {
                Ok(0) => {
                    failure = Some(io::ErrorKind::WriteZero.into());
                    break;
                }
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
        let sent = stream.sent;
        self.log(|log| {
            log.writes += writes;
            log.blocked += usize::from(flushed == Flushed::Blocked);
            log.accepted.insert(conn, sent);
        });
        if let Some(error) = failure {
            self.close(conn);
            self.log(|log| log.broken.push((conn, error)));
        }
        flushed
    }

    fn take_block(&mut self, conn: ConnId) -> Option<Block> {
        self.expect("take_block", &[Phase::Taken]);
        if !self.actions.is_empty() {
            self.violation("take_block before all wishes were drained".into());
        }
        if !self.expect_open("take_block", conn) {
            return None;
        }
        if self.is_secured(conn) {
            return self.take_block_secured(conn);
        }
        let stream = self.conns.get_mut(&conn)?;
        stream.announced = false;
        if stream.lent.is_some() || stream.to_send == 0 {
            return None;
        }
        let (start, count) = (stream.sent % PATTERN_PERIOD, stream.to_send.min(BLOCK));
        stream.to_send -= count;
        stream.lent = Some(count);
        self.log(|log| log.writes += 1);
        Some(Block(self.bytes[start..start + count].to_vec()))
    }

    fn deadline(&self) -> Option<Time> {
        self.deadline
    }

    fn set_waker(&mut self, waker: &Waker) {
        lock(&self.shared.inbox).waker = Some(waker.clone());
    }

    fn arm(&mut self) -> bool {
        self.expect("arm", &[Phase::Taken]);
        if !self.actions.is_empty() {
            self.violation("arm before all wishes were drained".into());
        }
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
        // Not if it is the row that panics.
        if self.told_to_panic {
            panic!("one more, while the first one unwinds");
        }
    }
}
