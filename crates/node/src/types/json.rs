//! Values as JSON text: what `toJson(..)` selects. Clients read their keyspaces' replication by it.

use helenus_core::protocol::ColumnType;
use helenus_core::value::{CqlValue, DecodeValue};

use super::elements;

/// Appends a value; no value, and one that isn't of the type, is `null`.
pub(crate) fn push_json(column_type: &ColumnType, bytes: Option<&[u8]>, out: &mut String) {
    if bytes.and_then(|bytes| push_value(column_type, bytes, out)).is_none() {
        out.push_str("null");
    }
}

/// How often maps may be keys of maps: their quotes are escaped again and again, and double the text each time.
const KEY_DEPTH_LIMIT: usize = 4;

/// Refuses types of which JSON would be too long.
pub(crate) fn check_json(column_type: &ColumnType) -> Result<(), String> {
    if key_depth(column_type) <= KEY_DEPTH_LIMIT {
        return Ok(());
    }
    Err(format!("this node writes maps as keys of maps as JSON only {KEY_DEPTH_LIMIT} levels deep"))
}

fn key_depth(column_type: &ColumnType) -> usize {
    match column_type {
        ColumnType::List(element) | ColumnType::Set(element) | ColumnType::Vector(element, _) => {
            key_depth(element)
        }
        ColumnType::Map(types) => (1 + key_depth(&types.0)).max(key_depth(&types.1)),
        ColumnType::Tuple(fields) => fields.iter().map(key_depth).max().unwrap_or(0),
        ColumnType::Udt(udt) => udt.fields.iter().map(|(_, field)| key_depth(field)).max().unwrap_or(0),
        _ => 0,
    }
}

/// `None` if nothing was appended.
fn push_value(column_type: &ColumnType, bytes: &[u8], out: &mut String) -> Option<()> {
    match column_type {
        ColumnType::Ascii | ColumnType::Text => push_quoted(std::str::from_utf8(bytes).ok()?, out),
        ColumnType::Blob | ColumnType::Custom(_) => push_quoted(&format!("0x{}", hexadecimal(bytes)), out),
        ColumnType::List(element) | ColumnType::Set(element) => push_items(element, bytes, out),
        ColumnType::Map(types) => push_map(types, bytes, out),
        ColumnType::Tuple(types) => {
            let pieces = elements(bytes, false);
            let values = types.iter().enumerate().map(|(at, ty)| (ty, pieces.get(at).copied().flatten()));
            push_array(values, out);
        }
        ColumnType::Udt(udt) => {
            let pieces = elements(bytes, false);
            out.push('{');
            for (at, (name, ty)) in udt.fields.iter().enumerate() {
                out.push_str(if at > 0 { ", " } else { "" });
                push_json_name(name, out);
                out.push_str(": ");
                push_json(ty, pieces.get(at).copied().flatten(), out);
            }
            out.push('}');
        }
        ColumnType::Vector(element, _) => {
            let value = CqlValue::decode(column_type, Some(bytes)).ok()?;
            let CqlValue::Vector(values) = value else { return None };
            let values =
                values.iter().map(|value| value.to_bytes(element)).collect::<Result<Vec<_>, _>>().ok()?;
            push_array(values.iter().map(|value| (&**element, value.as_deref())), out);
        }
        _ if bytes.is_empty() => push_quoted("", out),
        _ => push_scalar(&CqlValue::decode(column_type, Some(bytes)).ok()?, out)?,
    }
    Some(())
}

fn push_scalar(value: &CqlValue, out: &mut String) -> Option<()> {
    match value {
        CqlValue::Float(number) => out.push_str(&number.is_finite().then(|| format!("{number:?}"))?),
        CqlValue::Double(number) => out.push_str(&number.is_finite().then(|| format!("{number:?}"))?),
        CqlValue::Boolean(_)
        | CqlValue::TinyInt(_)
        | CqlValue::SmallInt(_)
        | CqlValue::Int(_)
        | CqlValue::BigInt(_)
        | CqlValue::Counter(_)
        | CqlValue::VarInt(_)
        | CqlValue::Decimal(_) => out.push_str(&value.to_string()),
        CqlValue::Timestamp(time) => push_quoted(&time.to_string().replacen('T', " ", 1), out),
        other => push_quoted(other.to_string().trim_matches('\''), out),
    }
    Some(())
}

fn push_items(element: &ColumnType, bytes: &[u8], out: &mut String) {
    push_array(elements(bytes, true).into_iter().map(|value| (element, value)), out);
}

fn push_array<'v>(values: impl Iterator<Item = (&'v ColumnType, Option<&'v [u8]>)>, out: &mut String) {
    out.push('[');
    for (at, (column_type, value)) in values.enumerate() {
        out.push_str(if at > 0 { ", " } else { "" });
        push_json(column_type, value, out);
    }
    out.push(']');
}

/// Keys of an object are strings, so those that aren't are quoted.
fn push_map(types: &(ColumnType, ColumnType), bytes: &[u8], out: &mut String) {
    out.push('{');
    for (at, pair) in elements(bytes, true).chunks_exact(2).enumerate() {
        out.push_str(if at > 0 { ", " } else { "" });
        let mut name = String::new();
        push_json(&types.0, pair[0], &mut name);
        if name.starts_with('"') {
            out.push_str(&name);
        } else {
            push_quoted(&name, out);
        }
        out.push_str(": ");
        push_json(&types.1, pair[1], out);
    }
    out.push('}');
}

/// The name of a column or field; one that isn't all in lower case is quoted within its quotes.
pub(crate) fn push_json_name(name: &str, out: &mut String) {
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        push_quoted(&format!("\"{name}\""), out);
    } else {
        push_quoted(name, out);
    }
}

fn push_quoted(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control if control < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(control))),
            other => out.push(other),
        }
    }
    out.push('"');
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn maps_of_texts_are_objects() {
        let map = ColumnType::Map(Arc::new((ColumnType::Text, ColumnType::Int)));
        let bytes =
            [&[0, 0, 0, 2][..], &[0, 0, 0, 2, b'"', 1], &[0, 0, 0, 4, 0, 0, 0, 5], &[0, 0, 0, 0], &[255; 4]];
        let mut out = String::new();
        push_json(&map, Some(&bytes.concat()), &mut out);
        assert_eq!(out, r#"{"\"\u0001": 5, "": null}"#);
    }

    #[test]
    fn keys_that_are_no_texts_are_quoted() {
        let map =
            ColumnType::Map(Arc::new((ColumnType::TinyInt, ColumnType::List(Arc::new(ColumnType::Boolean)))));
        let list = [&[0, 0, 0, 1][..], &[0, 0, 0, 1, 1]].concat();
        let bytes = [&[0, 0, 0, 1][..], &[0, 0, 0, 1, 0xff], &[0, 0, 0, list.len() as u8], &list].concat();
        let mut out = String::new();
        push_json(&map, Some(&bytes), &mut out);
        assert_eq!(out, r#"{"-1": [true]}"#);
    }
}
