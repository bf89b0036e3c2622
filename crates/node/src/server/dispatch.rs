//! From an envelope to its answer: the handshake's rules, then the statements.

use std::ops::RangeInclusive;

use helenus_core::protocol::request::{Request, Startup, split_payload};
use helenus_core::protocol::response::Message;
use helenus_core::protocol::{Flags, Header, Opcode, ServerError, Version};

use super::Settings;
use super::connection::Broken;
use super::output::{Frame, Output};
use crate::exec::{self, Cache, SchemaEvent, Session};
use crate::refusal::{Refusal, protocol, too_long};
use crate::store::Store;
use crate::system::System;

/// What all connections share.
pub(super) struct Dispatch {
    store: Store,
    system: System,
    /// Changes of the schema since the last request.
    events: Vec<SchemaEvent>,
    /// One for each node.
    caches: Vec<Cache>,
    settings: Settings,
}

/// What a connection has agreed on.
pub(super) struct Protocol {
    /// To which node it leads.
    node: usize,
    /// Set by STARTUP.
    version: Option<Version>,
    keyspace: Option<String>,
}

impl Protocol {
    pub(super) fn new(node: usize) -> Self {
        Self { node, version: None, keyspace: None }
    }

    /// Whether envelopes come in segments: in v5, once STARTUP is answered.
    pub(super) fn segments(&self) -> bool {
        self.version.is_some_and(Version::has_segments)
    }

    /// Refuses a header whose first byte says enough, though others are missing.
    pub(super) fn check_first_byte(
        &self,
        bytes: &[u8],
        output: &mut Output,
        dispatch: &Dispatch,
    ) -> Result<(), Broken> {
        let Some(first) = bytes.first() else { return Ok(()) };
        let mut head = [0; Header::LEN];
        head[0] = *first;
        self.version_of(&Header::parse(&head), output, dispatch).map(|_| ())
    }

    /// Judges a header: version, direction and length. What is refused is told why, and the connection ends.
    pub(super) fn admit(
        &self,
        header: &Header,
        output: &mut Output,
        dispatch: &Dispatch,
    ) -> Result<Version, Broken> {
        let version = self.version_of(header, output, dispatch)?;
        let limit = dispatch.settings.frame_limit_bytes;
        if header.length as usize > limit {
            let length = header.length;
            let message =
                format!("Request is too big: length {length} exceeds maximum allowed length {limit}");
            return Err(self.refuse(version, header.stream, &protocol(message), output));
        }
        Ok(version)
    }

    fn version_of(
        &self,
        header: &Header,
        output: &mut Output,
        dispatch: &Dispatch,
    ) -> Result<Version, Broken> {
        let spoken = &dispatch.settings.versions;
        let version = Version::from_byte(header.version).filter(|version| spoken.contains(version));
        let Some(version) = version else {
            let (least, greatest) = (spoken.start().byte(), spoken.end().byte());
            let message = format!(
                "Invalid or unsupported protocol version ({}); the lowest supported version is {least} and the \
                 greatest is {greatest}",
                header.version
            );
            return Err(self.refuse(*spoken.end(), header.stream, &protocol(message), output));
        };
        if header.response {
            let message = "Wrong protocol direction, expected request but got response";
            return Err(self.refuse(version, header.stream, &protocol(message.into()), output));
        }
        match self.version {
            Some(agreed) if agreed != version => {
                let message = format!("this connection speaks {agreed} since STARTUP, not {version}");
                Err(self.refuse(agreed, header.stream, &protocol(message), output))
            }
            _ => Ok(version),
        }
    }

    /// The last answer of a connection.
    fn refuse(&self, version: Version, stream: i16, error: &ServerError, output: &mut Output) -> Broken {
        let frame = Frame { version, stream, segments: self.segments() };
        let message = Message::Error(error.clone());
        // If even that can't be encoded, the end of the connection says it.
        let _ = output.envelope(frame, Opcode::Error, |out| message.put(version, out).map_err(too_long));
        Broken
    }
}

impl Dispatch {
    pub(super) fn new(system: System, settings: Settings) -> Self {
        let caches = system.cluster.members.iter().map(|_| Cache::default()).collect();
        Self { store: Store::new(settings.memory_limit_bytes), system, events: Vec::new(), caches, settings }
    }

    /// Answers one request. An error ends the connection.
    pub(super) fn answer(
        &mut self,
        protocol: &mut Protocol,
        version: Version,
        header: &Header,
        body: &[u8],
        output: &mut Output,
    ) -> Result<(), Broken> {
        let frame = Frame { version, stream: header.stream, segments: protocol.segments() };
        if self.settings.null && header.opcode == Opcode::Execute.byte() && header.flags == Flags::NONE {
            if let Some(canned) = self.canned(protocol, version, body) {
                return output.canned(frame, canned).map_err(|_| Broken);
            }
        }
        match self.request(protocol, frame, header, body, output) {
            Ok(()) => Ok(()),
            Err(Failure::Refused(error)) => {
                let message = Message::Error(error);
                let sent =
                    output.envelope(frame, Opcode::Error, |out| message.put(version, out).map_err(too_long));
                sent.map_err(|_| Broken)
            }
            Err(Failure::Fatal(error)) => Err(protocol.refuse(version, header.stream, &error, output)),
        }
    }

