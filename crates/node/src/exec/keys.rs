//! Which partitions and rows a plan means, once its values are there.

use std::borrow::Cow;
use std::ops::Bound as End;

use super::functions::partition_key;
use super::plan::{Choices, Clustering, Edge};
use super::slot::{Bound, Slot, Value};
use crate::refusal::{Refusal, invalid};
use crate::store::schema::{Column, Schema};
use crate::store::slice::{Slice, after_prefix};
use crate::store::table::{PartitionKey, Range};
use crate::types;

/// How many keys all the values of IN together may make.
const KEY_LIMIT: usize = 1 << 16;

/// A clustering key: as bytes in order, and as the values that it is of, each behind its length.
#[derive(Clone, Debug, Default)]
pub(super) struct RowKey {
    pub(super) ordered: Vec<u8>,
    pub(super) values: Vec<u8>,
}

/// Partitions: mostly it is one, which needs no list.
pub(super) enum Partitions {
    One(PartitionKey),
    Many(Vec<PartitionKey>),
}

impl Partitions {
    pub(super) fn as_slice(&self) -> &[PartitionKey] {
        match self {
            Self::One(key) => std::slice::from_ref(key),
            Self::Many(keys) => keys,
        }
    }
}

/// The partitions of a whole key, in the order of the values.
pub(super) fn partitions(
    schema: &Schema,
    choices: &[Choices],
    bound: &Bound<'_>,
) -> Result<Partitions, Refusal> {
    // Most keys are one value.
    if let ([Choices::One(slot)], [column]) = (choices, schema.partition_columns()) {
        let value = bound.required(slot, &column.name)?;
        return whole_key(&value).map(Partitions::One);
    }
    let mut keys: Vec<Vec<Cow<'_, [u8]>>> = vec![Vec::new()];
    for (choices, column) in choices.iter().zip(schema.partition_columns()) {
        let values = values(choices, column, bound)?;
        keys = product(&keys, &values, |key, value| {
            let mut key = key.clone();
            key.push(value.clone());
            key
        })?;
    }
    let whole = keys.iter().map(|key| {
        let parts = key.iter().map(|value| &**value).collect::<Vec<_>>();
        whole_key(&partition_key(&parts)?)
    });
    whole.collect::<Result<_, _>>().map(Partitions::Many)
}

fn whole_key(key: &[u8]) -> Result<PartitionKey, Refusal> {
    if key.is_empty() {
        return Err(invalid("Key may not be empty".into()));
    }
    if key.len() > usize::from(u16::MAX) {
        return Err(invalid(format!("Key length of {} is longer than maximum of 65535", key.len())));
    }
    Ok(PartitionKey::new(key))
}

/// How long these keys may be in all.
const KEY_LIMIT_BYTES: usize = 64 << 20;

fn product<K: Measured, V: Measured>(
    keys: &[K],
    values: &[V],
    with: impl Fn(&K, &V) -> K,
) -> Result<Vec<K>, Refusal> {
    let (key_bytes, value_bytes) =
        (keys.iter().map(K::bytes).sum::<usize>(), values.iter().map(V::bytes).sum::<usize>());
    let bytes = key_bytes.saturating_mul(values.len()).saturating_add(value_bytes.saturating_mul(keys.len()));
    if keys.len().saturating_mul(values.len()) > KEY_LIMIT || bytes > KEY_LIMIT_BYTES {
        return Err(invalid(format!(
            "IN makes more than {KEY_LIMIT} keys or {} MB of them, the most that this node takes",
            KEY_LIMIT_BYTES >> 20
        )));
    }
    Ok(keys.iter().flat_map(|key| values.iter().map(|value| with(key, value)).collect::<Vec<_>>()).collect())
}

trait Measured {
    fn bytes(&self) -> usize;
}

impl Measured for RowKey {
    fn bytes(&self) -> usize {
        self.ordered.len() + self.values.len()
    }
}

impl Measured for Cow<'_, [u8]> {
    fn bytes(&self) -> usize {
        self.len()
    }
}

impl<T: Measured> Measured for Vec<T> {
    fn bytes(&self) -> usize {
        self.iter().map(T::bytes).sum()
    }
}

