//! Rows into structs, by name and by position.

use std::slice::Iter;

use super::{ColumnSpec, DecodeFields, Field, OfRow, TakeFields, fields};
use crate::value::row::{check_count, check_with};
use crate::value::{Cells, DecodeError, DecodeValue, Layout};

/// In a layout: the result has no column for this field.
const MISSING: u16 = u16::MAX;

/// How many places of a row are remembered while its cells are read in another order than they come in.
const MARKS: usize = 32;

/// [`DecodeRow::check`](crate::value::DecodeRow::check) by name. Of columns with one name the first is taken; those that no field wants are left.
///
/// # Errors
/// [`DecodeError::MissingColumn`] and [`DecodeError::Column`].
pub fn check_row<'a, R: DecodeFields<'a, OfRow>>(columns: &[ColumnSpec]) -> Result<Layout, DecodeError> {
    let is_at = |field: &Field, column: &ColumnSpec| field.name == &*column.name;
    if columns.len() >= R::FIELDS.into()
        && fields::<_, R>().zip(columns).all(|(field, column)| is_at(&field, column))
    {
        check_types::<R>(columns)?;
        return Ok(Layout::in_order());
    }
    let mut places = Vec::with_capacity(R::FIELDS.into());
    for field in fields::<_, R>() {
        // The protocol can count more columns than a layout, but no table has as many.
        let found = columns.iter().take(MISSING.into()).position(|column| is_at(&field, column));
        match found {
            Some(index) => check_with(field.check, index, &columns[index])?,
            None if field.optional => {}
            None => return Err(DecodeError::missing_column::<R>(field.name, columns)),
        }
        places.push(found.map_or(MISSING, |index| index as u16));
    }
    Ok(Layout::of(places))
}

/// [`DecodeRow::check`](crate::value::DecodeRow::check) by position.
///
/// # Errors
/// [`DecodeError::ColumnCount`] and [`DecodeError::Column`].
pub fn check_row_by_position<'a, R: DecodeFields<'a, OfRow>>(
    columns: &[ColumnSpec],
) -> Result<Layout, DecodeError> {
    check_count(columns, R::FIELDS.into())?;
    check_types::<R>(columns)?;
    Ok(Layout::in_order())
}

/// [`DecodeRow::decode`](crate::value::DecodeRow::decode) after [`check_row`]. Where the columns come in the order of the fields, it costs what a tuple does.
///
/// # Errors
/// As for [`DecodeRow::decode`](crate::value::DecodeRow::decode).
#[inline]
pub fn decode_row<'a, R: DecodeFields<'a, OfRow>>(
    layout: &Layout,
    cells: &mut Cells<'a>,
) -> Result<R, DecodeError> {
    match layout.places() {
        [] => R::decode_fields(cells),
        places => decode_placed(places, cells),
    }
}

/// [`DecodeRow::decode`](crate::value::DecodeRow::decode) after [`check_row_by_position`].
///
/// # Errors
/// As for [`DecodeRow::decode`](crate::value::DecodeRow::decode).
#[inline]
pub fn decode_row_by_position<'a, R: DecodeFields<'a, OfRow>>(
    cells: &mut Cells<'a>,
) -> Result<R, DecodeError> {
    R::decode_fields(cells)
}

/// Apart from [`decode_row`], so that the usual order is one short loop.
#[inline(never)]
fn decode_placed<'a, R: DecodeFields<'a, OfRow>>(
    places: &[u16],
    cells: &mut Cells<'a>,
) -> Result<R, DecodeError> {
    let mut placed = Placed::new(places, cells.clone());
    let row = R::decode_fields(&mut placed);
    *cells = placed.into_furthest();
    row
}

fn check_types<'a, R: DecodeFields<'a, OfRow>>(columns: &[ColumnSpec]) -> Result<(), DecodeError> {
    for (index, (field, column)) in fields::<_, R>().zip(columns).enumerate() {
        check_with(field.check, index, column)?;
    }
    Ok(())
}

/// The cells as they come are the fields in order.
impl<'a> TakeFields<'a> for Cells<'a> {
    type Error = DecodeError;

    #[inline(always)]
    fn take<T: DecodeValue<'a>>(&mut self, _: &'static str) -> Result<T, DecodeError> {
        self.decode_next()
    }

    #[inline(always)]
    fn take_or_default<T: DecodeValue<'a> + Default>(&mut self, _: &'static str) -> Result<T, DecodeError> {
        self.decode_next()
    }
}

/// Cells in another order than they come in. Lengths must be walked over, so where the walk has been is remembered: every
/// cell of up to [`MARKS`], every second one of up to twice as many.
struct Placed<'l, 'a> {
    places: Iter<'l, u16>,
    cells: Cells<'a>,
    row: &'a [u8],
    stride: usize,
    marks: [usize; MARKS],
    known: usize,
}

impl<'l, 'a> Placed<'l, 'a> {
    fn new(places: &'l [u16], cells: Cells<'a>) -> Self {
        let stride = cells.columns().len().div_ceil(MARKS).max(1);
        Self { places: places.iter(), row: cells.rest(), cells, stride, marks: [0; MARKS], known: 1 }
    }

    fn next<T: DecodeValue<'a>>(&mut self) -> Result<Option<T>, DecodeError> {
        match self.places.next() {
            None | Some(&MISSING) => Ok(None),
            Some(&column) => {
                self.go_to(column.into())?;
                let value = self.cells.decode_next()?;
                self.remember();
                Ok(Some(value))
            }
        }
    }

    fn go_to(&mut self, column: usize) -> Result<(), DecodeError> {
        let mark = (column / self.stride).min(self.known - 1);
        if column < self.cells.taken() || self.cells.taken() < mark * self.stride {
            self.resume_at(mark);
        }
        while self.cells.taken() < column {
            self.cells.take_next()?;
            self.remember();
        }
        Ok(())
    }

    fn remember(&mut self) {
        if self.known < MARKS && self.cells.taken() == self.known * self.stride {
            self.marks[self.known] = self.row.len() - self.cells.rest().len();
            self.known += 1;
        }
    }

    fn resume_at(&mut self, mark: usize) {
        let rest = self.row.get(self.marks[mark]..).unwrap_or_default();
        self.cells.resume(rest, mark * self.stride);
    }

    /// The cells after the last of the marks, so that what skips the others begins there.
    fn into_furthest(mut self) -> Cells<'a> {
        self.resume_at(self.known - 1);
        self.cells
    }
}

impl<'a> TakeFields<'a> for Placed<'_, 'a> {
    type Error = DecodeError;

    fn take<T: DecodeValue<'a>>(&mut self, name: &'static str) -> Result<T, DecodeError> {
        // The check found a column for each of these; a layout of another type may not have it.
        self.next()?.ok_or_else(|| DecodeError::NoSuchColumn(format!("'{name}'").into()))
    }

    fn take_or_default<T: DecodeValue<'a> + Default>(&mut self, _: &'static str) -> Result<T, DecodeError> {
        self.next().map(Option::unwrap_or_default)
    }
}
