//! Statements compiled against the schema, and run.

mod compile;
mod conditions;
mod event;
mod functions;
mod keys;
mod output;
mod paging;
mod plan;
mod prepared;
mod schema;
mod select;
mod slot;
mod statement;
mod test;
mod values;
mod write;

pub(crate) use event::SchemaEvent;
pub(crate) use functions::partition_key;
pub(crate) use plan::{Output, Plan, PlanKind, SelectPlan, Source};
pub(crate) use prepared::Cache;
pub(crate) use select::Page;
pub(crate) use statement::{Session, batch, execute, prepare, query};
pub(crate) use write::TTL_LIMIT;
