//! A session with its nodes and users: runs the loop, lets time pass while the machine sleeps, and checks what must hold
//! while it sleeps and when it is gone.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use helenus_core::machine::{Agreed, CounterReader, Shared, seed};
use helenus_core::reactor::Latch;
use helenus_core::{Inbox, Time};

use crate::Planted;
use crate::driver::{Around, Driver};
use crate::link::{Link, Phase};
use crate::net::{Happening, Net};
use crate::node::Node;
use crate::plan::Plan;
use crate::rng::Rng;
use crate::trace::Trace;
use crate::users::{Users, lock};

/// A run that takes more steps than this doesn't end.
const STEPS_MAX: u64 = 3_000_000;
/// One simulated session with its nodes.
pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) driver: Driver,
    counters: CounterReader,
    pub(crate) nodes: Vec<Node>,
    pub(crate) users: Arc<Mutex<Users>>,
    pub(crate) probes: Vec<u64>,
    pub(crate) close_at: Option<Time>,
}

/// What surrounds the loop of a session.
struct Surroundings<'a> {
    users: &'a Arc<Mutex<Users>>,
    nodes: &'a [Node],
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
            agreed: Arc::new(Agreed::default()),
            counters: counters.clone(),
            shard: 0,
            errands: Latch::new(),
        };
        let machine = seed(shared).grow();
        let nodes = plan.nodes.iter().map(|node| Node::new(node.clone(), plan.manners.clone())).collect();
        let users = Users::new(inbox, plan.load.clone(), plan.nodes.len(), traced, rng.fork());
        lock(&users).history.compression = plan.config.compression;
        let wakes_until_dropped = (planted == Some(Planted::DroppedWake)).then(|| rng.between(0, 3));
        let swaps = planted == Some(Planted::SwappedBodies);
        let net = Net::new(plan.network.clone(), rng.fork(), trace, swaps);
        let mut driver = Driver::new(machine, net);
        driver.wakes_until_dropped = wakes_until_dropped;
        let (probes, close_at) = (Vec::new(), None);
        let mut world = Self { driver, counters, nodes, users, probes, close_at, plan };
        world.schedule();
        world
    }

    /// Runs to the end.
    pub(crate) fn run(&mut self) {
        for _ in 0..STEPS_MAX {
            if self.driver.machine.is_none() {
                return self.finish();
            }
            while let Some(happening) = self.driver.net.pop() {
                self.driver.is_busy();
                self.happen(happening);
            }
            if self.driver.wants_turn() {
                self.turn();
                let cost = self.driver.net.rng.between(1, 50);
                self.pass(self.driver.net.now + Duration::from_micros(cost));
                continue;
            }
            let Some(machine) = &self.driver.machine else { continue };
            let deadline = machine.deadline();
            self.driver.is_busy();
            match self.driver.net.next_at().into_iter().chain(deadline).min() {
                Some(next) => self.pass(next),
                None => {
                    self.violation("the machine sleeps for ever".into());
                    return;
                }
            }
        }
        self.violation("it doesn't end".into());
    }

    fn turn(&mut self) {
        self.driver.turn(&mut Surroundings { users: &self.users, nodes: &self.nodes });
        if self.driver.machine.is_some() && self.driver.asleep {
            self.check_rest();
            self.check_books();
        }
    }

    fn pass(&mut self, time: Time) {
        self.driver.net.now = self.driver.net.now.max(time);
        lock(&self.users).now = self.driver.net.now;
    }

    pub(crate) fn violation(&self, text: String) {
        lock(&self.users).history.violation(text);
    }

    /// A machine that lets the reactor sleep has nothing left to say.
    fn check_rest(&mut self) {
        let Some(mut machine) = self.driver.machine.take() else { return };
        let mut around = Surroundings { users: &self.users, nodes: &self.nodes };
        if self.driver.deliver(&mut *machine, &mut around) {
            around.violation("the machine sleeps on outcomes".into());
        }
        while let Some(action) = machine.poll_action(self.driver.net.now) {
            around.violation(format!("the machine sleeps on {action:?}"));
        }
        self.driver.machine = Some(machine);
    }

    pub(crate) fn take_wishes(&mut self) {
        take_wishes(&self.users, &mut self.driver.net);
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
        if waiting > 0 && self.driver.net.links.iter().any(Link::is_idle) {
            self.violation(format!("{waiting} requests wait although a connection is idle"));
        }
    }

    /// The machine is gone: nodes still get what is on the way; then everything must fit together.
    fn finish(&mut self) {
        while let Some(at) = self.driver.net.next_at() {
            self.pass(at);
            match self.driver.net.pop() {
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
            let open = self.driver.net.links.iter().filter(|link| link.phase != Phase::Gone).count();
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

impl Around for Surroundings<'_> {
    fn violation(&mut self, text: String) {
        lock(self.users).history.violation(text);
    }

    fn delivered(&mut self) {
        lock(self.users).run_tasks();
    }

    fn meanwhile(&mut self, net: &mut Net) {
        if net.rng.chance(30) {
            // A user's thread submits while the machine is awake.
            lock(self.users).submit();
        }
        take_wishes(self.users, net);
    }

    fn node_at(&self, address: SocketAddr) -> (Option<usize>, bool) {
        let node = (0..self.nodes.len()).find(|node| Plan::address(*node) == address);
        (node, node.is_some_and(|node| self.nodes[node].down))
    }

    fn resolve(&mut self, net: &mut Net, host: &str) -> io::Result<Vec<SocketAddr>> {
        let node = host.strip_prefix("node").and_then(|number| number.parse().ok());
        let fails = net.rng.chance(net.network.refuse);
        match node {
            Some(node) if !fails => Ok(vec![Plan::dead_address(node), Plan::address(node)]),
            _ => Err(io::Error::other("no such host")),
        }
    }
}

fn take_wishes(users: &Mutex<Users>, net: &mut Net) {
    let (wishes, told) = {
        let mut users = lock(users);
        (std::mem::take(&mut users.wishes), std::mem::take(&mut users.told))
    };
    for (delay, wish) in wishes {
        net.after(delay, Happening::User(wish));
    }
    for (number, text) in told {
        net.trace.say(net.now, || format!("request {number}: {text}"));
    }
}
