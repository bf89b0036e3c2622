//! Lists and sets: a count, then that many elements, each with its length (sections 6.11 and 6.14 of v4). Vectors: elements
//! without a count.

use std::collections::BTreeSet;
#[expect(clippy::disallowed_types, reason = "the hasher is the caller's")]
use std::collections::HashSet;
use std::hash::{BuildHasher, Hash};

use super::elements::{Lengths, Parts};
use super::writer::length_of;
use super::{DecodeValue, DecodeValueError, EncodeError, EncodeValue, TypeMismatch, ValueWriter};
use crate::protocol::ColumnType;

macro_rules! encode_sequence {
    ($(($($generics:tt)*) $type:ty),+ $(,)?) => {$(
        impl<$($generics)*> EncodeValue for $type {
            fn encode(&self, column_type: &ColumnType, out: &mut ValueWriter<'_>) -> Result<(), EncodeError> {
                let encoded = match column_type {
                    ColumnType::List(element) => encode_list(self.iter(), element, out),
                    ColumnType::Set(element) => encode_set(self.iter(), element, out),
                    ColumnType::Vector(element, dimension) => {
                        encode_vector(self.iter(), element, *dimension as usize, out)
                    }
                    _ => return Err(TypeMismatch::bind::<Self>(column_type).into()),
                };
                encoded.map_err(|error| whole::<Self>(error, column_type))
            }

            fn encode_untyped(&self, out: &mut ValueWriter<'_>) -> Result<(), EncodeError> {
                encode_elements(self.iter(), T::encode_untyped, out)
            }
        }
    )+};
}

encode_sequence! {
    (T: EncodeValue) [T],
    (T: EncodeValue) Vec<T>,
    (T: EncodeValue, const N: usize) [T; N],
}

macro_rules! sets {
    ($($(#[$attribute:meta])* ($($bounds:tt)*) ($($other:tt)*) $type:ty;)+) => {$(
        $(#[$attribute])*
        impl<T: EncodeValue $($other)*> EncodeValue for $type {
            fn encode(&self, column_type: &ColumnType, out: &mut ValueWriter<'_>) -> Result<(), EncodeError> {
                match column_type {
                    ColumnType::Set(element) => encode_set(self.iter(), element, out)
                        .map_err(|error| whole::<Self>(error, column_type)),
                    _ => Err(TypeMismatch::bind::<Self>(column_type).into()),
                }
            }

            fn encode_untyped(&self, out: &mut ValueWriter<'_>) -> Result<(), EncodeError> {
                encode_elements(self.iter(), T::encode_untyped, out)
            }
        }

        /// Null reads as the empty set, as it does for `Vec`.
        $(#[$attribute])*
        impl<'a, T: DecodeValue<'a> + $($bounds)* $($other)*> DecodeValue<'a> for $type {
            fn check(column_type: &ColumnType) -> Result<(), TypeMismatch> {
                match column_type {
                    ColumnType::Set(element) if T::check(element).is_ok() => Ok(()),
                    _ => Err(TypeMismatch::read::<Self>(column_type)),
                }
            }

            fn decode(column_type: &ColumnType, bytes: Option<&'a [u8]>) -> Result<Self, DecodeValueError> {
                let mut values = Self::default();
                Elements::new(column_type, bytes)?.each(|value| {
                    values.insert(value);
                })?;
                Ok(values)
            }
        }
    )+};
}

sets! {
    (Ord) () BTreeSet<T>;
    #[expect(clippy::disallowed_types, reason = "the hasher is the caller's")]
    (Hash + Eq) (, S: BuildHasher + Default) HashSet<T, S>;
}

/// A null list or set reads as an empty one, for the server itself can't tell the two apart unless it is frozen;
/// `Option<Vec<T>>` tells what came. A null vector is [`DecodeValueError::Null`].
impl<'a, T: DecodeValue<'a>> DecodeValue<'a> for Vec<T> {
    fn check(column_type: &ColumnType) -> Result<(), TypeMismatch> {
        check_sequence::<Self, T>(column_type)
    }

    fn decode(column_type: &ColumnType, bytes: Option<&'a [u8]>) -> Result<Self, DecodeValueError> {
        let elements = Elements::new(column_type, bytes)?;
        // Bounded by the bytes present.
        let mut values = Self::with_capacity(elements.count);
        elements.each(|value| values.push(value))?;
        Ok(values)
    }
}

/// A collection or vector of exactly `N` elements.
impl<'a, T: DecodeValue<'a>, const N: usize> DecodeValue<'a> for [T; N] {
    fn check(column_type: &ColumnType) -> Result<(), TypeMismatch> {
        match column_type {
            ColumnType::Vector(_, dimension) if *dimension as usize != N => {
                Err(TypeMismatch::read::<Self>(column_type))
            }
            _ => check_sequence::<Self, T>(column_type),
        }
    }

    fn decode(column_type: &ColumnType, bytes: Option<&'a [u8]>) -> Result<Self, DecodeValueError> {
        let values = Vec::decode(column_type, bytes)?;
        values
            .try_into()
            .map_err(|_| DecodeValueError::Invalid("it has another number of elements: read it as a Vec"))
    }
}

