//! Requests and answers of a floor: real v4 frames, and nothing else.

use crate::drivers::bare::READ_BYTES;
use crate::latency::Sampler;
use crate::wire::{self, Connection, HEADER_BYTES, Header, Put, opcode, result_kind};
use crate::workload::{Data, KEY_BYTES, Op};
use anyhow::{Context, Result, bail, ensure};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Stream ids are 15 bits wide, section 2.3.
pub(in crate::drivers) const MAX_IN_FLIGHT: usize = 32_768;

/// What is on its way on one connection.
pub(super) struct Frames {
    kind: u32,
    template: Vec<u8>,
    key_at: usize,
    data: Data,
    slots: Vec<Slot>,
    incoming: Vec<u8>,
    /// Bytes of a cut frame at the front of `incoming`.
    kept: usize,
    outgoing: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq)]
enum Slot {
    Free,
    Sent,
    Timed(Instant),
}

/// What one run still has to do.
pub(super) struct Progress<'a> {
    next: u64,
    requests: u64,
    answered: u64,
    sampler: &'a Sampler,
}

impl<'a> Progress<'a> {
    pub(super) fn new(requests: u64, sampler: &'a Sampler) -> Self {
        Self { next: 0, requests, answered: 0, sampler }
    }

    pub(super) fn is_over(&self) -> bool {
        self.answered >= self.requests
    }
}

impl Frames {
    /// With the connection that they travel on: prepared, and blocking.
    pub(super) fn connect(server: SocketAddr, op: Op, in_flight: usize) -> Result<(Self, TcpStream)> {
        ensure!(
            (1..=MAX_IN_FLIGHT).contains(&in_flight),
            "one connection takes 1 to {MAX_IN_FLIGHT} requests, not {in_flight}"
        );
        let mut connection = Connection::open(server)?;
        let id = connection.prepare(op.statement())?;
        connection.0.set_read_timeout(None)?;
        let data = Data::new();
        let (template, key_at) = execute_frame(op, &id, &data);
        let frames = Self {
            kind: if op == Op::Insert { result_kind::VOID } else { result_kind::ROWS },
            template,
            key_at,
            data,
            slots: vec![Slot::Free; in_flight],
            incoming: vec![0; READ_BYTES],
            kept: 0,
            outgoing: Vec::new(),
        };
        Ok((frames, connection.0))
    }

    /// Fills every stream.
    pub(super) fn begin(&mut self, progress: &mut Progress<'_>) {
        let now = Instant::now();
        (0..self.slots.len()).for_each(|stream| self.send_next(stream, now, progress));
    }

    pub(super) fn has_outgoing(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// One read, and the next requests of what it answers. Says whether there was anything to read.
    pub(super) fn read(&mut self, socket: &mut impl Read, progress: &mut Progress<'_>) -> Result<bool> {
        match socket.read(&mut self.incoming[self.kept..]) {
            Ok(0) => bail!("the server closed the connection"),
            Ok(count) => self.take_frames(self.kept + count, progress)?,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                return Ok(false);
            }
            Err(error) => return Err(error.into()),
        }
        Ok(true)
    }

    /// One write, if there is something to write.
    pub(super) fn write(&mut self, socket: &mut impl Write) -> Result<()> {
        if self.outgoing.is_empty() {
            return Ok(());
        }
        match socket.write(&self.outgoing) {
            Ok(count) if count == self.outgoing.len() => self.outgoing.clear(),
            Ok(count) => drop(self.outgoing.drain(..count)),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    fn take_frames(&mut self, filled: usize, progress: &mut Progress<'_>) -> Result<()> {
        let now = Instant::now();
        let mut at = 0;
        while let Some(bytes) = self.incoming[at..filled].first_chunk::<HEADER_BYTES>() {
            let header = Header::parse(bytes);
            ensure!(
                header.body_bytes <= READ_BYTES - HEADER_BYTES,
                "an answer of {} bytes",
                header.body_bytes
            );
            let end = at + HEADER_BYTES + header.body_bytes;
            if end > filled {
                break;
            }
            self.check(&header, at + HEADER_BYTES..end)?;
            self.finish(header.stream.into(), now, progress)?;
            at = end;
        }
        self.incoming.copy_within(at..filled, 0);
        self.kept = filled - at;
        Ok(())
    }

    fn check(&self, header: &Header, body: std::ops::Range<usize>) -> Result<()> {
        let body = &self.incoming[body];
        let kind = body.first_chunk().map(|bytes| u32::from_be_bytes(*bytes));
        if header.version == wire::RESPONSE && header.opcode == opcode::RESULT && kind == Some(self.kind) {
            return Ok(());
        }
        if header.opcode == opcode::ERROR {
            bail!("the server answered EXECUTE with an error: {}", wire::error_text(body));
        }
        bail!("expected a v4 RESULT of kind {}, got {header:?} of kind {kind:?}", self.kind)
    }

    fn finish(&mut self, stream: usize, now: Instant, progress: &mut Progress<'_>) -> Result<()> {
        let slot = self.slots.get_mut(stream).context("an answer to a stream id that was never used")?;
        match std::mem::replace(slot, Slot::Free) {
            Slot::Free => bail!("stream {stream} was answered twice"),
            Slot::Sent => {}
            Slot::Timed(sent) => {
                progress.sampler.record(now.duration_since(sent).max(Duration::from_nanos(1)))
            }
        }
        progress.answered += 1;
        self.send_next(stream, now, progress);
        Ok(())
    }

    fn send_next(&mut self, stream: usize, now: Instant, progress: &mut Progress<'_>) {
        if progress.next == progress.requests {
            return;
        }
        let number = progress.next;
        progress.next += 1;
        self.slots[stream] = if progress.sampler.picks(number) { Slot::Timed(now) } else { Slot::Sent };
        let start = self.outgoing.len();
        self.outgoing.extend_from_slice(&self.template);
        let frame = &mut self.outgoing[start..];
        frame[2..4].copy_from_slice(&(stream as u16).to_be_bytes());
        frame[self.key_at..self.key_at + KEY_BYTES].copy_from_slice(self.data.key(number).as_bytes());
    }
}

/// An EXECUTE (section 4.1.6) and where its key is.
fn execute_frame(op: Op, id: &[u8], data: &Data) -> (Vec<u8>, usize) {
    let mut body = Vec::new();
    body.put_short(id.len() as u16);
    body.put(id);
    body.put_short(wire::CONSISTENCY_LOCAL_QUORUM);
    body.push(wire::FLAG_VALUES);
    body.put_short(if op == Op::Insert { 2 } else { 1 });
    body.put_int(KEY_BYTES as u32);
    let key_at = HEADER_BYTES + body.len();
    body.put(data.key(0).as_bytes());
    if op == Op::Insert {
        body.put_bytes(data.value().as_bytes());
    }
    (wire::frame(wire::REQUEST, 0, opcode::EXECUTE, &body), key_at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_where_the_template_says() {
        let data = Data::new();
        let (frame, key_at) = execute_frame(Op::Insert, &[7; 16], &data);
        assert_eq!(&frame[key_at..key_at + KEY_BYTES], data.key(0).as_bytes());
        let header = Header::parse(frame[..HEADER_BYTES].try_into().unwrap());
        assert_eq!(header.body_bytes + HEADER_BYTES, frame.len());
    }
}
