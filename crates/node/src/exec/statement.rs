//! QUERY, EXECUTE and BATCH: from a decoded request to the body of its answer.

use helenus_core::protocol::Version;
use helenus_core::protocol::request::{Batch, BatchKind, BatchQuery, Execute, Parameters, Prepare, Query};
use helenus_core::protocol::response::{self, ResultMessage, RowsHead, RowsMetadata};

use super::compile::{check_batch, compile};
use super::conditions::{self, Applied, Tried};
use super::event::SchemaEvent;
use super::plan::{BatchPlan, Conditions, Plan, PlanKind, SelectPlan, Source, WritePlan};
use super::prepared::{Cache, Id, Prepared};
use super::schema;
use super::select::{self, Wanted};
use super::slot::{Bound, Slot};
use super::write::{Mutation, mutations, own_timestamp};
use crate::refusal::{Refusal, invalid, protocol, too_long, unprepared};
use crate::store::Store;
use crate::system::System;
use crate::{cql, null};

/// What a statement runs against: the store and the node that it came to.
pub(crate) struct Session<'a> {
    pub(crate) store: &'a mut Store,
    pub(crate) system: &'a System,
    /// Which of the nodes this is.
    pub(crate) node: usize,
    pub(crate) version: Version,
    /// What USE has chosen on this connection.
    pub(crate) keyspace: &'a mut Option<String>,
    /// Answers rows and writes with canned results.
    pub(crate) null: bool,
    /// The time, in microseconds since 1970.
    pub(crate) now_micros: i64,
    /// Where changes of the schema are told: those who registered hear of them.
    pub(crate) events: &'a mut Vec<SchemaEvent>,
}

/// The body of a RESULT is in `out`, unless the request is refused.
pub(crate) type Outcome = Result<(), Refusal>;

/// Runs a QUERY.
pub(crate) fn query(session: &mut Session<'_>, query: &Query<'_>, out: &mut Vec<u8>) -> Outcome {
    let keyspace = query.parameters.options.keyspace.or(session.keyspace.as_deref());
    let plan = compile(session.store, session.system, keyspace, cql::parse(query.text)?)?;
    run(session, &plan, &query.parameters, None, out)
}

/// Answers a PREPARE.
pub(crate) fn prepare(
    session: &Session<'_>,
    cache: &mut Cache,
    prepare: &Prepare<'_>,
    out: &mut Vec<u8>,
) -> Outcome {
    let keyspace = prepare.keyspace.or(session.keyspace.as_deref());
    let plan = compile(session.store, session.system, keyspace, cql::parse(prepare.text)?)?;
    let id = Prepared::id(keyspace, prepare.text);
    let (columns, columns_id) = match &plan.kind {
        PlanKind::Select(select) => (Some(select.columns.clone()), select.columns_id),
        _ => (None, [0; 16]),
    };
    let answer = ResultMessage::Prepared(response::Prepared {
        id: &id,
        result_metadata_id: Some(&columns_id),
        bind_markers: plan.markers.clone(),
        pk_indexes: plan.partition_markers.clone(),
        result_metadata: columns.map(RowsMetadata::new).unwrap_or_default(),
    });
    put(session, &answer, out)?;
    cache.insert(id, Prepared::new(prepare.text.to_owned(), keyspace.map(str::to_owned), plan, session.null));
    Ok(())
}

/// Runs an EXECUTE.
pub(crate) fn execute(
    session: &mut Session<'_>,
    cache: &mut Cache,
    execute: &Execute<'_>,
    out: &mut Vec<u8>,
) -> Outcome {
    let id = known_id(execute.id)?;
    refresh(session, cache, &id)?;
    let prepared = cache.find(&id).ok_or_else(|| unprepared(&id))?;
    run(session, &prepared.plan, &execute.parameters, execute.result_metadata_id, out)
}

