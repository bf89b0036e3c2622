//! A request being written: its frame, and what may still be said about it.

use helenus_core::call::{Terms, Unsent};
use helenus_core::protocol::request::{
    BatchHead, BatchOptions, ParameterOptions, ParametersHead, Prepare, put_payload,
};
use helenus_core::protocol::{Consistency, Flags, Header, Opcode, Version, envelope, wire};
use helenus_core::value::{EncodeValues, write_query_values, write_values};

use crate::request::Sealed;
use crate::session::Defaults;
use crate::settings::{CustomPayload, Settings, Stamp, Tail};
use crate::{Batch, Error, PagingState, PagingStateError, Prepared, Session, Statement};

/// A whole frame, with what the session says about a request. What the user says otherwise is written into it, and what
/// comes behind the values, and so may change its length, only when it is sent.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    unsent: Unsent,
    shape: Shape,
    consistency: Consistency,
    /// In a box, for few requests say such things.
    options: Option<Box<Options>>,
}

/// What the frame holds.
#[derive(Clone, Debug)]
enum Shape {
    /// A message without query parameters.
    Plain,
    Statement(Parameters),
    /// All of it up to `end`, where consistency and options follow.
    Batch {
        head: BatchHead,
        end: usize,
        counter: bool,
    },
}

#[derive(Clone, Copy, Debug)]
struct Parameters {
    head: ParametersHead,
    value_count: u16,
    named: bool,
    /// The frame ends with room for a timestamp, which it gets when it is used: requests may be made long before.
    timestamped: bool,
    /// Where the values end.
    end: usize,
}

/// What is written last.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    pub(crate) tail: Tail,
    pub(crate) paging_state: Option<PagingState>,
}

impl Draft {
    pub(crate) fn query(
        version: Version,
        defaults: &Defaults,
        statement: &Statement<'_>,
        values: &impl EncodeValues,
    ) -> Result<Self, Error> {
        let text = statement.text();
        if is_use(text) {
            return Err(Error::UseStatement);
        }
        let mut unsent = begin(version, Opcode::Query, text.len());
        let frame = unsent.frame();
        wire::put_long_string(frame, text)?;
        let head = ParametersHead::begin(frame, version);
        let (value_count, named) =
            write_query_values(values, version >= Version::V4, frame).map_err(Error::Bind)?;
        let timestamped = defaults.timestamps.are_ours();
        let parameters = Parameters { head, value_count, named, timestamped, end: frame.len() };
        let options = ParameterOptions {
            consistency: defaults.consistency,
            page_size: Some(defaults.page_size),
            names: named,
            timestamp: timestamped.then_some(0),
            ..ParameterOptions::default()
        };
        head.finish(frame, value_count.into(), &options)?;
        let mut draft = Self::whole(version, unsent, Shape::Statement(parameters), defaults)?;
        draft.say_all(statement.settings().map(|settings| &**settings));
        Ok(draft)
    }

    #[inline]
    pub(crate) fn execute(
        version: Version,
        defaults: &Defaults,
        prepared: &Prepared,
        values: &impl EncodeValues,
    ) -> Result<Self, Error> {
        let statement = prepared.statement.latest();
        let mut unsent = Unsent::new(0);
        unsent.set_statement(Some(statement));
        let frame = unsent.frame();
        let timestamps = defaults.timestamps.are_ours();
        let head = statement.put_opening(version, timestamps, frame)?;
        let value_count = write_values(values, Some(&statement.bind_markers), version >= Version::V4, frame)
            .map_err(Error::Bind)?;
        let end = frame.len();
        // What has rows only reads.
        let timestamped = timestamps && !statement.has_rows();
        if timestamped {
            frame.extend_from_slice(&[0; size_of::<i64>()]);
        } else if statement.has_rows() {
            frame.extend_from_slice(&defaults.page_size.to_be_bytes());
        }
        head.set_consistency(frame, defaults.consistency);
        let parameters = Parameters { head, value_count, named: false, timestamped, end };
        let mut draft = Self::whole(version, unsent, Shape::Statement(parameters), defaults)?;
        if let Some(settings) = prepared.settings() {
            draft.say_all(Some(settings));
        }
        Ok(draft)
    }

