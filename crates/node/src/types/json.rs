//! Values as JSON text: what `toJson(..)` selects. Clients read their keyspaces' replication by it.

use helenus_core::protocol::ColumnType;

use crate::store::row::Cells;

/// Whether values of the type can be written as JSON here.
pub(crate) fn has_json(column_type: &ColumnType) -> bool {
    match column_type {
        ColumnType::List(element) | ColumnType::Set(element) => has_json(element),
        ColumnType::Map(types) => has_json(&types.0) && has_json(&types.1),
        ColumnType::Ascii
        | ColumnType::Text
        | ColumnType::Blob
        | ColumnType::Boolean
        | ColumnType::TinyInt
        | ColumnType::SmallInt
        | ColumnType::Int
        | ColumnType::BigInt
        | ColumnType::Float
        | ColumnType::Double
        | ColumnType::Uuid
        | ColumnType::TimeUuid => true,
        _ => false,
    }
}

/// Appends a value; no value, and one that isn't of the type, is `null`.
pub(crate) fn push_json(column_type: &ColumnType, bytes: Option<&[u8]>, out: &mut String) {
    if bytes.and_then(|bytes| push_value(column_type, bytes, out)).is_none() {
        out.push_str("null");
    }
}

/// `None` if nothing was appended.
fn push_value(column_type: &ColumnType, bytes: &[u8], out: &mut String) -> Option<()> {
    match column_type {
        ColumnType::Ascii | ColumnType::Text => push_quoted(std::str::from_utf8(bytes).ok()?, out),
        ColumnType::Blob => push_quoted(&format!("0x{}", hexadecimal(bytes)), out),
        ColumnType::Boolean => out.push_str(if *bytes.first()? == 0 { "false" } else { "true" }),
        ColumnType::TinyInt => out.push_str(&i8::from_be_bytes(bytes.try_into().ok()?).to_string()),
        ColumnType::SmallInt => out.push_str(&i16::from_be_bytes(bytes.try_into().ok()?).to_string()),
        ColumnType::Int => out.push_str(&i32::from_be_bytes(bytes.try_into().ok()?).to_string()),
        ColumnType::BigInt => out.push_str(&i64::from_be_bytes(bytes.try_into().ok()?).to_string()),
        ColumnType::Float => {
            let value = f32::from_be_bytes(bytes.try_into().ok()?);
            out.push_str(&value.is_finite().then(|| format!("{value:?}"))?);
        }
        ColumnType::Double => {
            let value = f64::from_be_bytes(bytes.try_into().ok()?);
            out.push_str(&value.is_finite().then(|| format!("{value:?}"))?);
        }
        ColumnType::Uuid | ColumnType::TimeUuid if bytes.len() == 16 => {
            let groups = [0..4, 4..6, 6..8, 8..10, 10..16].map(|range| hexadecimal(&bytes[range]));
            push_quoted(&groups.join("-"), out);
        }
        ColumnType::List(element) | ColumnType::Set(element) => {
            out.push('[');
            for (at, value) in Cells(bytes.get(4..)?).enumerate() {
                out.push_str(if at > 0 { ", " } else { "" });
                push_json(element, value, out);
            }
            out.push(']');
        }
        ColumnType::Map(types) => push_map(types, bytes.get(4..)?, out),
        _ => return None,
    }
    Some(())
}

/// Keys of an object are strings, so those that aren't are quoted.
fn push_map(types: &(ColumnType, ColumnType), bytes: &[u8], out: &mut String) {
    out.push('{');
    let mut cells = Cells(bytes);
    let mut first = true;
    while let (Some(key), Some(value)) = (cells.next(), cells.next()) {
        out.push_str(if first { "" } else { ", " });
        first = false;
        let mut name = String::new();
        push_json(&types.0, key, &mut name);
        if name.starts_with('"') {
            out.push_str(&name);
        } else {
            push_quoted(&name, out);
        }
        out.push_str(": ");
        push_json(&types.1, value, out);
    }
    out.push('}');
}

fn push_quoted(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
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
