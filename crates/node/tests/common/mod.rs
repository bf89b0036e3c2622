//! A client of a socket and the codec, nothing more.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "a part of each test file, which uses a part of it"
)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use helenus_core::protocol::request::{
    Execute, ParameterOptions, Parameters, Prepare, Query, Register, Request, Startup, Values,
};
use helenus_core::protocol::response::{Message, Response, ResultMessage};
use helenus_core::protocol::{Compression, Flags, Header, ServerError, Version, envelope, segment, wire};

pub struct Client {
    pub socket: TcpStream,
    pub version: Version,
    /// Whether envelopes travel in segments by now.
    pub segments: bool,
    /// How bodies or segments are compressed by now.
    pub compression: Option<Compression>,
    /// The TLS session, if there is one.
    pub tls: Option<rustls::ClientConnection>,
    /// Bytes of envelopes that came and weren't asked for yet.
    received: Vec<u8>,
}

/// A body with its header, so that it can be decoded as often as wanted.
pub struct Answer {
    pub version: Version,
    pub header: Header,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn message(&self) -> Message<'_> {
        Response::decode(self.version, &self.header, &self.body).unwrap().message
    }

    pub fn error(&self) -> ServerError {
        match self.message() {
            Message::Error(error) => error,
            other => panic!("expected an error, not {other:?}"),
        }
    }

    pub fn result(&self) -> ResultMessage<'_> {
        match self.message() {
            Message::Result(result) => result,
            other => panic!("expected a result, not {other:?}"),
        }
    }

    /// Rows of cells; null is `None`.
    pub fn rows(&self) -> Vec<Vec<Option<Vec<u8>>>> {
        let ResultMessage::Rows(rows) = self.result() else {
            panic!("expected rows, not {:?}", self.result())
        };
        let cells = rows.cells().map(|cell| cell.unwrap().map(<[u8]>::to_vec)).collect::<Vec<_>>();
        cells.chunks(rows.metadata.column_count.max(1)).map(<[_]>::to_vec).collect()
    }

    pub fn paging_state(&self) -> Option<Vec<u8>> {
        let ResultMessage::Rows(rows) = self.result() else {
            panic!("expected rows, not {:?}", self.result())
        };
        rows.metadata.paging_state.map(<[u8]>::to_vec)
    }
}

/// What RESULT Prepared says.
#[derive(Clone, Debug)]
pub struct Statement {
    pub id: Vec<u8>,
    pub result_metadata_id: Option<Vec<u8>>,
    pub markers: Vec<String>,
    pub pk_indexes: Vec<u16>,
    pub columns: usize,
}

impl Client {
    /// A socket, and nothing said on it.
    pub fn raw(address: SocketAddr, version: Version) -> Self {
        let socket = TcpStream::connect(address).unwrap();
        socket.set_nodelay(true).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Self { socket, version, segments: false, compression: None, tls: None, received: Vec::new() }
    }

    /// Through with STARTUP, with compression.
    pub fn compressed(address: SocketAddr, version: Version, compression: Compression) -> Self {
        let mut client = Self::raw(address, version);
        let options = vec![(Startup::CQL_VERSION, "3.0.0"), (Startup::COMPRESSION, compression.name())];
        assert_eq!(client.ask(&Request::Startup(Startup { options })).message(), Message::Ready);
        client.segments = version.has_segments();
        client.compression = Some(compression);
        client
    }

    /// Through with STARTUP.
    pub fn connect(address: SocketAddr, version: Version) -> Self {
        let mut client = Self::raw(address, version);
        let answer = client.ask(&Request::Startup(Startup::new()));
        assert_eq!(answer.message(), Message::Ready);
        client.segments = version.has_segments();
        client
    }

    pub fn ask(&mut self, request: &Request<'_>) -> Answer {
        self.send(3, request);
        let answer = self.receive();
        assert_eq!(answer.header.stream, 3);
        answer
    }

    pub fn encode(&self, stream: i16, request: &Request<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        let body_compression = self.compression.filter(|_| !self.segments);
        let flags = body_compression.map_or(Flags::NONE, |_| Flags::COMPRESSION);
        let start = envelope::begin(&mut out, self.version, flags, request.opcode());
        let mut body = Vec::new();
        request.put(self.version, &mut body).unwrap();
        match body_compression {
            Some(compression) => compression.compress(&body, &mut out).unwrap(),
            None => out.extend_from_slice(&body),
        }
        envelope::finish(&mut out, start).unwrap();
        envelope::set_stream(&mut out, stream);
        out
    }

    pub fn send(&mut self, stream: i16, request: &Request<'_>) {
        let envelope = self.encode(stream, request);
        self.send_envelopes(&envelope);
    }

    pub fn send_envelopes(&mut self, envelopes: &[u8]) {
        let framed = self.framed(envelopes);
        self.write_all(&framed);
    }

    pub fn write_all(&mut self, bytes: &[u8]) {
        match &mut self.tls {
            Some(tls) => rustls::Stream::new(tls, &mut self.socket).write_all(bytes).unwrap(),
            None => self.socket.write_all(bytes).unwrap(),
        }
    }

    fn read(&mut self, room: &mut [u8]) -> std::io::Result<usize> {
        match &mut self.tls {
            Some(tls) => rustls::Stream::new(tls, &mut self.socket).read(room),
            None => self.socket.read(room),
        }
    }

    fn read_exact(&mut self, mut room: &mut [u8]) -> Option<()> {
        while !room.is_empty() {
            let count = self.read(room).ok().filter(|count| *count > 0)?;
            room = &mut room[count..];
        }
        Some(())
    }

