//! From bytes to finished requests.

use super::connection::{Connection, Phase, Preparing};
use super::handshake::{Next, frame};
use super::incoming::{Accept, Body, Payload, plain};
use super::streams::{NEVER, Occupant};
use super::{ConnectionError, Shard};
use crate::Time;
use crate::call::{Entry, ReprepareFailure, RequestError};
use crate::protocol::request::Prepare;
use crate::protocol::response::{Message, Response, ResultMessage};
use crate::protocol::{DecodeError, ErrorKind, Header, Opcode};

/// How often one request may find its statement unknown, over all nodes that it is sent to; a batch may once more for each
/// of its statements.
const REPREPARES_MAX: usize = 8;

impl Shard {
    /// Takes every whole envelope out of `bytes`.
    pub(super) fn process(
        &mut self,
        now: Time,
        connection: &mut Connection,
        bytes: &[u8],
    ) -> Result<(), ConnectionError> {
        connection.last_received = now;
        if !connection.is_ready() && !connection.incoming.may_go_on_with(bytes) {
            return Err(ConnectionError::NotCql { first: bytes[..bytes.len().min(8)].to_vec() });
        }
        let mut rest = bytes;
        if let Some(segment) = connection.incoming.complete(&mut rest) {
            self.read(now, connection, &segment)?;
        }
        self.read(now, connection, rest)
    }

    #[inline]
    fn read(
        &mut self,
        now: Time,
        connection: &mut Connection,
        mut input: &[u8],
    ) -> Result<(), ConnectionError> {
        if !connection.incoming.is_compressed() {
            input = self.envelopes(now, connection, input, Payload::default())?;
        }
        if connection.incoming.is_compressed() { self.inflate(now, connection, input) } else { Ok(()) }
    }

    /// Takes the envelopes out of compressed segments, one segment at a time.
    #[inline(never)]
    fn inflate(
        &mut self,
        now: Time,
        connection: &mut Connection,
        mut input: &[u8],
    ) -> Result<(), ConnectionError> {
        let mut inflated = std::mem::take(&mut self.inflated);
        while let Some(payload) = connection.incoming.inflate(&mut input, &mut inflated)? {
            self.envelopes(now, connection, &[], payload)?;
        }
        self.inflated = inflated;
        Ok(())
    }

