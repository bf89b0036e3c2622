//! Values whose type is known only when they come.

mod decode;
mod encode;
mod parse;
mod print;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use super::{
    Counter, CqlDuration, Date, Decimal, DecodeValueError, TimeOfDay, TimeUuid, Timestamp, Uuid, VarInt,
};
use crate::protocol::{ColumnType, UdtType};

/// A value of any CQL type, or null.
///
/// It is read from a cell of any type, and bound to a marker of its own type; it prints as a CQL literal, and is parsed from
/// one by [`CqlValue::parse`], which needs the type. Bytes become a value and the same bytes again: those that Cassandra
/// takes for a value, though it would write others, are kept as [`CqlValue::Verbatim`].
///
/// ```
/// use helenus_core::protocol::ColumnType;
/// use helenus_core::value::{CqlValue, DecodeValue};
///
/// let ty: ColumnType = "tuple<text, list<int>, inet>".parse()?;
/// let value = CqlValue::parse(&ty, "('it''s', [1, 2], null)")?;
/// assert_eq!(value.to_string(), "('it''s', [1, 2], null)");
/// let bytes = value.to_bytes(&ty)?.unwrap();
/// assert_eq!(CqlValue::decode(&ty, Some(&bytes))?, value);
///
/// let error = CqlValue::parse(&ty, "('it', [x])").unwrap_err();
/// assert_eq!(error.to_string(), "at byte 8: expected an integer from -2147483648 to 2147483647, found x])");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum CqlValue {
    /// No value. As a whole, it deletes what is there.
    Null,
    /// `ascii`, `text`, `varchar`.
    Text(String),
    /// `bigint`
    BigInt(i64),
    /// `blob` and custom types.
    Blob(Vec<u8>),
    /// `boolean`
    Boolean(bool),
    /// `counter`
    Counter(Counter),
    /// `date`
    Date(Date),
    /// `decimal`
    Decimal(Decimal),
    /// `double`
    Double(f64),
    /// `duration`
    Duration(CqlDuration),
    /// `float`
    Float(f32),
    /// `inet`
    Inet(IpAddr),
    /// `int`
    Int(i32),
    /// `list<element>`; null inside only where a list stands for the values of `IN`.
    List(Vec<Self>),
    /// `map<key, value>`, in the order in which it came; the server sorts by key.
    Map(Vec<(Self, Self)>),
    /// `set<element>`, in the order in which it came; the server sorts.
    Set(Vec<Self>),
    /// `smallint`
    SmallInt(i16),
    /// `time`
    Time(TimeOfDay),
    /// `timestamp`
    Timestamp(Timestamp),
    /// `timeuuid`
    TimeUuid(TimeUuid),
    /// `tinyint`
    TinyInt(i8),
    /// `tuple<...>`; fields at its end that are not there read as null.
    Tuple(Vec<Self>),
    /// A user-defined type.
    Udt(UdtValue),
    /// `uuid`
    Uuid(Uuid),
    /// `varint`
    VarInt(VarInt),
    /// `vector<element, dimension>`
    Vector(Vec<Self>),
    /// Bytes that Cassandra takes for a value of their type, but would not write: see [`Verbatim`].
    Verbatim(Box<Verbatim>),
}

impl CqlValue {
    /// Zero bytes as a value of this type, which are no null. [`MaybeEmpty`](super::MaybeEmpty) says which types have that.
    ///
    /// # Errors
    /// [`DecodeValueError::Invalid`] if the type has none.
    pub fn empty(column_type: &ColumnType) -> Result<Self, DecodeValueError> {
        Self::of_bytes(column_type, &[])
    }

    /// Whether it is null.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// What its variant is called.
    fn kind(&self) -> &'static str {
        match self {
            Self::Null => "CqlValue(Null)",
            Self::Text(_) => "CqlValue(Text)",
            Self::BigInt(_) => "CqlValue(BigInt)",
            Self::Blob(_) => "CqlValue(Blob)",
            Self::Boolean(_) => "CqlValue(Boolean)",
            Self::Counter(_) => "CqlValue(Counter)",
            Self::Date(_) => "CqlValue(Date)",
            Self::Decimal(_) => "CqlValue(Decimal)",
            Self::Double(_) => "CqlValue(Double)",
            Self::Duration(_) => "CqlValue(Duration)",
            Self::Float(_) => "CqlValue(Float)",
            Self::Inet(_) => "CqlValue(Inet)",
            Self::Int(_) => "CqlValue(Int)",
            Self::List(_) => "CqlValue(List)",
            Self::Map(_) => "CqlValue(Map)",
            Self::Set(_) => "CqlValue(Set)",
            Self::SmallInt(_) => "CqlValue(SmallInt)",
            Self::Time(_) => "CqlValue(Time)",
            Self::Timestamp(_) => "CqlValue(Timestamp)",
            Self::TimeUuid(_) => "CqlValue(TimeUuid)",
            Self::TinyInt(_) => "CqlValue(TinyInt)",
            Self::Tuple(_) => "CqlValue(Tuple)",
            Self::Udt(_) => "CqlValue(Udt)",
            Self::Uuid(_) => "CqlValue(Uuid)",
            Self::VarInt(_) => "CqlValue(VarInt)",
            Self::Vector(_) => "CqlValue(Vector)",
            Self::Verbatim(_) => "CqlValue(Verbatim)",
        }
    }
}

/// A value of a user-defined type: its definition, and the values of its fields.
#[derive(Clone, Debug, PartialEq)]
pub struct UdtValue {
    definition: Arc<UdtType>,
    fields: Vec<CqlValue>,
}

impl UdtValue {
    /// The fields in the order of the definition. There may be fewer than it has, as in values that were written before it
    /// got more: those read as null. `None` if there are more.
    pub fn new(definition: Arc<UdtType>, fields: Vec<CqlValue>) -> Option<Self> {
        (fields.len() <= definition.fields.len()).then_some(Self { definition, fields })
    }

    /// Its type.
    pub fn definition(&self) -> &Arc<UdtType> {
        &self.definition
    }

    /// The fields that are there, in the order of the definition.
    pub fn fields(&self) -> &[CqlValue] {
        &self.fields
    }

    /// The field of that name; null if it isn't there though the definition has it, `None` if that hasn't.
    pub fn field(&self, name: &str) -> Option<&CqlValue> {
        let at = self.definition.fields.iter().position(|(field, _)| **field == *name)?;
        Some(self.fields.get(at).unwrap_or(&CqlValue::Null))
    }
}

/// Where each field is in the definition: for looking up many of them.
fn places_by_name(definition: &UdtType) -> BTreeMap<&str, usize> {
    definition.fields.iter().enumerate().map(|(at, (name, _))| (&**name, at)).collect()
}

/// Bytes that Cassandra takes for a value of a type, but would not write itself, and of which the type's own Rust value
/// would give other bytes: zero bytes where they are no text or blob (a relic of Thrift), a varint or decimal with more
/// bytes than needed, a boolean that is neither 0 nor 1, a time that is not within a day, a duration that goes on after its
/// end, text with surrogates or an overlong NUL, tuples whose nulls have other lengths than -1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verbatim {
    column_type: ColumnType,
    bytes: Box<[u8]>,
}

impl Verbatim {
    /// The type of which it is a value.
    pub fn column_type(&self) -> &ColumnType {
        &self.column_type
    }

    /// The bytes; none of them is the empty value.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}
