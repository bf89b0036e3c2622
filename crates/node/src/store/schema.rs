//! What a table looks like.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use helenus_core::protocol::{ColumnType, UdtType};

use super::hash::Hasher128;
use super::options::{KeyspaceOptions, TableOptions};
use crate::cql::{ColumnDefinition, CreateTable, Name, TypeName};
use crate::refusal::{Refusal, invalid};
use crate::types::{self, DataType, FoundType};

/// What a column is to its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    PartitionKey,
    Clustering { descending: bool },
    Static,
    Regular,
}

#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) name: String,
    /// As it was written: what a user-defined type is may change.
    pub(crate) type_name: TypeName,
    pub(crate) data_type: DataType,
    pub(crate) kind: Kind,
    /// What it is called in rows. No other column of the table ever has this number.
    pub(crate) number: u16,
}

impl Column {
    pub(crate) fn column_type(&self) -> &ColumnType {
        &self.data_type.column_type
    }

    pub(crate) fn is_counter(&self) -> bool {
        self.data_type.column_type == ColumnType::Counter
    }

    pub(crate) fn is_descending(&self) -> bool {
        self.kind == Kind::Clustering { descending: true }
    }
}

/// A table's definition. Columns are in the order of `SELECT *`: partition key, clustering key, static ones by name, the
/// others by name.
#[derive(Clone, Debug)]
pub(crate) struct Schema {
    pub(crate) keyspace: String,
    pub(crate) table: String,
    /// Differs for each table ever created, also under the same name.
    pub(crate) id: [u8; 16],
    pub(crate) columns: Vec<Column>,
    pub(crate) partition_len: usize,
    pub(crate) clustering_len: usize,
    pub(crate) options: TableOptions,
    /// By a column's number, its place in `columns`; `GONE` for one that was dropped.
    by_number: Vec<u16>,
    /// Columns that were dropped, and their types.
    dropped: BTreeMap<String, String>,
}

/// Finds user-defined types.
pub(crate) type Types<'a> = &'a dyn Fn(&Name) -> Result<FoundType, String>;

const GONE: u16 = u16::MAX;

/// How many columns a table may ever have had.
const COLUMN_LIMIT: usize = 4_096;

impl Schema {
    /// Checks a parsed CREATE TABLE. `serial` tells tables of one name apart.
    pub(crate) fn new(
        keyspace: &str,
        create: &CreateTable,
        types: Types<'_>,
        serial: u64,
    ) -> Result<Self, Refusal> {
        let table = &create.table.name;
        check_name("Table", table)?;
        if create.partition_key.is_empty() {
            return Err(invalid(format!(
                "No PRIMARY KEY specified for table '{keyspace}.{table}' (exactly one required)"
            )));
        }
        let mut options = TableOptions::default();
        options.set(&create.options)?;
        let id = Hasher128::new()
            .part(keyspace.as_bytes())
            .part(table.as_bytes())
            .part(&serial.to_be_bytes())
            .uuid();
        let mut schema = Self {
            keyspace: keyspace.to_owned(),
            table: table.clone(),
            id,
            columns: Vec::with_capacity(create.columns.len()),
            partition_len: create.partition_key.len(),
            clustering_len: create.clustering_key.len(),
            options,
            by_number: Vec::new(),
            dropped: BTreeMap::new(),
        };
        check_descending(create)?;
        for definition in &create.columns {
            let kind = kind_of(create, definition)?;
            schema.push(definition, kind, types)?;
        }
        let place = |name: &String| {
            let mut key = create.partition_key.iter().chain(&create.clustering_key);
            key.position(|column| column == name)
        };
        for name in create.partition_key.iter().chain(&create.clustering_key) {
            let times =
                create.partition_key.iter().chain(&create.clustering_key).filter(|other| *other == name);
            if times.count() > 1 {
                return Err(invalid(format!(
                    "Duplicate column '{name}' in PRIMARY KEY clause for table '{table}'"
                )));
            }
            schema.check_key_column(name)?;
        }
        schema.columns.sort_by_key(|column| place(&column.name).unwrap_or(usize::MAX));
        schema.settle();
        schema.check_counters()?;
        Ok(schema)
    }

