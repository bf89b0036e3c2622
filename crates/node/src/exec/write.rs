//! INSERT, UPDATE and DELETE: plans and values to changes of partitions, and those to the store.

use std::borrow::Cow;

use helenus_core::protocol::ColumnType;

use super::keys::{self, Partitions, RowKey};
use super::plan::{self, Target, WritePlan};
use super::slot::{Bound, Slot, Value};
use crate::refusal::{Refusal, invalid};
use crate::store::cell::{Cell, Expiry, Marker, NEVER};
use crate::store::row::{Complex, Content, Element, Part, RawContent, RowData, read};
use crate::store::schema::{Column, Kind, Schema};
use crate::store::table::{Change, PartitionKey};
use crate::store::{Store, TableIndex};
use crate::types;

/// The longest time to live, in seconds: twenty years, as in Cassandra.
pub(crate) const TTL_LIMIT: u32 = 20 * 365 * 24 * 60 * 60;

/// A change of one partition that is known to the last byte: nothing can go wrong with it any more.
pub(super) struct Mutation<'b> {
    table: TableIndex,
    partition: PartitionKey,
    change: Change<'b>,
    now_seconds: i64,
}

impl Mutation<'_> {
    pub(super) fn apply(self, store: &mut Store) {
        store.write(self.table, self.partition, self.change, self.now_seconds);
    }
}

/// What a statement writes, checked but not written. `timestamp` is for those that have none of their own.
pub(super) fn mutations<'b>(
    store: &Store,
    plan: &'b WritePlan,
    bound: &'b Bound<'_>,
    timestamp: i64,
    out: &mut Vec<Mutation<'b>>,
) -> Result<(), Refusal> {
    let timestamp = own_timestamp(&plan.timestamp, bound)?.unwrap_or(timestamp);
    let write = Write { store, plan, bound, timestamp, expiry: expiry(plan, bound)? };
    let partitions = match keys::partitions(&plan.schema, &plan.partition, bound)? {
        Partitions::One(partition) => return write.partition(partition, out),
        Partitions::Many(partitions) => partitions,
    };
    for partition in partitions {
        write.partition(partition, out)?;
        if out.len() > MUTATION_LIMIT {
            return Err(invalid(format!("this node writes at most {MUTATION_LIMIT} rows at once")));
        }
    }
    Ok(())
}

/// How many changes the statements of a request may make.
const MUTATION_LIMIT: usize = 1 << 18;

/// USING TIMESTAMP.
pub(super) fn own_timestamp(slot: &Slot, bound: &Bound<'_>) -> Result<Option<i64>, Refusal> {
    let timestamp = bound.number(slot, "timestamp")?;
    if timestamp == Some(NEVER) {
        return Err(invalid(format!("Out of bound timestamp, must be in [{}, {}]", NEVER + 1, i64::MAX)));
    }
    Ok(timestamp)
}

/// USING TTL, or what the table says.
fn expiry(plan: &WritePlan, bound: &Bound<'_>) -> Result<Option<Expiry>, Refusal> {
    let ttl = match bound.value(&plan.ttl)? {
        Value::Unset => i64::from(plan.schema.options.default_time_to_live()),
        Value::Null => 0,
        Value::Bytes(_) => bound.number(&plan.ttl, "ttl")?.unwrap_or(0),
    };
    if ttl < 0 {
        return Err(invalid(format!("A TTL must be greater or equal to 0, but was {ttl}")));
    }
    match u32::try_from(ttl) {
        Ok(0) => Ok(None),
        Ok(ttl) if ttl <= TTL_LIMIT => Ok(Some(Expiry { ttl, at: bound.now_seconds + i64::from(ttl) })),
        _ => Err(invalid(format!("ttl is too large. requested ({ttl}) maximum ({TTL_LIMIT})"))),
    }
}

struct Write<'s, 'b> {
    store: &'s Store,
    plan: &'b WritePlan,
    bound: &'b Bound<'b>,
    timestamp: i64,
    expiry: Option<Expiry>,
}

