//! The reactor of the simulator: it runs the machine by the contract of `helenus_core::reactor`, a turn at a time, and
//! lets time pass while the machine sleeps.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Wake, Waker};
use std::time::Duration;

use helenus_core::call::Settled;
use helenus_core::machine::{AgreedVersion, CounterReader, Shared, seed};
use helenus_core::reactor::{
    Action, CloseCause, ConnId, Event, Filled, Flushed, Job, JobId, JobOutcome, Latch, Machine,
};
use helenus_core::{Inbox, Time};

use crate::Planted;
use crate::link::{Link, Phase};
use crate::net::{Happening, Net};
use crate::node::Node;
use crate::plan::Plan;
use crate::rng::Rng;
use crate::trace::Trace;
use crate::users::{Users, lock};

/// A run that takes more steps than this doesn't end.
const STEPS_MAX: u64 = 3_000_000;
/// So many turns without anything happening are a loop that spins.
const IDLE_TURNS_MAX: u32 = 1_000;

/// One simulated session with its nodes.
pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) machine: Option<Box<dyn Machine>>,
    settled: Settled,
    counters: CounterReader,
    pub(crate) net: Net,
    pub(crate) nodes: Vec<Node>,
    pub(crate) users: Arc<Mutex<Users>>,
    woken: Arc<Flag>,
    pub(crate) asleep: bool,
    /// So many wakes from now, one is ignored (a planted bug).
    wakes_until_dropped: Option<u64>,
    done: Vec<(JobId, JobOutcome)>,
    pub(crate) probes: Vec<u64>,
    pub(crate) close_at: Option<Time>,
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

impl World {
    pub(crate) fn new(number: u64, traced: bool, planted: Option<Planted>) -> Self {
        let plan = Plan::new(number);
        let mut rng = Rng::new(number ^ 0x5EED);
        let trace = Trace::new(traced);
        trace.say(Time::ZERO, || format!("{plan:#?}"));
        let inbox = Arc::new(Inbox::new(plan.limits));
        let counters = CounterReader::default();
        let shared = Shared {
            config: Arc::new(plan.config.clone()),
            inbox: inbox.clone(),
            agreed: Arc::new(AgreedVersion::default()),
            counters: counters.clone(),
            shard: 0,
            errands: Latch::new(),
        };
        let mut machine = seed(shared).grow();
        let woken = Arc::new(Flag::default());
        machine.set_waker(&Waker::from(woken.clone()));
        let nodes = plan.nodes.iter().map(|node| Node::new(node.clone(), plan.manners.clone())).collect();
        let users = Users::new(inbox, plan.load.clone(), plan.nodes.len(), traced, rng.fork());
        let mut world = Self {
            machine: Some(machine),
            settled: Settled::new(),
            counters,
            nodes,
            users,
            woken,
            asleep: false,
            wakes_until_dropped: (planted == Some(Planted::DroppedWake)).then(|| rng.between(0, 3)),
            done: Vec::new(),
            probes: Vec::new(),
            close_at: None,
            idle_turns: 0,
            turns: 0,
            net: Net::new(plan.network.clone(), rng.fork(), trace, planted == Some(Planted::SwappedBodies)),
            plan,
        };
        world.schedule();
        world
    }

    /// Runs to the end.
    pub(crate) fn run(&mut self) {
        for _ in 0..STEPS_MAX {
            let Some(machine) = &self.machine else { return self.finish() };
            let deadline = machine.deadline();
            while let Some(happening) = self.net.pop() {
                self.idle_turns = 0;
                self.happen(happening);
            }
            if self.machine.is_none() {
                continue;
            }
            let due = deadline.is_some_and(|deadline| deadline <= self.net.now);
            if !self.asleep || self.is_woken() || self.has_work() || due {
                self.turn();
                let cost = self.net.rng.between(1, 50);
                self.pass(self.net.now + Duration::from_micros(cost));
                continue;
            }
            self.idle_turns = 0;
            match self.net.next_at().into_iter().chain(deadline).min() {
                Some(next) => self.pass(next),
                None => {
                    self.violation("the machine sleeps for ever".into());
                    return;
                }
            }
        }
        self.violation("it doesn't end".into());
    }

