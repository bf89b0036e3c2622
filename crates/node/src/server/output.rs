//! Answers on their way out: one buffer for all that a read brought, with segments around the envelopes from v5 on, and
//! compressed as agreed.

use helenus_core::protocol::{Compression, EncodeError, Flags, Header, Opcode, Version, envelope, segment};

use super::connection::Broken;
use crate::refusal::{Refusal, too_long};

/// Bytes for one connection.
#[derive(Default)]
pub(super) struct Output {
    pub(super) bytes: Vec<u8>,
    /// The segment that is being filled.
    segment: Option<Open>,
    /// What is to be compressed, kept for its memory.
    raw: Vec<u8>,
}

/// A segment without its end.
#[derive(Clone, Copy)]
struct Open {
    /// Where it begins.
    start: usize,
    /// Whether its payload is compressed when it is closed. It then has no header until that is done.
    lz4: bool,
}

impl Open {
    fn payload(self) -> usize {
        if self.lz4 { self.start } else { self.start + segment::HEADER_LEN }
    }
}

impl Output {
    /// Appends an answer whose body `put` writes. If it fails, nothing is appended.
    pub(super) fn envelope(
        &mut self,
        frame: Frame,
        opcode: Opcode,
        put: impl FnOnce(&mut Vec<u8>) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        self.open(frame.framing);
        let start = envelope::begin(&mut self.bytes, frame.version, Flags::NONE, opcode);
        envelope::set_stream(&mut self.bytes[start..], frame.stream);
        let result = put(&mut self.bytes)
            .and_then(|()| self.compress_body(start, frame.framing).map_err(too_long))
            .and_then(|()| envelope::finish(&mut self.bytes, start).map_err(too_long));
        if result.is_err() {
            self.bytes.truncate(start);
        }
        self.split(start).map_err(too_long)?;
        result
    }

    /// Appends an answer whose body is `body`.
    #[inline]
    pub(super) fn canned(&mut self, frame: Frame, body: &[u8]) -> Result<(), EncodeError> {
        self.open(frame.framing);
        let start = self.bytes.len();
        // A canned row is shorter than 2^32 bytes.
        let length = body.len() as u32;
        let (version, opcode) = (frame.version.byte(), Opcode::Result.byte());
        Header { version, response: true, flags: Flags::NONE, stream: frame.stream, opcode, length }
            .put(&mut self.bytes);
        self.bytes.extend_from_slice(body);
        if let Framing::Compressed(_) = frame.framing {
            self.compress_body(start, frame.framing)?;
            envelope::finish(&mut self.bytes, start)?;
        }
        self.split(start)
    }

    /// Appends bytes that are framed already, or are not meant to be.
    pub(super) fn raw(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        self.seal().map_err(|_| Broken)?;
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// Whether there is nothing to send.
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The memory that it keeps.
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity() + self.raw.capacity()
    }

    /// Completes what was begun: call it before the bytes are sent.
    pub(super) fn seal(&mut self) -> Result<(), EncodeError> {
        match self.segment.take() {
            // Nothing came of it: an answer failed to be encoded.
            Some(open) if self.bytes.len() == open.payload() => {
                self.bytes.truncate(open.start);
                Ok(())
            }
            Some(open) if open.lz4 => {
                self.take_raw(open.start);
                segment::lz4::put(&mut self.bytes, &self.raw, true)
            }
            Some(open) => segment::close(&mut self.bytes, open.start, true),
            None => Ok(()),
        }
    }

    #[inline]
    fn open(&mut self, framing: Framing) {
        if self.segment.is_some() {
            return;
        }
        let start = self.bytes.len();
        match framing {
            Framing::Envelopes | Framing::Compressed(_) => {}
            Framing::Segments => {
                segment::open(&mut self.bytes);
                self.segment = Some(Open { start, lz4: false });
            }
            Framing::Lz4Segments => self.segment = Some(Open { start, lz4: true }),
        }
    }

    fn compress_body(&mut self, start: usize, framing: Framing) -> Result<(), EncodeError> {
        let Framing::Compressed(compression) = framing else { return Ok(()) };
        self.take_raw(start + Header::LEN);
        let unsupported = EncodeError::Unsupported { what: "a compressed body of this length" };
        compression.compress(&self.raw, &mut self.bytes).map_err(|_| unsupported)?;
        envelope::set_flags(&mut self.bytes[start..], Flags::COMPRESSION);
        Ok(())
    }

    /// Moves what is in `bytes` from `start` on to `raw`.
    fn take_raw(&mut self, start: usize) {
        self.raw.clear();
        self.raw.extend_from_slice(&self.bytes[start..]);
        self.bytes.truncate(start);
    }

    /// If the envelope that begins at `start` has made the segment too long, it goes into one of its own, or several.
    #[inline]
    fn split(&mut self, start: usize) -> Result<(), EncodeError> {
        match self.segment {
            Some(open) if self.bytes.len() - open.payload() > segment::MAX_PAYLOAD => {
                self.split_off(start, open.lz4)
            }
            _ => Ok(()),
        }
    }

    fn split_off(&mut self, start: usize, lz4: bool) -> Result<(), EncodeError> {
        let envelope = self.bytes.split_off(start);
        self.seal()?;
        if envelope.len() <= segment::MAX_PAYLOAD {
            self.open(if lz4 { Framing::Lz4Segments } else { Framing::Segments });
            self.bytes.extend_from_slice(&envelope);
            return Ok(());
        }
        if !lz4 {
            return segment::put_large(&mut self.bytes, &envelope);
        }
        let mut slices = envelope.chunks(segment::MAX_PAYLOAD);
        slices.try_for_each(|slice| segment::lz4::put(&mut self.bytes, slice, false))
    }
}

/// How an answer is framed.
#[derive(Clone, Copy)]
pub(super) struct Frame {
    pub(super) version: Version,
    pub(super) stream: i16,
    pub(super) framing: Framing,
}

/// What is around envelopes, or done to their bodies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// Nothing.
    Envelopes,
    /// Bodies are compressed (v3 and v4).
    Compressed(Compression),
    /// Segments (v5).
    Segments,
    /// Segments with LZ4 (v5).
    Lz4Segments,
}
