//! From frames to bytes: requests gather in one block until the reactor asks for it.

mod secured;

use std::fmt;
use std::io;

use crate::protocol::segment::{self, lz4};
use crate::protocol::{Compression, envelope};
use crate::reactor::{Block, Flushed};

/// With more than this unsent, a connection takes no further requests: they wait, or go elsewhere.
const BACKLOG_BYTES_MAX: usize = 1 << 20;
/// A block that grew beyond this is not kept for later use.
const SPARE_BYTES_MAX: usize = 256 << 10;

/// Blocks to be used again, shared by the connections of a machine, so that an idle connection owns none.
#[derive(Debug, Default)]
pub(crate) struct Spares(Vec<Vec<u8>>);

impl Spares {
    const KEPT_MAX: usize = 64;

    fn take(&mut self) -> Vec<u8> {
        self.0.pop().unwrap_or_default()
    }

    pub(crate) fn put(&mut self, mut block: Vec<u8>) {
        if self.0.len() < Self::KEPT_MAX && block.capacity() > 0 && block.capacity() <= SPARE_BYTES_MAX {
            block.clear();
            self.0.push(block);
        }
    }
}

/// How envelopes are put into the bytes that go.
#[derive(Default)]
enum Form {
    /// As they are: v3 and v4, and v5 in the beginning.
    #[default]
    Bare,
    Segments,
    /// Segments that LZ4 compresses: of the one that is still open, the payload is gathered here. Until it is sealed, the end
    /// of the block is where it will begin, and so the position of all that it holds.
    Lz4Segments(Vec<u8>),
    /// The caller has compressed them for a session that does, but this node doesn't.
    Decompressed(Compression),
}

/// The outgoing half of a connection.
#[derive(Default)]
pub(crate) struct Outgoing {
    tail: Vec<u8>,
    /// How much of `tail` the kernel has.
    written: usize,
    form: Form,
    /// Where the segment begins that is still open.
    open: Option<usize>,
    /// Bytes accepted before `tail[0]`, counted from the connection's first.
    base: u64,
    /// Length of the block that a completion loop has.
    lent: Option<usize>,
    /// Whether `Action::Send` was wished and not yet served.
    pub(crate) announced: bool,
}

impl Outgoing {
    /// From the next frame on, both sides speak in segments.
    pub(crate) fn start_segments(&mut self, compressed: bool) {
        self.form = if compressed { Form::Lz4Segments(Vec::new()) } else { Form::Segments };
    }

    /// From the next frame on, what was compressed by `compression` goes out as it was before.
    pub(crate) fn decompress(&mut self, compression: Compression) {
        self.form = Form::Decompressed(compression);
    }

    /// Appends an envelope under `stream`. Returns the position of its first byte on this connection.
    #[inline(always)]
    pub(crate) fn push(&mut self, frame: &[u8], stream: i16, spares: &mut Spares) -> u64 {
        if self.tail.capacity() == 0 {
            self.tail = spares.take();
        }
        let position = self.base + (self.lent.unwrap_or(0) + self.tail.len()) as u64;
        match self.form {
            Form::Segments => self.append_segmented(frame, stream),
            Form::Bare => self.append(frame, stream),
            _ => self.append_changed(frame, stream, spares),
        }
        position
    }

    #[inline(never)]
    fn append_changed(&mut self, frame: &[u8], stream: i16, spares: &mut Spares) {
        match &mut self.form {
            Form::Lz4Segments(payload) => {
                let alone = frame.len() > segment::MAX_PAYLOAD;
                if alone || payload.len() + frame.len() > segment::MAX_PAYLOAD {
                    compress(&mut self.tail, payload, true);
                }
                match alone {
                    true => compress_slices(&mut self.tail, payload, frame, stream),
                    false => gather(payload, frame, stream, spares),
                }
            }
            Form::Decompressed(compression) => {
                let start = self.tail.len();
                let outcome = compression.put_decompressed(frame, envelope::MAX_BODY, &mut self.tail);
                debug_assert!(outcome.is_ok(), "a frame of our own can't be decompressed: {outcome:?}");
                envelope::set_stream(&mut self.tail[start..], stream);
            }
            Form::Bare | Form::Segments => unreachable!("`push` appends these"),
        }
    }

