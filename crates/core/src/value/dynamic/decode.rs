use super::{CqlValue, UdtValue, Verbatim};
use crate::protocol::ColumnType;
use crate::value::absent::can_be_empty;
use crate::value::collection::NULL_INSIDE;
use crate::value::elements::{Lengths, Parts};
use crate::value::map::decode_entries;
use crate::value::number::shortest;
use crate::value::{
    CqlDuration, DecodeValue, DecodeValueError, EncodeValue, TimeOfDay, TypeMismatch, ValueWriter,
};

/// How many elements room is made for before the first is read. Counts inside each other, as deep as the type goes, may
/// all claim the same bytes; more room is made as elements come.
const FIRST_ROOM: usize = 128;

/// A value of any type; null is [`CqlValue::Null`].
impl<'a> DecodeValue<'a> for CqlValue {
    fn check(_: &ColumnType) -> Result<(), TypeMismatch> {
        Ok(())
    }

    fn decode(column_type: &ColumnType, bytes: Option<&'a [u8]>) -> Result<Self, DecodeValueError> {
        match bytes {
            Some(bytes) => Self::of_bytes(column_type, bytes),
            None => Ok(Self::Null),
        }
    }
}

impl CqlValue {
    /// The value that these bytes are, as the server judges it when it is given them. The recursion is as deep as the type.
    pub(super) fn of_bytes(column_type: &ColumnType, bytes: &[u8]) -> Result<Self, DecodeValueError> {
        use ColumnType as T;
        if bytes.is_empty()
            && !matches!(column_type, T::Ascii | T::Text | T::Blob | T::Custom(_) | T::Tuple(_) | T::Udt(_))
        {
            return match can_be_empty(column_type) {
                true => Ok(verbatim(column_type, bytes)),
                false => Err(DecodeValueError::Invalid("it is empty, and its type has no empty value")),
            };
        }
        match column_type {
            T::Ascii if !bytes.is_ascii() => Err(DecodeValueError::Invalid("it isn't ASCII")),
            T::Ascii | T::Text => text(column_type, bytes),
            T::BigInt => read(column_type, bytes).map(Self::BigInt),
            T::Blob | T::Custom(_) => Ok(Self::Blob(bytes.to_vec())),
            T::Boolean if bytes.len() == 1 && bytes[0] > 1 => Ok(verbatim(column_type, bytes)),
            T::Boolean => read(column_type, bytes).map(Self::Boolean),
            T::Counter => read(column_type, bytes).map(Self::Counter),
            T::Date => read(column_type, bytes).map(Self::Date),
            T::Decimal if bytes.len() > 4 && !is_shortest(&bytes[4..]) => Ok(verbatim(column_type, bytes)),
            T::Decimal => read(column_type, bytes).map(Self::Decimal),
            T::Double => read(column_type, bytes).map(Self::Double),
            T::Duration => duration(column_type, bytes),
            T::Float => read(column_type, bytes).map(Self::Float),
            T::Inet => read(column_type, bytes).map(Self::Inet),
            T::Int => read(column_type, bytes).map(Self::Int),
            T::List(element) => list(column_type, element, bytes),
            T::Map(types) => map(types, bytes),
            T::Set(element) => set(element, bytes),
            T::SmallInt => read(column_type, bytes).map(Self::SmallInt),
            T::Time => time(column_type, bytes),
            T::Timestamp => read(column_type, bytes).map(Self::Timestamp),
            T::TimeUuid => read(column_type, bytes).map(Self::TimeUuid),
            T::TinyInt => read(column_type, bytes).map(Self::TinyInt),
            T::Tuple(types) => {
                let fields = fields(types.iter(), bytes, element_error)?;
                Ok(fields.map_or_else(|| verbatim(column_type, bytes), Self::Tuple))
            }
            T::Udt(definition) => {
                let in_field = |index: usize, error| {
                    DecodeValueError::Field(Box::new((definition.fields[index].0.clone(), error)))
                };
                let fields = fields(definition.fields.iter().map(|(_, ty)| ty), bytes, in_field)?;
                let value = |fields| Self::Udt(UdtValue { definition: definition.clone(), fields });
                Ok(fields.map_or_else(|| verbatim(column_type, bytes), value))
            }
            T::Uuid => read(column_type, bytes).map(Self::Uuid),
            T::VarInt if !is_shortest(bytes) => Ok(verbatim(column_type, bytes)),
            T::VarInt => read(column_type, bytes).map(Self::VarInt),
            T::Vector(element, dimension) => vector(element, *dimension as usize, bytes),
        }
    }
}

fn read<'a, T: DecodeValue<'a>>(column_type: &ColumnType, bytes: &'a [u8]) -> Result<T, DecodeValueError> {
    T::decode(column_type, Some(bytes))
}

fn verbatim(column_type: &ColumnType, bytes: &[u8]) -> CqlValue {
    CqlValue::Verbatim(Box::new(Verbatim { column_type: column_type.clone(), bytes: bytes.into() }))
}

fn is_shortest(bytes: &[u8]) -> bool {
    shortest(bytes).len() == bytes.len()
}

