//! SELECT: partitions and their rows, scanned in order, a page at a time.

use std::borrow::Cow;
use std::ops::Bound as End;

use helenus_core::protocol::ColumnType;
use helenus_core::protocol::wire::put_bytes;

use super::keys;
use super::output::{Row, Running};
use super::paging::{Position, foreign};
use super::plan::{Filter, Partitions, SelectPlan, Test};
use super::slot::{Bound, Slot};
use super::test::{Subject, compare_or_nothing, passes};
use super::values::RowValues;
use crate::cql::Operator;
use crate::refusal::{Refusal, invalid};
use crate::store::table::{Found, PartitionKey, Range, Step, Table, Window};
use crate::types;

/// A page ends here even if it has fewer rows than asked for, which the protocol allows.
const PAGE_LIMIT_BYTES: usize = 8 << 20;

/// A result that isn't paged may not be longer.
pub(super) const RESULT_LIMIT_BYTES: usize = 64 << 20;

/// The rows of one page, encoded.
pub(crate) struct Page {
    pub(crate) rows: Vec<u8>,
    pub(crate) count: usize,
    /// If there are more.
    pub(crate) paging_state: Option<Vec<u8>>,
}

/// How much of the result is wanted.
pub(crate) struct Wanted<'a> {
    /// Rows in a page, if the result is to be paged.
    pub(crate) page_size: Option<usize>,
    pub(crate) paging_state: Option<&'a [u8]>,
}

/// Finds the rows in `table`, which is that of the plan.
pub(crate) fn run(
    table: &Table,
    plan: &SelectPlan,
    bound: &Bound<'_>,
    wanted: &Wanted<'_>,
) -> Result<Page, Refusal> {
    let limit = limit(&plan.limit, "limit", "LIMIT", bound)?;
    let per_partition = limit_of_partition(plan, bound)?;
    if plan.sorted && wanted.page_size.is_some() {
        return Err(invalid(
            "Cannot page queries with both ORDER BY and a IN restriction on the partition key; you must either remove the \
             ORDER BY or the IN and sort client side, or disable paging for this query"
                .into(),
        ));
    }
    let whole = plan.aggregates || plan.sorted;
    let resume = wanted.paging_state.filter(|_| !whole);
    let resume = resume.map(|state| Position::decode(state, plan.schema.id)).transpose()?;
    let slices = keys::slices(&plan.schema, &plan.clustering, bound)?;
    let mut writer = Writer {
        plan,
        bound,
        values: RowValues::default(),
        rows: Vec::new(),
        count: 0,
        remaining: match &resume {
            Some(position) => position.remaining.min(limit),
            None if whole => u64::MAX,
            None => limit,
        },
        per_partition,
        in_partition: per_partition,
        page_size: wanted.page_size.filter(|_| !whole).unwrap_or(usize::MAX),
        paged: wanted.page_size.is_some() && !whole,
        partition: None,
        last: None,
        more: false,
        running: plan.aggregates.then(|| plan.outputs.iter().map(Running::of).collect()),
        sorted: Vec::new(),
        sorted_bytes: 0,
        failure: None,
    };
    let resume = resume.as_ref().map(|position| {
        writer.in_partition = position.in_partition;
        (&position.partition, position.clustering.as_deref())
    });
    let window = Window { slices: &slices, reversed: plan.reversed, resume };
    match &plan.partitions {
        Partitions::Keys(choices) => {
            scan_keys(
                table,
                keys::partitions(&plan.schema, choices, bound)?.as_slice(),
                &window,
                &mut writer,
            )?;
        }
        Partitions::Tokens { lower, upper } => {
            if let Some(range) = keys::token_range(bound, lower, upper)? {
                scan_range(table, range, &window, &mut writer);
            }
        }
    }
    writer.finish(limit)
}

fn scan_keys<'a>(
    table: &'a Table,
    keys: &[PartitionKey],
    window: &Window<'_>,
    writer: &mut Writer<'a, '_>,
) -> Result<(), Refusal> {
    let first = match window.resume {
        Some((resumed, _)) => {
            let at = keys.iter().position(|key| key == resumed).ok_or_else(foreign)?;
            writer.resume_in(table, resumed);
            at
        }
        None => 0,
    };
    for key in &keys[first..] {
        if !table.scan_one(key, window, &mut |found| writer.visit(found)) {
            break;
        }
    }
    Ok(())
}

