//! What a table looks like.

use std::collections::BTreeMap;

use helenus_core::protocol::ColumnType;

use super::hash::Hasher128;
use crate::cql::CreateTable;

/// What a column is to its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    PartitionKey,
    Clustering { descending: bool },
    Regular,
}

#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) column_type: ColumnType,
    /// The type as `system_schema.columns` writes it.
    pub(crate) type_text: String,
    pub(crate) kind: Kind,
}

/// A table's definition. Columns are in the order of `SELECT *`: partition key, clustering key, the others by name.
#[derive(Debug)]
pub(crate) struct Schema {
    pub(crate) keyspace: String,
    pub(crate) table: String,
    /// Differs for each table ever created, also under the same name.
    pub(crate) id: [u8; 16],
    pub(crate) columns: Vec<Column>,
    pub(crate) partition_len: usize,
    pub(crate) clustering_len: usize,
    pub(crate) comment: String,
}

/// How many columns a table may have.
const COLUMN_LIMIT: usize = 1_024;

impl Schema {
    /// Checks a parsed CREATE TABLE. `serial` tells tables of one name apart.
    pub(crate) fn new(keyspace: &str, create: &CreateTable, serial: u64) -> Result<Self, String> {
        check_name("table", &create.table.table)?;
        let mut columns = Vec::with_capacity(create.columns.len());
        for name in &create.partition_key {
            columns.push(key_column(create, name, Kind::PartitionKey)?);
        }
        for (at, name) in create.clustering_key.iter().enumerate() {
            let ordered = create.descending.get(at).map(|(column, _)| column);
            if ordered.is_some_and(|column| column != name) {
                return Err(format!(
                    "CLUSTERING ORDER must name the clustering columns in order: {name} is missing"
                ));
            }
            let descending = create.descending.get(at).is_some_and(|(_, descending)| *descending);
            columns.push(key_column(create, name, Kind::Clustering { descending })?);
        }
        if create.descending.len() > create.clustering_key.len() {
            return Err("CLUSTERING ORDER names a column that is no clustering column".into());
        }
        let is_key =
            |name: &String| create.partition_key.contains(name) || create.clustering_key.contains(name);
        let mut regular = create.columns.iter().filter(|(name, _)| !is_key(name)).collect::<Vec<_>>();
        regular.sort_by(|a, b| a.0.cmp(&b.0));
        columns.extend(regular.into_iter().map(|(name, spec)| Column {
            name: name.clone(),
            column_type: spec.column_type.clone(),
            type_text: spec.text.clone(),
            kind: Kind::Regular,
        }));
        check_columns(create, &columns)?;
        let table = create.table.table.clone();
        let id = Hasher128::new()
            .part(keyspace.as_bytes())
            .part(table.as_bytes())
            .part(&serial.to_be_bytes())
            .uuid();
        Ok(Self {
            keyspace: keyspace.to_owned(),
            table,
            id,
            columns,
            partition_len: create.partition_key.len(),
            clustering_len: create.clustering_key.len(),
            comment: create.comment.clone(),
        })
    }

    pub(crate) fn key_len(&self) -> usize {
        self.partition_len + self.clustering_len
    }

    pub(crate) fn partition_columns(&self) -> &[Column] {
        &self.columns[..self.partition_len]
    }

    pub(crate) fn clustering_columns(&self) -> &[Column] {
        &self.columns[self.partition_len..self.key_len()]
    }

    pub(crate) fn index_of(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// The position of a column, or the error that a client gets.
    pub(crate) fn column(&self, name: &str) -> Result<usize, String> {
        self.index_of(name)
            .ok_or_else(|| format!("Undefined column name {name} in table {}", self.full_name()))
    }

    pub(crate) fn full_name(&self) -> String {
        format!("{}.{}", self.keyspace, self.table)
    }
}

/// Names of keyspaces and tables are names of files in Cassandra, hence the rule.
pub(crate) fn check_name(what: &str, name: &str) -> Result<(), String> {
    let fits = (1..=48).contains(&name.len());
    if fits && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Ok(());
    }
    Err(format!(
        "{what} name must not be empty, more than 48 characters long, or contain non-alphanumeric-underscore \
         characters (got \"{name}\")"
    ))
}

fn key_column(create: &CreateTable, name: &str, kind: Kind) -> Result<Column, String> {
    let found = create.columns.iter().find(|(column, _)| column == name);
    let (_, spec) = found.ok_or_else(|| format!("Unknown column '{name}' referenced in PRIMARY KEY"))?;
    let collection =
        matches!(spec.column_type, ColumnType::List(_) | ColumnType::Set(_) | ColumnType::Map(_));
    if collection && !spec.text.starts_with("frozen<") {
        return Err(format!(
            "Invalid non-frozen collection type {} for PRIMARY KEY column '{name}'",
            spec.text
        ));
    }
    if spec.column_type == ColumnType::Duration {
        return Err(format!("duration type is not supported for PRIMARY KEY column '{name}'"));
    }
    if kind != Kind::PartitionKey && !can_order(&spec.column_type) {
        return Err(format!("this node can't order clustering columns of type {}: '{name}'", spec.text));
    }
    Ok(Column {
        name: name.to_owned(),
        column_type: spec.column_type.clone(),
        type_text: spec.text.clone(),
        kind,
    })
}

fn can_order(column_type: &ColumnType) -> bool {
    match column_type {
        ColumnType::Decimal | ColumnType::Duration => false,
        ColumnType::List(element) | ColumnType::Set(element) => can_order(element),
        ColumnType::Map(types) => can_order(&types.0) && can_order(&types.1),
        ColumnType::Tuple(fields) => fields.iter().all(can_order),
        _ => true,
    }
}

fn check_columns(create: &CreateTable, columns: &[Column]) -> Result<(), String> {
    if create.columns.len() > COLUMN_LIMIT {
        return Err(format!("this node's tables have at most {COLUMN_LIMIT} columns"));
    }
    for (at, column) in columns.iter().enumerate() {
        if columns[..at].iter().any(|other| other.name == column.name) {
            return Err(format!("Multiple definition of identifier {}", column.name));
        }
    }
    for column in columns {
        if let ColumnType::Set(element) = &column.column_type {
            if !can_order(element) {
                return Err(format!("this node can't order the elements of {}", column.type_text));
            }
        }
    }
    // A name given twice with one of them in the key shows only in the statement.
    if columns.len() != create.columns.len() {
        return Err("a column is defined more than once".into());
    }
    Ok(())
}

/// A keyspace and the names of what is in it.
#[derive(Debug)]
pub(crate) struct Keyspace {
    pub(crate) replication: Vec<(String, String)>,
    pub(crate) durable_writes: bool,
    /// Name to slot.
    pub(crate) tables: BTreeMap<String, super::TableIndex>,
}
