//! Cells: of any type into a `CqlValue`, and of fixed types into Rust's.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use helenus_core::protocol::ColumnType;
use helenus_core::value::{
    Counter, CqlDuration, CqlValue, Date, Decimal, DecodeValue, EncodeValue, MaybeEmpty, TimeOfDay, TimeUuid,
    Timestamp, Uuid, ValueWriter, VarInt,
};

use super::text_and_rest;
use crate::memory::bounded;

/// In a vector of booleans a byte becomes a `CqlValue`, which may be a boxed `Verbatim`.
const FACTOR: usize = 200;

/// The value's bytes are the cell again, as is what its literal gives.
pub(super) fn run(bytes: &[u8]) {
    let Some((ty, cell)) = text_and_rest(bytes) else { return };
    let Ok(ty) = ty.parse::<ColumnType>() else { return };
    let value = match bounded(bytes.len(), FACTOR, || CqlValue::decode(&ty, Some(cell))) {
        Ok(value) => value,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    assert_eq!(value.to_bytes(&ty).unwrap().as_deref(), Some(cell), "{ty}: {value:?}");
    let literal = value.to_string();
    let again = CqlValue::parse(&ty, &literal).unwrap_or_else(|error| panic!("{ty}: {literal}: {error}"));
    assert_eq!(again.to_bytes(&ty).unwrap().as_deref(), Some(cell), "{ty}: {literal}");
}

/// One for each number.
pub(super) fn native(bytes: &[u8]) {
    let Some((which, cell)) = bytes.split_first() else { return };
    match which % 36 {
        0 => check::<&str>("text", cell),
        1 => check::<String>("ascii", cell),
        2 => check::<&[u8]>("blob", cell),
        3 => check::<i64>("bigint", cell),
        4 => check::<bool>("boolean", cell),
        5 => check::<Counter>("counter", cell),
        6 => check::<Date>("date", cell),
        7 => check::<Decimal>("decimal", cell),
        8 => check::<f64>("double", cell),
        9 => check::<f32>("float", cell),
        10 => check::<CqlDuration>("duration", cell),
        11 => check::<IpAddr>("inet", cell),
        12 => check::<i32>("int", cell),
        13 => check::<i16>("smallint", cell),
        14 => check::<i8>("tinyint", cell),
        15 => check::<TimeOfDay>("time", cell),
        16 => check::<Timestamp>("timestamp", cell),
        17 => check::<TimeUuid>("timeuuid", cell),
        18 => check::<Uuid>("uuid", cell),
        19 => check::<VarInt>("varint", cell),
        20 => check::<Vec<i32>>("list<int>", cell),
        21 => check::<Vec<Option<&str>>>("list<text>", cell),
        22 => check::<BTreeSet<&[u8]>>("set<blob>", cell),
        23 => check::<BTreeMap<&str, Vec<i64>>>("map<text, list<bigint>>", cell),
        24 => check::<HashMap<i32, String>>("map<int, text>", cell),
        25 => check::<(Option<i32>, Option<&str>)>("tuple<int, text>", cell),
        26 => check::<Vec<f32>>("vector<float, 3>", cell),
        27 => check::<[&str; 2]>("vector<text, 2>", cell),
        28 => check::<Vec<Vec<bool>>>("vector<vector<boolean, 2>, 2>", cell),
        29 => check::<Vec<Vec<Vec<Vec<i8>>>>>("list<set<list<vector<tinyint, 1>>>>", cell),
        30 => check::<MaybeEmpty<i32>>("int", cell),
        31 => check::<Vec<MaybeEmpty<VarInt>>>("set<varint>", cell),
        32 => check::<Vec<(Option<Uuid>,)>>("list<tuple<uuid>>", cell),
        33 => check::<[(i32, i32); 2]>("list<tuple<int, int>>", cell),
        34 => check::<Vec<CqlValue>>("list<udt{a int, b list<text>}>", cell),
        _ => check::<Vec<u8>>("text", cell),
    }
}

/// What is read is written in a form that reads as the same, and that Cassandra takes for a value.
fn check<'a, T: DecodeValue<'a> + EncodeValue>(ty: &str, cell: &'a [u8]) {
    let ty: ColumnType = ty.parse().unwrap();
    assert!(T::check(&ty).is_ok());
    let value = match bounded(cell.len(), FACTOR, || T::decode(&ty, Some(cell))) {
        Ok(value) => value,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let written = written(&value, &ty);
    // `Vec<u8>` reads text that isn't UTF-8, which can be written to no text column.
    let Some(written) = written else {
        return assert!(CqlValue::decode(&ty, Some(cell)).is_err() || ty == ColumnType::Text);
    };
    assert!(CqlValue::decode(&ty, Some(&written)).is_ok(), "{ty}: {cell:?} is written as {written:?}");
}

fn written<T: EncodeValue>(value: &T, ty: &ColumnType) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    value.encode(ty, &mut ValueWriter::new(&mut out, true)).ok()?;
    Some(out.split_off(4))
}
