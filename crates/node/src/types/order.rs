//! Values to bytes whose plain order is the order of the values: what clustering keys are kept under.

use helenus_core::protocol::ColumnType;

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
        ColumnType::List(element) | ColumnType::Set(element) => push_collection(&[element], bytes, out)?,
        ColumnType::Map(types) => push_collection(&[&types.0, &types.1], bytes, out)?,
        ColumnType::Tuple(types) => push_tuple(types, bytes, out)?,
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

fn push_tuple(types: &[ColumnType], bytes: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
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
    use super::super::encode;
    use super::*;
    use crate::cql::Literal;

    fn ordered(column_type: &ColumnType, literal: &Literal, descending: bool) -> Vec<u8> {
        let bytes = encode(column_type, literal).unwrap().unwrap();
        let mut out = Vec::new();
        push_ordered(column_type, &bytes, descending, &mut out).unwrap();
        out
    }

    fn assert_rises(column_type: &ColumnType, literals: &[Literal]) {
        for pair in literals.windows(2) {
            let up = pair.iter().map(|literal| ordered(column_type, literal, false)).collect::<Vec<_>>();
            assert!(up[0] < up[1], "{column_type} {pair:?}");
            let down = pair.iter().map(|literal| ordered(column_type, literal, true)).collect::<Vec<_>>();
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
        let texts = ["", "\0", "\0a", "a", "a\0", "a\0\0", "a\0b", "ab", "b", "é"];
        assert_rises(&ColumnType::Text, &texts.map(|text| Literal::Text(text.into())));
        let dates = ["1969-01-01", "1970-01-01", "2020-02-29"];
        assert_rises(&ColumnType::Timestamp, &dates.map(|text| Literal::Text(text.into())));
        assert_rises(&ColumnType::Date, &dates.map(|text| Literal::Text(text.into())));
        let floats = ["-infinity", "-1.5", "-0.5", "0.0", "0.5", "3.0e10", "infinity", "nan"];
        assert_rises(&ColumnType::Float, &floats.map(|digits| Literal::Float(digits.into())));
    }
}
