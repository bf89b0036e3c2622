//! Bytes to values to literals and back, for each type; what Cassandra itself says of bytes and literals is in
//! `vectors.txt`.

use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;
use crate::protocol::ColumnType as T;
use crate::value::DecodeValue;

/// Bytes that are a value give a literal that gives the same bytes; the literal.
fn round_trip(ty: &T, bytes: &[u8]) -> Result<String, DecodeValueError> {
    let value = CqlValue::decode(ty, Some(bytes))?;
    assert_eq!(value.to_bytes(ty).unwrap().as_deref(), Some(bytes), "{ty}: {value:?}");
    let literal = value.to_string();
    let again = CqlValue::parse(ty, &literal).unwrap_or_else(|error| panic!("{ty}: {literal}: {error}"));
    assert_eq!(again.to_bytes(ty).unwrap().as_deref(), Some(bytes), "{ty}: {literal}");
    // Not compared as values, for NaN is no equal of its own.
    assert_eq!(again.to_string(), literal);
    Ok(literal)
}

fn hex(text: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(digit).collect()
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

const SCALARS: [T; 20] = [
    T::Ascii,
    T::BigInt,
    T::Blob,
    T::Boolean,
    T::Counter,
    T::Date,
    T::Decimal,
    T::Double,
    T::Duration,
    T::Float,
    T::Inet,
    T::Int,
    T::SmallInt,
    T::Text,
    T::Time,
    T::Timestamp,
    T::TimeUuid,
    T::TinyInt,
    T::Uuid,
    T::VarInt,
];

fn udt(types: Vec<T>) -> T {
    let fields = types.into_iter().enumerate().map(|(at, ty)| {
        // Names that CQL has to quote among others.
        let name = ["plain", "Upper", "with \"quotes\"", "select", "é"][at % 5];
        (format!("{name}{}", if at < 5 { String::new() } else { at.to_string() }).into(), ty)
    });
    T::Udt(Arc::new(UdtType { keyspace: "".into(), name: "".into(), fields: fields.collect() }))
}

/// Any type, nested a few levels.
fn any_type() -> impl Strategy<Value = T> {
    let scalar = prop_oneof![20 => select(&SCALARS[..]), 1 => Just(T::Custom("org.example.Type".into()))];
    scalar.prop_recursive(4, 12, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|element| T::List(Arc::new(element))),
            inner.clone().prop_map(|element| T::Set(Arc::new(element))),
            (inner.clone(), inner.clone()).prop_map(|pair| T::Map(Arc::new(pair))),
            vec(inner.clone(), 1..4).prop_map(|types| T::Tuple(types.into())),
            vec(inner.clone(), 1..7).prop_map(udt),
            (inner, 1..4_u32).prop_map(|(element, dimension)| T::Vector(Arc::new(element), dimension)),
        ]
    })
}

/// The bytes of a value of that type.
fn bytes_of(ty: &T) -> BoxedStrategy<Vec<u8>> {
    let any_bytes = |length: usize| vec(any::<u8>(), length).boxed();
    let or_empty = |length: usize| prop_oneof![9 => any_bytes(length), 1 => Just(Vec::new())].boxed();
    let number = || prop_oneof![vec(any::<u8>(), 1..20), vec(select(&[0x00, 0xff][..]), 1..4)];
    match ty {
        T::Ascii => "[ -~]{0,12}".prop_map(String::into_bytes).boxed(),
        T::Text => any::<String>().prop_map(String::into_bytes).boxed(),
        T::Blob | T::Custom(_) => vec(any::<u8>(), 0..12).boxed(),
        T::Boolean => or_empty(1),
        T::TinyInt => any_bytes(1),
        T::SmallInt => any_bytes(2),
        T::Date => any_bytes(4),
        T::Time => prop_oneof![
            (0..86_400_000_000_000_u64).prop_map(|nanos| nanos.to_be_bytes().to_vec()),
            any_bytes(8)
        ]
        .boxed(),
        T::Int | T::Float => or_empty(4),
        T::BigInt | T::Counter | T::Double => or_empty(8),
        T::Timestamp => prop_oneof![
            (-100_000_000_000_000..400_000_000_000_000_i64).prop_map(|millis| millis.to_be_bytes().to_vec()),
            or_empty(8)
        ]
        .boxed(),
        T::Uuid => or_empty(16),
        T::TimeUuid => vec(any::<u8>(), 16)
            .prop_map(|mut bytes| {
                bytes[6] = bytes[6] & 0x0f | 0x10;
                bytes
            })
            .boxed(),
        T::Inet => {
            prop_oneof![any_bytes(4), or_empty(16), Just(hex("00000000000000000000ffff01020304"))].boxed()
        }
        T::VarInt => number().boxed(),
        T::Decimal => (any::<i32>(), number())
            .prop_map(|(scale, number)| [&scale.to_be_bytes()[..], &number].concat())
            .boxed(),
        T::Duration => (any::<bool>(), 0..i32::MAX, 0..i32::MAX, 0..i64::MAX)
            .prop_map(|(negative, months, days, nanos)| {
                let sign = if negative { -1 } else { 1 };
                let duration = CqlDuration::new(sign * months, sign * days, i64::from(sign) * nanos).unwrap();
                CqlValue::Duration(duration).to_bytes(&T::Duration).unwrap().unwrap()
            })
            .boxed(),
        T::List(element) => collection(vec(nullable(element), 0..4).boxed()),
        T::Set(element) => collection(vec(bytes_of(element).prop_map(Some), 0..4).boxed()),
        T::Map(types) => {
            let entry = (bytes_of(&types.0), bytes_of(&types.1));
            vec(entry, 0..4)
                .prop_map(|entries| {
                    let parts: Vec<_> =
                        entries.iter().flat_map(|(key, value)| [Some(&key[..]), Some(value)]).collect();
                    [&(entries.len() as i32).to_be_bytes()[..], &with_lengths(&parts)].concat()
                })
                .boxed()
        }
        T::Tuple(types) => fields(types.iter()),
        T::Udt(definition) => fields(definition.fields.iter().map(|(_, ty)| ty)),
        T::Vector(element, dimension) => {
            let inner = T::clone(element);
            let list = T::List(Arc::clone(element));
            let ty = ty.clone();
            vec(bytes_of(element), *dimension as usize)
                .prop_map(move |elements| {
                    let parts: Vec<_> = elements.iter().map(|bytes| Some(&bytes[..])).collect();
                    let bytes = [&(parts.len() as i32).to_be_bytes()[..], &with_lengths(&parts)].concat();
                    let CqlValue::List(values) = CqlValue::decode(&list, Some(&bytes)).unwrap() else {
                        unreachable!()
                    };
                    CqlValue::Vector(values).to_bytes(&ty)
                })
                .prop_filter_map("an element of another length", move |bytes| {
                    // Empty elements are no elements of vectors of a fixed length.
                    let _ = &inner;
                    bytes.ok().flatten()
                })
                .boxed()
        }
    }
}

