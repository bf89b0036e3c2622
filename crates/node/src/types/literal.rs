//! Literals to the bytes that a cell holds (section 6 of the protocol specification).

use std::net::IpAddr;

use helenus_core::protocol::ColumnType;
use helenus_core::value::{CqlDuration, CqlValue, Date, Decimal, TimeOfDay, Timestamp, VarInt};

use crate::cql::Literal;

/// The bytes of a literal as a value of that type; `None` is null. `name` is that of the column or marker that it is for.
pub(crate) fn literal(
    column_type: &ColumnType,
    literal: &Literal,
    name: &str,
) -> Result<Option<Vec<u8>>, String> {
    let bytes = match (column_type, literal) {
        (_, Literal::Null) => return Ok(None),
        (_, Literal::Integer(digits)) => integer(column_type, digits)?,
        (_, Literal::Float(digits)) => float(column_type, digits),
        (_, Literal::Text(value)) => from_text(column_type, value)?,
        (ColumnType::Boolean, Literal::Boolean(value)) => Some(vec![u8::from(*value)]),
        (ColumnType::Blob | ColumnType::Custom(_), Literal::Blob(bytes)) => Some(bytes.clone()),
        (ColumnType::Uuid, Literal::Uuid(bytes)) => Some(bytes.to_vec()),
        (ColumnType::TimeUuid, Literal::Uuid(bytes)) if bytes[6] >> 4 == 1 => Some(bytes.to_vec()),
        (ColumnType::Duration, Literal::Duration(value)) => {
            value.parse().ok().and_then(|value: CqlDuration| bytes_of(column_type, CqlValue::Duration(value)))
        }
        _ => None,
    };
    bytes.map(Some).ok_or_else(|| {
        format!("Invalid {} constant ({}) for \"{name}\" of type {column_type}", kind(literal), text(literal))
    })
}

fn bytes_of(column_type: &ColumnType, value: CqlValue) -> Option<Vec<u8>> {
    value.to_bytes(column_type).ok().flatten()
}

/// Digits beyond this would let a short statement burn seconds: the conversion is quadratic.
const BIG_DIGITS_LIMIT: usize = 4_096;

fn integer(column_type: &ColumnType, digits: &str) -> Result<Option<Vec<u8>>, String> {
    let unable = || format!("Unable to make {column_type} from '{digits}'");
    Ok(Some(match column_type {
        ColumnType::TinyInt => digits.parse::<i8>().map_err(|_| unable())?.to_be_bytes().to_vec(),
        ColumnType::SmallInt => digits.parse::<i16>().map_err(|_| unable())?.to_be_bytes().to_vec(),
        ColumnType::Int => digits.parse::<i32>().map_err(|_| unable())?.to_be_bytes().to_vec(),
        ColumnType::BigInt | ColumnType::Counter | ColumnType::Timestamp | ColumnType::Time => {
            digits.parse::<i64>().map_err(|_| unable())?.to_be_bytes().to_vec()
        }
        // As a number, a date is the very value of the protocol: days with the epoch at 2^31.
        ColumnType::Date => digits.parse::<u32>().map_err(|_| unable())?.to_be_bytes().to_vec(),
        ColumnType::VarInt if digits.len() <= BIG_DIGITS_LIMIT => {
            digits.parse::<VarInt>().map_err(|_| unable())?.as_be_bytes().to_vec()
        }
        _ => return Ok(float(column_type, digits)),
    }))
}

fn float(column_type: &ColumnType, digits: &str) -> Option<Vec<u8>> {
    match column_type {
        ColumnType::Float => Some(digits.parse::<f32>().ok()?.to_be_bytes().to_vec()),
        ColumnType::Double => Some(digits.parse::<f64>().ok()?.to_be_bytes().to_vec()),
        ColumnType::Decimal if digits.len() <= BIG_DIGITS_LIMIT => {
            bytes_of(column_type, CqlValue::Decimal(digits.parse::<Decimal>().ok()?))
        }
        _ => None,
    }
}

