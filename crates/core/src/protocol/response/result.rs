use std::sync::Arc;

use super::event::SchemaChange;
use super::metadata::{ColumnSpec, RowsMetadata, put_bind_markers, read_bind_markers};
use crate::protocol::wire::{Reader, put_int, put_short_bytes, put_string};
use crate::protocol::{DecodeError, EncodeError, Version};

const VOID: i32 = 1;
const ROWS: i32 = 2;
const SET_KEYSPACE: i32 = 3;
const PREPARED: i32 = 4;
const SCHEMA_CHANGE: i32 = 5;

/// A RESULT (section 4.2.5).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ResultMessage<'a> {
    /// It is done (section 4.2.5.1).
    Void,
    /// A page of rows (section 4.2.5.2).
    Rows(Rows<'a>),
    /// `USE` was followed (section 4.2.5.3).
    SetKeyspace {
        /// The keyspace of unqualified names on this connection from now on.
        keyspace: &'a str,
    },
    /// A statement was prepared (section 4.2.5.4).
    Prepared(Prepared<'a>),
    /// The schema was changed (section 4.2.5.5).
    SchemaChange(SchemaChange<'a>),
}

impl<'a> ResultMessage<'a> {
    pub(super) fn read(r: &mut Reader<'a>, version: Version) -> Result<Self, DecodeError> {
        match r.about("kind of a RESULT").int()? {
            VOID => Ok(Self::Void),
            ROWS => Rows::read(r, version).map(Self::Rows),
            SET_KEYSPACE => Ok(Self::SetKeyspace { keyspace: r.about("keyspace").string()? }),
            PREPARED => Prepared::read(r, version).map(Self::Prepared),
            SCHEMA_CHANGE => SchemaChange::read(r).map(Self::SchemaChange),
            code => Err(DecodeError::Unknown { what: "kind of a RESULT", code: code as u32 }),
        }
    }

    /// Appends the body.
    pub fn put(&self, version: Version, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        match self {
            Self::Void => {
                put_int(out, VOID);
                Ok(())
            }
            Self::Rows(rows) => {
                let head = RowsHead::begin(out, version, &rows.metadata)?;
                out.extend_from_slice(rows.content);
                head.finish(out, rows.row_count)
            }
            Self::SetKeyspace { keyspace } => {
                put_int(out, SET_KEYSPACE);
                put_string(out, keyspace)
            }
            Self::Prepared(prepared) => prepared.put(version, out),
            Self::SchemaChange(change) => {
                put_int(out, SCHEMA_CHANGE);
                change.put(version, out)
            }
        }
    }
}

/// A page of rows (section 4.2.5.2).
#[derive(Clone, Debug, PartialEq)]
pub struct Rows<'a> {
    /// The columns and what there is about the page.
    pub metadata: RowsMetadata<'a>,
    /// How many rows `content` holds.
    pub row_count: usize,
    /// `row_count` times `column_count` `[bytes]`, row by row. Of a message that was read only so much is certain: it is
    /// long enough for so many lengths. Bytes may follow that don't belong to it.
    pub content: &'a [u8],
}

impl<'a> Rows<'a> {
    /// All cells, row by row; nothing after the first error.
    ///
    /// ```
    /// use helenus_core::protocol::response::{Rows, RowsMetadata};
    ///
    /// let metadata = RowsMetadata { column_count: 2, ..RowsMetadata::default() };
    /// let rows = Rows { metadata, row_count: 1, content: &[0, 0, 0, 1, b'k', 0xFF, 0xFF, 0xFF, 0xFF] };
    /// let cells: Result<Vec<_>, _> = rows.cells().collect();
    /// assert_eq!(cells?, [Some(&b"k"[..]), None]);
    /// # Ok::<(), helenus_core::protocol::DecodeError>(())
    /// ```
    pub fn cells(&self) -> impl Iterator<Item = Result<Option<&'a [u8]>, DecodeError>> + use<'a> {
        let mut left = self.row_count.saturating_mul(self.metadata.column_count);
        let mut reader = Reader::new(self.content);
        reader.about("cell of a row");
        std::iter::from_fn(move || {
            left = left.checked_sub(1)?;
            let cell = reader.bytes();
            if cell.is_err() {
                left = 0;
            }
            Some(cell)
        })
    }

    fn read(r: &mut Reader<'a>, version: Version) -> Result<Self, DecodeError> {
        let metadata = RowsMetadata::read(r, version)?;
        let row_count = r.about("number of rows").length()?;
        if metadata.column_count == 0 && row_count > 0 {
            let what = "number of rows without columns";
            return Err(DecodeError::Length { what, length: row_count as i64 });
        }
        r.about("rows").check_count(row_count, metadata.column_count.saturating_mul(4))?;
        Ok(Self { metadata, row_count, content: r.rest() })
    }
}

/// A page of rows, written in place around cells that the caller encodes.
#[derive(Debug)]
#[must_use = "the number of rows is a placeholder until `finish`"]
pub struct RowsHead {
    at: usize,
}

impl RowsHead {
    /// Appends everything up to the cells. Append `column_count` `[bytes]` for each row next.
    pub fn begin(
        out: &mut Vec<u8>,
        version: Version,
        metadata: &RowsMetadata<'_>,
    ) -> Result<Self, EncodeError> {
        put_int(out, ROWS);
        metadata.put(version, out)?;
        put_int(out, 0);
        Ok(Self { at: out.len() - 4 })
    }

    /// Fills in how many rows there are.
    ///
    /// # Panics
    /// If `out` is not the buffer that was begun with.
    pub fn finish(self, out: &mut [u8], row_count: usize) -> Result<(), EncodeError> {
        let limit = i32::MAX as usize;
        let what = "rows of a page";
        let count =
            i32::try_from(row_count).map_err(|_| EncodeError::Limit { what, actual: row_count, limit })?;
        out[self.at..self.at + 4].copy_from_slice(&count.to_be_bytes());
        Ok(())
    }
}

/// A prepared statement (section 4.2.5.4).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Prepared<'a> {
    /// What EXECUTE calls it, on any connection to this node.
    pub id: &'a [u8],
    /// What EXECUTE calls the result's columns; v5.
    pub result_metadata_id: Option<&'a [u8]>,
    /// Its bind markers.
    pub bind_markers: Arc<[ColumnSpec]>,
    /// For each column of the partition key, which bind marker is its value; empty if one of them has none. v4 and
    /// later.
    pub pk_indexes: Vec<u16>,
    /// What its result will look like. Without columns if it is no SELECT; a conditional statement has columns that
    /// aren't known before.
    pub result_metadata: RowsMetadata<'a>,
}

impl<'a> Prepared<'a> {
    fn read(r: &mut Reader<'a>, version: Version) -> Result<Self, DecodeError> {
        let id = r.about("id of a prepared statement").short_bytes()?;
        let mut result_metadata_id = None;
        if version >= Version::V5 {
            result_metadata_id = Some(r.about("id of a result's metadata").short_bytes()?);
        }
        let (bind_markers, pk_indexes) = read_bind_markers(r, version)?;
        let result_metadata = RowsMetadata::read(r, version)?;
        Ok(Self { id, result_metadata_id, bind_markers, pk_indexes, result_metadata })
    }

    fn put(&self, version: Version, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        put_int(out, PREPARED);
        put_short_bytes(out, self.id)?;
        if version >= Version::V5 {
            let what = "the id of a result's metadata";
            put_short_bytes(out, self.result_metadata_id.ok_or(EncodeError::Missing { what, version })?)?;
        }
        put_bind_markers(out, version, &self.bind_markers, &self.pk_indexes)?;
        self.result_metadata.put(version, out)
    }
}