/// Runs a BATCH: all is checked before the first statement is written.
pub(crate) fn batch(
    session: &mut Session<'_>,
    cache: &mut Cache,
    batch: &Batch<'_>,
    out: &mut Vec<u8>,
) -> Outcome {
    let mut simple = Vec::new();
    for statement in &batch.statements {
        match statement.query {
            BatchQuery::Prepared(id) => refresh(session, cache, &known_id(id)?)?,
            BatchQuery::Text(text) => {
                let keyspace = batch.options.keyspace.or(session.keyspace.as_deref());
                simple.push(compile(session.store, session.system, keyspace, cql::parse(text)?)?);
            }
        }
    }
    let mut simple = simple.iter();
    let mut tried = Vec::with_capacity(batch.statements.len());
    for statement in &batch.statements {
        let plan = match statement.query {
            BatchQuery::Text(_) => simple.next(),
            BatchQuery::Prepared(id) => Some(&cache.find(id).ok_or_else(|| unprepared(id))?.plan),
        };
        let Some(Plan { kind: PlanKind::Write(plan), markers, .. }) = plan else {
            return Err(invalid(
                "Invalid statement in batch: only UPDATE, INSERT and DELETE statements are allowed.".into(),
            ));
        };
        let now = batch.options.now_in_seconds;
        tried.push((plan, Bound::new(markers, statement.values, session.now_micros, now)?));
    }
    let kind = match batch.kind {
        BatchKind::Unlogged => cql::BatchKind::Unlogged,
        BatchKind::Counter => cql::BatchKind::Counter,
        _ => cql::BatchKind::Logged,
    };
    check_batch(kind, &Slot::Absent, tried.iter().map(|(plan, _)| *plan))?;
    let tried = tried.iter().map(|(plan, bound)| (*plan, bound)).collect::<Vec<_>>();
    write(session, &tried, batch.options.timestamp, true, out)
}

fn known_id(id: &[u8]) -> Result<Id, Refusal> {
    // No other node gives out ids of another length, so re-preparing one can't help.
    id.try_into()
        .map_err(|_| protocol(format!("a prepared statement's id has 16 bytes here, not {}", id.len())))
}

/// Compiles a prepared statement anew if the schema has changed since. One whose table is gone is forgotten, as in
/// Cassandra, so that the client prepares it again and is told why it can't.
fn refresh(session: &Session<'_>, cache: &mut Cache, id: &Id) -> Outcome {
    let Some(prepared) = cache.find(id) else { return Err(unprepared(id)) };
    if prepared.plan.compiled_at == session.store.changes() {
        return Ok(());
    }
    let keyspace = prepared.keyspace.as_deref();
    let fresh = cql::parse(&prepared.text)
        .map_err(Refusal::from)
        .and_then(|statement| compile(session.store, session.system, keyspace, statement));
    match fresh {
        Ok(plan) if same_tables(&plan, &prepared.plan) => {
            let (text, keyspace) = (prepared.text.clone(), prepared.keyspace.clone());
            cache.insert(*id, Prepared::new(text, keyspace, plan, session.null));
            Ok(())
        }
        _ => {
            cache.remove(id);
            Err(unprepared(id))
        }
    }
}

fn same_tables(a: &Plan, b: &Plan) -> bool {
    match (&a.kind, &b.kind) {
        (PlanKind::Write(a), PlanKind::Write(b)) => a.table == b.table,
        (PlanKind::Select(a), PlanKind::Select(b)) => a.source == b.source,
        (PlanKind::Batch(a), PlanKind::Batch(b)) => {
            a.writes.len() == b.writes.len()
                && a.writes.iter().zip(&b.writes).all(|(a, b)| a.table == b.table)
        }
        (PlanKind::Other(_), PlanKind::Other(_)) => true,
        _ => false,
    }
}

