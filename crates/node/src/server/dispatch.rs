//! From an envelope to its answer: the handshake's requests, then the statements.

use std::ops::RangeInclusive;

use helenus_core::protocol::request::{Request, Startup, split_payload};
use helenus_core::protocol::response::Message;
use helenus_core::protocol::{Compression, Flags, Header, Opcode, Version};

use super::Settings;
use super::connection::Broken;
use super::events::News;
use super::faults::Waiting;
use super::login;
use super::output::{Frame, Output};
use super::protocol::{Protocol, Stage, check_startup};
use crate::exec::{self, Cache, SchemaEvent, Session};
use crate::inject::Watch;
use crate::refusal::{Refusal, protocol, too_long};
use crate::store::Store;
use crate::system::System;

/// What all connections share.
pub(super) struct Dispatch {
    store: Store,
    pub(super) system: System,
    /// Changes of the schema since the last request.
    events: Vec<SchemaEvent>,
    /// One for each node.
    pub(super) caches: Vec<Cache>,
    pub(super) settings: Settings,
    /// What happened and was not told yet.
    pub(super) news: Vec<News>,
    /// Rules and log; `None` while there are none.
    pub(super) watch: Option<Box<Watch>>,
    /// Answers that rules hold back.
    pub(super) waiting: Waiting,
    /// Where bodies are decompressed.
    pub(super) room: Vec<u8>,
}

impl Dispatch {
    pub(super) fn new(system: System, settings: Settings) -> Self {
        let caches = system.cluster.members.iter().map(|_| Cache::default()).collect();
        let store = Store::new(settings.memory_limit_bytes);
        let (events, news, room) = (Vec::new(), Vec::new(), Vec::new());
        let (watch, waiting) = (None, Waiting::default());
        Self { store, system, events, caches, settings, news, watch, waiting, room }
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
        let frame = protocol.frame(version, header.stream);
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
        if protocol.stage != Stage::Ready {
            return None;
        }
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
        let malformed = |error| Failure::Refused(protocol(format!("the request can't be read: {error}")));
        let (_, body) = split_payload(version, header.flags, body).map_err(malformed)?;
        let request = Request::decode(version, header.opcode, body).map_err(malformed)?;
        connection.expects(opcode).map_err(Failure::Refused)?;
        match &request {
            Request::Options => self.supported(frame, output),
            Request::Startup(startup) => self.start(connection, frame, startup, output),
            Request::AuthResponse(response) => {
                self.settings.users.check(response.token).map_err(Failure::Refused)?;
                put(frame, &Message::AuthSuccess(None), output)?;
                connection.stage = Stage::Ready;
                Ok(())
            }
            Request::Register(register) => {
                connection.interests.add(&register.events).map_err(Failure::Refused)?;
                put(frame, &Message::Ready, output)
            }
            _ => self.statement(connection, frame, &request, output),
        }
    }

    fn start(
        &self,
        connection: &mut Protocol,
        frame: Frame,
        startup: &Startup<'_>,
        output: &mut Output,
    ) -> Result<(), Failure> {
        let compression = check_startup(frame.version, startup).map_err(Failure::Refused)?;
        let (answer, stage) = if self.settings.users.are_asked() {
            (Message::Authenticate { authenticator: login::AUTHENTICATOR }, Stage::Authenticating)
        } else {
            (Message::Ready, Stage::Ready)
        };
        put(frame, &answer, output)?;
        connection.start(frame.version, compression, stage);
        Ok(())
    }

    fn statement(
        &mut self,
        connection: &mut Protocol,
        frame: Frame,
        request: &Request<'_>,
        output: &mut Output,
    ) -> Result<(), Failure> {
        let cache = &mut self.caches[connection.node];
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
        self.news.extend(self.events.drain(..).map(News::Schema));
        answered.map_err(Failure::Refused)
    }

    fn supported(&self, frame: Frame, output: &mut Output) -> Result<(), Failure> {
        let versions = Version::ALL.iter().filter(|version| self.settings.versions.contains(version));
        let versions = versions.map(|version| format!("{}/{version}", version.byte())).collect::<Vec<_>>();
        let compressions = [Compression::Snappy, Compression::Lz4].into_iter();
        let compressions = compressions.filter(|compression| compression.is_compiled_in());
        let options = vec![
            (Startup::CQL_VERSION, vec!["3.4.6"]),
            (Startup::COMPRESSION, compressions.map(Compression::name).collect()),
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

/// All versions that there are.
pub(super) fn all_versions() -> RangeInclusive<Version> {
    Version::V3..=Version::LATEST
}
