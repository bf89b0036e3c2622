//! What holds for all types: values come back as they went, and no bytes do harm.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use proptest::array::uniform16;
use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;

use super::*;
use crate::protocol::{ColumnSpec, ColumnType as T};

fn columns(types: &[(&str, T)]) -> Vec<ColumnSpec> {
    let column = |(name, column_type): &(&str, T)| ColumnSpec {
        keyspace: "ks".into(),
        table: "t".into(),
        name: (*name).into(),
        column_type: column_type.clone(),
    };
    types.iter().map(column).collect()
}

fn encoded<V: EncodeValue>(value: &V, column_type: &T) -> Result<Vec<u8>, EncodeError> {
    let mut out = Vec::new();
    value.encode(column_type, &mut ValueWriter::new(&mut out, true))?;
    Ok(out)
}

/// The cell that a `[value]` makes.
fn cell(value: &[u8]) -> Option<&[u8]> {
    let (length, bytes) = value.split_first_chunk().unwrap();
    match i32::from_be_bytes(*length) {
        -1 => None,
        length => {
            assert_eq!(usize::try_from(length), Ok(bytes.len()));
            Some(bytes)
        }
    }
}

fn comes_back<V: EncodeValue + for<'a> DecodeValue<'a> + PartialEq + Debug>(value: &V, column_type: &T) {
    V::check(column_type).unwrap();
    let out = encoded(value, column_type).unwrap();
    assert_eq!(&V::decode(column_type, cell(&out)).unwrap(), value);
}

fn comes_back_untyped<V: EncodeValue + for<'a> DecodeValue<'a> + PartialEq + Debug>(
    value: &V,
    column_type: &T,
) {
    comes_back(value, column_type);
    let mut out = Vec::new();
    value.encode_untyped(&mut ValueWriter::new(&mut out, true)).unwrap();
    assert_eq!(out, encoded(value, column_type).unwrap());
}

fn list(element: T) -> T {
    T::List(Arc::new(element))
}

fn set(element: T) -> T {
    T::Set(Arc::new(element))
}

fn vector(element: T, dimension: u32) -> T {
    T::Vector(Arc::new(element), dimension)
}

#[expect(clippy::disallowed_types, reason = "users have it")]
type StdMap = std::collections::HashMap<i32, String>;

/// Any bytes are a value of `V` or an error; and a value goes back as bytes that give the same value.
fn takes_any_bytes<V>(column_type: &T, bytes: Option<&[u8]>)
where
    V: EncodeValue + for<'a> DecodeValue<'a> + Debug,
{
    if let Ok(value) = V::decode(column_type, bytes) {
        let out = encoded(&value, column_type).unwrap();
        let again = V::decode(column_type, cell(&out)).unwrap();
        assert_eq!(format!("{again:?}"), format!("{value:?}"));
    }
}

