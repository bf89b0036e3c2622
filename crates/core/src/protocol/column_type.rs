//! The type of a column, as result metadata carries it (`[option]` of section 4.2.5.2).

use std::fmt;
use std::sync::Arc;

use crate::syntax::{Name, write_quoted};

/// A CQL type, as the server describes columns and bind markers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ColumnType {
    /// US-ASCII text.
    Ascii,
    /// 64-bit signed integer.
    BigInt,
    /// Any bytes.
    Blob,
    /// True or false.
    Boolean,
    /// 64-bit counter.
    Counter,
    /// A type of the server's own, by its Java class name; its values are bytes.
    Custom(Arc<str>),
    /// Days around 1970-01-01, unsigned with the epoch at 2^31.
    Date,
    /// Arbitrary-precision decimal.
    Decimal,
    /// 64-bit IEEE 754.
    Double,
    /// Months, days and nanoseconds.
    Duration,
    /// 32-bit IEEE 754.
    Float,
    /// IPv4 or IPv6 address.
    Inet,
    /// 32-bit signed integer.
    Int,
    /// Elements in order.
    List(Arc<Self>),
    /// Keys and values, ordered by key.
    Map(Arc<(Self, Self)>),
    /// Distinct elements, ordered.
    Set(Arc<Self>),
    /// 16-bit signed integer.
    SmallInt,
    /// UTF-8 text (`text` and `varchar`).
    Text,
    /// Nanoseconds since midnight.
    Time,
    /// Milliseconds since 1970-01-01T00:00Z.
    Timestamp,
    /// Version 1 UUID.
    TimeUuid,
    /// 8-bit signed integer.
    TinyInt,
    /// A fixed sequence of types.
    Tuple(Arc<[Self]>),
    /// A user-defined type.
    Udt(Arc<UdtType>),
    /// Any UUID.
    Uuid,
    /// Arbitrary-precision integer.
    VarInt,
    /// `vector<element, dimension>`: so many elements, at least one and at most `i32::MAX`.
    Vector(Arc<Self>, u32),
}

/// A user-defined type: its name and fields in order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UdtType {
    /// Where it is defined.
    pub keyspace: Box<str>,
    /// Its name, without quotes.
    pub name: Box<str>,
    /// Names and types of its fields, in order.
    pub fields: Box<[(Box<str>, ColumnType)]>,
}

/// As CQL writes it, but that `map<text, frozen<list<int>>>` is without the `frozen`, which the protocol doesn't carry.
/// User-defined types go by their names, or written out in the alternate form (`{:#}`) and if they have none:
/// `udt{name type, ...}`.
impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Ascii => "ascii",
            Self::BigInt => "bigint",
            Self::Blob => "blob",
            Self::Boolean => "boolean",
            Self::Counter => "counter",
            Self::Custom(class) => return write_quoted(class, '\'', f),
            Self::Date => "date",
            Self::Decimal => "decimal",
            Self::Double => "double",
            Self::Duration => "duration",
            Self::Float => "float",
            Self::Inet => "inet",
            Self::Int => "int",
            Self::List(element) => return write_parameters("list", &[&**element], f),
            Self::Map(pair) => return write_parameters("map", &[&pair.0, &pair.1], f),
            Self::Set(element) => return write_parameters("set", &[&**element], f),
            Self::SmallInt => "smallint",
            Self::Text => "text",
            Self::Time => "time",
            Self::Timestamp => "timestamp",
            Self::TimeUuid => "timeuuid",
            Self::TinyInt => "tinyint",
            Self::Tuple(fields) => return write_parameters("tuple", &fields.iter().collect::<Vec<_>>(), f),
            Self::Udt(udt) => return write_udt(udt, f),
            Self::Uuid => "uuid",
            Self::VarInt => "varint",
            Self::Vector(element, dimension) => {
                return write_parameters("vector", &[&**element as &dyn fmt::Display, dimension], f);
            }
        };
        f.write_str(name)
    }
}

/// Each in the form of the whole, alternate or not.
fn write_parameters<T: fmt::Display>(
    name: &str,
    parameters: &[T],
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    write!(f, "{name}<")?;
    for (index, parameter) in parameters.iter().enumerate() {
        f.write_str(if index > 0 { ", " } else { "" })?;
        parameter.fmt(f)?;
    }
    f.write_str(">")
}

fn write_udt(udt: &UdtType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let UdtType { keyspace, name, fields } = udt;
    if !f.alternate() && !name.is_empty() {
        return write!(f, "{}.{}", Name(keyspace), Name(name));
    }
    f.write_str("udt{")?;
    for (index, (field, ty)) in fields.iter().enumerate() {
        write!(f, "{}{} ", if index > 0 { ", " } else { "" }, Name(field))?;
        fmt::Display::fmt(ty, f)?;
    }
    f.write_str("}")
}
