//! CQL values: how Rust values become the bytes of bind markers, and the cells of a result become Rust values again
//! (section 6 of the protocol specification).
//!
//! | CQL | Rust, bound and read | Natural type of |
//! |---|---|---|
//! | `ascii`, `text`, `varchar` | `&str`, `String`; also read as `&[u8]`, `Vec<u8>` | `text`: `&str`, `String` |
//! | `bigint` | `i64` | `i64` |
//! | `blob`, custom types | `&[u8]`, `Vec<u8>`, `[u8; N]` | `blob` |
//! | `boolean` | `bool` | `bool` |
//! | `counter` | [`Counter`], `i64` | [`Counter`] |
//! | `date` | [`Date`] | [`Date`] |
//! | `decimal` | [`Decimal`] | [`Decimal`] |
//! | `double`, `float` | `f64`, `f32` | `f64`, `f32` |
//! | `duration` | [`CqlDuration`] | [`CqlDuration`] |
//! | `inet` | [`IpAddr`](std::net::IpAddr), `Ipv4Addr`, `Ipv6Addr` | all three |
//! | `int`, `smallint`, `tinyint` | `i32`, `i16`, `i8` | `i32`, `i16`, `i8` |
//! | `list<T>`, `set<T>`, `vector<T, N>` | `Vec<T>`, `&[T]`, `[T; N]`; `set<T>` also `BTreeSet<T>`, `HashSet<T>` | `list`; `set` of the sets |
//! | `map<K, V>` | `BTreeMap<K, V>`, `HashMap<K, V>` | `map` |
//! | `time` | [`TimeOfDay`] | [`TimeOfDay`] |
//! | `timestamp` | [`Timestamp`] | [`Timestamp`] |
//! | `tuple<A, B>` | `(A, B)` with up to 16 fields, `Option` where null may be | `tuple` |
//! | `timeuuid`, `uuid` | [`TimeUuid`], [`Uuid`] | themselves |
//! | `varint` | [`VarInt`] | [`VarInt`] |
//! | any, also user-defined types | [`CqlValue`] | what is inside |
//! | null, unset, empty | [`Option`], [`Unset`] and [`MaybeUnset`], [`MaybeEmpty`] | what is inside |
//!
//! The natural type is the one in which a value goes to a statement that was not prepared, where the server gives no
//! types: `i64` into an `int` column is then the server's error, not ours.
//!
//! Types of other crates are values as well, each behind a feature: `uuid-1` (`uuid::Uuid`), `chrono-04` (`NaiveDate`,
//! `NaiveTime`, `DateTime<Utc>`), `time-03` (`Date`, `Time`, `OffsetDateTime`), `bigdecimal-04` (`BigDecimal`),
//! `num-bigint-04` (`BigInt`), `serde_json-1` (`serde_json::Value` as JSON text).
//!
//! Nothing converts silently: an `i32` isn't bound to `bigint`, and each refusal names the column, both types and the
//! type to use instead.
//!
//! ```
//! use helenus_core::value::{DecodeValue, Timestamp, VarInt};
//! use helenus_core::protocol::ColumnType;
//!
//! assert_eq!(i32::decode(&ColumnType::Int, Some(&[0, 0, 1, 0]))?, 256);
//! assert_eq!(Option::<i32>::decode(&ColumnType::Int, None)?, None);
//! assert_eq!(VarInt::from(-129).to_string(), "-129");
//! assert_eq!(Timestamp::from_millis(0).to_string(), "1970-01-01T00:00:00.000Z");
//! # Ok::<(), helenus_core::value::DecodeValueError>(())
//! ```

mod absent;
mod bind;
mod clock;
mod collection;
mod decode;
mod duration;
mod dynamic;
mod elements;
mod encode;
mod error;
pub mod fields;
mod foreign;
mod map;
mod named;
mod number;
mod raw;
mod rest;
mod row;
mod rows;
mod scalar;
mod tuple;
mod uuid;
mod vint;
mod writer;

#[cfg(test)]
mod tests;

pub use absent::{MaybeEmpty, MaybeUnset, Unset};
pub use bind::{EncodeValues, write_query_values, write_values};
pub use clock::{Date, TimeOfDay, Timestamp};
pub use decode::DecodeValue;
pub use duration::CqlDuration;
pub use dynamic::{CqlValue, UdtValue, Verbatim};
pub use encode::EncodeValue;
pub use error::{
    BindError, BindProblem, CellProblem, ColumnProblem, ContentProblem, DecodeError, DecodeValueError,
    EncodeError, MissingColumn, NoMarker, NoValue, ParseValueError, TypeMismatch,
};
pub use named::Named;
pub use number::{Counter, Decimal, VarInt};
pub use raw::{RawCell, RawRow};
pub use rest::AfterFirst;
pub use row::{Cells, DecodeRow, Layout};
pub use rows::{RowCursor, Rows};
pub use uuid::{ParseUuidError, TimeUuid, Uuid};
pub use writer::ValueWriter;
