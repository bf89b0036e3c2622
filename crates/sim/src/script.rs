//! What happens around the machine: connections come and go, nodes fail and come back, users act, all is repaired, and the
//! end.

use std::io;
use std::time::Duration;

use helenus_core::Time;
use helenus_core::reactor::{CloseCause, Event, Machine};

use crate::link::Phase;
use crate::net::Happening;
use crate::node::{Deed, Server};
use crate::plan::Manners;
use crate::users::{Wish, lock};
use crate::world::World;

impl World {
    /// What will happen whatever the machine does.
    pub(crate) fn schedule(&mut self) {
        self.net.at(Time::ZERO, Happening::User(Wish::Connect));
        let span = self.plan.load.span;
        let faults = self.plan.manners.node_fault / 5;
        for _ in 0..faults {
            let at = self.moment(span);
            self.net.after(at, Happening::NodeFault);
        }
        if self.plan.dropped {
            let at = self.moment(span * 2);
            return self.net.after(at, Happening::Drop);
        }
        if self.net.rng.chance(200) {
            let at = self.moment(span * 2);
            return self.net.after(at, Happening::Close);
        }
        let config = &self.plan.config;
        // Until a dead connection is noticed, given up, and the pause before the next attempt is over.
        let healing = config.heartbeat_interval
            + config.heartbeat_timeout
            + config.handshake_timeout * 2
            + config.reconnect_max * 2
            + Duration::from_secs(3);
        let calm = span + Duration::from_secs(3);
        self.net.after(calm, Happening::Calm);
        self.net.after(calm + healing, Happening::Probe);
        self.net.after(calm + healing + Duration::from_secs(4), Happening::CheckProbes);
        self.net.after(calm + healing + Duration::from_secs(5), Happening::Close);
    }

    fn moment(&mut self, span: Duration) -> Duration {
        Duration::from_micros(self.net.rng.between(0, span.as_micros() as u64))
    }

    pub(crate) fn happen(&mut self, happening: Happening) {
        let now = self.net.now;
        match happening {
            Happening::Connected(link) | Happening::Refused(link)
                if self.net.links[link].phase != Phase::Connecting => {}
            Happening::Connected(link) => {
                self.net.trace.note(now, "connected", &[link as u64]);
                self.net.links[link].phase = Phase::Open;
                self.net.links[link].server = Some(Server::default());
                let conn = self.net.links[link].conn;
                self.with_machine(|machine| machine.handle(now, Event::Opened { conn }));
            }
            Happening::Refused(link) => {
                self.net.trace.note(now, "refused", &[link as u64]);
                self.net.links[link].phase = Phase::Gone;
                let conn = self.net.links[link].conn;
                let cause = CloseCause::Connect(io::ErrorKind::ConnectionRefused.into());
                self.with_machine(|machine| {
                    machine.handle(now, Event::Closed { conn, accepted_bytes: 0, cause });
                });
            }
            Happening::ToNode(link) => self.arrive_at_node(link),
            Happening::ToClient(link) => self.net.arrive_at_client(link),
            Happening::Deed(link, deed) => {
                self.net.trace.say(now, || format!("link {link}: {deed:?}"));
                if self.net.act(link, deed) {
                    lock(&self.users).history.tally.resets += 1;
                }
            }
            Happening::User(wish) => self.user(wish),
            Happening::NodeFault => self.node_fault(),
            Happening::NodeUp(node) => self.node_up(node),
            Happening::Calm => self.calm(),
            Happening::Probe => self.probe(),
            Happening::CheckProbes => self.check_probes(),
            Happening::Close => {
                self.close_at = Some(now);
                let mut users = lock(&self.users);
                // Some are pending when the close comes.
                (0..5).for_each(|_| users.submit());
                users.close(self.plan.drain);
            }
            Happening::Drop => {
                lock(&self.users).closing = true;
                self.machine = None;
                lock(&self.users).run_tasks();
            }
        }
    }

    fn with_machine(&mut self, call: impl FnOnce(&mut dyn Machine)) {
        if let Some(machine) = &mut self.machine {
            machine.begin(self.net.now);
            self.asleep = false;
            call(&mut **machine);
        }
    }

    pub(crate) fn arrive_at_node(&mut self, link: usize) {
        let Some(bytes) = self.net.arrive_at_node(link) else { return };
        let node = &mut self.nodes[self.net.links[link].node];
        let Some(server) = &mut self.net.links[link].server else { return };
        let deeds = node.receive(link, server, &bytes, &mut self.net.rng, &mut lock(&self.users).history);
        self.net.schedule(link, deeds);
    }

    fn user(&mut self, wish: Wish) {
        self.net.trace.say(self.net.now, || format!("user: {wish:?}"));
        let mut users = lock(&self.users);
        match wish {
            Wish::Submit => users.submit(),
            Wish::Cancel(number) => users.cancel(number),
            Wish::Connect => users.connect(),
        }
        drop(users);
        self.take_wishes();
    }

    /// A node restarts, or stands still for a while.
    fn node_fault(&mut self) {
        let node = self.net.rng.index(self.nodes.len());
        let back = Duration::from_millis(self.net.rng.between(1, 2_000));
        if self.net.rng.chance(500) {
            self.nodes[node].paused = true;
        } else {
            self.nodes[node].forget();
            self.nodes[node].down = true;
            self.break_links(Some(node));
        }
        self.net.after(back, Happening::NodeUp(node));
    }

    pub(crate) fn node_up(&mut self, node: usize) {
        self.nodes[node].down = false;
        self.nodes[node].paused = false;
        for link in 0..self.net.links.len() {
            if self.net.links[link].node != node {
                continue;
            }
            // What came meanwhile is read now.
            let Some(server) = &mut self.net.links[link].server else { continue };
            let history = &mut lock(&self.users).history;
            let deeds = self.nodes[node].receive(link, server, &[], &mut self.net.rng, history);
            self.net.schedule(link, deeds);
        }
    }

    fn break_links(&mut self, node: Option<usize>) {
        for link in 0..self.net.links.len() {
            let which = &self.net.links[link];
            if which.server.is_some() && node.is_none_or(|node| which.node == node) {
                let reset = self.net.rng.chance(700);
                self.net.act(link, Deed::Close { reset });
            }
        }
    }

    fn calm(&mut self) {
        let quiet = Manners {
            slow: 0,
            never: 0,
            error: 0,
            long: 0,
            prepare_refused: 0,
            prepare_other_id: 0,
            prepare_garbage: 0,
            connection_fault: 0,
            node_fault: 0,
        };
        (self.net.network.refuse, self.net.network.connect_hole) = (0, 0);
        for node in 0..self.nodes.len() {
            self.nodes[node].manners = quiet.clone();
            self.node_up(node);
        }
        // Who waits without a timeout for what never comes would wait for ever.
        if self.plan.load.patient > 0 || self.net.rng.chance(500) {
            self.break_links(None);
        }
        lock(&self.users).rest();
    }

    /// Some time after all was repaired, a request must succeed.
    fn probe(&mut self) {
        let mut users = lock(&self.users);
        let in_flight = users.in_flight();
        if in_flight > 0 {
            let text = format!("{in_flight} requests are in flight long after the last timeout");
            users.history.violation(text);
        }
        if users.version.is_none() {
            users.history.violation("no connection although all nodes are well".into());
        }
        self.probes = (0..5).filter_map(|_| users.probe()).collect();
    }

    fn check_probes(&mut self) {
        for number in std::mem::take(&mut self.probes) {
            if !lock(&self.users).history.is_done(number) {
                self.violation(format!("request {number} failed although all nodes are well"));
            }
        }
    }
}
