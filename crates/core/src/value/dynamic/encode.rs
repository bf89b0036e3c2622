use std::sync::Arc;

use super::{CqlValue, UdtValue, places_by_name};
use crate::protocol::{ColumnType, UdtType};
use crate::value::collection::{encode_list, encode_set, encode_vector};
use crate::value::map::encode_entries;
use crate::value::{EncodeError, EncodeValue, TypeMismatch, ValueWriter};

impl EncodeValue for CqlValue {
    fn encode(&self, column_type: &ColumnType, out: &mut ValueWriter<'_>) -> Result<(), EncodeError> {
        use ColumnType as T;
        match (self, column_type) {
            (Self::Null, _) => {
                out.null();
                Ok(())
            }
            (Self::Text(text), T::Ascii | T::Text) => text.encode(column_type, out),
            (Self::BigInt(number), T::BigInt) => number.encode(column_type, out),
            (Self::Blob(bytes), T::Blob | T::Custom(_)) => bytes.encode(column_type, out),
            (Self::Boolean(value), T::Boolean) => value.encode(column_type, out),
            (Self::Counter(counter), T::Counter) => counter.encode(column_type, out),
            (Self::Date(date), T::Date) => date.encode(column_type, out),
            (Self::Decimal(number), T::Decimal) => number.encode(column_type, out),
            (Self::Double(number), T::Double) => number.encode(column_type, out),
            (Self::Duration(duration), T::Duration) => duration.encode(column_type, out),
            (Self::Float(number), T::Float) => number.encode(column_type, out),
            (Self::Inet(address), T::Inet) => address.encode(column_type, out),
            (Self::Int(number), T::Int) => number.encode(column_type, out),
            (Self::List(values), T::List(element)) => encode_list(values.iter(), element, out),
            (Self::Map(entries), T::Map(types)) => encode_map(entries, types, out),
            (Self::Set(values), T::Set(element)) => encode_set(values.iter(), element, out),
            (Self::SmallInt(number), T::SmallInt) => number.encode(column_type, out),
            (Self::Time(time), T::Time) => time.encode(column_type, out),
            (Self::Timestamp(time), T::Timestamp) => time.encode(column_type, out),
            (Self::TimeUuid(uuid), T::TimeUuid) => uuid.encode(column_type, out),
            (Self::TinyInt(number), T::TinyInt) => number.encode(column_type, out),
            (Self::Tuple(values), T::Tuple(types)) if values.len() <= types.len() => {
                encode_tuple(values, types, out)
            }
            (Self::Udt(value), T::Udt(definition)) => encode_udt(value, definition, out),
            (Self::Uuid(uuid), T::Uuid) => uuid.encode(column_type, out),
            (Self::VarInt(number), T::VarInt) => number.encode(column_type, out),
            (Self::Vector(values), T::Vector(element, dimension)) => {
                encode_vector(values.iter(), element, *dimension as usize, out)
            }
            (Self::Verbatim(value), _) if value.column_type == *column_type => out.bytes(&value.bytes),
            _ => Err(TypeMismatch::bind_named(self.kind(), column_type).into()),
        }
    }

