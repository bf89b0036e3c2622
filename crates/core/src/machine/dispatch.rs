//! From the inbox to a connection.

use std::net::SocketAddr;
use std::time::Duration;

use super::connection::Connection;
use super::streams::{NEVER, Occupant};
use super::{Closing, Shard};
use crate::Time;
use crate::call::{ClosedBecause, Entry, Fate, Kind, Reply, RequestError};

/// Requests for one node that wait for room there while others overtake them; beyond, the others wait too.
const OVERTAKEN_MAX: usize = 64;
/// For each waiting request that is looked at for its timeout, they are left alone for so long: a long queue whose deadlines lie
/// close to each other is not walked for every one of them. Of 131,000, one may so hear 26 ms late that it timed out.
const LOOK_NS: u64 = 200;

impl Shard {
    /// Begins what a user submitted.
    #[inline]
    pub(super) fn start(&mut self, now: Time, call: Entry) {
        match call.kind {
            Kind::Send => self.start_request(now, call),
            Kind::Connect => self.start_connect(now, call),
            Kind::Authenticate(conn) => {
                self.authenticator_answered(now, conn);
                self.desk.finish(call, Ok(Reply::Noticed));
            }
            Kind::Pause { duration } => {
                let over = now + duration;
                self.want_tick(over);
                self.pauses.push((call, over));
            }
            Kind::Close { drain } => {
                let deadline = now + drain;
                // At once, to find what nobody wants any more, and so needs not be waited for.
                (self.waiting_due, self.waiting_looked) = (now, now);
                self.want_tick(now);
                let closing = self.closing.get_or_insert(Closing {
                    deadline,
                    calls: Vec::new(),
                    exited: false,
                    said: false,
                });
                closing.deadline = closing.deadline.min(deadline);
                closing.calls.push(call);
            }
        }
    }

    #[inline(always)]
    fn start_request(&mut self, now: Time, call: Entry) {
        if call.is_cancelled() {
            return self.desk.drop_cancelled(&call);
        }
        let deadline = call.terms.timeout.map_or(NEVER, |timeout| now + timeout);
        // Nobody overtakes those who wait already.
        if !self.waiting.is_empty() {
            return self.wait(call, deadline);
        }
        if let Some(call) = self.assign(call, deadline) {
            self.wait(call, deadline);
            self.fail_if_hopeless(now);
        }
    }

    fn start_connect(&mut self, now: Time, call: Entry) {
        match self.agreed.version() {
            Some(version) if !self.ready.is_empty() => self.desk.finish(call, Ok(Reply::Connected(version))),
            _ => {
                self.connects.push(call);
                self.fail_if_hopeless(now);
            }
        }
    }

    /// Puts the request on the next ready connection that has room. Gives it back if there is none.
    #[inline(always)]
    pub(super) fn assign(&mut self, call: Entry, deadline: Time) -> Option<Entry> {
        if let Some(node) = call.terms.node() {
            return self.assign_to(node, call, deadline);
        }
        for _ in 0..self.ready.len() {
            if self.next_ready >= self.ready.len() {
                self.next_ready = 0;
            }
            let slot = self.ready[self.next_ready] as usize;
            self.next_ready += 1;
            let Some(mut connection) =
                self.slots[slot].connection.take_if(|connection| connection.has_room())
            else {
                continue;
            };
            self.send(&mut connection, call, deadline);
            self.slots[slot].connection = Some(connection);
            return None;
        }
        Some(call)
    }

    /// The same for a request that is for one node. Without a connection to it, ready or being opened, it fails.
    #[cold]
    fn assign_to(&mut self, node: SocketAddr, call: Entry, deadline: Time) -> Option<Entry> {
        self.next_ready = self.next_ready.wrapping_add(1);
        for turn in 0..self.ready.len() {
            let slot = self.ready[self.next_ready.wrapping_add(turn) % self.ready.len()] as usize;
            let fits = |connection: &mut Box<Connection>| connection.address == node && connection.has_room();
            if let Some(mut connection) = self.slots[slot].connection.take_if(fits) {
                self.send(&mut connection, call, deadline);
                self.slots[slot].connection = Some(connection);
                return None;
            }
        }
        if self.has_connection(node) {
            return Some(call);
        }
        self.desk.fail(call, RequestError::NotConnected { node });
        None
    }