fn text(column_type: &ColumnType, bytes: &[u8]) -> Result<CqlValue, DecodeValueError> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(CqlValue::Text(text.to_owned())),
        Err(_) if is_text_to_cassandra(bytes) => Ok(verbatim(column_type, bytes)),
        Err(error) => Err(DecodeValueError::Utf8 { valid_bytes: error.valid_up_to() }),
    }
}

/// Cassandra checks text less strictly than UTF-8 asks for: it lets the NUL of two bytes pass, surrogates, and code points
/// beyond U+10FFFF.
fn is_text_to_cassandra(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    let follows = |byte: u8| byte & 0xc0 == 0x80;
    loop {
        rest = match *rest {
            [] => return true,
            [0x00..=0x7f, ref rest @ ..] | [0xc0, 0x80, ref rest @ ..] => rest,
            [0xc2..=0xdf, a, ref rest @ ..] if follows(a) => rest,
            [0xe0, a, b, ref rest @ ..] if a & 0xe0 != 0x80 && follows(b) => rest,
            [0xe1..=0xef, a, b, ref rest @ ..] if follows(a) && follows(b) => rest,
            [0xf0, a, b, c, ref rest @ ..] if a & 0x30 != 0 && follows(b) && follows(c) => rest,
            [0xf1..=0xf7, a, b, c, ref rest @ ..] if follows(a) && follows(b) && follows(c) => rest,
            _ => return false,
        };
    }
}

fn duration(column_type: &ColumnType, bytes: &[u8]) -> Result<CqlValue, DecodeValueError> {
    let duration: CqlDuration = read(column_type, bytes)?;
    let mut again = Vec::new();
    let written = duration.encode(column_type, &mut ValueWriter::new(&mut again, false));
    match written.is_ok() && again[4..] == *bytes {
        true => Ok(CqlValue::Duration(duration)),
        false => Ok(verbatim(column_type, bytes)),
    }
}

fn time(column_type: &ColumnType, bytes: &[u8]) -> Result<CqlValue, DecodeValueError> {
    let nanos: u64 = u64::from_be_bytes(crate::value::decode::fixed(Some(bytes))?);
    Ok(TimeOfDay::from_nanos(nanos).map_or_else(|| verbatim(column_type, bytes), CqlValue::Time))
}

fn list(column_type: &ColumnType, element: &ColumnType, bytes: &[u8]) -> Result<CqlValue, DecodeValueError> {
    let (count, mut parts) = Parts::counted(bytes, 1)?;
    let mut values = Vec::with_capacity(count.min(FIRST_ROOM));
    for index in 0..count {
        let value = parts.take().and_then(|bytes| CqlValue::decode(element, bytes));
        values.push(value.map_err(|error| element_error(index, error))?);
    }
    parts.finish()?;
    Ok(if parts.is_odd() { verbatim(column_type, bytes) } else { CqlValue::List(values) })
}

fn set(element: &ColumnType, bytes: &[u8]) -> Result<CqlValue, DecodeValueError> {
    let (count, parts) = Parts::counted(bytes, 1)?;
    values(element, count, parts).map(CqlValue::Set)
}

fn vector(element: &ColumnType, dimension: usize, bytes: &[u8]) -> Result<CqlValue, DecodeValueError> {
    let parts = Parts::of_vector(bytes, element, dimension)?;
    values(element, dimension, parts).map(CqlValue::Vector)
}

/// So many values, none of them null.
fn values(
    element: &ColumnType,
    count: usize,
    mut parts: Parts<'_>,
) -> Result<Vec<CqlValue>, DecodeValueError> {
    let mut values = Vec::with_capacity(count.min(FIRST_ROOM));
    for index in 0..count {
        let bytes = parts.take().and_then(|bytes| bytes.ok_or(NULL_INSIDE));
        let value = bytes.and_then(|bytes| CqlValue::of_bytes(element, bytes));
        values.push(value.map_err(|error| element_error(index, error))?);
    }
    parts.finish()?;
    Ok(values)
}

fn map(types: &(ColumnType, ColumnType), bytes: &[u8]) -> Result<CqlValue, DecodeValueError> {
    let mut entries = Vec::new();
    decode_entries(bytes, |key, value| {
        entries.push((CqlValue::of_bytes(&types.0, key)?, CqlValue::of_bytes(&types.1, value)?));
        Ok(())
    })?;
    Ok(CqlValue::Map(entries))
}

/// The fields that are there, which are no more than the `types`; `None` if a null among them is written in an odd way.
fn fields<'t>(
    types: impl Iterator<Item = &'t ColumnType>,
    bytes: &[u8],
    in_field: impl Fn(usize, DecodeValueError) -> DecodeValueError,
) -> Result<Option<Vec<CqlValue>>, DecodeValueError> {
    let mut parts = Parts::new(bytes, Lengths::Int);
    let mut values = Vec::new();
    for (index, ty) in types.enumerate() {
        if parts.is_empty() {
            break;
        }
        let value = parts.take().and_then(|bytes| CqlValue::decode(ty, bytes));
        values.push(value.map_err(|error| in_field(index, error))?);
    }
    parts.finish()?;
    Ok((!parts.is_odd()).then_some(values))
}

#[cold]
fn element_error(index: usize, error: DecodeValueError) -> DecodeValueError {
    DecodeValueError::Element(Box::new((index, error)))
}
