//! From bytes to envelopes: v5 segments below, envelopes above, each keeping only what was cut off.

use std::borrow::Cow;

use super::ConnectionError;
use crate::protocol::segment::{self, lz4};
use crate::protocol::{Compression, DecodeError, Flags, Header, Version};

/// A frame body longer than this gets memory of its own as it arrives, so that it is copied once.
const LENT_BODY_MAX: usize = 16 << 10;
/// What is allocated at once for a long body, whatever length it announces.
const BODY_CHUNK: usize = 1 << 20;

/// Memory for a cut frame is kept up to this, so that a busy connection doesn't allocate and an idle one owns little.
const TAIL_KEPT_MAX: usize = 1 << 10;

/// The incoming half of a connection. Between reads it holds at most a cut frame.
#[derive(Debug, Default)]
pub(crate) struct Incoming {
    /// The beginning of a segment (v5), or of an envelope.
    tail: Vec<u8>,
    /// How many bytes `tail` lacks to be a whole segment, if that is known and much: it is then completed in place instead of
    /// being copied before each read.
    missing: usize,
    framing: Framing,
    /// v5: what is left of a payload that was cut out of a segment, or of several.
    envelopes: Splitter,
}

/// How envelopes lie in the bytes that come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Framing {
    /// One after the other: v3 and v4, and v5 in the beginning.
    #[default]
    Bare,
    Segments,
    /// Segments that LZ4 has compressed: their payloads come by [`Incoming::inflate`], one at a time.
    Lz4Segments,
}

/// One envelope, its body lent or its own.
#[derive(Debug)]
pub(crate) enum Body<'a> {
    Lent(&'a [u8]),
    Owned(Vec<u8>),
}

impl Body<'_> {
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Lent(bytes) => bytes,
            Self::Owned(bytes) => bytes,
        }
    }
}

impl Incoming {
    /// Moves the bytes that must come before what is read next to the front of `buffer`, which gets `room` behind them.
    /// Returns how many they are.
    pub(crate) fn move_tail(&mut self, buffer: &mut Vec<u8>, room: usize) -> usize {
        let length = if self.missing > 0 { 0 } else { self.tail.len() };
        if buffer.len() < length + room {
            buffer.resize(length + room, 0);
        }
        if self.missing > 0 {
            return 0;
        }
        buffer[..length].copy_from_slice(&self.tail);
        if length > TAIL_KEPT_MAX {
            self.tail = Vec::new();
        }
        self.tail.clear();
        length
    }

    /// If a long segment is being completed: moves its next bytes out of `input`, and gives the segment once it is whole.
    pub(crate) fn complete(&mut self, input: &mut &[u8]) -> Option<Vec<u8>> {
        if self.missing == 0 {
            return None;
        }
        let (bytes, rest) = input.split_at(self.missing.min(input.len()));
        self.tail.extend_from_slice(bytes);
        self.missing -= bytes.len();
        *input = rest;
        (self.missing == 0).then(|| std::mem::take(&mut self.tail))
    }

    /// Takes the tail back, after a read that brought nothing.
    pub(crate) fn restore_tail(&mut self, tail: &[u8]) {
        self.tail.extend_from_slice(tail);
    }

    /// From the next byte on, both sides speak in segments.
    pub(crate) fn start_segments(&mut self, compressed: bool) {
        self.framing = if compressed { Framing::Lz4Segments } else { Framing::Segments };
    }

    /// Whether what comes is compressed segments.
    pub(crate) fn is_compressed(&self) -> bool {
        self.framing == Framing::Lz4Segments
    }

