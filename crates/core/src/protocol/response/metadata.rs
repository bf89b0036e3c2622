use std::sync::Arc;

use crate::protocol::option::put_option;
use crate::protocol::wire::{Reader, put_bytes, put_int, put_length, put_short, put_short_bytes, put_string};
use crate::protocol::{ColumnType, DecodeError, EncodeError, Version};

const GLOBAL_TABLE: i32 = 0x0001;
const MORE_PAGES: i32 = 0x0002;
const NO_METADATA: i32 = 0x0004;
const CHANGED: i32 = 0x0008;

/// More columns than this are taken for garbage, so that a small body can't claim much memory.
const MAX_COLUMNS: usize = 65_535;

/// A column of a result, or a bind marker (section 4.2.5.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnSpec {
    /// The keyspace of its table.
    pub keyspace: Arc<str>,
    /// Its table.
    pub table: Arc<str>,
    /// Its name, alias or expression.
    pub name: Arc<str>,
    /// Its type.
    pub column_type: ColumnType,
}

/// What a page of rows says about itself (section 4.2.5.2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowsMetadata<'a> {
    /// How many values a row has.
    pub column_count: usize,
    /// The columns; `None` if the client said that it knows them, or the server that there are none to know.
    pub columns: Option<Arc<[ColumnSpec]>>,
    /// Where the next page begins, if there is one.
    pub paging_state: Option<&'a [u8]>,
    /// The columns are others than the client knew: from now on they have this name (v5).
    pub new_metadata_id: Option<&'a [u8]>,
}

impl<'a> RowsMetadata<'a> {
    /// Metadata with these columns and nothing else.
    pub fn new(columns: Arc<[ColumnSpec]>) -> Self {
        Self { column_count: columns.len(), columns: Some(columns), ..Self::default() }
    }

    pub(super) fn read(r: &mut Reader<'a>, version: Version) -> Result<Self, DecodeError> {
        let flags = r.about("flags of a result's metadata").int()?;
        let mut metadata = Self { column_count: column_count(r)?, ..Self::default() };
        if flags & MORE_PAGES != 0 {
            metadata.paging_state = r.about("paging state").bytes()?;
        }
        if flags & CHANGED != 0 && version >= Version::V5 {
            metadata.new_metadata_id = Some(r.about("id of a result's metadata").short_bytes()?);
        }
        if flags & NO_METADATA == 0 {
            metadata.columns = Some(columns(r, metadata.column_count, flags)?);
        }
        Ok(metadata)
    }

    pub(super) fn put(&self, version: Version, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let mut flags = match &self.columns {
            Some(columns) => global_flag(columns),
            None => NO_METADATA,
        };
        if self.paging_state.is_some() {
            flags |= MORE_PAGES;
        }
        if self.new_metadata_id.is_some() {
            flags |= CHANGED;
        }
        put_int(out, flags);
        put_length(out, self.columns.as_ref().map_or(self.column_count, |columns| columns.len()), "columns")?;
        if let Some(state) = self.paging_state {
            put_bytes(out, Some(state))?;
        }
        if let Some(id) = self.new_metadata_id {
            let (what, since) = ("the id of changed metadata", Version::V5);
            if version < since {
                return Err(EncodeError::NotInVersion { what, version, since });
            }
            put_short_bytes(out, id)?;
        }
        match &self.columns {
            Some(columns) => put_columns(out, version, columns),
            None => Ok(()),
        }
    }
}

/// Bind markers of a prepared statement, and which of them are the partition key (section 4.2.5.4; v3 doesn't say).
pub(super) fn read_bind_markers(
    r: &mut Reader<'_>,
    version: Version,
) -> Result<(Arc<[ColumnSpec]>, Vec<u16>), DecodeError> {
    let flags = r.about("flags of bind markers").int()?;
    let count = column_count(r)?;
    let mut pk_indexes = Vec::new();
    if version >= Version::V4 {
        let pk_count = r.about("indexes of a partition key").length()?;
        r.check_count(pk_count, 2)?;
        pk_indexes.reserve_exact(pk_count);
        for _ in 0..pk_count {
            pk_indexes.push(r.short()?);
        }
    }
    Ok((columns(r, count, flags)?, pk_indexes))
}

pub(super) fn put_bind_markers(
    out: &mut Vec<u8>,
    version: Version,
    markers: &[ColumnSpec],
    pk_indexes: &[u16],
) -> Result<(), EncodeError> {
    put_int(out, global_flag(markers));
    put_length(out, markers.len(), "bind markers")?;
    if version >= Version::V4 {
        put_length(out, pk_indexes.len(), "columns of a partition key")?;
        pk_indexes.iter().for_each(|index| put_short(out, *index));
    }
    put_columns(out, version, markers)
}

fn column_count(r: &mut Reader<'_>) -> Result<usize, DecodeError> {
    let count = r.about("number of columns").length()?;
    if count > MAX_COLUMNS {
        return Err(DecodeError::Length { what: "number of columns", length: count as i64 });
    }
    Ok(count)
}

fn columns(r: &mut Reader<'_>, count: usize, flags: i32) -> Result<Arc<[ColumnSpec]>, DecodeError> {
    let global = flags & GLOBAL_TABLE != 0;
    let (mut keyspace, mut table) = (Arc::from(""), Arc::from(""));
    if global {
        read_table(r, &mut keyspace, &mut table)?;
    }
    r.about("columns").check_count(count, if global { 4 } else { 8 })?;
    let mut columns = Vec::with_capacity(count);
    for _ in 0..count {
        if !global {
            read_table(r, &mut keyspace, &mut table)?;
        }
        let name = r.about("name of a column").string()?.into();
        let column_type = r.about("type of a column").option()?;
        columns.push(ColumnSpec {
            keyspace: Arc::clone(&keyspace),
            table: Arc::clone(&table),
            name,
            column_type,
        });
    }
    Ok(columns.into())
}

/// Reads keyspace and table, and keeps the names that were there before if they are the same.
fn read_table(r: &mut Reader<'_>, keyspace: &mut Arc<str>, table: &mut Arc<str>) -> Result<(), DecodeError> {
    for (what, name) in [("keyspace of a column", keyspace), ("table of a column", table)] {
        let found = r.about(what).string()?;
        if **name != *found {
            *name = found.into();
        }
    }
    Ok(())
}

/// Whether all columns are of one table, which is then written once.
fn global_flag(columns: &[ColumnSpec]) -> i32 {
    let same =
        columns.windows(2).all(|pair| pair[0].keyspace == pair[1].keyspace && pair[0].table == pair[1].table);
    if same && !columns.is_empty() { GLOBAL_TABLE } else { 0 }
}

fn put_columns(out: &mut Vec<u8>, version: Version, columns: &[ColumnSpec]) -> Result<(), EncodeError> {
    if columns.len() > MAX_COLUMNS {
        return Err(EncodeError::Limit { what: "columns", actual: columns.len(), limit: MAX_COLUMNS });
    }
    let global = global_flag(columns) != 0;
    for (i, column) in columns.iter().enumerate() {
        if !global || i == 0 {
            put_string(out, &column.keyspace)?;
            put_string(out, &column.table)?;
        }
        put_string(out, &column.name)?;
        put_option(out, version, &column.column_type)?;
    }
    Ok(())
}
