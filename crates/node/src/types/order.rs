//! Values to bytes whose plain order is the order of the values: what clustering keys are kept under.

use std::cmp::Ordering;

use helenus_core::protocol::ColumnType;
use helenus_core::value::{CqlValue, DecodeValue, VarInt};

/// Appends `bytes` so that comparing what was appended compares the values. Each value's end is told by its bytes
/// (or its type), so values can follow each other in one key.
pub(crate) fn push_ordered(
    column_type: &ColumnType,
    bytes: &[u8],
    descending: bool,
    out: &mut Vec<u8>,
) -> Result<(), String> {
    let start = out.len();
    push_ascending(column_type, bytes, out)?;
    if descending {
        out[start..].iter_mut().for_each(|byte| *byte = !*byte);
    }
    Ok(())
}

/// The bytes of one value that order as it does.
pub(crate) fn ordered(column_type: &ColumnType, bytes: &[u8]) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(bytes.len() + 3);
    push_ascending(column_type, bytes, &mut out)?;
    Ok(out)
}

/// How two values of a type order.
pub(crate) fn compare(column_type: &ColumnType, a: &[u8], b: &[u8]) -> Result<Ordering, String> {
    match column_type {
        // Without an order; equality is all that is asked for.
        ColumnType::Duration => Ok(a.cmp(b)),
        ColumnType::Text | ColumnType::Ascii | ColumnType::Blob => Ok(a.cmp(b)),
        _ => Ok(ordered(column_type, a)?.cmp(&ordered(column_type, b)?)),
    }
}

fn push_ascending(column_type: &ColumnType, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
    // An empty value comes before all others of its type.
    out.push(u8::from(!bytes.is_empty()));
    if bytes.is_empty() {
        return Ok(());
    }
    match column_type {
        ColumnType::Boolean | ColumnType::Date => out.extend_from_slice(bytes),
        ColumnType::TinyInt
        | ColumnType::SmallInt
        | ColumnType::Int
        | ColumnType::BigInt
        | ColumnType::Counter
        | ColumnType::Timestamp
        | ColumnType::Time => {
            out.push(bytes[0] ^ 0x80);
            out.extend_from_slice(&bytes[1..]);
        }
        ColumnType::Float | ColumnType::Double => {
            let flip = if bytes[0] & 0x80 != 0 { 0xff } else { 0 };
            out.push(bytes[0] ^ (flip | 0x80));
            out.extend(bytes[1..].iter().map(|byte| byte ^ flip));
        }
        ColumnType::Ascii | ColumnType::Text | ColumnType::Blob | ColumnType::Inet => {
            push_escaped(bytes, out)
        }
        ColumnType::Uuid | ColumnType::TimeUuid if bytes.len() == 16 => push_uuid(column_type, bytes, out),
        ColumnType::VarInt => push_varint(bytes, out),
        ColumnType::Decimal => push_decimal(bytes, out)?,
        ColumnType::List(element) | ColumnType::Set(element) => push_collection(&[element], bytes, out)?,
        ColumnType::Map(types) => push_collection(&[&types.0, &types.1], bytes, out)?,
        ColumnType::Tuple(types) => push_tuple(types.iter(), bytes, out)?,
        ColumnType::Udt(udt) => push_tuple(udt.fields.iter().map(|(_, ty)| ty), bytes, out)?,
        ColumnType::Vector(element, _) => {
            let value = CqlValue::decode(column_type, Some(bytes)).map_err(|error| error.to_string())?;
            let CqlValue::Vector(values) = value else { return Ok(()) };
            for value in values {
                let bytes = value.to_bytes(element).map_err(|error| error.to_string())?;
                push_ascending(element, &bytes.unwrap_or_default(), out)?;
            }
        }
        other => return Err(format!("this node doesn't order values of type {other}")),
    }
    Ok(())
}

/// A zero is followed by 0xff, and two zeros end the value, so a prefix comes before what it is a prefix of.
fn push_escaped(bytes: &[u8], out: &mut Vec<u8>) {
    for byte in bytes {
        out.push(*byte);
        if *byte == 0 {
            out.push(0xff);
        }
    }
    out.extend_from_slice(&[0, 0]);
}

/// By version, then time for version 1, then bytes: those of a version 1 after its time compare signed.
fn push_uuid(column_type: &ColumnType, bytes: &[u8], out: &mut Vec<u8>) {
    let version = bytes[6] >> 4;
    out.push(version);
    if version != 1 {
        out.extend_from_slice(bytes);
        return;
    }
    out.extend_from_slice(&[
        bytes[6] & 0x0f,
        bytes[7],
        bytes[4],
        bytes[5],
        bytes[0],
        bytes[1],
        bytes[2],
        bytes[3],
    ]);
    let signed = *column_type == ColumnType::TimeUuid;
    out.extend(bytes[8..].iter().map(|byte| if signed { byte ^ 0x80 } else { *byte }));
}

/// Longer numbers are further from zero: the length, negated for negative ones, then the bytes.
fn push_varint(bytes: &[u8], out: &mut Vec<u8>) {
    let sign = if bytes[0] & 0x80 != 0 { 0xff } else { 0 };
    let extra = bytes.iter().take_while(|byte| **byte == sign).count().min(bytes.len() - 1);
    let keep = if extra > 0 && (bytes[extra] ^ sign) & 0x80 != 0 { extra - 1 } else { extra };
    let shortest = &bytes[keep..];
    let len = shortest.len() as i64;
    let signed_len = if sign == 0 { len } else { -len };
    out.extend_from_slice(&((signed_len as u64) ^ (1 << 63)).to_be_bytes());
    // Of one length and sign, two's complement orders as it stands.
    out.extend_from_slice(shortest);
}