    fn append_segmented(&mut self, frame: &[u8], stream: i16) {
        if frame.len() <= segment::MAX_PAYLOAD {
            self.append_to_segment(frame, stream);
        } else {
            self.append_slices(frame, stream);
        }
    }

    #[inline]
    fn append(&mut self, frame: &[u8], stream: i16) {
        let start = self.tail.len();
        self.tail.extend_from_slice(frame);
        envelope::set_stream(&mut self.tail[start..], stream);
    }

    fn append_to_segment(&mut self, frame: &[u8], stream: i16) {
        if let Some(start) = self.open {
            let payload = self.tail.len() - start - segment::HEADER_LEN;
            if payload + frame.len() > segment::MAX_PAYLOAD {
                self.seal();
            }
        }
        if self.open.is_none() {
            self.open = Some(segment::open(&mut self.tail));
        }
        self.append(frame, stream);
    }

    /// An envelope that is too long for one segment: slices, with nothing else between them.
    fn append_slices(&mut self, frame: &[u8], stream: i16) {
        self.seal();
        let mut first = true;
        for slice in frame.chunks(segment::MAX_PAYLOAD) {
            let start = segment::open(&mut self.tail);
            let payload = self.tail.len();
            self.tail.extend_from_slice(slice);
            if std::mem::take(&mut first) {
                envelope::set_stream(&mut self.tail[payload..], stream);
            }
            close(&mut self.tail, start, false);
        }
    }

    fn seal(&mut self) {
        if let Some(start) = self.open.take() {
            close(&mut self.tail, start, true);
        }
    }

    /// Completes what is still open, before the block goes out.
    fn seal_all(&mut self, spares: &mut Spares) {
        self.seal();
        if let Form::Lz4Segments(payload) = &mut self.form {
            compress(&mut self.tail, payload, true);
            spares.put(std::mem::take(payload));
        }
    }

    fn is_empty(&self) -> bool {
        let gathered = matches!(&self.form, Form::Lz4Segments(payload) if !payload.is_empty());
        self.tail.is_empty() && !gathered
    }

    /// Whether it has room for more requests.
    #[inline]
    pub(crate) fn has_room(&self) -> bool {
        self.tail.len() - self.written < BACKLOG_BYTES_MAX
    }

    /// Whether the kernel accepted nothing of what begins at `position`. `accepted_bytes` is what it took of a block that
    /// has not come back; if that is not known, it may have been all.
    pub(crate) fn is_unsent(&self, position: u64, accepted_bytes: Option<usize>) -> bool {
        let lent = self.lent.unwrap_or(0);
        position >= self.base + (self.written + accepted_bytes.unwrap_or(lent).min(lent)) as u64
    }

    /// Writes until all is written or the socket is full. Counts the bytes and calls in `moved`.
    pub(crate) fn flush(
        &mut self,
        write: &mut dyn FnMut(&[u8]) -> io::Result<usize>,
        spares: &mut Spares,
        moved: &mut Moved,
    ) -> io::Result<Flushed> {
        self.announced = false;
        self.seal_all(spares);
        while self.written < self.tail.len() {
            match write(&self.tail[self.written..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => {
                    self.written += n;
                    moved.bytes += n as u64;
                    moved.calls += 1;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.compact();
                    return Ok(Flushed::Blocked);
                }
                Err(error) => return Err(error),
            }
        }
        self.base += self.written as u64;
        self.written = 0;
        spares.put(std::mem::take(&mut self.tail));
        Ok(Flushed::Done)
    }

    /// Forgets what was written once that is most of the block, so that a slow peer can't make it grow for ever.
    fn compact(&mut self) {
        if self.written > self.tail.len() / 2 {
            self.tail.drain(..self.written);
            self.base += self.written as u64;
            self.written = 0;
        }
    }

    /// Hands the block to a completion loop. The next one fills meanwhile.
    pub(crate) fn take_block(&mut self, spares: &mut Spares) -> Option<Block> {
        self.announced = false;
        if self.lent.is_some() || self.is_empty() {
            return None;
        }
        self.seal_all(spares);
        let block = std::mem::take(&mut self.tail);
        self.lent = Some(block.len());
        Some(Block(block))
    }

    /// The kernel has the whole block. Whether there is more to send.
    pub(crate) fn sent(&mut self, block: Block, spares: &mut Spares, moved: &mut Moved) -> bool {
        if let Some(length) = self.lent.take() {
            self.base += length as u64;
            *moved = Moved { bytes: length as u64, calls: 1 };
        }
        spares.put(block.0);
        !self.is_empty()
    }
}

/// Not the bytes: there may be a password among them.
impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing")
            .field("unsent", &(self.tail.len() - self.written))
            .field("lent", &self.lent)
            .finish_non_exhaustive()
    }
}