proptest! {
    #[test]
    fn integers_come_back(tiny: i8, small: i16, int: i32, big: i64, wide: i128) {
        comes_back_untyped(&tiny, &T::TinyInt);
        comes_back_untyped(&small, &T::SmallInt);
        comes_back_untyped(&int, &T::Int);
        comes_back_untyped(&big, &T::BigInt);
        comes_back(&big, &T::Counter);
        comes_back_untyped(&Counter(big), &T::Counter);
        comes_back_untyped(&VarInt::from(wide), &T::VarInt);
        prop_assert_eq!(VarInt::from(wide).to_i128(), Some(wide));
        prop_assert_eq!(VarInt::from(wide).to_string(), wide.to_string());
        prop_assert_eq!(VarInt::from(wide).cmp(&VarInt::from(big)), wide.cmp(&big.into()));
    }

    #[test]
    fn other_numbers_come_back(single: u32, double: u64, flag: bool, bytes in vec(any::<u8>(), 0..40), scale: i32) {
        // By their bits, for NaN is a value too, payload and all.
        let out = encoded(&f32::from_bits(single), &T::Float).unwrap();
        prop_assert_eq!(f32::decode(&T::Float, cell(&out)).unwrap().to_bits(), single);
        let out = encoded(&f64::from_bits(double), &T::Double).unwrap();
        prop_assert_eq!(f64::decode(&T::Double, cell(&out)).unwrap().to_bits(), double);
        comes_back_untyped(&flag, &T::Boolean);
        let unscaled = VarInt::from_be_bytes(&bytes);
        comes_back_untyped(&unscaled, &T::VarInt);
        comes_back_untyped(&Decimal::new(unscaled, scale), &T::Decimal);
    }

    #[test]
    fn times_come_back(days: i32, nanos in 0..86_400_000_000_000_u64, millis: i64) {
        comes_back_untyped(&Date::from_days(days), &T::Date);
        comes_back_untyped(&TimeOfDay::from_nanos(nanos).unwrap(), &T::Time);
        comes_back_untyped(&Timestamp::from_millis(millis), &T::Timestamp);
        let _ = (Date::from_days(days).to_string(), Timestamp::from_millis(millis).to_string());
    }

    #[test]
    fn durations_come_back(months in 0..=i32::MAX, days in 0..=i32::MAX, nanos in 0..=i64::MAX, negative: bool) {
        let duration = if negative {
            CqlDuration::new(-months - 1, -days - 1, -nanos - 1)
        } else {
            CqlDuration::new(months, days, nanos)
        };
        comes_back_untyped(&duration.unwrap(), &T::Duration);
    }

    #[test]
    fn ids_and_addresses_come_back(bytes in uniform16(any::<u8>()), ticks: u64, four: u32, sixteen: u128) {
        let uuid = Uuid::from_bytes(bytes);
        comes_back_untyped(&uuid, &T::Uuid);
        prop_assert_eq!(uuid.to_string().parse(), Ok(uuid));
        let time_uuid = TimeUuid::from_parts(ticks, 77, [1, 2, 3, 4, 5, 6]);
        prop_assert_eq!(time_uuid.ticks(), ticks & ((1 << 60) - 1));
        comes_back_untyped(&time_uuid, &T::TimeUuid);
        comes_back(&time_uuid.uuid(), &T::TimeUuid);
        comes_back_untyped(&Ipv4Addr::from(four), &T::Inet);
        comes_back_untyped(&Ipv6Addr::from(sixteen), &T::Inet);
        comes_back_untyped(&IpAddr::from(Ipv4Addr::from(four)), &T::Inet);
        comes_back_untyped(&IpAddr::from(Ipv6Addr::from(sixteen)), &T::Inet);
    }

    #[test]
    fn text_and_bytes_come_back(text: String, ascii in "[ -~]{0,40}", bytes in vec(any::<u8>(), 0..40)) {
        comes_back_untyped(&text, &T::Text);
        comes_back(&ascii, &T::Ascii);
        comes_back_untyped(&bytes, &T::Blob);
        comes_back(&bytes, &T::Custom("org.example.Type".into()));
        let out = encoded(&text.as_str(), &T::Text).unwrap();
        prop_assert_eq!(<&str>::decode(&T::Text, cell(&out)).unwrap(), &text);
        prop_assert_eq!(<&[u8]>::decode(&T::Text, cell(&out)).unwrap(), text.as_bytes());
    }

    #[test]
    fn collections_come_back(
        numbers: Vec<i32>,
        texts: Vec<Option<String>>,
        nested: Vec<Vec<i64>>,
        distinct in btree_set(any::<i16>(), 0..20),
    ) {
        comes_back_untyped(&numbers, &list(T::Int));
        comes_back(&numbers, &set(T::Int));
        comes_back_untyped(&texts, &list(T::Text));
        comes_back_untyped(&nested, &list(list(T::BigInt)));
        comes_back_untyped(&distinct, &set(T::SmallInt));
        comes_back(&distinct.iter().copied().collect::<Vec<_>>(), &list(T::SmallInt));
    }

    #[test]
    fn maps_tuples_and_vectors_come_back(
        map in btree_map(any::<i32>(), any::<String>(), 0..8),
        tuple: (Option<i64>, String, Option<(bool, Vec<i16>)>),
        floats in vec(-1e30..1e30_f32, 3),
        texts in vec(any::<String>(), 2),
        nested in vec(vec(any::<i64>(), 2), 2),
    ) {
        let map_type = T::Map(Arc::new((T::Int, T::Text)));
        comes_back_untyped(&map, &map_type);
        comes_back(&map.clone().into_iter().collect::<StdMap>(), &map_type);
        let inner = T::Tuple([T::Boolean, list(T::SmallInt)].into());
        comes_back_untyped(&tuple, &T::Tuple([T::BigInt, T::Text, inner].into()));
        comes_back(&floats, &vector(T::Float, 3));
        comes_back(&[floats[0], floats[1], floats[2]], &vector(T::Float, 3));
        comes_back(&texts, &vector(T::Text, 2));
        comes_back(&nested, &vector(vector(T::BigInt, 2), 2));
    }

    #[test]
    fn absent_values_come_back(number: Option<i64>, empty: bool) {
        comes_back_untyped(&number, &T::BigInt);
        let value = if empty { MaybeEmpty::Empty } else { MaybeEmpty::Value(7) };
        comes_back_untyped(&value, &T::Int);
        comes_back_untyped(&Some(value), &T::Int);
        comes_back_untyped(&None::<MaybeEmpty<i32>>, &T::Int);
    }

    #[test]
    fn any_bytes_are_a_value_or_an_error(bytes: Option<Vec<u8>>) {
        let bytes = bytes.as_deref();
        takes_any_bytes::<i8>(&T::TinyInt, bytes);
        takes_any_bytes::<i16>(&T::SmallInt, bytes);
        takes_any_bytes::<i32>(&T::Int, bytes);
        takes_any_bytes::<i64>(&T::BigInt, bytes);
        takes_any_bytes::<Counter>(&T::Counter, bytes);
        takes_any_bytes::<f32>(&T::Float, bytes);
        takes_any_bytes::<f64>(&T::Double, bytes);
        takes_any_bytes::<bool>(&T::Boolean, bytes);
        takes_any_bytes::<IpAddr>(&T::Inet, bytes);
        takes_any_bytes::<Ipv4Addr>(&T::Inet, bytes);
        takes_any_bytes::<Ipv6Addr>(&T::Inet, bytes);
        takes_any_bytes::<Date>(&T::Date, bytes);
        takes_any_bytes::<TimeOfDay>(&T::Time, bytes);
        takes_any_bytes::<Timestamp>(&T::Timestamp, bytes);
        takes_any_bytes::<CqlDuration>(&T::Duration, bytes);
        takes_any_bytes::<VarInt>(&T::VarInt, bytes);
        takes_any_bytes::<Decimal>(&T::Decimal, bytes);
        takes_any_bytes::<Uuid>(&T::Uuid, bytes);
        takes_any_bytes::<TimeUuid>(&T::TimeUuid, bytes);
        takes_any_bytes::<String>(&T::Text, bytes);
        takes_any_bytes::<Vec<u8>>(&T::Blob, bytes);
        takes_any_bytes::<[u8; 3]>(&T::Blob, bytes);
        takes_any_bytes::<Option<MaybeEmpty<i32>>>(&T::Int, bytes);
    }

    /// Small numbers in front, so that counts and lengths are often right.
    #[test]
    fn any_bytes_are_a_collection_or_an_error(words in vec(-2..6_i32, 0..12), tail in vec(any::<u8>(), 0..6)) {
        let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        bytes.extend(tail);
        takes_any_bytes::<Vec<Option<Vec<u8>>>>(&list(T::Blob), Some(&bytes));
        takes_any_bytes::<Vec<i32>>(&set(T::Int), Some(&bytes));
        takes_any_bytes::<BTreeSet<Option<VarInt>>>(&set(T::VarInt), Some(&bytes));
        takes_any_bytes::<Vec<Vec<i32>>>(&list(list(T::Int)), Some(&bytes));
    }

    #[test]
    fn any_bytes_are_a_map_a_tuple_a_vector_or_an_error(words in vec(-2..6_i32, 0..12), tail in vec(any::<u8>(), 0..6)) {
        let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        bytes.extend(tail);
        let map = T::Map(Arc::new((T::Int, T::Blob)));
        takes_any_bytes::<BTreeMap<i32, Vec<u8>>>(&map, Some(&bytes));
        takes_any_bytes::<(Option<i32>, Option<Vec<u8>>)>(&T::Tuple([T::Int, T::Blob].into()), Some(&bytes));
        takes_any_bytes::<Vec<i32>>(&vector(T::Int, 2), Some(&bytes));
        takes_any_bytes::<Vec<Vec<u8>>>(&vector(T::Blob, 3), Some(&bytes));
    }

    #[test]
    fn any_bytes_are_rows_or_end_in_one_error(words in vec(-2..6_i32, 0..30), rows in 0..12_usize) {
        let content: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        let columns = columns(&[("a", T::Blob), ("b", T::Int)]);
        if let Ok(read) = Rows::<(Option<&[u8]>, Option<i32>)>::new(&columns, rows, &content) {
            let read: Vec<_> = read.collect();
            let broken = read.iter().position(|row| matches!(row, Err(DecodeError::Content(_))));
            prop_assert_eq!(read.len(), broken.map_or(rows, |at| at + 1));
        }
    }
}

