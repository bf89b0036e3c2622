//! What a connection has agreed on, and the rules of its handshake.

use helenus_core::protocol::request::Startup;
use helenus_core::protocol::response::Message;
use helenus_core::protocol::{Compression, Header, Opcode, ServerError, Version};

use super::Settings;
use super::connection::Broken;
use super::events::Interests;
use super::output::{Frame, Framing, Output};
use crate::refusal::{Refusal, protocol, too_long};

pub(super) struct Protocol {
    /// To which node it leads.
    pub(super) node: usize,
    /// Where the loop keeps it.
    pub(super) slot: usize,
    /// No other connection has it.
    pub(super) number: u64,
    /// What is to be sent is sent byte by byte.
    pub(super) bytewise: bool,
    pub(super) stage: Stage,
    /// Set by STARTUP.
    pub(super) version: Option<Version>,
    /// Set by STARTUP too.
    compression: Option<Compression>,
    pub(super) keyspace: Option<String>,
    pub(super) interests: Interests,
}

/// How far the handshake got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Startup,
    Authenticating,
    Ready,
}

impl Protocol {
    pub(super) fn new(node: usize, slot: usize, number: u64) -> Self {
        Self {
            node,
            slot,
            number,
            bytewise: false,
            stage: Stage::Startup,
            version: None,
            compression: None,
            keyspace: None,
            interests: Interests::default(),
        }
    }

    /// What is around envelopes: from v5 on segments, once STARTUP is answered.
    #[inline]
    pub(super) fn framing(&self) -> Framing {
        match (self.version, self.compression) {
            (None, _) => Framing::Envelopes,
            (Some(version), compression) if version.has_segments() => match compression {
                None => Framing::Segments,
                Some(_) => Framing::Lz4Segments,
            },
            (Some(_), None) => Framing::Envelopes,
            (Some(_), Some(compression)) => Framing::Compressed(compression),
        }
    }

    /// How to frame an answer to `stream`.
    #[inline]
    pub(super) fn frame(&self, version: Version, stream: i16) -> Frame {
        Frame { version, stream, framing: self.framing() }
    }

    /// Takes what STARTUP agrees on; its answer still travels as if it hadn't.
    pub(super) fn start(&mut self, version: Version, compression: Option<Compression>, stage: Stage) {
        (self.version, self.compression, self.stage) = (Some(version), compression, stage);
    }

    /// Refuses a header whose first byte says enough, though others are missing.
    pub(super) fn check_first_byte(
        &self,
        bytes: &[u8],
        output: &mut Output,
        settings: &Settings,
    ) -> Result<(), Broken> {
        let Some(first) = bytes.first() else { return Ok(()) };
        let mut head = [0; Header::LEN];
        head[0] = *first;
        self.version_of(&Header::parse(&head), output, settings).map(|_| ())
    }

    /// Judges a header: version, direction and length. What is refused is told why, and the connection ends.
    pub(super) fn admit(
        &self,
        header: &Header,
        output: &mut Output,
        settings: &Settings,
    ) -> Result<Version, Broken> {
        let version = self.version_of(header, output, settings)?;
        let limit = settings.frame_limit_bytes;
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
        settings: &Settings,
    ) -> Result<Version, Broken> {
        let spoken = &settings.versions;
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
    pub(super) fn refuse(
        &self,
        version: Version,
        stream: i16,
        error: &ServerError,
        output: &mut Output,
    ) -> Broken {
        let message = Message::Error(error.clone());
        // If even that can't be encoded, the end of the connection says it.
        let _ = output.envelope(self.frame(version, stream), Opcode::Error, |out| {
            message.put(version, out).map_err(too_long)
        });
        Broken
    }

    /// Whether a request of this kind may come now.
    pub(super) fn expects(&self, opcode: Opcode) -> Result<(), Refusal> {
        let expected = match (self.stage, opcode) {
            (Stage::Startup, Opcode::Startup | Opcode::Options) => return Ok(()),
            (Stage::Startup, _) => "STARTUP or OPTIONS",
            (Stage::Authenticating, Opcode::AuthResponse) => return Ok(()),
            (Stage::Authenticating, _) => "SASL_RESPONSE",
            (Stage::Ready, Opcode::Startup) => "QUERY: the connection is already initialized",
            (Stage::Ready, Opcode::AuthResponse) => "QUERY: nobody was asked to authenticate",
            (Stage::Ready, _) => return Ok(()),
        };
        Err(protocol(format!("Unexpected message {opcode}, expecting {expected}")))
    }

    /// Appends the body of a request as it was before it was compressed.
    pub(super) fn decompress(&self, body: &[u8], limit: usize, out: &mut Vec<u8>) -> Result<(), Refusal> {
        let Framing::Compressed(compression) = self.framing() else {
            let message = "the body is compressed, but no compression of bodies was agreed on in STARTUP";
            return Err(protocol(message.into()));
        };
        let broken = |error| protocol(format!("the body can't be decompressed: {error}"));
        compression.decompress(body, limit, out).map_err(broken)
    }
}

/// The compression that STARTUP asks for.
pub(super) fn check_startup(version: Version, startup: &Startup<'_>) -> Result<Option<Compression>, Refusal> {
    if startup.option(Startup::CQL_VERSION).is_none() {
        return Err(protocol("Missing value CQL_VERSION in STARTUP message".into()));
    }
    let Some(name) = startup.option(Startup::COMPRESSION).filter(|name| !name.is_empty()) else {
        return Ok(None);
    };
    match Compression::from_name(name).filter(|compression| compression.is_compiled_in()) {
        Some(Compression::Snappy) if version.has_segments() => {
            Err(protocol("Snappy compression is not supported in protocol V5".into()))
        }
        Some(compression) => Ok(Some(compression)),
        None => Err(protocol(format!("Unknown compression algorithm: {name}"))),
    }
}