    pub(crate) fn batch(version: Version, defaults: &Defaults, batch: &Batch) -> Result<Self, Error> {
        batch.check(version)?;
        let mut unsent = begin(version, Opcode::Batch, batch.bytes.len());
        let frame = unsent.frame();
        let head = batch.head.moved(frame.len(), version);
        frame.extend_from_slice(&batch.bytes);
        let shape = Shape::Batch { head, end: frame.len(), counter: batch.is_counter() };
        let mut draft = Self::whole(version, unsent, shape, defaults)?;
        draft.say_all(Some(&batch.settings));
        draft.unsent.terms().idempotent = batch.is_idempotent();
        if !batch.prepared.is_empty() {
            draft.unsent.terms().rare().statements.clone_from(&batch.prepared);
        }
        // Consistency and flags follow.
        draft.options();
        Ok(draft)
    }

    pub(crate) fn prepare(
        version: Version,
        defaults: &Defaults,
        statement: &Statement<'_>,
    ) -> Result<Self, Error> {
        let text = statement.text();
        if is_use(text) {
            return Err(Error::UseStatement);
        }
        let settings = statement.settings().map(|settings| &**settings);
        let keyspace = settings.and_then(|settings| settings.tail.keyspace.as_deref());
        let mut unsent = begin(version, Opcode::Prepare, text.len());
        Prepare { text, keyspace }.put(version, unsent.frame())?;
        let mut draft = Self::whole(version, unsent, Shape::Plain, defaults)?;
        draft.say_all(settings);
        // Preparing twice is the same as preparing once.
        draft.unsent.terms().idempotent = true;
        Ok(draft)
    }

    #[inline]
    fn whole(version: Version, mut unsent: Unsent, shape: Shape, defaults: &Defaults) -> Result<Self, Error> {
        envelope::finish(unsent.frame(), 0)?;
        unsent.terms().timeout = defaults.timeout;
        // What may have to be compressed takes the longer way; in v5 that is segments, and the machine does it.
        let options = defaults.compression.filter(|_| !version.has_segments()).map(|_| Box::default());
        Ok(Self { unsent, shape, consistency: defaults.consistency, options })
    }

    pub(crate) fn say_all(&mut self, settings: Option<&Settings>) {
        let Some(settings) = settings else { return };
        if let Some(consistency) = settings.consistency {
            self.set_consistency(consistency);
        }
        if let Some(timeout) = settings.timeout {
            self.terms().timeout = timeout;
        }
        if let Some(idempotent) = settings.idempotent {
            self.set_idempotent(idempotent);
        }
        if let Some(tracing) = settings.tracing {
            self.set_tracing(tracing);
        }
        if let Some(node) = settings.node {
            self.terms().rare().node = Some(node);
        }
        if !settings.tail.is_empty() {
            self.options().tail.say_all(&settings.tail);
        }
    }

    pub(crate) fn set_consistency(&mut self, consistency: Consistency) {
        self.consistency = consistency;
        if let Shape::Statement(parameters) = &self.shape {
            parameters.head.set_consistency(self.unsent.frame(), consistency);
        }
    }

    pub(crate) fn set_idempotent(&mut self, idempotent: bool) {
        // Counting twice is never the same as counting once.
        let counts = matches!(self.shape, Shape::Batch { counter: true, .. });
        self.terms().idempotent = idempotent && !counts;
    }

    pub(crate) fn set_tracing(&mut self, tracing: bool) {
        let flags = if tracing { Flags::TRACING } else { Flags::NONE };
        envelope::set_flags(self.unsent.frame(), flags);
    }

    pub(crate) fn terms(&mut self) -> &mut Terms {
        self.unsent.terms()
    }

    pub(crate) fn options(&mut self) -> &mut Options {
        self.options.get_or_insert_default()
    }

