//! Literals to the bytes that a cell holds (section 6 of the protocol specification).

use helenus_core::protocol::ColumnType;

use super::{push_ordered, text, validate};
use crate::cql::Literal;

/// The bytes of a literal as a value of that type; `None` is null.
pub(crate) fn encode(column_type: &ColumnType, literal: &Literal) -> Result<Option<Vec<u8>>, String> {
    if *literal == Literal::Null {
        return Ok(None);
    }
    let mut out = Vec::new();
    push(column_type, literal, &mut out)?;
    validate(column_type, &out)?;
    Ok(Some(out))
}

fn push(column_type: &ColumnType, literal: &Literal, out: &mut Vec<u8>) -> Result<(), String> {
    match (column_type, literal) {
        (ColumnType::List(element), Literal::List(elements)) => push_elements(element, elements, out),
        (ColumnType::Set(element), Literal::Set(elements)) => {
            let mut encoded = encode_all(element, elements)?;
            sort_by_order(element, &mut encoded, |item| item)?;
            push_count(encoded.len(), out);
            encoded.iter().for_each(|item| push_value(item, out));
            Ok(())
        }
        // An empty map is written as an empty set is.
        (ColumnType::Map(_), Literal::Set(elements)) if elements.is_empty() => {
            push_count(0, out);
            Ok(())
        }
        (ColumnType::Map(types), Literal::Map(pairs)) => push_map(types, pairs, out),
        (ColumnType::Tuple(types), Literal::Tuple(values)) => push_tuple(types, values, out),
        _ => {
            let bytes = scalar(column_type, literal)
                .ok_or_else(|| format!("Invalid {} constant for type {column_type}", kind(literal)))?;
            out.extend_from_slice(&bytes);
            Ok(())
        }
    }
}

fn push_elements(element: &ColumnType, elements: &[Literal], out: &mut Vec<u8>) -> Result<(), String> {
    push_count(elements.len(), out);
    encode_all(element, elements)?.iter().for_each(|item| push_value(item, out));
    Ok(())
}

fn encode_all(element: &ColumnType, elements: &[Literal]) -> Result<Vec<Vec<u8>>, String> {
    elements.iter().map(|item| encode_element(element, item)).collect()
}

fn encode_element(element: &ColumnType, literal: &Literal) -> Result<Vec<u8>, String> {
    encode(element, literal)?.ok_or_else(|| "null is not supported inside collections".to_owned())
}

fn push_map(
    types: &(ColumnType, ColumnType),
    pairs: &[(Literal, Literal)],
    out: &mut Vec<u8>,
) -> Result<(), String> {
    let mut encoded = Vec::with_capacity(pairs.len());
    for (key, value) in pairs {
        encoded.push((encode_element(&types.0, key)?, encode_element(&types.1, value)?));
    }
    sort_by_order(&types.0, &mut encoded, |pair| &pair.0)?;
    push_count(encoded.len(), out);
    for (key, value) in &encoded {
        push_value(key, out);
        push_value(value, out);
    }
    Ok(())
}

fn push_tuple(types: &[ColumnType], values: &[Literal], out: &mut Vec<u8>) -> Result<(), String> {
    if values.len() > types.len() {
        return Err(format!("a tuple of {} values for {} types", values.len(), types.len()));
    }
    for (field, value) in types.iter().zip(values) {
        match encode(field, value)? {
            Some(bytes) => push_value(&bytes, out),
            None => out.extend_from_slice(&(-1i32).to_be_bytes()),
        }
    }
    Ok(())
}

/// Sets and maps are kept in the order of their elements; the last of equal ones stays, as in the server.
fn sort_by_order<T>(
    element: &ColumnType,
    items: &mut Vec<T>,
    key: impl Fn(&T) -> &[u8],
) -> Result<(), String> {
    let mut ordered = Vec::with_capacity(items.len());
    for item in items.drain(..) {
        let mut place = Vec::new();
        push_ordered(element, key(&item), false, &mut place)?;
        ordered.push((place, item));
    }
    ordered.sort_by(|a, b| a.0.cmp(&b.0));
    ordered.reverse();
    ordered.dedup_by(|a, b| a.0 == b.0);
    ordered.reverse();
    items.extend(ordered.into_iter().map(|(_, item)| item));
    Ok(())
}

