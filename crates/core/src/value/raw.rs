//! Rows whose columns are only known when they come.

use super::row::check_column;
use super::{Cells, DecodeError, DecodeRow, DecodeValue, Layout};
use crate::protocol::ColumnSpec;

/// A row of any columns, its cells read by index or by name.
///
/// Nothing is allocated, so `get` walks from the first cell to the one that it wants: to read many columns of a wide
/// table, walk once by [`RawRow::cells`].
///
/// ```no_run
/// # use helenus_core::protocol::ColumnSpec;
/// use helenus_core::value::{RawRow, Rows};
///
/// # fn read(columns: &[ColumnSpec], content: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
/// for row in Rows::<RawRow<'_>>::new(columns, 3, content)? {
///     let age: Option<i32> = row?.get_named("age")?;
/// }
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct RawRow<'a> {
    cells: Cells<'a>,
}

/// One cell of a [`RawRow`].
#[derive(Clone, Copy, Debug)]
pub struct RawCell<'a> {
    column: &'a ColumnSpec,
    index: usize,
    row: usize,
    bytes: Option<&'a [u8]>,
}

impl<'a> DecodeRow<'a> for RawRow<'a> {
    fn check(_: &[ColumnSpec]) -> Result<Layout, DecodeError> {
        Ok(Layout::in_order())
    }

    fn decode(_: &Layout, cells: &mut Cells<'a>) -> Result<Self, DecodeError> {
        let row = cells.clone();
        cells.finish()?;
        Ok(Self { cells: row })
    }
}

impl<'a> RawRow<'a> {
    /// Its columns.
    pub fn columns(&self) -> &'a [ColumnSpec] {
        self.cells.columns()
    }

    /// Its cells, in order.
    pub fn cells(&self) -> impl Iterator<Item = RawCell<'a>> + use<'a> {
        let mut cells = self.cells.clone();
        std::iter::from_fn(move || {
            let (column, bytes) = cells.take_next().ok()?;
            Some(RawCell { column, index: cells.taken() - 1, row: cells.row(), bytes })
        })
    }

    /// The cell of the column with this index, counted from 0.
    ///
    /// # Errors
    /// [`DecodeError::NoSuchColumn`]; [`DecodeError::Column`] if its type doesn't go with `T`;
    /// [`DecodeError::Cell`] if it isn't a value of its type.
    pub fn get<T: DecodeValue<'a>>(&self, index: usize) -> Result<T, DecodeError> {
        self.cells().nth(index).ok_or_else(|| no_column(&index.to_string()))?.decode()
    }

    /// The cell of the first column with this name, spelled as the table has it.
    ///
    /// # Errors
    /// As for [`RawRow::get`].
    pub fn get_named<T: DecodeValue<'a>>(&self, name: &str) -> Result<T, DecodeError> {
        let named = self.cells().find(|cell| &*cell.column.name == name);
        named.ok_or_else(|| no_column(&format!("'{name}'")))?.decode()
    }
}

impl<'a> RawCell<'a> {
    /// Its column.
    pub fn column(&self) -> &'a ColumnSpec {
        self.column
    }

    /// Its bytes, of whatever type; `None` is null.
    pub fn bytes(&self) -> Option<&'a [u8]> {
        self.bytes
    }

    /// Its value.
    ///
    /// # Errors
    /// As for [`RawRow::get`], but for the first.
    pub fn decode<T: DecodeValue<'a>>(&self) -> Result<T, DecodeError> {
        check_column::<T>(self.index, self.column)?;
        T::decode(&self.column.column_type, self.bytes)
            .map_err(|reason| DecodeError::cell::<T>(self.row, self.index, self.column, reason))
    }
}

#[cold]
fn no_column(name: &str) -> DecodeError {
    DecodeError::NoSuchColumn(name.into())
}
