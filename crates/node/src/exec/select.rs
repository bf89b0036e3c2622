//! SELECT: ranges of the ring, scanned in order, a page at a time.

use std::borrow::Cow;
use std::ops::Bound as Edge;

use helenus_core::protocol::wire::{Value, put_bytes};

use super::paging::Position;
use super::{Bound, Output, Partitions, SelectPlan, Slot};
use crate::refusal::{Refusal, invalid};
use crate::store::row::{Cells, Components, partition_key};
use crate::store::schema::{Kind, Schema};
use crate::store::table::{Found, PartitionKey, Range, Table};
use crate::types::{push_json, push_ordered};

/// A page ends here even if it has fewer rows than asked for, which the protocol allows.
const PAGE_LIMIT_BYTES: usize = 8 << 20;

/// A result that isn't paged may not be longer.
const RESULT_LIMIT_BYTES: usize = 64 << 20;

/// The rows of one page, encoded.
pub(crate) struct Page {
    pub(crate) rows: Vec<u8>,
    pub(crate) count: usize,
    /// If there are more.
    pub(crate) paging_state: Option<Vec<u8>>,
}

/// How much of the result is wanted.
pub(crate) struct Window<'a> {
    /// Rows in a page, if the result is to be paged.
    pub(crate) page_size: Option<usize>,
    pub(crate) paging_state: Option<&'a [u8]>,
}

/// Finds the rows in `table`, which is that of the plan.
pub(crate) fn run(
    table: &Table,
    plan: &SelectPlan,
    bound: &Bound<'_>,
    window: &Window<'_>,
) -> Result<Page, Refusal> {
    let limit = limit(plan, bound)?;
    let ranges = ranges(plan, bound)?;
    let prefix = prefix(plan, bound)?;
    if plan.outputs.first() == Some(&Output::Count) {
        return Ok(count(table, plan, ranges, &prefix, limit));
    }
    let resume = window.paging_state.map(|state| Position::decode(state, plan.schema.id)).transpose()?;
    let remaining = resume.as_ref().map_or(limit, |position| position.remaining.min(limit));
    let mut writer = RowWriter {
        plan,
        rows: Vec::new(),
        count: 0,
        remaining,
        page_size: window.page_size.unwrap_or(usize::MAX),
        paged: window.page_size.is_some(),
        last: None,
        more: false,
        failure: None,
    };
    let resume = resume.as_ref().map(|position| (&position.partition, position.clustering.as_slice()));
    for range in ranges {
        if !table.scan(range, &prefix, resume, &mut |found| writer.visit(found)) {
            break;
        }
    }
    writer.finish()
}

fn limit(plan: &SelectPlan, bound: &Bound<'_>) -> Result<u64, Refusal> {
    let bytes = match bound.value(&plan.limit)? {
        Value::Unset => return Ok(u64::MAX),
        Value::Null => return Err(invalid("Invalid null value of limit".into())),
        Value::Bytes(bytes) => bytes,
    };
    let limit = <[u8; 4]>::try_from(bytes).map(i32::from_be_bytes).unwrap_or(0);
    match u64::try_from(limit) {
        Ok(limit) if limit > 0 => Ok(limit),
        _ => Err(invalid("LIMIT must be strictly positive".into())),
    }
}

fn prefix(plan: &SelectPlan, bound: &Bound<'_>) -> Result<Vec<u8>, Refusal> {
    let mut prefix = Vec::new();
    for (slot, column) in plan.prefix.iter().zip(plan.schema.clustering_columns()) {
        let value = bound.required(slot, &column.name)?;
        let descending = column.kind == Kind::Clustering { descending: true };
        push_ordered(&column.column_type, value, descending, &mut prefix).map_err(invalid)?;
    }
    Ok(prefix)
}

/// In ring order, without overlaps.
fn ranges(plan: &SelectPlan, bound: &Bound<'_>) -> Result<Vec<Range>, Refusal> {
    let schema = &plan.schema;
    match &plan.partitions {
        Partitions::Tokens { lower, upper } => Ok(token_range(bound, lower, upper)?.into_iter().collect()),
        Partitions::Key(slots) => Ok(keys(vec![key(schema, bound, slots)?])),
        Partitions::Keys(slots) => {
            let found = slots.iter().map(|slot| key(schema, bound, std::slice::from_ref(slot)));
            found.collect::<Result<_, _>>().map(keys)
        }
        Partitions::KeysMarker(at) => {
            let list = Slot::Marker(*at);
            // A validated list: a count, then each value behind its length.
            let list = bound.required(&list, "IN")?.get(4..).unwrap_or_default();
            let values = Cells(list).flatten().map(|value| {
                let mut bytes = Vec::new();
                partition_key(1, [value].into_iter(), &mut bytes).map_err(invalid)?;
                Ok(PartitionKey::new(&bytes))
            });
            values.collect::<Result<_, Refusal>>().map(keys)
        }
    }
}

fn key(schema: &Schema, bound: &Bound<'_>, slots: &[Slot]) -> Result<PartitionKey, Refusal> {
    let mut values = Vec::with_capacity(slots.len());
    for (slot, column) in slots.iter().zip(schema.partition_columns()) {
        values.push(bound.required(slot, &column.name)?);
    }
    let mut bytes = Vec::new();
    partition_key(schema.partition_len, values.into_iter(), &mut bytes).map_err(invalid)?;
    if bytes.is_empty() {
        return Err(invalid("Key may not be empty".into()));
    }
    Ok(PartitionKey::new(&bytes))
}

