//! The reactor of the simulator: it runs a machine by the contract of `helenus_core::reactor`, a turn at a time, on
//! simulated connections.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};

use helenus_core::call::Settled;
use helenus_core::reactor::{
    Action, CloseCause, ConnId, Event, Filled, Flushed, Job, JobId, JobOutcome, Machine,
};

use crate::link::Phase;
use crate::net::Net;
use crate::node::Server;

/// So many turns without anything happening are a loop that spins.
const IDLE_TURNS_MAX: u32 = 1_000;

/// What surrounds a loop: who is at the other end, who uses the machine, and who hears of what must not be.
pub(crate) trait Around {
    /// Something that must not be.
    fn violation(&mut self, text: String);

    /// Outcomes were delivered: users look at them. The machine is not borrowed.
    fn delivered(&mut self);

    /// Users act while the machine is awake.
    fn meanwhile(&mut self, net: &mut Net);

    /// The node at an address, if there is one, and whether it refuses.
    fn node_at(&self, address: SocketAddr) -> (Option<usize>, bool);

    /// What a name stands for.
    fn resolve(&mut self, net: &mut Net, host: &str) -> io::Result<Vec<SocketAddr>>;
}

/// A loop with its machine.
pub(crate) struct Driver {
    /// `None` once it has exited.
    pub(crate) machine: Option<Box<dyn Machine>>,
    pub(crate) net: Net,
    settled: Settled,
    woken: Arc<Flag>,
    pub(crate) asleep: bool,
    /// So many wakes from now, one is ignored (a planted bug).
    pub(crate) wakes_until_dropped: Option<u64>,
    done: Vec<(JobId, JobOutcome)>,
    /// Links that were connected, or refused, since the last turn.
    answered: Vec<(usize, bool)>,
    idle_turns: u32,
    pub(crate) turns: u64,
}

