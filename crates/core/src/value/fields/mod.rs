//! What derived rows, values and user-defined types are written against: a struct's fields, found by their names.
//!
//! The derives of `helenus` implement [`DecodeFields`] and [`EncodeFields`]; the functions here turn these into
//! [`DecodeRow`](super::DecodeRow), [`DecodeValue`], [`EncodeValues`](super::EncodeValues) and
//! [`EncodeValue`](super::EncodeValue). Names are compared once per result for rows, and once per value for
//! user-defined types, whose trait has no place to remember what it found.

mod bind;
mod row;
mod udt;

use super::{DecodeValue, EncodeError, TypeMismatch, ValueWriter};
pub use crate::protocol::{ColumnSpec, ColumnType};
pub use bind::{
    bind_by_name, bind_by_position, bind_untyped, bind_with_names, encode_udt, encode_untyped_udt,
};
pub use row::{check_row, check_row_by_position, decode_row, decode_row_by_position};
pub use udt::{check_udt, decode_udt};

/// Marks fields that are columns of a row, or bind markers.
#[derive(Debug)]
pub enum OfRow {}

/// Marks fields of a user-defined type. One struct can be both.
#[derive(Debug)]
pub enum OfUdt {}

/// Fields that are read, in the order of their declaration. Flattened ones are counted in.
pub trait DecodeFields<'a, Of>: Sized {
    /// How many there are.
    const FIELDS: u16;

    /// The field with this number; `None` from [`DecodeFields::FIELDS`] on.
    fn field(place: u16) -> Option<Field>;

    /// Takes each field from `source`, in order.
    ///
    /// # Errors
    /// Those of `source`.
    fn decode_fields<S: TakeFields<'a>>(source: &mut S) -> Result<Self, S::Error>;
}

/// One field of those that are read.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Field {
    /// Of its column.
    pub name: &'static str,
    /// Whether the column may be missing.
    pub optional: bool,
    /// [`DecodeValue::check`] of its type.
    pub check: fn(&ColumnType) -> Result<(), TypeMismatch>,
}

impl Field {
    /// A field that is a `T`.
    pub fn new<'a, T: DecodeValue<'a>>(name: &'static str, optional: bool) -> Self {
        Self { name, optional, check: T::check }
    }
}

/// Where fields are taken from, one after another.
pub trait TakeFields<'a> {
    /// Why one can't be.
    type Error;

    /// Takes the next field, which has this name.
    ///
    /// # Errors
    /// If it isn't there, or is no `T`.
    fn take<T: DecodeValue<'a>>(&mut self, name: &'static str) -> Result<T, Self::Error>;

    /// As [`TakeFields::take`], but a field that isn't there is the default. Null is a value like any other.
    ///
    /// # Errors
    /// If it is there, but no `T`.
    fn take_or_default<T: DecodeValue<'a> + Default>(&mut self, name: &'static str)
    -> Result<T, Self::Error>;
}

/// Fields that are written, in the order of their declaration. Flattened ones are counted in.
pub trait EncodeFields<Of> {
    /// How many there are.
    const FIELDS: u16;

    /// The name of the field with this number; `None` from [`EncodeFields::FIELDS`] on.
    fn name(place: u16) -> Option<&'static str>;

    /// Appends the field with this number as one `[value]` of `column_type`.
    ///
    /// # Errors
    /// As for [`EncodeValue::encode`](super::EncodeValue::encode).
    fn encode_field(
        &self,
        place: u16,
        column_type: &ColumnType,
        out: &mut ValueWriter<'_>,
    ) -> Result<(), EncodeError>;

    /// Appends the field with this number as one `[value]` of its natural type.
    ///
    /// # Errors
    /// As for [`EncodeValue::encode_untyped`](super::EncodeValue::encode_untyped).
    fn encode_untyped_field(&self, place: u16, out: &mut ValueWriter<'_>) -> Result<(), EncodeError>;
}

/// What [`EncodeFields::encode_field`] returns for a number that no field has.
#[cold]
pub fn no_such_field() -> EncodeError {
    EncodeError::Invalid("no field has this number")
}

fn fields<'a, Of, T: DecodeFields<'a, Of>>() -> impl Iterator<Item = Field> {
    (0..T::FIELDS).map_while(T::field)
}

fn names<Of, T: EncodeFields<Of>>() -> impl Iterator<Item = &'static str> {
    (0..T::FIELDS).map_while(T::name)
}