    fn pass(&mut self, time: Time) {
        self.net.now = self.net.now.max(time);
        lock(&self.users).now = self.net.now;
    }

    pub(crate) fn violation(&self, text: String) {
        lock(&self.users).history.violation(text);
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
        !self.done.is_empty() || self.net.links.iter().any(|link| link.is_ready(&self.net.network))
    }

    /// One turn, steps 2 to 8 of the contract.
    fn turn(&mut self) {
        let Some(mut machine) = self.machine.take() else { return };
        let now = self.net.now;
        self.turns += 1;
        self.idle_turns += 1;
        if self.idle_turns > IDLE_TURNS_MAX {
            self.violation("the machine spins".into());
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
        let delivered = self.deliver(&mut *machine);
        let budget = self.net.rng.pick(&[1, 10, 4_096]);
        let full = machine.take_inbox(now, budget) == budget;
        let mut sends = Vec::new();
        let exit = self.carry_out(&mut *machine, &mut sends);
        for conn in sends {
            self.send(&mut *machine, conn);
        }
        self.flush_blocked(&mut *machine);
        if self.net.rng.chance(30) {
            // A user's thread submits while the machine is awake.
            lock(&self.users).submit();
        }
        self.take_wishes();
        if exit {
            drop(machine);
            return lock(&self.users).run_tasks();
        }
        if !full && !delivered && !self.has_work() {
            self.asleep = machine.arm();
        }
        if self.asleep {
            self.check_rest(&mut *machine);
            self.check_books();
        }
        self.machine = Some(machine);
    }

    /// A machine that lets the reactor sleep has nothing left to say.
    fn check_rest(&mut self, machine: &mut dyn Machine) {
        if self.deliver(machine) {
            self.violation("the machine sleeps on outcomes".into());
        }
        while let Some(action) = machine.poll_action(self.net.now) {
            self.violation(format!("the machine sleeps on {action:?}"));
        }
    }

    /// While the machine sleeps, what is in flight is what users wait for, and perhaps what they lost interest in.
    fn check_books(&mut self) {
        let users = lock(&self.users);
        let (open, in_flight) = (users.history.open, users.in_flight());
        let cancelled = users.history.tally.cancelled;
        let max = self.plan.limits.in_flight_max as u64;
        drop(users);
        if in_flight < open || in_flight > open + cancelled || in_flight > max {
            self.violation(format!("{in_flight} requests in flight, but {open} are open ({max} may be)"));
        }
        let waiting = self.counters.snapshot().waiting;
        if waiting > 0 && self.net.links.iter().any(Link::is_idle) {
            self.violation(format!("{waiting} requests wait although a connection is idle"));
        }
    }

    /// Step 3: what happened to sockets and jobs.
    fn tell(&mut self, machine: &mut dyn Machine) {
        let now = self.net.now;
        for (job, outcome) in std::mem::take(&mut self.done) {
            self.net.trace.note(now, "done", &[job.0]);
            machine.handle(now, Event::Done { job, outcome });
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

    fn send(&mut self, machine: &mut dyn Machine, conn: ConnId) {
        let Some(link) = self.net.find(conn) else { return };
        if self.net.links[link].phase != Phase::Open {
            return self.violation(format!("{conn:?} has bytes to send and is not open"));
        }
        if !self.net.links[link].takes_blocks {
            return self.flush(machine, link);
        }
        if let Some(block) = machine.take_block(conn) {
            if self.net.links[link].block.is_some() || block.0.is_empty() {
                self.violation(format!("{conn:?} gave a second block, or an empty one"));
            }
            self.net.lend(link, block);
        }
    }

    /// Step 4. The machine is not borrowed while users run.
    fn deliver(&mut self, machine: &mut dyn Machine) -> bool {
        machine.settle(&mut self.settled);
        let any = !self.settled.is_empty();
        self.settled.deliver();
        lock(&self.users).run_tasks();
        any
    }

    pub(crate) fn take_wishes(&mut self) {
        let (wishes, told) = {
            let mut users = lock(&self.users);
            (std::mem::take(&mut users.wishes), std::mem::take(&mut users.told))
        };
        for (delay, wish) in wishes {
            self.net.after(delay, Happening::User(wish));
        }
        for (number, text) in told {
            self.net.trace.say(self.net.now, || format!("request {number}: {text}"));
        }
    }

    /// Step 6, all but sending. Says whether the machine wants to exit.
    fn carry_out(&mut self, machine: &mut dyn Machine, sends: &mut Vec<ConnId>) -> bool {
        let now = self.net.now;
        let mut exit = false;
        while let Some(action) = machine.poll_action(now) {
            if exit {
                self.violation(format!("{action:?} follows Exit"));
            }
            match action {
                Action::Open { conn, address, .. } => self.open(conn, address),
                Action::Send(conn) => sends.push(conn),
                Action::Close(conn) => match self.net.find(conn) {
                    Some(link) => {
                        self.net.trace.note(now, "close", &[link as u64]);
                        self.net.close_by_client(link);
                    }
                    None => self.violation(format!("{conn:?} is closed, but is not open")),
                },
                Action::Offload { job, work } => self.offload(job, work),
                Action::Exit => exit = true,
            }
        }
        exit
    }

    fn open(&mut self, conn: ConnId, address: SocketAddr) {
        self.net.trace.note(self.net.now, "open", &[conn.to_u64(), self.net.links.len() as u64]);
        if self.net.links.iter().any(|link| link.conn.index() == conn.index() && link.phase != Phase::Gone) {
            self.violation(format!("{conn:?} is opened, but its place is taken"));
        }
        let node = (0..self.nodes.len()).find(|node| Plan::address(*node) == address);
        let down = node.is_some_and(|node| self.nodes[node].down);
        self.net.open(conn, node, down);
    }

    /// Jobs run inline.
    fn offload(&mut self, job: JobId, work: Job) {
        let Job::Resolve { host, .. } = work else { return };
        let node = host.strip_prefix("node").and_then(|number| number.parse().ok());
        let fails = self.net.rng.chance(self.net.network.refuse);
        let found = match node {
            Some(node) if !fails => Ok(vec![Plan::dead_address(node), Plan::address(node)]),
            _ => Err(io::Error::other("no such host")),
        };
        self.done.push((job, JobOutcome::Resolved(found)));
    }

    /// The machine is gone: nodes still get what is on the way; then everything must fit together.
    fn finish(&mut self) {
        while let Some(at) = self.net.next_at() {
            self.pass(at);
            match self.net.pop() {
                Some(Happening::ToNode(link)) => self.arrive_at_node(link),
                Some(Happening::NodeUp(node)) => self.node_up(node),
                _ => {}
            }
        }
        let mut users = lock(&self.users);
        if let Some(close_at) = self.close_at {
            let late = users
                .closed
                .is_none_or(|closed| closed.since(close_at) > self.plan.drain + Duration::from_millis(10));
            if late {
                let text = format!("Close took from {close_at:?} until {:?}", users.closed);
                users.history.violation(text);
            }
            let open = self.net.links.iter().filter(|link| link.phase != Phase::Gone).count();
            if open > 0 {
                users.history.violation(format!("{open} connections are left after the close"));
            }
            let left = self.counters.snapshot();
            if left.on_wire + left.waiting + left.orphans + left.connections > 0 {
                users.history.violation(format!("counters after the close: {left:?}"));
            }
        }
        let in_flight = users.in_flight();
        if in_flight > 0 {
            users.history.violation(format!("{in_flight} requests are in flight after the end"));
        }
        if self.counters.snapshot().callback_panics > 0 {
            users.history.violation("a callback panicked".into());
        }
        users.history.finish();
    }
}
