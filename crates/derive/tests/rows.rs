//! Derived rows and bound values over encoded bytes.
#![deny(warnings)]
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod common;

use std::fmt::Debug;

use common::{columns, written};
use helenus::value::{self, BindError, DecodeError, Rows, write_values};
use helenus::{ColumnSpec, ColumnType, DecodeRow, EncodeValues};

use ColumnType::{BigInt, Int, Text};

#[derive(Debug, PartialEq, DecodeRow, EncodeValues)]
struct User<'a> {
    id: i64,
    name: &'a str,
    #[helenus(rename = "fullName")]
    full: Option<&'a str>,
    r#type: i32,
    #[helenus(skip)]
    note: String,
}

#[derive(Debug, Default, PartialEq, DecodeRow, EncodeValues)]
struct Place<T> {
    x: T,
    #[helenus(default)]
    y: T,
}

#[derive(Debug, PartialEq, DecodeRow, EncodeValues)]
struct Outer<T> {
    id: i64,
    #[helenus(flatten)]
    place: Place<T>,
    last: i32,
}

#[derive(Debug, PartialEq, DecodeRow, EncodeValues)]
struct Pair<A, B: Copy>(A, B)
where
    A: Clone;

#[derive(Debug, PartialEq, DecodeRow, EncodeValues)]
#[helenus(by_position, crate = helenus)]
struct Positional {
    number: i32,
    #[helenus(flatten)]
    pair: Pair<i64, i32>,
    #[helenus(skip)]
    skipped: u8,
    text: String,
}

const ADA: User<'_> = User { id: 7, name: "Ada", full: None, r#type: 3, note: String::new() };

fn user_columns(order: &[&str]) -> Vec<ColumnSpec> {
    let of = |name: &&str| match *name {
        "id" => ("id", BigInt),
        "name" => ("name", Text),
        "fullName" => ("fullName", Text),
        "type" => ("type", Int),
        other => panic!("{other}"),
    };
    columns(&order.iter().map(of).collect::<Vec<_>>())
}

