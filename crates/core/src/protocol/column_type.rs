//! The type of a column, as result metadata carries it (`[option]` of section 4.2.5.2).

use std::fmt;
use std::sync::Arc;

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
    /// `vector<element, dimension>`.
    Vector(Arc<Self>, u16),
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

/// As CQL writes it: `map<text, frozen<list<int>>>` without the `frozen`, which the protocol doesn't carry.
impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Ascii => "ascii",
            Self::BigInt => "bigint",
            Self::Blob => "blob",
            Self::Boolean => "boolean",
            Self::Counter => "counter",
            Self::Custom(class) => return write!(f, "'{class}'"),
            Self::Date => "date",
            Self::Decimal => "decimal",
            Self::Double => "double",
            Self::Duration => "duration",
            Self::Float => "float",
            Self::Inet => "inet",
            Self::Int => "int",
            Self::List(element) => return write!(f, "list<{element}>"),
            Self::Map(pair) => return write!(f, "map<{}, {}>", pair.0, pair.1),
            Self::Set(element) => return write!(f, "set<{element}>"),
            Self::SmallInt => "smallint",
            Self::Text => "text",
            Self::Time => "time",
            Self::Timestamp => "timestamp",
            Self::TimeUuid => "timeuuid",
            Self::TinyInt => "tinyint",
            Self::Tuple(fields) => {
                f.write_str("tuple<")?;
                for (i, field) in fields.iter().enumerate() {
                    write!(f, "{}{field}", if i > 0 { ", " } else { "" })?;
                }
                return f.write_str(">");
            }
            Self::Udt(udt) => return write!(f, "{}.{}", udt.keyspace, udt.name),
            Self::Uuid => "uuid",
            Self::VarInt => "varint",
            Self::Vector(element, dimension) => return write!(f, "vector<{element}, {dimension}>"),
        };
        f.write_str(name)
    }
}
