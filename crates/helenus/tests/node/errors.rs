//! What a user does wrong is said in words to act on, and fails that request alone.

use helenus::{ConnectError, Error, ErrorKind, Fate, Session, ShapeError};

use crate::common::{self, Kind, on_every_reactor, table};

on_every_reactor!(
    values_that_do_not_fit,
    errors_of_the_server,
    rows_read_as_something_else,
    results_of_another_shape,
    use_is_refused,
    unknown_keyspace,
);

const INSERT: &str = "INSERT INTO ks.t (id, name) VALUES (?, ?)";

#[track_caller]
fn assert_says(error: &dyn std::error::Error, words: &[&str]) {
    let text = error.to_string();
    for word in words {
        assert!(text.contains(word), "'{word}' is missing in: {text}");
    }
}

fn values_that_do_not_fit(kind: Kind) {
    let (_node, session) = table(kind, 1);
    let insert = session.prepare(INSERT).wait().unwrap();
    let sent = session.metrics().counters.requests_sent;

    let error = session.execute(&insert, ("one", "one")).wait().unwrap_err();
    assert!(matches!(error, Error::Bind(_)) && error.fate() == Fate::NeverSent);
    assert_says(&error, &["'id'", "bigint", "str"]);
    let error = session.execute(&insert, (1_i64, 2_i32)).submit().wait().unwrap_err();
    assert_says(&error, &["'name'", "text", "i32"]);
    let error = session.block_on(async { session.execute(&insert, (1_i64,)).await }).unwrap().unwrap_err();
    assert_says(&error, &["2 bind markers", "1 values"]);
    let (told, heard) = tokio::sync::oneshot::channel();
    session.execute(&insert, (1_i32, "x")).on_complete(|_, result| told.send(result.unwrap_err()).unwrap());
    assert_says(&session.block_on(heard).unwrap().unwrap(), &["'id'", "bigint", "i32"]);
    let error = session.execute(&insert, (1_i64, 1_i64)).blocking_iter::<()>().next().unwrap().unwrap_err();
    assert_says(&error, &["'name'", "text", "i64"]);

    assert_eq!(session.metrics().counters.requests_sent, sent, "nothing of this was sent");
    session.execute(&insert, (1_i64, "one")).wait().unwrap();
}

fn errors_of_the_server(kind: Kind) {
    let (node, session) = table(kind, 1);
    for (text, kind, word) in [
        ("selekt * from ks.t", ErrorKind::Syntax, "selekt"),
        ("SELECT * FROM ks.nothing", ErrorKind::Invalid, "nothing"),
        ("SELECT nothing FROM ks.t", ErrorKind::Invalid, "nothing"),
        ("SELECT * FROM t", ErrorKind::Invalid, "keyspace"),
    ] {
        for error in [session.query(text, ()).wait().unwrap_err(), session.prepare(text).wait().unwrap_err()]
        {
            assert_eq!(error.server_error().unwrap().kind, kind, "{text}: {error}");
            assert_says(&error, &[&node.addresses()[0].to_string(), word]);
        }
    }
    let error = session.query("CREATE TABLE ks.t (id int PRIMARY KEY)", ()).wait().unwrap_err();
    let exists = ErrorKind::AlreadyExists { keyspace: "ks".into(), table: "t".into() };
    assert_eq!(error.server_error().unwrap().kind, exists);
    // A value that the server can't take, of a statement whose types only it knows.
    let error = session.query(INSERT, (1_i32, "one")).wait().unwrap_err();
    assert_eq!(error.server_error().unwrap().kind, ErrorKind::Invalid, "{error}");
    session.query(INSERT, (1_i64, "one")).wait().unwrap();
}

