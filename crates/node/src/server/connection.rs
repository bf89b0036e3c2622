//! One connection's bytes: cut into envelopes on the way in, kept while the socket is full on the way out.

use std::io;

use helenus_core::protocol::{Flags, Header, Version, segment};
use mio::net::TcpStream;

use super::channel::Channel;
use super::dispatch::Dispatch;
use super::events::News;
use super::output::{Framing, Output};
use super::protocol::{Protocol, Stage};

/// A cut frame up to this length is copied to the front of the next read; a longer one grows in a buffer of its own.
const SHORT_TAIL_BYTES: usize = 16 << 10;

/// With so much to send, the rest of the input waits until the client has taken it.
const OUTPUT_LIMIT_BYTES: usize = 1 << 20;

/// A buffer of an idle connection isn't kept beyond this.
const KEPT_BYTES: usize = 64 << 10;

pub(super) struct Connection {
    channel: Channel,
    protocol: Protocol,
    /// What came and isn't handled yet: a cut frame, or whole ones if `held`.
    input: Vec<u8>,
    /// How long `input` must be for another envelope or segment to be whole.
    wanted: usize,
    /// `input` has whole frames that wait for the output to drain.
    held: bool,
    /// A large v5 envelope, as far as its segments have come.
    large: Vec<u8>,
    /// What of a v5 segment waits for the output to drain: whole envelopes, before all that is in `input`.
    rest: Vec<u8>,
    /// What the socket didn't take yet, from `sent` on.
    pending: Vec<u8>,
    sent: usize,
    /// How much was added without being asked for since all was sent.
    unasked_bytes: usize,
    /// No more is read; what is pending is still sent.
    closing: bool,
    /// Whether the loop has noted that another turn is due.
    pub(super) queued: bool,
    /// Nothing is read or sent.
    pub(super) paused: bool,
}

/// What is to become of a connection after a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The kernel says when there is more.
    Wait,
    /// There may be more already.
    Again,
    Close,
}

/// How far a run over the input got.
struct Progress {
    used: usize,
    wanted: usize,
    held: bool,
}

/// Why no further byte of a connection is read. What was answered before is still sent.
#[derive(Debug)]
pub(super) struct Broken;

impl Connection {
    pub(super) fn new(channel: Channel, node: usize, slot: usize, number: u64) -> Self {
        Self {
            channel,
            protocol: Protocol::new(node, slot, number),
            input: Vec::new(),
            wanted: 1,
            held: false,
            large: Vec::new(),
            rest: Vec::new(),
            pending: Vec::new(),
            sent: 0,
            unasked_bytes: 0,
            closing: false,
            queued: false,
            paused: false,
        }
    }

    pub(super) fn socket(&mut self) -> &mut TcpStream {
        self.channel.socket()
    }

    pub(super) fn node(&self) -> usize {
        self.protocol.node
    }

    /// No other connection has it.
    pub(super) fn number(&self) -> u64 {
        self.protocol.number
    }

    /// Whether the handshake is done.
    pub(super) fn is_ready(&self) -> bool {
        self.protocol.stage == Stage::Ready
    }

    /// Appends an event if the client asked for such.
    pub(super) fn put_news(&self, news: &News, output: &mut Output) -> bool {
        news.put(&self.protocol, output);
        !output.is_empty()
    }

    /// Sends what the client didn't ask for just now.
    pub(super) fn deliver(&mut self, output: &mut Output) -> Next {
        if self.pending.is_empty() {
            self.unasked_bytes = 0;
        }
        // Whoever doesn't read must not make it pile up.
        self.unasked_bytes += output.bytes.len();
        if self.unasked_bytes > OUTPUT_LIMIT_BYTES && !self.pending.is_empty() {
            return Next::Close;
        }
        self.send(output, Next::Wait).unwrap_or(Next::Close)
    }

    /// Whether it is of no use to send anything.
    pub(super) fn is_deaf(&self) -> bool {
        self.closing || self.paused
    }

    /// The memory that it keeps from turn to turn.
    pub(super) fn buffered_bytes(&self) -> usize {
        self.input.capacity() + self.large.capacity() + self.rest.capacity() + self.pending.capacity()
    }

    /// One turn: sends what is pending, then reads once, answers all whole frames, and sends.
    pub(super) fn turn(&mut self, scratch: &mut [u8], output: &mut Output, dispatch: &mut Dispatch) -> Next {
        if self.paused {
            return Next::Wait;
        }
        match self.try_turn(scratch, output, dispatch) {
            Ok(next) => next,
            Err(_) => Next::Close,
        }
    }

