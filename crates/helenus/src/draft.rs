//! A request being written: its frame up to the values, and the options that go around them.

use std::time::Duration;

use helenus_core::call::Terms;
use helenus_core::protocol::request::{ParameterOptions, ParametersHead, Prepare, put_execute_head};
use helenus_core::protocol::{Consistency, Flags, Opcode, Version, envelope, wire};
use helenus_core::value::{EncodeValues, write_values};

use crate::session::Defaults;
use crate::{Error, PagingState, Prepared, frames};

/// A frame whose parameters are still placeholders, and what will fill them.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    frame: Vec<u8>,
    /// `None` for a message without query parameters.
    parameters: Option<(ParametersHead, u16)>,
    pub(crate) options: Options,
    terms: Terms,
}

/// What a user may say about one request. `None`: what the session says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    pub(crate) consistency: Option<Consistency>,
    pub(crate) serial_consistency: Option<Consistency>,
    pub(crate) page_size: Option<i32>,
    pub(crate) paging_state: Option<PagingState>,
    pub(crate) timeout: Option<Option<Duration>>,
    pub(crate) idempotent: bool,
    pub(crate) tracing: bool,
}

impl Draft {
    pub(crate) fn query(version: Version, text: &str, values: &impl EncodeValues) -> Result<Self, Error> {
        if is_use(text) {
            return Err(Error::UseStatement);
        }
        let mut frame = begin(version, Opcode::Query, text.len());
        wire::put_long_string(&mut frame, text)?;
        Self::with_values(version, frame, |frame| write_values(values, None, version >= Version::V4, frame))
    }

    pub(crate) fn execute(
        version: Version,
        prepared: &Prepared,
        values: &impl EncodeValues,
    ) -> Result<Self, Error> {
        let statement = &prepared.0;
        let mut frame = begin(version, Opcode::Execute, 0);
        put_execute_head(&mut frame, version, &statement.id, statement.result_metadata_id.as_deref())?;
        let mut draft = Self::with_values(version, frame, |frame| {
            write_values(values, Some(&statement.bind_markers), version >= Version::V4, frame)
        })?;
        draft.terms.statement = Some(statement.clone());
        Ok(draft)
    }

    pub(crate) fn prepare(version: Version, text: &str) -> Result<Self, Error> {
        if is_use(text) {
            return Err(Error::UseStatement);
        }
        let mut frame = begin(version, Opcode::Prepare, text.len());
        Prepare { text, keyspace: None }.put(version, &mut frame)?;
        // Preparing twice is the same as preparing once.
        let terms = Terms { idempotent: true, ..Terms::default() };
        let options = Options { idempotent: true, ..Options::default() };
        Ok(Self { frame, parameters: None, options, terms })
    }

    fn with_values(
        version: Version,
        mut frame: Vec<u8>,
        write: impl FnOnce(&mut Vec<u8>) -> Result<u16, helenus_core::value::BindError>,
    ) -> Result<Self, Error> {
        let head = ParametersHead::begin(&mut frame, version);
        let count = write(&mut frame).map_err(Error::Bind)?;
        Ok(Self {
            frame,
            parameters: Some((head, count)),
            options: Options::default(),
            terms: Terms::default(),
        })
    }

    /// Fills in what was left open. What comes out can be sent.
    pub(crate) fn seal(&mut self, version: Version, defaults: &Defaults) -> Result<(Vec<u8>, Terms), Error> {
        let options = &self.options;
        if let Some((head, count)) = self.parameters {
            let parameters = ParameterOptions {
                consistency: options.consistency.unwrap_or(defaults.consistency),
                serial_consistency: options.serial_consistency,
                page_size: self.has_rows().then(|| options.page_size.unwrap_or(defaults.page_size)),
                paging_state: options.paging_state.as_ref().map(PagingState::as_bytes),
                skip_metadata: self.knows_columns(version),
                ..ParameterOptions::default()
            };
            head.finish(&mut self.frame, count.into(), &parameters)?;
        }
        envelope::finish(&mut self.frame, 0)?;
        if options.tracing {
            envelope::set_flags(&mut self.frame, Flags::TRACING);
        }
        self.terms.timeout = options.timeout.unwrap_or(defaults.timeout);
        self.terms.idempotent = options.idempotent;
        Ok((std::mem::take(&mut self.frame), std::mem::take(&mut self.terms)))
    }

    /// Whether rows may come: a prepared write has none, so a page size would only make it longer.
    fn has_rows(&self) -> bool {
        self.terms.statement.as_ref().is_none_or(|statement| !statement.result_columns.is_empty())
    }

    /// Whether rows may come without names and types. Only in v5 does the server say when they have changed; before, an
    /// ALTER TABLE would shift the columns unseen.
    fn knows_columns(&self, version: Version) -> bool {
        let statement = self.terms.statement.as_ref();
        version >= Version::V5 && statement.is_some_and(|statement| !statement.result_columns.is_empty())
    }
}

fn begin(version: Version, opcode: Opcode, text_bytes: usize) -> Vec<u8> {
    let mut frame = frames::take(text_bytes + 64);
    envelope::begin(&mut frame, version, Flags::NONE, opcode);
    frame
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
