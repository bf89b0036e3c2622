//! Syntax trees to plans: names are looked up, literals encoded, markers typed.

mod relations;
mod select;
mod terms;
mod write;

use std::sync::Arc;

use helenus_core::protocol::ColumnType;
use helenus_core::protocol::response::ColumnSpec;

use super::plan::{BatchPlan, Choices, Conditions, Partitions, Plan, PlanKind, Source, WritePlan};
use super::slot::Slot;
use crate::cql::{BatchKind, Name, Statement};
use crate::refusal::{Refusal, invalid};
use crate::store::Store;
use crate::store::schema::Schema;
use crate::system::{self, System};

type Compiled<T> = Result<T, Refusal>;

/// Looks the names of a statement up. `keyspace` is that of the connection.
pub(crate) fn compile(
    store: &Store,
    system: &System,
    keyspace: Option<&str>,
    statement: Statement,
) -> Compiled<Plan> {
    let mut compiler = Compiler { store, system, keyspace, markers: Vec::new() };
    let kind = match statement {
        Statement::Write(write) => PlanKind::Write(compiler.write(&write)?),
        Statement::Batch(batch) => {
            let timestamp = match batch.writes.first() {
                Some(first) => {
                    let resolved = compiler.resolve(&first.table)?;
                    compiler.time(&resolved, "[timestamp]", batch.timestamp.as_ref(), ColumnType::BigInt)?
                }
                None => Slot::Absent,
            };
            let writes =
                batch.writes.iter().map(|write| compiler.write(write)).collect::<Compiled<Vec<_>>>()?;
            check_batch(batch.kind, &timestamp, writes.iter())?;
            PlanKind::Batch(BatchPlan { timestamp, writes })
        }
        Statement::Select(select) => PlanKind::Select(compiler.select(&select)?),
        other => PlanKind::Other(other),
    };
    let mut markers = compiler.markers;
    markers.sort_by_key(|(index, _)| *index);
    let partition_markers = partition_markers(&kind);
    let markers = markers.into_iter().map(|(_, spec)| spec).collect();
    Ok(Plan { kind, markers, partition_markers, compiled_at: store.changes() })
}

struct Compiler<'a> {
    store: &'a Store,
    system: &'a System,
    keyspace: Option<&'a str>,
    markers: Vec<(usize, ColumnSpec)>,
}

/// A table of either sort, under its names.
struct Resolved {
    source: Source,
    schema: Arc<Schema>,
    keyspace: Arc<str>,
    table: Arc<str>,
}

impl Resolved {
    fn key_types(&self) -> Vec<ColumnType> {
        self.schema.partition_columns().iter().map(|column| column.column_type().clone()).collect()
    }
}

impl Compiler<'_> {
    fn resolve(&self, name: &Name) -> Compiled<Resolved> {
        let keyspace = name.keyspace.as_deref().or(self.keyspace).ok_or_else(no_keyspace)?;
        let (source, schema) = match self.system.find(keyspace, &name.name) {
            Some((table, schema)) => (Source::System(table), schema),
            None if system::is_system(keyspace) => {
                return Err(invalid(format!("table {keyspace}.{} does not exist", name.name)));
            }
            None => {
                let index = self.store.find(keyspace, &name.name)?;
                let table = self.store.table(index);
                let table = table.ok_or_else(|| invalid("the table was dropped".into()))?;
                (Source::Stored(index), table.schema.clone())
            }
        };
        Ok(Resolved { source, schema, keyspace: keyspace.into(), table: name.name.as_str().into() })
    }

    /// Tries something that may fail, and leaves no markers then.
    fn attempt<T>(&mut self, attempt: impl FnOnce(&mut Self) -> Compiled<T>) -> Compiled<T> {
        let markers = self.markers.len();
        let result = attempt(self);
        if result.is_err() {
            self.markers.truncate(markers);
        }
        result
    }
}

/// Rules of batches, of those in a statement and of those of the protocol.
pub(crate) fn check_batch<'p>(
    kind: BatchKind,
    timestamp: &Slot,
    writes: impl Iterator<Item = &'p WritePlan> + Clone,
) -> Compiled<()> {
    let any = |test: fn(&WritePlan) -> bool| writes.clone().any(test);
    let counters = any(|write| write.schema.is_counter());
    let others = any(|write| !write.schema.is_counter());
    let refused = match kind {
        BatchKind::Counter if others => Some("Cannot include non-counter statement in a counter batch"),
        BatchKind::Logged if counters => Some("Cannot include a counter statement in a logged batch"),
        BatchKind::Unlogged if counters && others => {
            Some("Counter and non-counter mutations cannot exist in the same batch")
        }
        _ if *timestamp == Slot::Absent => None,
        BatchKind::Counter => Some("Cannot provide custom timestamp for counter BATCH"),
        _ if any(|write| !matches!(write.conditions, Conditions::None)) => {
            Some("Cannot provide custom timestamp for conditional BATCH")
        }
        _ if any(|write| write.timestamp != Slot::Absent) => {
            Some("Timestamp must be set either on BATCH or individual statements")
        }
        _ => None,
    };
    match refused {
        Some(message) => Err(invalid(message.into())),
        None => Ok(()),
    }
}

/// The partition key's markers in its order, if all of it is bound by markers.
fn partition_markers(kind: &PlanKind) -> Vec<u16> {
    let choices = match kind {
        PlanKind::Write(write) => &write.partition,
        PlanKind::Select(select) => match &select.partitions {
            Partitions::Keys(choices) => choices,
            Partitions::Tokens { .. } => return Vec::new(),
        },
        // As in Cassandra: of the first statement with a key of markers.
        PlanKind::Batch(batch) => match batch.writes.first() {
            Some(write) => &write.partition,
            None => return Vec::new(),
        },
        PlanKind::Other(_) => return Vec::new(),
    };
    let markers = choices.iter().map(|choices| match choices {
        Choices::One(Slot::Marker(at)) => u16::try_from(*at).ok(),
        _ => None,
    });
    markers.collect::<Option<_>>().unwrap_or_default()
}

pub(crate) fn no_keyspace() -> Refusal {
    invalid("No keyspace has been specified. USE a keyspace, or explicitly specify keyspace.tablename".into())
}
