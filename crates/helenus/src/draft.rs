//! A request being written: its frame, and what may still be said about it.

use helenus_core::call::{Terms, Unsent};
use helenus_core::protocol::request::{ParameterOptions, ParametersHead, Prepare};
use helenus_core::protocol::{Consistency, Flags, Opcode, Version, envelope, wire};
use helenus_core::value::{EncodeValues, write_values};

use crate::request::Sealed;
use crate::session::Defaults;
use crate::{Error, PagingState, Prepared, Session};

/// A whole frame, with what the session says about a request. What the user says otherwise is written into it, and what
/// comes behind the values, and so may change its length, only when it is sent.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    unsent: Unsent,
    /// `None` for a message without query parameters.
    parameters: Option<Parameters>,
    consistency: Consistency,
    /// In a box, for few requests say such things.
    options: Option<Box<Options>>,
}

#[derive(Clone, Copy, Debug)]
struct Parameters {
    head: ParametersHead,
    value_count: u16,
    /// Where the values end.
    end: usize,
}

/// What a user may say about one request that lies behind the values. `None`: what the session says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    pub(crate) serial_consistency: Option<Consistency>,
    pub(crate) page_size: Option<i32>,
    pub(crate) paging_state: Option<PagingState>,
}

impl Draft {
    pub(crate) fn query(
        version: Version,
        defaults: &Defaults,
        text: &str,
        values: &impl EncodeValues,
    ) -> Result<Self, Error> {
        if is_use(text) {
            return Err(Error::UseStatement);
        }
        let mut unsent = begin(version, Opcode::Query, text.len());
        let frame = unsent.frame();
        wire::put_long_string(frame, text)?;
        let head = ParametersHead::begin(frame, version);
        let value_count = write_values(values, None, version >= Version::V4, frame).map_err(Error::Bind)?;
        let parameters = Parameters { head, value_count, end: frame.len() };
        let options = ParameterOptions {
            consistency: defaults.consistency,
            page_size: Some(defaults.page_size),
            ..ParameterOptions::default()
        };
        head.finish(frame, value_count.into(), &options)?;
        Self::whole(unsent, parameters, defaults)
    }

    #[inline]
    pub(crate) fn execute(
        version: Version,
        defaults: &Defaults,
        prepared: &Prepared,
        values: &impl EncodeValues,
    ) -> Result<Self, Error> {
        let statement = &prepared.0;
        let mut unsent = Unsent::new(0);
        unsent.set_statement(Some(statement));
        let frame = unsent.frame();
        let head = statement.put_opening(version, frame)?;
        let value_count = write_values(values, Some(&statement.bind_markers), version >= Version::V4, frame)
            .map_err(Error::Bind)?;
        let parameters = Parameters { head, value_count, end: frame.len() };
        if statement.has_rows() {
            frame.extend_from_slice(&defaults.page_size.to_be_bytes());
        }
        head.set_consistency(frame, defaults.consistency);
        Self::whole(unsent, parameters, defaults)
    }

    pub(crate) fn prepare(version: Version, defaults: &Defaults, text: &str) -> Result<Self, Error> {
        if is_use(text) {
            return Err(Error::UseStatement);
        }
        let mut unsent = begin(version, Opcode::Prepare, text.len());
        Prepare { text, keyspace: None }.put(version, unsent.frame())?;
        envelope::finish(unsent.frame(), 0)?;
        let terms = unsent.terms();
        // Preparing twice is the same as preparing once.
        (terms.timeout, terms.idempotent) = (defaults.timeout, true);
        Ok(Self { unsent, parameters: None, consistency: defaults.consistency, options: None })
    }

    #[inline]
    fn whole(mut unsent: Unsent, parameters: Parameters, defaults: &Defaults) -> Result<Self, Error> {
        envelope::finish(unsent.frame(), 0)?;
        unsent.terms().timeout = defaults.timeout;
        // What may have to be compressed takes the longer way.
        let options = defaults.compression.map(|_| Box::default());
        Ok(Self { unsent, parameters: Some(parameters), consistency: defaults.consistency, options })
    }

