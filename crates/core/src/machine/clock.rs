//! What becomes due: timeouts, heartbeats, reconnection, the end of a drain.

use std::time::Duration;

use super::connection::{Connection, Phase};
use super::handshake::frame;
use super::streams::{NEVER, Occupant};
use super::{ConnectionError, Shard};
use crate::Time;
use crate::call::{Reply, RequestError};
use crate::protocol::Opcode;
use crate::reactor::ConnId;

/// Heartbeats are looked at that often at most, so that ten thousand connections don't mean ten thousand ticks.
const HEARTBEAT_GRAIN: Duration = Duration::from_secs(1);

impl Shard {
    /// Does all that is due and says when to come again. The bound may be early: then nothing is due, and the next bound
    /// is exact.
    pub(super) fn tick(&mut self, now: Time) {
        if self.due > now {
            return;
        }
        self.due = NEVER;
        self.expire_waiting(now);
        self.want_tick(self.next_look());
        self.end_pauses(now);
        let ids: Vec<ConnId> =
            self.slots.iter().flat_map(|slot| &slot.connection).map(|connection| connection.id).collect();
        for id in ids {
            if let Some(connection) = self.check_out(id) {
                self.tick_connection(now, connection);
            }
        }
        self.maintain(now);
        if let Some(deadline) =
            self.closing.as_ref().filter(|closing| !closing.exited).map(|closing| closing.deadline)
        {
            self.want_tick(deadline);
        }
        self.finish_closing(now);
    }

    fn end_pauses(&mut self, now: Time) {
        let (over, pauses) = std::mem::take(&mut self.pauses).into_iter().partition(|(_, over)| *over <= now);
        self.pauses = pauses;
        self.due = self.pauses.iter().fold(self.due, |due, (_, over)| due.min(*over));
        let over: Vec<_> = over;
        over.into_iter().for_each(|(call, _)| self.desk.finish(call, Ok(Reply::Elapsed)));
    }

    fn tick_connection(&mut self, now: Time, mut connection: Box<Connection>) {
        match connection.phase {
            Phase::Leaving { deadline } => {
                if deadline <= now {
                    return self.leave(now, connection);
                }
                self.want_tick(deadline);
            }
            Phase::Opening { deadline }
            | Phase::Securing { deadline }
            | Phase::Handshaking { deadline, .. } => {
                if deadline <= now {
                    return self.handshake_timed_out(now, connection);
                }
                self.want_tick(deadline);
            }
            Phase::Ready { .. } => {
                self.expire_preparing(now, &mut connection);
                if let Err(error) = self.expire_streams(now, &mut connection) {
                    return self.close_connection(now, connection, error);
                }
                self.heartbeat(now, &mut connection);
            }
        }
        self.check_in(connection);
    }

    /// Late requests fail; their stream ids stay taken until the answers come. Too many of those, or a heartbeat without an
    /// answer, and the connection is given up.
    fn expire_streams(&mut self, now: Time, connection: &mut Connection) -> Result<(), ConnectionError> {
        // Also when nothing is late: who was cancelled and has no timeout is found here, if only at the next heartbeat.
        let (desk, address, before) = (&mut self.desk, connection.address, connection.streams.orphans());
        let lost = connection.streams.expire(now, |call| {
            if call.is_cancelled() {
                return desk.drop_cancelled(&call);
            }
            let after = call.terms.timeout.unwrap_or_default();
            desk.fail(call, RequestError::TimedOut { node: Some(address), after });
        });
        desk.counters.orphans.add((connection.streams.orphans() - before) as u64);
        if lost && connection.heartbeat_awaited {
            return Err(ConnectionError::HeartbeatLost(self.config.heartbeat_timeout));
        }
        self.want_tick(connection.streams.due());
        match connection.streams.orphans() {
            n if n > self.config.orphans_max || connection.streams.is_full_of_orphans() => {
                Err(ConnectionError::TooManyOrphans(n))
            }
            _ => Ok(()),
        }
    }

    /// Fails those who wait too long for a statement to be prepared again. Once nobody waits, that PREPARE is given up:
    /// the next one who wants the statement tries anew.
    fn expire_preparing(&mut self, now: Time, connection: &mut Connection) {
        let Connection { address, preparing, streams, .. } = connection;
        preparing.retain_mut(|preparing| {
            for (call, due) in std::mem::take(&mut preparing.waiting) {
                if call.is_cancelled() {
                    self.desk.drop_cancelled(&call);
                } else if due <= now {
                    let after = call.terms.timeout.unwrap_or_default();
                    self.desk.fail(call, RequestError::TimedOut { node: Some(*address), after });
                } else {
                    self.due = self.due.min(due);
                    preparing.waiting.push((call, due));
                }
            }
            if preparing.waiting.is_empty() {
                streams.orphan(preparing.stream);
                self.desk.counters.orphans.add(1);
            }
            !preparing.waiting.is_empty()
        });
    }

    fn heartbeat(&mut self, now: Time, connection: &mut Connection) {
        if connection.heartbeat_awaited {
            return;
        }
        let due = connection.last_received + self.config.heartbeat_interval;
        if due > now {
            return self.want_tick(round_up(due));
        }
        let Ok(options) = frame(connection.version, Opcode::Options, |_| Ok(())) else { return };
        connection.heartbeat_awaited = true;
        self.desk.counters.heartbeats.add(1);
        self.send_internal(connection, Occupant::Heartbeat, &options, now + self.config.heartbeat_timeout);
    }
}

fn round_up(at: Time) -> Time {
    let grain = HEARTBEAT_GRAIN.as_nanos() as u64;
    Time::from_nanos(at.as_nanos().div_ceil(grain).saturating_mul(grain))
}