#[test]
fn hostile_counts_allocate_nothing() {
    let huge = i32::MAX.to_be_bytes();
    let error = Vec::<i32>::decode(&list(T::Int), Some(&huge)).unwrap_err();
    assert_eq!(error.to_string(), "it has fewer bytes than its element count needs");
    let error = Vec::<i32>::decode(&list(T::Int), Some(&(-1_i32).to_be_bytes())).unwrap_err();
    assert_eq!(error.to_string(), "its element count is negative");
    let columns = columns(&[("a", T::Int)]);
    for rows in [usize::MAX, 3] {
        let error = Rows::<(i32,)>::new(&columns, rows, &[0; 11]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the server's answer is broken in row 0, column 0: it has fewer bytes than its row count needs"
        );
    }
}

#[test]
fn vectors_are_as_cassandra_lays_them_out() {
    // Some types of one length have it written in vectors, as those of any length do.
    assert_eq!(encoded(&[1_i32, 2], &vector(T::Int, 2)).unwrap(), [0, 0, 0, 8, 0, 0, 0, 1, 0, 0, 0, 2]);
    assert_eq!(encoded(&[1_i16, 2], &vector(T::SmallInt, 2)).unwrap(), [0, 0, 0, 6, 2, 0, 1, 2, 0, 2]);
    assert_eq!(encoded(&["", "a"], &vector(T::Text, 2)).unwrap(), [0, 0, 0, 3, 0, 1, b'a']);
    let long = "x".repeat(20_000);
    let written = encoded(&[&long], &vector(T::Text, 1)).unwrap();
    assert_eq!(written[..7], [0, 0, 0x4e, 0x23, 0xc0, 0x4e, 0x20]);
    assert_eq!(Vec::<&str>::decode(&vector(T::Text, 1), cell(&written)).unwrap(), [&long]);

    let message = |error: EncodeError| error.to_string();
    assert_eq!(
        message(encoded(&[1_i32], &vector(T::Int, 2)).unwrap_err()),
        "the vector has 2 elements, but 1 were given"
    );
    assert!(
        message(encoded(&[None::<i32>], &vector(T::Int, 1)).unwrap_err())
            .starts_with("element 0: it is null")
    );
    assert!(encoded(&[MaybeEmpty::<i32>::Empty], &vector(T::Int, 1)).is_err());
    let decoded = |bytes: &[u8], ty: &T| {
        Vec::<Option<Vec<u8>>>::decode(ty, Some(bytes)).map_err(|error| error.to_string())
    };
    assert_eq!(
        decoded(&[0x80, 0x01, 7], &vector(T::Blob, 1)).unwrap_err(),
        "element 0: its length is written with more bytes than it needs"
    );
    assert_eq!(decoded(&[1, 7, 0], &vector(T::Blob, 1)).unwrap_err(), "it goes on for 1 bytes after its end");
    assert_eq!(
        decoded(&[0xff; 9], &vector(T::Blob, 2)).unwrap_err(),
        "element 0: it should have 18446744073709551615 bytes, but has 0"
    );
    assert_eq!(
        decoded(&[0; 9], &vector(T::Blob, i32::MAX as u32)).unwrap_err(),
        "it has fewer bytes than its dimension needs"
    );
    assert!(matches!(
        Vec::<f32>::decode(&vector(T::Float, 2), Some(&[0; 7])),
        Err(DecodeValueError::Length { expected: 8, actual: 7 })
    ));
    assert!(matches!(Vec::<f32>::decode(&vector(T::Float, 2), Some(&[])), Err(DecodeValueError::Empty)));
    assert!(matches!(Vec::<f32>::decode(&vector(T::Float, 2), None), Err(DecodeValueError::Null)));
    assert!(<[f32; 3]>::check(&vector(T::Float, 2)).is_err());
    let deep = (0..30).fold(T::Float, |ty, _| vector(ty, i32::MAX as u32));
    assert!(CqlValue::decode(&deep, Some(&[0; 64])).is_err());
}