    pub(crate) fn set_consistency(&mut self, consistency: Consistency) {
        self.consistency = consistency;
        if let Some(parameters) = &self.parameters {
            parameters.head.set_consistency(self.unsent.frame(), consistency);
        }
    }

    pub(crate) fn set_tracing(&mut self) {
        envelope::set_flags(self.unsent.frame(), Flags::TRACING);
    }

    pub(crate) fn terms(&mut self) -> &mut Terms {
        self.unsent.terms()
    }

    pub(crate) fn options(&mut self) -> &mut Options {
        self.options.get_or_insert_default()
    }

    /// What comes out can be sent.
    #[inline(always)]
    pub(crate) fn seal(self, session: &Session) -> Sealed {
        if self.options.is_none() {
            return Ok(self.unsent);
        }
        let version = session.version();
        let mut unsent = self.seal_options(version, &session.0.defaults, session.0.keyspace.as_deref())?;
        // In v5 whole segments are compressed, by the machine.
        if let Some(compression) = session.compression().filter(|_| !version.has_segments()) {
            // It is compiled in, and a frame that is too long to be compressed is too long to be sent: the inbox says so.
            let _ = compression.compress_envelope(unsent.frame());
        }
        Ok(unsent)
    }

    /// Writes anew what follows the values.
    fn seal_options(
        self,
        version: Version,
        defaults: &Defaults,
        keyspace: Option<&str>,
    ) -> Result<Unsent, Error> {
        let Self { mut unsent, parameters, consistency, options } = self;
        let (Some(Parameters { head, value_count, end }), Some(options)) = (parameters, options) else {
            return Ok(unsent);
        };
        let statement = unsent.terms().statement.as_ref();
        let has_rows = statement.is_none_or(|statement| statement.has_rows());
        let paging_state = options.paging_state;
        let options = ParameterOptions {
            consistency,
            serial_consistency: options.serial_consistency,
            page_size: has_rows.then(|| options.page_size.unwrap_or(defaults.page_size)),
            paging_state: paging_state.as_ref().map(PagingState::server_bytes),
            skip_metadata: statement.is_some_and(|statement| statement.knows_columns(version)),
            ..ParameterOptions::default()
        };
        let frame = unsent.frame();
        frame.truncate(end);
        head.finish(frame, value_count.into(), &options)?;
        envelope::finish(frame, 0)?;
        if let Some(state) = paging_state {
            let statement = unsent.terms().statement.clone();
            let checked = state.check(unsent.frame(), statement.as_deref(), keyspace);
            // What has given a page before is a read.
            unsent.terms().idempotent |= checked.map_err(Error::PagingState)?;
        }
        Ok(unsent)
    }
}

fn begin(version: Version, opcode: Opcode, text_bytes: usize) -> Unsent {
    let mut unsent = Unsent::new(text_bytes + 64);
    unsent.set_statement(None);
    envelope::begin(unsent.frame(), version, Flags::NONE, opcode);
    unsent
}

/// Whether the statement is `USE`, which would change the one connection that happens to carry it.
fn is_use(text: &str) -> bool {
    let text = text.trim_start();
    text.get(..3).is_some_and(|word| word.eq_ignore_ascii_case("use"))
        && text[3..].starts_with(|c: char| c.is_whitespace() || c == '"')
}

#[cfg(test)]
mod tests {
    use super::is_use;

    #[test]
    fn use_is_recognised_and_nothing_else() {
        assert!(is_use(" use ks") && is_use("USE\n\"Ks\"") && is_use("Use\"Ks\""));
        assert!(!is_use("SELECT 1") && !is_use("used") && !is_use("us") && !is_use("üse ks"));
    }
}
