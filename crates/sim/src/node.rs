//! A scripted node: it speaks the protocol through the same codec, but keeps its own books.

use std::collections::BTreeSet;
use std::time::Duration;

use helenus_core::protocol::request::{Request, Startup};
use helenus_core::protocol::response::{Message, Prepared, ResultMessage};
use helenus_core::protocol::segment::SegmentError;
use helenus_core::protocol::{
    Compression, Consistency, EncodeError, ErrorKind, Header, ServerError, Version, envelope, segment,
};

use crate::history::History;
use crate::plan::{Manners, NodePlan};
use crate::rng::Rng;
use crate::wire;

/// A node.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) plan: NodePlan,
    pub(crate) manners: Manners,
    prepared: BTreeSet<Vec<u8>>,
    /// Down: it refuses connections.
    pub(crate) down: bool,
    /// It reads nothing for now.
    pub(crate) paused: bool,
}

/// A node's side of one connection.
#[derive(Debug, Default)]
pub(crate) struct Server {
    input: Vec<u8>,
    /// v5: what segments carried and was not yet a whole envelope.
    joined: Vec<u8>,
    version: Option<Version>,
    segmented: bool,
    /// What STARTUP asked for.
    compression: Option<Compression>,
    auth_rounds: u8,
    ready: bool,
    /// Streams whose answer was not written yet.
    outstanding: BTreeSet<i16>,
    /// Answers that wait to share a segment.
    held: Vec<u8>,
}

/// What a node does to a connection, some time later.
#[derive(Debug)]
pub(crate) enum Deed {
    /// Writes an answer. `bare`: outside segments, and what follows may be in them.
    Answer { stream: i16, frame: Vec<u8>, bare: bool },
    /// Writes these very bytes, and may close at once.
    Raw { bytes: Vec<u8>, closes: bool },
    /// Sends what was held back.
    Flush,
    /// Closes: in good order, or by a reset.
    Close { reset: bool },
    /// Closes its sending side and goes on reading.
    HalfClose,
    /// From now on nothing arrives, in these directions.
    Blacken { to_node: bool, to_client: bool },
}

/// An answer that a node has put together.
type Frame = Result<Vec<u8>, EncodeError>;

/// Deeds, and after how long.
pub(crate) type Deeds = Vec<(Duration, Deed)>;

impl Node {
    pub(crate) fn new(plan: NodePlan, manners: Manners) -> Self {
        Self { plan, manners, prepared: BTreeSet::new(), down: false, paused: false }
    }

    /// A restart forgets what was prepared.
    pub(crate) fn forget(&mut self) {
        self.prepared.clear();
    }

