//! Envelopes: `frame`.

use std::borrow::Cow;

use helenus_core::protocol::envelope::{Header, MAX_BODY};
use helenus_core::protocol::response::{Message, Prefix};
use helenus_core::protocol::wire::{BytesMap, Reader};
use helenus_core::protocol::{Flags, Opcode, Version};
use helenus_core::value::Uuid;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Compression, Direction, Outcome, hex, request, response};

#[derive(Deserialize)]
pub(super) struct Line {
    pub(super) frame: String,
    pub(super) direction: Option<Direction>,
    #[serde(default)]
    pub(super) compression: Compression,
}

impl Line {
    pub(super) fn answer(self) -> Outcome {
        let bytes = hex::bytes(&self.frame)?;
        let (header, version, body) = split(&bytes)?;
        let direction = direction(&header, self.direction)?;
        let body = plain_body(&header, version, body, self.compression)?;
        let parts = match direction {
            Direction::Request => request_parts(&header, version, &body),
            Direction::Response => response_parts(&header, version, &body),
        };
        let parts = parts.map_err(|error| format!("the body: {error}"))?;
        Ok(json!({
            "version": header.version,
            "direction": match direction {
                Direction::Request => "request",
                Direction::Response => "response",
            },
            "flags": flag_names(header.flags),
            "stream": header.stream,
            "opcode": Opcode::from_byte(header.opcode).map(Opcode::name),
            "tracing_id": parts.tracing_id,
            "warnings": parts.warnings,
            "payload": parts.payload,
            "body": parts.body,
        }))
    }
}

/// What a body is made of.
struct Parts {
    tracing_id: Option<String>,
    warnings: Vec<String>,
    payload: Option<Value>,
    body: Value,
}

/// The header, its version and the body, which must be all that follows.
fn split(bytes: &[u8]) -> Result<(Header, Version, &[u8]), String> {
    let Some((header, body)) = bytes.split_first_chunk() else {
        return Err(format!("a header has {} bytes, but there are {}", Header::LEN, bytes.len()));
    };
    let header = Header::parse(header);
    let version = Version::from_byte(header.version)
        .ok_or_else(|| format!("the header: version {} is none of 3, 4 and 5", header.version))?;
    let length = header.length as usize;
    if length > MAX_BODY {
        return Err(format!(
            "the header: a body of {length} bytes is longer than the {MAX_BODY} that are allowed"
        ));
    }
    if body.len() != length {
        return Err(format!("the header announces a body of {length} bytes, but {} follow", body.len()));
    }
    Ok((header, version, body))
}

fn direction(header: &Header, expected: Option<Direction>) -> Result<Direction, String> {
    let found = if header.response { Direction::Response } else { Direction::Request };
    match expected {
        Some(Direction::Request) if header.response => {
            Err("the header is that of a response, not of a request".into())
        }
        Some(Direction::Response) if !header.response => {
            Err("the header is that of a request, not of a response".into())
        }
        _ => Ok(found),
    }
}

fn plain_body<'a>(
    header: &Header,
    version: Version,
    body: &'a [u8],
    compression: Compression,
) -> Result<Cow<'a, [u8]>, String> {
    if !header.flags.contains(Flags::COMPRESSION) {
        return Ok(body.into());
    }
    if version.has_segments() {
        return Err(
            "the header: its flags say that the body is compressed, but in v5 segments are, not bodies"
                .into(),
        );
    }
    let Some(algorithm) = compression.algorithm() else {
        return Err(
            "the header: its flags say that the body is compressed, but no compression is given".into()
        );
    };
    let mut plain = Vec::new();
    algorithm
        .decompress(body, MAX_BODY, &mut plain)
        .map_err(|error| format!("the compressed body: {error}"))?;
    Ok(plain.into())
}

fn request_parts(header: &Header, version: Version, body: &[u8]) -> Result<Parts, String> {
    use helenus_core::protocol::request::{Request, split_payload};
    let (payload, body) = split_payload(version, header.flags, body).map_err(in_words)?;
    let request = Request::decode(version, header.opcode, body).map_err(in_words)?;
    Ok(Parts {
        tracing_id: None,
        warnings: Vec::new(),
        payload: payload_object(&payload, version, header.flags),
        body: request::object(&request)?,
    })
}

fn response_parts(header: &Header, version: Version, body: &[u8]) -> Result<Parts, String> {
    let mut reader = Reader::new(body);
    let prefix = Prefix::read(&mut reader, version, header.flags).map_err(in_words)?;
    let message = Message::read(&mut reader, version, header.opcode).map_err(in_words)?;
    Ok(Parts {
        tracing_id: prefix.tracing_id.map(|id| Uuid::from_bytes(id).to_string()),
        warnings: prefix.warnings.iter().map(|&warning| warning.to_owned()).collect(),
        payload: payload_object(&prefix.custom_payload, version, header.flags),
        body: response::object(&message)?,
    })
}

/// Null if the flags don't announce one.
fn payload_object(payload: &BytesMap<'_>, version: Version, flags: Flags) -> Option<Value> {
    let announced = version >= Version::V4 && flags.contains(Flags::CUSTOM_PAYLOAD);
    let entry = |(name, bytes): &(&str, Option<&[u8]>)| ((*name).to_owned(), bytes.map(hex::text).into());
    announced.then(|| Value::Object(payload.iter().map(entry).collect::<Map<_, _>>()))
}

/// The names of all flags; bits without a name in hexadecimal.
fn flag_names(flags: Flags) -> Vec<String> {
    const NAMES: [(Flags, &str); 5] = [
        (Flags::COMPRESSION, "COMPRESSION"),
        (Flags::TRACING, "TRACING"),
        (Flags::CUSTOM_PAYLOAD, "CUSTOM_PAYLOAD"),
        (Flags::WARNING, "WARNING"),
        (Flags::BETA, "BETA"),
    ];
    let set = (0..8).map(|bit| Flags(1 << bit)).filter(|flag| flags.contains(*flag));
    set.map(|flag| match NAMES.iter().find(|(known, _)| *known == flag) {
        Some((_, name)) => (*name).to_owned(),
        None => format!("0x{:02x}", flag.0),
    })
    .collect()
}

fn in_words(error: helenus_core::protocol::DecodeError) -> String {
    error.to_string()
}
