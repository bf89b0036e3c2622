//! Whether bytes are a value of a type, by the rules of the server.

use helenus_core::protocol::ColumnType;
use helenus_core::value::{CqlValue, DecodeValue};

/// Refuses what the server would refuse. Empty values pass where the server lets them.
pub(crate) fn validate(column_type: &ColumnType, bytes: &[u8]) -> Result<(), String> {
    let len = bytes.len();
    match column_type {
        ColumnType::Ascii if !bytes.is_ascii() => Err("Invalid byte for ascii".into()),
        ColumnType::Text if std::str::from_utf8(bytes).is_err() => {
            Err("String didn't validate: it is not UTF-8".into())
        }
        ColumnType::Ascii | ColumnType::Text | ColumnType::Blob => Ok(()),
        ColumnType::TinyInt => exact(column_type, len, 1),
        ColumnType::SmallInt => exact(column_type, len, 2),
        ColumnType::Date => exact(column_type, len, 4),
        ColumnType::Time => exact(column_type, len, 8),
        ColumnType::Boolean => exact_or_empty(column_type, len, 1),
        ColumnType::Int | ColumnType::Float => exact_or_empty(column_type, len, 4),
        ColumnType::BigInt | ColumnType::Double | ColumnType::Timestamp | ColumnType::Counter => {
            exact_or_empty(column_type, len, 8)
        }
        ColumnType::Uuid => exact_or_empty(column_type, len, 16),
        ColumnType::TimeUuid if len == 16 && bytes[6] >> 4 != 1 => {
            Err("Invalid version for TimeUUID type.".into())
        }
        ColumnType::TimeUuid => exact_or_empty(column_type, len, 16),
        ColumnType::Inet if [0, 4, 16].contains(&len) => Ok(()),
        ColumnType::Inet => Err(format!("bytes is not a valid inet address: {len} bytes")),
        ColumnType::VarInt => Ok(()),
        ColumnType::Decimal if len == 0 || len >= 4 => Ok(()),
        ColumnType::Decimal => Err(format!("Expected 0 or at least 4 bytes for a decimal ({len})")),
        ColumnType::Duration if len >= 3 => Ok(()),
        ColumnType::Duration => Err(format!("Expected at least 3 bytes for a duration ({len})")),
        ColumnType::List(element) | ColumnType::Set(element) => elements(bytes, &[element]),
        ColumnType::Map(types) => elements(bytes, &[&types.0, &types.1]),
        ColumnType::Tuple(types) => fields(types.iter(), bytes),
        ColumnType::Udt(udt) => fields(udt.fields.iter().map(|(_, ty)| ty), bytes),
        ColumnType::Vector(..) => {
            CqlValue::decode(column_type, Some(bytes)).map(|_| ()).map_err(|error| error.to_string())
        }
        other => Err(format!("type {other} is not among what this node has")),
    }
}

fn exact(column_type: &ColumnType, len: usize, expected: usize) -> Result<(), String> {
    if len == expected { Ok(()) } else { Err(format!("Expected {expected} byte {column_type} ({len})")) }
}

fn exact_or_empty(column_type: &ColumnType, len: usize, expected: usize) -> Result<(), String> {
    if len == 0 || len == expected {
        return Ok(());
    }
    Err(format!("Expected {expected} or 0 byte {column_type} ({len})"))
}

fn elements(bytes: &[u8], types: &[&ColumnType]) -> Result<(), String> {
    let (count, mut rest) = split_int(bytes).ok_or("Not enough bytes to read the size of a collection")?;
    // Each element takes at least its own length, so a count beyond the bytes ends the loop early, by an error.
    for _ in 0..count.max(0) {
        for element in types {
            let (value, after) =
                split_value(rest).ok_or("Not enough bytes to read an element of a collection")?;
            validate(element, value.ok_or("null is not supported inside collections")?)?;
            rest = after;
        }
    }
    if rest.is_empty() { Ok(()) } else { Err("Unexpected extraneous bytes after a collection".into()) }
}

fn fields<'t>(types: impl Iterator<Item = &'t ColumnType>, bytes: &[u8]) -> Result<(), String> {
    let mut rest = bytes;
    for field in types {
        if rest.is_empty() {
            return Ok(());
        }
        let (value, after) = split_value(rest).ok_or("Not enough bytes to read a field of a tuple")?;
        if let Some(value) = value {
            validate(field, value)?;
        }
        rest = after;
    }
    if rest.is_empty() { Ok(()) } else { Err("Expected fewer fields in a tuple".into()) }
}

fn split_int(bytes: &[u8]) -> Option<(i32, &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<4>()?;
    Some((i32::from_be_bytes(*head), rest))
}

/// A [bytes]: `None` inside means null.
fn split_value(bytes: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    let (len, rest) = split_int(bytes)?;
    match usize::try_from(len) {
        Err(_) => Some((None, rest)),
        Ok(len) => {
            let value = rest.get(..len)?;
            Some((Some(value), &rest[len..]))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn lengths_are_those_of_the_server() {
        assert!(validate(&ColumnType::Int, &[]).is_ok());
        assert!(validate(&ColumnType::Int, &[0; 3]).is_err());
        assert!(validate(&ColumnType::SmallInt, &[]).is_err());
        assert!(validate(&ColumnType::Text, &[0xff]).is_err());
    }

    #[test]
    fn hostile_collections_end_early() {
        let list = ColumnType::List(Arc::new(ColumnType::Int));
        assert!(validate(&list, &[0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 9]).is_ok());
        assert!(validate(&list, &[0x7f, 0xff, 0xff, 0xff]).is_err());
        assert!(validate(&list, &[0, 0, 0, 1, 0x7f, 0xff, 0xff, 0xff]).is_err());
        assert!(validate(&list, &[0, 0, 0, 0, 9]).is_err());
    }
}