/// How much went through a socket, in how many calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Moved {
    pub(crate) bytes: u64,
    pub(crate) calls: u64,
}

fn close(block: &mut Vec<u8>, start: usize, self_contained: bool) {
    // `push` puts at most MAX_PAYLOAD bytes into a segment, the only thing that `close` could refuse.
    let closed = segment::close(block, start, self_contained);
    debug_assert!(closed.is_ok(), "a segment of more than MAX_PAYLOAD bytes");
}

/// Adds an envelope to the payload of a segment that is still open.
fn gather(payload: &mut Vec<u8>, frame: &[u8], stream: i16, spares: &mut Spares) {
    if payload.capacity() == 0 {
        *payload = spares.take();
    }
    let start = payload.len();
    payload.extend_from_slice(frame);
    envelope::set_stream(&mut payload[start..], stream);
}

/// Appends what was gathered as a segment, if it is anything.
fn compress(block: &mut Vec<u8>, payload: &mut Vec<u8>, self_contained: bool) {
    if !payload.is_empty() {
        // At most MAX_PAYLOAD bytes are gathered, and LZ4 is asked for only where it is compiled in.
        let put = lz4::put(block, payload, self_contained);
        debug_assert!(put.is_ok(), "a segment can't be compressed: {put:?}");
        payload.clear();
    }
}

