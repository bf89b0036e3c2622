//! A server that does as the test says, byte by byte.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use helenus_core::protocol::request::Request;
use helenus_core::protocol::response::{Message, Response, ResultMessage};
use helenus_core::protocol::{
    Compression, Flags, Header, Opcode, ServerError, Version, envelope, segment, wire,
};

/// Listens, and runs `script` on a thread for each connection, with the connection's number. Ends with the process.
pub fn serve(script: impl Fn(usize, Peer) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let script = Arc::new(script);
    thread::spawn(move || {
        for (number, socket) in listener.incoming().enumerate() {
            let (socket, script) = (socket.unwrap(), script.clone());
            thread::spawn(move || script(number, Peer::new(socket)));
        }
    });
    address
}

/// The server's side of one connection.
pub struct Peer {
    pub socket: TcpStream,
    pub version: Version,
    /// The compressions that it says it can do.
    pub offers: &'static [&'static str],
    /// What STARTUP asked for.
    pub compression: Option<Compression>,
    segments: bool,
    received: Vec<u8>,
    /// v5: what was in the segments.
    envelopes: Vec<u8>,
}

/// A request as it came.
pub struct Incoming {
    pub header: Header,
    pub body: Vec<u8>,
}

impl Incoming {
    pub fn stream(&self) -> i16 {
        self.header.stream
    }

    pub fn opcode(&self) -> Opcode {
        Opcode::from_byte(self.header.opcode).unwrap()
    }

    /// The CQL text of QUERY and PREPARE.
    pub fn text(&self) -> String {
        wire::Reader::new(&self.body).long_string().unwrap().to_owned()
    }
}

impl Peer {
    fn new(socket: TcpStream) -> Self {
        Self {
            socket,
            version: Version::V4,
            offers: &[],
            compression: None,
            segments: false,
            received: Vec::new(),
            envelopes: Vec::new(),
        }
    }

    /// Answers OPTIONS and STARTUP until the connection is ready. `None`: the client went away before.
    pub fn handshake(&mut self) -> Option<()> {
        self.startup(&Message::Ready)
    }

    /// The same with another answer to STARTUP: AUTHENTICATE.
    pub fn startup(&mut self, answer: &Message<'_>) -> Option<()> {
        loop {
            let request = self.request()?;
            match request.opcode() {
                Opcode::Startup => {
                    self.version = Version::from_byte(request.header.version).unwrap();
                    self.compression = asked(&request, self.version);
                    self.message(request.stream(), answer.clone());
                    self.segments = self.version.has_segments();
                    return Some(());
                }
                _ => {
                    // In the version of the request, as servers do.
                    self.version = Version::from_byte(request.header.version).unwrap();
                    let supported = vec![("COMPRESSION", self.offers.to_vec())];
                    self.message(request.stream(), Message::Supported(supported));
                }
            }
        }
    }

    /// The next request; `None` at the end of the connection.
    pub fn request(&mut self) -> Option<Incoming> {
        loop {
            if let Some(request) = self.parse() {
                return Some(request);
            }
            let mut bytes = [0; 64 << 10];
            match self.socket.read(&mut bytes) {
                Ok(0) | Err(_) => return None,
                Ok(n) => self.received.extend_from_slice(&bytes[..n]),
            }
        }
    }

    fn parse(&mut self) -> Option<Incoming> {
        if !self.segments {
            return split(&mut self.received).map(|request| self.decompressed(request));
        }
        while let Some(whole) = self.segment() {
            self.received.drain(..whole);
        }
        split(&mut self.envelopes)
    }

    /// Takes in the segment that lies there whole; gives its length.
    fn segment(&mut self) -> Option<usize> {
        if self.compression.is_some() {
            let parsed = segment::lz4::parse(&self.received).unwrap()?;
            parsed.payload(&mut self.envelopes).unwrap();
            return Some(parsed.encoded_len);
        }
        let parsed = segment::parse(&self.received).unwrap()?;
        self.envelopes.extend_from_slice(parsed.payload);
        Some(parsed.encoded_len)
    }

    /// v3 and v4. The header stays as it came.
    fn decompressed(&self, mut request: Incoming) -> Incoming {
        if request.header.flags.contains(Flags::COMPRESSION) {
            let (compression, mut body) = (self.compression.expect("nothing was agreed on"), Vec::new());
            compression.decompress(&request.body, 1 << 26, &mut body).unwrap();
            request.body = body;
        }
        request
    }

