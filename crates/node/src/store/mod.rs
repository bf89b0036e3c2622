//! Everything that the nodes of one process keep: keyspaces, tables, rows. All in memory, shared by all nodes.

pub(crate) mod hash;
pub(crate) mod murmur3;
pub(crate) mod row;
pub(crate) mod schema;
pub(crate) mod table;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::cql::{CreateKeyspace, CreateTable};
use crate::refusal::{Refusal, already_exists, invalid, overloaded};
use hash::Hasher128;
use schema::{Keyspace, Schema, check_name};
use table::Table;

/// A table's slot. Slots are not used twice, so a dropped table's index names nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TableIndex(usize);

/// How many tables may ever be created in one store: each leaves a word behind.
const TABLE_LIMIT: usize = 1 << 20;
const KEYSPACE_LIMIT: usize = 10_000;

pub(crate) struct Store {
    pub(crate) keyspaces: BTreeMap<String, Keyspace>,
    tables: Vec<Option<Box<Table>>>,
    bytes: usize,
    cap_bytes: usize,
    /// How often the schema has changed.
    changes: u64,
}

/// Whether a statement about the schema did anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Changed {
    Yes,
    /// IF NOT EXISTS or IF EXISTS made it idle.
    No,
}

impl Store {
    pub(crate) fn new(cap_bytes: usize) -> Self {
        Self { keyspaces: BTreeMap::new(), tables: Vec::new(), bytes: 0, cap_bytes, changes: 0 }
    }

    pub(crate) fn schema_version(&self) -> [u8; 16] {
        Hasher128::new().part(b"schema version").part(&self.changes.to_be_bytes()).uuid()
    }

    /// Grows with each change of the schema: what was compiled against an older one must be compiled anew.
    pub(crate) fn changes(&self) -> u64 {
        self.changes
    }

    pub(crate) fn table(&self, index: TableIndex) -> Option<&Table> {
        self.tables.get(index.0)?.as_deref()
    }

    /// Changes a table, which then is counted against the cap.
    ///
    /// # Errors
    /// If the cap is reached already, nothing is changed.
    pub(crate) fn write(&mut self, index: TableIndex, write: impl FnOnce(&mut Table)) -> Result<(), Refusal> {
        if self.bytes >= self.cap_bytes {
            return Err(overloaded(format!(
                "the node keeps all in memory and its cap of {} MB is reached: TRUNCATE or DROP tables, or start it \
                 with a higher cap",
                self.cap_bytes >> 20
            )));
        }
        let slot = self.tables.get_mut(index.0).and_then(Option::as_deref_mut);
        let table = slot.ok_or_else(|| invalid("the table was dropped".into()))?;
        let before = table.bytes();
        write(table);
        self.bytes = (self.bytes + table.bytes()).saturating_sub(before);
        Ok(())
    }

    pub(crate) fn find(&self, keyspace: &str, table: &str) -> Result<TableIndex, Refusal> {
        let found = self.keyspace(keyspace)?.tables.get(table);
        found.copied().ok_or_else(|| invalid(format!("table {keyspace}.{table} does not exist")))
    }

    pub(crate) fn keyspace(&self, keyspace: &str) -> Result<&Keyspace, Refusal> {
        let found = self.keyspaces.get(keyspace);
        found.ok_or_else(|| invalid(format!("Keyspace '{keyspace}' does not exist")))
    }

    pub(crate) fn create_keyspace(&mut self, create: &CreateKeyspace) -> Result<Changed, Refusal> {
        if self.keyspaces.contains_key(&create.keyspace) {
            if create.if_not_exists {
                return Ok(Changed::No);
            }
            return Err(already_exists(&create.keyspace, ""));
        }
        check_name("Keyspace", &create.keyspace).map_err(invalid)?;
        if self.keyspaces.len() >= KEYSPACE_LIMIT {
            return Err(invalid(format!("this node holds at most {KEYSPACE_LIMIT} keyspaces")));
        }
        let replication = normal_replication(&create.replication)?;
        let durable_writes = create.durable_writes;
        let keyspace = Keyspace { replication, durable_writes, tables: BTreeMap::new() };
        self.keyspaces.insert(create.keyspace.clone(), keyspace);
        self.changes += 1;
        Ok(Changed::Yes)
    }

