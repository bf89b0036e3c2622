//! Statements compiled against the schema, and run.

mod compile;
mod event;
mod insert;
mod paging;
mod prepared;
mod select;
mod statement;

pub(crate) use event::SchemaEvent;
pub(crate) use prepared::Cache;
pub(crate) use select::Page;
pub(crate) use statement::{Session, batch, execute, prepare, query};

use std::sync::Arc;

use helenus_core::protocol::request::Values;
use helenus_core::protocol::response::ColumnSpec;
use helenus_core::protocol::wire::Value;

use crate::cql::Statement;
use crate::refusal::{Refusal, invalid};
use crate::store::TableIndex;
use crate::store::schema::Schema;
use crate::system::SystemTable;

/// A statement whose names are looked up.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) kind: PlanKind,
    /// The bind markers, in order.
    pub(crate) markers: Arc<[ColumnSpec]>,
    /// Which markers are the partition key, in its order; empty unless all of it is bound.
    pub(crate) partition_markers: Vec<u16>,
    /// The store's count of schema changes that this was compiled at.
    pub(crate) compiled_at: u64,
}

#[derive(Debug)]
pub(crate) enum PlanKind {
    Insert(InsertPlan),
    Batch(Vec<InsertPlan>),
    Select(SelectPlan),
    /// What changes the schema or the connection, and TRUNCATE; looked up when it runs.
    Other(Statement),
}

#[derive(Debug)]
pub(crate) struct InsertPlan {
    pub(crate) table: TableIndex,
    pub(crate) schema: Arc<Schema>,
    /// One for each column of the schema.
    pub(crate) cells: Vec<Slot>,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Slot {
    /// The statement doesn't mention it.
    Absent,
    Literal(Option<Vec<u8>>),
    Marker(usize),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Source {
    Stored(TableIndex),
    System(SystemTable),
}

#[derive(Debug)]
pub(crate) struct SelectPlan {
    pub(crate) source: Source,
    pub(crate) schema: Arc<Schema>,
    pub(crate) outputs: Vec<Output>,
    pub(crate) columns: Arc<[ColumnSpec]>,
    /// A hash of `columns`: v5 tells clients by it that they changed.
    pub(crate) columns_id: [u8; 16],
    pub(crate) partitions: Partitions,
    /// The first clustering columns, by equality.
    pub(crate) prefix: Vec<Slot>,
    pub(crate) limit: Slot,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Output {
    Column(usize),
    Token,
    /// A column as JSON.
    Json(usize),
    Count,
}

/// Which partitions a SELECT asks for.
#[derive(Debug, PartialEq)]
pub(crate) enum Partitions {
    /// The whole key.
    Key(Vec<Slot>),
    /// Of a key of one column: several values.
    Keys(Vec<Slot>),
    /// The same, as one marker for the list.
    KeysMarker(usize),
    /// A range of the ring; a bound is a slot and whether it is included.
    Tokens { lower: Option<(Slot, bool)>, upper: Option<(Slot, bool)> },
}

/// The values of a request in the order of the markers.
pub(crate) struct Bound<'a> {
    values: Vec<Value<'a>>,
    specs: &'a [ColumnSpec],
}

impl<'a> Bound<'a> {
    pub(crate) fn new(specs: &'a [ColumnSpec], given: Values<'a>) -> Result<Self, Refusal> {
        let count = usize::from(given.count());
        if given.are_named() {
            return Self::named(specs, given);
        }
        if count != specs.len() {
            return Err(invalid(format!(
                "there were {} markers(?) in CQL but {count} bound variables",
                specs.len()
            )));
        }
        Ok(Self { values: given.iter().map(|(_, value)| value).collect(), specs })
    }

    fn named(specs: &'a [ColumnSpec], given: Values<'a>) -> Result<Self, Refusal> {
        let mut values = vec![None; specs.len()];
        for (name, value) in given {
            let at = specs.iter().position(|spec| Some(&*spec.name) == name);
            let at = at.ok_or_else(|| invalid(format!("no marker is named {}", name.unwrap_or("?"))))?;
            // A name that occurs twice stands for one value.
            specs.iter().zip(&mut values).filter(|(spec, _)| spec.name == specs[at].name).for_each(
                |(_, slot)| {
                    *slot = Some(value);
                },
            );
        }
        let missing = values.iter().position(Option::is_none);
        if let Some(at) = missing {
            return Err(invalid(format!("Missing value for bind marker {}", specs[at].name)));
        }
        Ok(Self { values: values.into_iter().flatten().collect(), specs })
    }

    /// The value of a slot, checked against the type of its marker. Literals were checked when compiled.
    pub(crate) fn value<'b>(&'b self, slot: &'b Slot) -> Result<Value<'b>, Refusal> {
        match slot {
            Slot::Absent => Ok(Value::Unset),
            Slot::Literal(literal) => Ok(literal.as_deref().map_or(Value::Null, Value::Bytes)),
            Slot::Marker(at) => self.marker(*at),
        }
    }

    fn marker(&self, at: usize) -> Result<Value<'_>, Refusal> {
        let found = self.values.get(at).copied().zip(self.specs.get(at));
        let Some((value, spec)) = found else {
            return Err(invalid(format!("there is no value for marker {at}")));
        };
        if let Value::Bytes(bytes) = value {
            crate::types::validate(&spec.column_type, bytes).map_err(|reason| {
                invalid(format!("Invalid value for {} ({}): {reason}", spec.name, spec.column_type))
            })?;
        }
        Ok(value)
    }

    /// The value of a slot that must have one: part of a key, a limit, a token.
    pub(crate) fn required<'b>(&'b self, slot: &'b Slot, name: &str) -> Result<&'b [u8], Refusal> {
        match self.value(slot)? {
            Value::Bytes(bytes) => Ok(bytes),
            Value::Null => Err(invalid(format!("Invalid null value in condition for column {name}"))),
            Value::Unset => Err(invalid(format!("Invalid unset value for column {name}"))),
        }
    }
}
