//! Values as JSON that each language can make its own of, and that says all of them.
//!
//! Numbers are text, of a decimal `unscaled*10^-scale`; floating-point numbers are their bits in hexadecimal, as are bytes
//! and addresses; dates, times and timestamps are counts of days, nanoseconds and milliseconds; durations are three
//! numbers. Lists, vectors, tuples and user-defined types are arrays, `{"set": [...]}` and `{"map": [[key, value], ...]}`
//! have any order. Null is null, and a value of no bytes, where that is no text or blob, `{"empty": true}`.

use std::net::IpAddr;

use helenus::value::CqlValue;
use serde_json::{Value, json};

pub(crate) fn of(value: &CqlValue) -> Value {
    match value {
        CqlValue::Null => Value::Null,
        CqlValue::Text(text) => text.as_str().into(),
        CqlValue::BigInt(number) => number.to_string().into(),
        CqlValue::Blob(bytes) => hex(bytes).into(),
        CqlValue::Boolean(value) => (*value).into(),
        CqlValue::Counter(counter) => counter.to_string().into(),
        CqlValue::Date(date) => date.days().to_string().into(),
        CqlValue::Decimal(number) => {
            let unscaled = helenus::value::Decimal::new(number.unscaled.clone(), 0);
            format!("{unscaled}*10^{}", -i64::from(number.scale)).into()
        }
        CqlValue::Double(number) => hex(&number.to_be_bytes()).into(),
        CqlValue::Duration(duration) => {
            json!([duration.months().to_string(), duration.days().to_string(), duration.nanos().to_string()])
        }
        CqlValue::Float(number) => hex(&number.to_be_bytes()).into(),
        CqlValue::Inet(IpAddr::V4(address)) => hex(&address.octets()).into(),
        CqlValue::Inet(IpAddr::V6(address)) => hex(&address.octets()).into(),
        CqlValue::Int(number) => number.to_string().into(),
        CqlValue::List(values) | CqlValue::Vector(values) | CqlValue::Tuple(values) => all(values),
        CqlValue::Map(entries) => {
            json!({ "map": entries.iter().map(|(key, value)| json!([of(key), of(value)])).collect::<Vec<_>>() })
        }
        CqlValue::Set(values) => json!({ "set": all(values) }),
        CqlValue::SmallInt(number) => number.to_string().into(),
        CqlValue::Time(time) => time.nanos().to_string().into(),
        CqlValue::Timestamp(time) => time.millis().to_string().into(),
        CqlValue::TimeUuid(uuid) => uuid.to_string().into(),
        CqlValue::TinyInt(number) => number.to_string().into(),
        CqlValue::Udt(value) => all(value.fields()),
        CqlValue::Uuid(uuid) => uuid.to_string().into(),
        CqlValue::VarInt(number) => number.to_string().into(),
        CqlValue::Verbatim(value) if value.bytes().is_empty() => json!({ "empty": true }),
        other => json!({ "no neutral form": other.to_string() }),
    }
}

/// Whether other drivers have a way to bind it: none has for the empty value.
pub(crate) fn can_be_given(value: &Value) -> bool {
    value.get("empty").is_none()
}

/// Sets and maps in one order.
pub(crate) fn sorted(value: &Value) -> Value {
    match value {
        Value::Array(values) => values.iter().map(sorted).collect(),
        Value::Object(object) => object
            .iter()
            .map(|(key, value)| {
                let mut value = sorted(value);
                if let Some(values) = value.as_array_mut() {
                    values.sort_by_key(ToString::to_string);
                }
                (key.clone(), value)
            })
            .collect::<serde_json::Map<_, _>>()
            .into(),
        other => other.clone(),
    }
}

fn all(values: &[CqlValue]) -> Value {
    values.iter().map(of).collect()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