    /// What comes out can be sent.
    #[inline(always)]
    pub(crate) fn seal(mut self, session: &Session) -> Sealed {
        if self.options.is_some() {
            return self.seal_options(session).map_err(Box::new);
        }
        if let Shape::Statement(Parameters { timestamped: true, .. }) = self.shape {
            let timestamp = session.0.defaults.timestamps.next_us().unwrap_or_default();
            if let Some(room) = self.unsent.frame().last_chunk_mut() {
                *room = timestamp.to_be_bytes();
            }
        }
        Ok(self.unsent)
    }

    /// Writes anew what follows the values, and before the body what precedes it.
    fn seal_options(mut self, session: &Session) -> Result<Unsent, Error> {
        let (version, defaults) = (session.version(), &session.0.defaults);
        let Options { tail, paging_state } = self.options.take().map(|options| *options).unwrap_or_default();
        match &self.shape {
            Shape::Plain => {}
            Shape::Batch { .. } if paging_state.is_some() => {
                return Err(Error::PagingState(PagingStateError::Statement));
            }
            Shape::Statement(parameters) => {
                let parameters = *parameters;
                self.follow();
                self.put_parameters(parameters, &tail, paging_state.as_ref(), version, defaults)?;
            }
            Shape::Batch { head, end, .. } => {
                let options = BatchOptions {
                    consistency: self.consistency,
                    serial_consistency: tail.serial_consistency.map(Into::into),
                    timestamp: timestamp(tail.timestamp, true, defaults),
                    keyspace: tail.keyspace.as_deref(),
                    now_in_seconds: tail.now_in_seconds,
                };
                let frame = self.unsent.frame();
                frame.truncate(*end);
                head.clone().finish(frame, &options)?;
            }
        }
        if let Some(payload) = &tail.custom_payload {
            insert_payload(self.unsent.frame(), version, payload)?;
        }
        envelope::finish(self.unsent.frame(), 0)?;
        if let Some(state) = paging_state {
            let statement = self.unsent.terms().statement.clone();
            let keyspace = session.0.keyspace.as_deref();
            let checked = state.check(self.unsent.frame(), statement.as_deref(), keyspace);
            // What has given a page before is a read.
            self.unsent.terms().idempotent |= checked.map_err(Error::PagingState)?;
        }
        // In v5 whole segments are compressed, by the machine.
        if let Some(compression) = session.compression().filter(|_| !version.has_segments()) {
            // It is compiled in, and a frame that is too long to be compressed is too long to be sent: the inbox says so.
            let _ = compression.compress_envelope(self.unsent.frame());
        }
        Ok(self.unsent)
    }

    fn put_parameters(
        &mut self,
        parameters: Parameters,
        tail: &Tail,
        paging_state: Option<&PagingState>,
        version: Version,
        defaults: &Defaults,
    ) -> Result<(), Error> {
        let statement = self.unsent.terms().statement.as_ref();
        let has_rows = statement.is_none_or(|statement| statement.has_rows());
        let options = ParameterOptions {
            consistency: self.consistency,
            serial_consistency: tail.serial_consistency.map(Into::into),
            page_size: has_rows.then(|| tail.page_size.unwrap_or(defaults.page_size)),
            paging_state: paging_state.map(PagingState::server_bytes),
            skip_metadata: statement.is_some_and(|statement| statement.knows_columns(version)),
            timestamp: timestamp(tail.timestamp, parameters.timestamped, defaults),
            names: parameters.named,
            // A prepared statement has had its keyspace from the beginning.
            keyspace: tail.keyspace.as_deref().filter(|_| statement.is_none()),
            now_in_seconds: tail.now_in_seconds,
        };
        let frame = self.unsent.frame();
        frame.truncate(parameters.end);
        Ok(parameters.head.finish(frame, parameters.value_count.into(), &options)?)
    }

