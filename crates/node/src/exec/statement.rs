//! QUERY, EXECUTE and BATCH: from a decoded request to the body of its answer.

use helenus_core::protocol::Version;
use helenus_core::protocol::request::{Batch, BatchQuery, Execute, Parameters, Prepare, Query};
use helenus_core::protocol::response::{self, Change, ResultMessage, RowsHead, RowsMetadata};

use super::compile::{compile, no_keyspace};
use super::event::{Part, SchemaEvent};
use super::prepared::{Cache, Id, Prepared};
use super::select::{self, Window};
use super::{Bound, InsertPlan, Plan, PlanKind, SelectPlan, Source, insert};
use crate::cql::{self, Statement, TableName};
use crate::null;
use crate::refusal::{Refusal, invalid, protocol, too_long, unprepared};
use crate::store::{Changed, Store};
use crate::system::{self, System};

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
    #[expect(dead_code, reason = "statements with times come next")]
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

/// Runs a BATCH of inserts: all are checked before the first is written.
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
    let mut writes = Vec::with_capacity(batch.statements.len());
    for statement in &batch.statements {
        let plan = match statement.query {
            BatchQuery::Text(_) => simple.next(),
            BatchQuery::Prepared(id) => Some(&cache.find(id).ok_or_else(|| unprepared(id))?.plan),
        };
        let Some(Plan { kind: PlanKind::Insert(plan), markers, .. }) = plan else {
            return Err(invalid("this node's batches hold INSERT statements, and nothing else".into()));
        };
        let bound = Bound::new(markers, statement.values)?;
        insert::check(plan, &bound)?;
        writes.push((plan, bound));
    }
    if !session.null {
        writes.iter().try_for_each(|(plan, bound)| insert::run(session.store, plan, bound))?;
    }
    put(session, &ResultMessage::Void, out)
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
        (PlanKind::Insert(a), PlanKind::Insert(b)) => a.table == b.table,
        (PlanKind::Select(a), PlanKind::Select(b)) => a.source == b.source,
        (PlanKind::Batch(a), PlanKind::Batch(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.table == b.table)
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
    let bound = Bound::new(&plan.markers, parameters.values)?;
    match &plan.kind {
        PlanKind::Insert(insert) => write(session, std::slice::from_ref(insert), &bound, out),
        PlanKind::Batch(inserts) => write(session, inserts, &bound, out),
        PlanKind::Select(select) => rows(session, select, &bound, parameters, known_columns, out),
        PlanKind::Other(statement) => {
            let keyspace = parameters.options.keyspace.map(str::to_owned).or(session.keyspace.clone());
            other(session, keyspace, statement, out)
        }
    }
}

fn write(session: &mut Session<'_>, inserts: &[InsertPlan], bound: &Bound<'_>, out: &mut Vec<u8>) -> Outcome {
    if session.null || inserts.len() > 1 {
        inserts.iter().try_for_each(|insert| insert::check(insert, bound))?;
    }
    if !session.null {
        inserts.iter().try_for_each(|insert| insert::run(session.store, insert, bound))?;
    }
    put(session, &ResultMessage::Void, out)
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
    let window = Window {
        page_size: options.page_size.and_then(|size| usize::try_from(size).ok()).filter(|size| *size > 0),
        paging_state: options.paging_state,
    };
    let page = match plan.source {
        Source::Stored(_) if session.null => null::page(plan),
        Source::Stored(index) => {
            let table = session.store.table(index);
            let table = table.ok_or_else(|| invalid("the table was dropped".into()))?;
            select::run(table, plan, bound, &window)?
        }
        Source::System(table) => {
            select::run(&session.system.table(table, session.store, session.node), plan, bound, &window)?
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

fn other(
    session: &mut Session<'_>,
    keyspace: Option<String>,
    statement: &Statement,
    out: &mut Vec<u8>,
) -> Outcome {
    let in_keyspace = |name: &TableName| {
        let keyspace = name.keyspace.clone().or(keyspace.clone()).ok_or_else(no_keyspace)?;
        writable(&keyspace).map(|()| keyspace)
    };
    let store = &mut *session.store;
    let (changed, change, keyspace, table) = match statement {
        Statement::Use(name) => {
            if !system::is_system(name) {
                store.keyspace(name)?;
            }
            *session.keyspace = Some(name.clone());
            return put(session, &ResultMessage::SetKeyspace { keyspace: name }, out);
        }
        Statement::Truncate(table) => {
            let index = store.find(&in_keyspace(table)?, &table.table)?;
            store.truncate(index);
            return put(session, &ResultMessage::Void, out);
        }
        Statement::CreateKeyspace(create) => {
            writable(&create.keyspace)?;
            (store.create_keyspace(create)?, Change::Created, create.keyspace.clone(), None)
        }
        Statement::DropKeyspace { keyspace, if_exists } => {
            writable(keyspace)?;
            (store.drop_keyspace(keyspace, *if_exists)?, Change::Dropped, keyspace.clone(), None)
        }
        Statement::CreateTable(create) => {
            let keyspace = in_keyspace(&create.table)?;
            (store.create_table(&keyspace, create)?, Change::Created, keyspace, Some(&create.table.table))
        }
        Statement::DropTable { table, if_exists } => {
            let keyspace = in_keyspace(table)?;
            let changed = store.drop_table(&keyspace, &table.table, *if_exists)?;
            (changed, Change::Dropped, keyspace, Some(&table.table))
        }
        Statement::Insert(_) | Statement::Select(_) | Statement::Batch(_) => {
            return Err(invalid("the statement was not compiled".into()));
        }
    };
    if changed == Changed::No {
        return put(session, &ResultMessage::Void, out);
    }
    let part = table.map_or(Part::Keyspace, |name| Part::Table(name.clone()));
    let event = SchemaEvent { change, keyspace, part };
    let answer = put(session, &ResultMessage::SchemaChange(event.message()), out);
    session.events.push(event);
    answer
}

fn writable(keyspace: &str) -> Outcome {
    if system::is_system(keyspace) {
        return Err(invalid(format!("{keyspace} keyspace is not user-modifiable.")));
    }
    Ok(())
}

fn put(session: &Session<'_>, result: &ResultMessage<'_>, out: &mut Vec<u8>) -> Outcome {
    result.put(session.version, out).map_err(too_long)
}