fn rows_read_as_something_else(kind: Kind) {
    let (_node, session) = table(kind, 1);
    session.query(INSERT, (1_i64, "one")).wait().unwrap();
    session.query("INSERT INTO ks.t (id) VALUES (2)", ()).wait().unwrap();
    let response = session.query("SELECT id, name FROM ks.t WHERE id = 1", ()).wait().unwrap();
    assert_says(&response.rows::<(i64, i64)>().unwrap_err(), &["'name'", "text", "i64"]);
    assert_says(&response.rows::<(i64,)>().unwrap_err(), &["2", "1"]);
    assert_eq!(response.one::<(i64, &str)>().unwrap(), (1, "one"));
    let error = session
        .query("SELECT id, name FROM ks.t", ())
        .blocking_iter::<(String, String)>()
        .next()
        .unwrap()
        .unwrap_err();
    assert_says(&error, &["'id'", "bigint", "String"]);

    // A null where none is expected fails its row alone.
    let response = session.query("SELECT name, id FROM ks.t", ()).wait().unwrap();
    let (fine, bad): (Vec<_>, Vec<_>) = response.rows::<(String, i64)>().unwrap().partition(Result::is_ok);
    assert_eq!((fine.len(), bad.len()), (1, 1));
    assert_says(bad[0].as_ref().unwrap_err(), &["name", "null", "Option"]);
    let all: Result<Vec<_>, _> = response.rows::<(Option<String>, i64)>().unwrap().collect();
    assert_eq!(all.unwrap().len(), 2);
}

fn results_of_another_shape(kind: Kind) {
    let (_node, session) = table(kind, 1);
    common::fill(&session, 3);
    let shape = |error: Error| match error {
        Error::Shape(shape) => shape,
        other => panic!("{other:?}"),
    };
    let insert = session.query(INSERT, (0_i64, "0")).wait().unwrap();
    assert_eq!(shape(insert.rows::<(i64,)>().unwrap_err()), ShapeError::NoRows);
    assert_eq!(shape(insert.one::<(i64,)>().unwrap_err()), ShapeError::NoRows);
    let select = |text: &str| session.query(text, ()).page_size(2).wait().unwrap();
    let none = select("SELECT id FROM ks.t WHERE id = 77");
    assert_eq!(shape(none.one::<(i64,)>().unwrap_err()), ShapeError::RowCount { rows: 0 });
    assert_eq!(none.opt::<(i64,)>().unwrap(), None);
    let cut = select("SELECT id FROM ks.t");
    assert_eq!(shape(cut.rows::<(i64,)>().unwrap_err()), ShapeError::MorePages);
    assert_eq!(shape(cut.one::<(i64,)>().unwrap_err()), ShapeError::MorePages);
    assert_eq!(cut.page_rows::<(i64,)>().unwrap().count(), 2);
    let all = session.query("SELECT id FROM ks.t", ()).wait().unwrap();
    assert_eq!(shape(all.opt::<(i64,)>().unwrap_err()), ShapeError::RowCount { rows: 3 });
    assert_eq!(all.rows::<(i64,)>().unwrap().count(), 3);
}

fn use_is_refused(kind: Kind) {
    let (node, session) = table(kind, 1);
    let error = session.query("USE ks", ()).wait().unwrap_err();
    assert!(matches!(error, Error::UseStatement) && error.fate() == Fate::NeverSent);
    assert_says(&error, &["USE", "keyspace"]);
    let error = session.prepare("USE ks").wait().map(drop);
    assert!(error.is_err(), "prepared or not, it changes one connection of many");
    drop(session);

    let session = kind.connect(common::builder(&node).keyspace("ks")).unwrap();
    session.query("INSERT INTO t (id, name) VALUES (?, ?)", (1_i64, "one")).wait().unwrap();
    assert_eq!(common::count(&session), 1);
}

fn unknown_keyspace(kind: Kind) {
    let (node, _session) = table(kind, 1);
    for name in ["nothing", "Ks", "ks; DROP TABLE ks.t"] {
        let error = kind.connect(common::builder(&node).keyspace(name)).unwrap_err();
        assert!(matches!(error, ConnectError::Unreachable(_)));
        assert_says(&error, &["keyspace", &node.addresses()[0].to_string(), name]);
    }
    assert!(kind.connect(Session::builder().contact_point(node.addresses()[0].to_string())).is_ok());
}