fn push_collection(types: &[&ColumnType], bytes: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
    let mut rest = bytes.get(4..).unwrap_or_default();
    while !rest.is_empty() {
        for element in types {
            out.push(1);
            let (value, after) = split(rest);
            push_ascending(element, value.unwrap_or_default(), out)?;
            rest = after;
        }
    }
    out.push(0);
    Ok(())
}

/// The conversion to digits is quadratic.
const DECIMAL_LIMIT_BYTES: usize = 1_024;

/// By sign, then by the place of the first digit, then by the digits: 1.0 and 1.00 are one value.
fn push_decimal(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
    let Some((scale, unscaled)) = bytes.split_first_chunk::<4>() else { return Ok(()) };
    if unscaled.len() > DECIMAL_LIMIT_BYTES {
        return Err(format!("this node orders decimals of at most {DECIMAL_LIMIT_BYTES} bytes"));
    }
    let digits = VarInt::from_be_bytes(unscaled).to_string();
    let (negative, digits) =
        digits.strip_prefix('-').map_or((false, digits.as_str()), |digits| (true, digits));
    let significant = digits.trim_end_matches('0');
    if significant.is_empty() {
        out.push(1);
        return Ok(());
    }
    let place = digits.len() as i64 - i64::from(i32::from_be_bytes(*scale));
    let start = out.len() + 1;
    out.push(if negative { 0 } else { 2 });
    out.extend_from_slice(&((place as u64) ^ (1 << 63)).to_be_bytes());
    out.extend_from_slice(significant.as_bytes());
    out.push(0);
    if negative {
        out[start..].iter_mut().for_each(|byte| *byte = !*byte);
    }
    Ok(())
}

fn push_tuple<'t>(
    types: impl Iterator<Item = &'t ColumnType>,
    bytes: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), String> {
    let mut rest = bytes;
    for field in types {
        let (value, after) = split(rest);
        out.push(u8::from(value.is_some()));
        if let Some(value) = value {
            push_ascending(field, value, out)?;
        }
        rest = after;
    }
    Ok(())
}

/// The next [bytes] of a value that was validated; nothing is left if it was not.
fn split(bytes: &[u8]) -> (Option<&[u8]>, &[u8]) {
    let Some((head, rest)) = bytes.split_first_chunk::<4>() else { return (None, &[]) };
    let Ok(len) = usize::try_from(i32::from_be_bytes(*head)) else { return (None, rest) };
    match rest.get(..len) {
        Some(value) => (Some(value), &rest[len..]),
        None => (None, &[]),
    }
}

#[cfg(test)]
mod tests {
    use super::super::literal;
    use super::*;
    use crate::cql::Literal;

    fn in_order(column_type: &ColumnType, given: &Literal, descending: bool) -> Vec<u8> {
        let bytes = literal(column_type, given, "v").unwrap().unwrap();
        let mut out = Vec::new();
        push_ordered(column_type, &bytes, descending, &mut out).unwrap();
        out
    }

    fn assert_rises(column_type: &ColumnType, literals: &[Literal]) {
        for pair in literals.windows(2) {
            let up = pair.iter().map(|literal| in_order(column_type, literal, false)).collect::<Vec<_>>();
            assert!(up[0] < up[1], "{column_type} {pair:?}");
            let down = pair.iter().map(|literal| in_order(column_type, literal, true)).collect::<Vec<_>>();
            assert!(down[0] > down[1], "{column_type} {pair:?} descending");
        }
    }

    #[test]
    fn each_type_rises_as_its_values_do() {
        let integers = ["-300", "-256", "-129", "-128", "-1", "0", "1", "127", "128", "255", "256", "70000"];
        let integers = integers.map(|digits| Literal::Integer(digits.into()));
        assert_rises(&ColumnType::Int, &integers);
        assert_rises(&ColumnType::BigInt, &integers);
        assert_rises(&ColumnType::VarInt, &integers);
        assert_rises(&ColumnType::Double, &integers);
        assert_rises(&ColumnType::Decimal, &integers);
        let decimals =
            ["-1e3", "-10.01", "-10", "-0.5", "0.000", "1e-9", "0.5", "0.51", "10", "10.01", "1e3"];
        assert_rises(&ColumnType::Decimal, &decimals.map(|digits| Literal::Float(digits.into())));
        let texts = ["", "\0", "\0a", "a", "a\0", "a\0\0", "a\0b", "ab", "b", "é"];
        assert_rises(&ColumnType::Text, &texts.map(|text| Literal::Text(text.into())));
        let dates = ["1969-01-01", "1970-01-01", "2020-02-29"];
        assert_rises(&ColumnType::Timestamp, &dates.map(|text| Literal::Text(text.into())));
        assert_rises(&ColumnType::Date, &dates.map(|text| Literal::Text(text.into())));
        let floats = ["-infinity", "-1.5", "-0.5", "0.0", "0.5", "3.0e10", "infinity", "nan"];
        assert_rises(&ColumnType::Float, &floats.map(|digits| Literal::Float(digits.into())));
    }

    #[test]
    fn decimals_are_equal_whatever_their_scale() {
        let of = |digits: &str| in_order(&ColumnType::Decimal, &Literal::Float(digits.into()), false);
        assert_eq!(of("1.0"), of("1.00"));
        assert_eq!(of("100"), of("1e2"));
    }
}
