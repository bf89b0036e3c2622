use std::hint::black_box;

use helenus::value::{Rows, Timestamp};
use helenus::{ColumnSpec, DecodeRow};

use super::PAGE;

#[derive(DecodeRow)]
struct Owned {
    id: i64,
    age: i32,
    name: String,
    score: f64,
    seen: Timestamp,
}

#[derive(DecodeRow)]
struct Borrowed<'a> {
    id: i64,
    age: i32,
    name: &'a str,
    score: f64,
    seen: Timestamp,
}

pub(super) fn owned(columns: &[ColumnSpec], page: &[u8]) -> i64 {
    let rows = Rows::<Owned>::new(columns, PAGE, page).expect("the columns are of these types");
    let rows = rows.map(|row| black_box(row.expect("each cell is a value")));
    rows.map(|Owned { id, age, name, score, seen }| {
        black_box((age, score, seen));
        id + name.len() as i64
    })
    .sum()
}

pub(super) fn borrowed(columns: &[ColumnSpec], page: &[u8]) -> i64 {
    let rows = Rows::<Borrowed<'_>>::new(columns, PAGE, page).expect("the columns are of these types");
    let rows = rows.map(|row| black_box(row.expect("each cell is a value")));
    rows.map(|Borrowed { id, age, name, score, seen }| {
        black_box((age, score, seen));
        id + name.len() as i64
    })
    .sum()
}

pub(super) fn tuples(columns: &[ColumnSpec], page: &[u8]) -> i64 {
    type Row<'a> = (i64, i32, &'a str, f64, Timestamp);
    let rows = Rows::<Row<'_>>::new(columns, PAGE, page).expect("the columns are of these types");
    let rows = rows.map(|row| black_box(row.expect("each cell is a value")));
    rows.map(|(id, age, name, score, seen)| {
        black_box((age, score, seen));
        id + name.len() as i64
    })
    .sum()
}
