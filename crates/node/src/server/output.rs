//! Answers on their way out: one buffer for all that a read brought, with segments around the envelopes from v5 on.

use helenus_core::protocol::{EncodeError, Flags, Header, Opcode, Version, envelope, segment};

use crate::refusal::{Refusal, too_long};

/// Bytes for one connection.
#[derive(Default)]
pub(super) struct Output {
    pub(super) bytes: Vec<u8>,
    /// Where the segment begins that is being filled.
    segment: Option<usize>,
}

impl Output {
    /// Appends an answer whose body `put` writes. If it fails, nothing is appended.
    pub(super) fn envelope(
        &mut self,
        frame: Frame,
        opcode: Opcode,
        put: impl FnOnce(&mut Vec<u8>) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        if frame.segments && self.segment.is_none() {
            self.segment = Some(segment::open(&mut self.bytes));
        }
        let start = envelope::begin(&mut self.bytes, frame.version, Flags::NONE, opcode);
        envelope::set_stream(&mut self.bytes[start..], frame.stream);
        let result =
            put(&mut self.bytes).and_then(|()| envelope::finish(&mut self.bytes, start).map_err(too_long));
        if result.is_err() {
            self.bytes.truncate(start);
        }
        self.split(start).map_err(too_long)?;
        result
    }

    /// Appends an answer whose body is `body`.
    #[inline]
    pub(super) fn canned(&mut self, frame: Frame, body: &[u8]) -> Result<(), EncodeError> {
        if frame.segments && self.segment.is_none() {
            self.segment = Some(segment::open(&mut self.bytes));
        }
        let start = self.bytes.len();
        // A canned row is shorter than 2^32 bytes.
        let length = body.len() as u32;
        let (version, opcode) = (frame.version.byte(), Opcode::Result.byte());
        Header { version, response: true, flags: Flags::NONE, stream: frame.stream, opcode, length }
            .put(&mut self.bytes);
        self.bytes.extend_from_slice(body);
        self.split(start)
    }

    /// Completes what was begun: call it before the bytes are sent.
    pub(super) fn seal(&mut self) -> Result<(), EncodeError> {
        match self.segment.take() {
            // Nothing came of it: an answer failed to be encoded.
            Some(start) if self.bytes.len() == start + segment::HEADER_LEN => {
                self.bytes.truncate(start);
                Ok(())
            }
            Some(start) => segment::close(&mut self.bytes, start, true),
            None => Ok(()),
        }
    }

    /// If the envelope that begins at `start` has made the segment too long, it goes into one of its own, or several.
    fn split(&mut self, start: usize) -> Result<(), EncodeError> {
        let Some(opened) = self.segment else { return Ok(()) };
        let payload = opened + segment::HEADER_LEN;
        if self.bytes.len() - payload <= segment::MAX_PAYLOAD {
            return Ok(());
        }
        let envelope = self.bytes.split_off(start);
        self.seal()?;
        if envelope.len() > segment::MAX_PAYLOAD {
            return segment::put_large(&mut self.bytes, &envelope);
        }
        self.segment = Some(segment::open(&mut self.bytes));
        self.bytes.extend_from_slice(&envelope);
        Ok(())
    }
}

/// How an answer is framed.
#[derive(Clone, Copy)]
pub(super) struct Frame {
    pub(super) version: Version,
    pub(super) stream: i16,
    pub(super) segments: bool,
}
