//! IF: whether what is there is as a statement wants it, and the rows that say so.

use std::sync::Arc;

use helenus_core::protocol::ColumnType;
use helenus_core::protocol::response::ColumnSpec;

use super::keys;
use super::plan::{Condition, Conditions, Part, Target, WritePlan};
use super::slot::{Bound, Value};
use super::test::{Subject, compare_or_null, passes};
use super::values::{Liveness, RowValues};
use crate::refusal::{Refusal, invalid};
use crate::store::Store;
use crate::store::schema::Kind;
use crate::store::slice::Slice;
use crate::store::table::{Found, PartitionKey, Step, Window};
use crate::types;

/// What a conditional statement is answered with.
pub(super) struct Applied {
    pub(super) applied: bool,
    pub(super) columns: Arc<[ColumnSpec]>,
    pub(super) rows: Vec<u8>,
    pub(super) count: usize,
}

/// A statement of those that are tried together, with its values.
pub(super) type Tried<'b> = (&'b WritePlan, &'b Bound<'b>);

/// Tests the conditions of all statements; `batch` says that they came in one.
pub(super) fn check(store: &Store, tried: &[Tried<'_>], batch: bool) -> Result<Applied, Refusal> {
    let first = tried.first().ok_or_else(|| invalid("a batch of no statements has no conditions".into()))?.0;
    let mut of_partition: Option<PartitionKey> = None;
    let mut applied = true;
    let mut places: Vec<Vec<u8>> = Vec::new();
    for (plan, bound) in tried {
        if plan.table != first.table {
            return Err(invalid("Batch with conditions cannot span multiple tables".into()));
        }
        for partition in keys::partitions(&plan.schema, &plan.partition, bound)?.as_slice() {
            if of_partition.as_ref().is_some_and(|other| other != partition) {
                return Err(invalid("Batch with conditions cannot span multiple partitions".into()));
            }
            of_partition = Some(partition.clone());
        }
        if matches!(plan.conditions, Conditions::None) {
            continue;
        }
        let Some(partition) = &of_partition else { continue };
        let place = place(plan, bound)?;
        applied &= holds(store, plan, bound, partition, &place)?;
        if !places.contains(&place) {
            places.push(place);
        }
    }
    places.sort();
    let shown = shown(tried, batch);
    let mut columns = vec![spec(first, "[applied]", ColumnType::Boolean)];
    let mut rows = Vec::new();
    let mut count = 0;
    if let (false, Some(partition)) = (applied, &of_partition) {
        count = put_rows(store, tried, partition, &places, &shown, &mut rows);
    }
    if count == 0 {
        put_applied(applied, &mut rows);
        count = 1;
    } else {
        let schema = &first.schema;
        let named = shown.iter().map(|(at, _)| &schema.columns[*at]);
        columns.extend(named.map(|column| spec(first, &column.name, column.column_type().clone())));
    }
    Ok(Applied { applied, columns: columns.into(), rows, count })
}

/// The rows for which the conditions don't hold, as far as they are there. How many is returned.
fn put_rows(
    store: &Store,
    tried: &[Tried<'_>],
    partition: &PartitionKey,
    places: &[Vec<u8>],
    shown: &[(usize, bool)],
    rows: &mut Vec<u8>,
) -> usize {
    let Some((first, bound)) = tried.first() else { return 0 };
    let (schema, now) = (&first.schema, bound.now_seconds);
    let mut values = RowValues::default();
    let mut count = 0;
    let mut put = |values: &RowValues<'_>| {
        put_applied(false, rows);
        for (at, read) in shown {
            let value = if *read { values.bytes(schema, *at, now) } else { None };
            types::put_piece(value.as_deref(), rows);
        }
    };
    for place in places {
        let Some(found) = find(store, first, partition, place) else { continue };
        if values.load(schema, found, now).row {
            put(&values);
            count += 1;
        }
    }
    if count > 0 {
        return count;
    }
    // A static row comes with the first of its partition, or on its own.
    let Some(table) = store.table(first.table) else { return 0 };
    let window = Window { slices: &[Slice::ALL], reversed: false, resume: None };
    table.scan_one(partition, &window, &mut |found| {
        let live = values.load(schema, found, now);
        if !live.static_row || !(live.row || found.row.is_empty()) {
            return Step::Next;
        }
        put(&values);
        count += 1;
        Step::Stop
    });
    count
}

fn put_applied(applied: bool, rows: &mut Vec<u8>) {
    types::put_piece(Some(&[u8::from(applied)]), rows);
}

fn spec(plan: &WritePlan, name: &str, column_type: ColumnType) -> ColumnSpec {
    ColumnSpec {
        keyspace: plan.schema.keyspace.as_str().into(),
        table: plan.schema.table.as_str().into(),
        name: name.into(),
        column_type,
    }
}

/// The columns that are told if the conditions don't hold, and whether they are read: those of the conditions, or all, of
/// which Cassandra reads what the statements write.
fn shown(tried: &[Tried<'_>], batch: bool) -> Vec<(usize, bool)> {
    let Some((first, _)) = tried.first() else { return Vec::new() };
    let schema = &first.schema;
    let existence =
        |(plan, _): &Tried<'_>| matches!(plan.conditions, Conditions::IfExists | Conditions::IfNotExists);
    if tried.iter().any(existence) {
        let writes = |wanted: Kind| {
            tried.iter().any(|(plan, _)| {
                plan.operations.iter().any(|operation| schema.columns[operation.column].kind == wanted)
                    || (wanted == Kind::Regular && (plan.operations.is_empty() || plan.marks_row))
            })
        };
        let (statics, regulars) = (writes(Kind::Static), writes(Kind::Regular));
        let is_read = |kind| match kind {
            Kind::Static => statics,
            Kind::Regular => regulars,
            _ => true,
        };
        return schema.columns.iter().enumerate().map(|(at, column)| (at, is_read(column.kind))).collect();
    }
    let mut shown = if batch { (0..schema.key_len()).map(|at| (at, true)).collect() } else { Vec::new() };
    for (plan, _) in tried {
        let Conditions::If(all) = &plan.conditions else { continue };
        for Condition { column, .. } in all {
            if !shown.contains(&(*column, true)) {
                shown.push((*column, true));
            }
        }
    }
    shown
}

/// The clustering key of the row that conditions are about; empty for the static row.
fn place(plan: &WritePlan, bound: &Bound<'_>) -> Result<Vec<u8>, Refusal> {
    match &plan.target {
        Target::Rows(clustering) | Target::DeleteRows(clustering) => {
            let mut keys = keys::prefixes(&plan.schema, clustering, bound)?;
            Ok(keys.pop().unwrap_or_default().ordered)
        }
        Target::Static | Target::DeletePartition => Ok(Vec::new()),
    }
}

fn find<'s>(store: &'s Store, plan: &WritePlan, partition: &PartitionKey, place: &[u8]) -> Option<Found<'s>> {
    store.table(plan.table)?.find(partition, place)
}