#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Driver {
    pub(crate) fn new(mut machine: Box<dyn Machine>, net: Net) -> Self {
        let woken = Arc::new(Flag::default());
        machine.set_waker(&Waker::from(woken.clone()));
        Self {
            machine: Some(machine),
            net,
            settled: Settled::new(),
            woken,
            asleep: false,
            wakes_until_dropped: None,
            done: Vec::new(),
            answered: Vec::new(),
            idle_turns: 0,
            turns: 0,
        }
    }

    /// Something happened, so the next turn is not in vain.
    pub(crate) fn is_busy(&mut self) {
        self.idle_turns = 0;
    }

    /// Whether a turn is to be run now.
    pub(crate) fn wants_turn(&mut self) -> bool {
        let Some(machine) = &self.machine else { return false };
        let due = machine.deadline().is_some_and(|deadline| deadline <= self.net.now);
        !self.asleep || self.is_woken() || self.has_work() || due
    }

    fn is_woken(&mut self) -> bool {
        if !self.woken.0.swap(false, Ordering::Relaxed) {
            return false;
        }
        match &mut self.wakes_until_dropped {
            Some(0) => {
                self.wakes_until_dropped = None;
                false
            }
            Some(n) => {
                *n -= 1;
                true
            }
            None => true,
        }
    }

    fn has_work(&self) -> bool {
        !(self.done.is_empty() && self.answered.is_empty())
            || self.net.links.iter().any(|link| link.is_ready(&self.net.network))
    }

    /// The peer took a connection, or refused it.
    pub(crate) fn answered(&mut self, link: usize, accepted: bool) {
        let which = &mut self.net.links[link];
        if which.phase != Phase::Connecting {
            return;
        }
        self.net.trace.note(self.net.now, if accepted { "connected" } else { "refused" }, &[link as u64]);
        if accepted {
            which.server = Some(Server::default());
        }
        self.answered.push((link, accepted));
    }

    /// One turn, steps 2 to 8 of the contract.
    pub(crate) fn turn(&mut self, around: &mut dyn Around) {
        let Some(mut machine) = self.machine.take() else { return };
        let now = self.net.now;
        self.turns += 1;
        self.idle_turns += 1;
        if self.idle_turns > IDLE_TURNS_MAX {
            around.violation("the machine spins".into());
            self.idle_turns = 0;
        }
        self.net.trace.note(now, "turn", &[]);
        self.asleep = false;
        machine.begin(now);
        self.tell(&mut *machine);
        if machine.deadline().is_some_and(|deadline| deadline <= now) {
            self.net.trace.note(now, "tick", &[]);
            machine.handle(now, Event::Tick);
        }
        let delivered = self.deliver(&mut *machine, around);
        let budget = self.net.rng.pick(&[1, 10, 4_096]);
        let full = machine.take_inbox(now, budget) == budget;
        let mut sends = Vec::new();
        let exit = self.carry_out(&mut *machine, &mut sends, around);
        for conn in sends {
            self.send(&mut *machine, conn, around);
        }
        self.flush_blocked(&mut *machine);
        around.meanwhile(&mut self.net);
        if exit {
            drop(machine);
            return around.delivered();
        }
        if !full && !delivered && !self.has_work() {
            self.asleep = machine.arm();
        }
        self.machine = Some(machine);
    }

    /// Step 3: what happened to sockets and jobs.
    fn tell(&mut self, machine: &mut dyn Machine) {
        let now = self.net.now;
        for (job, outcome) in std::mem::take(&mut self.done) {
            self.net.trace.note(now, "done", &[job.0]);
            machine.handle(now, Event::Done { job, outcome });
        }
        for (link, accepted) in std::mem::take(&mut self.answered) {
            self.tell_answered(machine, link, accepted);
        }
        let ready: Vec<_> = (0..self.net.links.len())
            .filter(|link| self.net.links[*link].is_ready(&self.net.network))
            .collect();
        for link in ready {
            self.tell_sent(machine, link);
            let which = &self.net.links[link];
            if which.pushes_bytes {
                self.push_bytes(machine, link);
            } else if which.broken || which.ended || which.more || !which.received.is_empty() {
                self.fill(machine, link);
            }
        }
    }

    fn tell_answered(&mut self, machine: &mut dyn Machine, link: usize, accepted: bool) {
        let which = &mut self.net.links[link];
        // The machine may have closed it meanwhile.
        if which.phase != Phase::Connecting {
            return;
        }
        let conn = which.conn;
        if accepted {
            which.phase = Phase::Open;
            return machine.handle(self.net.now, Event::Opened { conn });
        }
        which.phase = Phase::Gone;
        let cause = CloseCause::Connect(io::ErrorKind::ConnectionRefused.into());
        machine.handle(self.net.now, Event::Closed { conn, accepted_bytes: 0, cause });
    }

    /// Sockets that were full and can be written again.
    fn flush_blocked(&mut self, machine: &mut dyn Machine) {
        for link in 0..self.net.links.len() {
            let which = &self.net.links[link];
            if which.blocked && which.phase == Phase::Open && which.to_node.room(1, &self.net.network) > 0 {
                self.flush(machine, link);
            }
        }
    }

    fn tell_sent(&mut self, machine: &mut dyn Machine, link: usize) {
        let which = &mut self.net.links[link];
        let conn = which.conn;
        if let Some((block, _)) = which.block.take_if(|(block, taken)| *taken == block.0.len()) {
            self.net.trace.note(self.net.now, "sent", &[link as u64]);
            machine.handle(self.net.now, Event::Sent { conn, block });
        }
    }

    /// A completion loop's read.
    fn push_bytes(&mut self, machine: &mut dyn Machine, link: usize) {
        let Net { links, network, rng, trace, now, .. } = &mut self.net;
        let (which, now) = (&mut links[link], *now);
        let conn = which.conn;
        let accepted_bytes = which.block.as_ref().map_or(0, |(_, taken)| *taken);
        let closed = |cause| Event::Closed { conn, accepted_bytes, cause };
        if which.broken {
            trace.note(now, "told of a reset", &[link as u64]);
            which.phase = Phase::Gone;
            machine.handle(now, closed(CloseCause::Io(io::ErrorKind::ConnectionReset.into())));
        } else if !which.received.is_empty() {
            let longest = network.read_max.max(which.received.len() / 50).min(which.received.len());
            let count = rng.index(longest) + 1;
            let bytes: Vec<_> = which.received.drain(..count).collect();
            trace.bytes(now, "bytes", link, &bytes);
            machine.handle(now, Event::Bytes { conn, bytes: &bytes });
        } else if which.ended {
            trace.note(now, "told of the end", &[link as u64]);
            machine.handle(now, closed(CloseCause::Eof));
            // The kernel still sends what it has taken, then closes.
            self.net.close_by_client(link);
        }
    }

    /// A readiness loop's read.
    fn fill(&mut self, machine: &mut dyn Machine, link: usize) {
        let Net { links, network, rng, trace, now, .. } = &mut self.net;
        let (which, now) = (&mut links[link], *now);
        let filled = machine.fill(now, which.conn, &mut |room| {
            let outcome = which.read(room, network, rng);
            match &outcome {
                Ok(count) => trace.bytes(now, "read", link, &room[..*count]),
                Err(_) => trace.note(now, "nothing to read", &[link as u64]),
            }
            outcome
        });
        links[link].more = filled == Filled::More;
    }

    fn flush(&mut self, machine: &mut dyn Machine, link: usize) {
        let conn = self.net.links[link].conn;
        let now = self.net.now;
        let flushed = machine.flush(now, conn, &mut |bytes| self.net.write(link, bytes));
        self.net.links[link].blocked = flushed == Flushed::Blocked;
    }

    fn send(&mut self, machine: &mut dyn Machine, conn: ConnId, around: &mut dyn Around) {
        let Some(link) = self.net.find(conn) else { return };
        if self.net.links[link].phase != Phase::Open {
            return around.violation(format!("{conn:?} has bytes to send and is not open"));
        }
        if !self.net.links[link].takes_blocks {
            return self.flush(machine, link);
        }
        if let Some(block) = machine.take_block(conn) {
            if self.net.links[link].block.is_some() || block.0.is_empty() {
                around.violation(format!("{conn:?} gave a second block, or an empty one"));
            }
            self.net.lend(link, block);
        }
    }

    /// Step 4. The machine is not borrowed while users run.
    pub(crate) fn deliver(&mut self, machine: &mut dyn Machine, around: &mut dyn Around) -> bool {
        machine.settle(&mut self.settled);
        let any = !self.settled.is_empty();
        self.settled.deliver();
        around.delivered();
        any
    }

    /// Step 6, all but sending. Says whether the machine wants to exit.
    fn carry_out(
        &mut self,
        machine: &mut dyn Machine,
        sends: &mut Vec<ConnId>,
        around: &mut dyn Around,
    ) -> bool {
        let now = self.net.now;
        let mut exit = false;
        while let Some(action) = machine.poll_action(now) {
            if exit {
                around.violation(format!("{action:?} follows Exit"));
            }
            match action {
                Action::Open { conn, address, .. } => self.open(conn, address, around),
                Action::Send(conn) => sends.push(conn),
                Action::Close(conn) => match self.net.find(conn) {
                    Some(link) => {
                        self.net.trace.note(now, "close", &[link as u64]);
                        self.net.close_by_client(link);
                    }
                    None => around.violation(format!("{conn:?} is closed, but is not open")),
                },
                Action::Offload { job, work } => self.offload(job, work, around),
                Action::Exit => exit = true,
            }
        }
        exit
    }

    fn open(&mut self, conn: ConnId, address: SocketAddr, around: &mut dyn Around) {
        self.net.trace.note(self.net.now, "open", &[conn.to_u64(), self.net.links.len() as u64]);
        if self.net.links.iter().any(|link| link.conn.index() == conn.index() && link.phase != Phase::Gone) {
            around.violation(format!("{conn:?} is opened, but its place is taken"));
        }
        let (node, refuses) = around.node_at(address);
        self.net.open(conn, node, refuses);
    }

    /// Jobs run inline.
    fn offload(&mut self, job: JobId, work: Job, around: &mut dyn Around) {
        let Job::Resolve { host, .. } = work else { return };
        let found = around.resolve(&mut self.net, &host);
        self.done.push((job, JobOutcome::Resolved(found)));
    }
}
