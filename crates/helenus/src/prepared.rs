//! Prepared statements.

use std::sync::Arc;

use helenus_core::call::Done;
use helenus_core::protocol::ColumnSpec;
use helenus_core::protocol::response::{Message, ResultMessage};
use helenus_core::{Opening, PreparedStatement, SeenMetadata};

use crate::request::{Closed, FromAnswer, decode, unexpected};
use crate::{Error, Notes};

/// A prepared statement. Cheap to clone and to share; it is good for every node: one that doesn't know it prepares it
/// when it is first used there, unseen.
#[derive(Clone, Debug)]
pub struct Prepared(pub(crate) Arc<PreparedStatement>);

impl Prepared {
    /// The CQL text.
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// Names and types of its bind markers, in order.
    pub fn bind_markers(&self) -> &[ColumnSpec] {
        &self.0.bind_markers
    }

    /// Names and types of its result's columns as they were when it was prepared; empty if it has no rows.
    pub fn result_columns(&self) -> &[ColumnSpec] {
        &self.0.result_columns
    }

    /// Which bind markers are the partition key, in the key's order (v4 and later; empty if not all of them are bound).
    pub fn partition_key_indexes(&self) -> &[u16] {
        &self.0.partition_key_indexes
    }
}

impl Closed for Prepared {}

impl FromAnswer for Prepared {
    type Context = Box<str>;

    fn from_answer(answer: Done, text: Box<str>, _: &Option<Arc<str>>) -> Result<Self, Error> {
        let response = decode(&answer)?;
        match response.message {
            Message::Result(ResultMessage::Prepared(prepared)) => Ok(Self(Arc::new(PreparedStatement {
                text,
                id: prepared.id.into(),
                result_metadata_id: prepared.result_metadata_id.map(Into::into),
                bind_markers: prepared.bind_markers,
                partition_key_indexes: prepared.pk_indexes.into(),
                result_columns: prepared.result_metadata.columns.unwrap_or_default(),
                seen: SeenMetadata::default(),
                opening: Opening::default(),
            }))),
            message => Err(unexpected(&answer, message, Notes::of(&response.prefix))),
        }
    }
}