fn keys(mut keys: Vec<PartitionKey>) -> Vec<Range> {
    keys.sort();
    keys.dedup();
    keys.into_iter().map(|key| (Edge::Included(key.clone()), Edge::Included(key))).collect()
}

/// `None` if nothing can be in it. As in the server, the least token as an upper bound is the end of the ring.
fn token_range(
    bound: &Bound<'_>,
    lower: &Option<(Slot, bool)>,
    upper: &Option<(Slot, bool)>,
) -> Result<Option<Range>, Refusal> {
    let token = |edge: &Option<(Slot, bool)>| -> Result<Option<(i64, bool)>, Refusal> {
        let Some((slot, inclusive)) = edge else { return Ok(None) };
        let bytes = bound.required(slot, "token")?;
        let bytes = <[u8; 8]>::try_from(bytes).map_err(|_| invalid("a token has 8 bytes".into()))?;
        Ok(Some((i64::from_be_bytes(bytes), *inclusive)))
    };
    let first = |token| PartitionKey { token, key: Box::default() };
    let from = match token(lower)? {
        None => Edge::Unbounded,
        Some((token, true)) => Edge::Included(first(token)),
        Some((i64::MAX, false)) => return Ok(None),
        Some((token, false)) => Edge::Included(first(token + 1)),
    };
    let to = match token(upper)? {
        None | Some((i64::MIN | i64::MAX, true)) | Some((i64::MIN, false)) => Edge::Unbounded,
        Some((token, true)) => Edge::Excluded(first(token + 1)),
        Some((token, false)) => Edge::Excluded(first(token)),
    };
    Ok(Some((from, to)))
}

fn count(table: &Table, plan: &SelectPlan, ranges: Vec<Range>, prefix: &[u8], limit: u64) -> Page {
    let mut total = 0i64;
    for range in ranges {
        table.scan(range, prefix, None, &mut |_| {
            total += 1;
            true
        });
    }
    let mut rows = Vec::new();
    for _ in &plan.outputs {
        rows.extend_from_slice(&8i32.to_be_bytes());
        rows.extend_from_slice(&total.to_be_bytes());
    }
    // A limit is one of result rows, of which there is one.
    debug_assert!(limit > 0, "`limit` refuses others");
    Page { rows, count: 1, paging_state: None }
}

struct RowWriter<'a, 'p> {
    plan: &'p SelectPlan,
    rows: Vec<u8>,
    count: usize,
    remaining: u64,
    page_size: usize,
    paged: bool,
    last: Option<Found<'a>>,
    more: bool,
    failure: Option<Refusal>,
}

impl<'a> RowWriter<'a, '_> {
    /// Takes a row, or notices that there is one too many.
    fn visit(&mut self, found: Found<'a>) -> bool {
        if self.remaining == 0 {
            return false;
        }
        let full = self.count >= self.page_size || (self.paged && self.rows.len() >= PAGE_LIMIT_BYTES);
        if full {
            self.more = true;
            return false;
        }
        if self.rows.len() > RESULT_LIMIT_BYTES {
            self.failure = Some(invalid(format!(
                "the result is longer than {} MB, the most that this node sends at once: ask for pages",
                RESULT_LIMIT_BYTES >> 20
            )));
            return false;
        }
        self.put(found);
        self.count += 1;
        self.remaining -= 1;
        self.last = Some(found);
        true
    }

    fn put(&mut self, found: Found<'_>) {
        let schema = &self.plan.schema;
        let mut values = Values::new(schema, found);
        for output in &self.plan.outputs {
            let value = match output {
                Output::Column(at) => values.get(*at).map(Cow::Borrowed),
                Output::Token => Some(Cow::Owned(found.partition.token.to_be_bytes().to_vec())),
                Output::Json(at) => {
                    let mut json = String::new();
                    push_json(&schema.columns[*at].column_type, values.get(*at), &mut json);
                    Some(Cow::Owned(json.into_bytes()))
                }
                Output::Count => None,
            };
            // Cells come from frames, which are shorter than what can't be encoded.
            if put_bytes(&mut self.rows, value.as_deref()).is_err() {
                self.failure = Some(invalid("a value is too long to be sent".into()));
            }
        }
    }

    fn finish(self) -> Result<Page, Refusal> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        let paging_state = match (self.more, self.last) {
            (true, Some(last)) => Some(
                Position {
                    table: self.plan.schema.id,
                    remaining: self.remaining,
                    partition: last.partition.clone(),
                    clustering: last.clustering.to_vec(),
                }
                .encode(),
            ),
            _ => None,
        };
        Ok(Page { rows: self.rows, count: self.count, paging_state })
    }
}

/// A row's values by column. Columns are mostly asked for in order, so cells are walked, not collected.
struct Values<'a> {
    partition_len: usize,
    found: Found<'a>,
    cells: Cells<'a>,
    next: usize,
}

impl<'a> Values<'a> {
    fn new(schema: &Schema, found: Found<'a>) -> Self {
        let partition_len = schema.partition_len;
        Self { partition_len, found, cells: Cells(found.row), next: partition_len }
    }

    fn get(&mut self, at: usize) -> Option<&'a [u8]> {
        if at < self.partition_len {
            let key = &self.found.partition.key;
            return if self.partition_len == 1 { Some(key) } else { Components(key).nth(at) };
        }
        if at < self.next {
            self.cells = Cells(self.found.row);
            self.next = self.partition_len;
        }
        let skip = at - self.next;
        self.next = at + 1;
        self.cells.nth(skip).flatten()
    }
}