fn read<'a, R: value::DecodeRow<'a>>(columns: &'a [ColumnSpec], bytes: &'a [u8]) -> Vec<R> {
    let rows = Rows::new(columns, bytes_rows(columns, bytes), bytes).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

/// How many rows these bytes are.
fn bytes_rows(columns: &[ColumnSpec], mut bytes: &[u8]) -> usize {
    let mut cells = 0;
    while let Some((length, rest)) = bytes.split_first_chunk() {
        let length = usize::try_from(i32::from_be_bytes(*length)).unwrap_or(0);
        bytes = &rest[length..];
        cells += 1;
    }
    cells / columns.len()
}

fn refused<'a, R: value::DecodeRow<'a> + Debug>(columns: &'a [ColumnSpec]) -> DecodeError {
    Rows::<R>::new(columns, 0, &[]).expect_err("they don't go together")
}

#[test]
fn columns_come_in_any_order() {
    let orders = [
        ["id", "name", "fullName", "type"],
        ["type", "fullName", "name", "id"],
        ["name", "type", "id", "fullName"],
        ["id", "name", "type", "fullName"],
    ];
    for order in orders {
        let columns = user_columns(&order);
        let mut bytes = written(&ADA, &columns);
        bytes.extend(written(&User { full: Some("Ada Lovelace"), ..ADA }, &columns));
        let users = read::<User<'_>>(&columns, &bytes);
        assert_eq!(users, [ADA, User { full: Some("Ada Lovelace"), ..ADA }], "{order:?}");
    }
}

#[test]
fn columns_that_no_field_wants_are_left() {
    let mut specs = columns(&[("other", Text), ("x", Int), ("more", Int), ("x", Int)]);
    let bytes = [written(&("a", 5_i32, 6_i32, 9_i32), &specs), written(&("b", 1_i32, 2_i32, 3_i32), &specs)];
    let bytes = bytes.concat();
    let expected = [Place { x: 5, y: 0 }, Place { x: 1, y: 0 }];
    assert_eq!(read::<Place<i32>>(&specs, &bytes), expected, "the first of two, the default for none");
    specs[1].name = "y".into();
    assert_eq!(read::<Place<i32>>(&specs, &bytes), [Place { x: 9, y: 5 }, Place { x: 3, y: 1 }]);
}

#[test]
fn flattened_fields_are_columns_of_the_row() {
    let row = Outer { id: 1, place: Place { x: 2, y: 3 }, last: 4 };
    for order in [["id", "x", "y", "last"], ["last", "y", "id", "x"]] {
        let of = |name| if name == "id" { (name, BigInt) } else { (name, Int) };
        let columns = columns(&order.map(of));
        let bytes = written(&row, &columns);
        assert_eq!(
            read::<Outer<i32>>(&columns, &bytes),
            [Outer { id: 1, place: Place { x: 2, y: 3 }, last: 4 }]
        );
    }
}

#[test]
fn by_position_names_say_nothing() {
    let columns = columns(&[("a", Int), ("b", BigInt), ("c", Int), ("d", Text)]);
    let row = || Positional { number: 1, pair: Pair(2, 3), skipped: 0, text: "four".to_owned() };
    let bytes = written(&row(), &columns);
    assert_eq!(bytes, written(&(1_i32, 2_i64, 3_i32, "four"), &columns));
    assert_eq!(read::<Positional>(&columns, &bytes), [row()]);
    let mut untyped = Vec::new();
    assert_eq!(write_values(&row(), None, true, &mut untyped).unwrap(), 4);
    assert_eq!(untyped, bytes);
    let error = refused::<Positional>(&columns[..3]);
    assert_eq!(error.to_string(), "the result has 3 columns, but the row type has 4");
}

/// More columns than marks are kept of a row, read from last to first.
#[test]
fn wide_rows_are_read_backwards() {
    #[derive(Debug, PartialEq, DecodeRow)]
    struct Wide {
        c99: i32,
        c98: i32,
        c50: i32,
        c33: i32,
        c34: i32,
        c1: i32,
        c0: i32,
        c97: i32,
    }
    let names: Vec<_> = (0..100).map(|number| format!("c{number}")).collect();
    let columns = columns(&names.iter().map(|name| (name.as_str(), Int)).collect::<Vec<_>>());
    let bytes: Vec<_> = (0..300).flat_map(|number| written(&(number,), &columns[..1])).collect();
    let row = |first| Wide {
        c99: first + 99,
        c98: first + 98,
        c50: first + 50,
        c33: first + 33,
        c34: first + 34,
        c1: first + 1,
        c0: first,
        c97: first + 97,
    };
    assert_eq!(read::<Wide>(&columns, &bytes), [row(0), row(100), row(200)]);
}

#[test]
fn errors_name_column_and_types() {
    let error = refused::<User<'_>>(&user_columns(&["id", "name", "fullName"]));
    assert_eq!(
        error.to_string(),
        "the result has no column 'type', which User needs: select it, or mark the field #[helenus(default)]; \
         it has [\"id\", \"name\", \"fullName\"]"
    );
    let mut specs = user_columns(&["type", "id", "name", "fullName"]);
    specs[2].column_type = Int;
    let error = refused::<User<'_>>(&specs);
    assert_eq!(error.to_string(), "column 2 'name' is int; &str can't be read from it: use i32");
}

/// A bad cell is the fault of its row alone, in the order of the fields and in another.
#[test]
fn a_bad_cell_fails_its_row_alone() {
    for names in [["x", "y"], ["y", "x"]] {
        let columns = columns(&names.map(|name| (name, Int)));
        let mut bytes = written(&(1_i32, None::<i32>), &columns);
        bytes.extend(written(&(3_i32, 4_i32), &columns));
        let mut rows = Rows::<Place<i32>>::new(&columns, 2, &bytes).unwrap();
        let error = rows.next().unwrap().unwrap_err().to_string();
        let expected = format!("row 0, column 1 '{}' (int) can't be read as i32: it is null", names[1]);
        assert!(error.starts_with(&expected), "{error}");
        assert!(rows.next().unwrap().is_ok());
        assert!(rows.next().is_none());

        let cut = &bytes[..bytes.len() - 1];
        let rows = Rows::<Place<i32>>::new(&columns, 2, cut).unwrap();
        assert!(matches!(rows.last(), Some(Err(DecodeError::Content(_)))));
    }
}

#[test]
fn markers_are_bound_by_name() {
    let row = Place { x: 1, y: 2 };
    let markers = columns(&[("y", Int), ("x", Int), ("y", Int)]);
    assert_eq!(written(&row, &markers), written(&(2_i32, 1_i32, 2_i32), &markers), "a name twice");
    let mut out = vec![9];
    let error = write_values(&row, Some(&columns(&[("x", Int)])), true, &mut out).unwrap_err();
    assert!(matches!(&error, BindError::NoMarker(problem) if &*problem.name == "y"), "{error}");
    let error = write_values(&row, Some(&columns(&[("x", Int), ("z", Int)])), true, &mut out).unwrap_err();
    assert!(error.to_string().starts_with("Place<i32> has no field for bind marker 1 'z'"), "{error}");
    let error = write_values(&row, Some(&columns(&[("y", Int), ("x", Text)])), true, &mut out).unwrap_err();
    assert_eq!(error.to_string(), "column 1 'x' is text; i32 can't be bound to it: use &str or String");
    assert_eq!(out, [9]);
}