fn run(
    session: &mut Session<'_>,
    plan: &Plan,
    parameters: &Parameters<'_>,
    known_columns: Option<&[u8]>,
    out: &mut Vec<u8>,
) -> Outcome {
    let options = &parameters.options;
    let bound = Bound::new(&plan.markers, parameters.values, session.now_micros, options.now_in_seconds)?;
    match &plan.kind {
        PlanKind::Write(one) => write(session, &[(one, &bound)], options.timestamp, false, out),
        PlanKind::Batch(BatchPlan { timestamp, writes }) => {
            let timestamp = own_timestamp(timestamp, &bound)?.or(options.timestamp);
            let tried = writes.iter().map(|write| (write, &bound)).collect::<Vec<_>>();
            write(session, &tried, timestamp, true, out)
        }
        PlanKind::Select(select) => rows(session, select, &bound, parameters, known_columns, out),
        PlanKind::Other(statement) => {
            let keyspace = options.keyspace.map(str::to_owned).or(session.keyspace.clone());
            schema::run(session, keyspace, statement, out)
        }
    }
}

/// Runs statements that are written together.
fn write(
    session: &mut Session<'_>,
    tried: &[Tried<'_>],
    timestamp: Option<i64>,
    batch: bool,
    out: &mut Vec<u8>,
) -> Outcome {
    let conditional = tried.iter().any(|(plan, _)| is_conditional(plan));
    let timestamp = match timestamp.filter(|_| !conditional) {
        Some(timestamp) => timestamp,
        None => session.store.timestamp(session.now_micros),
    };
    let applied = match conditional && !session.null {
        true => Some(conditions::check(session.store, tried, batch)?),
        false => None,
    };
    if applied.as_ref().is_none_or(|applied| applied.applied) {
        let mut all: Vec<Mutation<'_>> = Vec::with_capacity(tried.len());
        for (plan, bound) in tried {
            mutations(session.store, plan, bound, timestamp, &mut all)?;
        }
        if !session.null {
            session.store.check_room()?;
            all.into_iter().for_each(|mutation| mutation.apply(session.store));
        }
    }
    match applied {
        None => put(session, &ResultMessage::Void, out),
        Some(Applied { columns, rows, count, .. }) => {
            let metadata = RowsMetadata::new(columns);
            let head = RowsHead::begin(out, session.version, &metadata).map_err(too_long)?;
            out.extend_from_slice(&rows);
            head.finish(out, count).map_err(too_long)
        }
    }
}

fn is_conditional(plan: &WritePlan) -> bool {
    !matches!(plan.conditions, Conditions::None)
}

fn rows(
    session: &mut Session<'_>,
    plan: &SelectPlan,
    bound: &Bound<'_>,
    parameters: &Parameters<'_>,
    known_columns: Option<&[u8]>,
    out: &mut Vec<u8>,
) -> Outcome {
    let options = &parameters.options;
    let changed = known_columns.is_some_and(|id| id != plan.columns_id);
    let wanted = Wanted {
        page_size: options.page_size.and_then(|size| usize::try_from(size).ok()).filter(|size| *size > 0),
        paging_state: options.paging_state,
    };
    let page = match plan.source {
        Source::Stored(_) if session.null => null::page(plan),
        Source::Stored(index) => {
            let table = session.store.table(index);
            let table = table.ok_or_else(|| invalid("the table was dropped".into()))?;
            select::run(table, plan, bound, &wanted)?
        }
        Source::System(table) => {
            select::run(&session.system.table(table, session.store, session.node), plan, bound, &wanted)?
        }
    };
    let metadata = RowsMetadata {
        column_count: plan.columns.len(),
        columns: (changed || !options.skip_metadata).then(|| plan.columns.clone()),
        paging_state: page.paging_state.as_deref(),
        new_metadata_id: changed.then_some(&plan.columns_id),
    };
    let head = RowsHead::begin(out, session.version, &metadata).map_err(too_long)?;
    out.extend_from_slice(&page.rows);
    head.finish(out, page.count).map_err(too_long)
}

pub(super) fn put(session: &Session<'_>, result: &ResultMessage<'_>, out: &mut Vec<u8>) -> Outcome {
    result.put(session.version, out).map_err(too_long)
}
