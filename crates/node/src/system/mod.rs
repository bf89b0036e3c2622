//! The tables that a node has of itself: `system`, `system_schema` and their like. They are made when asked for.

mod cluster;
mod content;
mod definitions;

pub(crate) use cluster::{Cluster, Member, TOKENS_PER_NODE};

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::cql::{self, Statement};
use crate::store::Store;
use crate::store::schema::Schema;
use crate::store::table::Table;

/// Which of the system tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SystemTable(usize);

/// The definitions of all system tables, and the nodes that they tell of.
pub(crate) struct System {
    schemas: Vec<Arc<Schema>>,
    by_name: BTreeMap<(String, String), usize>,
    pub(crate) cluster: Cluster,
}

/// Whether a keyspace is one of the node's own.
pub(crate) fn is_system(keyspace: &str) -> bool {
    definitions::KEYSPACES.contains(&keyspace)
}

impl System {
    pub(crate) fn new(cluster: Cluster) -> Self {
        let schemas = definitions::TABLES.iter().filter_map(|text| define(text)).collect::<Vec<_>>();
        let name = |schema: &Arc<Schema>| (schema.keyspace.clone(), schema.table.clone());
        let by_name = schemas.iter().enumerate().map(|(at, schema)| (name(schema), at)).collect();
        Self { schemas, by_name, cluster }
    }

    pub(crate) fn find(&self, keyspace: &str, table: &str) -> Option<(SystemTable, Arc<Schema>)> {
        if !is_system(keyspace) {
            return None;
        }
        let at = *self.by_name.get(&(keyspace.to_owned(), table.to_owned()))?;
        Some((SystemTable(at), self.schemas[at].clone()))
    }

    /// The table as the node with that number sees it now.
    pub(crate) fn table(&self, table: SystemTable, store: &Store, node: usize) -> Table {
        let schema = &self.schemas[table.0];
        let mut table = Table::new(schema.clone());
        for row in content::rows(self, schema, store, node) {
            row.insert_into(&mut table);
        }
        table
    }
}

/// The definitions are constants; a test sees to it that each of them parses.
fn define(text: &str) -> Option<Arc<Schema>> {
    match cql::parse(text) {
        Ok(Statement::CreateTable(create)) => {
            let keyspace = create.table.keyspace.clone()?;
            Schema::new(&keyspace, &create, &|name| Err(format!("Unknown type {}", name.name)), 0)
                .ok()
                .map(Arc::new)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_definition_is_good() {
        for text in definitions::TABLES {
            assert!(define(text).is_some(), "{text}");
        }
    }
}
