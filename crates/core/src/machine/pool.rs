//! Connections come and go.

use std::sync::Arc;

use super::authenticator::{AuthServer, Question};
use super::connection::{Connection, Phase};
use super::handshake::{Handshake, Next};
use super::node::Want;
use super::streams::{NEVER, Occupant, Taken};
use super::{Authentication, CompressionLack, Config, ConnectionError, Shard, Slot, Step, layer_for};
use crate::Time;
use crate::call::{ClosedBecause, Entry, Fate, Reply, RequestError};
use crate::protocol::Version;
use crate::reactor::{Action, ConnId, Errand, Job, JobId, JobOutcome};

impl Shard {
    /// Opens what is missing, looks up what has no address.
    pub(super) fn maintain(&mut self, now: Time) {
        for index in 0..self.nodes.len() {
            self.maintain_node(now, index);
        }
        self.fail_if_hopeless(now);
    }

    fn maintain_node(&mut self, now: Time, index: usize) {
        if self.closing.is_some() {
            return;
        }
        // Each round opens one connection or stops, so this ends.
        loop {
            match self.nodes[index].want(now, self.config.connections_per_node.max(1)) {
                Want::Open(address) => self.open(now, index, address),
                Want::Resolve { host, port } => {
                    let job = self.next_job();
                    self.nodes[index].resolving = Some(job);
                    let work = Job::Resolve { host: host.into(), port, errand: Errand::of(&self.errands) };
                    self.actions.push_back(Action::Offload { job, work });
                    return;
                }
                Want::Nothing => break,
            }
        }
        if let Some(at) = self.nodes[index].retry_at() {
            if at > now {
                self.want_tick(at);
            }
        }
    }

