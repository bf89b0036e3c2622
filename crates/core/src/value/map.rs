//! Maps: a count, then that many keys and values in turn, each with its length (section 6.12 of v4).

use std::collections::BTreeMap;
#[expect(clippy::disallowed_types, reason = "the hasher is the caller's")]
use std::collections::HashMap;
use std::hash::{BuildHasher, Hash};

use super::collection::{NULL_INSIDE, whole};
use super::elements::Parts;
use super::writer::length_of;
use super::{DecodeValue, DecodeValueError, EncodeError, EncodeValue, TypeMismatch, ValueWriter};
use crate::protocol::ColumnType;

macro_rules! maps {
    ($($(#[$attribute:meta])* ($($bounds:tt)*) ($($other:tt)*) $type:ty;)+) => {$(
        $(#[$attribute])*
        impl<K: EncodeValue, V: EncodeValue $($other)*> EncodeValue for $type {
            fn encode(&self, column_type: &ColumnType, out: &mut ValueWriter<'_>) -> Result<(), EncodeError> {
                let ColumnType::Map(types) = column_type else {
                    return Err(TypeMismatch::bind::<Self>(column_type).into());
                };
                let encoded = encode_entries(self.iter(), |(key, value), out| {
                    out.not_null(|out| key.encode(&types.0, out))?;
                    out.not_null(|out| value.encode(&types.1, out))
                }, out);
                encoded.map_err(|error| whole::<Self>(error, column_type))
            }

            fn encode_untyped(&self, out: &mut ValueWriter<'_>) -> Result<(), EncodeError> {
                encode_entries(self.iter(), |(key, value), out| {
                    key.encode_untyped(out)?;
                    value.encode_untyped(out)
                }, out)
            }
        }

        /// Null reads as the empty map, for the server itself can't tell the two apart unless it is frozen.
        $(#[$attribute])*
        impl<'a, K: DecodeValue<'a> + $($bounds)*, V: DecodeValue<'a> $($other)*> DecodeValue<'a> for $type {
            fn check(column_type: &ColumnType) -> Result<(), TypeMismatch> {
                match column_type {
                    ColumnType::Map(types) if K::check(&types.0).is_ok() && V::check(&types.1).is_ok() => Ok(()),
                    _ => Err(TypeMismatch::read::<Self>(column_type)),
                }
            }

            fn decode(column_type: &ColumnType, bytes: Option<&'a [u8]>) -> Result<Self, DecodeValueError> {
                let ColumnType::Map(types) = column_type else {
                    return Err(DecodeValueError::Invalid("its type is not a map"));
                };
                let mut map = Self::default();
                let Some(bytes) = bytes else { return Ok(map) };
                decode_entries(bytes, |key, value| {
                    map.insert(K::decode(&types.0, Some(key))?, V::decode(&types.1, Some(value))?);
                    Ok(())
                })?;
                Ok(map)
            }
        }
    )+};
}

maps! {
    (Ord) () BTreeMap<K, V>;
    #[expect(clippy::disallowed_types, reason = "the hasher is the caller's")]
    (Hash + Eq) (, S: BuildHasher + Default) HashMap<K, V, S>;
}

pub(super) fn encode_entries<T>(
    entries: impl ExactSizeIterator<Item = T>,
    encode: impl Fn(T, &mut ValueWriter<'_>) -> Result<(), EncodeError>,
    out: &mut ValueWriter<'_>,
) -> Result<(), EncodeError> {
    out.nested(|out| {
        out.part(&length_of(entries.len())?);
        for (index, entry) in entries.enumerate() {
            encode(entry, out).map_err(|error| EncodeError::Element(Box::new((index, error))))?;
        }
        Ok(())
    })
}

/// Hands each key with its value to `take`.
pub(super) fn decode_entries<'a>(
    bytes: &'a [u8],
    mut take: impl FnMut(&'a [u8], &'a [u8]) -> Result<(), DecodeValueError>,
) -> Result<(), DecodeValueError> {
    let (count, mut parts) = Parts::counted(bytes, 2)?;
    let mut entry = || -> Result<(), DecodeValueError> {
        let key = parts.take()?.ok_or(NULL_INSIDE)?;
        take(key, parts.take()?.ok_or(NULL_INSIDE)?)
    };
    for index in 0..count {
        entry().map_err(|error| DecodeValueError::Element(Box::new((index, error))))?;
    }
    parts.finish()
}
