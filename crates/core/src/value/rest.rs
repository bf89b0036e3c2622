//! A row less its first column.

use super::{Cells, DecodeError, DecodeRow, Layout};
use crate::protocol::ColumnSpec;

/// What follows the first column of a row, as an `R`; the first itself is skipped. So the row that was there is read from the
/// answer to a conditional statement, which puts `[applied]` before it. In errors, columns are counted from the one after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AfterFirst<R>(
    /// The rest of the row.
    pub R,
);

impl<'a, R: DecodeRow<'a>> DecodeRow<'a> for AfterFirst<R> {
    fn check(columns: &[ColumnSpec]) -> Result<Layout, DecodeError> {
        R::check(columns.get(1..).unwrap_or_default())
    }

    fn decode(layout: &Layout, cells: &mut Cells<'a>) -> Result<Self, DecodeError> {
        cells.take_next()?;
        let mut rest = cells.after_taken();
        let row = R::decode(layout, &mut rest);
        // What is left of the row is skipped by whoever began it.
        cells.resume(rest.rest(), cells.taken() + rest.taken());
        row.map(Self)
    }
}
