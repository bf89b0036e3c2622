use std::fmt;
use std::net::IpAddr;

use super::{CqlValue, UdtValue, Verbatim};
use crate::protocol::ColumnType;
use crate::syntax::{Name, write_quoted};
use crate::value::number::MAX_DECIMAL_BYTES;
use crate::value::{Timestamp, VarInt};

/// A CQL literal, which [`CqlValue::parse`] reads as the same value.
///
/// What CQL has no literal for is a call of the function that CQL has for it, `blob_as_int(0x)`. CQL has neither for
/// values of tuples and user-defined types with fewer fields than their type: the former print with the fields that they
/// have, the latter as `{a: 1, ..}`.
impl fmt::Display for CqlValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Text(text) => write_quoted(text, '\'', f),
            Self::BigInt(number) => number.fmt(f),
            Self::Blob(bytes) => write_hex(bytes, f),
            Self::Boolean(value) => value.fmt(f),
            Self::Counter(counter) => counter.fmt(f),
            Self::Date(date) => write!(f, "'{date}'"),
            Self::Decimal(number) if is_long(&number.unscaled) => {
                let bytes = [&number.scale.to_be_bytes(), number.unscaled.as_be_bytes()].concat();
                write_bytes(&ColumnType::Decimal, &bytes, f)
            }
            Self::Decimal(number) => number.fmt(f),
            Self::Double(number) if number.is_nan() && number.to_bits() != 0x7ff8_0000_0000_0000 => {
                write_bytes(&ColumnType::Double, &number.to_be_bytes(), f)
            }
            Self::Double(number) if number.is_infinite() => f.write_str(infinity(*number > 0.0)),
            Self::Double(number) => write!(f, "{number:?}"),
            Self::Duration(duration) => duration.fmt(f),
            Self::Float(number) if number.is_nan() && number.to_bits() != 0x7fc0_0000 => {
                write_bytes(&ColumnType::Float, &number.to_be_bytes(), f)
            }
            Self::Float(number) if number.is_infinite() => f.write_str(infinity(*number > 0.0)),
            Self::Float(number) => write!(f, "{number:?}"),
            // As text, the server would make IPv4 of it.
            Self::Inet(IpAddr::V6(address)) if address.to_ipv4_mapped().is_some() => {
                write_bytes(&ColumnType::Inet, &address.octets(), f)
            }
            Self::Inet(address) => write!(f, "'{address}'"),
            Self::Int(number) => number.fmt(f),
            Self::List(values) | Self::Vector(values) => write_all(("[", "]"), values, f),
            Self::Map(entries) => write_map(entries, f),
            Self::Set(values) => write_all(("{", "}"), values, f),
            Self::SmallInt(number) => number.fmt(f),
            Self::Time(time) => write!(f, "'{time}'"),
            Self::Timestamp(time) => write_timestamp(*time, f),
            Self::TimeUuid(uuid) => uuid.fmt(f),
            Self::TinyInt(number) => number.fmt(f),
            Self::Tuple(values) => write_all(("(", ")"), values, f),
            Self::Udt(value) => write_udt(value, f),
            Self::Uuid(uuid) => uuid.fmt(f),
            Self::VarInt(number) if is_long(number) => {
                write_bytes(&ColumnType::VarInt, number.as_be_bytes(), f)
            }
            Self::VarInt(number) => number.fmt(f),
            Self::Verbatim(value) => {
                let Verbatim { column_type, bytes } = &**value;
                write_bytes(column_type, bytes, f)
            }
        }
    }
}

/// The last part of the name of the function that makes a value of this type from a blob. CQL has it for the types that
/// are not made of others.
pub(super) fn function_suffix(column_type: &ColumnType) -> &'static str {
    match column_type {
        ColumnType::Ascii => "ascii",
        ColumnType::BigInt => "bigint",
        ColumnType::Blob => "blob",
        ColumnType::Boolean => "boolean",
        ColumnType::Counter => "counter",
        ColumnType::Custom(_) => "custom",
        ColumnType::Date => "date",
        ColumnType::Decimal => "decimal",
        ColumnType::Double => "double",
        ColumnType::Duration => "duration",
        ColumnType::Float => "float",
        ColumnType::Inet => "inet",
        ColumnType::Int => "int",
        ColumnType::List(_) => "list",
        ColumnType::Map(_) => "map",
        ColumnType::Set(_) => "set",
        ColumnType::SmallInt => "smallint",
        ColumnType::Text => "text",
        ColumnType::Time => "time",
        ColumnType::Timestamp => "timestamp",
        ColumnType::TimeUuid => "timeuuid",
        ColumnType::TinyInt => "tinyint",
        ColumnType::Tuple(_) => "tuple",
        ColumnType::Udt(_) => "udt",
        ColumnType::Uuid => "uuid",
        ColumnType::VarInt => "varint",
        ColumnType::Vector(..) => "vector",
    }
}

fn is_long(number: &VarInt) -> bool {
    number.as_be_bytes().len() > MAX_DECIMAL_BYTES
}

fn infinity(positive: bool) -> &'static str {
    if positive { "Infinity" } else { "-Infinity" }
}

/// CQL reads years of four digits at least and nothing before the year 1; milliseconds it reads always.
fn write_timestamp(time: Timestamp, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    const YEAR_1: i64 = -62_135_596_800_000;
    const YEAR_10000: i64 = 253_402_300_800_000;
    match time.millis() {
        YEAR_1..YEAR_10000 => write!(f, "'{time}'"),
        millis => write!(f, "{millis}"),
    }
}

fn write_bytes(column_type: &ColumnType, bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "blob_as_{}(", function_suffix(column_type))?;
    write_hex(bytes, f)?;
    f.write_str(")")
}

fn write_hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("0x")?;
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

fn write_all((open, close): (&str, &str), values: &[CqlValue], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str(open)?;
    for (index, value) in values.iter().enumerate() {
        f.write_str(if index > 0 { ", " } else { "" })?;
        write!(f, "{value}")?;
    }
    f.write_str(close)
}

fn write_map(entries: &[(CqlValue, CqlValue)], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("{")?;
    for (index, (key, value)) in entries.iter().enumerate() {
        write!(f, "{}{key}: {value}", if index > 0 { ", " } else { "" })?;
    }
    f.write_str("}")
}

fn write_udt(value: &UdtValue, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("{")?;
    for (index, (value, (name, _))) in value.fields.iter().zip(&value.definition.fields).enumerate() {
        write!(f, "{}{}: {value}", if index > 0 { ", " } else { "" }, Name(name))?;
    }
    if value.fields.len() < value.definition.fields.len() {
        f.write_str(if value.fields.is_empty() { ".." } else { ", .." })?;
    }
    f.write_str("}")
}