/// The values of one column: several are in their order, and none twice.
fn values<'b>(
    choices: &'b Choices,
    column: &Column,
    bound: &'b Bound<'_>,
) -> Result<Vec<Cow<'b, [u8]>>, Refusal> {
    let mut values = all(choices, &column.name, bound)?;
    if values.len() > 1 {
        let mut ordered = Vec::with_capacity(values.len());
        for value in values {
            ordered.push((types::ordered(column.column_type(), &value).map_err(invalid)?, value));
        }
        ordered.sort();
        ordered.dedup_by(|a, b| a.0 == b.0);
        values = ordered.into_iter().map(|(_, value)| value).collect();
    }
    Ok(values)
}

fn all<'b>(choices: &'b Choices, name: &str, bound: &'b Bound<'_>) -> Result<Vec<Cow<'b, [u8]>>, Refusal> {
    match choices {
        Choices::One(slot) => Ok(vec![bound.required(slot, name)?]),
        Choices::Each(slots) => slots.iter().map(|slot| bound.required(slot, name)).collect(),
        Choices::List(slot) => {
            let list = bound.required(slot, name)?;
            let pieces = types::elements(&list, true).into_iter();
            let owned = pieces.map(|piece| piece.map(|piece| Cow::Owned(piece.to_vec())));
            let null = || invalid(format!("Invalid null value in condition for column {name}"));
            owned.collect::<Option<_>>().ok_or_else(null)
        }
    }
}

/// The first columns of rows, as given by equality and IN, in no order yet.
pub(super) fn prefixes(
    schema: &Schema,
    clustering: &Clustering,
    bound: &Bound<'_>,
) -> Result<Vec<RowKey>, Refusal> {
    let mut keys = vec![RowKey::default()];
    let mut columns = schema.clustering_columns();
    for point in &clustering.points {
        let (here, rest) = columns.split_at(point.columns.min(columns.len()));
        columns = rest;
        let Some(first) = here.first() else { break };
        let mut parts = Vec::new();
        for value in all(&point.values, &first.name, bound)? {
            let values = if point.is_tuple { split(&value, here)? } else { vec![value] };
            let mut part = RowKey::default();
            for (column, value) in here.iter().zip(&values) {
                push(column, value, &mut part.ordered)?;
                types::put_piece(Some(value), &mut part.values);
            }
            parts.push(part);
        }
        if let ([key], [part]) = (&mut *keys, &*parts) {
            key.ordered.extend_from_slice(&part.ordered);
            key.values.extend_from_slice(&part.values);
            continue;
        }
        keys = product(&keys, &parts, |key, part| RowKey {
            ordered: [&*key.ordered, &part.ordered].concat(),
            values: [&*key.values, &part.values].concat(),
        })?;
    }
    Ok(keys)
}

fn push(column: &Column, value: &[u8], out: &mut Vec<u8>) -> Result<(), Refusal> {
    types::push_ordered(column.column_type(), value, column.is_descending(), out).map_err(invalid)
}

/// The values of a tuple, none of them null.
fn split<'v>(tuple: &[u8], columns: &[Column]) -> Result<Vec<Cow<'v, [u8]>>, Refusal> {
    let pieces = types::elements(tuple, false);
    let null =
        |column: &Column| invalid(format!("Invalid null value in condition for column {}", column.name));
    let value = |(at, column): (usize, &Column)| {
        let piece = pieces.get(at).copied().flatten();
        piece.map(|piece| Cow::Owned(piece.to_vec())).ok_or_else(|| null(column))
    };
    columns.iter().enumerate().map(value).collect()
}