    /// Bytes came. `link` is the connection's number.
    pub(crate) fn receive(
        &mut self,
        link: usize,
        server: &mut Server,
        bytes: &[u8],
        rng: &mut Rng,
        history: &mut History,
    ) -> Deeds {
        server.input.extend_from_slice(bytes);
        let mut deeds = Vec::new();
        if self.paused {
            return deeds;
        }
        loop {
            match server.next_frame() {
                Ok(Some((header, body))) => {
                    self.request(link, server, header, &body, rng, history, &mut deeds)
                }
                Ok(None) => return deeds,
                Err(what) => {
                    history.violation(format!("link {link}: the driver broke the protocol: {what}"));
                    deeds.push((Duration::ZERO, Deed::Close { reset: true }));
                    server.input.clear();
                    return deeds;
                }
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one call site; a struct would only rename them")]
    fn request(
        &mut self,
        link: usize,
        server: &mut Server,
        header: Header,
        body: &[u8],
        rng: &mut Rng,
        history: &mut History,
        deeds: &mut Deeds,
    ) {
        if header.response || header.stream < 0 {
            return history.violation(format!("link {link}: a driver sent {header:?}"));
        }
        if !server.outstanding.insert(header.stream) {
            let stream = header.stream;
            history.violation(format!("link {link}: stream {stream} is used again before its answer"));
        }
        let soon = Duration::from_micros(rng.between(1, 500));
        let stream = header.stream;
        let version = match Version::from_byte(header.version) {
            Some(version) if version <= self.plan.version_max => version,
            _ => {
                let frame = refusal(self.plan.version_max, header.version);
                // Cassandra answers on the stream of the request; some versions did on 0.
                deeds.push((soon, Deed::Answer { stream, frame, bare: true }));
                return deeds.push((soon * 2, Deed::Close { reset: rng.chance(500) }));
            }
        };
        if *server.version.get_or_insert(version) != version {
            history.violation(format!("link {link}: {version} after {:?}", server.version));
        }
        let request = match Request::decode(version, header.opcode, body) {
            Ok(request) => request,
            Err(error) => return history.violation(format!("link {link}: an unreadable request: {error}")),
        };
        if let Some(number) = wire::number_in(&request) {
            history.seen(number);
        }
        if self.connection_fault(server, stream, version, rng, deeds) {
            // Whether it still carries the request out before the connection breaks, nobody can know.
            if let (Some(number), true) = (wire::number_in(&request), server.ready && rng.chance(500)) {
                if !matches!(&request, Request::Execute(execute) if !self.prepared.contains(execute.id)) {
                    history.executed(number);
                }
            }
            return;
        }
        if rng.chance(if server.ready { self.manners.never } else { self.manners.never / 4 }) {
            return;
        }
        match request {
            Request::Startup(startup) => {
                if let Some(name) = startup.option(Startup::COMPRESSION) {
                    server.compression =
                        Compression::from_name(name).filter(|_| self.plan.offers.contains(&name));
                    if server.compression.is_none() {
                        history.violation(format!("link {link}: it was not offered {name}"));
                    }
                }
                self.startup(server, stream, version, soon, deeds);
            }
            Request::AuthResponse(auth) => {
                if auth.token != Some(b"\0user\0secret") {
                    history.violation(format!("link {link}: a wrong token: {:?}", auth.token));
                }
                self.authenticate(server, stream, version, soon, deeds);
            }
            Request::Options => {
                let frame = wire::response(
                    &Message::Supported(vec![(Startup::COMPRESSION, self.plan.offers.to_vec())]),
                    version,
                );
                deeds.push((soon, Deed::answer(stream, frame)));
            }
            _ if !server.ready => history.violation(format!("link {link}: too early: {request:?}")),
            Request::Prepare(prepare) => {
                let delay = self.delay(rng);
                let frame = self.prepare(prepare.text, version, rng);
                deeds.push((delay, Deed::answer(stream, frame)));
            }
            Request::Query(query) if query.text.starts_with("USE ") => {
                if query.text != "USE \"Ks\"" {
                    history.violation(format!("link {link}: {}", query.text));
                }
                let message = Message::Result(ResultMessage::SetKeyspace { keyspace: "Ks" });
                deeds.push((soon, Deed::answer(stream, wire::response(&message, version))));
            }
            request => {
                let delay = self.delay(rng);
                let frame = self.carry_out(&request, version, rng, history);
                deeds.push((delay, Deed::answer(stream, frame)));
            }
        }
    }

    fn startup(&self, server: &mut Server, stream: i16, version: Version, soon: Duration, deeds: &mut Deeds) {
        server.auth_rounds = self.plan.auth_rounds;
        server.ready = server.auth_rounds == 0;
        let message = match server.ready {
            true => Message::Ready,
            false => Message::Authenticate { authenticator: "PasswordAuthenticator" },
        };
        if let Ok(frame) = wire::response(&message, version) {
            deeds.push((soon, Deed::Answer { stream, frame, bare: true }));
        }
    }

    fn authenticate(
        &self,
        server: &mut Server,
        stream: i16,
        version: Version,
        soon: Duration,
        deeds: &mut Deeds,
    ) {
        server.auth_rounds = server.auth_rounds.saturating_sub(1);
        server.ready = server.auth_rounds == 0;
        let message = match server.ready {
            true => Message::AuthSuccess(None),
            false => Message::AuthChallenge(Some(b"once more")),
        };
        deeds.push((soon, Deed::answer(stream, wire::response(&message, version))));
    }

    fn delay(&self, rng: &mut Rng) -> Duration {
        if rng.chance(self.manners.slow) {
            return Duration::from_millis(rng.between(10, 3_000));
        }
        Duration::from_micros(rng.between(1, 2_000))
    }

    fn prepare(&mut self, text: &str, version: Version, rng: &mut Rng) -> Frame {
        if rng.chance(self.manners.prepare_refused) {
            let error = ServerError::new(ErrorKind::Invalid, wire::PREPARE_REFUSED);
            return wire::response(&Message::Error(error), version);
        }
        if rng.chance(self.manners.prepare_garbage) {
            return wire::response(&Message::Result(ResultMessage::Void), version);
        }
        let mut id = wire::statement_id(text).to_vec();
        self.prepared.insert(id.clone());
        if rng.chance(self.manners.prepare_other_id) {
            id.push(0);
        }
        let result_metadata_id = version.has_segments().then_some(&[1_u8, 2][..]);
        let prepared = Prepared { id: &id, result_metadata_id, ..Prepared::default() };
        wire::response(&Message::Result(ResultMessage::Prepared(prepared)), version)
    }

    fn carry_out(
        &self,
        request: &Request<'_>,
        version: Version,
        rng: &mut Rng,
        history: &mut History,
    ) -> Frame {
        let number = wire::number_in(request).unwrap_or(u64::MAX);
        if let Request::Execute(execute) = request {
            if !self.prepared.contains(execute.id) {
                history.unprepared(number);
                return wire::error(ErrorKind::Unprepared { id: execute.id.into() }, number, version);
            }
        }
        if rng.chance(self.manners.error) {
            let consistency = Consistency::One;
            let timeout =
                ErrorKind::ReadTimeout { consistency, received: 0, required: 1, data_present: false };
            let kind = [ErrorKind::Overloaded, ErrorKind::Invalid, ErrorKind::Server, timeout];
            return wire::error(kind[rng.index(4)].clone(), number, version);
        }
        history.executed(number);
        let long = rng.chance(self.manners.long);
        let padding = if long { rng.between(1_000, 200_000) } else { rng.between(0, 60) };
        wire::answer(number, padding as usize, version)
    }

    /// Breaks the connection in one of many ways. Says whether it did.
    fn connection_fault(
        &self,
        server: &mut Server,
        stream: i16,
        version: Version,
        rng: &mut Rng,
        deeds: &mut Deeds,
    ) -> bool {
        if !rng.chance(self.manners.connection_fault) {
            return false;
        }
        let delay = self.delay(rng);
        let mut frame = wire::answer(u64::MAX, rng.index(2_000), version).unwrap_or_default();
        envelope::set_stream(&mut frame, stream);
        let deed = match rng.index(9) {
            0 => Deed::Close { reset: true },
            1 => Deed::Close { reset: false },
            2 => Deed::HalfClose,
            3 => Deed::Blacken { to_node: rng.chance(700), to_client: rng.chance(700) },
            4 => {
                // Closes in the middle of a frame.
                let mut bytes = server.wrapped(&frame);
                bytes.truncate(rng.index(bytes.len()));
                Deed::Raw { bytes, closes: true }
            }
            5 => Deed::Raw { bytes: garbage(rng), closes: rng.chance(300) },
            6 => {
                // A stream that no request can have.
                let free = (0..i16::MAX).rev().find(|stream| !server.outstanding.contains(stream));
                envelope::set_stream(&mut frame, free.unwrap_or(i16::MAX));
                Deed::Raw { bytes: server.wrapped(&frame), closes: false }
            }
            7 => {
                // An opcode, a version or a length that can't be.
                let (at, byte) = rng.pick(&[(4, 0x77), (4, 0x01), (0, 0x82), (0, 0x04), (5, 0x7F)]);
                frame[at] = byte;
                Deed::Raw { bytes: server.wrapped(&frame), closes: false }
            }
            _ => {
                // A changed bit, which only v5 notices.
                let mut bytes = server.wrapped(&frame);
                let at = rng.index(bytes.len());
                bytes[at] ^= 1 << rng.index(8);
                if server.segmented {
                    Deed::Raw { bytes, closes: false }
                } else {
                    Deed::Close { reset: true }
                }
            }
        };
        deeds.push((delay, deed));
        true
    }
}

impl Server {
    /// Whether it takes requests and has none.
    pub(crate) fn is_idle(&self) -> bool {
        self.ready && self.outstanding.is_empty() && self.held.is_empty() && self.input.is_empty()
    }

    /// Writes an answer: the bytes to send now, if it isn't held back.
    pub(crate) fn answer(&mut self, stream: i16, mut frame: Vec<u8>, bare: bool, held: bool) -> Vec<u8> {
        self.outstanding.remove(&stream);
        envelope::set_stream(&mut frame, stream);
        if bare {
            self.segmented = self.version.is_some_and(Version::has_segments);
            return frame;
        }
        if let Some(compression) = self.compression.filter(|_| !self.segmented) {
            let _ = compression.compress_envelope(&mut frame);
        }
        if self.held.len() + frame.len() > segment::MAX_PAYLOAD {
            let mut out = self.flush();
            out.extend(self.wrapped(&frame));
            return out;
        }
        self.held.extend(frame);
        if held { Vec::new() } else { self.flush() }
    }

    /// What was held back, in one segment.
    pub(crate) fn flush(&mut self) -> Vec<u8> {
        let held = std::mem::take(&mut self.held);
        if held.is_empty() { held } else { self.wrapped(&held) }
    }

    /// What was held back goes first, then these bytes as they are.
    pub(crate) fn raw(&mut self, bytes: Vec<u8>) -> Vec<u8> {
        let mut out = self.flush();
        out.extend(bytes);
        out
    }

    /// In segments, if the connection has come so far.
    fn wrapped(&self, frames: &[u8]) -> Vec<u8> {
        if !self.segmented {
            return frames.to_vec();
        }
        let mut out = Vec::new();
        let self_contained = frames.len() <= segment::MAX_PAYLOAD;
        for slice in frames.chunks(segment::MAX_PAYLOAD) {
            // A slice is never too long.
            if self.compression.is_some() {
                let _ = segment::lz4::put(&mut out, slice, self_contained);
                continue;
            }
            let start = segment::open(&mut out);
            out.extend_from_slice(slice);
            let _ = segment::close(&mut out, start, self_contained);
        }
        out
    }

    /// The next request. An error is the driver's fault: what it sends is never changed on the way.
    fn next_frame(&mut self) -> Result<Option<(Header, Vec<u8>)>, String> {
        if self.segmented && whole(&self.joined).is_none() {
            while let Some((length, alone, payload)) = self.segment().map_err(|error| error.to_string())? {
                if alone && !self.joined.is_empty() {
                    return Err("a self-contained segment comes amidst slices".into());
                }
                self.joined.extend(payload);
                self.input.drain(..length);
                check_payload(&self.joined, alone)?;
                if whole(&self.joined).is_some() {
                    break;
                }
            }
        }
        let bytes = if self.segmented { &mut self.joined } else { &mut self.input };
        let Some(length) = whole(bytes) else { return Ok(None) };
        let rest = bytes.split_off(length);
        let frame = std::mem::replace(bytes, rest);
        let Some((header, body)) = frame.split_first_chunk::<{ Header::LEN }>() else { return Ok(None) };
        let header = Header::parse(header);
        let body = wire::decompressed(&header, body, self.compression)?;
        Ok(Some((header, body)))
    }

    /// The segment that the input begins with: its length, whether it is self-contained, and its payload.
    fn segment(&self) -> Result<Option<(usize, bool, Vec<u8>)>, SegmentError> {
        if self.compression.is_none() {
            let parsed = segment::parse(&self.input)?;
            return Ok(
                parsed.map(|parsed| (parsed.encoded_len, parsed.self_contained, parsed.payload.to_vec()))
            );
        }
        let Some(parsed) = segment::lz4::parse(&self.input)? else { return Ok(None) };
        let mut payload = Vec::new();
        parsed.payload(&mut payload)?;
        Ok(Some((parsed.encoded_len, parsed.self_contained, payload)))
    }
}

impl Deed {
    /// An ordinary answer. One that can't be encoded is a reset, which the checker will not like.
    fn answer(stream: i16, frame: Frame) -> Self {
        frame.map_or(Self::Close { reset: true }, |frame| Self::Answer { stream, frame, bare: false })
    }
}

/// The length of the envelope that `bytes` begin with, if all of it is there.
fn whole(bytes: &[u8]) -> Option<usize> {
    let length = Header::LEN + Header::parse(bytes.first_chunk()?).length as usize;
    (bytes.len() >= length).then_some(length)
}

/// A self-contained segment holds whole envelopes; slices hold one, and nothing of the next.
fn check_payload(joined: &[u8], self_contained: bool) -> Result<(), String> {
    let mut rest = joined;
    while let Some(length) = whole(rest) {
        rest = &rest[length..];
        if !self_contained && !rest.is_empty() {
            return Err("slices of one envelope are followed by something else".into());
        }
    }
    if self_contained && !rest.is_empty() {
        return Err("a self-contained segment ends within an envelope".into());
    }
    Ok(())
}

/// Bytes that no frame and no segment begins with.
fn garbage(rng: &mut Rng) -> Vec<u8> {
    match rng.index(3) {
        0 => b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
        1 => vec![0x15, 3, 3, 0, 2, 2, 80],
        _ => {
            let length = rng.index(100) + 1;
            let mut bytes = rng.bytes(length);
            bytes[0] &= 0x7F;
            bytes
        }
    }
}

/// What Cassandra says to a version that it doesn't speak, in the highest that it does.
fn refusal(version: Version, asked: u8) -> Vec<u8> {
    let text =
        format!("Invalid or unsupported protocol version ({asked}); the lowest supported version is 3");
    let error = ServerError::new(ErrorKind::Protocol, text);
    wire::response(&Message::Error(error), version).unwrap_or_default()
}