    /// Adds a column of that kind, not in order yet.
    fn push(&mut self, definition: &ColumnDefinition, kind: Kind, types: Types<'_>) -> Result<(), Refusal> {
        let ColumnDefinition { name, type_name, .. } = definition;
        if self.columns.iter().any(|column| column.name == *name) {
            return Err(invalid(format!("Duplicate column '{name}' declaration for table '{}'", self.table)));
        }
        let data_type = types::resolve(type_name, types).map_err(invalid)?;
        if data_type.multi_cell && nests_cells(&data_type.column_type, type_name, types) {
            return Err(invalid(
                "Non-frozen UDTs with nested non-frozen collections are not supported".into(),
            ));
        }
        let number = self.by_number.len();
        if number >= COLUMN_LIMIT {
            return Err(invalid(format!("a table of this node ever has at most {COLUMN_LIMIT} columns")));
        }
        self.by_number.push(GONE);
        let number = number as u16;
        self.columns.push(Column {
            name: name.clone(),
            type_name: type_name.clone(),
            data_type,
            kind,
            number,
        });
        Ok(())
    }

    /// Brings the columns after the key into order.
    fn settle(&mut self) {
        let key_len = self.key_len();
        self.columns[key_len..]
            .sort_by(|a, b| (a.kind == Kind::Regular, &a.name).cmp(&(b.kind == Kind::Regular, &b.name)));
        self.by_number.fill(GONE);
        for (at, column) in self.columns.iter().enumerate() {
            self.by_number[usize::from(column.number)] = at as u16;
        }
    }

    fn check_key_column(&self, name: &str) -> Result<(), Refusal> {
        let table = &self.table;
        let found = self.columns.iter().find(|column| column.name == name);
        let column = found.ok_or_else(|| {
            invalid(format!("Unknown column '{name}' referenced in PRIMARY KEY for table '{table}'"))
        })?;
        let DataType { column_type, text, multi_cell } = &column.data_type;
        if *multi_cell {
            let what =
                if matches!(column_type, ColumnType::Udt(_)) { "user-defined type" } else { "collection" };
            return Err(invalid(format!(
                "Invalid non-frozen {what} type {text} for PRIMARY KEY column '{name}'"
            )));
        }
        if holds(column_type, &ColumnType::Duration) {
            return Err(invalid(format!("duration type is not supported for PRIMARY KEY column '{name}'")));
        }
        if *column_type == ColumnType::Counter {
            return Err(invalid(format!("counter type is not supported for PRIMARY KEY column '{name}'")));
        }
        Ok(())
    }

    fn check_counters(&self) -> Result<(), Refusal> {
        let others = &self.columns[self.key_len()..];
        let counters = others.iter().filter(|column| column.is_counter()).count();
        if counters > 0 && counters < others.len() {
            return Err(invalid("Cannot mix counter and non counter columns in the same table".into()));
        }
        if counters > 0 && self.options.default_time_to_live() > 0 {
            return Err(invalid("Cannot set default_time_to_live on a table with counters".into()));
        }
        Ok(())
    }

    /// ALTER TABLE ADD.
    pub(crate) fn add(&mut self, definition: &ColumnDefinition, types: Types<'_>) -> Result<(), Refusal> {
        let name = &definition.name;
        if self.index_of(name).is_some() {
            return Err(invalid(format!("Column with name '{name}' already exists")));
        }
        let kind = if definition.is_static { Kind::Static } else { Kind::Regular };
        if kind == Kind::Static && self.clustering_len == 0 {
            return Err(invalid(format!(
                "Static columns are only useful (and thus allowed) if the table has at least one clustering column: {name}"
            )));
        }
        self.push(definition, kind, types)?;
        let text = self.columns.last().map_or("", |column| &column.data_type.text);
        if let Some(before) = self.dropped.get(name).filter(|before| *before != text) {
            return Err(invalid(format!(
                "Cannot add a column '{name}' of type {text}, incompatible with previously dropped column '{name}' of type \
                 {before}"
            )));
        }
        self.settle();
        self.check_counters()
    }

