//! The trait of rows, and the cells that they are made from.

use super::{DecodeError, DecodeValue, TypeMismatch};
use crate::protocol::{ColumnSpec, ColumnType};

/// A Rust type that a row can be read as: a tuple of up to 16 values in the order of the columns, `()` for a result
/// without any, [`RawRow`](super::RawRow), or a struct with the derive of that name. `'a` is the life of the response, from which it may borrow.
pub trait DecodeRow<'a>: Sized {
    /// Whether rows of these columns can be read as this; asked once per result. The layout that it returns is handed
    /// to each [`DecodeRow::decode`].
    ///
    /// # Errors
    /// [`DecodeError::ColumnCount`] and [`DecodeError::Column`], which name what doesn't fit.
    fn check(columns: &[ColumnSpec]) -> Result<Layout, DecodeError>;

    /// Reads one row: takes its cells from first to last. Those that it leaves are skipped.
    ///
    /// # Errors
    /// [`DecodeError`], as the methods of [`Cells`] return it.
    fn decode(layout: &Layout, cells: &mut Cells<'a>) -> Result<Self, DecodeError>;
}

/// How a row type lies on the columns of a result: what [`DecodeRow::check`] worked out once, for all rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout(Box<[u16]>);

impl Layout {
    /// Column after column, as they come. Costs no allocation.
    pub fn in_order() -> Self {
        Self::default()
    }

    /// Numbers with a meaning of the row type's own: for each field the column that fills it, say.
    pub fn of(places: impl Into<Box<[u16]>>) -> Self {
        Self(places.into())
    }

    /// The numbers given to [`Layout::of`].
    pub fn places(&self) -> &[u16] {
        &self.0
    }
}

/// The cells of one row, still in their bytes, taken from first to last.
#[derive(Clone, Debug)]
pub struct Cells<'a> {
    columns: &'a [ColumnSpec],
    rest: &'a [u8],
    taken: usize,
    row: usize,
}

impl<'a> Cells<'a> {
    /// Cells of these `columns` at the front of `bytes`, for the row of this index.
    #[inline]
    pub(super) fn new(columns: &'a [ColumnSpec], bytes: &'a [u8], row: usize) -> Self {
        Self { columns, rest: bytes, taken: 0, row }
    }

    /// The columns of the row, with those already taken.
    #[inline]
    pub fn columns(&self) -> &'a [ColumnSpec] {
        self.columns
    }

    /// How many cells were taken.
    #[inline]
    pub fn taken(&self) -> usize {
        self.taken
    }

    /// Takes the next cell as a `T`. Its type is not checked again: [`DecodeRow::check`] has done so.
    ///
    /// # Errors
    /// [`DecodeError::Cell`] if it isn't one, [`DecodeError::Content`] if the bytes end or all cells are taken.
    // Always inlined, with `take_next`: as calls they made a row of five columns 1.7 times as many instructions.
    #[inline(always)]
    pub fn decode_next<T: DecodeValue<'a>>(&mut self) -> Result<T, DecodeError> {
        let (column, bytes) = self.take_next()?;
        match T::decode(&column.column_type, bytes) {
            Ok(value) => Ok(value),
            Err(reason) => Err(DecodeError::cell::<T>(self.row, self.taken - 1, column, reason)),
        }
    }

    /// Takes the next cell as bytes; `None` is null.
    ///
    /// # Errors
    /// [`DecodeError::Content`] if the bytes end or all cells are taken.
    #[inline(always)]
    pub fn take_next(&mut self) -> Result<(&'a ColumnSpec, Option<&'a [u8]>), DecodeError> {
        let column = self.columns.get(self.taken);
        let (Some(column), Some((length, rest))) = (column, self.rest.split_first_chunk()) else {
            return Err(self.broken());
        };
        let length = i32::from_be_bytes(*length);
        if length < 0 {
            self.rest = rest;
            self.taken += 1;
            return Ok((column, None));
        }
        let Some((bytes, rest)) = rest.split_at_checked(length as usize) else {
            return Err(self.broken());
        };
        self.rest = rest;
        self.taken += 1;
        Ok((column, Some(bytes)))
    }

    /// Takes what is left of the row, and returns the bytes after it.
    #[inline]
    pub(super) fn finish(&mut self) -> Result<&'a [u8], DecodeError> {
        while self.taken < self.columns.len() {
            self.take_next()?;
        }
        Ok(self.rest)
    }

    /// The cells that are left, as a row of their own.
    #[inline]
    pub(super) fn after_taken(&self) -> Self {
        Self::new(self.columns.get(self.taken..).unwrap_or_default(), self.rest, self.row)
    }

    /// The bytes after the cells already taken.
    #[inline]
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Goes to where [`Cells::rest`] and [`Cells::taken`] were these.
    #[inline]
    pub(super) fn resume(&mut self, rest: &'a [u8], taken: usize) {
        self.rest = rest;
        self.taken = taken;
    }

    /// Of this row in its page.
    pub(super) fn row(&self) -> usize {
        self.row
    }

    /// Why no next cell could be taken.
    #[cold]
    #[inline(never)]
    fn broken(&self) -> DecodeError {
        let reason = if self.taken == self.columns.len() {
            "more cells are read than it has columns"
        } else if self.rest.len() < 4 {
            "the length of the cell is cut off"
        } else {
            "the cell is cut off"
        };
        DecodeError::content(self.row, self.taken, reason)
    }
}