    /// Sends an envelope with this body.
    pub fn reply(&mut self, stream: i16, opcode: Opcode, body: &[u8]) {
        let frame = self.frame(stream, opcode, body);
        self.raw(&frame);
    }

    /// The bytes of an envelope, in a segment if need be.
    pub fn frame(&self, stream: i16, opcode: Opcode, body: &[u8]) -> Vec<u8> {
        let mut frame = Vec::new();
        envelope::begin(&mut frame, self.version, Flags::NONE, opcode);
        frame.extend_from_slice(body);
        envelope::finish(&mut frame, 0).unwrap();
        envelope::set_stream(&mut frame, stream);
        match (self.segments, self.compression) {
            (false, None) => frame,
            (false, Some(compression)) => {
                compression.compress_envelope(&mut frame).unwrap();
                frame
            }
            (true, compression) => segments(&frame, compression.is_some()),
        }
    }

    /// A response with what comes before its body.
    pub fn response(&mut self, stream: i16, response: &Response<'_>) {
        let mut body = Vec::new();
        response.put(self.version, &mut body).unwrap();
        let mut frame = self.frame(stream, response.message.opcode(), &body);
        assert!(!self.segments, "flags are set in bare envelopes only");
        envelope::set_flags(&mut frame, response.prefix.flags());
        self.raw(&frame);
    }

    pub fn message(&mut self, stream: i16, message: Message<'_>) {
        let mut body = Vec::new();
        let opcode = message.opcode();
        message.put(self.version, &mut body).unwrap();
        self.reply(stream, opcode, &body);
    }

    /// The token of the next request, which must be AUTH_RESPONSE, and its stream.
    pub fn auth_response(&mut self) -> Option<(i16, Vec<u8>)> {
        let request = self.request()?;
        assert_eq!(request.opcode(), Opcode::AuthResponse);
        let token = wire::Reader::new(&request.body).bytes().unwrap();
        Some((request.stream(), token.unwrap_or_default().to_vec()))
    }

    /// RESULT Void.
    pub fn void(&mut self, stream: i16) {
        self.message(stream, Message::Result(ResultMessage::Void));
    }

    /// An ERROR.
    pub fn error(&mut self, stream: i16, error: ServerError) {
        self.message(stream, Message::Error(error));
    }

    /// Bytes as they are. A client that is gone already is none of the script's business.
    pub fn raw(&mut self, bytes: &[u8]) {
        let _ = self.socket.write_all(bytes);
    }

    /// Answers every request with Void until the client goes away.
    pub fn be_good(&mut self) {
        while let Some(request) = self.request() {
            self.void(request.stream());
        }
    }

    /// Closes the connection.
    pub fn close(self) {
        let _ = self.socket.shutdown(Shutdown::Both);
    }

    /// Reads and says nothing until the client goes away.
    pub fn be_silent(&mut self) {
        let mut bytes = [0; 4096];
        while matches!(self.socket.read(&mut bytes), Ok(1..)) {}
    }
}

/// An envelope in one segment, or in several.
fn segments(frame: &[u8], compressed: bool) -> Vec<u8> {
    let (mut out, self_contained) = (Vec::new(), frame.len() <= segment::MAX_PAYLOAD);
    for slice in frame.chunks(segment::MAX_PAYLOAD) {
        if compressed {
            segment::lz4::put(&mut out, slice, self_contained).unwrap();
        } else {
            let start = segment::open(&mut out);
            out.extend_from_slice(slice);
            segment::close(&mut out, start, self_contained).unwrap();
        }
    }
    out
}

/// The compression that STARTUP names.
fn asked(startup: &Incoming, version: Version) -> Option<Compression> {
    match Request::decode(version, startup.header.opcode, &startup.body).unwrap() {
        Request::Startup(startup) => Compression::from_name(startup.option("COMPRESSION")?),
        other => panic!("{other:?}"),
    }
}

fn split(received: &mut Vec<u8>) -> Option<Incoming> {
    let header = Header::parse(received.first_chunk()?);
    let end = Header::LEN + header.length as usize;
    let body = received.get(Header::LEN..end)?.to_vec();
    received.drain(..end);
    Some(Incoming { header, body })
}