    /// ALTER TABLE DROP.
    pub(crate) fn remove(&mut self, name: &str) -> Result<(), Refusal> {
        let missing = || invalid(format!("Column {name} was not found in table '{}'", self.full_name()));
        let at = self.index_of(name).ok_or_else(missing)?;
        if at < self.key_len() {
            return Err(invalid(format!("Cannot drop PRIMARY KEY column {name}")));
        }
        let Column { name, data_type, .. } = self.columns.remove(at);
        self.dropped.insert(name, data_type.text);
        self.settle();
        Ok(())
    }

    /// ALTER TABLE RENAME.
    pub(crate) fn rename(&mut self, from: &str, to: &str) -> Result<(), Refusal> {
        let missing = || invalid(format!("Column {from} was not found in table '{}'", self.full_name()));
        let at = self.index_of(from).ok_or_else(missing)?;
        if at >= self.key_len() {
            return Err(invalid(format!("Cannot rename non PRIMARY KEY column {from}")));
        }
        if self.index_of(to).is_some() {
            return Err(invalid(format!(
                "Cannot rename column {from} to {to} in table '{}'; another column with that name already exists",
                self.full_name()
            )));
        }
        self.columns[at].name = to.to_owned();
        Ok(())
    }

    /// Looks the types of all columns up anew.
    pub(crate) fn resolve_again(&mut self, types: Types<'_>) -> Result<(), Refusal> {
        for column in &mut self.columns {
            column.data_type = types::resolve(&column.type_name, types).map_err(invalid)?;
        }
        Ok(())
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

    pub(crate) fn is_counter(&self) -> bool {
        self.columns.last().is_some_and(Column::is_counter)
    }

    pub(crate) fn has_static(&self) -> bool {
        self.columns.get(self.key_len()).is_some_and(|column| column.kind == Kind::Static)
    }

    pub(crate) fn index_of(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// The position of a column, or the error that a client gets.
    pub(crate) fn column(&self, name: &str) -> Result<usize, Refusal> {
        self.index_of(name)
            .ok_or_else(|| invalid(format!("Undefined column name {name} in table {}", self.full_name())))
    }

    /// The position of the column that rows call so, unless it was dropped.
    pub(crate) fn by_number(&self, number: u16) -> Option<usize> {
        let at = *self.by_number.get(usize::from(number))?;
        (at != GONE).then_some(usize::from(at))
    }

    pub(crate) fn full_name(&self) -> String {
        format!("{}.{}", self.keyspace, self.table)
    }

    /// What the names of elements in a column are ordered by.
    pub(crate) fn path_order<'p>(&self, number: u16, path: &'p [u8]) -> Cow<'p, [u8]> {
        let element = self.by_number(number).and_then(|at| match self.columns[at].column_type() {
            ColumnType::Set(element) => Some(&**element),
            ColumnType::Map(types) => Some(&types.0),
            _ => None,
        });
        match element {
            // Those that order as they stand, and the places of lists and fields of types.
            None | Some(ColumnType::Text | ColumnType::Ascii | ColumnType::Blob) => Cow::Borrowed(path),
            Some(element) => match types::ordered(element, path) {
                Ok(ordered) => Cow::Owned(ordered),
                Err(_) => Cow::Borrowed(path),
            },
        }
    }

    /// How the names of two elements in a column order.
    pub(crate) fn compare_paths(&self, number: u16, a: &[u8], b: &[u8]) -> Ordering {
        self.path_order(number, a).cmp(&self.path_order(number, b))
    }
}