fn scan_range<'a>(table: &'a Table, range: Range, window: &Window<'_>, writer: &mut Writer<'a, '_>) {
    if let Some((resumed, _)) = window.resume {
        let inside = match &range.1 {
            End::Included(to) => resumed <= to,
            End::Excluded(to) => resumed < to,
            End::Unbounded => true,
        };
        if inside {
            writer.resume_in(table, resumed);
        }
    }
    table.scan(range, window, &mut |found| writer.visit(found));
}

fn limit(slot: &Slot, name: &str, called: &str, bound: &Bound<'_>) -> Result<u64, Refusal> {
    let Some(limit) = bound.number(slot, name)? else { return Ok(u64::MAX) };
    match u64::try_from(limit) {
        Ok(limit) if limit > 0 => Ok(limit),
        _ => Err(invalid(format!("{called} must be strictly positive"))),
    }
}

fn limit_of_partition(plan: &SelectPlan, bound: &Bound<'_>) -> Result<u64, Refusal> {
    let limit = limit(&plan.per_partition_limit, "per_partition_limit", "PER PARTITION LIMIT", bound)?;
    Ok(if plan.distinct { 1 } else { limit })
}

struct Writer<'a, 'p> {
    plan: &'p SelectPlan,
    bound: &'p Bound<'p>,
    values: RowValues<'a>,
    rows: Vec<u8>,
    count: usize,
    remaining: u64,
    per_partition: u64,
    /// How many rows the partition may still give.
    in_partition: u64,
    page_size: usize,
    paged: bool,
    /// The partition that is being scanned.
    partition: Option<&'a PartitionKey>,
    last: Option<Found<'a>>,
    more: bool,
    running: Option<Vec<Running>>,
    /// Each row's place and its cells, where rows are brought into order at the end.
    sorted: Vec<(Vec<u8>, Vec<u8>)>,
    sorted_bytes: usize,
    failure: Option<Refusal>,
}

