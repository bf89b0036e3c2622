//! What happens around the machine: connections come and go, nodes fail and come back, users act, all is repaired, and the
//! end.

use std::time::Duration;

use helenus_core::Time;

use crate::net::Happening;
use crate::node::Deed;
use crate::plan::Manners;
use crate::users::{Wish, lock};
use crate::world::World;

impl World {
    /// What will happen whatever the machine does.
    pub(crate) fn schedule(&mut self) {
        self.driver.net.at(Time::ZERO, Happening::User(Wish::Connect));
        let span = self.plan.load.span;
        let faults = self.plan.manners.node_fault / 5;
        for _ in 0..faults {
            let at = self.moment(span);
            self.driver.net.after(at, Happening::NodeFault);
        }
        if self.plan.dropped {
            let at = self.moment(span * 2);
            return self.driver.net.after(at, Happening::Drop);
        }
        if self.driver.net.rng.chance(200) {
            let at = self.moment(span * 2);
            return self.driver.net.after(at, Happening::Close);
        }
        let config = &self.plan.config;
        // Until a dead connection is noticed, given up, and the pause before the next attempt is over.
        let healing = config.heartbeat_interval
            + config.heartbeat_timeout
            + config.handshake_timeout * 2
            + config.reconnect_max * 2
            + Duration::from_secs(3);
        let calm = span + Duration::from_secs(3);
        self.driver.net.after(calm, Happening::Calm);
        self.driver.net.after(calm + healing, Happening::Probe);
        self.driver.net.after(calm + healing + Duration::from_secs(4), Happening::CheckProbes);
        self.driver.net.after(calm + healing + Duration::from_secs(5), Happening::Close);
    }

    fn moment(&mut self, span: Duration) -> Duration {
        Duration::from_micros(self.driver.net.rng.between(0, span.as_micros() as u64))
    }

    pub(crate) fn happen(&mut self, happening: Happening) {
        let now = self.driver.net.now;
        match happening {
            Happening::Connected(link) => self.driver.answered(link, true),
            Happening::Refused(link) => self.driver.answered(link, false),
            Happening::ToNode(link) => self.arrive_at_node(link),
            Happening::ToClient(link) => self.driver.net.arrive_at_client(link),
            Happening::Deed(link, deed) => {
                self.driver.net.trace.say(now, || format!("link {link}: {deed:?}"));
                if self.driver.net.act(link, deed) {
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
                self.driver.machine = None;
                lock(&self.users).run_tasks();
            }
        }
    }

    pub(crate) fn arrive_at_node(&mut self, link: usize) {
        let Some(bytes) = self.driver.net.arrive_at_node(link) else { return };
        let node = &mut self.nodes[self.driver.net.links[link].node];
        let Some(server) = &mut self.driver.net.links[link].server else { return };
        let deeds =
            node.receive(link, server, &bytes, &mut self.driver.net.rng, &mut lock(&self.users).history);
        self.driver.net.schedule(link, deeds);
    }

    fn user(&mut self, wish: Wish) {
        self.driver.net.trace.say(self.driver.net.now, || format!("user: {wish:?}"));
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
        let node = self.driver.net.rng.index(self.nodes.len());
        let back = Duration::from_millis(self.driver.net.rng.between(1, 2_000));
        if self.driver.net.rng.chance(500) {
            self.nodes[node].paused = true;
        } else {
            self.nodes[node].forget();
            self.nodes[node].down = true;
            self.break_links(Some(node));
        }
        self.driver.net.after(back, Happening::NodeUp(node));
    }

    pub(crate) fn node_up(&mut self, node: usize) {
        self.nodes[node].down = false;
        self.nodes[node].paused = false;
        for link in 0..self.driver.net.links.len() {
            if self.driver.net.links[link].node != node {
                continue;
            }
            // What came meanwhile is read now.
            let Some(server) = &mut self.driver.net.links[link].server else { continue };
            let history = &mut lock(&self.users).history;
            let deeds = self.nodes[node].receive(link, server, &[], &mut self.driver.net.rng, history);
            self.driver.net.schedule(link, deeds);
        }
    }

    fn break_links(&mut self, node: Option<usize>) {
        for link in 0..self.driver.net.links.len() {
            let which = &self.driver.net.links[link];
            if which.server.is_some() && node.is_none_or(|node| which.node == node) {
                let reset = self.driver.net.rng.chance(700);
                self.driver.net.act(link, Deed::Close { reset });
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
        (self.driver.net.network.refuse, self.driver.net.network.connect_hole) = (0, 0);
        for node in 0..self.nodes.len() {
            self.nodes[node].manners = quiet.clone();
            self.node_up(node);
        }
        // Who waits without a timeout for what never comes would wait for ever.
        if self.plan.load.patient > 0 || self.driver.net.rng.chance(500) {
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