fn check_descending(create: &CreateTable) -> Result<(), Refusal> {
    for (at, (name, _)) in create.descending.iter().enumerate() {
        match create.clustering_key.get(at) {
            Some(column) if column == name => {}
            Some(column) if create.clustering_key.contains(name) => {
                return Err(invalid(format!(
                    "The order of columns in the CLUSTERING ORDER directive must be the one of the clustering key ({column} must appear before {name})"
                )));
            }
            _ => {
                return Err(invalid(format!("Missing CLUSTERING ORDER for column or unknown column {name}")));
            }
        }
    }
    if !create.descending.is_empty() && create.descending.len() < create.clustering_key.len() {
        let column = &create.clustering_key[create.descending.len()];
        return Err(invalid(format!("Missing CLUSTERING ORDER for column {column}")));
    }
    Ok(())
}

fn kind_of(create: &CreateTable, definition: &ColumnDefinition) -> Result<Kind, Refusal> {
    let name = &definition.name;
    let clustering = create.clustering_key.iter().position(|column| column == name);
    let in_key = clustering.is_some() || create.partition_key.contains(name);
    if definition.is_static && in_key {
        return Err(invalid(format!("Static column '{name}' cannot be part of the PRIMARY KEY")));
    }
    if definition.is_static && create.clustering_key.is_empty() {
        return Err(invalid(
            "Static columns are only useful (and thus allowed) if the table has at least one clustering column"
                .into(),
        ));
    }
    Ok(match clustering {
        Some(at) => Kind::Clustering {
            descending: create.descending.get(at).is_some_and(|(_, descending)| *descending),
        },
        None if in_key => Kind::PartitionKey,
        None if definition.is_static => Kind::Static,
        None => Kind::Regular,
    })
}

/// Whether a user-defined type has fields that aren't frozen.
fn nests_cells(column_type: &ColumnType, type_name: &TypeName, types: Types<'_>) -> bool {
    match (column_type, type_name) {
        (ColumnType::Udt(_), TypeName::Named(name)) => types(name).is_ok_and(|found| found.nests_cells),
        _ => false,
    }
}

/// Whether a type is another, or one of its parts is.
fn holds(column_type: &ColumnType, wanted: &ColumnType) -> bool {
    match column_type {
        ColumnType::List(element) | ColumnType::Set(element) | ColumnType::Vector(element, _) => {
            holds(element, wanted)
        }
        ColumnType::Map(types) => holds(&types.0, wanted) || holds(&types.1, wanted),
        ColumnType::Tuple(fields) => fields.iter().any(|field| holds(field, wanted)),
        ColumnType::Udt(udt) => udt.fields.iter().any(|(_, field)| holds(field, wanted)),
        other => other == wanted,
    }
}

/// Names of keyspaces and tables are names of files in Cassandra, hence the rule.
pub(crate) fn check_name(what: &str, name: &str) -> Result<(), Refusal> {
    let fits = (1..=48).contains(&name.len());
    if fits && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Ok(());
    }
    Err(invalid(format!(
        "{what} name must not be empty, more than 48 characters long, or contain non-alphanumeric-underscore \
         characters (got \"{name}\")"
    )))
}

/// A user-defined type as it was written, and as it is used.
#[derive(Clone, Debug)]
pub(crate) struct UserType {
    pub(crate) fields: Vec<(String, TypeName)>,
    pub(crate) texts: Vec<String>,
    pub(crate) udt: Arc<UdtType>,
    /// Whether it has fields that aren't frozen.
    pub(crate) nests_cells: bool,
}

/// A keyspace and the names of what is in it.
#[derive(Debug)]
pub(crate) struct Keyspace {
    pub(crate) options: KeyspaceOptions,
    /// Name to slot.
    pub(crate) tables: BTreeMap<String, super::TableIndex>,
    pub(crate) types: BTreeMap<String, UserType>,
}
