//! Everything that the nodes of one process keep: keyspaces, tables, rows. All in memory, shared by all nodes.

pub(crate) mod cell;
pub(crate) mod hash;
mod key;
pub(crate) mod options;
mod ring;
pub(crate) mod row;
pub(crate) mod schema;
pub(crate) mod slice;
pub(crate) mod table;
mod user_types;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::cql::{CreateKeyspace, CreateTable, Properties, TableChange};
use crate::refusal::{Refusal, already_exists, invalid, overloaded};
use hash::Hasher128;
use options::KeyspaceOptions;
use schema::{Keyspace, Schema, check_name};
use table::{Change, PartitionKey, Table};

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
    last_timestamp: i64,
    /// How many places in lists were given away.
    places: Cell<u64>,
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
        Self {
            keyspaces: BTreeMap::new(),
            tables: Vec::new(),
            bytes: 0,
            cap_bytes,
            changes: 0,
            last_timestamp: 0,
            places: Cell::new(0),
        }
    }

    pub(crate) fn schema_version(&self) -> [u8; 16] {
        Hasher128::new().part(b"schema version").part(&self.changes.to_be_bytes()).uuid()
    }

    /// Grows with each change of the schema: what was compiled against an older one must be compiled anew.
    pub(crate) fn changes(&self) -> u64 {
        self.changes
    }

    /// A timestamp for a write that brings none: now, or just after the last one given.
    pub(crate) fn timestamp(&mut self, now_micros: i64) -> i64 {
        self.last_timestamp = now_micros.max(self.last_timestamp.saturating_add(1));
        self.last_timestamp
    }

    /// So many places in lists, later than all others: the first of them.
    pub(crate) fn places(&self, count: usize) -> u64 {
        let first = self.places.get();
        self.places.set(first + count as u64);
        first
    }

    pub(crate) fn table(&self, index: TableIndex) -> Option<&Table> {
        self.tables.get(index.0)?.as_deref()
    }

    /// # Errors
    /// If there is no room for more writes, so that nothing should be changed.
    pub(crate) fn check_room(&self) -> Result<(), Refusal> {
        if self.bytes < self.cap_bytes {
            return Ok(());
        }
        Err(overloaded(format!(
            "the node keeps all in memory and its cap of {} MB is reached: TRUNCATE or DROP tables, or start it \
             with a higher cap",
            self.cap_bytes >> 20
        )))
    }

    /// Changes a partition of a table, which then is counted against the cap. Nothing happens to a dropped one.
    pub(crate) fn write(
        &mut self,
        index: TableIndex,
        partition: PartitionKey,
        change: Change<'_>,
        now_seconds: i64,
    ) {
        let Some(table) = self.tables.get_mut(index.0).and_then(Option::as_deref_mut) else { return };
        let before = table.bytes();
        table.write(partition, change, now_seconds);
        self.bytes = (self.bytes + table.bytes()).saturating_sub(before);
    }

    pub(crate) fn find(&self, keyspace: &str, table: &str) -> Result<TableIndex, Refusal> {
        let found = self.keyspace(keyspace)?.tables.get(table);
        found.copied().ok_or_else(|| invalid(format!("table {keyspace}.{table} does not exist")))
    }

    pub(crate) fn keyspace(&self, keyspace: &str) -> Result<&Keyspace, Refusal> {
        let found = self.keyspaces.get(keyspace);
        found.ok_or_else(|| invalid(format!("keyspace {keyspace} does not exist")))
    }

    /// `data_centers` are those of the cluster.
    pub(crate) fn create_keyspace(
        &mut self,
        create: &CreateKeyspace,
        data_centers: &[&str],
    ) -> Result<Changed, Refusal> {
        if self.keyspaces.contains_key(&create.keyspace) {
            if create.if_not_exists {
                return Ok(Changed::No);
            }
            return Err(already_exists(&create.keyspace, ""));
        }
        check_name("Keyspace", &create.keyspace)?;
        if self.keyspaces.len() >= KEYSPACE_LIMIT {
            return Err(invalid(format!("this node holds at most {KEYSPACE_LIMIT} keyspaces")));
        }
        let options = KeyspaceOptions::new(&create.keyspace, &create.options, None, data_centers)?;
        let keyspace = Keyspace { options, tables: BTreeMap::new(), types: BTreeMap::new() };
        self.keyspaces.insert(create.keyspace.clone(), keyspace);
        self.changes += 1;
        Ok(Changed::Yes)
    }

    pub(crate) fn alter_keyspace(
        &mut self,
        name: &str,
        if_exists: bool,
        options: &Properties,
        data_centers: &[&str],
    ) -> Result<Changed, Refusal> {
        let Some(keyspace) = self.keyspaces.get_mut(name) else {
            return if if_exists { Ok(Changed::No) } else { Err(missing_keyspace(name)) };
        };
        keyspace.options = KeyspaceOptions::new(name, options, Some(&keyspace.options), data_centers)?;
        self.changes += 1;
        Ok(Changed::Yes)
    }

    pub(crate) fn create_table(&mut self, keyspace: &str, create: &CreateTable) -> Result<Changed, Refusal> {
        let name = &create.table.name;
        let found = self.keyspaces.get(keyspace).ok_or_else(|| missing_keyspace(keyspace))?;
        if found.tables.contains_key(name) {
            if create.if_not_exists {
                return Ok(Changed::No);
            }
            return Err(already_exists(keyspace, name));
        }
        if self.tables.len() >= TABLE_LIMIT {
            return Err(invalid(format!("this node creates at most {TABLE_LIMIT} tables in its life")));
        }
        let schema = Schema::new(keyspace, create, &|name| self.udt(keyspace, name), self.changes)?;
        let index = TableIndex(self.tables.len());
        self.tables.push(Some(Box::new(Table::new(Arc::new(schema)))));
        if let Some(keyspace) = self.keyspaces.get_mut(keyspace) {
            keyspace.tables.insert(name.clone(), index);
        }
        self.changes += 1;
        Ok(Changed::Yes)
    }

    pub(crate) fn alter_table(
        &mut self,
        keyspace: &str,
        table: &str,
        if_exists: bool,
        change: &TableChange,
    ) -> Result<Changed, Refusal> {
        let found = self.keyspaces.get(keyspace).and_then(|keyspace| keyspace.tables.get(table)).copied();
        let found = found.and_then(|index| Some((index, self.table(index)?)));
        let Some((index, found)) = found else {
            return if if_exists { Ok(Changed::No) } else { Err(missing_table(keyspace, table)) };
        };
        let mut schema = Schema::clone(&found.schema);
        match change {
            TableChange::Add { if_not_exists, columns } => {
                for column in columns {
                    if !(*if_not_exists && schema.index_of(&column.name).is_some()) {
                        schema.add(column, &|name| self.udt(keyspace, name))?;
                    }
                }
            }
            TableChange::Drop { if_exists, columns } => {
                for column in columns {
                    if !(*if_exists && schema.index_of(column).is_none()) {
                        schema.remove(column)?;
                    }
                }
            }
            TableChange::Rename { if_exists, names } => {
                for (from, to) in names {
                    if !(*if_exists && schema.index_of(from).is_none()) {
                        schema.rename(from, to)?;
                    }
                }
            }
            TableChange::With(options) => schema.options.set(options)?,
        }
        self.replace_schema(index, schema);
        self.changes += 1;
        Ok(Changed::Yes)
    }

    fn replace_schema(&mut self, index: TableIndex, schema: Schema) {
        if let Some(table) = self.tables.get_mut(index.0).and_then(Option::as_deref_mut) {
            table.schema = Arc::new(schema);
        }
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
            None => return Err(missing_table(keyspace, table)),
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

fn missing_table(keyspace: &str, table: &str) -> Refusal {
    invalid(format!("Table '{keyspace}.{table}' doesn't exist"))
}
