//! A request being written: its frame, and what may still be said about it.

use std::sync::Arc;

use helenus_core::PreparedStatement;
use helenus_core::call::{Terms, Unsent};
use helenus_core::protocol::request::{ParameterOptions, ParametersHead, Prepare, put_execute_head};
use helenus_core::protocol::{Consistency, Flags, Opcode, Version, envelope, wire};
use helenus_core::value::{BindError, EncodeValues, write_values};

use crate::session::Defaults;
use crate::{Error, PagingState, Prepared};

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
    end: u32,
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
        let mut unsent = begin(version, Opcode::Query, text.len(), None);
        wire::put_long_string(unsent.frame(), text)?;
        Self::with_values(version, defaults, unsent, |frame| {
            write_values(values, None, version >= Version::V4, frame)
        })
    }

    pub(crate) fn execute(
        version: Version,
        defaults: &Defaults,
        prepared: &Prepared,
        values: &impl EncodeValues,
    ) -> Result<Self, Error> {
        let statement = &prepared.0;
        let mut unsent = begin(version, Opcode::Execute, 0, Some(statement));
        let metadata_id = statement.result_metadata_id.as_deref();
        put_execute_head(unsent.frame(), version, &statement.id, metadata_id)?;
        Self::with_values(version, defaults, unsent, |frame| {
            write_values(values, Some(&statement.bind_markers), version >= Version::V4, frame)
        })
    }

    pub(crate) fn prepare(version: Version, defaults: &Defaults, text: &str) -> Result<Self, Error> {
        if is_use(text) {
            return Err(Error::UseStatement);
        }
        let mut unsent = begin(version, Opcode::Prepare, text.len(), None);
        Prepare { text, keyspace: None }.put(version, unsent.frame())?;
        envelope::finish(unsent.frame(), 0)?;
        let terms = unsent.terms();
        // Preparing twice is the same as preparing once.
        (terms.timeout, terms.idempotent) = (defaults.timeout, true);
        Ok(Self { unsent, parameters: None, consistency: defaults.consistency, options: None })
    }

    #[inline]
    fn with_values(
        version: Version,
        defaults: &Defaults,
        mut unsent: Unsent,
        write: impl FnOnce(&mut Vec<u8>) -> Result<u16, BindError>,
    ) -> Result<Self, Error> {
        let frame = unsent.frame();
        let head = ParametersHead::begin(frame, version);
        let value_count = write(frame).map_err(Error::Bind)?;
        // A frame of 4 GiB is refused below, for no envelope is that long.
        let parameters = Parameters { head, value_count, end: frame.len() as u32 };
        let options = ParameterOptions { consistency: defaults.consistency, ..ParameterOptions::default() };
        finish(&mut unsent, parameters, version, defaults.page_size, options)?;
        unsent.terms().timeout = defaults.timeout;
        let consistency = defaults.consistency;
        Ok(Self { unsent, parameters: Some(parameters), consistency, options: None })
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
    #[inline]
    pub(crate) fn seal(self, version: Version, defaults: &Defaults) -> Result<Unsent, Error> {
        let Self { mut unsent, parameters, consistency, options } = self;
        if let (Some(options), Some(parameters)) = (options, parameters) {
            unsent.frame().truncate(parameters.end as usize);
            let page_size = options.page_size.unwrap_or(defaults.page_size);
            let options = ParameterOptions {
                consistency,
                serial_consistency: options.serial_consistency,
                paging_state: options.paging_state.as_ref().map(PagingState::as_bytes),
                ..ParameterOptions::default()
            };
            finish(&mut unsent, parameters, version, page_size, options)?;
        }
        Ok(unsent)
    }
}

/// Fills in what goes around the values, and the envelope's length.
#[inline]
fn finish(
    unsent: &mut Unsent,
    parameters: Parameters,
    version: Version,
    page_size: i32,
    mut options: ParameterOptions<'_>,
) -> Result<(), Error> {
    let rows = unsent.terms().statement.as_ref().map(|statement| !statement.result_columns.is_empty());
    // A prepared write has no rows, so a page size would only make it longer.
    options.page_size = rows.unwrap_or(true).then_some(page_size);
    // Rows may come without names and types where they are known. Only in v5 does the server say when they have changed;
    // before, an ALTER TABLE would shift the columns unseen.
    options.skip_metadata = version >= Version::V5 && rows == Some(true);
    let frame = unsent.frame();
    parameters.head.finish(frame, parameters.value_count.into(), &options)?;
    envelope::finish(frame, 0)?;
    Ok(())
}

#[inline]
fn begin(
    version: Version,
    opcode: Opcode,
    text_bytes: usize,
    statement: Option<&Arc<PreparedStatement>>,
) -> Unsent {
    let mut unsent = Unsent::new(text_bytes + 64);
    unsent.set_statement(statement);
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