impl<'b> Write<'_, 'b> {
    fn partition(&self, partition: PartitionKey, out: &mut Vec<Mutation<'b>>) -> Result<(), Refusal> {
        let plan = self.plan;
        let schema = &*plan.schema;
        match &plan.target {
            Target::DeletePartition => {
                out.push(self.mutation(partition, Change::DeletePartition(self.timestamp)));
            }
            Target::DeleteRows(clustering) => {
                let whole = clustering.columns() == schema.clustering_len;
                if whole && clustering.lower.is_none() && clustering.upper.is_none() {
                    for key in keys::prefixes(schema, clustering, self.bound)? {
                        let data = RowData { deleted_at: self.timestamp, ..RowData::default() };
                        out.push(self.mutation(partition.clone(), row_change(key, data)));
                    }
                } else {
                    for slice in keys::slices(schema, clustering, self.bound)?.into_owned() {
                        let change = Change::DeleteSlice(slice, self.timestamp);
                        out.push(self.mutation(partition.clone(), change));
                    }
                }
            }
            Target::Static => {
                let data = self.data(&partition, None)?;
                out.push(self.mutation(partition, Change::Static(data)));
            }
            Target::Rows(clustering) => {
                if schema.has_static() {
                    let data = self.data(&partition, None)?;
                    if !data.cells.is_empty() {
                        out.push(self.mutation(partition.clone(), Change::Static(data)));
                    }
                }
                let (rows, last) = match clustering.points.is_empty() {
                    true => (Vec::new(), Some(RowKey::default())),
                    false => {
                        let mut rows = keys::prefixes(schema, clustering, self.bound)?;
                        let last = rows.pop();
                        (rows, last)
                    }
                };
                for key in rows {
                    let data = self.data(&partition, Some(&key))?;
                    out.push(self.mutation(partition.clone(), row_change(key, data)));
                }
                if let Some(key) = last {
                    let data = self.data(&partition, Some(&key))?;
                    out.push(self.mutation(partition, row_change(key, data)));
                }
            }
        }
        Ok(())
    }

    fn mutation(&self, partition: PartitionKey, change: Change<'b>) -> Mutation<'b> {
        Mutation { table: self.plan.table, partition, change, now_seconds: self.bound.now_seconds }
    }

    /// What is written to a row, or to the static one.
    fn data(&self, partition: &PartitionKey, key: Option<&RowKey>) -> Result<RowData<'b>, Refusal> {
        let schema = &*self.plan.schema;
        let mut data =
            RowData { cells: Vec::with_capacity(self.plan.operations.len()), ..RowData::default() };
        if self.plan.marks_row && key.is_some() {
            data.marker = Some(Marker { timestamp: self.timestamp, expiry: self.expiry });
        }
        for operation in &self.plan.operations {
            let column = &schema.columns[operation.column];
            if (column.kind == Kind::Static) != key.is_none() {
                continue;
            }
            let place = Place { partition, key, column };
            let Some(content) = self.content(&place, &operation.change)? else { continue };
            match (data.cells.last_mut(), content) {
                // Several elements of one column.
                (Some((number, Content::Complex(before))), Content::Complex(more))
                    if *number == column.number =>
                {
                    before.deleted_at = before.deleted_at.max(more.deleted_at);
                    before.elements.extend(more.elements);
                    sort_elements(schema, column, &mut before.elements);
                }
                (_, content) => data.cells.push((column.number, content)),
            }
        }
        Ok(data)
    }

    fn content(&self, place: &Place<'_>, change: &'b plan::Change) -> Result<Option<Content<'b>>, Refusal> {
        let column = place.column;
        let name = &column.name;
        match change {
            plan::Change::Set(slot) => {
                let value = match self.bound.value(slot)? {
                    Value::Unset => return Ok(None),
                    Value::Null => None,
                    Value::Bytes(bytes) => Some(bytes),
                };
                if !column.data_type.multi_cell {
                    return Ok(Some(Content::Simple(self.cell(value))));
                }
                let Some(value) = value else {
                    return Ok(Some(Content::Complex(Complex {
                        deleted_at: self.timestamp,
                        elements: Vec::new(),
                    })));
                };
                let elements = self.elements(column, &value, true)?;
                Ok(Some(Content::Complex(Complex { deleted_at: self.timestamp.saturating_sub(1), elements })))
            }
            plan::Change::Append(slot) => Ok(match self.bound.value(slot)? {
                Value::Bytes(value) => Some(added(self.elements(column, &value, true)?)),
                _ => None,
            }),
            plan::Change::Prepend(slot) => Ok(match self.bound.value(slot)? {
                Value::Bytes(value) => Some(added(self.elements(column, &value, false)?)),
                _ => None,
            }),
            plan::Change::Subtract(slot) => match self.bound.value(slot)? {
                Value::Bytes(value) => self.subtract(place, &value),
                _ => Ok(None),
            },
            plan::Change::SetElement(key, value) => {
                let value = match self.bound.value(value)? {
                    Value::Unset => return Ok(None),
                    value => value.or_null(),
                };
                let path = match column.column_type() {
                    ColumnType::List(_) => self.path_at(place, key)?,
                    _ => match self.bound.value(key)? {
                        Value::Bytes(key) => key.into_owned(),
                        Value::Null => return Err(invalid("Invalid null map key".into())),
                        Value::Unset => return Err(invalid("Invalid unset map key".into())),
                    },
                };
                Ok(Some(added(vec![(Cow::Owned(path), self.cell(value))])))
            }
            plan::Change::DeleteElement(key) => match self.bound.value(key)? {
                Value::Bytes(key) => Ok(Some(added(vec![(key, self.cell(None))]))),
                Value::Null => Err(invalid(format!("Invalid null set element of {name}"))),
                Value::Unset => Err(invalid(format!("Invalid unset set element of {name}"))),
            },
            plan::Change::SetField(number, value) => {
                let value = match self.bound.value(value)? {
                    Value::Unset => return Ok(None),
                    value => value.or_null(),
                };
                let path = Cow::Owned(number.to_be_bytes().to_vec());
                Ok(Some(added(vec![(path, self.cell(value))])))
            }
            plan::Change::Count { by, negative } => {
                if self.bound.value(by)? == Value::Unset {
                    return Ok(None);
                }
                let by = self.bound.number(by, "counter increment")?.unwrap_or(0);
                let by = if *negative { by.wrapping_neg() } else { by };
                Ok(Some(Content::Delta { timestamp: self.timestamp, by }))
            }
        }
    }

    fn cell(&self, value: Option<Cow<'b, [u8]>>) -> Cell<'b> {
        let expiry = if value.is_some() { self.expiry } else { None };
        Cell { timestamp: self.timestamp, expiry, value }
    }

    /// The cells of a collection's or type's value. Those of a list get places behind all others, or before them.
    fn elements(&self, column: &Column, value: &[u8], behind: bool) -> Result<Vec<Element<'b>>, Refusal> {
        let owned = |bytes: &[u8]| Cow::Owned(bytes.to_vec());
        let counted = !matches!(column.column_type(), ColumnType::Udt(_));
        let pieces = types::elements(value, counted);
        let mut elements = Vec::with_capacity(pieces.len());
        match column.column_type() {
            ColumnType::List(_) => {
                let first = self.store.places(pieces.len());
                for (at, piece) in pieces.iter().enumerate() {
                    let place = match behind {
                        true => MIDDLE + first + at as u64,
                        false => MIDDLE - 1 - first - (pieces.len() - 1 - at) as u64,
                    };
                    elements.push((owned(&place.to_be_bytes()), self.cell(piece.map(owned))));
                }
                return Ok(elements);
            }
            ColumnType::Udt(_) => {
                for (number, piece) in pieces.iter().enumerate() {
                    if let Some(piece) = piece {
                        elements.push((owned(&(number as u16).to_be_bytes()), self.cell(Some(owned(piece)))));
                    }
                }
                return Ok(elements);
            }
            ColumnType::Map(_) => {
                for pair in pieces.chunks_exact(2) {
                    elements.push((owned(pair[0].unwrap_or_default()), self.cell(pair[1].map(owned))));
                }
            }
            _ => {
                for piece in pieces.iter().flatten() {
                    elements.push((owned(piece), self.cell(Some(Cow::Borrowed(&[])))));
                }
            }
        }
        sort_elements(&self.plan.schema, column, &mut elements);
        Ok(elements)
    }

    fn subtract(&self, place: &Place<'_>, value: &[u8]) -> Result<Option<Content<'b>>, Refusal> {
        let wanted = types::elements(value, true);
        let mut elements = Vec::new();
        match place.column.column_type() {
            ColumnType::List(_) => {
                self.read(place, |path, value| {
                    if wanted.contains(&Some(value)) {
                        elements.push((Cow::Owned(path.to_vec()), self.cell(None)));
                    }
                });
            }
            _ => {
                for key in wanted.into_iter().flatten() {
                    elements.push((Cow::Owned(key.to_vec()), self.cell(None)));
                }
                sort_elements(&self.plan.schema, place.column, &mut elements);
            }
        }
        Ok((!elements.is_empty()).then(|| added(elements)))
    }

    /// What names the element of a list at that position.
    fn path_at(&self, place: &Place<'_>, position: &Slot) -> Result<Vec<u8>, Refusal> {
        let position = match self.bound.value(position)? {
            Value::Bytes(_) => self.bound.number(position, "list index")?.unwrap_or(-1),
            Value::Null => return Err(invalid("Invalid null value for list index".into())),
            Value::Unset => return Err(invalid("Invalid unset value for list index".into())),
        };
        let mut paths = Vec::new();
        self.read(place, |path, _| paths.push(path.to_vec()));
        let len = paths.len();
        if len == 0 {
            return Err(invalid("Attempted to set an element on a list which is null".into()));
        }
        let found = usize::try_from(position).ok().filter(|at| *at < len);
        let at = found
            .ok_or_else(|| invalid(format!("List index {position} out of bound, list has size {len}")))?;
        Ok(paths.swap_remove(at))
    }

    /// Shows the live elements that a column has now.
    fn read(&self, place: &Place<'_>, mut show: impl FnMut(&[u8], &[u8])) {
        let Some(table) = self.store.table(self.plan.table) else { return };
        let clustering = place.key.map_or(&[][..], |key| &key.ordered);
        let Some(found) = table.find(place.partition, clustering) else { return };
        let now = self.bound.now_seconds;
        let (row, clustering_len) = match place.key {
            Some(_) => (found.row, self.plan.schema.clustering_len),
            None => (found.static_row, 0),
        };
        read(row, clustering_len, now, |part| {
            let Part::Column(number, RawContent::Complex(complex)) = part else { return };
            if number == place.column.number {
                for (path, cell) in complex.elements().filter(|(_, cell)| cell.is_live(now)) {
                    show(path, cell.value.unwrap_or_default());
                }
            }
        });
    }
}