#[test]
fn tuples_may_be_shorter_than_their_type() {
    let read = <(Option<i32>, Option<i32>) as DecodeValue<'_>>::decode;
    let ty = T::Tuple([T::Int, T::Int].into());
    assert_eq!(read(&ty, Some(&[0, 0, 0, 4, 0, 0, 0, 1])).unwrap(), (Some(1), None));
    assert_eq!(read(&ty, Some(&[])).unwrap(), (None, None));
    let longer = [0, 0, 0, 4, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0];
    assert!(matches!(read(&ty, Some(&longer)), Err(DecodeValueError::Trailing { bytes: 1 })));
    assert!(<(i32,) as DecodeValue<'_>>::check(&ty).is_err());
    let error = <(i32, String) as DecodeValue<'_>>::check(&ty).unwrap_err().to_string();
    assert_eq!(error, "tuple<int, int>; (i32, String) can't be read from it: use (Option<i32>, Option<i32>)");
}

#[test]
fn null_is_refused_where_cassandra_has_none() {
    let null = [0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff];
    assert_eq!(Vec::<Option<i32>>::decode(&list(T::Int), Some(&null)).unwrap(), [None]);
    assert!(Vec::<Option<i32>>::decode(&set(T::Int), Some(&null)).is_err());
    assert!(encoded(&[None::<i32>], &list(T::Int)).is_ok());
    assert!(encoded(&[None::<i32>], &set(T::Int)).is_err());
    let map = T::Map(Arc::new((T::Int, T::Int)));
    assert!(encoded(&BTreeMap::from([(1, None::<i32>)]), &map).is_err());
    let null_value = [0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff];
    assert!(BTreeMap::<i32, Option<i32>>::decode(&map, Some(&null_value)).is_err());
    assert!(BTreeMap::<i32, i32>::decode(&map, None).unwrap().is_empty());
}

#[test]
fn null_empty_and_unset_are_three_things() {
    assert_eq!(encoded(&None::<i32>, &T::Int).unwrap(), (-1_i32).to_be_bytes());
    assert_eq!(encoded(&Unset, &T::Int).unwrap(), (-2_i32).to_be_bytes());
    assert_eq!(encoded(&MaybeUnset::<i32>::Unset, &T::Int).unwrap(), (-2_i32).to_be_bytes());
    assert_eq!(encoded(&MaybeUnset::Set(1), &T::Int).unwrap(), [0, 0, 0, 4, 0, 0, 0, 1]);
    assert_eq!(encoded(&MaybeEmpty::<i32>::Empty, &T::Int).unwrap(), [0; 4]);

    assert!(matches!(i32::decode(&T::Int, None), Err(DecodeValueError::Null)));
    assert!(matches!(i32::decode(&T::Int, Some(&[])), Err(DecodeValueError::Empty)));
    assert!(matches!(Option::<i32>::decode(&T::Int, Some(&[])), Err(DecodeValueError::Empty)));
    assert!(matches!(MaybeEmpty::<i32>::decode(&T::Int, None), Err(DecodeValueError::Null)));
    assert_eq!(<&str>::decode(&T::Text, Some(&[])).unwrap(), "");
    assert!(matches!(<&str>::decode(&T::Text, None), Err(DecodeValueError::Null)));
    assert!(Vec::<i32>::decode(&list(T::Int), None).unwrap().is_empty());
    assert_eq!(Option::<Vec<i32>>::decode(&list(T::Int), None).unwrap(), None);
    assert!(matches!(Vec::<i32>::decode(&list(T::Int), Some(&[])), Err(DecodeValueError::Empty)));
}

#[test]
fn unset_and_empty_are_refused_where_cassandra_has_none() {
    let mut out = Vec::new();
    let v3 = Unset.encode(&T::Int, &mut ValueWriter::new(&mut out, false));
    assert!(matches!(v3, Err(EncodeError::Unset)));
    let inside = encoded(&vec![MaybeUnset::Set(1), MaybeUnset::Unset], &list(T::Int)).unwrap_err();
    assert!(inside.to_string().starts_with("element 1: it is unset"), "{inside}");
    for column_type in [T::SmallInt, T::TinyInt, T::Date, T::Time, T::Duration, list(T::Int)] {
        let error = encoded(&MaybeEmpty::<i16>::Empty, &column_type).unwrap_err();
        assert!(matches!(error, EncodeError::Empty), "{column_type}");
    }
}

#[test]
fn wrong_types_are_told_with_column_and_remedy() {
    let columns = columns(&[("id", T::BigInt), ("name", T::Text), ("age", T::Int), ("tags", list(T::Text))]);
    let mut out = vec![9];
    let bound = |values: &dyn Fn(&mut Vec<u8>) -> Result<u16, BindError>, out: &mut Vec<u8>| {
        let message = values(out).unwrap_err().to_string();
        assert_eq!(out, &[9], "what was written is cut back");
        message
    };
    assert_eq!(
        bound(&|out| write_values(&(1_i64, "a", "b", ["c"]), Some(&columns), true, out), &mut out),
        "column 2 'age' is int; &str can't be bound to it: use i32"
    );
    assert_eq!(
        bound(&|out| write_values(&(1_i64, "a", 1, vec![1_i32]), Some(&columns), true, out), &mut out),
        "column 3 'tags' is list<text>; Vec<i32> can't be bound to it: use Vec<String>"
    );
    assert_eq!(
        bound(&|out| write_values(&(1_i64, Uuid::default()), Some(&columns[..2]), true, out), &mut out),
        "column 1 'name' is text; Uuid can't be bound to it: use &str or String"
    );
    assert_eq!(
        bound(&|out| write_values(&[1_i64], Some(&columns), true, out), &mut out),
        "the statement has 4 bind markers, but 1 values were given"
    );
    assert_eq!(
        bound(&|out| write_values(&vec![1_i32; 65_536], None, true, out), &mut out),
        "65536 values were given, but a request carries at most 65,535"
    );
    let read = Rows::<(i64, &str, i64, Vec<&str>)>::new(&columns, 0, &[]).unwrap_err();
    assert_eq!(read.to_string(), "column 2 'age' is int; i64 can't be read from it: use i32");
    let read = Rows::<(i64, &str, i32, Vec<i32>)>::new(&columns, 0, &[]).unwrap_err();
    assert_eq!(
        read.to_string(),
        "column 3 'tags' is list<text>; Vec<i32> can't be read from it: use Vec<String>"
    );
    let read = Rows::<(i64, &str)>::new(&columns, 0, &[]).unwrap_err();
    assert_eq!(read.to_string(), "the result has 4 columns, but the row type has 2");
}

#[test]
fn wrong_values_are_told_with_column_and_reason() {
    let columns = columns(&[("code", T::Ascii), ("at", T::TimeUuid)]);
    let mut out = Vec::new();
    let error = write_values(&("né", Uuid::default()), Some(&columns), true, &mut out).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the value for column 0 'code' (ascii) can't be bound: byte 1 isn't ASCII, which the column's type demands: \
         use a column of type text"
    );
    let error = write_values(&("n", Uuid::default()), Some(&columns), true, &mut out).unwrap_err();
    assert!(
        error.to_string().contains("column 1 'at' (timeuuid) can't be bound: it isn't a UUID of version 1")
    );
    let error = write_values(&(1, Unset), None, false, &mut out).unwrap_err();
    assert!(error.to_string().starts_with("value 1 can't be bound: it is unset"), "{error}");
}

