//! INSERT: an upsert of the columns that it names.

use helenus_core::protocol::wire::Value;

use super::{Bound, InsertPlan};
use crate::refusal::{Refusal, invalid};
use crate::store::Store;
use crate::store::row::{Cells, partition_key, push_cell};
use crate::store::table::PartitionKey;
use crate::types::push_ordered;

/// Writes one row.
pub(crate) fn run(store: &mut Store, plan: &InsertPlan, bound: &Bound<'_>) -> Result<(), Refusal> {
    let row = encode(plan, bound)?;
    let cells = &row.cells;
    store.write(plan.table, |table| {
        table.upsert(row.partition, &row.clustering, |old| merge(cells, old));
    })
}

/// Checks all that can be checked before anything is written: a batch does this for each of its statements first.
pub(crate) fn check(plan: &InsertPlan, bound: &Bound<'_>) -> Result<(), Refusal> {
    encode(plan, bound).map(|_| ())
}

struct Encoded<'a> {
    partition: PartitionKey,
    clustering: Vec<u8>,
    /// Of the clustering and regular columns.
    cells: Vec<Value<'a>>,
}

fn encode<'a>(plan: &'a InsertPlan, bound: &'a Bound<'_>) -> Result<Encoded<'a>, Refusal> {
    let schema = &plan.schema;
    let (partition_slots, rest) = plan.cells.split_at(schema.partition_len);
    let mut values = Vec::with_capacity(rest.len().max(partition_slots.len()));
    for (slot, column) in partition_slots.iter().zip(schema.partition_columns()) {
        values.push(Value::Bytes(bound.required(slot, &column.name)?));
    }
    let key = key_of(schema.partition_len, &values)?;
    values.clear();
    let mut clustering = Vec::new();
    for (slot, column) in rest.iter().zip(schema.clustering_columns()) {
        let value = bound.required(slot, &column.name)?;
        let descending = column.kind == crate::store::schema::Kind::Clustering { descending: true };
        push_ordered(&column.column_type, value, descending, &mut clustering).map_err(invalid)?;
        values.push(Value::Bytes(value));
    }
    for slot in &rest[schema.clustering_len..] {
        values.push(bound.value(slot)?);
    }
    Ok(Encoded { partition: PartitionKey::new(&key), clustering, cells: values })
}

fn key_of(columns: usize, values: &[Value<'_>]) -> Result<Vec<u8>, Refusal> {
    let bytes = values.iter().map(|value| match value {
        Value::Bytes(bytes) => *bytes,
        _ => &[],
    });
    let mut key = Vec::new();
    partition_key(columns, bytes, &mut key).map_err(invalid)?;
    if key.is_empty() {
        return Err(invalid("Key may not be empty".into()));
    }
    Ok(key)
}

/// What the statement doesn't set stays as it was.
fn merge(cells: &[Value<'_>], old: Option<&[u8]>) -> Box<[u8]> {
    let len = cells.iter().map(|cell| 4 + if let Value::Bytes(bytes) = cell { bytes.len() } else { 0 }).sum();
    let mut row = Vec::with_capacity(len);
    let mut old = old.map(Cells);
    for cell in cells {
        let before = old.as_mut().and_then(Iterator::next).flatten();
        match cell {
            Value::Bytes(bytes) => push_cell(Some(bytes), &mut row),
            Value::Null => push_cell(None, &mut row),
            Value::Unset => push_cell(before, &mut row),
        }
    }
    row.into_boxed_slice()
}
