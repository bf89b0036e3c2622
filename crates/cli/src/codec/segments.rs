use helenus_core::protocol::segment::{self, lz4};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Compression, Outcome, hex};

#[derive(Deserialize)]
pub(super) struct Line {
    pub(super) segments: String,
    #[serde(default)]
    pub(super) compression: Compression,
}

impl Line {
    pub(super) fn answer(self) -> Outcome {
        let bytes = hex::bytes(&self.segments)?;
        let next = match self.compression {
            Compression::None => plain,
            Compression::Lz4 => compressed,
            Compression::Snappy => return Err("protocol v5 has no snappy".to_owned()),
        };
        let mut segments = Vec::new();
        let mut rest = &bytes[..];
        loop {
            let parsed = next(rest).map_err(|error| format!("segment {}: {error}", segments.len()))?;
            let Some((segment, encoded_len)) = parsed else { break };
            segments.push(segment);
            rest = &rest[encoded_len..];
        }
        Ok(json!({ "segments": segments, "incomplete": rest.len() }))
    }
}

/// The segment at the front, and how many bytes it takes; `None` if it isn't all there.
type Next = Result<Option<(Value, usize)>, segment::SegmentError>;

fn plain(bytes: &[u8]) -> Next {
    let parsed = segment::parse(bytes)?;
    Ok(parsed.map(|found| (object(found.self_contained, found.payload), found.encoded_len)))
}

fn compressed(bytes: &[u8]) -> Next {
    let Some(found) = lz4::parse(bytes)? else { return Ok(None) };
    let mut payload = Vec::new();
    found.payload(&mut payload)?;
    Ok(Some((object(found.self_contained, &payload), found.encoded_len)))
}

fn object(self_contained: bool, payload: &[u8]) -> Value {
    json!({ "self_contained": self_contained, "payload": hex::text(payload) })
}