    /// The next whole segment in `input`, which is advanced: its payload is put in place of what is in `payload`. `None`: the
    /// rest is kept for later.
    pub(crate) fn inflate<'a>(
        &mut self,
        input: &mut &[u8],
        payload: &'a mut Vec<u8>,
    ) -> Result<Option<Payload<'a>>, ConnectionError> {
        let Some(parsed) = lz4::parse(input).map_err(ConnectionError::Segment)? else {
            self.keep(input);
            return Ok(None);
        };
        *input = &input[parsed.encoded_len..];
        if parsed.self_contained && !self.envelopes.is_empty() {
            return Err(ConnectionError::CutEnvelope);
        }
        payload.clear();
        parsed.payload(payload).map_err(ConnectionError::Segment)?;
        Ok(Some(Payload { rest: payload, self_contained: parsed.self_contained }))
    }

    /// Whether `bytes`, with what was kept before them, can go on as CQL does: where an envelope begins, it must look like
    /// a response of some version. Segments have checksums to tell.
    pub(crate) fn may_go_on_with(&self, bytes: &[u8]) -> bool {
        self.framing != Framing::Bare || !self.envelopes.is_empty() || looks_like_cql(bytes)
    }

    /// The next envelope if all of it lies in `input`, which is then advanced, and nothing is to be said against it. `None`
    /// otherwise: [`Incoming::next`] goes on.
    #[inline(always)]
    pub(crate) fn next_whole<'a>(
        &self,
        input: &mut &'a [u8],
        payload: &mut Payload<'a>,
        accept: Accept,
    ) -> Option<(Header, &'a [u8])> {
        let input = if self.framing != Framing::Bare { &mut payload.rest } else { input };
        if !self.envelopes.is_empty() {
            return None;
        }
        let (bytes, rest) = input.split_first_chunk::<{ Header::LEN }>()?;
        let header = Header::parse(bytes);
        if !accept.takes(&header) {
            return None;
        }
        let (body, rest) = rest.split_at_checked(header.length as usize)?;
        *input = rest;
        Some((header, body))
    }

    /// The next whole envelope in `input`, which is advanced. `None`: the rest is kept for later; go on with more input.
    ///
    /// `payload` is where the rest of a segment's payload is kept between calls for the same `input`.
    pub(crate) fn next<'a>(
        &mut self,
        input: &mut &'a [u8],
        payload: &mut Payload<'a>,
        accept: Accept,
    ) -> Result<Option<(Header, Body<'a>)>, ConnectionError> {
        if self.framing == Framing::Bare {
            let envelope = self.envelopes.next(input, accept)?;
            if envelope.is_none() {
                self.keep(input);
            }
            return Ok(envelope);
        }
        loop {
            if let Some(envelope) = self.envelopes.next(&mut payload.rest, accept)? {
                return Ok(Some(envelope));
            }
            // A self-contained segment ends with an envelope's end; what it leaves would join unrelated bytes.
            if payload.self_contained && !(payload.rest.is_empty() && self.envelopes.is_empty()) {
                return Err(ConnectionError::CutEnvelope);
            }
            self.envelopes.keep(&mut payload.rest);
            if self.framing == Framing::Lz4Segments {
                return Ok(None);
            }
            let Some(parsed) = segment::parse(input).map_err(ConnectionError::Segment)? else {
                self.keep(input);
                return Ok(None);
            };
            *input = &input[parsed.encoded_len..];
            if parsed.self_contained && !self.envelopes.is_empty() {
                return Err(ConnectionError::CutEnvelope);
            }
            *payload = Payload { rest: parsed.payload, self_contained: parsed.self_contained };
        }
    }

    fn keep(&mut self, input: &mut &[u8]) {
        self.tail.extend_from_slice(input);
        *input = &[];
        if self.tail.len() > TAIL_KEPT_MAX {
            let whole = match self.framing {
                Framing::Bare => None,
                Framing::Segments => segment::encoded_len(&self.tail),
                Framing::Lz4Segments => lz4::encoded_len(&self.tail),
            };
            self.missing = whole.map_or(0, |whole| whole.saturating_sub(self.tail.len()));
            self.tail.reserve_exact(self.missing);
        }
    }
}

/// The payload of the segment that is being read.
#[derive(Debug, Default)]
pub(crate) struct Payload<'a> {
    rest: &'a [u8],
    self_contained: bool,
}

/// Splits envelopes off a run of bytes.
#[derive(Debug, Default)]
struct Splitter {
    /// A header that was cut (only between segments; otherwise `Incoming::tail` has it).
    cut: Vec<u8>,
    /// A long body that is still arriving, or one that spans segments.
    partial: Option<(Header, Vec<u8>)>,
}

impl Splitter {
    #[inline]
    fn is_empty(&self) -> bool {
        self.cut.is_empty() && self.partial.is_none()
    }