/// An envelope that is too long for one segment. Nothing is gathered in `payload`.
fn compress_slices(block: &mut Vec<u8>, payload: &mut Vec<u8>, frame: &[u8], stream: i16) {
    for (number, slice) in frame.chunks(segment::MAX_PAYLOAD).enumerate() {
        payload.extend_from_slice(slice);
        if number == 0 {
            envelope::set_stream(payload, stream);
        }
        compress(block, payload, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Flags, Opcode, Version};

    fn frame(length: usize) -> Vec<u8> {
        let mut out = Vec::new();
        let start = envelope::begin(&mut out, Version::V5, Flags::default(), Opcode::Query);
        out.resize(9 + length, 1);
        envelope::finish(&mut out, start).unwrap();
        out
    }

    #[test]
    fn what_the_kernel_did_not_take_is_known_to_be_unsent() {
        let (mut out, mut spares, mut moved) = (Outgoing::default(), Spares::default(), Moved::default());
        let first = out.push(&frame(11), 1, &mut spares);
        let second = out.push(&frame(11), 2, &mut spares);
        assert_eq!((first, second), (0, 20));
        let mut room = 20;
        let mut write = |bytes: &[u8]| {
            let n = bytes.len().min(room);
            room -= n;
            if n == 0 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(n) }
        };
        assert_eq!(out.flush(&mut write, &mut spares, &mut moved).unwrap(), Flushed::Blocked);
        assert!(!out.is_unsent(first, None) && out.is_unsent(second, None));
        let third = out.push(&frame(11), 3, &mut spares);
        assert_eq!(third, 40, "positions go on after what was written is forgotten");
        out.flush(&mut |bytes| Ok(bytes.len()), &mut spares, &mut moved).unwrap();
        assert!(!out.is_unsent(third, None) && out.tail.is_empty());
        assert_eq!(moved.bytes, 60);
    }

    #[test]
    fn a_lent_block_counts_as_sent_unless_the_loop_says_how_much_was() {
        let (mut out, mut spares, mut moved) = (Outgoing::default(), Spares::default(), Moved::default());
        let first = out.push(&frame(11), 1, &mut spares);
        let second = out.push(&frame(11), 2, &mut spares);
        let block = out.take_block(&mut spares).unwrap();
        let third = out.push(&frame(11), 3, &mut spares);
        let unsent = |out: &Outgoing, accepted| [first, second, third].map(|at| out.is_unsent(at, accepted));
        assert_eq!(unsent(&out, None), [false, false, true]);
        assert_eq!(unsent(&out, Some(0)), [true, true, true]);
        assert_eq!(unsent(&out, Some(1)), [false, true, true]);
        assert_eq!(unsent(&out, Some(40)), [false, false, true]);
        assert!(out.sent(block, &mut spares, &mut moved));
        assert_eq!(unsent(&out, Some(0)), [false, false, true]);
    }

    #[cfg(feature = "lz4")]
    #[test]
    fn compressed_segments_hold_many_envelopes_or_slices_of_one() {
        let (mut out, mut spares) = (Outgoing::default(), Spares::default());
        out.start_segments(true);
        let positions =
            [100, 100, 200_000, 100, 131_000].map(|length| out.push(&frame(length), 1, &mut spares));
        assert_eq!(positions[..2], [0, 0], "the two are in one segment");
        assert!(positions.windows(2).all(|two| two[0] <= two[1]), "{positions:?}");
        let Block(block) = out.take_block(&mut spares).unwrap();
        assert!(out.take_block(&mut spares).is_none() && block.len() < 4_000);
        let (mut rest, mut kinds) = (&block[..], Vec::new());
        while let Some(parsed) = lz4::parse(rest).unwrap() {
            let mut payload = Vec::new();
            parsed.payload(&mut payload).unwrap();
            kinds.push((parsed.self_contained, payload.len()));
            rest = &rest[parsed.encoded_len..];
        }
        let slices = [(false, 131_071), (false, 200_009 - 131_071)];
        assert_eq!(kinds, [(true, 218), slices[0], slices[1], (true, 109), (true, 131_009)]);
        assert!(rest.is_empty());
    }

    #[cfg(feature = "lz4")]
    #[test]
    fn of_a_compressed_segment_that_went_out_in_part_nothing_counts_as_unsent() {
        let (mut out, mut spares, mut moved) = (Outgoing::default(), Spares::default(), Moved::default());
        out.start_segments(true);
        let first = out.push(&frame(10_000), 1, &mut spares);
        let second = out.push(&frame(10_000), 2, &mut spares);
        let mut room = 1;
        let mut write = |bytes: &[u8]| {
            let n = bytes.len().min(room);
            room -= n;
            if n == 0 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(n) }
        };
        assert_eq!(out.flush(&mut write, &mut spares, &mut moved).unwrap(), Flushed::Blocked);
        let third = out.push(&frame(10), 3, &mut spares);
        assert_eq!([first, second, third].map(|at| out.is_unsent(at, None)), [false, false, true]);
        out.flush(&mut |bytes| Ok(bytes.len()), &mut spares, &mut moved).unwrap();
        assert!(!out.is_unsent(third, None) && out.is_empty());
    }

    #[cfg(feature = "snappy")]
    #[test]
    fn what_a_node_can_not_decompress_goes_as_it_was() {
        let (mut out, mut spares) = (Outgoing::default(), Spares::default());
        out.decompress(Compression::Snappy);
        let (whole, mut compressed) = (frame(500), frame(500));
        Compression::Snappy.compress_envelope(&mut compressed).unwrap();
        assert!(compressed.len() < whole.len());
        out.push(&compressed, 0, &mut spares);
        out.push(&whole, 0, &mut spares);
        let Block(block) = out.take_block(&mut spares).unwrap();
        assert_eq!(block, [&whole[..], &whole[..]].concat());
    }

    #[test]
    fn segments_hold_many_envelopes_or_slices_of_one() {
        let (mut out, mut spares) =
            (Outgoing { form: Form::Segments, ..Outgoing::default() }, Spares::default());
        out.push(&frame(100), 1, &mut spares);
        out.push(&frame(100), 2, &mut spares);
        out.push(&frame(200_000), 3, &mut spares);
        out.push(&frame(100), 4, &mut spares);
        let Block(block) = out.take_block(&mut spares).unwrap();
        assert!(out.take_block(&mut spares).is_none(), "one block at a time");
        let (mut rest, mut kinds) = (&block[..], Vec::new());
        while let Some(parsed) = segment::parse(rest).unwrap() {
            kinds.push((parsed.self_contained, parsed.payload.len()));
            rest = &rest[parsed.encoded_len..];
        }
        assert_eq!(kinds, [(true, 218), (false, 131_071), (false, 200_009 - 131_071), (true, 109)]);
        assert!(rest.is_empty());
        let mut moved = Moved::default();
        assert!(!out.sent(Block(block), &mut spares, &mut moved));
        assert_eq!(moved.calls, 1);
    }
}
