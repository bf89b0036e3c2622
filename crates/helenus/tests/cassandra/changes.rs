//! Schemas that change under prepared statements: right columns or a clear error, in every version.

use helenus::value::{CqlValue, RawRow};
use helenus::{Error, Response, Session, Version};

use crate::cluster::{Stage, builder};
use crate::common::Kind;
use crate::on_real_cassandra_once;

on_real_cassandra_once!(
    columns_come_and_go,
    columns_come_and_go_between_pages,
    tables_made_anew_with_other_types,
    user_defined_types_grow,
    conditional_statements_tell_their_own_columns,
);

const VERSIONS: [Version; 3] = [Version::V3, Version::V4, Version::V5];

/// Each row as `name=literal` of its columns.
fn read(response: &Response) -> Vec<String> {
    let rows = response.page_rows::<RawRow<'_>>().unwrap();
    let mut read: Vec<_> = rows
        .map(|row| {
            let cells = row.unwrap();
            let cells = cells.cells().map(|cell| {
                let value = cell.decode::<Option<CqlValue>>().unwrap();
                format!(
                    "{}={}",
                    cell.column().name,
                    value.map_or("null".to_owned(), |value| value.to_string())
                )
            });
            cells.collect::<Vec<_>>().join(" ")
        })
        .collect();
    read.sort_unstable();
    read
}

fn columns_come_and_go(kind: Kind) {
    let stage = Stage::new(kind);
    for version in VERSIONS {
        let table = stage.name(&format!("t_{version}"));
        stage.schema(&format!("CREATE TABLE {table} (id int PRIMARY KEY, m text)"));
        let connect = || kind.connect(builder().protocol_version(version)).unwrap();
        let (session, other) = (connect(), connect());
        session.query(format!("INSERT INTO {table} (id, m) VALUES (1, 'm')"), ()).wait().unwrap();
        let select = session.prepare(format!("SELECT * FROM {table}")).wait().unwrap();
        let clone = select.clone();
        let check = |expected: &str| {
            // Several times on every node: with what was known before, and with what is known since.
            for session in [&session, &other] {
                for select in [&select, &clone] {
                    for _ in 0..7 {
                        let response = session.execute(select, ()).wait().unwrap();
                        assert_eq!(read(&response), [expected], "{version} {}", response.coordinator());
                    }
                }
            }
        };
        check("id=1 m='m'");
        // Before `m`, so that a shift would show.
        stage.schema(&format!("ALTER TABLE {table} ADD a int"));
        check("id=1 a=null m='m'");
        session.query(format!("UPDATE {table} SET a = 7 WHERE id = 1"), ()).wait().unwrap();
        check("id=1 a=7 m='m'");
        assert_eq!(select.result_columns().len(), 3, "it is known of the statement");
        stage.schema(&format!("ALTER TABLE {table} RENAME id TO key"));
        check("key=1 a=7 m='m'");
        stage.schema(&format!("ALTER TABLE {table} DROP m"));
        check("key=1 a=7");
        stage.schema(&format!("ALTER TABLE {table} ADD m text"));
        stage.schema(&format!("ALTER TABLE {table} DROP a"));
        check("key=1 m=null");
    }
}

fn columns_come_and_go_between_pages(kind: Kind) {
    let stage = Stage::new(kind);
    for version in VERSIONS {
        let table = stage.name(&format!("t_{version}"));
        stage.schema(&format!("CREATE TABLE {table} (id int, c int, m text, PRIMARY KEY (id, c))"));
        let session = kind.connect(builder().protocol_version(version)).unwrap();
        for c in 0..40 {
            session.query(format!("INSERT INTO {table} (id, c, m) VALUES (1, ?, 'm')"), (c,)).wait().unwrap();
        }
        let select = session.prepare(format!("SELECT * FROM {table} WHERE id = ?")).wait().unwrap();
        let mut seen = Vec::new();
        let mut changed = false;
        let mut state = None;
        loop {
            let mut request = session.execute(&select, (1,)).page_size(5);
            if let Some(state) = state.take() {
                request = request.page(state);
            }
            let page = request.wait().unwrap();
            for row in read(&page) {
                let expected = if row.contains(" a=") { "a=null m='m'" } else { "m='m'" };
                assert!(row.ends_with(expected) && row.starts_with("id=1 c="), "{version} {row}");
                assert!(!changed || row.contains(" a="), "{version} {row}");
                seen.push(row);
            }
            if !changed {
                stage.schema(&format!("ALTER TABLE {table} ADD a int"));
                changed = true;
            }
            match page.paging_state() {
                Some(next) => state = Some(next.clone()),
                None => break,
            }
        }
        assert_eq!(seen.len(), 40, "{version}: each row once");
        streams(&stage, &session, &table);
    }
}

/// The stream has fetched one page ahead when the columns change.
fn streams(stage: &Stage, session: &Session, table: &str) {
    let select = session.prepare(format!("SELECT * FROM {table} WHERE id = 1")).wait().unwrap();
    let mut pages = session.execute(&select, ()).page_size(5).blocking_pages();
    let mut rows = read(&pages.next().unwrap().unwrap());
    stage.schema(&format!("ALTER TABLE {table} DROP a"));
    for page in pages {
        rows.extend(read(&page.unwrap()));
    }
    assert_eq!(rows.len(), 40);
    assert!(rows.iter().all(|row| row.ends_with("m='m'")) && !rows[39].contains(" a="), "{rows:?}");
}