fn from_text(column_type: &ColumnType, value: &str) -> Result<Option<Vec<u8>>, String> {
    let unable = |what: &str| format!("Unable to coerce '{value}' to a formatted {what}");
    let parsed = match column_type {
        ColumnType::Ascii if !value.is_ascii() => {
            return Err(format!("Invalid ASCII character in string literal: '{value}'"));
        }
        ColumnType::Ascii | ColumnType::Text => return Ok(Some(value.as_bytes().to_vec())),
        ColumnType::Inet => CqlValue::Inet(
            value.parse::<IpAddr>().map_err(|_| format!("Unable to make inet address from '{value}'"))?,
        ),
        ColumnType::Timestamp => {
            CqlValue::Timestamp(value.parse::<Timestamp>().map_err(|_| unable("date (long)"))?)
        }
        ColumnType::Date => CqlValue::Date(value.parse::<Date>().map_err(|_| unable("date (long)"))?),
        ColumnType::Time => CqlValue::Time(value.parse::<TimeOfDay>().map_err(|_| unable("time (long)"))?),
        _ => return Ok(None),
    };
    Ok(bytes_of(column_type, parsed))
}

/// What Cassandra calls the sort of a constant.
pub(crate) fn kind(literal: &Literal) -> &'static str {
    match literal {
        Literal::Null => "NULL",
        Literal::Boolean(_) => "BOOLEAN",
        Literal::Integer(_) => "INTEGER",
        Literal::Float(_) => "FLOAT",
        Literal::Text(_) => "STRING",
        Literal::Blob(_) => "HEX",
        Literal::Uuid(_) => "UUID",
        Literal::Duration(_) => "DURATION",
    }
}

fn text(literal: &Literal) -> String {
    match literal {
        Literal::Null => "null".into(),
        Literal::Boolean(value) => value.to_string(),
        Literal::Integer(text) | Literal::Float(text) | Literal::Text(text) | Literal::Duration(text) => {
            text.chars().take(100).collect()
        }
        Literal::Blob(bytes) => {
            bytes.iter().take(50).fold("0x".into(), |text, byte| format!("{text}{byte:02x}"))
        }
        Literal::Uuid(bytes) => helenus_core::value::Uuid::from_bytes(*bytes).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the real server stores them.
    #[test]
    fn numbers_and_texts_become_the_servers_bytes() {
        let integer = |digits: &str| Literal::Integer(digits.into());
        let quoted = |value: &str| Literal::Text(value.into());
        for (column_type, given, bytes) in [
            (ColumnType::VarInt, integer("-129"), vec![0xff, 0x7f]),
            (ColumnType::VarInt, integer("128"), vec![0, 0x80]),
            (ColumnType::Decimal, Literal::Float("-1.25e1".into()), vec![0, 0, 0, 1, 0x83]),
            (ColumnType::Date, quoted("1970-01-02"), vec![0x80, 0, 0, 1]),
            (ColumnType::Date, integer("2147483648"), vec![0x80, 0, 0, 0]),
            (ColumnType::Inet, quoted("::1"), [vec![0; 15], vec![1]].concat()),
            (ColumnType::Timestamp, quoted("1970-01-01 00:00:01+0000"), 1000i64.to_be_bytes().to_vec()),
            (ColumnType::Float, integer("2"), 2f32.to_be_bytes().to_vec()),
            (ColumnType::Counter, integer("-1"), vec![255; 8]),
        ] {
            assert_eq!(literal(&column_type, &given, "v"), Ok(Some(bytes)), "{column_type} {given:?}");
        }
    }

    #[test]
    fn others_are_refused_by_name() {
        let error = literal(&ColumnType::Int, &Literal::Text("x".into()), "v").unwrap_err();
        assert_eq!(error, "Invalid STRING constant (x) for \"v\" of type int");
        let huge = Literal::Integer("9".repeat(5_000));
        assert!(literal(&ColumnType::VarInt, &huge, "v").is_err());
    }
}