fn holds(
    store: &Store,
    plan: &WritePlan,
    bound: &Bound<'_>,
    partition: &PartitionKey,
    place: &[u8],
) -> Result<bool, Refusal> {
    let mut values = RowValues::default();
    let nothing = Liveness { row: false, static_row: false };
    let live = match find(store, plan, partition, place) {
        Some(found) => values.load(&plan.schema, found, bound.now_seconds),
        None => nothing,
    };
    let exists = if matches!(plan.target, Target::Static) { live.static_row } else { live.row };
    match &plan.conditions {
        Conditions::None => Ok(true),
        Conditions::IfExists => Ok(exists),
        Conditions::IfNotExists => Ok(!exists),
        Conditions::If(all) => {
            for condition in all {
                if !condition_holds(plan, condition, bound, &values)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
    }
}

fn condition_holds(
    plan: &WritePlan,
    condition: &Condition,
    bound: &Bound<'_>,
    values: &RowValues<'_>,
) -> Result<bool, Refusal> {
    let column = &plan.schema.columns[condition.column];
    let whole = values.bytes(&plan.schema, condition.column, bound.now_seconds);
    let unset = || invalid(format!("Invalid 'unset' value in condition for column {}", column.name));
    let found = match &condition.part {
        Part::Whole => whole,
        Part::Element(key) => {
            let key = match bound.value(key)? {
                Value::Bytes(key) => key,
                Value::Null => return Err(invalid("Invalid null value for element access".into())),
                Value::Unset => return Err(unset()),
            };
            let element = |whole: &[u8]| element(column.column_type(), whole, &key);
            whole.as_deref().and_then(element).map(Into::into)
        }
        Part::Field(number) => {
            let field = |whole: &[u8]| {
                types::elements(whole, false).get(*number).copied().flatten().map(<[u8]>::to_vec)
            };
            whole.as_deref().and_then(field).map(Into::into)
        }
    };
    let subject =
        Subject { name: &column.name, column_type: &condition.column_type, value: found.as_deref() };
    passes(&condition.test, &subject, bound, compare_or_null)
}

/// The element of a list at a position, of a map behind a key.
fn element(column_type: &ColumnType, whole: &[u8], key: &[u8]) -> Option<Vec<u8>> {
    let pieces = types::elements(whole, true);
    match column_type {
        ColumnType::Map(types) => {
            let mut pairs = pieces.chunks_exact(2);
            let is_key = |pair: &&[Option<&[u8]>]| {
                pair[0].is_some_and(|found| {
                    types::compare(&types.0, found, key).is_ok_and(|order| order.is_eq())
                })
            };
            pairs.find(is_key).and_then(|pair| pair[1]).map(<[u8]>::to_vec)
        }
        _ => {
            let at = key.try_into().map(i32::from_be_bytes).ok().and_then(|at| usize::try_from(at).ok())?;
            pieces.get(at).copied().flatten().map(<[u8]>::to_vec)
        }
    }
}