#[test]
fn values_that_a_type_does_not_have_are_errors() {
    assert!(TimeOfDay::decode(&T::Time, Some(&86_400_000_000_000_u64.to_be_bytes())).is_err());
    assert!(TimeOfDay::decode(&T::Time, Some(&(-1_i64).to_be_bytes())).is_err());
    assert!(TimeUuid::decode(&T::TimeUuid, Some(&[0; 16])).is_err());
    for mixed in [[2, 1, 0], [1, 0, 2], [0, 2, 1]] {
        assert!(CqlDuration::decode(&T::Duration, Some(&mixed)).is_err());
    }
    // 2^31 months.
    assert!(CqlDuration::decode(&T::Duration, Some(&[0xf1, 0, 0, 0, 0, 0, 0])).is_err());
    for text in [&b"\xc0\x80"[..], b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"ab\xff"] {
        assert!(matches!(<&str>::decode(&T::Text, Some(text)), Err(DecodeValueError::Utf8 { .. })));
        assert_eq!(<&[u8]>::decode(&T::Text, Some(text)).unwrap(), text);
    }
    assert!(bool::decode(&T::Boolean, Some(&[2])).unwrap());
    let mapped = Ipv4Addr::new(1, 2, 3, 4).to_ipv6_mapped();
    assert_eq!(IpAddr::decode(&T::Inet, Some(&mapped.octets())).unwrap(), IpAddr::V6(mapped));
}