fn check_sequence<'a, V, T: DecodeValue<'a>>(column_type: &ColumnType) -> Result<(), TypeMismatch> {
    use ColumnType::{List, Set, Vector};
    match column_type {
        List(element) | Set(element) | Vector(element, _) if T::check(element).is_ok() => Ok(()),
        _ => Err(TypeMismatch::read::<V>(column_type)),
    }
}

/// The elements of a list, set or vector that are still to be read.
pub(super) struct Elements<'c, 'a> {
    element: &'c ColumnType,
    null_allowed: bool,
    count: usize,
    parts: Parts<'a>,
}

impl<'c, 'a> Elements<'c, 'a> {
    fn new(column_type: &'c ColumnType, bytes: Option<&'a [u8]>) -> Result<Self, DecodeValueError> {
        let (element, null_allowed) = match column_type {
            // Lists in `IN (...)` may have null.
            ColumnType::List(element) => (element, true),
            ColumnType::Set(element) => (element, false),
            ColumnType::Vector(element, dimension) => {
                let count = *dimension as usize;
                let parts = Parts::of_vector(bytes.ok_or(DecodeValueError::Null)?, element, count)?;
                return Ok(Self { element, null_allowed: false, count, parts });
            }
            _ => return Err(DecodeValueError::Invalid("its type is not a collection")),
        };
        let (count, parts) = match bytes {
            Some(bytes) => Parts::counted(bytes, 1)?,
            None => (0, Parts::new(&[], Lengths::Int)),
        };
        Ok(Self { element, null_allowed, count, parts })
    }

    fn each<T: DecodeValue<'a>>(mut self, mut take: impl FnMut(T)) -> Result<(), DecodeValueError> {
        for index in 0..self.count {
            let value = self.next_element().and_then(|bytes| T::decode(self.element, bytes));
            take(value.map_err(|error| DecodeValueError::Element(Box::new((index, error))))?);
        }
        self.parts.finish()
    }

    #[inline]
    fn next_element(&mut self) -> Result<Option<&'a [u8]>, DecodeValueError> {
        match self.parts.take()? {
            None if !self.null_allowed => Err(NULL_INSIDE),
            bytes => Ok(bytes),
        }
    }
}

pub(super) const NULL_INSIDE: DecodeValueError =
    DecodeValueError::Invalid("it is null, which Cassandra has only in lists, tuples and user-defined types");

pub(super) fn encode_list<T: EncodeValue>(
    values: impl ExactSizeIterator<Item = T>,
    element: &ColumnType,
    out: &mut ValueWriter<'_>,
) -> Result<(), EncodeError> {
    encode_elements(values, |value, out| value.encode(element, out), out)
}

pub(super) fn encode_set<T: EncodeValue>(
    values: impl ExactSizeIterator<Item = T>,
    element: &ColumnType,
    out: &mut ValueWriter<'_>,
) -> Result<(), EncodeError> {
    encode_elements(values, |value, out| out.not_null(|out| value.encode(element, out)), out)
}

pub(super) fn encode_vector<T: EncodeValue>(
    values: impl ExactSizeIterator<Item = T>,
    element: &ColumnType,
    dimension: usize,
    out: &mut ValueWriter<'_>,
) -> Result<(), EncodeError> {
    if values.len() != dimension {
        return Err(EncodeError::Dimension { expected: dimension, actual: values.len() });
    }
    let lengths = Lengths::in_vector(element);
    out.nested(|out| {
        for (index, value) in values.enumerate() {
            out.vector_element(lengths, |out| value.encode(element, out))
                .map_err(|error| EncodeError::Element(Box::new((index, error))))?;
        }
        Ok(())
    })
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
pub(super) fn whole<T: ?Sized>(error: EncodeError, column_type: &ColumnType) -> EncodeError {
    match error {
        EncodeError::Element(element) if matches!(element.1, EncodeError::Type(_)) => {
            TypeMismatch::bind::<T>(column_type).into()
        }
        other => other,
    }
}
