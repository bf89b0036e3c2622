//! Derived user-defined types and values over encoded bytes.
#![deny(warnings)]
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::sync::Arc;

use helenus::ColumnType::{self, Int, Text};
use helenus::value::{self, ValueWriter};
use helenus::{DecodeValue, EncodeValue};

#[derive(Debug, PartialEq, DecodeValue, EncodeValue)]
struct Address<'a> {
    street: &'a str,
    #[helenus(rename = "zipCode")]
    zip: Option<i32>,
    #[helenus(flatten)]
    floor: Floor,
    #[helenus(skip)]
    note: u8,
}

#[derive(Debug, PartialEq, DecodeValue, EncodeValue)]
struct Floor {
    floor: Option<i32>,
}

#[derive(Debug, Default, PartialEq, DecodeValue, EncodeValue)]
struct Id<T>(T);

#[derive(Debug, PartialEq, DecodeValue)]
struct Lenient {
    #[helenus(default)]
    gone: i32,
    street: String,
}

const HOME: Address<'_> =
    Address { street: "Main", zip: Some(1_234), floor: Floor { floor: Some(2) }, note: 0 };

fn udt(fields: &[(&str, ColumnType)]) -> ColumnType {
    let fields = fields.iter().map(|(name, ty)| (Box::from(*name), ty.clone())).collect();
    ColumnType::Udt(Arc::new(helenus_core::protocol::UdtType {
        keyspace: "ks".into(),
        name: "address".into(),
        fields,
    }))
}

fn written(value: &impl value::EncodeValue, column_type: &ColumnType) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    value.encode(column_type, &mut ValueWriter::new(&mut bytes, true)).map_err(|error| error.to_string())?;
    Ok(bytes.split_off(4))
}

fn read<'a, T: value::DecodeValue<'a>>(column_type: &ColumnType, bytes: &'a [u8]) -> Result<T, String> {
    T::check(column_type).map_err(|mismatch| mismatch.to_string())?;
    T::decode(column_type, Some(bytes)).map_err(|error| error.to_string())
}

#[test]
fn fields_come_in_any_order() {
    for order in
        [["street", "zipCode", "floor"], ["floor", "zipCode", "street"], ["zipCode", "street", "floor"]]
    {
        let of = |name| if name == "street" { (name, Text) } else { (name, Int) };
        let column_type = udt(&order.map(of));
        let bytes = written(&HOME, &column_type).unwrap();
        assert_eq!(bytes.len(), 4 + 4 + 8 + 8);
        assert_eq!(read::<Address<'_>>(&column_type, &bytes), Ok(HOME), "{order:?}");
    }
}

/// `ALTER TYPE .. ADD` leaves the values that were written before as they were.
#[test]
fn fields_after_the_end_are_null() {
    let old = udt(&[("street", Text)]);
    let new = udt(&[("street", Text), ("zipCode", Int), ("floor", Int), ("more", Int)]);
    let bytes = written(&Id("Main"), &Text).unwrap();
    let bytes = [&4_i32.to_be_bytes()[..], &bytes].concat();
    let expected = Address { zip: None, floor: Floor { floor: None }, ..HOME };
    assert_eq!(read::<Address<'_>>(&new, &bytes), Ok(expected));
    assert!(read::<Address<'_>>(&old, &bytes).unwrap_err().ends_with("it has no field 'zipCode'"));
    let trailing = [&bytes[..], &[0; 4]].concat();
    assert_eq!(read::<Lenient>(&old, &trailing), Err("it goes on for 4 bytes after its end".into()));
    let lenient = Lenient { gone: 0, street: "Main".to_owned() };
    assert_eq!(read::<Lenient>(&old, &bytes), Ok(lenient));
    let cut = &bytes[..bytes.len() - 1];
    assert!(read::<Lenient>(&old, cut).unwrap_err().starts_with("field 'street'"));
}

/// A field that the struct doesn't know is written as null, one that the type doesn't know is refused.
#[test]
fn types_of_other_versions_are_written() {
    let newer = udt(&[("street", Text), ("zipCode", Int), ("floor", Int), ("more", Int)]);
    let bytes = written(&HOME, &newer).unwrap();
    assert!(bytes.ends_with(&(-1_i32).to_be_bytes()));
    assert_eq!(read::<Address<'_>>(&newer, &bytes), Ok(HOME));
    let older = udt(&[("street", Text), ("zipCode", Int)]);
    let error = written(&HOME, &older).unwrap_err();
    assert_eq!(error, "field 'floor': the user-defined type of the column has no such field");
}

#[test]
fn errors_name_field_and_types() {
    let wrong = udt(&[("street", Int), ("zipCode", Int), ("floor", Int)]);
    let error = read::<Address<'_>>(&wrong, &[]).unwrap_err();
    assert!(
        error.ends_with(
            "Address can't be read from it: its field 'street' is int; &str can't be read from it: use i32"
        ),
        "{error}"
    );
    let error = written(&HOME, &wrong).unwrap_err();
    assert!(error.starts_with("field 'street'"), "{error}");
    let error = read::<Address<'_>>(&Int, &[]).unwrap_err();
    assert_eq!(error, "int; Address can't be read from it: use i32");
}

#[test]
fn a_tuple_struct_of_one_field_is_that_field() {
    assert_eq!(written(&Id(7_i32), &Int), Ok(vec![0, 0, 0, 7]));
    assert_eq!(read::<Id<i32>>(&Int, &[0, 0, 0, 7]), Ok(Id(7)));
    assert_eq!(
        read::<Id<i32>>(&Text, &[]),
        Err("text; i32 can't be read from it: use &str or String".into())
    );
}