    fn next<'a>(
        &mut self,
        input: &mut &'a [u8],
        accept: Accept,
    ) -> Result<Option<(Header, Body<'a>)>, ConnectionError> {
        if let Some(partial) = self.partial.take() {
            return Ok(self.fill_partial(partial, input));
        }
        if !self.cut.is_empty() {
            return self.join_cut(input, accept);
        }
        let Some((bytes, rest)) = input.split_first_chunk::<{ Header::LEN }>() else { return Ok(None) };
        let header = accept.checked(Header::parse(bytes))?;
        let length = header.length as usize;
        if let Some((body, rest)) = rest.split_at_checked(length) {
            *input = rest;
            return Ok(Some((header, Body::Lent(body))));
        }
        if length > LENT_BODY_MAX {
            *input = rest;
            return Ok(self.fill_partial((header, Vec::with_capacity(length.min(BODY_CHUNK))), input));
        }
        Ok(None)
    }

    /// A header cut by the end of a segment: complete it, then treat its body as one that arrives in parts.
    fn join_cut<'a>(
        &mut self,
        input: &mut &'a [u8],
        accept: Accept,
    ) -> Result<Option<(Header, Body<'a>)>, ConnectionError> {
        let missing = Header::LEN.saturating_sub(self.cut.len());
        let (bytes, rest) = input.split_at(missing.min(input.len()));
        self.cut.extend_from_slice(bytes);
        *input = rest;
        let Some((bytes, body)) = self.cut.split_first_chunk::<{ Header::LEN }>() else { return Ok(None) };
        let header = accept.checked(Header::parse(bytes))?;
        let body = body.to_vec();
        self.cut.clear();
        Ok(self.fill_partial((header, body), input))
    }

    fn fill_partial<'a>(
        &mut self,
        (header, mut body): (Header, Vec<u8>),
        input: &mut &'a [u8],
    ) -> Option<(Header, Body<'a>)> {
        let missing = header.length as usize - body.len();
        let (bytes, rest) = input.split_at(missing.min(input.len()));
        if body.capacity() - body.len() < bytes.len() {
            // Doubling, until a fifth of what was announced is there: then room for all of it, so that a page of 16 MB is held
            // once even where its memory has to be moved to grow, and not twice.
            let whole = header.length as usize;
            let target = if body.len() * 5 < whole { body.capacity() * 2 } else { whole };
            body.reserve_exact(target.max(body.len() + bytes.len()).min(whole) - body.len());
        }
        body.extend_from_slice(bytes);
        *input = rest;
        if body.len() == header.length as usize {
            return Some((header, Body::Owned(body)));
        }
        self.partial = Some((header, body));
        None
    }

    /// Keeps what is left of a payload: part of a header, or of a short envelope.
    fn keep(&mut self, rest: &mut &[u8]) {
        self.cut.extend_from_slice(rest);
        *rest = &[];
    }
}

/// What a header may say. It is judged before its body is waited for: garbage may announce any length.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Accept {
    pub(crate) bytes_max: u32,
    /// After the handshake, in which a server may answer in a version of its own choice.
    pub(crate) agreed: Option<Version>,
}

impl Accept {
    #[inline]
    fn takes(self, header: &Header) -> bool {
        let fits = self.agreed.is_none_or(|agreed| header.response && header.version == agreed.byte());
        fits && header.length <= self.bytes_max
    }

    fn checked(self, header: Header) -> Result<Header, ConnectionError> {
        if let Some(agreed) = self.agreed.filter(|agreed| !header.response || header.version != agreed.byte())
        {
            let byte = header.version | u8::from(header.response) << 7;
            return Err(ConnectionError::WrongVersion { agreed, byte });
        }
        let Self { bytes_max, .. } = self;
        if header.length > bytes_max {
            return Err(ConnectionError::FrameTooLong { bytes: header.length, bytes_max });
        }
        Ok(header)
    }
}

/// The body as it was before compression (v3, v4), of at most `bytes_max` bytes. In v5 the flag means nothing.
pub(crate) fn plain<'a>(
    header: &Header,
    body: &'a [u8],
    compression: Option<Compression>,
    bytes_max: u32,
) -> Result<Cow<'a, [u8]>, DecodeError> {
    let segmented = Version::from_byte(header.version).is_some_and(Version::has_segments);
    if segmented || !header.flags.contains(Flags::COMPRESSION) {
        return Ok(body.into());
    }
    let Some(compression) = compression else {
        return Err(DecodeError::Unsupported {
            what: "a compressed body, where no compression was agreed on,",
        });
    };
    let mut out = Vec::new();
    compression.decompress(body, bytes_max as usize, &mut out).map_err(DecodeError::Compressed)?;
    Ok(out.into())
}