    fn open(&mut self, now: Time, node: usize, address: std::net::SocketAddr) {
        let layer = match layer_for(&self.config, self.nodes[node].host(), address) {
            Ok(layer) => layer,
            Err(error) => {
                let cause = Arc::new(error);
                return self.nodes[node].failed(Some(address), now, cause, &self.config, &mut self.rng);
            }
        };
        let index = self.free_slots.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            (self.slots.len() - 1) as u32
        });
        let id = ConnId::new(index, self.slots[index as usize].generation);
        let version = self.agreed.version().unwrap_or(self.nodes[node].version);
        let mut connection = Connection::new(id, node, address, version, self.config.streams_max);
        connection.tls = layer;
        let deadline = now + self.config.handshake_timeout;
        connection.phase = Phase::Opening { deadline };
        connection.last_received = now;
        self.want_tick(deadline);
        self.nodes[node].open += 1;
        self.actions.push_back(Action::Open { conn: id, address, options: self.config.open });
        self.check_in(Box::new(connection));
    }

    pub(super) fn job_done(&mut self, now: Time, job: JobId, outcome: JobOutcome) {
        let JobOutcome::Resolved(found) = outcome;
        let Some(node) = self.nodes.iter_mut().find(|node| node.resolving == Some(job)) else { return };
        node.resolving = None;
        let cause = match found {
            Ok(addresses) if !addresses.is_empty() => {
                node.resolved(addresses);
                return self.maintain(now);
            }
            Ok(_) => std::io::Error::other("the name has no address"),
            Err(error) => error,
        };
        node.failed(None, now, Arc::new(ConnectionError::Resolve(cause)), &self.config, &mut self.rng);
        self.maintain(now);
    }

    /// TCP is there: greet the server, or secure the connection first.
    pub(super) fn opened(&mut self, now: Time, id: ConnId) {
        let Some(mut connection) = self.check_out(id) else { return };
        if connection.tls.is_some() {
            return self.secure(now, connection);
        }
        match self.greet(now, &mut connection) {
            Ok(()) => self.check_in(connection),
            Err(error) => self.close_connection(now, connection, error),
        }
    }

    /// Begins to speak CQL.
    pub(super) fn greet(&mut self, now: Time, connection: &mut Connection) -> Result<(), ConnectionError> {
        let (handshake, frame) = Handshake::begin(connection.version, &self.config)?;
        self.send_step(now, connection, handshake, &frame);
        Ok(())
    }

    /// Sends a frame of the handshake; each has a timeout of its own.
    fn send_step(&mut self, now: Time, connection: &mut Connection, handshake: Handshake, frame: &[u8]) {
        let deadline = now + self.config.handshake_timeout;
        connection.compression = handshake.compression();
        connection.phase = Phase::Handshaking { handshake, deadline };
        self.send_internal(connection, Occupant::Handshake, frame, NEVER);
        self.want_tick(deadline);
    }

    pub(super) fn send_internal(
        &mut self,
        connection: &mut Connection,
        who: Occupant,
        frame: &[u8],
        deadline: Time,
    ) -> i16 {
        let stream = connection.streams.peek();
        let position = connection.outgoing.push(frame, stream, &mut self.spares);
        connection.streams.occupy(who, deadline, position);
        self.want_tick(deadline);
        self.mark_dirty(connection);
        stream
    }

    /// Does what the handshake decided. An error ends the connection.
    pub(super) fn next_step(
        &mut self,
        now: Time,
        connection: &mut Connection,
        handshake: Handshake,
        next: Next,
    ) -> Result<(), ConnectionError> {
        match next {
            Next::Send(frame) => self.send_step(now, connection, handshake, &frame),
            Next::Ask(question) => self.ask(now, connection, handshake, question),
            Next::Ready => self.became_ready(now, connection, handshake.into_lack())?,
            Next::Fail(error) => {
                connection.phase = Phase::Handshaking { handshake, deadline: NEVER };
                return Err(error);
            }
            Next::Lower(version) => return Err(self.lower_version(connection, version)),
        }
        Ok(())
    }

    /// Has the program's own authenticator asked, once the machine is not borrowed; its answer comes by the inbox.
    fn ask(&mut self, now: Time, connection: &mut Connection, handshake: Handshake, question: Question) {
        let deadline = now + self.config.handshake_timeout;
        if let Authentication::By(authenticator) = &self.config.authentication {
            let server = AuthServer {
                contact_point: self.nodes[connection.node].contact_point().clone(),
                address: connection.address,
                authenticator: handshake.authenticator().into(),
            };
            let (authenticator, inbox) = (authenticator.clone(), self.inbox.clone());
            let slot = handshake.slot.clone();
            self.desk.call(handshake.exchange.ask(
                authenticator,
                server,
                question,
                inbox,
                connection.id,
                slot,
            ));
        }
        connection.phase = Phase::Handshaking { handshake, deadline };
        self.want_tick(deadline);
    }

    /// An answer of the authenticator's has come, perhaps for a connection that is gone.
    pub(super) fn authenticator_answered(&mut self, now: Time, id: ConnId) {
        let Some(mut connection) = self.check_out(id) else { return };
        let phase = std::mem::replace(&mut connection.phase, Phase::Opening { deadline: NEVER });
        let (mut handshake, answer) = match phase {
            Phase::Handshaking { handshake, deadline } => match handshake.slot.take() {
                Some(answer) if handshake.step() == Step::Authenticator => (handshake, answer),
                _ => {
                    connection.phase = Phase::Handshaking { handshake, deadline };
                    return self.check_in(connection);
                }
            },
            other => {
                connection.phase = other;
                return self.check_in(connection);
            }
        };
        let next = handshake.authenticator_answered(answer, &self.config);
        match self.next_step(now, &mut connection, handshake, next) {
            Ok(()) => self.check_in(connection),
            Err(error) => self.close_connection(now, connection, error),
        }
    }

    /// The server doesn't speak this version. The next connection greets it with a lower one; this one ends.
    fn lower_version(&mut self, connection: &Connection, version: Version) -> ConnectionError {
        if self.config.version_fixed {
            let message = "the session's version is fixed".into();
            return ConnectionError::NoCommonVersion { tried: connection.version, message };
        }
        match self.agreed.version() {
            Some(session) if version < session => ConnectionError::VersionDiffers { session },
            _ => {
                self.nodes[connection.node].version = version;
                ConnectionError::LowerVersion(version)
            }
        }
    }

    fn became_ready(
        &mut self,
        now: Time,
        connection: &mut Connection,
        lack: Option<CompressionLack>,
    ) -> Result<(), ConnectionError> {
        let session = self.agreed.agree(connection.version);
        if session != connection.version {
            // Another shard decided meanwhile: this node must be greeted with that version.
            self.nodes[connection.node].version = session;
            return Err(ConnectionError::LowerVersion(session));
        }
        self.settle_compression(connection, lack);
        connection.phase = Phase::Ready { since: now };
        self.ready.push(connection.id.index() as u32);
        self.nodes[connection.node].became_ready();
        self.desk.counters.connections_opened.add(1);
        self.desk.counters.connections.add(1);
        for call in std::mem::take(&mut self.connects) {
            self.desk.finish(call, Ok(Reply::Connected(session)));
        }
        self.want_tick(now + self.config.heartbeat_interval);
        self.maintain_node(now, connection.node);
        Ok(())
    }

    fn settle_compression(&mut self, connection: &mut Connection, lack: Option<CompressionLack>) {
        if let Some(compression) = connection.compression {
            self.agreed.compressed(compression);
        }
        if let Some(lack) = lack {
            self.desk.counters.connections_uncompressed.add(1);
            self.agreed.fell_back(connection.address, lack);
            if let Some(asked) = self.config.compression.filter(|_| !connection.version.has_segments()) {
                connection.outgoing.decompress(asked);
            }
        }
    }

    /// Ends a connection that the reactor still has. How much the kernel took of a block that a completion loop has,
    /// nobody will say.
    pub(super) fn close_connection(
        &mut self,
        now: Time,
        connection: Box<Connection>,
        error: ConnectionError,
    ) {
        let (connection, error) = match self.say_last_words(now, connection, error) {
            Ok(()) => return,
            Err(speechless) => speechless,
        };
        self.actions.push_back(Action::Close(connection.id));
        self.discard(now, connection, error, None);
    }

    /// Forgets a connection. Its requests are sent elsewhere where that is safe, or fail.
    pub(super) fn discard(
        &mut self,
        now: Time,
        mut connection: Box<Connection>,
        error: ConnectionError,
        accepted_bytes: Option<usize>,
    ) {
        self.release(connection.id);
        if !connection.is_leaving() {
            self.part(now, &mut connection, error, accepted_bytes);
        }
        self.maintain(now);
    }

    /// Its place in the table, for the next one.
    pub(super) fn release(&mut self, id: ConnId) {
        let slot = &mut self.slots[id.index()];
        slot.generation = slot.generation.wrapping_add(1);
        self.free_slots.push(id.index() as u32);
    }

    /// From here on it is no connection of its node any more, and has no requests.
    pub(super) fn part(
        &mut self,
        now: Time,
        connection: &mut Connection,
        error: ConnectionError,
        accepted_bytes: Option<usize>,
    ) {
        self.desk.counters.connections_closed.add(1);
        let lowered = matches!(error, ConnectionError::LowerVersion(_));
        let cause = Arc::new(error);
        self.update_node(now, connection, &cause, lowered);
        self.settle_requests(connection, &cause, accepted_bytes);
        if let Phase::Handshaking { handshake, .. } = &mut connection.phase {
            // An exchange is the program's own code, also when it is dropped.
            let exchange = std::mem::take(&mut handshake.exchange);
            self.desk.call(Box::new(move || drop(exchange)));
        }
    }

    fn update_node(
        &mut self,
        now: Time,
        connection: &Connection,
        cause: &Arc<ConnectionError>,
        lowered: bool,
    ) {
        let node = &mut self.nodes[connection.node];
        node.open -= 1;
        match connection.phase {
            Phase::Ready { since } => {
                node.ready -= 1;
                self.ready.retain(|slot| *slot as usize != connection.id.index());
                self.desk.counters.connections.sub(1);
                if self.config.compression.is_some() && connection.compression.is_none() {
                    self.desk.counters.connections_uncompressed.sub(1);
                }
                node.lost(now.since(since), now, cause, &self.config, &mut self.rng);
            }
            _ if lowered => {}
            _ => node.failed(Some(connection.address), now, cause.clone(), &self.config, &mut self.rng),
        }
    }

    fn settle_requests(
        &mut self,
        connection: &mut Connection,
        cause: &Arc<ConnectionError>,
        accepted_bytes: Option<usize>,
    ) {
        self.desk.counters.on_wire.sub(connection.streams.user() as u64);
        self.desk.counters.orphans.sub(connection.streams.orphans() as u64);
        let taken: Vec<Taken> = connection.streams.drain().collect();
        for Taken { call, position, deadline } in taken {
            let unsent = connection.is_unsent(position, accepted_bytes);
            let fate = if unsent { Fate::NeverSent } else { Fate::Unknown };
            self.retry_or_fail(connection, call, deadline, fate, cause);
        }
        // UNPREPARED is the server's word that these were not executed.
        for (call, deadline) in
            connection.preparing.drain(..).flat_map(|preparing| preparing.waiting).collect::<Vec<_>>()
        {
            self.retry_or_fail(connection, call, deadline, Fate::NeverSent, cause);
        }
    }

    fn retry_or_fail(
        &mut self,
        connection: &Connection,
        mut call: Entry,
        deadline: Time,
        fate: Fate,
        cause: &Arc<ConnectionError>,
    ) {
        if may_send_again(&mut call, fate, &self.config) {
            if fate == Fate::Unknown {
                call.lost(connection.address, cause.clone());
            }
            return self.send_again(call, deadline);
        }
        let error = match **cause {
            ConnectionError::Closing => RequestError::Closed { because: ClosedBecause::SessionClosed, fate },
            _ => RequestError::ConnectionLost { node: connection.address, fate, cause: cause.clone() },
        };
        self.desk.fail(call, error);
    }

    /// Closes every connection.
    pub(super) fn close_all(&mut self, now: Time) {
        if let Some(closing) = &mut self.closing {
            closing.exited = true;
        }
        let ids: Vec<_> =
            self.slots.iter().flat_map(|slot| &slot.connection).map(|connection| connection.id).collect();
        for id in ids {
            if let Some(connection) = self.check_out(id) {
                self.close_connection(now, connection, ConnectionError::Closing);
            }
        }
    }

    /// Ends a connection whose handshake takes too long.
    pub(super) fn handshake_timed_out(&mut self, now: Time, connection: Box<Connection>) {
        let step = connection.handshake_step().unwrap_or(Step::Tcp);
        let error = ConnectionError::HandshakeTimeout(step, self.config.handshake_timeout);
        self.close_connection(now, connection, error);
    }
}

/// Nothing that is not idempotent is sent twice: a pure decision.
fn may_send_again(call: &mut Entry, fate: Fate, config: &Config) -> bool {
    (fate == Fate::NeverSent || call.terms.idempotent) && call.attempts() < config.attempts_max
}
