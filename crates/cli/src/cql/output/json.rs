//! A JSON object for each row.

use std::io::{self, Write};

use helenus::ColumnSpec;
use helenus::value::CqlValue;
use serde_json::{Map, Number, Value};

use super::{Shown, bare};

/// Names are written as they come: two columns of one name are two members.
pub(super) fn row(out: &mut impl Write, columns: &[ColumnSpec], cells: &[Shown]) -> io::Result<()> {
    for (i, (column, cell)) in columns.iter().zip(cells).enumerate() {
        out.write_all(if i == 0 { b"{" } else { b"," })?;
        serde_json::to_writer(&mut *out, &*column.name)?;
        out.write_all(b":")?;
        let value = match cell {
            Shown::Value(value) => json(value),
            Shown::Bad(_) => Value::String(cell.literal()),
        };
        serde_json::to_writer(&mut *out, &value)?;
    }
    out.write_all(if cells.is_empty() { b"{}\n" } else { b"}\n" })
}

/// Numbers of a fixed size are numbers; those of any size, and what JSON has no number for, are strings, so that no reader
/// rounds them.
fn json(value: &CqlValue) -> Value {
    match value {
        CqlValue::Null => Value::Null,
        CqlValue::Boolean(value) => Value::Bool(*value),
        CqlValue::TinyInt(number) => (*number).into(),
        CqlValue::SmallInt(number) => (*number).into(),
        CqlValue::Int(number) => (*number).into(),
        CqlValue::BigInt(number) => (*number).into(),
        CqlValue::Counter(number) => number.0.into(),
        CqlValue::Double(number) => {
            Number::from_f64(*number).map_or_else(|| bare(value).into(), Value::Number)
        }
        // By its own digits: as a double, 0.1 would have seventeen.
        CqlValue::Float(number) => {
            let number = number.to_string().parse().ok().and_then(Number::from_f64);
            number.map_or_else(|| bare(value).into(), Value::Number)
        }
        CqlValue::List(values)
        | CqlValue::Set(values)
        | CqlValue::Tuple(values)
        | CqlValue::Vector(values) => values.iter().map(json).collect(),
        CqlValue::Map(entries) => {
            Value::Object(entries.iter().map(|(key, value)| (bare(key), json(value))).collect())
        }
        CqlValue::Udt(value) => {
            let names = value.definition().fields.iter().map(|(name, _)| name.to_string());
            let fields = value.fields().iter().map(json).chain(std::iter::repeat(Value::Null));
            Value::Object(names.zip(fields).collect::<Map<_, _>>())
        }
        other => Value::String(bare(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &CqlValue) -> String {
        json(value).to_string()
    }

    #[test]
    fn values_are_what_json_has_for_them() {
        assert_eq!(text(&CqlValue::Null), "null");
        assert_eq!(text(&CqlValue::BigInt(i64::MIN)), "-9223372036854775808");
        assert_eq!(text(&CqlValue::Float(0.1)), "0.1");
        assert_eq!(text(&CqlValue::Double(1e300)), "1e+300");
        assert_eq!(text(&CqlValue::Double(f64::NAN)), "\"NaN\"");
        assert_eq!(text(&CqlValue::Blob(vec![0, 255])), "\"0x00ff\"");
        assert_eq!(text(&CqlValue::Text("a\"\n".into())), "\"a\\\"\\n\"");
        let list = CqlValue::List(vec![CqlValue::Int(1), CqlValue::Null]);
        assert_eq!(text(&list), "[1,null]");
        let map = CqlValue::Map(vec![
            (CqlValue::Text("a".into()), list),
            (CqlValue::Text("b".into()), CqlValue::Null),
        ]);
        assert_eq!(text(&map), "{\"a\":[1,null],\"b\":null}");
    }

    #[test]
    fn no_column_is_lost() {
        let column = |name: &str| ColumnSpec {
            keyspace: "ks".into(),
            table: "t".into(),
            name: name.into(),
            column_type: helenus::ColumnType::Int,
        };
        let mut out = Vec::new();
        let cells = [Shown::Value(CqlValue::Int(1)), Shown::Bad(vec![0]), Shown::Value(CqlValue::Int(3))];
        row(&mut out, &[column("a"), column("\"b"), column("a")], &cells).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "{\"a\":1,\"\\\"b\":\"0x00?\",\"a\":3}\n");
    }
}