/// Sections 6.3 (date) and 6.6 (decimal) of v5, and the layout of collections.
#[test]
fn values_have_the_bytes_of_the_specification() {
    assert_eq!(encoded(&Date::from_days(0), &T::Date).unwrap(), [0, 0, 0, 4, 0x80, 0, 0, 0]);
    assert_eq!(encoded(&Date::from_days(i32::MIN), &T::Date).unwrap(), [0, 0, 0, 4, 0, 0, 0, 0]);
    assert_eq!(encoded(&Decimal::new(-129, 2), &T::Decimal).unwrap(), [0, 0, 0, 6, 0, 0, 0, 2, 0xff, 0x7f]);
    assert_eq!(
        encoded(&[Some(1_i8), None], &list(T::TinyInt)).unwrap(),
        [0, 0, 0, 13, 0, 0, 0, 2, 0, 0, 0, 1, 1, 0xff, 0xff, 0xff, 0xff]
    );
    assert_eq!(encoded(&Vec::<i32>::new(), &list(T::Int)).unwrap(), [0, 0, 0, 4, 0, 0, 0, 0]);
    assert_eq!(encoded(&true, &T::Boolean).unwrap(), [0, 0, 0, 1, 1]);
}

fn people() -> (Vec<ColumnSpec>, Vec<u8>) {
    let columns = columns(&[("id", T::BigInt), ("name", T::Text), ("age", T::Int)]);
    let mut content = Vec::new();
    for (id, name, age) in [(1_i64, "Ann", Some(30)), (2, "Bob", None), (3, "Cyd", Some(50))] {
        write_values(&(id, name, age), Some(&columns), true, &mut content).unwrap();
    }
    (columns, content)
}