    fn has_connection(&self, node: SocketAddr) -> bool {
        self.slots.iter().flat_map(|slot| &slot.connection).any(|connection| connection.address == node)
    }

    /// Whether a request waits although a connection has room: one was lost, or emptied its backlog, after the inbox was
    /// taken.
    pub(super) fn can_serve_waiting(&self) -> bool {
        let connections = || self.ready.iter().flat_map(|slot| &self.slots[*slot as usize].connection);
        for (call, _) in self.waiting.iter().take(OVERTAKEN_MAX + 1) {
            match call.terms.node() {
                None => return connections().any(|connection| connection.has_room()),
                Some(node) => {
                    let mut its = connections().filter(|connection| connection.address == node);
                    if its.any(|connection| connection.has_room()) || !self.has_connection(node) {
                        return true;
                    }
                }
            }
        }
        false
    }

    /// Puts the request on this connection, which has room.
    #[inline(always)]
    pub(super) fn send(&mut self, connection: &mut Connection, mut call: Entry, deadline: Time) {
        let stream = connection.streams.peek();
        let position = call.send(|frame| connection.outgoing.push(frame, stream, &mut self.spares));
        connection.streams.occupy(Occupant::Call(call), deadline, position);
        self.due = self.due.min(deadline);
        self.desk.counters.sent();
        self.mark_dirty(connection);
    }

    /// One mark for each connection with bytes to send, however many requests they are.
    #[inline]
    pub(super) fn mark_dirty(&mut self, connection: &mut Connection) {
        if !connection.outgoing.announced {
            connection.outgoing.announced = true;
            self.dirty.push(connection.id);
        }
    }

    /// Queues a request until a stream id is free. The inbox's limits bound the queue, too.
    pub(super) fn wait(&mut self, call: Entry, deadline: Time) {
        self.waiting_due = self.waiting_due.min(deadline);
        self.want_tick(deadline);
        self.waiting.push_back((call, deadline));
        self.desk.counters.waiting.add(1);
    }

    /// Gives waiting requests what room there is, oldest first. Those for one node that has none are overtaken.
    pub(super) fn pump_waiting(&mut self, now: Time) {
        let mut overtaken = Vec::new();
        while let Some((call, deadline)) = self.waiting.pop_front() {
            if call.is_cancelled() {
                self.desk.drop_cancelled(&call);
            } else if deadline <= now {
                self.fail_waiting(call);
            } else if let Some(call) = self.assign(call, deadline) {
                if call.terms.node().is_some() && overtaken.len() < OVERTAKEN_MAX {
                    overtaken.push((call, deadline));
                    continue;
                }
                self.waiting.push_front((call, deadline));
                break;
            }
            self.desk.counters.waiting.sub(1);
        }
        for waiting in overtaken.into_iter().rev() {
            self.waiting.push_front(waiting);
        }
        if self.waiting.is_empty() {
            self.waiting_due = NEVER;
        }
    }

    /// When to look next for those who waited too long.
    pub(super) fn next_look(&self) -> Time {
        self.waiting_due.max(self.waiting_looked)
    }

    /// Fails those who waited too long.
    pub(super) fn expire_waiting(&mut self, now: Time) {
        if self.next_look() > now {
            return;
        }
        self.waiting_due = NEVER;
        self.waiting_looked = now + Duration::from_nanos(LOOK_NS * self.waiting.len() as u64);
        for _ in 0..self.waiting.len() {
            let Some((call, deadline)) = self.waiting.pop_front() else { break };
            if call.is_cancelled() {
                self.desk.drop_cancelled(&call);
            } else if deadline <= now {
                self.fail_waiting(call);
            } else {
                self.waiting_due = self.waiting_due.min(deadline);
                self.waiting.push_back((call, deadline));
                continue;
            }
            self.desk.counters.waiting.sub(1);
        }
    }

    fn fail_waiting(&mut self, call: Entry) {
        let after = call.terms.timeout.unwrap_or_default();
        self.desk.fail(call, RequestError::TimedOut { node: None, after });
    }

