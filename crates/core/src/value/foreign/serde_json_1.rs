use serde_json_1::{Map, Number, Value};

use crate::protocol::ColumnType;
use crate::value::{
    CqlValue, DecodeValue, DecodeValueError, EncodeError, EncodeValue, TypeMismatch, ValueWriter,
};

/// As its JSON text, in columns of `text` and, if that is all ASCII, `ascii`.
impl EncodeValue for Value {
    fn encode(&self, column_type: &ColumnType, out: &mut ValueWriter<'_>) -> Result<(), EncodeError> {
        match column_type {
            ColumnType::Text | ColumnType::Ascii => self.to_string().encode(column_type, out),
            _ => Err(TypeMismatch::bind::<Self>(column_type).into()),
        }
    }

    fn encode_untyped(&self, out: &mut ValueWriter<'_>) -> Result<(), EncodeError> {
        self.to_string().encode_untyped(out)
    }
}

/// From JSON text. A null cell is [`DecodeValueError::Null`], which is not the JSON text `null`.
impl<'a> DecodeValue<'a> for Value {
    fn check(column_type: &ColumnType) -> Result<(), TypeMismatch> {
        <&str>::check(column_type).map_err(|_| TypeMismatch::read::<Self>(column_type))
    }

    fn decode(column_type: &ColumnType, bytes: Option<&'a [u8]>) -> Result<Self, DecodeValueError> {
        let text = <&str>::decode(column_type, bytes)?;
        serde_json_1::from_str(text).map_err(|error| DecodeValueError::Other(error.into()))
    }
}

/// As `SELECT JSON` has it: numbers as numbers, whatever their length; lists, sets, tuples and vectors as arrays; maps and
/// user-defined types as objects, keys that aren't text by their literals; blobs as text after `0x`; all else as text.
/// What JSON has no number for, NaN and infinities, is null, and so are empty values.
impl From<&CqlValue> for Value {
    fn from(value: &CqlValue) -> Self {
        match value {
            CqlValue::Null => Self::Null,
            CqlValue::Text(text) => text.as_str().into(),
            CqlValue::BigInt(number) => (*number).into(),
            CqlValue::Boolean(value) => (*value).into(),
            CqlValue::Counter(counter) => counter.0.into(),
            CqlValue::Double(number) => (*number).into(),
            // By its own digits, which are fewer than those of the same number as f64.
            CqlValue::Float(number) => by_digits(&format!("{number:?}")),
            CqlValue::Int(number) => (*number).into(),
            CqlValue::SmallInt(number) => (*number).into(),
            CqlValue::TinyInt(number) => (*number).into(),
            CqlValue::Decimal(_) | CqlValue::VarInt(_) => by_digits(&value.to_string()),
            CqlValue::List(values)
            | CqlValue::Set(values)
            | CqlValue::Tuple(values)
            | CqlValue::Vector(values) => values.iter().collect(),
            CqlValue::Map(entries) => {
                let entry = |(key, value): &(CqlValue, CqlValue)| (key_text(key), value.into());
                Self::Object(entries.iter().map(entry).collect::<Map<_, _>>())
            }
            CqlValue::Udt(udt) => {
                let values = udt.fields().iter().chain(std::iter::repeat(&CqlValue::Null));
                let names = udt.definition().fields.iter().map(|(name, _)| String::from(&**name));
                Self::Object(names.zip(values.map(Self::from)).collect::<Map<_, _>>())
            }
            CqlValue::Verbatim(verbatim) if verbatim.bytes().is_empty() => Self::Null,
            other => unquoted(&other.to_string()).into(),
        }
    }
}

/// A number of any length, if JSON takes it; else text.
fn by_digits(digits: &str) -> Value {
    match digits {
        "NaN" | "inf" | "-inf" => Value::Null,
        _ => digits.parse::<Number>().map_or_else(|_| digits.into(), Value::Number),
    }
}

fn key_text(key: &CqlValue) -> String {
    match key {
        CqlValue::Text(text) => text.clone(),
        other => unquoted(&other.to_string()).to_owned(),
    }
}

/// A literal without the quotes around it. Those of text are not among the literals that come here.
fn unquoted(literal: &str) -> &str {
    literal.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')).unwrap_or(literal)
}

#[cfg(test)]
mod tests {
    use serde_json_1::json;

    use super::super::testing::{bytes, is_as};
    use super::*;

    #[test]
    fn json_is_text() {
        let value = json!({ "a": [1, null, "é"] });
        is_as(&value, &value.to_string(), &ColumnType::Text);
        assert!(bytes(&value, &ColumnType::Ascii).is_err());
        assert!(matches!(Value::decode(&ColumnType::Text, Some(b"{")), Err(DecodeValueError::Other(_))));
        assert!(matches!(Value::decode(&ColumnType::Text, None), Err(DecodeValueError::Null)));
        assert!(Value::check(&ColumnType::Int).is_err());
    }

    #[test]
    fn any_value_becomes_json() {
        for (ty, literal, expected) in [
            ("int", "null", json!(null)),
            ("int", "blob_as_int(0x)", json!(null)),
            ("bigint", "-9223372036854775808", json!(i64::MIN)),
            ("float", "0.1", json!(0.1)),
            ("double", "NaN", json!(null)),
            ("float", "Infinity", json!(null)),
            ("varint", "12", json!(12)),
            ("decimal", "-12.5", json!(-12.5)),
            ("text", "'it''s'", json!("it's")),
            ("blob", "0x00ff", json!("0x00ff")),
            ("date", "'2026-11-21'", json!("2026-11-21")),
            ("duration", "1mo2d", json!("1mo2d")),
            ("map<int, text>", "{1: 'a'}", json!({ "1": "a" })),
            ("map<date, list<text>>", "{'2026-11-21': ['']}", json!({ "2026-11-21": [""] })),
            ("tuple<boolean, inet>", "(true, '::1')", json!([true, "::1"])),
            ("udt{a int, \"B\" set<int>}", "{a: 1, ..}", json!({ "a": 1, "B": null })),
            ("vector<tinyint, 2>", "[1, -1]", json!([1, -1])),
        ] {
            let value = CqlValue::parse(&ty.parse().unwrap(), literal).unwrap();
            assert_eq!(Value::from(&value), expected, "{ty} {literal}");
        }
    }
}
