//! Statements whose names are looked up.

use std::sync::Arc;

use helenus_core::protocol::ColumnType;
use helenus_core::protocol::response::ColumnSpec;

use super::functions::Function;
use super::slot::Slot;
use crate::cql::{Operator, Statement};
use crate::store::TableIndex;
use crate::store::schema::Schema;
use crate::system::SystemTable;

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
    Write(WritePlan),
    Batch(BatchPlan),
    Select(SelectPlan),
    /// What changes the schema or the connection, and TRUNCATE; looked up when it runs.
    Other(Statement),
}

#[derive(Debug)]
pub(crate) struct BatchPlan {
    pub(crate) timestamp: Slot,
    pub(crate) writes: Vec<WritePlan>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Source {
    Stored(TableIndex),
    System(SystemTable),
}

/// INSERT, UPDATE or DELETE.
#[derive(Debug)]
pub(crate) struct WritePlan {
    pub(crate) table: TableIndex,
    pub(crate) schema: Arc<Schema>,
    /// One for each column of the partition key.
    pub(crate) partition: Vec<Choices>,
    pub(crate) target: Target,
    /// Of an INSERT: the row is there even if all its columns are null.
    pub(crate) marks_row: bool,
    /// By their columns' numbers, rising.
    pub(crate) operations: Vec<Operation>,
    pub(crate) timestamp: Slot,
    pub(crate) ttl: Slot,
    pub(crate) conditions: Conditions,
}

/// What of a partition is written.
#[derive(Debug)]
pub(crate) enum Target {
    /// Rows, of each of which the operations change columns, and the static row, if they name its columns.
    Rows(Clustering),
    /// Only columns of the static row.
    Static,
    /// The rows in the ranges are deleted, or all of the partition.
    DeleteRows(Clustering),
    DeletePartition,
}

#[derive(Debug)]
pub(crate) struct Operation {
    /// The column's place in the schema.
    pub(crate) column: usize,
    pub(crate) change: Change,
}

#[derive(Debug)]
pub(crate) enum Change {
    /// Null deletes.
    Set(Slot),
    /// Of a list, set or map: more elements.
    Append(Slot),
    Prepend(Slot),
    /// Of a list the values, of a set the elements, of a map the keys.
    Subtract(Slot),
    /// A list's element by its position, a map's by its key; null deletes it.
    SetElement(Slot, Slot),
    /// A set's element is deleted.
    DeleteElement(Slot),
    /// A field of a user-defined type.
    SetField(u16, Slot),
    Count {
        by: Slot,
        negative: bool,
    },
}

#[derive(Debug)]
pub(crate) enum Conditions {
    None,
    IfExists,
    IfNotExists,
    If(Vec<Condition>),
}

#[derive(Debug)]
pub(crate) struct Condition {
    pub(crate) column: usize,
    pub(crate) part: Part,
    /// The type of what is compared.
    pub(crate) column_type: ColumnType,
    pub(crate) test: Test,
}

#[derive(Debug)]
pub(crate) enum Part {
    Whole,
    Element(Slot),
    Field(usize),
}

#[derive(Debug)]
pub(crate) enum Test {
    Compare(Operator, Slot),
    In(Vec<Slot>),
    /// The list is one value.
    InList(Slot),
}

/// Values of one column, or of several as a tuple.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Choices {
    One(Slot),
    Each(Vec<Slot>),
    /// One value that is the list of them.
    List(Slot),
}

/// Which rows of a partition.
#[derive(Debug, Default)]
pub(crate) struct Clustering {
    /// Of the first columns: by equality or IN.
    pub(crate) points: Vec<Point>,
    /// Of what follows.
    pub(crate) lower: Option<Edge>,
    pub(crate) upper: Option<Edge>,
}

#[derive(Debug)]
pub(crate) struct Point {
    /// How many columns it gives; if several, values are tuples.
    pub(crate) columns: usize,
    pub(crate) is_tuple: bool,
    pub(crate) values: Choices,
}

/// An end of a range of rows.
#[derive(Debug)]
pub(crate) struct Edge {
    pub(crate) value: Slot,
    pub(crate) columns: usize,
    pub(crate) is_tuple: bool,
    pub(crate) inclusive: bool,
}

/// Which partitions a SELECT asks for.
#[derive(Debug)]
pub(crate) enum Partitions {
    /// The whole key: one for each of its columns.
    Keys(Vec<Choices>),
    /// A range of the ring; a bound is a slot and whether it is included.
    Tokens { lower: Option<(Slot, bool)>, upper: Option<(Slot, bool)> },
}

/// A condition that each row is tested by.
#[derive(Debug)]
pub(crate) struct Filter {
    pub(crate) column: usize,
    pub(crate) element: Option<Slot>,
    pub(crate) column_type: ColumnType,
    pub(crate) test: Test,
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
    pub(crate) clustering: Clustering,
    pub(crate) filters: Vec<Filter>,
    pub(crate) reversed: bool,
    /// ORDER BY of several partitions: all rows are found before the first is answered.
    pub(crate) sorted: bool,
    pub(crate) distinct: bool,
    pub(crate) aggregates: bool,
    pub(crate) per_partition_limit: Slot,
    pub(crate) limit: Slot,
}

/// A column of a result.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Output {
    Column(usize),
    Token,
    WriteTime(usize),
    Ttl(usize),
    Constant(Slot),
    Call(Function, Vec<(ColumnType, Self)>, ColumnType),
    /// All as one JSON object: names, types, values.
    Json(Vec<(String, ColumnType, Self)>),
    Field(Box<Self>, usize),
    Element(Box<Self>, ColumnType, Slot),
    Cast(Box<Self>, ColumnType, ColumnType),
    CountRows,
    Aggregate(Aggregate, Box<Self>, ColumnType),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aggregate {
    Count,
    Min,
    Max,
    Sum,
    Avg,
}