    fn encode_untyped(&self, out: &mut ValueWriter<'_>) -> Result<(), EncodeError> {
        match self {
            Self::Null => {
                out.null();
                Ok(())
            }
            Self::Text(text) => text.encode_untyped(out),
            Self::BigInt(number) => number.encode_untyped(out),
            Self::Blob(bytes) => bytes.encode_untyped(out),
            Self::Boolean(value) => value.encode_untyped(out),
            Self::Counter(counter) => counter.encode_untyped(out),
            Self::Date(date) => date.encode_untyped(out),
            Self::Decimal(number) => number.encode_untyped(out),
            Self::Double(number) => number.encode_untyped(out),
            Self::Duration(duration) => duration.encode_untyped(out),
            Self::Float(number) => number.encode_untyped(out),
            Self::Inet(address) => address.encode_untyped(out),
            Self::Int(number) => number.encode_untyped(out),
            Self::List(values) | Self::Set(values) => values.encode_untyped(out),
            Self::Map(entries) => encode_entries(
                entries.iter(),
                |(key, value), out| {
                    key.encode_untyped(out)?;
                    value.encode_untyped(out)
                },
                out,
            ),
            Self::SmallInt(number) => number.encode_untyped(out),
            Self::Time(time) => time.encode_untyped(out),
            Self::Timestamp(time) => time.encode_untyped(out),
            Self::TimeUuid(uuid) => uuid.encode_untyped(out),
            Self::TinyInt(number) => number.encode_untyped(out),
            Self::Tuple(values) => {
                out.nested(|out| values.iter().try_for_each(|value| value.encode_untyped(out)))
            }
            Self::Udt(value) => encode_udt(value, &value.definition, out),
            Self::Uuid(uuid) => uuid.encode_untyped(out),
            Self::VarInt(number) => number.encode_untyped(out),
            Self::Vector(_) => Err(EncodeError::Invalid(
                "a vector's encoding depends on its type, which is known only of prepared statements: prepare it",
            )),
            Self::Verbatim(value) => out.bytes(&value.bytes),
        }
    }
}

impl CqlValue {
    /// The bytes of a cell of this type; `None` is null.
    ///
    /// # Errors
    /// As for [`EncodeValue::encode`].
    pub fn to_bytes(&self, column_type: &ColumnType) -> Result<Option<Vec<u8>>, EncodeError> {
        if self.is_null() {
            return Ok(None);
        }
        let mut out = Vec::new();
        self.encode(column_type, &mut ValueWriter::new(&mut out, false))?;
        // What `encode` appends begins with 4 bytes of length.
        out.drain(..4);
        Ok(Some(out))
    }
}

fn encode_map(
    entries: &[(CqlValue, CqlValue)],
    types: &(ColumnType, ColumnType),
    out: &mut ValueWriter<'_>,
) -> Result<(), EncodeError> {
    let encode = |(key, value): &(CqlValue, CqlValue), out: &mut ValueWriter<'_>| {
        out.not_null(|out| key.encode(&types.0, out))?;
        out.not_null(|out| value.encode(&types.1, out))
    };
    encode_entries(entries.iter(), encode, out)
}

fn encode_tuple(
    values: &[CqlValue],
    types: &[ColumnType],
    out: &mut ValueWriter<'_>,
) -> Result<(), EncodeError> {
    out.nested(|out| {
        for (index, (value, ty)) in values.iter().zip(types).enumerate() {
            value.encode(ty, out).map_err(|error| EncodeError::Element(Box::new((index, error))))?;
        }
        Ok(())
    })
}

/// In the order of `definition`, which may be a newer or older one than the value's own: fields are known by their names.
fn encode_udt(
    value: &UdtValue,
    definition: &Arc<UdtType>,
    out: &mut ValueWriter<'_>,
) -> Result<(), EncodeError> {
    let in_field = |name: &str, error| EncodeError::Field(Box::new((name.into(), error)));
    if Arc::ptr_eq(&value.definition, definition) || same_names(&value.definition, definition) {
        return out.nested(|out| {
            for (value, (name, ty)) in value.fields.iter().zip(&definition.fields) {
                value.encode(ty, out).map_err(|error| in_field(name, error))?;
            }
            Ok(())
        });
    }
    let places = places_by_name(&value.definition);
    let known = places_by_name(definition);
    if let Some(name) = places.keys().find(|name| !known.contains_key(*name)) {
        return Err(in_field(
            name,
            EncodeError::Invalid("the user-defined type of the column has no such field"),
        ));
    }
    out.nested(|out| {
        for (name, ty) in &definition.fields {
            let field = places.get(&**name).and_then(|at| value.fields.get(*at)).unwrap_or(&CqlValue::Null);
            field.encode(ty, out).map_err(|error| in_field(name, error))?;
        }
        Ok(())
    })
}

fn same_names(one: &UdtType, other: &UdtType) -> bool {
    one.fields.iter().map(|(name, _)| name).eq(other.fields.iter().map(|(name, _)| name))
}
