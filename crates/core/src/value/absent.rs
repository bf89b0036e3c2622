//! The three ways of having no value: null, unset and empty.

use super::{DecodeValue, DecodeValueError, EncodeError, EncodeValue, TypeMismatch, ValueWriter};
use crate::protocol::ColumnType;

/// Binds nothing: the column keeps what it has and no tombstone is written, as null would. Protocol v4 and later; not
/// inside collections, and not for a part of the primary key, which the server refuses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Unset;

/// A value to bind, or [`Unset`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MaybeUnset<T> {
    /// As [`Unset`].
    #[default]
    Unset,
    /// Bound as it is.
    Set(T),
}

/// A value, or the empty one: zero bytes, which is not null.
///
/// The server stores it, a relic of Thrift, for `ascii`, `bigint`, `blob`, `boolean`, `counter`, `decimal`, `double`,
/// `float`, `inet`, `int`, `text`, `timestamp`, `timeuuid`, `uuid` and `varint`. Reading such a cell as the bare type is
/// [`DecodeValueError::Empty`], but for text and bytes, where zero bytes are a value like any other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MaybeEmpty<T> {
    /// Zero bytes.
    #[default]
    Empty,
    /// At least one byte.
    Value(T),
}

impl<T> MaybeEmpty<T> {
    /// The value, if there is one.
    pub fn value(self) -> Option<T> {
        match self {
            Self::Empty => None,
            Self::Value(value) => Some(value),
        }
    }
}

impl<T: EncodeValue> EncodeValue for Option<T> {
    #[inline]
    fn encode(&self, column_type: &ColumnType, out: &mut ValueWriter<'_>) -> Result<(), EncodeError> {
        match self {
            Some(value) => value.encode(column_type, out),
            None => {
                out.null();
                Ok(())
            }
        }
    }

    #[inline]
    fn encode_untyped(&self, out: &mut ValueWriter<'_>) -> Result<(), EncodeError> {
        match self {
            Some(value) => value.encode_untyped(out),
            None => {
                out.null();
                Ok(())
            }
        }
    }
}

impl<'a, T: DecodeValue<'a>> DecodeValue<'a> for Option<T> {
    #[inline]
    fn check(column_type: &ColumnType) -> Result<(), TypeMismatch> {
        T::check(column_type)
    }

    #[inline]
    fn decode(column_type: &ColumnType, bytes: Option<&'a [u8]>) -> Result<Self, DecodeValueError> {
        match bytes {
            Some(_) => T::decode(column_type, bytes).map(Some),
            None => Ok(None),
        }
    }
}

impl EncodeValue for Unset {
    fn encode(&self, _: &ColumnType, out: &mut ValueWriter<'_>) -> Result<(), EncodeError> {
        out.unset()
    }

    fn encode_untyped(&self, out: &mut ValueWriter<'_>) -> Result<(), EncodeError> {
        out.unset()
    }
}

impl<T: EncodeValue> EncodeValue for MaybeUnset<T> {
    #[inline]
    fn encode(&self, column_type: &ColumnType, out: &mut ValueWriter<'_>) -> Result<(), EncodeError> {
        match self {
            Self::Set(value) => value.encode(column_type, out),
            Self::Unset => out.unset(),
        }
    }

    #[inline]
    fn encode_untyped(&self, out: &mut ValueWriter<'_>) -> Result<(), EncodeError> {
        match self {
            Self::Set(value) => value.encode_untyped(out),
            Self::Unset => out.unset(),
        }
    }
}

impl<T: EncodeValue> EncodeValue for MaybeEmpty<T> {
    fn encode(&self, column_type: &ColumnType, out: &mut ValueWriter<'_>) -> Result<(), EncodeError> {
        match self {
            Self::Value(value) => value.encode(column_type, out),
            Self::Empty if can_be_empty(column_type) => out.bytes(&[]),
            Self::Empty => Err(EncodeError::Empty),
        }
    }

    fn encode_untyped(&self, out: &mut ValueWriter<'_>) -> Result<(), EncodeError> {
        match self {
            Self::Value(value) => value.encode_untyped(out),
            Self::Empty => out.bytes(&[]),
        }
    }
}

impl<'a, T: DecodeValue<'a>> DecodeValue<'a> for MaybeEmpty<T> {
    fn check(column_type: &ColumnType) -> Result<(), TypeMismatch> {
        T::check(column_type)
    }

    fn decode(column_type: &ColumnType, bytes: Option<&'a [u8]>) -> Result<Self, DecodeValueError> {
        match bytes {
            Some([]) => Ok(Self::Empty),
            _ => T::decode(column_type, bytes).map(Self::Value),
        }
    }
}

/// Whether Cassandra takes zero bytes as a value of this type.
pub(super) fn can_be_empty(column_type: &ColumnType) -> bool {
    use ColumnType as T;
    match column_type {
        T::Ascii | T::BigInt | T::Blob | T::Boolean | T::Counter | T::Custom(_) | T::Decimal | T::Double => {
            true
        }
        T::Float | T::Inet | T::Int | T::Text | T::Timestamp | T::TimeUuid | T::Uuid | T::VarInt => true,
        T::Tuple(_) | T::Udt(_) => true,
        T::Date | T::Duration | T::SmallInt | T::Time | T::TinyInt => false,
        T::List(_) | T::Map(_) | T::Set(_) | T::Vector(..) => false,
    }
}
