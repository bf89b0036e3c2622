//! Types of other crates, as values: each behind a feature that has the crate's major version in its name, by way of the type
//! of our own. Another major version will be another feature beside it.
//!
//! | feature | CQL | type |
//! |---|---|---|
//! | `uuid-1` | `uuid`, `timeuuid` | `uuid::Uuid` |
//! | `chrono-04` | `date`, `time`, `timestamp` | `NaiveDate`, `NaiveTime`, `DateTime<Utc>` |
//! | `time-03` | `date`, `time`, `timestamp` | `Date`, `Time`, `OffsetDateTime` |
//! | `bigdecimal-04` | `decimal` | `BigDecimal` |
//! | `num-bigint-04` | `varint` | `BigInt` |
//! | `serde_json-1` | `text`, `ascii`: JSON text | `serde_json::Value`, to which [`CqlValue`](super::CqlValue) converts as well |

#[cfg(feature = "bigdecimal-04")]
mod bigdecimal_04;
#[cfg(feature = "chrono-04")]
mod chrono_04;
#[cfg(feature = "num-bigint-04")]
mod num_bigint_04;
#[cfg(feature = "serde_json-1")]
mod serde_json_1;
#[cfg(feature = "time-03")]
mod time_03;
#[cfg(feature = "uuid-1")]
mod uuid_1;

/// Both traits for a type of another crate, by way of one of our own: to it and from it.
#[cfg(any(
    feature = "bigdecimal-04",
    feature = "chrono-04",
    feature = "num-bigint-04",
    feature = "time-03",
    feature = "uuid-1"
))]
macro_rules! by_way_of {
    ($($(#[$doc:meta])* $type:ty: $own:ty, $to:expr, $from:expr;)+) => {$(
        $(#[$doc])*
        impl $crate::value::EncodeValue for $type {
            fn encode(
                &self,
                column_type: &$crate::protocol::ColumnType,
                out: &mut $crate::value::ValueWriter<'_>,
            ) -> Result<(), $crate::value::EncodeError> {
                use $crate::value::{EncodeError, TypeMismatch};
                let to_own: fn(&Self) -> Result<$own, EncodeError> = $to;
                to_own(self)?.encode(column_type, out).map_err(|error| match error {
                    EncodeError::Type(_) => TypeMismatch::bind::<Self>(column_type).into(),
                    other => other,
                })
            }

            fn encode_untyped(
                &self,
                out: &mut $crate::value::ValueWriter<'_>,
            ) -> Result<(), $crate::value::EncodeError> {
                let to_own: fn(&Self) -> Result<$own, $crate::value::EncodeError> = $to;
                to_own(self)?.encode_untyped(out)
            }
        }

        impl<'a> $crate::value::DecodeValue<'a> for $type {
            fn check(column_type: &$crate::protocol::ColumnType) -> Result<(), $crate::value::TypeMismatch> {
                match <$own as $crate::value::DecodeValue<'_>>::check(column_type) {
                    Ok(()) => Ok(()),
                    Err(_) => Err($crate::value::TypeMismatch::read::<Self>(column_type)),
                }
            }

            fn decode(
                column_type: &$crate::protocol::ColumnType,
                bytes: Option<&'a [u8]>,
            ) -> Result<Self, $crate::value::DecodeValueError> {
                let from_own: fn($own) -> Result<Self, $crate::value::DecodeValueError> = $from;
                from_own(<$own as $crate::value::DecodeValue<'_>>::decode(column_type, bytes)?)
            }
        }
    )+};
}
#[cfg(any(
    feature = "bigdecimal-04",
    feature = "chrono-04",
    feature = "num-bigint-04",
    feature = "time-03",
    feature = "uuid-1"
))]
use by_way_of;

#[cfg(test)]
#[cfg(any(
    feature = "bigdecimal-04",
    feature = "chrono-04",
    feature = "num-bigint-04",
    feature = "serde_json-1",
    feature = "time-03",
    feature = "uuid-1"
))]
mod testing {
    use std::fmt::Debug;

    use crate::protocol::ColumnType;
    use crate::value::{DecodeValue, EncodeError, EncodeValue, ValueWriter};

    /// The bytes of a cell.
    pub(super) fn bytes<T: EncodeValue>(value: &T, column_type: &ColumnType) -> Result<Vec<u8>, EncodeError> {
        let mut out = Vec::new();
        value.encode(column_type, &mut ValueWriter::new(&mut out, true))?;
        let mut untyped = Vec::new();
        value.encode_untyped(&mut ValueWriter::new(&mut untyped, true))?;
        assert_eq!(out, untyped);
        Ok(out.split_off(4))
    }

    /// That it has the bytes of a value of our own, and comes back from them.
    pub(super) fn is_as<T, O>(value: &T, own: &O, column_type: &ColumnType)
    where
        T: EncodeValue + for<'a> DecodeValue<'a> + PartialEq + Debug,
        O: EncodeValue,
    {
        T::check(column_type).unwrap();
        let found = bytes(value, column_type).unwrap();
        assert_eq!(found, bytes(own, column_type).unwrap(), "{value:?}");
        assert_eq!(&T::decode(column_type, Some(&found)).unwrap(), value);
    }
}