    /// A page may be fetched long after the request was made: what has been learnt of the statement's columns since then
    /// holds for it, too.
    fn follow(&mut self) {
        let Some(statement) = self.unsent.terms().statement.clone() else { return };
        let latest = statement.latest();
        let ids = (&statement.result_metadata_id, &latest.result_metadata_id);
        let same_shape = match ids {
            (None, None) => true,
            (Some(old), Some(new)) => old.len() == new.len(),
            _ => false,
        };
        let same_values = statement.bind_markers == latest.bind_markers;
        if !same_shape || !same_values || statement.has_rows() != latest.has_rows() {
            return;
        }
        if let Some(id) = &latest.result_metadata_id {
            // The statement's id and this one come first, each after its length.
            let at = Header::LEN + 2 + statement.id.len() + 2;
            self.unsent.frame()[at..at + id.len()].copy_from_slice(id);
        }
        self.unsent.set_statement(Some(latest));
    }
}

fn timestamp(said: Option<Stamp>, timestamped: bool, defaults: &Defaults) -> Option<i64> {
    match said {
        Some(Stamp::AtUs(timestamp)) => Some(timestamp),
        Some(Stamp::Server) => None,
        None if timestamped => defaults.timestamps.next_us(),
        None => None,
    }
}

/// A custom payload comes before the body (section 2.2).
fn insert_payload(frame: &mut Vec<u8>, version: Version, payload: &CustomPayload) -> Result<(), Error> {
    let entries: Vec<_> = payload.iter().map(|(key, value)| (&**key, value.as_deref())).collect();
    let mut bytes = Vec::new();
    put_payload(&mut bytes, version, &entries)?;
    frame.splice(Header::LEN..Header::LEN, bytes);
    let flags = Flags(frame[1] | Flags::CUSTOM_PAYLOAD.0);
    envelope::set_flags(frame, flags);
    Ok(())
}

fn begin(version: Version, opcode: Opcode, text_bytes: usize) -> Unsent {
    let mut unsent = Unsent::new(text_bytes + 64);
    unsent.set_statement(None);
    envelope::begin(unsent.frame(), version, Flags::NONE, opcode);
    unsent
}

/// Whether the statement is `USE`, which would change the one connection that happens to carry it.
pub(crate) fn is_use(text: &str) -> bool {
    let text = after_comments(text);
    text.get(..3).is_some_and(|word| word.eq_ignore_ascii_case("use"))
        && (text[3..].starts_with('"') || after_comments(&text[3..]).len() < text.len() - 3)
}

/// The text from its first word on.
fn after_comments(mut text: &str) -> &str {
    loop {
        text = text.trim_start();
        let rest = if text.starts_with("--") || text.starts_with("//") {
            text.split_once(['\n', '\r'])
        } else if let Some(comment) = text.strip_prefix("/*") {
            comment.split_once("*/")
        } else {
            return text;
        };
        // A comment without an end is an error of the server's.
        let Some((_, after)) = rest else { return text };
        text = after;
    }
}

#[cfg(test)]
mod tests {
    use helenus_core::protocol::Compression;

    use super::*;
    use crate::timestamps::Timestamps;

    #[test]
    fn only_bodies_are_compressed_on_the_longer_way() {
        let defaults = Defaults {
            consistency: Consistency::One,
            timeout: None,
            page_size: 100,
            when_full: crate::WhenFull::Fail,
            drain: std::time::Duration::ZERO,
            compression: Some(Compression::Lz4),
            frame_bytes_max: 1 << 20,
            timestamps: Timestamps::Server,
            prepared_max: 0,
        };
        for version in [Version::V3, Version::V4, Version::V5] {
            let draft = Draft::query(version, &defaults, &Statement::new("SELECT"), &()).unwrap();
            assert_eq!(draft.options.is_none(), version.has_segments(), "{version}");
        }
    }

    #[test]
    fn use_is_recognised_and_nothing_else() {
        assert!(is_use(" use ks") && is_use("USE\n\"Ks\"") && is_use("Use\"Ks\""));
        assert!(is_use("-- a\n // b\r/* use\n */ USE/**/ks") && is_use("/**/use--\nks"));
        assert!(
            !is_use("/* use */ SELECT 1") && !is_use("-- USE ks") && !is_use("/* USE ks") && !is_use("use-x")
        );
        assert!(!is_use("SELECT 1") && !is_use("used") && !is_use("us") && !is_use("üse ks"));
    }
}