    #[inline]
    fn canned(&self, protocol: &Protocol, version: Version, body: &[u8]) -> Option<&[u8]> {
        protocol.version?;
        let (id, after) = body.strip_prefix(&[0, 16])?.split_first_chunk::<16>()?;
        self.caches[protocol.node].find(id)?.canned.answer(version, after)
    }

    fn request(
        &mut self,
        connection: &mut Protocol,
        frame: Frame,
        header: &Header,
        body: &[u8],
        output: &mut Output,
    ) -> Result<(), Failure> {
        let version = frame.version;
        let Some(opcode) = Opcode::from_byte(header.opcode) else {
            return Err(Failure::Fatal(protocol(format!("Unknown opcode {}", header.opcode))));
        };
        if opcode.is_response() {
            return Err(Failure::Fatal(protocol(format!("{opcode} is not a request"))));
        }
        if header.flags.contains(Flags::COMPRESSION) {
            let message = "the body is compressed, but no compression was agreed on in STARTUP";
            return Err(Failure::Fatal(protocol(message.into())));
        }
        let malformed = |error| Failure::Refused(protocol(format!("the request can't be read: {error}")));
        let (_, body) = split_payload(version, header.flags, body).map_err(malformed)?;
        let request = Request::decode(version, header.opcode, body).map_err(malformed)?;
        match (&request, connection.version) {
            (Request::Options, _) => self.supported(frame, output),
            (Request::Startup(startup), None) => {
                check_startup(startup)?;
                put(frame, &Message::Ready, output)?;
                connection.version = Some(version);
                Ok(())
            }
            (Request::Startup(_), Some(_)) | (_, None) => {
                let expected = if connection.version.is_some() { "QUERY" } else { "STARTUP or OPTIONS" };
                Err(Failure::Refused(protocol(format!("Unexpected message {opcode}, expecting {expected}"))))
            }
            (Request::Register(_), _) => put(frame, &Message::Ready, output),
            (Request::AuthResponse(_), _) => {
                Err(Failure::Refused(protocol("this node asks nobody to authenticate".into())))
            }
            _ => self.statement(connection, frame, &request, output),
        }
    }

    fn statement(
        &mut self,
        connection: &mut Protocol,
        frame: Frame,
        request: &Request<'_>,
        output: &mut Output,
    ) -> Result<(), Failure> {
        let cache = &mut self.caches[connection.node];
        self.events.clear();
        let mut session = Session {
            store: &mut self.store,
            system: &self.system,
            node: connection.node,
            version: frame.version,
            keyspace: &mut connection.keyspace,
            null: self.settings.null,
            now_micros: self.settings.clock.now_micros(),
            events: &mut self.events,
        };
        let answered = output.envelope(frame, Opcode::Result, |out| match request {
            Request::Query(query) => exec::query(&mut session, query, out),
            Request::Prepare(prepare) => exec::prepare(&session, cache, prepare, out),
            Request::Execute(execute) => exec::execute(&mut session, cache, execute, out),
            Request::Batch(batch) => exec::batch(&mut session, cache, batch, out),
            other => Err(protocol(format!("{} is not among what this node has", other.opcode()))),
        });
        answered.map_err(Failure::Refused)
    }

    fn supported(&self, frame: Frame, output: &mut Output) -> Result<(), Failure> {
        let versions = Version::ALL.iter().filter(|version| self.settings.versions.contains(version));
        let versions = versions.map(|version| format!("{}/{version}", version.byte())).collect::<Vec<_>>();
        let options = vec![
            (Startup::CQL_VERSION, vec!["3.4.6"]),
            (Startup::COMPRESSION, vec![]),
            ("PROTOCOL_VERSIONS", versions.iter().map(String::as_str).collect()),
        ];
        put(frame, &Message::Supported(options), output)
    }
}

/// Why a request isn't served.
enum Failure {
    /// The connection goes on.
    Refused(Refusal),
    /// It doesn't.
    Fatal(Refusal),
}

fn put(frame: Frame, message: &Message<'_>, output: &mut Output) -> Result<(), Failure> {
    let put =
        output.envelope(frame, message.opcode(), |out| message.put(frame.version, out).map_err(too_long));
    put.map_err(Failure::Refused)
}

fn check_startup(startup: &Startup<'_>) -> Result<(), Failure> {
    let refused = |message: String| Err(Failure::Refused(protocol(message)));
    if startup.option(Startup::CQL_VERSION).is_none() {
        return refused("Missing value CQL_VERSION in STARTUP message".into());
    }
    match startup.option(Startup::COMPRESSION) {
        Some(algorithm) if !algorithm.is_empty() => {
            refused(format!("Unknown compression algorithm: {algorithm} (this node compresses nothing)"))
        }
        _ => Ok(()),
    }
}

/// All versions that there are.
pub(super) fn all_versions() -> RangeInclusive<Version> {
    Version::V3..=Version::LATEST
}
