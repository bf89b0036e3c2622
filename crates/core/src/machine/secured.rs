//! What the shard does with connections that have TLS: bytes go through the connection's layer, handshakes have their share of
//! each turn, and the last words are said.

use std::io;
use std::time::Duration;

use super::connection::{Connection, Phase};
use super::outgoing::Moved;
use super::{ConnectionError, Filled, Flushed, Layer, ROOM_BYTES, Shard};
use crate::Time;
use crate::reactor::{Action, Block};

/// Handshakes cost signatures: so many steps of them are taken in a turn, and the rest in the next ones, so that a thousand
/// connections at once don't hold up those that are ready.
const STEPS_A_TURN: usize = 8;

/// How long the end of TLS may take to be sent before the connection is closed without it.
const LEAVING: Duration = Duration::from_secs(1);

/// How many steps of handshakes this turn may still take.
#[derive(Debug)]
pub(super) struct Steps(usize);

impl Default for Steps {
    fn default() -> Self {
        Self(STEPS_A_TURN)
    }
}

impl Shard {
    /// TCP is there, and TLS is to be.
    pub(super) fn secure(&mut self, now: Time, mut connection: Box<Connection>) {
        let deadline = now + self.config.handshake_timeout;
        connection.phase = Phase::Securing { deadline };
        self.want_tick(deadline);
        let outcome = self.process_secured(now, &mut connection, &mut []);
        self.check_in_or_close(now, connection, outcome);
    }

    /// Reads from a connection that has TLS, as [`Machine::fill`](crate::reactor::Machine::fill) does.
    pub(super) fn fill_secured(
        &mut self,
        now: Time,
        connection: Box<Connection>,
        read: &mut dyn FnMut(&mut [u8]) -> io::Result<usize>,
    ) -> Filled {
        let front = connection.front();
        self.make_room(front + ROOM_BYTES);
        match read(&mut self.receive[front..front + ROOM_BYTES]) {
            Ok(0) => {
                let error = connection.end_of_stream();
                self.close_connection(now, connection, error);
                Filled::Drained
            }
            Ok(n) => {
                self.received(n);
                self.end_read_secured(now, connection, front + n);
                if n == ROOM_BYTES { Filled::More } else { Filled::Drained }
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                self.check_in(connection);
                if error.kind() == io::ErrorKind::Interrupted { Filled::More } else { Filled::Drained }
            }
            Err(error) => {
                self.close_connection(now, connection, ConnectionError::Io(error));
                Filled::Drained
            }
        }
    }

    /// Takes bytes that a completion loop has read.
    pub(super) fn bytes_secured(&mut self, now: Time, connection: Box<Connection>, bytes: &[u8]) {
        let front = connection.front();
        self.make_room(front + bytes.len());
        self.receive[front..front + bytes.len()].copy_from_slice(bytes);
        self.end_read_secured(now, connection, front + bytes.len());
    }

    fn make_room(&mut self, length: usize) {
        if self.receive.len() < length {
            self.receive.resize(length, 0);
        }
    }

    fn end_read_secured(&mut self, now: Time, mut connection: Box<Connection>, used: usize) {
        if connection.is_leaving() {
            // What it says is for nobody.
            return self.check_in(connection);
        }
        connection.last_received = now;
        let mut receive = std::mem::take(&mut self.receive);
        let outcome = self.process_secured(now, &mut connection, &mut receive[..used]);
        self.receive = receive;
        self.check_in_or_close(now, connection, outcome);
    }

    fn check_in_or_close(
        &mut self,
        now: Time,
        connection: Box<Connection>,
        outcome: Result<(), ConnectionError>,
    ) {
        match outcome {
            Ok(()) => self.check_in(connection),
            Err(error) => self.close_connection(now, connection, error),
        }
    }

    /// Takes what was read, or keeps it if the handshake has to wait for its share of a turn.
    fn process_secured(
        &mut self,
        now: Time,
        connection: &mut Connection,
        buffer: &mut [u8],
    ) -> Result<(), ConnectionError> {
        let Some(layer) = &mut connection.tls else { return Ok(()) };
        if layer.is_secure() {
            return self.understand(now, connection, |layer, plain| layer.receive(buffer, plain));
        }
        let first = !layer.postpone(buffer)?;
        if !self.securing.is_empty() || self.steps.0 == 0 {
            if first {
                self.securing.push_back(connection.id);
            }
            return Ok(());
        }
        self.steps.0 -= 1;
        self.understand(now, connection, Layer::resume)
    }

    /// Goes on with the handshakes that wait, as far as the turn's share goes.
    pub(super) fn go_on_securing(&mut self, now: Time) {
        while self.steps.0 > 0 {
            let Some(id) = self.securing.pop_front() else { return };
            let Some(mut connection) = self.check_out(id) else { continue };
            if !connection.is_postponed() {
                self.check_in(connection);
                continue;
            }
            self.steps.0 -= 1;
            let outcome = self.understand(now, &mut connection, Layer::resume);
            self.check_in_or_close(now, connection, outcome);
        }
    }

