//! Pages of rows into structs, and into what was read of them cell by cell.

use std::sync::Arc;

use helenus::value::{RawRow, Rows};
use helenus::{ColumnSpec, ColumnType, DecodeRow, DecodeValue};

use crate::memory::bounded;

const FACTOR: usize = 200;

#[expect(dead_code, reason = "the fields are there to be decoded")]
#[derive(Debug, DecodeRow)]
struct User<'a> {
    id: i64,
    name: &'a str,
    photo: Option<&'a [u8]>,
    #[helenus(flatten)]
    place: Place<'a>,
    #[helenus(default)]
    gone: Option<i32>,
}

#[expect(dead_code, reason = "the fields are there to be decoded")]
#[derive(Debug, DecodeRow)]
struct Place<'a> {
    home: Option<Address<'a>>,
    scores: Vec<i32>,
}

#[expect(dead_code, reason = "the fields are there to be decoded")]
#[derive(Debug, DecodeValue)]
struct Address<'a> {
    street: &'a str,
    zip: Option<i32>,
}

pub(super) fn run(bytes: &[u8]) {
    let [row_count, order, content @ ..] = bytes else { return };
    let columns = columns(*order);
    let rows = Rows::<User<'_>>::new(&columns, usize::from(*row_count), content);
    let Ok(raw) = Rows::<RawRow<'_>>::new(&columns, usize::from(*row_count), content) else {
        return assert!(rows.is_err());
    };
    let rows: Vec<_> =
        bounded(content.len(), FACTOR, || rows.unwrap().map(|row| row.map(|user| user.id)).collect());
    let raw: Vec<_> = raw.collect();
    // A cell that is no value fails its row alone; bytes that are no rows end both in the same place.
    assert_eq!(rows.len(), raw.len());
    assert!(rows.len() <= usize::from(*row_count));
    for (user, row) in rows.iter().zip(&raw) {
        let Ok(row) = row else {
            assert!(user.is_err());
            continue;
        };
        let id = row.get_named::<i64>("id");
        let others = row.get_named::<&str>("name").is_ok()
            && row.get_named::<Option<&[u8]>>("photo").is_ok()
            && row.get_named::<Option<Address<'_>>>("home").is_ok()
            && row.get_named::<Vec<i32>>("scores").is_ok();
        match user {
            Ok(user) => assert!(others && id.is_ok_and(|id| id == *user)),
            Err(error) => assert!(!(others && id.is_ok()), "{error}"),
        }
    }
}

fn columns(order: u8) -> Vec<ColumnSpec> {
    let address = helenus_core::protocol::UdtType {
        keyspace: "ks".into(),
        name: "address".into(),
        fields: [
            ("zip".into(), ColumnType::Int),
            ("unknown".into(), ColumnType::Blob),
            ("street".into(), ColumnType::Text),
        ]
        .into(),
    };
    let types = [
        ("id", ColumnType::BigInt),
        ("name", ColumnType::Text),
        ("photo", ColumnType::Blob),
        ("home", ColumnType::Udt(Arc::new(address))),
        ("scores", ColumnType::List(Arc::new(ColumnType::Int))),
    ];
    let spec = |(name, column_type): (&str, ColumnType)| ColumnSpec {
        keyspace: "ks".into(),
        table: "t".into(),
        name: name.into(),
        column_type,
    };
    let mut columns: Vec<_> = types.into_iter().map(spec).collect();
    let count = columns.len();
    columns.rotate_left(usize::from(order) % count);
    columns.swap(0, usize::from(order / 16) % count);
    columns
}