/// Whether `bytes` can be the beginning of a CQL response of any version that this driver knows or may be told of.
fn looks_like_cql(bytes: &[u8]) -> bool {
    bytes.first().is_none_or(|first| matches!(first & 0x7F, 1..=6) && first & 0x80 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Flags, Opcode, envelope};

    const ACCEPT: Accept = Accept { bytes_max: 1 << 24, agreed: Some(Version::V5) };

    fn frame(stream: i16, body: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let start = envelope::begin(&mut out, Version::V5, Flags::default(), Opcode::Result);
        out.extend_from_slice(body);
        envelope::finish(&mut out, start).unwrap();
        envelope::set_stream(&mut out[start..], stream);
        out
    }

    fn collect(incoming: &mut Incoming, chunks: impl Iterator<Item = Vec<u8>>) -> Vec<(i16, Vec<u8>)> {
        let mut found = Vec::new();
        for chunk in chunks {
            let mut bytes = Vec::new();
            let tail = incoming.move_tail(&mut bytes, chunk.len());
            bytes[tail..].copy_from_slice(&chunk);
            let mut rest = &bytes[..];
            let whole = incoming.complete(&mut rest);
            for mut input in whole.as_deref().into_iter().chain([rest]) {
                let mut payload = Payload::default();
                while let Some((header, body)) = incoming.next(&mut input, &mut payload, ACCEPT).unwrap() {
                    found.push((header.stream, body.bytes().to_vec()));
                }
            }
        }
        found
    }

    fn segments(frames: &[Vec<u8>], long: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let start = segment::open(&mut out);
        frames.iter().for_each(|frame| out.extend_from_slice(frame));
        segment::close(&mut out, start, true).unwrap();
        // Cut so that even a header spans segments.
        let (first, rest) = long.split_at(5);
        for slice in std::iter::once(first).chain(rest.chunks(segment::MAX_PAYLOAD)) {
            let start = segment::open(&mut out);
            out.extend_from_slice(slice);
            segment::close(&mut out, start, false).unwrap();
        }
        out
    }

    #[test]
    fn envelopes_come_whole_however_the_bytes_are_cut() {
        let frames: Vec<_> = (0..20).map(|i| frame(i, &vec![i as u8; i as usize * 7])).collect();
        let long = frame(99, &[7; 300_000]);
        let plain = [frames.concat(), long.clone()].concat();
        let segmented = segments(&frames, &long);
        for size in [1, 2, 3, 8, 9, 10, 100, 4_096, 1 << 20] {
            for (bytes, in_segments) in [(&plain, false), (&segmented, true)] {
                let framing = if in_segments { Framing::Segments } else { Framing::Bare };
                let mut incoming = Incoming { framing, ..Incoming::default() };
                let found = collect(&mut incoming, bytes.chunks(size).map(<[u8]>::to_vec));
                assert_eq!(found.len(), 21, "chunks of {size}");
                assert!(
                    found[..20]
                        .iter()
                        .enumerate()
                        .all(|(i, (stream, body))| { *stream == i as i16 && *body == vec![i as u8; i * 7] })
                );
                assert_eq!((found[20].0, found[20].1.len()), (99, 300_000));
                assert!(incoming.tail.is_empty() && incoming.envelopes.is_empty());
            }
        }
    }

    #[cfg(feature = "lz4")]
    #[test]
    fn envelopes_come_out_of_compressed_segments_however_they_are_cut() {
        let long = frame(99, &[7; 300_000]);
        let mut bytes = Vec::new();
        let short: Vec<_> = (0..20).flat_map(|i| frame(i, &vec![i as u8; i as usize * 7])).collect();
        lz4::put(&mut bytes, &short, true).unwrap();
        let (first, rest) = long.split_at(5);
        for slice in std::iter::once(first).chain(rest.chunks(segment::MAX_PAYLOAD)) {
            lz4::put(&mut bytes, slice, false).unwrap();
        }
        for size in [1, 2, 7, 8, 9, 100, 1 << 20] {
            let mut incoming = Incoming { framing: Framing::Lz4Segments, ..Incoming::default() };
            let (mut found, mut inflated) = (Vec::new(), Vec::new());
            for chunk in bytes.chunks(size) {
                let mut buffer = Vec::new();
                let tail = incoming.move_tail(&mut buffer, chunk.len());
                buffer[tail..].copy_from_slice(chunk);
                let mut rest = &buffer[..];
                let whole = incoming.complete(&mut rest);
                for mut input in whole.as_deref().into_iter().chain([rest]) {
                    while let Some(mut payload) = incoming.inflate(&mut input, &mut inflated).unwrap() {
                        while let Some((header, body)) =
                            incoming.next(&mut &[][..], &mut payload, ACCEPT).unwrap()
                        {
                            found.push((header.stream, body.bytes().len()));
                        }
                    }
                }
            }
            assert_eq!(found.len(), 21, "chunks of {size}");
            assert_eq!(found[20], (99, 300_000));
            assert!(incoming.tail.is_empty() && incoming.envelopes.is_empty());
        }
    }

    #[test]
    fn lengths_are_refused_before_memory_is_taken() {
        let mut bytes = frame(0, &[]);
        bytes[5..9].copy_from_slice(&u32::MAX.to_be_bytes());
        let error = Incoming::default().next(&mut &bytes[..], &mut Payload::default(), ACCEPT).unwrap_err();
        assert!(matches!(error, ConnectionError::FrameTooLong { bytes: u32::MAX, .. }));
    }

    #[test]
    fn a_cut_envelope_in_a_self_contained_segment_is_refused() {
        let mut out = Vec::new();
        let start = segment::open(&mut out);
        out.extend_from_slice(&frame(1, &[1; 50])[..40]);
        segment::close(&mut out, start, true).unwrap();
        let mut incoming = Incoming { framing: Framing::Segments, ..Incoming::default() };
        let error = incoming.next(&mut &out[..], &mut Payload::default(), ACCEPT).unwrap_err();
        assert!(matches!(error, ConnectionError::CutEnvelope));
    }
}