impl DecodeRow<'_> for () {
    fn check(columns: &[ColumnSpec]) -> Result<Layout, DecodeError> {
        check_count(columns, 0)?;
        Ok(Layout::in_order())
    }

    fn decode(_: &Layout, _: &mut Cells<'_>) -> Result<Self, DecodeError> {
        Ok(())
    }
}

macro_rules! tuples {
    ($($count:literal: $($T:ident $index:tt),+;)+) => {$(
        impl<'a, $($T: DecodeValue<'a>),+> DecodeRow<'a> for ($($T,)+) {
            fn check(columns: &[ColumnSpec]) -> Result<Layout, DecodeError> {
                check_count(columns, $count)?;
                $(check_column::<$T>($index, &columns[$index])?;)+
                Ok(Layout::in_order())
            }

            #[inline]
            fn decode(_: &Layout, cells: &mut Cells<'a>) -> Result<Self, DecodeError> {
                Ok(($(cells.decode_next::<$T>()?,)+))
            }
        }
    )+};
}

tuples! {
    1: A 0;
    2: A 0, B 1;
    3: A 0, B 1, C 2;
    4: A 0, B 1, C 2, D 3;
    5: A 0, B 1, C 2, D 3, E 4;
    6: A 0, B 1, C 2, D 3, E 4, F 5;
    7: A 0, B 1, C 2, D 3, E 4, F 5, G 6;
    8: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7;
    9: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8;
    10: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9;
    11: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10;
    12: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11;
    13: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11, M 12;
    14: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11, M 12, N 13;
    15: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11, M 12, N 13, O 14;
    16: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11, M 12, N 13, O 14, P 15;
}

pub(super) fn check_count(columns: &[ColumnSpec], expected: usize) -> Result<(), DecodeError> {
    match columns.len() {
        columns if columns == expected => Ok(()),
        columns => Err(DecodeError::ColumnCount { columns, expected }),
    }
}

/// Whether cells of this column can be read as a `T`.
pub(super) fn check_column<'a, T: DecodeValue<'a>>(
    index: usize,
    column: &ColumnSpec,
) -> Result<(), DecodeError> {
    check_with(T::check, index, column)
}

pub(super) fn check_with(
    check: impl FnOnce(&ColumnType) -> Result<(), TypeMismatch>,
    index: usize,
    column: &ColumnSpec,
) -> Result<(), DecodeError> {
    check(&column.column_type).map_err(|mismatch| DecodeError::column(index, column, mismatch))
}