#[test]
fn rows_are_read_as_tuples_that_borrow() {
    let (columns, content) = people();
    let rows: Result<Vec<(i64, &str, Option<i32>)>, _> = Rows::new(&columns, 3, &content).unwrap().collect();
    assert_eq!(rows.unwrap(), [(1, "Ann", Some(30)), (2, "Bob", None), (3, "Cyd", Some(50))]);
}

#[test]
fn a_bad_cell_fails_its_row_alone() {
    let (columns, mut content) = people();
    let name = content.windows(3).position(|window| window == b"Ann").unwrap();
    content[name] = 0xff;
    let rows: Vec<_> = Rows::<(i64, &str, i32)>::new(&columns, 3, &content).unwrap().collect();
    assert_eq!(
        rows[0].as_ref().unwrap_err().to_string(),
        "row 0, column 1 'name' (text) can't be read as &str: it isn't UTF-8 after its first 0 bytes: read it as &[u8]"
    );
    assert_eq!(
        rows[1].as_ref().unwrap_err().to_string(),
        "row 1, column 2 'age' (int) can't be read as i32: it is null: read it as an Option"
    );
    assert_eq!(rows[2].as_ref().unwrap(), &(3, "Cyd", 50));
    assert_eq!(rows.len(), 3);
}

#[test]
fn broken_bytes_end_the_rows_with_one_error() {
    let (columns, content) = people();
    for end in 0..content.len() {
        let Ok(rows) = Rows::<(i64, &str, Option<i32>)>::new(&columns, 3, &content[..end]) else { continue };
        let rows: Vec<_> = rows.collect();
        let (last, whole) = rows.split_last().unwrap();
        assert!(matches!(last, Err(DecodeError::Content(_))), "{end}");
        assert!(whole.iter().all(Result::is_ok), "{end}");
    }
    let mut longer = content.clone();
    longer.push(1);
    assert_eq!(Rows::<(i64, &str, Option<i32>)>::new(&columns, 3, &longer).unwrap().flatten().count(), 3);
}