/// The rows that are meant, in order and without overlaps.
pub(super) fn slices(
    schema: &Schema,
    clustering: &Clustering,
    bound: &Bound<'_>,
) -> Result<Cow<'static, [Slice]>, Refusal> {
    const ALL: &[Slice] = &[Slice::ALL];
    if clustering.is_empty() {
        return Ok(Cow::Borrowed(ALL));
    }
    let prefixes = prefixes(schema, clustering, bound)?;
    let columns = &schema.clustering_columns()[clustering.columns().min(schema.clustering_len)..];
    let lower = beyond(columns, clustering.lower.as_ref(), true, bound)?;
    let upper = beyond(columns, clustering.upper.as_ref(), false, bound)?;
    let mut slices = Vec::new();
    for prefix in prefixes {
        for low in &lower {
            for high in &upper {
                let slice = low.intersection(high);
                let from = [&*prefix.ordered, &slice.from].concat();
                let to = match slice.to {
                    Some(to) => Some([&*prefix.ordered, &to].concat()),
                    None => after_prefix(&prefix.ordered),
                };
                slices.push(Slice { from, to });
            }
        }
    }
    slices.retain(|slice| !slice.is_empty());
    slices.sort_by(|a, b| a.from.cmp(&b.from));
    slices.dedup();
    Ok(Cow::Owned(slices))
}

/// What lies on one side of an edge, relative to the prefix. Of several columns of different directions these are several
/// slices: those with a greater first column, those with an equal first and a greater second one, and so on.
fn beyond(
    columns: &[Column],
    edge: Option<&Edge>,
    greater: bool,
    bound: &Bound<'_>,
) -> Result<Vec<Slice>, Refusal> {
    let Some(Edge { value, columns: count, is_tuple, inclusive }) = edge else { return Ok(vec![Slice::ALL]) };
    let columns = &columns[..(*count).min(columns.len())];
    let Some(first) = columns.first() else { return Ok(vec![Slice::ALL]) };
    let bytes = match bound.value(value)? {
        Value::Bytes(bytes) => bytes,
        // As in Cassandra a bound that isn't set is none.
        Value::Unset if matches!(value, Slot::Marker(_)) => return Ok(vec![Slice::ALL]),
        _ => return Err(invalid(format!("Invalid null value in condition for column {}", first.name))),
    };
    let values = if *is_tuple { split(&bytes, columns)? } else { vec![bytes] };
    let mut slices = Vec::new();
    let mut prefix = Vec::new();
    for (at, (column, value)) in columns.iter().zip(&values).enumerate() {
        let before = prefix.clone();
        push(column, value, &mut prefix)?;
        let included = *inclusive && at + 1 == columns.len();
        let end = after_prefix(&before);
        // What is greater comes later, unless the column descends.
        slices.push(if greater != column.is_descending() {
            let from = if included { Some(prefix.clone()) } else { after_prefix(&prefix) };
            match from {
                Some(from) => Slice { from, to: end },
                None => continue,
            }
        } else {
            let to = if included { after_prefix(&prefix) } else { Some(prefix.clone()) };
            Slice { from: before, to }
        });
    }
    Ok(slices)
}

/// The range of the ring between two tokens; `None` if nothing can be in it. As in the server, the least token as an upper
/// bound is the end of the ring.
pub(super) fn token_range(
    bound: &Bound<'_>,
    lower: &Option<(Slot, bool)>,
    upper: &Option<(Slot, bool)>,
) -> Result<Option<Range>, Refusal> {
    let token = |edge: &Option<(Slot, bool)>| -> Result<Option<(i64, bool)>, Refusal> {
        let Some((slot, inclusive)) = edge else { return Ok(None) };
        let bytes = bound.required(slot, "partition key token")?;
        let bytes = <[u8; 8]>::try_from(&*bytes).map_err(|_| invalid("a token has 8 bytes".into()))?;
        Ok(Some((i64::from_be_bytes(bytes), *inclusive)))
    };
    let first = PartitionKey::first_of;
    let from = match token(lower)? {
        None => End::Unbounded,
        Some((token, true)) => End::Included(first(token)),
        Some((i64::MAX, false)) => return Ok(None),
        Some((token, false)) => End::Included(first(token + 1)),
    };
    let to = match token(upper)? {
        None | Some((i64::MIN | i64::MAX, true)) | Some((i64::MIN, false)) => End::Unbounded,
        Some((token, true)) => End::Excluded(first(token + 1)),
        Some((token, false)) => End::Excluded(first(token)),
    };
    Ok(Some((from, to)))
}