fn tables_made_anew_with_other_types(kind: Kind) {
    let stage = Stage::new(kind);
    for version in VERSIONS {
        let table = stage.name(&format!("t_{version}"));
        let create =
            |value: &str| stage.schema(&format!("CREATE TABLE {table} (id int PRIMARY KEY, v {value})"));
        create("int");
        let session = kind.connect(builder().protocol_version(version)).unwrap();
        let insert = session.prepare(format!("INSERT INTO {table} (id, v) VALUES (?, ?)")).wait().unwrap();
        let select = session.prepare(format!("SELECT * FROM {table}")).wait().unwrap();
        session.execute(&insert, (1, 1_078_530_011)).wait().unwrap();
        assert_eq!(read(&session.execute(&select, ()).wait().unwrap()), ["id=1 v=1078530011"]);
        stage.schema(&format!("DROP TABLE {table}"));
        for statement in [session.execute(&insert, (1, 1)), session.execute(&select, ())] {
            let error = statement.wait().unwrap_err();
            assert!(error.server_error().is_some() && error.to_string().contains("t_"), "{error}");
        }
        // As long as an int, so that the server would take the one for the other.
        create("float");
        let mut errors = 0;
        for _ in 0..9 {
            match session.execute(&insert, (1, 1_078_530_011)).wait() {
                Err(error @ (Error::Bind(_) | Error::Request(_))) => {
                    let text = error.to_string();
                    assert!(text.contains("changed") || text.contains("float"), "{text}");
                    errors += 1;
                }
                other => panic!("{version}: {other:?}"),
            }
        }
        assert_eq!(errors, 9);
        assert!(read(&session.execute(&select, ()).wait().unwrap()).is_empty());
        for _ in 0..7 {
            session.execute(&insert, (1, 0.5_f32)).wait().unwrap();
            assert_eq!(read(&session.execute(&select, ()).wait().unwrap()), ["id=1 v=0.5"]);
        }
    }
}

fn user_defined_types_grow(kind: Kind) {
    let stage = Stage::new(kind);
    for version in VERSIONS {
        let (table, name) = (stage.name(&format!("t_{version}")), stage.name(&format!("u_{version}")));
        stage.schema(&format!("CREATE TYPE {name} (a int, b text)"));
        stage.schema(&format!("CREATE TABLE {table} (id int PRIMARY KEY, u frozen<{name}>)"));
        let session = kind.connect(builder().protocol_version(version)).unwrap();
        session
            .query(format!("INSERT INTO {table} (id, u) VALUES (1, {{a: 1, b: 'b'}})"), ())
            .wait()
            .unwrap();
        let select = session.prepare(format!("SELECT * FROM {table} WHERE id = 1")).wait().unwrap();
        let insert = session.prepare(format!("INSERT INTO {table} (id, u) VALUES (2, ?)")).wait().unwrap();
        let read_first = || read(&session.execute(&select, ()).wait().unwrap());
        assert_eq!(read_first(), ["id=1 u={a: 1, b: 'b'}"]);
        let udt: CqlValue = {
            let response = session.execute(&select, ()).wait().unwrap();
            response.one::<(i32, CqlValue)>().unwrap().1
        };
        // The value has fewer fields than its type now.
        stage.schema(&format!("ALTER TYPE {name} ADD c int"));
        for _ in 0..7 {
            assert_eq!(read_first(), ["id=1 u={a: 1, b: 'b', ..}"], "{version}");
            // Values of the type as it was still go into it.
            session.execute(&insert, (&udt,)).wait().unwrap();
        }
        session.query(format!("DELETE FROM {table} WHERE id = 2"), ()).wait().unwrap();
        stage.schema(&format!("ALTER TYPE {name} RENAME a TO z"));
        for _ in 0..7 {
            assert_eq!(read_first(), ["id=1 u={z: 1, b: 'b', ..}"], "{version}");
        }
    }
}

fn conditional_statements_tell_their_own_columns(kind: Kind) {
    let stage = Stage::new(kind);
    for version in VERSIONS {
        let table = stage.name(&format!("t_{version}"));
        stage.schema(&format!("CREATE TABLE {table} (id int PRIMARY KEY, m text)"));
        let session = kind.connect(builder().protocol_version(version)).unwrap();
        let insert = session
            .prepare(format!("INSERT INTO {table} (id, m) VALUES (?, 'm') IF NOT EXISTS"))
            .wait()
            .unwrap();
        for id in 0..4 {
            assert_eq!(read(&session.execute(&insert, (id,)).wait().unwrap()), ["[applied]=true"]);
            let refused = session.execute(&insert, (id,)).wait().unwrap();
            assert_eq!(read(&refused), [format!("[applied]=false id={id} m='m'")], "{version}");
        }
        stage.schema(&format!("ALTER TABLE {table} ADD a int"));
        for id in 4..8 {
            assert_eq!(read(&session.execute(&insert, (id,)).wait().unwrap()), ["[applied]=true"]);
            let refused = session.execute(&insert, (id,)).wait().unwrap();
            assert_eq!(read(&refused), [format!("[applied]=false id={id} a=null m='m'")], "{version}");
        }
        assert!(insert.result_columns().is_empty());
    }
}
