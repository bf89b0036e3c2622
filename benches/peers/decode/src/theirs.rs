use std::hint::black_box;

use bytes::Bytes;
use scylla_cql_core::DeserializeRow;
use scylla_cql_core::deserialize::FrameSlice;
use scylla_cql_core::deserialize::result::{RawRowIterator, TypedRowIterator};
use scylla_cql_core::frame::response::result::{ColumnSpec, ColumnType, NativeType, TableSpec};
use scylla_cql_core::value::CqlTimestamp;

use super::PAGE;

#[derive(DeserializeRow)]
#[scylla(crate = "scylla_cql_core")]
struct Owned {
    id: i64,
    age: i32,
    name: String,
    score: f64,
    seen: CqlTimestamp,
}

#[derive(DeserializeRow)]
#[scylla(crate = "scylla_cql_core")]
struct Borrowed<'a> {
    id: i64,
    age: i32,
    name: &'a str,
    score: f64,
    seen: CqlTimestamp,
}

pub(super) fn columns() -> Vec<ColumnSpec<'static>> {
    let types = [
        ("id", NativeType::BigInt),
        ("age", NativeType::Int),
        ("name", NativeType::Text),
        ("score", NativeType::Double),
        ("seen", NativeType::Timestamp),
    ];
    let spec = |(name, native)| {
        ColumnSpec::borrowed(name, ColumnType::Native(native), TableSpec::borrowed("ks", "t"))
    };
    types.into_iter().map(spec).collect()
}

fn raw<'a>(columns: &'a [ColumnSpec<'a>], page: &'a Bytes) -> RawRowIterator<'a, 'a> {
    RawRowIterator::new(PAGE, columns, FrameSlice::new(page))
}

pub(super) fn owned(columns: &[ColumnSpec<'_>], page: &Bytes) -> i64 {
    let rows = TypedRowIterator::<Owned>::new(raw(columns, page)).expect("the columns are of these types");
    let rows = rows.map(|row| black_box(row.expect("each cell is a value")));
    rows.map(|Owned { id, age, name, score, seen }| {
        black_box((age, score, seen));
        id + name.len() as i64
    })
    .sum()
}

pub(super) fn borrowed(columns: &[ColumnSpec<'_>], page: &Bytes) -> i64 {
    let rows =
        TypedRowIterator::<Borrowed<'_>>::new(raw(columns, page)).expect("the columns are of these types");
    let rows = rows.map(|row| black_box(row.expect("each cell is a value")));
    rows.map(|Borrowed { id, age, name, score, seen }| {
        black_box((age, score, seen));
        id + name.len() as i64
    })
    .sum()
}

pub(super) fn tuples(columns: &[ColumnSpec<'_>], page: &Bytes) -> i64 {
    type Row<'a> = (i64, i32, &'a str, f64, CqlTimestamp);
    let rows = TypedRowIterator::<Row<'_>>::new(raw(columns, page)).expect("the columns are of these types");
    let rows = rows.map(|row| black_box(row.expect("each cell is a value")));
    rows.map(|(id, age, name, score, seen)| {
        black_box((age, score, seen));
        id + name.len() as i64
    })
    .sum()
}