/// Where a column is.
struct Place<'p> {
    partition: &'p PartitionKey,
    /// `None`: in the static row.
    key: Option<&'p RowKey>,
    column: &'p Column,
}

/// Places in lists are counted from here, up and down.
const MIDDLE: u64 = 1 << 63;

fn row_change(key: RowKey, data: RowData<'_>) -> Change<'_> {
    Change::Row { clustering: key.ordered, values: key.values, data }
}

/// Elements beside those that there are.
fn added<'b>(elements: Vec<Element<'b>>) -> Content<'b> {
    Content::Complex(Complex { deleted_at: NEVER, elements })
}

/// By what names them; of equal ones the last stays.
fn sort_elements(schema: &Schema, column: &Column, elements: &mut Vec<Element<'_>>) {
    let placed = std::mem::take(elements).into_iter();
    let mut placed = placed
        .map(|element| (schema.path_order(column.number, &element.0).into_owned(), element))
        .collect::<Vec<_>>();
    if !placed.windows(2).all(|pair| pair[0].0 < pair[1].0) {
        placed.sort_by(|a, b| a.0.cmp(&b.0));
        placed.reverse();
        placed.dedup_by(|a, b| a.0 == b.0);
        placed.reverse();
    }
    elements.extend(placed.into_iter().map(|(_, element)| element));
}