fn nullable(ty: &T) -> BoxedStrategy<Option<Vec<u8>>> {
    proptest::option::weighted(0.8, bytes_of(ty)).boxed()
}

fn collection(elements: BoxedStrategy<Vec<Option<Vec<u8>>>>) -> BoxedStrategy<Vec<u8>> {
    let written = |elements: Vec<Option<Vec<u8>>>| {
        let parts: Vec<_> = elements.iter().map(Option::as_deref).collect();
        [&(parts.len() as i32).to_be_bytes()[..], &with_lengths(&parts)].concat()
    };
    elements.prop_map(written).boxed()
}

/// Of so many fields as there are types, or fewer.
fn fields<'t>(types: impl Iterator<Item = &'t T>) -> BoxedStrategy<Vec<u8>> {
    let fields: Vec<_> = types.map(nullable).collect();
    (fields, any::<Index>())
        .prop_map(|(fields, end)| {
            let parts: Vec<_> = fields.iter().map(Option::as_deref).collect();
            with_lengths(&parts[..end.index(parts.len() + 1)])
        })
        .boxed()
}

fn with_lengths(parts: &[Option<&[u8]>]) -> Vec<u8> {
    let mut out = Vec::new();
    for part in parts {
        out.extend(part.map_or(-1, |bytes| bytes.len() as i32).to_be_bytes());
        out.extend(part.unwrap_or_default());
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn values_come_back_through_literals((ty, bytes) in any_type().prop_flat_map(|ty| (Just(ty.clone()), bytes_of(&ty)))) {
        prop_assert!(round_trip(&ty, &bytes).is_ok(), "{ty} {}", to_hex(&bytes));
        let written = format!("{ty:#}");
        prop_assert_eq!(written.parse::<T>().unwrap(), ty, "{}", written);
    }

    /// Lengths and counts are often right where numbers are small.
    #[test]
    fn any_bytes_are_a_value_or_an_error(ty in any_type(), words in vec(-2..6_i32, 0..12), tail in vec(any::<u8>(), 0..20)) {
        let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        bytes.extend(&tail);
        let _ = round_trip(&ty, &bytes);
        let _ = round_trip(&ty, &tail);
    }

    #[test]
    fn changed_bytes_are_a_value_or_an_error(
        (ty, mut bytes) in any_type().prop_flat_map(|ty| (Just(ty.clone()), bytes_of(&ty))),
        at: Index,
        bit in 0..8_u8,
        end: Index,
    ) {
        if !bytes.is_empty() {
            let _ = round_trip(&ty, &bytes[..end.index(bytes.len())]);
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
        }
        let _ = round_trip(&ty, &bytes);
    }

    #[test]
    fn any_text_is_a_literal_or_an_error(ty in any_type(), words in vec(select(&[
        "1", "-", "'", "''", "a", "[", "]", "{", "}", "(", ")", ":", ",", "..", "0x", "00", "null", "blob_as_", "int", "é", "$$",
        " ", "\"", "NaN", "1.5e", "P1Y", "plain", "2020-01-01", "e7ae5cf3-d358-1d99-b900-85902fda9bb0",
    ][..]), 0..16), text: String) {
        for literal in [words.concat(), text] {
            match CqlValue::parse(&ty, &literal) {
                Ok(value) => drop(value.to_bytes(&ty).unwrap()),
                Err(error) => prop_assert!(error.at() <= literal.len() && !error.expected().is_empty()),
            }
            let _ = literal.parse::<T>();
        }
    }
}

/// Each line of a file of vectors in its fields.
fn vectors(file: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    file.lines().filter(|line| !line.starts_with('#')).map(|line| line.split('\t').collect())
}

#[test]
fn bytes_are_judged_as_cassandra_does() {
    for fields in vectors(include_str!("bytes.txt")) {
        let [verdict, ty, bytes] = fields[..] else { panic!("{fields:?}") };
        let outcome = round_trip(&ty.parse().unwrap(), &hex(bytes));
        assert_eq!(outcome.is_ok(), verdict == "ok", "{ty} {bytes}: {outcome:?}");
    }
}

#[test]
fn literals_are_read_as_cassandra_does() {
    for fields in vectors(include_str!("literals.txt")) {
        let [ty, literal, .., expected] = fields[..] else { panic!("{fields:?}") };
        let ty: T = ty.parse().unwrap();
        let found = match CqlValue::parse(&ty, literal) {
            Ok(value) => {
                value.to_bytes(&ty).unwrap().map_or_else(|| "null".to_owned(), |bytes| to_hex(&bytes))
            }
            Err(_) => "no".to_owned(),
        };
        assert_eq!(found, expected, "{ty} {literal}");
    }
}

#[test]
fn fields_are_known_by_their_names() {
    let ty: T = "udt{a int, b text, c int}".parse().unwrap();
    let value = CqlValue::parse(&ty, "{c: 3, a: 1}").unwrap();
    assert_eq!(value.to_string(), "{a: 1, b: null, c: 3}");
    let CqlValue::Udt(udt) = &value else { panic!("{value:?}") };
    assert_eq!((udt.field("c"), udt.field("d")), (Some(&CqlValue::Int(3)), None));

    // The value was made for an older definition than that of the column, with fewer fields in another order.
    let newer: T = "udt{new int, c int, b text, a int}".parse().unwrap();
    let bytes = value.to_bytes(&newer).unwrap().unwrap();
    assert_eq!(
        CqlValue::decode(&newer, Some(&bytes)).unwrap().to_string(),
        "{new: null, c: 3, b: null, a: 1}"
    );
    let older: T = "udt{a int, b text}".parse().unwrap();
    let error = value.to_bytes(&older).unwrap_err().to_string();
    assert_eq!(error, "field 'c': the user-defined type of the column has no such field");
    let other: T = "udt{a int, b int, c int}".parse().unwrap();
    let value = CqlValue::parse(&ty, "{b: 'x'}").unwrap();
    let error = value.to_bytes(&other).unwrap_err().to_string();
    assert_eq!(error, "field 'b': the marker's type is int; CqlValue(Text) can't be bound to it: use i32");
}

#[test]
fn values_know_what_they_are_bound_to() {
    let bound =
        |value: CqlValue, ty: &str| value.to_bytes(&ty.parse().unwrap()).map_err(|error| error.to_string());
    let message = "the marker's type is bigint; CqlValue(Int) can't be bound to it: use i64";
    assert_eq!(bound(CqlValue::Int(1), "bigint").unwrap_err(), message);
    assert_eq!(bound(CqlValue::empty(&T::Int).unwrap(), "int").unwrap(), Some(vec![]));
    assert!(bound(CqlValue::empty(&T::Int).unwrap(), "bigint").is_err());
    assert!(CqlValue::empty(&T::Date).is_err());
    assert!(bound(CqlValue::Tuple(vec![CqlValue::Null; 3]), "tuple<int, int>").is_err());
    let null_inside = bound(CqlValue::Set(vec![CqlValue::Null]), "set<int>").unwrap_err();
    assert!(null_inside.starts_with("element 0: it is null"), "{null_inside}");
    let nothing = UdtType { keyspace: "".into(), name: "".into(), fields: [].into() };
    assert!(UdtValue::new(Arc::new(nothing), vec![CqlValue::Null]).is_none());
    assert!(CqlValue::decode(&T::Int, None).unwrap().is_null());
}

/// A user-defined type may have 65,535 fields: to look each up from the start would take minutes.
#[test]
fn many_fields_out_of_order_take_no_quadratic_time() {
    let names: Vec<_> = (0..65_535).map(|n| format!("f{n}")).collect();
    let of = |fields: Vec<&String>| {
        let fields = fields.into_iter().map(|name| (name.as_str().into(), T::Int)).collect();
        T::Udt(Arc::new(UdtType { keyspace: "".into(), name: "".into(), fields }))
    };
    let (ty, reversed) = (of(names.iter().collect()), of(names.iter().rev().collect()));
    let literal: Vec<_> = names.iter().rev().map(|name| format!("{name}: 1")).collect();
    let value = CqlValue::parse(&ty, &format!("{{{}}}", literal.join(", "))).unwrap();
    assert_eq!(value.to_bytes(&reversed).unwrap(), value.to_bytes(&ty).unwrap());
}
