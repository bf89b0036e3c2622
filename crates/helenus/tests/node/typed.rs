//! Derived rows and values through a session.

use futures_util::StreamExt;
use helenus::{DecodeRow, DecodeValue, EncodeValue, EncodeValues, Error};

use crate::common::{Kind, on_every_reactor, table};

on_every_reactor!(structs_are_bound_and_read, a_struct_that_does_not_fit_is_an_error_with_names);

#[derive(Clone, Copy, Debug, PartialEq, DecodeValue, EncodeValue)]
struct UserId(i64);

/// Its fields are in another order than the columns, and one column is missing.
#[derive(Debug, PartialEq, DecodeRow, EncodeValues)]
struct User<'a> {
    #[helenus(rename = "name")]
    called: &'a str,
    id: UserId,
    #[helenus(skip)]
    seen: bool,
}

#[derive(Debug, PartialEq, DecodeRow)]
struct Owned {
    id: UserId,
    name: String,
    #[helenus(default)]
    visits: i32,
}

fn structs_are_bound_and_read(kind: Kind) {
    let (_node, session) = table(kind, 1);
    let insert = session.prepare("INSERT INTO ks.t (id, name) VALUES (?, ?)").wait().unwrap();
    for (id, called) in [(1, "Ada"), (2, "Grace")] {
        session.execute(&insert, User { called, id: UserId(id), seen: true }).wait().unwrap();
    }
    let response = session.query("SELECT id, name FROM ks.t WHERE id = ?", (2_i64,)).wait().unwrap();
    let grace = User { called: "Grace", id: UserId(2), seen: false };
    assert_eq!(response.one::<User<'_>>().unwrap(), grace);

    let mut all: Vec<Owned> = session
        .query("SELECT name, id FROM ks.t", ())
        .page_size(1)
        .blocking_iter()
        .collect::<Result<_, _>>()
        .unwrap();
    all.sort_by_key(|user| user.id.0);
    let expected = [(1, "Ada"), (2, "Grace")];
    assert_eq!(all, expected.map(|(id, name)| Owned { id: UserId(id), name: name.to_owned(), visits: 0 }));

    let stream = session.query("SELECT name, id FROM ks.t", ()).page_size(1).stream::<Owned>();
    let names = stream.map(|user| user.unwrap().name).collect::<Vec<_>>();
    let mut names = session.block_on(names).unwrap();
    names.sort();
    assert_eq!(names, ["Ada", "Grace"]);
}

fn a_struct_that_does_not_fit_is_an_error_with_names(kind: Kind) {
    let (_node, session) = table(kind, 1);
    let response = session.query("SELECT id FROM ks.t", ()).wait().unwrap();
    let error = response.rows::<User<'_>>().unwrap_err();
    assert!(matches!(error, Error::Row(_)), "{error}");
    assert!(error.to_string().contains("no column 'name', which User needs"), "{error}");

    let prepared = session.prepare("SELECT id FROM ks.t WHERE id = ?").wait().unwrap();
    let user = User { called: "Ada", id: UserId(1), seen: false };
    let error = session.execute(&prepared, user).wait().unwrap_err();
    assert!(matches!(error, Error::Bind(_)), "{error}");
    assert!(error.to_string().contains("no bind marker 'name'"), "{error}");
}
