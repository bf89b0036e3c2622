//! Changes of the schema, as those who registered are told of them.

use helenus_core::protocol::response::{Change, SchemaChange, SchemaTarget};

/// Something was created, changed or dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SchemaEvent {
    pub(crate) change: Change<'static>,
    pub(crate) keyspace: String,
    pub(crate) part: Part,
}

/// What it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Keyspace,
    Table(String),
    Type(String),
}

impl SchemaEvent {
    /// As the protocol has it: the body of a RESULT and of an EVENT.
    pub(crate) fn message(&self) -> SchemaChange<'_> {
        let keyspace = self.keyspace.as_str();
        let target = match &self.part {
            Part::Keyspace => SchemaTarget::Keyspace { keyspace },
            Part::Table(name) => SchemaTarget::Table { keyspace, name },
            Part::Type(name) => SchemaTarget::Type { keyspace, name },
        };
        SchemaChange { change: self.change, target }
    }
}