    fn try_turn(
        &mut self,
        scratch: &mut [u8],
        output: &mut Output,
        dispatch: &mut Dispatch,
    ) -> io::Result<Next> {
        match self.flush()? {
            Flushed::All => {}
            Flushed::Full => return Ok(Next::Wait),
            Flushed::Byte => return Ok(Next::Again),
        }
        if self.closing {
            return Ok(self.end());
        }
        if self.held {
            self.go_on(output, dispatch);
            return self.send(output, Next::Again);
        }
        let short = self.input.len() <= SHORT_TAIL_BYTES;
        let kept = if short { self.input.len() } else { 0 };
        let room = scratch.len() - kept;
        let count = match self.channel.read(&mut scratch[kept..]) {
            Ok(0) => return Ok(Next::Close),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Next::Wait),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(Next::Again),
            Err(error) => return Err(error),
        };
        if short {
            scratch[..kept].copy_from_slice(&self.input);
            self.input.clear();
            let bytes = &scratch[..kept + count];
            let used = self.run(bytes, output, dispatch);
            self.input.extend_from_slice(&bytes[used..]);
        } else {
            self.input.extend_from_slice(&scratch[..count]);
            if self.input.len() >= self.wanted {
                self.go_on(output, dispatch);
            }
        }
        if self.input.is_empty() && self.input.capacity() > KEPT_BYTES {
            self.input = Vec::new();
        }
        self.send(output, if count == room { Next::Again } else { Next::Wait })
    }

    /// Handles what is in `input`.
    fn go_on(&mut self, output: &mut Output, dispatch: &mut Dispatch) {
        let mut input = std::mem::take(&mut self.input);
        let used = self.run(&input, output, dispatch);
        input.drain(..used);
        self.input = input;
    }

    fn run(&mut self, bytes: &[u8], output: &mut Output, dispatch: &mut Dispatch) -> usize {
        match self.consume(bytes, output, dispatch) {
            Ok(Progress { used, wanted, held }) => {
                (self.wanted, self.held) = (wanted, held);
                used
            }
            Err(Broken) => {
                self.closing = true;
                bytes.len()
            }
        }
    }

    fn consume(
        &mut self,
        bytes: &[u8],
        output: &mut Output,
        dispatch: &mut Dispatch,
    ) -> Result<Progress, Broken> {
        let mut used = 0;
        loop {
            if output.bytes.len() >= OUTPUT_LIMIT_BYTES {
                return Ok(Progress { used, wanted: 1, held: true });
            }
            if !self.rest.is_empty() {
                let rest = std::mem::take(&mut self.rest);
                self.payload(&rest, true, output, dispatch)?;
                continue;
            }
            let rest = &bytes[used..];
            let taken = match self.protocol.framing() {
                Framing::Segments => self.segment(rest, output, dispatch)?,
                Framing::Lz4Segments => self.lz4_segment(rest, output, dispatch)?,
                Framing::Envelopes | Framing::Compressed(_) => {
                    envelope(&mut self.protocol, rest, output, dispatch)?
                }
            };
            match taken {
                Taken::All(len) => used += len,
                Taken::Wants(wanted) => return Ok(Progress { used, wanted, held: false }),
            }
        }
    }

    fn segment(
        &mut self,
        bytes: &[u8],
        output: &mut Output,
        dispatch: &mut Dispatch,
    ) -> Result<Taken, Broken> {
        let Some(segment) = segment::parse(bytes).map_err(|_| Broken)? else {
            let most = segment::HEADER_LEN + segment::MAX_PAYLOAD + segment::TRAILER_LEN;
            return Ok(Taken::Wants((bytes.len() + 1).min(most)));
        };
        self.payload(segment.payload, segment.self_contained, output, dispatch)?;
        Ok(Taken::All(segment.encoded_len))
    }

    fn lz4_segment(
        &mut self,
        bytes: &[u8],
        output: &mut Output,
        dispatch: &mut Dispatch,
    ) -> Result<Taken, Broken> {
        let Some(segment) = segment::lz4::parse(bytes).map_err(|_| Broken)? else {
            let most = segment::lz4::HEADER_LEN + segment::MAX_PAYLOAD + segment::TRAILER_LEN;
            return Ok(Taken::Wants((bytes.len() + 1).min(most)));
        };
        let mut payload = std::mem::take(&mut dispatch.room);
        payload.clear();
        let taken = match segment.payload(&mut payload) {
            Ok(()) => self.payload(&payload, segment.self_contained, output, dispatch),
            Err(_) => Err(Broken),
        };
        dispatch.room = payload;
        taken.map(|()| Taken::All(segment.encoded_len))
    }

    /// Handles what a segment carries, or keeps the rest of it when there is enough to send.
    fn payload(
        &mut self,
        mut payload: &[u8],
        self_contained: bool,
        output: &mut Output,
        dispatch: &mut Dispatch,
    ) -> Result<(), Broken> {
        if !self_contained {
            return self.slice(payload, output, dispatch);
        }
        if !self.large.is_empty() {
            return Err(Broken);
        }
        while !payload.is_empty() {
            if output.bytes.len() >= OUTPUT_LIMIT_BYTES {
                self.rest.extend_from_slice(payload);
                return Ok(());
            }
            match envelope(&mut self.protocol, payload, output, dispatch)? {
                Taken::All(len) => payload = &payload[len..],
                // A self-contained segment has whole envelopes only.
                Taken::Wants(_) => return Err(Broken),
            }
        }
        Ok(())
    }

    /// Adds a slice to the large envelope. Its header bounds how large it grows.
    fn slice(&mut self, payload: &[u8], output: &mut Output, dispatch: &mut Dispatch) -> Result<(), Broken> {
        self.large.extend_from_slice(payload);
        let large = std::mem::take(&mut self.large);
        match envelope(&mut self.protocol, &large, output, dispatch)? {
            Taken::All(len) if len == large.len() => Ok(()),
            Taken::All(_) => Err(Broken),
            Taken::Wants(_) => {
                self.large = large;
                Ok(())
            }
        }
    }

    /// Sends the output, all if the socket takes it.
    fn send(&mut self, output: &mut Output, next: Next) -> io::Result<Next> {
        if output.seal().is_err() {
            return Ok(Next::Close);
        }
        let mut bytes = output.bytes.as_slice();
        while self.pending.is_empty() && !bytes.is_empty() && !self.protocol.bytewise {
            match self.channel.write(bytes) {
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.pending.extend_from_slice(bytes);
        if self.protocol.bytewise && !self.pending.is_empty() {
            return Ok(Next::Again);
        }
        if !self.pending.is_empty() || !self.channel.flush()? {
            return Ok(Next::Wait);
        }
        Ok(match (self.closing, self.held) {
            (true, _) => self.end(),
            (false, true) => Next::Again,
            (false, false) => next,
        })
    }

    /// Sends what is pending.
    fn flush(&mut self) -> io::Result<Flushed> {
        while self.sent < self.pending.len() {
            let end = if self.protocol.bytewise { self.sent + 1 } else { self.pending.len() };
            match self.channel.write(&self.pending[self.sent..end]) {
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Flushed::Full),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            if self.protocol.bytewise && self.sent < self.pending.len() {
                return Ok(if self.channel.flush()? { Flushed::Byte } else { Flushed::Full });
            }
        }
        if !self.pending.is_empty() {
            self.pending = Vec::new();
            self.sent = 0;
            self.protocol.bytewise = false;
        }
        Ok(if self.channel.flush()? { Flushed::All } else { Flushed::Full })
    }

    fn end(&mut self) -> Next {
        self.channel.end();
        Next::Close
    }
}

/// What came of trying to send.
enum Flushed {
    All,
    /// The socket is full.
    Full,
    /// One byte of several.
    Byte,
}

/// What came of trying to take a frame.
enum Taken {
    /// It had so many bytes.
    All(usize),
    /// It is cut: so many bytes are needed at least.
    Wants(usize),
}

fn envelope(
    protocol: &mut Protocol,
    bytes: &[u8],
    output: &mut Output,
    dispatch: &mut Dispatch,
) -> Result<Taken, Broken> {
    let Some(head) = bytes.first_chunk::<{ Header::LEN }>() else {
        // A version that isn't spoken is told from its first byte: its header may be of another length.
        protocol.check_first_byte(bytes, output, &dispatch.settings)?;
        return Ok(Taken::Wants(Header::LEN));
    };
    let header = Header::parse(head);
    let version = protocol.admit(&header, output, &dispatch.settings)?;
    let len = Header::LEN + header.length as usize;
    let Some(body) = bytes.get(Header::LEN..len) else { return Ok(Taken::Wants(len)) };
    if !header.flags.contains(Flags::COMPRESSION) {
        answer(protocol, version, &header, body, output, dispatch)?;
        return Ok(Taken::All(len));
    }
    let mut room = std::mem::take(&mut dispatch.room);
    room.clear();
    let limit = dispatch.settings.frame_limit_bytes;
    let answered = match protocol.decompress(body, limit, &mut room) {
        Ok(()) => answer(protocol, version, &header, &room, output, dispatch),
        Err(error) => Err(protocol.refuse(version, header.stream, &error, output)),
    };
    dispatch.room = room;
    answered.map(|()| Taken::All(len))
}

#[inline]
fn answer(
    protocol: &mut Protocol,
    version: Version,
    header: &Header,
    body: &[u8],
    output: &mut Output,
    dispatch: &mut Dispatch,
) -> Result<(), Broken> {
    if dispatch.watch.is_some() {
        return dispatch.answer_watched(protocol, version, header, body, output);
    }
    dispatch.answer(protocol, version, header, body, output)
}