#[test]
fn a_bad_cell_before_broken_bytes_ends_the_rows_with_its_own_error() {
    let columns = columns(&[("a", T::Int), ("b", T::Int)]);
    let content = [0, 0, 0, 1, 0xff, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0];
    let rows: Vec<_> = Rows::<(i32, i32)>::new(&columns, 2, &content).unwrap().collect();
    assert!(matches!(rows[..], [Err(DecodeError::Cell(_))]), "{rows:?}");
}

#[test]
fn raw_rows_are_read_by_index_and_name() {
    let (columns, content) = people();
    let rows: Vec<RawRow<'_>> = Rows::new(&columns, 3, &content).unwrap().map(Result::unwrap).collect();
    assert_eq!(rows[0].get::<&str>(1).unwrap(), "Ann");
    assert_eq!(rows[2].get_named::<Option<i32>>("age").unwrap(), Some(50));
    assert_eq!(
        rows[1].cells().map(|cell| cell.bytes().map(<[u8]>::len)).collect::<Vec<_>>(),
        [Some(8), Some(3), None]
    );
    let message = |error: DecodeError| error.to_string();
    assert_eq!(
        message(rows[1].get_named::<i32>("age").unwrap_err()),
        "row 1, column 2 'age' (int) can't be read as i32: it is null: read it as an Option"
    );
    assert_eq!(
        message(rows[1].get::<String>(0).unwrap_err()),
        "column 0 'id' is bigint; String can't be read from it: use i64"
    );
    assert_eq!(message(rows[0].get_named::<i32>("Age").unwrap_err()), "the result has no column 'Age'");
    assert_eq!(message(rows[0].get::<i32>(3).unwrap_err()), "the result has no column 3");
}

#[test]
fn wide_tuples_slices_and_nothing_can_be_bound() {
    let columns = columns(&[const { ("a", T::Int) }; 16]);
    let sixteen = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    let mut content = Vec::new();
    assert_eq!(write_values(&sixteen, Some(&columns), true, &mut content).unwrap(), 16);
    type Row = (i32, i32, i32, i32, i32, i32, i32, i32, i32, i32, i32, i32, i32, i32, i32, i32);
    let row = Rows::<Row>::new(&columns, 1, &content).unwrap().next().unwrap().unwrap();
    assert_eq!((row.0, row.7, row.15), (0, 7, 15));

    let mut same = Vec::new();
    let slice: &[i32] = &(0..16).collect::<Vec<_>>();
    assert_eq!(write_values(slice, Some(&columns), true, &mut same).unwrap(), 16);
    assert_eq!(same, content);
    same.clear();
    assert_eq!(write_values(&&sixteen, None, true, &mut same).unwrap(), 16);
    assert_eq!(same, content);
    assert_eq!(write_values(&(), Some(&[]), true, &mut same).unwrap(), 0);
    assert_eq!(same, content);
    assert!(Rows::<()>::new(&[], 0, &[]).unwrap().next().is_none());
}

/// A row type that finds its columns by name, as a derive would write it.
#[test]
fn a_layout_serves_rows_by_name() {
    #[derive(Debug, PartialEq)]
    struct Person<'a> {
        age: Option<i32>,
        name: &'a str,
    }
    impl<'a> DecodeRow<'a> for Person<'a> {
        fn check(columns: &[ColumnSpec]) -> Result<Layout, DecodeError> {
            let place = |column: &ColumnSpec| match &*column.name {
                "age" => 0,
                "name" => 1,
                _ => u16::MAX,
            };
            Ok(Layout::of(columns.iter().map(place).collect::<Vec<_>>()))
        }

        fn decode(layout: &Layout, cells: &mut Cells<'a>) -> Result<Self, DecodeError> {
            let (mut age, mut name) = (None, None);
            for place in layout.places() {
                match place {
                    0 => age = Some(cells.decode_next()?),
                    1 => name = Some(cells.decode_next()?),
                    _ => drop(cells.take_next()?),
                }
            }
            Ok(Person { age: age.unwrap(), name: name.unwrap() })
        }
    }
    let (columns, content) = people();
    let rows: Vec<Person<'_>> = Rows::new(&columns, 3, &content).unwrap().flatten().collect();
    assert_eq!(rows[0], Person { age: Some(30), name: "Ann" });
    assert_eq!(rows[1], Person { age: None, name: "Bob" });
    assert_eq!(rows.len(), 3);
}
