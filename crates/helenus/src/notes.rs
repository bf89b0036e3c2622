//! What comes before a response's body.

use helenus_core::protocol::response::Prefix;
use helenus_core::value::Uuid;

/// What a server says beside its answer, be that a result or an error (section 2.2 of the protocol): most answers have none
/// of it.
#[derive(Clone, Debug, Default)]
pub struct Notes(Option<Box<Written>>);

#[derive(Clone, Debug)]
struct Written {
    tracing_id: Option<Uuid>,
    warnings: Vec<String>,
    custom_payload: Vec<(String, Option<Vec<u8>>)>,
}

impl Notes {
    pub(crate) const NONE: Self = Self(None);

    pub(crate) fn of(prefix: &Prefix<'_>) -> Self {
        if prefix.tracing_id.is_none() && prefix.warnings.is_empty() && prefix.custom_payload.is_empty() {
            return Self::NONE;
        }
        Self(Some(Box::new(Written {
            tracing_id: prefix.tracing_id.map(Uuid::from_bytes),
            warnings: prefix.warnings.iter().map(|text| (*text).to_owned()).collect(),
            custom_payload: (prefix.custom_payload.iter())
                .map(|(key, value)| ((*key).to_owned(), value.map(<[u8]>::to_vec)))
                .collect(),
        })))
    }

    /// What the server warns of, in words for a person; v4 and later.
    pub fn warnings(&self) -> &[String] {
        self.0.as_ref().map_or(&[], |written| &written.warnings)
    }

    /// The trace's id, if the request was traced. [`Session::trace`](crate::Session::trace) reads it.
    pub fn tracing_id(&self) -> Option<Uuid> {
        self.0.as_ref()?.tracing_id
    }

    /// What an extension of the server added; v4 and later.
    pub fn custom_payload(&self) -> &[(String, Option<Vec<u8>>)] {
        self.0.as_ref().map_or(&[], |written| &written.custom_payload)
    }
}