    /// Lets the layer `take` bytes, and does what follows from them.
    fn understand<E: Into<ConnectionError>>(
        &mut self,
        now: Time,
        connection: &mut Connection,
        take: impl FnOnce(&mut Layer, &mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), ConnectionError> {
        let Some(layer) = &mut connection.tls else { return Ok(()) };
        let was_secure = layer.is_secure();
        let mut plain = std::mem::take(&mut self.plain);
        let tail = connection.incoming.move_tail(&mut plain, 0);
        plain.truncate(tail);
        let taken = take(layer, &mut plain).map_err(Into::into);
        let (became_secure, ended) = (!was_secure && layer.is_secure(), layer.has_ended());
        let (resumed, speaks) = (layer.is_resumed(), !layer.pending().is_empty());
        if speaks {
            self.mark_dirty(connection);
        }
        let mut outcome = Ok(());
        if became_secure {
            self.desk.counters.tls_handshakes.add(1);
            self.desk.counters.tls_resumptions.add(u64::from(resumed));
            outcome = self.greet(now, connection);
        }
        if plain.len() == tail {
            connection.incoming.restore_tail(&plain);
        } else {
            outcome = outcome.and_then(|()| self.process(now, connection, &plain));
        }
        self.plain = plain;
        outcome.and(taken)?;
        if ended { Err(connection.end_of_stream()) } else { Ok(()) }
    }

    /// Sends to a connection that has TLS, as [`Machine::flush`](crate::reactor::Machine::flush) does.
    pub(super) fn flush_secured(
        &mut self,
        now: Time,
        mut connection: Box<Connection>,
        write: &mut dyn FnMut(&[u8]) -> io::Result<usize>,
    ) -> Flushed {
        let leaving = connection.is_leaving();
        let mut moved = Moved::default();
        let Connection { tls: Some(layer), outgoing, .. } = &mut *connection else { return Flushed::Done };
        let outcome = match leaving {
            true => outgoing.flush_last_words(layer, write, &mut moved),
            false => outgoing.flush_secured(layer, write, &mut self.spares, &mut moved),
        };
        self.moved(moved);
        match outcome {
            Ok(Flushed::Done) if leaving => self.leave(now, connection),
            Ok(flushed) => {
                self.check_in(connection);
                return flushed;
            }
            Err(error) => self.close_connection(now, connection, error),
        }
        Flushed::Done
    }

    /// The next block of a connection that has TLS.
    pub(super) fn take_block_secured(&mut self, mut connection: Box<Connection>) -> Option<Block> {
        let leaving = connection.is_leaving();
        let Connection { tls: Some(layer), outgoing, .. } = &mut *connection else { return None };
        match outgoing.take_block_secured(layer, leaving, &mut self.spares) {
            Ok(block) => {
                self.check_in(connection);
                block
            }
            Err(error) => {
                self.close_connection(self.began, connection, error);
                None
            }
        }
    }

    /// Ends a connection for a reason of this side: TLS is told its end, or what was wrong, before the connection is closed.
    /// `None`: there is nothing to be said, or no way to. The connection comes back then.
    pub(super) fn say_last_words(
        &mut self,
        now: Time,
        mut connection: Box<Connection>,
        error: ConnectionError,
    ) -> Result<(), (Box<Connection>, ConnectionError)> {
        if !connection.has_last_words(&error) {
            return Err((connection, error));
        }
        self.part(now, &mut connection, error, None);
        let deadline = now + LEAVING;
        connection.phase = Phase::Leaving { deadline };
        self.want_tick(deadline);
        self.mark_dirty(&mut connection);
        self.check_in(connection);
        self.maintain(now);
        Ok(())
    }

    /// All is said: closes what was only kept for that.
    pub(super) fn leave(&mut self, now: Time, connection: Box<Connection>) {
        self.actions.push_back(Action::Close(connection.id));
        self.release(connection.id);
        if self.closing.is_some() {
            // It may have been the last.
            self.want_tick(now);
        }
    }

    /// The kernel is done with a block of a connection that has TLS.
    pub(super) fn sent_secured(&mut self, now: Time, mut connection: Box<Connection>, block: Block) {
        self.moved(Moved { bytes: block.0.len() as u64, calls: 1 });
        self.spares.put(block.0);
        let leaving = connection.is_leaving();
        let Connection { tls: Some(layer), outgoing, .. } = &mut *connection else { return };
        let more = layer.sent() || (!leaving && outgoing.has_unencrypted());
        if leaving && !more {
            return self.leave(now, connection);
        }
        if more {
            self.mark_dirty(&mut connection);
        }
        self.check_in(connection);
    }
}
