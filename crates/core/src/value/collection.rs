//! Lists and sets: a count, then that many elements, each with its length (sections 6.11 and 6.14 of v4).

use std::collections::BTreeSet;

use super::writer::length_of;
use super::{DecodeValue, DecodeValueError, EncodeError, EncodeValue, TypeMismatch, ValueWriter};
use crate::protocol::ColumnType;

macro_rules! encode_collection {
    ($(($($generics:tt)*) $type:ty: $($column_type:ident)|+;)+) => {$(
        impl<$($generics)*> EncodeValue for $type {
            fn encode(&self, column_type: &ColumnType, out: &mut ValueWriter<'_>) -> Result<(), EncodeError> {
                match column_type {
                    $(ColumnType::$column_type(element))|+ => {
                        encode_elements(self.iter(), |value, out| value.encode(element, out), out)
                            .map_err(|error| whole::<Self>(error, column_type))
                    }
                    _ => Err(TypeMismatch::bind::<Self>(column_type).into()),
                }
            }

            fn encode_untyped(&self, out: &mut ValueWriter<'_>) -> Result<(), EncodeError> {
                encode_elements(self.iter(), T::encode_untyped, out)
            }
        }
    )+};
}

encode_collection! {
    (T: EncodeValue) [T]: List | Set;
    (T: EncodeValue) Vec<T>: List | Set;
    (T: EncodeValue, const N: usize) [T; N]: List | Set;
    (T: EncodeValue) BTreeSet<T>: Set;
}

/// Null reads as the empty collection, for the server itself can't tell the two apart unless the collection is frozen;
/// `Option<Vec<T>>` tells what came.
impl<'a, T: DecodeValue<'a>> DecodeValue<'a> for Vec<T> {
    fn check(column_type: &ColumnType) -> Result<(), TypeMismatch> {
        match column_type {
            ColumnType::List(element) | ColumnType::Set(element) if T::check(element).is_ok() => Ok(()),
            _ => Err(TypeMismatch::read::<Self>(column_type)),
        }
    }

    fn decode(column_type: &ColumnType, bytes: Option<&'a [u8]>) -> Result<Self, DecodeValueError> {
        let elements = Elements::new(column_type, bytes)?;
        // Each element has 4 bytes of length, so the count is bounded by the bytes present.
        let mut values = Self::with_capacity(elements.count);
        elements.each(|value| values.push(value))?;
        Ok(values)
    }
}

/// Null reads as the empty set, as it does for `Vec`.
impl<'a, T: DecodeValue<'a> + Ord> DecodeValue<'a> for BTreeSet<T> {
    fn check(column_type: &ColumnType) -> Result<(), TypeMismatch> {
        match column_type {
            ColumnType::Set(element) if T::check(element).is_ok() => Ok(()),
            _ => Err(TypeMismatch::read::<Self>(column_type)),
        }
    }

    fn decode(column_type: &ColumnType, bytes: Option<&'a [u8]>) -> Result<Self, DecodeValueError> {
        let mut values = Self::new();
        Elements::new(column_type, bytes)?.each(|value| {
            values.insert(value);
        })?;
        Ok(values)
    }
}

/// The elements of a collection that are still to be read.
struct Elements<'c, 'a> {
    element: &'c ColumnType,
    count: usize,
    rest: &'a [u8],
}

impl<'c, 'a> Elements<'c, 'a> {
    fn new(column_type: &'c ColumnType, bytes: Option<&'a [u8]>) -> Result<Self, DecodeValueError> {
        let (ColumnType::List(element) | ColumnType::Set(element)) = column_type else {
            return Err(DecodeValueError::Invalid("its type is not a collection"));
        };
        let Some(bytes) = bytes else {
            return Ok(Self { element, count: 0, rest: &[] });
        };
        let (count, rest) = bytes.split_first_chunk().ok_or_else(|| match bytes.len() {
            0 => DecodeValueError::Empty,
            actual => DecodeValueError::Length { expected: 4, actual },
        })?;
        let count = usize::try_from(i32::from_be_bytes(*count))
            .map_err(|_| DecodeValueError::Invalid("its element count is negative"))?;
        if rest.len() / 4 < count {
            return Err(DecodeValueError::Invalid("it has fewer bytes than its element count needs"));
        }
        Ok(Self { element, count, rest })
    }

    fn each<T: DecodeValue<'a>>(mut self, mut take: impl FnMut(T)) -> Result<(), DecodeValueError> {
        for index in 0..self.count {
            let value = self.next_element().and_then(|bytes| T::decode(self.element, bytes));
            take(value.map_err(|error| DecodeValueError::Element(Box::new((index, error))))?);
        }
        match self.rest.len() {
            0 => Ok(()),
            bytes => Err(DecodeValueError::Trailing { bytes }),
        }
    }

    fn next_element(&mut self) -> Result<Option<&'a [u8]>, DecodeValueError> {
        let (length, rest) =
            self.rest.split_first_chunk().ok_or(DecodeValueError::Invalid("its length is cut off"))?;
        let Ok(length) = usize::try_from(i32::from_be_bytes(*length)) else {
            self.rest = rest;
            return Ok(None);
        };
        let (bytes, rest) = rest
            .split_at_checked(length)
            .ok_or(DecodeValueError::Length { expected: length, actual: rest.len() })?;
        self.rest = rest;
        Ok(Some(bytes))
    }
}

fn encode_elements<T>(
    values: impl ExactSizeIterator<Item = T>,
    encode: impl Fn(T, &mut ValueWriter<'_>) -> Result<(), EncodeError>,
    out: &mut ValueWriter<'_>,
) -> Result<(), EncodeError> {
    out.nested(|out| {
        out.part(&length_of(values.len())?);
        for (index, value) in values.enumerate() {
            encode(value, out).map_err(|error| EncodeError::Element(Box::new((index, error))))?;
        }
        Ok(())
    })
}

/// A wrong element type is a wrong type of the whole: that is what the person who binds it can change.
fn whole<T: ?Sized>(error: EncodeError, column_type: &ColumnType) -> EncodeError {
    match error {
        EncodeError::Element(element) if matches!(element.1, EncodeError::Type(_)) => {
            TypeMismatch::bind::<T>(column_type).into()
        }
        other => other,
    }
}