    /// Envelopes as they are, or in segments if it is time for them.
    pub fn framed(&self, envelopes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let whole = envelopes.len() <= segment::MAX_PAYLOAD;
        for payload in envelopes.chunks(segment::MAX_PAYLOAD) {
            if !self.segments {
                out.extend_from_slice(payload);
            } else if self.compression.is_some() {
                segment::lz4::put(&mut out, payload, whole).unwrap();
            } else {
                let start = segment::open(&mut out);
                out.extend_from_slice(payload);
                segment::close(&mut out, start, whole).unwrap();
            }
        }
        out
    }

    pub fn receive(&mut self) -> Answer {
        self.try_receive().expect("the connection was closed")
    }

    /// `None` if the connection ends first.
    pub fn try_receive(&mut self) -> Option<Answer> {
        self.fill(Header::LEN)?;
        let header = Header::parse(self.received.first_chunk().unwrap());
        let len = Header::LEN + header.length as usize;
        self.fill(len)?;
        let mut body = self.received[Header::LEN..len].to_vec();
        self.received.drain(..len);
        assert!(header.response, "a server sends responses");
        if header.flags.contains(Flags::COMPRESSION) {
            let compressed = std::mem::take(&mut body);
            let compression = self.compression.expect("compression was agreed on");
            compression.decompress(&compressed, 256 << 20, &mut body).unwrap();
        } else {
            assert!(self.segments || self.compression.is_none(), "all is compressed from READY on");
        }
        Some(Answer { version: Version::from_byte(header.version).unwrap(), header, body })
    }

    /// Until so many bytes of envelopes are there.
    fn fill(&mut self, len: usize) -> Option<()> {
        while self.received.len() < len {
            if self.segments {
                self.fill_segment()?;
            } else {
                let mut part = vec![0; len - self.received.len()];
                let count = self.read(&mut part).ok().filter(|count| *count > 0)?;
                self.received.extend_from_slice(&part[..count]);
            }
        }
        Some(())
    }

    fn fill_segment(&mut self) -> Option<()> {
        let lz4 = self.compression.is_some();
        let mut whole = vec![0; if lz4 { segment::lz4::HEADER_LEN } else { segment::HEADER_LEN }];
        self.read_exact(&mut whole)?;
        let head = whole.len();
        let len = if lz4 { segment::lz4::encoded_len(&whole) } else { segment::encoded_len(&whole) };
        whole.resize(len.unwrap(), 0);
        self.read_exact(&mut whole[head..])?;
        if lz4 {
            segment::lz4::parse(&whole).unwrap().unwrap().payload(&mut self.received).unwrap();
        } else {
            self.received.extend_from_slice(segment::parse(&whole).unwrap().unwrap().payload);
        }
        Some(())
    }

    pub fn query(&mut self, text: &str) -> Answer {
        self.ask(&Request::Query(Query::new(text)))
    }

    /// A statement that must succeed.
    pub fn run(&mut self, text: &str) -> Answer {
        let answer = self.query(text);
        if let Message::Error(error) = answer.message() {
            panic!("{text}: {error}");
        }
        answer
    }

    pub fn page(&mut self, text: &str, page_size: i32, paging_state: Option<&[u8]>) -> Answer {
        let options =
            ParameterOptions { page_size: Some(page_size), paging_state, ..ParameterOptions::default() };
        self.ask(&Request::Query(Query { text, parameters: Parameters { values: Values::NONE, options } }))
    }

    pub fn prepare(&mut self, text: &str) -> Statement {
        let answer = self.ask(&Request::Prepare(Prepare { text, keyspace: None }));
        let ResultMessage::Prepared(prepared) = answer.result() else {
            panic!("not prepared: {:?}", answer.result())
        };
        Statement {
            id: prepared.id.to_vec(),
            result_metadata_id: prepared.result_metadata_id.map(<[u8]>::to_vec),
            markers: prepared.bind_markers.iter().map(|column| column.name.to_string()).collect(),
            pk_indexes: prepared.pk_indexes.clone(),
            columns: prepared.result_metadata.column_count,
        }
    }

    pub fn execute(&mut self, statement: &Statement, values: &[wire::Value<'_>]) -> Answer {
        self.execute_with(statement, values, ParameterOptions::default())
    }

    pub fn execute_with(
        &mut self,
        statement: &Statement,
        values: &[wire::Value<'_>],
        options: ParameterOptions<'_>,
    ) -> Answer {
        let bytes = encode_values(values);
        let values = Values::new(values.len().try_into().unwrap(), &bytes);
        self.ask(&Request::Execute(Execute {
            id: &statement.id,
            result_metadata_id: statement.result_metadata_id.as_deref(),
            parameters: Parameters { values, options },
        }))
    }

    pub fn register(&mut self) -> Answer {
        self.ask(&Request::Register(Register {
            events: vec!["SCHEMA_CHANGE", "STATUS_CHANGE", "TOPOLOGY_CHANGE"],
        }))
    }
}

pub fn encode_values(values: &[wire::Value<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    values.iter().for_each(|value| wire::put_value(&mut bytes, *value).unwrap());
    bytes
}

pub const KEYSPACE: &str =
    "CREATE KEYSPACE ks WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}";

/// A node and a client in keyspace `ks`, in which table `kv` is.
pub fn kv(version: Version) -> (helenus_node::Node, Client) {
    let node = helenus_node::Node::start().unwrap();
    let mut client = Client::connect(node.addresses()[0], version);
    client.run(KEYSPACE);
    client.run("USE ks");
    client.run("CREATE TABLE kv (k int PRIMARY KEY, v text)");
    (node, client)
}

pub fn int(value: i32) -> [u8; 4] {
    value.to_be_bytes()
}