fn push_count(count: usize, out: &mut Vec<u8>) {
    // A statement is shorter than 2^31 bytes, so it has fewer elements.
    out.extend_from_slice(&(count as i32).to_be_bytes());
}

fn push_value(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(bytes.len() as i32).to_be_bytes());
    out.extend_from_slice(bytes);
}

fn scalar(column_type: &ColumnType, literal: &Literal) -> Option<Vec<u8>> {
    match literal {
        Literal::Boolean(value) => (*column_type == ColumnType::Boolean).then(|| vec![u8::from(*value)]),
        Literal::Integer(digits) => integer(column_type, digits),
        Literal::Float(digits) => float(column_type, digits),
        Literal::Text(value) => from_text(column_type, value),
        Literal::Blob(bytes) => (*column_type == ColumnType::Blob).then(|| bytes.clone()),
        Literal::Uuid(bytes) => {
            matches!(column_type, ColumnType::Uuid | ColumnType::TimeUuid).then(|| bytes.to_vec())
        }
        Literal::Duration(value) if *column_type == ColumnType::Duration => {
            let (months, days, nanos) = text::duration(value)?;
            let mut out = Vec::new();
            [months, days, nanos].into_iter().for_each(|part| push_vint(part, &mut out));
            Some(out)
        }
        _ => None,
    }
}

fn integer(column_type: &ColumnType, digits: &str) -> Option<Vec<u8>> {
    Some(match column_type {
        ColumnType::TinyInt => digits.parse::<i8>().ok()?.to_be_bytes().to_vec(),
        ColumnType::SmallInt => digits.parse::<i16>().ok()?.to_be_bytes().to_vec(),
        ColumnType::Int => digits.parse::<i32>().ok()?.to_be_bytes().to_vec(),
        ColumnType::BigInt | ColumnType::Timestamp | ColumnType::Time => {
            digits.parse::<i64>().ok()?.to_be_bytes().to_vec()
        }
        // As a number, a date is the very value of the protocol: days with the epoch at 2^31.
        ColumnType::Date => digits.parse::<u32>().ok()?.to_be_bytes().to_vec(),
        ColumnType::VarInt => varint(digits)?,
        ColumnType::Float | ColumnType::Double | ColumnType::Decimal => return float(column_type, digits),
        _ => return None,
    })
}

fn float(column_type: &ColumnType, digits: &str) -> Option<Vec<u8>> {
    Some(match column_type {
        ColumnType::Float => digits.parse::<f32>().ok()?.to_be_bytes().to_vec(),
        ColumnType::Double => digits.parse::<f64>().ok()?.to_be_bytes().to_vec(),
        ColumnType::Decimal => decimal(digits)?,
        _ => return None,
    })
}

fn from_text(column_type: &ColumnType, value: &str) -> Option<Vec<u8>> {
    Some(match column_type {
        ColumnType::Ascii | ColumnType::Text => value.as_bytes().to_vec(),
        ColumnType::Inet => text::inet(value)?,
        ColumnType::Timestamp => text::millis(value)?.to_be_bytes().to_vec(),
        ColumnType::Date => u32::try_from(text::days(value)? + (1 << 31)).ok()?.to_be_bytes().to_vec(),
        ColumnType::Time => text::nanos_of_day(value)?.to_be_bytes().to_vec(),
        _ => return None,
    })
}

/// Digits beyond this would let a short statement burn seconds: the conversion is quadratic.
const BIG_DIGITS_LIMIT: usize = 4_096;

/// The shortest two's complement of a decimal number of any length.
fn varint(digits: &str) -> Option<Vec<u8>> {
    let (negative, digits) = match digits.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, digits),
    };
    if digits.is_empty() || digits.len() > BIG_DIGITS_LIMIT || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    // Little-endian magnitude first.
    let mut bytes: Vec<u8> = Vec::new();
    for digit in digits.bytes() {
        let mut carry = u32::from(digit - b'0');
        for byte in &mut bytes {
            let value = u32::from(*byte) * 10 + carry;
            *byte = value as u8;
            carry = value >> 8;
        }
        if carry > 0 {
            bytes.push(carry as u8);
        }
    }
    bytes.push(0);
    if negative {
        let mut carry = true;
        for byte in &mut bytes {
            let (value, overflow) = (!*byte).overflowing_add(u8::from(carry));
            *byte = value;
            carry = overflow;
        }
    }
    bytes.reverse();
    let redundant = |pair: &[u8]| (pair[0] == 0 && pair[1] < 0x80) || (pair[0] == 0xff && pair[1] >= 0x80);
    let extra = bytes.windows(2).take_while(|pair| redundant(pair)).count();
    bytes.drain(..extra);
    Some(bytes)
}