    pub(crate) fn create_table(&mut self, keyspace: &str, create: &CreateTable) -> Result<Changed, Refusal> {
        let name = &create.table.table;
        if self.keyspace(keyspace)?.tables.contains_key(name) {
            if create.if_not_exists {
                return Ok(Changed::No);
            }
            return Err(already_exists(keyspace, name));
        }
        if self.tables.len() >= TABLE_LIMIT {
            return Err(invalid(format!("this node creates at most {TABLE_LIMIT} tables in its life")));
        }
        let schema = Schema::new(keyspace, create, self.changes).map_err(invalid)?;
        let index = TableIndex(self.tables.len());
        self.tables.push(Some(Box::new(Table::new(Arc::new(schema)))));
        if let Some(keyspace) = self.keyspaces.get_mut(keyspace) {
            keyspace.tables.insert(name.clone(), index);
        }
        self.changes += 1;
        Ok(Changed::Yes)
    }

    pub(crate) fn drop_keyspace(&mut self, name: &str, if_exists: bool) -> Result<Changed, Refusal> {
        let Some(keyspace) = self.keyspaces.remove(name) else {
            return if if_exists { Ok(Changed::No) } else { Err(missing_keyspace(name)) };
        };
        keyspace.tables.values().for_each(|index| self.forget(*index));
        self.changes += 1;
        Ok(Changed::Yes)
    }

    pub(crate) fn drop_table(
        &mut self,
        keyspace: &str,
        table: &str,
        if_exists: bool,
    ) -> Result<Changed, Refusal> {
        let found = self.keyspaces.get_mut(keyspace).and_then(|keyspace| keyspace.tables.remove(table));
        match found {
            Some(index) => self.forget(index),
            None if if_exists => return Ok(Changed::No),
            None => return Err(invalid(format!("Table '{keyspace}.{table}' doesn't exist"))),
        }
        self.changes += 1;
        Ok(Changed::Yes)
    }

    pub(crate) fn truncate(&mut self, index: TableIndex) {
        if let Some(table) = self.tables.get_mut(index.0).and_then(Option::as_deref_mut) {
            self.bytes = self.bytes.saturating_sub(table.bytes());
            table.clear();
        }
    }

    fn forget(&mut self, index: TableIndex) {
        if let Some(table) = self.tables.get_mut(index.0).and_then(Option::take) {
            self.bytes = self.bytes.saturating_sub(table.bytes());
        }
    }
}

fn missing_keyspace(name: &str) -> Refusal {
    invalid(format!("Keyspace '{name}' doesn't exist"))
}

/// With the strategy by its full class name, as `system_schema.keyspaces` lists it.
fn normal_replication(given: &[(String, String)]) -> Result<Vec<(String, String)>, Refusal> {
    let class = given.iter().find(|(key, _)| key == "class").map(|(_, class)| class.as_str());
    let class = class.ok_or_else(|| invalid("Missing replication strategy class".into()))?;
    let simple = class.rsplit('.').next().unwrap_or(class);
    if !["SimpleStrategy", "NetworkTopologyStrategy", "LocalStrategy"].contains(&simple) {
        return Err(invalid(format!("Unable to find replication strategy class '{class}'")));
    }
    let mut normal = vec![("class".to_owned(), format!("org.apache.cassandra.locator.{simple}"))];
    for (key, value) in given.iter().filter(|(key, _)| key != "class") {
        if value.parse::<u32>().is_err() {
            return Err(invalid(format!("Replication factor of {key} must be a number, not {value}")));
        }
        normal.push((key.clone(), value.clone()));
    }
    Ok(normal)
}
