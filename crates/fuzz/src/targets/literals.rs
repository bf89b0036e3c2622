//! Literals, each read as one of a type.

use helenus_core::protocol::ColumnType;
use helenus_core::value::{CqlValue, DecodeValue};

use super::text_and_rest;
use crate::memory::bounded;

/// `1,` becomes a `CqlValue`, as does each field of a user-defined type that is not given.
const FACTOR: usize = 200;

pub(super) fn run(bytes: &[u8]) {
    let Some((ty, literal)) = text_and_rest(bytes) else { return };
    let (Ok(ty), Ok(literal)) = (ty.parse::<ColumnType>(), std::str::from_utf8(literal)) else { return };
    let value = match bounded(bytes.len(), FACTOR, || CqlValue::parse(&ty, literal)) {
        Ok(value) => value,
        Err(error) => return assert!(error.at() <= literal.len() && !error.expected().is_empty(), "{error}"),
    };
    let Some(written) = value.to_bytes(&ty).unwrap() else { return assert!(value.is_null()) };
    let again = CqlValue::decode(&ty, Some(&written)).unwrap();
    let printed = again.to_string();
    let parsed = CqlValue::parse(&ty, &printed).unwrap_or_else(|error| panic!("{printed}: {error}"));
    assert_eq!(parsed.to_bytes(&ty).unwrap(), Some(written), "{printed}");
}