fn decimal(text: &str) -> Option<Vec<u8>> {
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], text[at + 1..].parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let scale = i32::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
    let mut out = scale.to_be_bytes().to_vec();
    out.extend(varint(&format!("{whole}{fraction}"))?);
    Some(out)
}

/// A signed variable-length integer as in durations: zigzag, then as many leading ones as bytes follow the first.
fn push_vint(value: i64, out: &mut Vec<u8>) {
    let zigzag = ((value << 1) ^ (value >> 63)) as u64;
    let bits = 64 - (zigzag | 1).leading_zeros() as usize;
    let extra = ((bits - 1) / 7).min(8);
    let bytes = zigzag.to_be_bytes();
    if extra == 8 {
        out.push(0xff);
        out.extend_from_slice(&bytes);
        return;
    }
    let start = out.len();
    out.extend_from_slice(&bytes[7 - extra..]);
    out[start] |= !(0xff_u8.checked_shr(extra as u32).unwrap_or(0));
}

fn kind(literal: &Literal) -> &'static str {
    match literal {
        Literal::Null => "NULL",
        Literal::Boolean(_) => "BOOLEAN",
        Literal::Integer(_) => "INTEGER",
        Literal::Float(_) => "FLOAT",
        Literal::Text(_) => "STRING",
        Literal::Blob(_) => "HEX",
        Literal::Uuid(_) => "UUID",
        Literal::Duration(_) => "DURATION",
        Literal::List(_) => "list",
        Literal::Set(_) => "set",
        Literal::Map(_) => "map",
        Literal::Tuple(_) => "tuple",
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn integer_of(column_type: ColumnType, digits: &str) -> Option<Vec<u8>> {
        encode(&column_type, &Literal::Integer(digits.into())).ok().flatten()
    }

    #[test]
    fn varints_are_shortest() {
        for (digits, bytes) in [
            ("0", vec![0]),
            ("127", vec![0x7f]),
            ("128", vec![0, 0x80]),
            ("-1", vec![0xff]),
            ("-128", vec![0x80]),
            ("-129", vec![0xff, 0x7f]),
            ("18446744073709551616", vec![1, 0, 0, 0, 0, 0, 0, 0, 0]),
        ] {
            assert_eq!(integer_of(ColumnType::VarInt, digits), Some(bytes), "{digits}");
        }
    }

    #[test]
    fn integers_out_of_range_are_refused() {
        assert_eq!(integer_of(ColumnType::TinyInt, "127"), Some(vec![127]));
        assert_eq!(integer_of(ColumnType::TinyInt, "128"), None);
        assert_eq!(integer_of(ColumnType::Text, "1"), None);
    }

    #[test]
    fn vints_as_the_specification_has_them() {
        for (value, bytes) in [
            (0, vec![0]),
            (1, vec![2]),
            (-1, vec![1]),
            (63, vec![0x7e]),
            (64, vec![0x80, 0x80]),
            (256_000, vec![0xc7, 0xd0, 0x00]),
            (i64::MIN, [vec![0xff], vec![0xff; 8]].concat()),
        ] {
            let mut out = Vec::new();
            push_vint(value, &mut out);
            assert_eq!(out, bytes, "{value}");
        }
    }

    #[test]
    fn sets_are_ordered_and_without_doubles() {
        let set = ColumnType::Set(Arc::new(ColumnType::Int));
        let literal = Literal::Set(["3", "-1", "3"].map(|digits| Literal::Integer(digits.into())).to_vec());
        let expected =
            [&[0, 0, 0, 2][..], &[0, 0, 0, 4, 0xff, 0xff, 0xff, 0xff], &[0, 0, 0, 4, 0, 0, 0, 3]].concat();
        assert_eq!(encode(&set, &literal), Ok(Some(expected)));
    }
}
