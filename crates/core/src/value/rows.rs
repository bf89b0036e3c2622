//! The rows of one page, read one after another.

use std::iter::FusedIterator;
use std::marker::PhantomData;

use super::{Cells, DecodeError, DecodeRow, Layout};
use crate::protocol::ColumnSpec;

/// The rows of one page as `R`s, each read when it is asked for, in one walk over its bytes and without allocating,
/// unless `R` owns something.
///
/// A cell that is no value fails its row alone: the next one is read as usual. If the bytes stop being rows, the
/// iteration ends with one error. Bytes after the last row are ignored, as section 1 of the specification asks.
#[derive(Clone, Debug)]
pub struct Rows<'a, R> {
    columns: &'a [ColumnSpec],
    content: &'a [u8],
    layout: Layout,
    cursor: RowCursor,
    row: PhantomData<fn() -> R>,
}

impl<'a, R: DecodeRow<'a>> Rows<'a, R> {
    /// The `row_count` rows of these `columns` in `content`: what follows \<rows_count\> in a RESULT of kind Rows
    /// (section 4.2.5.2 of v4).
    ///
    /// # Errors
    /// [`DecodeError::ColumnCount`] and [`DecodeError::Column`] if `R` doesn't go with the columns,
    /// [`DecodeError::Content`] if `content` is too short for so many rows.
    pub fn new(columns: &'a [ColumnSpec], row_count: usize, content: &'a [u8]) -> Result<Self, DecodeError> {
        let layout = R::check(columns)?;
        let cursor = RowCursor::new(columns, row_count, content)?;
        Ok(Self { columns, content, layout, cursor, row: PhantomData })
    }
}

impl<'a, R: DecodeRow<'a>> Iterator for Rows<'a, R> {
    type Item = Result<R, DecodeError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.cursor.next(&self.layout, self.columns, self.content)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.cursor.remaining()))
    }
}

impl<'a, R: DecodeRow<'a>> FusedIterator for Rows<'a, R> {}

/// A place between two rows of a page, which borrows nothing: for those who own the page's bytes themselves and read
/// it bit by bit.
#[derive(Clone, Debug)]
pub struct RowCursor {
    offset: usize,
    row: usize,
    end: usize,
}

impl RowCursor {
    /// Before the first of `row_count` rows.
    ///
    /// # Errors
    /// [`DecodeError::Content`] if `content` is too short for so many rows.
    pub fn new(columns: &[ColumnSpec], row_count: usize, content: &[u8]) -> Result<Self, DecodeError> {
        // Each cell has 4 bytes of length, so this bounds the rows by the bytes present.
        match row_count.checked_mul(columns.len().max(1)) {
            Some(cells) if cells <= content.len() / 4 => Ok(Self { offset: 0, row: 0, end: row_count }),
            _ => Err(DecodeError::content(0, 0, "it has fewer bytes than its row count needs")),
        }
    }

    /// How many rows are left.
    #[inline]
    pub fn remaining(&self) -> usize {
        self.end - self.row
    }

    /// Reads the next row. `layout`, `columns` and `content` are to be the same each time; others give errors or wrong
    /// values, nothing worse.
    #[inline]
    pub fn next<'a, R: DecodeRow<'a>>(
        &mut self,
        layout: &Layout,
        columns: &'a [ColumnSpec],
        content: &'a [u8],
    ) -> Option<Result<R, DecodeError>> {
        if self.row == self.end {
            return None;
        }
        let bytes = content.get(self.offset..).unwrap_or_default();
        let mut cells = Cells::new(columns, bytes, self.row);
        let row = R::decode(layout, &mut cells);
        self.row += 1;
        match cells.finish() {
            Ok(rest) => {
                self.offset = content.len() - rest.len();
                Some(row)
            }
            Err(broken) => {
                self.row = self.end;
                Some(row.and(Err(broken)))
            }
        }
    }
}
