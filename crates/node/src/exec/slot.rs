//! Where a plan's values come from, and what they are when it runs.

use std::borrow::Cow;
use std::cell::RefCell;
use std::sync::Arc;

use helenus_core::protocol::ColumnType;
use helenus_core::protocol::request::Values;
use helenus_core::protocol::response::ColumnSpec;
use helenus_core::protocol::wire;

use super::functions::Function;
use crate::refusal::{Refusal, invalid};
use crate::types::{self, Json};

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Slot {
    /// The statement doesn't mention it.
    Absent,
    Literal(Option<Vec<u8>>),
    Marker(usize),
    /// A collection, tuple or user-defined type with markers or calls inside.
    Built(Box<(ColumnType, Vec<Self>)>),
    Call(Box<Call>),
    /// A column's value of a row that comes as JSON.
    Json(Box<JsonField>),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct JsonField {
    /// The marker whose value is the JSON.
    pub(crate) marker: usize,
    pub(crate) column: String,
    pub(crate) column_type: ColumnType,
    /// All columns that it may name.
    pub(crate) known: Arc<[String]>,
    /// What isn't in it stays as it was.
    pub(crate) default_unset: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Call {
    pub(crate) function: Function,
    pub(crate) arguments: Vec<(ColumnType, Slot)>,
    pub(crate) result: ColumnType,
}

/// A value while a statement runs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    Bytes(Cow<'a, [u8]>),
    Null,
    /// What was there stays.
    Unset,
}

impl<'a> Value<'a> {
    pub(crate) fn of(bytes: Option<Vec<u8>>) -> Self {
        bytes.map_or(Self::Null, |bytes| Self::Bytes(Cow::Owned(bytes)))
    }

    /// Null if it isn't set.
    pub(crate) fn or_null(self) -> Option<Cow<'a, [u8]>> {
        match self {
            Value::Bytes(bytes) => Some(bytes),
            Value::Null | Value::Unset => None,
        }
    }
}

/// The values of a request in the order of the markers, and the time.
pub(crate) struct Bound<'a> {
    values: Vec<wire::Value<'a>>,
    specs: &'a [ColumnSpec],
    pub(crate) now_micros: i64,
    /// What expiry goes by.
    pub(crate) now_seconds: i64,
    /// The JSON of a marker that was read last.
    json: RefCell<Option<(usize, Object)>>,
}

type Object = Vec<(String, Json)>;

impl<'a> Bound<'a> {
    pub(crate) fn new(
        specs: &'a [ColumnSpec],
        given: Values<'a>,
        now_micros: i64,
        now_in_seconds: Option<i32>,
    ) -> Result<Self, Refusal> {
        let count = usize::from(given.count());
        let values = if given.are_named() {
            named(specs, given)?
        } else if count == specs.len() {
            given.iter().map(|(_, value)| value).collect()
        } else {
            return Err(invalid(format!(
                "there were {} markers(?) in CQL but {count} bound variables",
                specs.len()
            )));
        };
        let now_seconds = now_in_seconds.map_or(now_micros.div_euclid(1_000_000), i64::from);
        Ok(Self { values, specs, now_micros, now_seconds, json: RefCell::new(None) })
    }

    /// The value of a slot, checked against the type of its marker. Literals were checked when compiled.
    pub(crate) fn value<'b>(&'b self, slot: &'b Slot) -> Result<Value<'b>, Refusal> {
        match slot {
            Slot::Absent => Ok(Value::Unset),
            Slot::Literal(Some(bytes)) => Ok(Value::Bytes(Cow::Borrowed(bytes))),
            Slot::Literal(None) => Ok(Value::Null),
            Slot::Marker(at) => self.marker(*at),
            Slot::Built(built) => self.built(&built.0, &built.1),
            Slot::Call(call) => self.call(call),
            Slot::Json(field) => self.json(field),
        }
    }