impl<'a> Writer<'a, '_> {
    /// The first partition was begun by the page before.
    fn resume_in(&mut self, table: &'a Table, partition: &PartitionKey) {
        self.partition = table.find(partition, &[]).map(|found| found.partition);
    }

    fn visit(&mut self, found: Found<'a>) -> Step {
        match self.try_visit(found) {
            Ok(step) => step,
            Err(refusal) => {
                self.failure = Some(refusal);
                Step::Stop
            }
        }
    }

    /// Takes a row, or notices that there is one too many.
    fn try_visit(&mut self, found: Found<'a>) -> Result<Step, Refusal> {
        let again = self.partition.is_some_and(|partition| std::ptr::eq(partition, found.partition));
        if !again {
            self.partition = Some(found.partition);
            self.in_partition = self.per_partition;
        }
        if self.remaining == 0 {
            return Ok(Step::Stop);
        }
        if self.in_partition == 0 {
            return Ok(Step::NextPartition);
        }
        let live = self.values.load(&self.plan.schema, found, self.bound.now_seconds);
        // A static row stands for itself only if no row of its partition was shown.
        let only_static = found.row.is_empty() && live.static_row && !self.shown_of(found.partition);
        let shows = live.row || only_static || (self.plan.distinct && live.static_row);
        if !shows || !self.filters_pass()? {
            return Ok(Step::Next);
        }
        if self.count >= self.page_size || (self.paged && self.rows.len() >= PAGE_LIMIT_BYTES) {
            self.more = true;
            return Ok(Step::Stop);
        }
        if self.rows.len() + self.sorted_bytes > RESULT_LIMIT_BYTES {
            return Err(too_much());
        }
        self.put(found)?;
        self.count += 1;
        self.remaining -= 1;
        self.in_partition -= 1;
        self.last = Some(found);
        Ok(match (self.remaining, self.in_partition) {
            (0, _) => Step::Stop,
            (_, 0) => Step::NextPartition,
            _ => Step::Next,
        })
    }

    fn shown_of(&self, partition: &PartitionKey) -> bool {
        self.last.is_some_and(|last| std::ptr::eq(last.partition, partition))
    }

    fn filters_pass(&self) -> Result<bool, Refusal> {
        for filter in &self.plan.filters {
            if !self.filter_passes(filter)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn filter_passes(&self, filter: &Filter) -> Result<bool, Refusal> {
        let column = &self.plan.schema.columns[filter.column];
        let whole = self.values.bytes(&self.plan.schema, filter.column, self.bound.now_seconds);
        let subject = |value| Subject { name: &column.name, column_type: &filter.column_type, value };
        let pass = |value| passes(&filter.test, &subject(value), self.bound, compare_or_nothing);
        let (first, step) = match (&filter.test, column.column_type()) {
            (Test::Compare(Operator::Contains, _), ColumnType::Map(_)) => (1, 2),
            (Test::Compare(Operator::ContainsKey, _), _) => (0, 2),
            (Test::Compare(Operator::Contains, _), _) => (0, 1),
            _ => match (&filter.element, column.column_type()) {
                (Some(key), ColumnType::Map(types)) => {
                    let key = self.bound.required(key, &column.name)?;
                    let Some(whole) = whole else { return Ok(false) };
                    let pieces = types::elements(&whole, true);
                    let mut pairs = pieces.chunks_exact(2);
                    let is_key = |pair: &&[Option<&[u8]>]| {
                        let found = pair[0].unwrap_or_default();
                        types::compare(&types.0, found, &key).is_ok_and(|order| order.is_eq())
                    };
                    return pass(pairs.find(is_key).and_then(|pair| pair[1]));
                }
                _ => return pass(whole.as_deref()),
            },
        };
        let Some(whole) = whole else { return Ok(false) };
        for piece in types::elements(&whole, true).into_iter().skip(first).step_by(step) {
            if pass(piece)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn put(&mut self, found: Found<'a>) -> Result<(), Refusal> {
        let row = Row { schema: &self.plan.schema, values: &self.values, bound: self.bound };
        if let Some(running) = &mut self.running {
            for (running, output) in running.iter_mut().zip(&self.plan.outputs) {
                running.add(&row, output)?;
            }
            return Ok(());
        }
        let before = self.rows.len();
        for output in &self.plan.outputs {
            put_cell(row.show(output)?, &mut self.rows)?;
            if self.rows.len() - before > RESULT_LIMIT_BYTES {
                return Err(too_much());
            }
        }
        if self.plan.sorted {
            let cells = self.rows.split_off(before);
            self.sorted_bytes += cells.len() + found.clustering.len();
            self.sorted.push((found.clustering.to_vec(), cells));
        }
        Ok(())
    }

    fn finish(mut self, limit: u64) -> Result<Page, Refusal> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        if let Some(running) = self.running {
            let mut rows = Vec::new();
            for (running, output) in running.into_iter().zip(&self.plan.outputs) {
                put_cell(running.finish(output)?.map(Cow::Owned), &mut rows)?;
            }
            return Ok(Page { rows, count: 1, paging_state: None });
        }
        if self.plan.sorted {
            self.sorted.sort_by(|a, b| if self.plan.reversed { b.0.cmp(&a.0) } else { a.0.cmp(&b.0) });
            self.sorted.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
            let rows = self.sorted.iter().flat_map(|(_, cells)| cells).copied().collect();
            return Ok(Page { rows, count: self.sorted.len(), paging_state: None });
        }
        let paging_state = match (self.more, self.last) {
            (true, Some(last)) => {
                let clustering = (!last.row.is_empty()).then(|| last.clustering.to_vec());
                let position = Position {
                    table: self.plan.schema.id,
                    remaining: self.remaining,
                    in_partition: self.in_partition_of(last),
                    partition: last.partition.clone(),
                    clustering,
                };
                Some(position.encode())
            }
            _ => None,
        };
        Ok(Page { rows: self.rows, count: self.count, paging_state })
    }

    /// How many rows the partition of the last row may still give; the scan may have gone on to another.
    fn in_partition_of(&self, last: Found<'_>) -> u64 {
        let same = self.partition.is_some_and(|partition| std::ptr::eq(partition, last.partition));
        if same { self.in_partition } else { 0 }
    }
}

pub(super) fn too_much() -> Refusal {
    invalid(format!(
        "the result is longer than {} MB, the most that this node sends at once: ask for pages",
        RESULT_LIMIT_BYTES >> 20
    ))
}

fn put_cell(value: Option<Cow<'_, [u8]>>, rows: &mut Vec<u8>) -> Result<(), Refusal> {
    rows.reserve(4 + value.as_ref().map_or(0, |value| value.len()));
    put_bytes(rows, value.as_deref()).map_err(|_| invalid("a value is too long to be sent".into()))
}