    /// A request that may be sent again: its connection ended, or the node now knows its statement.
    pub(super) fn send_again(&mut self, call: Entry, deadline: Time) {
        if call.is_cancelled() {
            return self.desk.drop_cancelled(&call);
        }
        self.desk.counters.resent.add(1);
        self.wait(call, deadline);
    }

    /// While no connection is ready and none is being tried, waiting would be for nothing: everyone hears why.
    pub(super) fn fail_if_hopeless(&mut self, now: Time) {
        // A session that is closing opens nothing, and once it has closed all, what is left gets another error.
        let hopeful = match &self.closing {
            Some(closing) => closing.exited || self.nodes.iter().any(|node| node.open > node.ready),
            None => self.nodes.iter().any(|node| node.is_trying(now)),
        };
        if hopeful || !self.ready.is_empty() || (self.connects.is_empty() && self.waiting.is_empty()) {
            return;
        }
        let error = match self.closing {
            Some(_) => RequestError::Closed { because: ClosedBecause::SessionClosed, fate: Fate::NeverSent },
            None => RequestError::NoConnection(
                self.nodes.iter().flat_map(|node| node.failures().iter().cloned()).collect(),
            ),
        };
        for call in std::mem::take(&mut self.connects) {
            self.desk.fail(call, error.clone());
        }
        for (call, _) in std::mem::take(&mut self.waiting) {
            self.desk.counters.waiting.sub(1);
            self.desk.fail(call, error.clone());
        }
    }

    /// Once nothing is pending or the drain has taken too long: everything ends, and the loop with it.
    pub(super) fn finish_closing(&mut self, now: Time) {
        let Some(closing) = &self.closing else { return };
        if !closing.exited {
            if closing.deadline > now && !self.is_idle() {
                return;
            }
            self.close_all(now);
        }
        // Connections that have something to say first have a deadline of their own.
        if self.slots.iter().any(|slot| slot.connection.is_some()) {
            return;
        }
        let Some(closing) = &mut self.closing else { return };
        if std::mem::replace(&mut closing.said, true) {
            return;
        }
        let calls = std::mem::take(&mut closing.calls);
        self.end_all(ClosedBecause::SessionClosed);
        for call in calls {
            self.desk.finish(call, Ok(Reply::Closed));
        }
        // Nothing follows the wish to exit.
        self.dirty.clear();
        self.actions.push_back(crate::reactor::Action::Exit);
    }

    /// Fails everything that is left, for `because`.
    pub(super) fn end_all(&mut self, because: ClosedBecause) {
        let mut left = Vec::new();
        let waiters = self.inbox.close(&mut left);
        self.desk.wake(waiters);
        left.append(&mut self.taken);
        // The oldest first.
        left.reverse();
        self.desk.counters.waiting.sub(self.waiting.len() as u64);
        left.extend(self.waiting.drain(..).map(|(call, _)| call));
        left.append(&mut self.connects);
        left.extend(self.pauses.drain(..).map(|(call, _)| call));
        for call in left {
            match call.kind {
                Kind::Close { .. } => self.desk.finish(call, Ok(Reply::Closed)),
                _ => self.desk.fail(call, RequestError::Closed { because, fate: Fate::NeverSent }),
            }
        }
        let connections: Vec<_> = self.slots.iter_mut().filter_map(|slot| slot.connection.take()).collect();
        for mut connection in connections {
            let taken: Vec<_> = connection.streams.drain().collect();
            for taken in taken {
                let unsent = connection.is_unsent(taken.position, None);
                let fate = if unsent { Fate::NeverSent } else { Fate::Unknown };
                self.desk.fail(taken.call, RequestError::Closed { because, fate });
            }
            for (call, _) in connection.preparing.drain(..).flat_map(|preparing| preparing.waiting) {
                self.desk.fail(call, RequestError::Closed { because, fate: Fate::NeverSent });
            }
        }
        if let Some(closing) = &mut self.closing {
            for call in std::mem::take(&mut closing.calls) {
                self.desk.finish(call, Ok(Reply::Closed));
            }
        }
    }
}