    #[inline]
    fn marker(&self, at: usize) -> Result<Value<'a>, Refusal> {
        let found = self.values.get(at).copied().zip(self.specs.get(at));
        let Some((value, spec)) = found else {
            return Err(invalid(format!("there is no value for marker {at}")));
        };
        match value {
            wire::Value::Bytes(bytes) => {
                types::validate(&spec.column_type, bytes).map_err(|reason| {
                    invalid(format!("Invalid value for {} ({}): {reason}", spec.name, spec.column_type))
                })?;
                Ok(Value::Bytes(Cow::Borrowed(bytes)))
            }
            wire::Value::Null => Ok(Value::Null),
            wire::Value::Unset => Ok(Value::Unset),
        }
    }

    fn built(&self, column_type: &ColumnType, parts: &[Slot]) -> Result<Value<'_>, Refusal> {
        let mut pieces = Vec::with_capacity(parts.len());
        for part in parts {
            pieces.push(match self.value(part)? {
                Value::Bytes(bytes) => Some(bytes.into_owned()),
                Value::Null => None,
                Value::Unset => {
                    return Err(invalid("unset value is not supported inside collections".into()));
                }
            });
        }
        types::assemble(column_type, &pieces).map(|bytes| Value::of(Some(bytes))).map_err(invalid)
    }

    fn json(&self, field: &JsonField) -> Result<Value<'_>, Refusal> {
        let mut read = self.json.borrow_mut();
        if read.as_ref().is_none_or(|(marker, _)| *marker != field.marker) {
            let Value::Bytes(text) = self.marker(field.marker)? else {
                return Err(invalid("Got null for INSERT JSON values".into()));
            };
            let text = String::from_utf8_lossy(&text);
            let object = types::parse_object(&text).map_err(invalid)?;
            check_names(&object, &field.known)?;
            *read = Some((field.marker, object));
        }
        let object = read.as_ref().map_or(&[][..], |(_, object)| object);
        match object.iter().find(|(name, _)| *name == field.column) {
            None if field.default_unset => Ok(Value::Unset),
            None => Ok(Value::Null),
            Some((name, value)) => {
                types::from_json(&field.column_type, value, name).map(Value::of).map_err(invalid)
            }
        }
    }

    fn call(&self, call: &Call) -> Result<Value<'_>, Refusal> {
        let mut arguments = Vec::with_capacity(call.arguments.len());
        for (column_type, slot) in &call.arguments {
            let value = self.value(slot)?;
            if value == Value::Unset {
                return Err(invalid("Invalid unset value for argument in call to function".into()));
            }
            arguments.push((column_type, value.or_null()));
        }
        let arguments = arguments.iter().map(|(ty, bytes)| (*ty, bytes.as_deref())).collect::<Vec<_>>();
        call.function.run(&arguments, &call.result, self.now_micros).map(Value::of)
    }

    /// The value of a slot that must have one: part of a key, a limit, a token.
    pub(crate) fn required<'b>(&'b self, slot: &'b Slot, name: &str) -> Result<Cow<'b, [u8]>, Refusal> {
        match self.value(slot)? {
            Value::Bytes(bytes) => Ok(bytes),
            Value::Null => Err(invalid(format!("Invalid null value in condition for column {name}"))),
            Value::Unset => Err(invalid(format!("Invalid unset value for column {name}"))),
        }
    }

    /// The value of a slot of type `bigint` or `int`.
    pub(crate) fn number(&self, slot: &Slot, name: &str) -> Result<Option<i64>, Refusal> {
        let bytes = match self.value(slot)? {
            Value::Unset => return Ok(None),
            Value::Null => return Err(invalid(format!("Invalid null value of {name}"))),
            Value::Bytes(bytes) => bytes,
        };
        if let Ok(bytes) = <[u8; 4]>::try_from(&*bytes) {
            return Ok(Some(i32::from_be_bytes(bytes).into()));
        }
        match <[u8; 8]>::try_from(&*bytes) {
            Ok(bytes) => Ok(Some(i64::from_be_bytes(bytes))),
            Err(_) => Err(invalid(format!("Invalid {name} value: it has {} bytes", bytes.len()))),
        }
    }
}

/// Refuses names that no column has.
pub(crate) fn check_names(object: &[(String, Json)], known: &[String]) -> Result<(), Refusal> {
    match object.iter().find(|(name, _)| !known.contains(name)) {
        Some((name, _)) => Err(invalid(format!("JSON values map contains unrecognized column: {name}"))),
        None => Ok(()),
    }
}

fn named<'a>(specs: &[ColumnSpec], given: Values<'a>) -> Result<Vec<wire::Value<'a>>, Refusal> {
    let mut values = vec![None; specs.len()];
    for (name, value) in given {
        // A name that occurs twice stands for one value; one that doesn't occur is ignored, as in Cassandra.
        let slots = specs.iter().zip(&mut values).filter(|(spec, _)| Some(&*spec.name) == name);
        slots.for_each(|(_, slot)| *slot = Some(value));
    }
    match values.iter().position(Option::is_none) {
        Some(at) => Err(invalid(format!("Missing value for bind marker {}", specs[at].name))),
        None => Ok(values.into_iter().flatten().collect()),
    }
}