    /// Takes every whole envelope out of `payload` and `input`. What it gives back comes after a switch to compressed segments.
    fn envelopes<'a>(
        &mut self,
        now: Time,
        connection: &mut Connection,
        mut input: &'a [u8],
        mut payload: Payload<'a>,
    ) -> Result<&'a [u8], ConnectionError> {
        let was_compressed = connection.incoming.is_compressed();
        loop {
            let agreed = connection.is_ready().then_some(connection.version);
            let accept = Accept { bytes_max: self.config.frame_bytes_max, agreed };
            while agreed.is_some() {
                let whole = connection.incoming.next_whole(&mut input, &mut payload, accept);
                let Some((header, body)) = whole else { break };
                if !self.answer_result(connection, &header, body) {
                    self.response(now, connection, &header, Body::Lent(body))?;
                }
            }
            let Some((header, body)) = connection.incoming.next(&mut input, &mut payload, accept)? else {
                return Ok(input);
            };
            if connection.is_ready() {
                self.response(now, connection, &header, body)?;
            } else {
                self.handshake_response(now, connection, header, body)?;
                if connection.incoming.is_compressed() != was_compressed {
                    return Ok(input);
                }
            }
        }
    }

    fn handshake_response(
        &mut self,
        now: Time,
        connection: &mut Connection,
        header: Header,
        body: Body<'_>,
    ) -> Result<(), ConnectionError> {
        let opcode_known = Opcode::from_byte(header.opcode).is_some_and(Opcode::is_response);
        if !header.response || !opcode_known {
            let first = [header.version | u8::from(header.response) << 7, header.flags.0].to_vec();
            return Err(ConnectionError::NotCql { first });
        }
        // A server that refuses the version may answer on a stream of its own choice; nothing else may.
        let (occupant, _) = connection.streams.release(header.stream);
        if !matches!(occupant, Occupant::Handshake) && header.opcode != Opcode::Error.byte() {
            return Err(ConnectionError::UnexpectedStream(header.stream));
        }
        let body = plain(&header, body.bytes(), connection.compression, self.config.frame_bytes_max)
            .map_err(ConnectionError::Decode)?;
        let phase = std::mem::replace(&mut connection.phase, Phase::Opening { deadline: NEVER });
        let Phase::Handshaking { mut handshake, .. } = phase else {
            return Err(ConnectionError::UnexpectedStream(header.stream));
        };
        let next = handshake.answer(&header, &body, &self.config);
        let switches = header.opcode == Opcode::Ready.byte() || header.opcode == Opcode::Authenticate.byte();
        if switches && !matches!(next, Next::Fail(_) | Next::Lower(_)) {
            connection.start_segments();
        }
        self.next_step(now, connection, handshake, next)
    }

    /// What most responses are: a RESULT that a user waits for. Says whether it was one.
    #[inline(always)]
    fn answer_result(&mut self, connection: &mut Connection, header: &Header, body: &[u8]) -> bool {
        if header.opcode != Opcode::Result.byte() {
            return false;
        }
        let Some(call) = connection.streams.release_call(header.stream) else { return false };
        self.desk.counters.on_wire.sub(1);
        if call.is_cancelled() {
            self.desk.drop_cancelled(&call);
        } else {
            self.desk.answer_lent(call, header, connection.address, body);
        }
        true
    }

    fn response(
        &mut self,
        now: Time,
        connection: &mut Connection,
        header: &Header,
        body: Body<'_>,
    ) -> Result<(), ConnectionError> {
        if !Opcode::from_byte(header.opcode).is_some_and(Opcode::is_response) {
            return Err(ConnectionError::UnexpectedOpcode { opcode: header.opcode, awaited: "a response" });
        }
        if header.stream < 0 {
            self.desk.counters.events.add(1);
            return Ok(());
        }
        let (occupant, deadline) = connection.streams.release(header.stream);
        match occupant {
            Occupant::Call(call) => {
                self.desk.counters.on_wire.sub(1);
                self.answered(connection, call, deadline, header, body);
            }
            Occupant::Orphan => {
                self.desk.counters.on_wire.sub(1);
                self.desk.counters.orphans.sub(1);
            }
            Occupant::Heartbeat => {
                connection.heartbeat_awaited = false;
                self.want_tick(now + self.config.heartbeat_interval);
            }
            Occupant::Prepare => {
                self.desk.counters.on_wire.sub(1);
                self.reprepared(connection, header, body);
            }
            Occupant::Free | Occupant::Handshake => {
                return Err(ConnectionError::UnexpectedStream(header.stream));
            }
        }
        Ok(())
    }

    fn answered(
        &mut self,
        connection: &mut Connection,
        call: Entry,
        deadline: Time,
        header: &Header,
        body: Body<'_>,
    ) {
        if call.is_cancelled() {
            return self.desk.drop_cancelled(&call);
        }
        if header.opcode == Opcode::Error.byte() && call.terms.is_prepared() {
            if let Ok(ErrorKind::Unprepared { id }) = self.error_kind(connection, header, body.bytes()) {
                return self.reprepare(connection, call, &id, deadline);
            }
        }
        self.desk.answer(call, header, connection.address, body);
    }

    /// What kind of ERROR a response is. Most answers are decompressed by their callers, but some of these are for the machine.
    fn error_kind(
        &self,
        connection: &Connection,
        header: &Header,
        body: &[u8],
    ) -> Result<ErrorKind, DecodeError> {
        let body = plain(header, body, connection.compression, self.config.frame_bytes_max)?;
        match Response::decode(connection.version, header, &body)?.message {
            Message::Error(error) => Ok(error.kind),
            _ => Err(DecodeError::Unsupported { what: "an answer that is no ERROR" }),
        }
    }

    /// The node doesn't know the statement: prepare it on this very connection, once for all who want it.
    fn reprepare(&mut self, connection: &mut Connection, mut call: Entry, id: &[u8], deadline: Time) {
        let times = call.was_unprepared();
        let found = match call.terms.statement_called(id) {
            None => Err(ReprepareFailure::UnknownId),
            Some(_) if times as usize >= REPREPARES_MAX + call.terms.statements() => {
                Err(ReprepareFailure::StillUnprepared)
            }
            Some(statement) => Ok(statement.clone()),
        };
        let statement = match found {
            Ok(statement) => statement,
            Err(reason) => {
                return self.desk.fail(call, RequestError::Reprepare { node: connection.address, reason });
            }
        };
        // The time that preparing takes counts as the request's own.
        self.want_tick(deadline);
        let known = connection.preparing.iter_mut().find(|preparing| preparing.statement.id == statement.id);
        if let Some(preparing) = known {
            return preparing.waiting.push((call, deadline));
        }
        let version = connection.version;
        let request = frame(version, Opcode::Prepare, |out| {
            Prepare { text: &statement.text, keyspace: statement.keyspace.as_deref() }.put(version, out)
        });
        let Ok(request) = request else {
            // It was prepared before, so it fits; a text that doesn't can't be prepared again.
            let reason = ReprepareFailure::BadAnswer;
            return self.desk.fail(call, RequestError::Reprepare { node: connection.address, reason });
        };
        self.desk.counters.reprepares.add(1);
        self.desk.counters.on_wire.add(1);
        let stream = self.send_internal(connection, Occupant::Prepare, &request, NEVER);
        connection.preparing.push(Preparing { stream, statement, waiting: vec![(call, deadline)] });
    }

    /// The answer to PREPARE: those who wait are sent again here, or fail.
    fn reprepared(&mut self, connection: &mut Connection, header: &Header, body: Body<'_>) {
        let Some(index) = connection.preparing.iter().position(|preparing| preparing.stream == header.stream)
        else {
            return;
        };
        let Preparing { statement, waiting, .. } = connection.preparing.swap_remove(index);
        let plain = plain(header, body.bytes(), connection.compression, self.config.frame_bytes_max);
        let decoded = plain.as_ref().map_err(|error| *error).and_then(|body| {
            Response::decode(connection.version, header, body).map(|response| response.message)
        });
        let failure = match decoded {
            Ok(Message::Result(ResultMessage::Prepared(prepared))) if prepared.id == &*statement.id => {
                statement.learn(&prepared);
                (!statement.may_bind_as(&prepared)).then_some(ReprepareFailure::MarkersChanged)
            }
            Ok(Message::Result(ResultMessage::Prepared(_))) => {
                statement.outdate();
                Some(ReprepareFailure::IdChanged)
            }
            // The server's own error says best why: the table is gone, say.
            Ok(Message::Error(_)) => {
                for (call, _) in waiting {
                    match call.is_cancelled() {
                        true => self.desk.drop_cancelled(&call),
                        false => self.desk.answer(call, header, connection.address, Body::Lent(body.bytes())),
                    }
                }
                return;
            }
            _ => Some(ReprepareFailure::BadAnswer),
        };
        for (call, deadline) in waiting {
            match failure {
                Some(reason) => {
                    self.desk.fail(call, RequestError::Reprepare { node: connection.address, reason })
                }
                None if call.is_cancelled() => self.desk.drop_cancelled(&call),
                None if connection.has_room() => self.send(connection, call, deadline),
                None => self.wait(call, deadline),
            }
        }
    }
}
