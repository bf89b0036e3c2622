//! CQL over the wire: what is kept, what comes back, what is refused.

mod common;

use std::collections::BTreeSet;

use common::{Client, KEYSPACE, int, kv};
use helenus_core::protocol::request::{
    Batch, BatchQuery, BatchStatement, ParameterOptions, Parameters, Query, Request, Values,
};
use helenus_core::protocol::response::{Change, ResultMessage, SchemaTarget};
use helenus_core::protocol::wire::Value;
use helenus_core::protocol::{ErrorKind, Version};
use helenus_node::Node;

fn text(value: &str) -> Option<Vec<u8>> {
    Some(value.as_bytes().to_vec())
}

fn number(value: i32) -> Option<Vec<u8>> {
    Some(int(value).to_vec())
}

#[test]
fn what_is_inserted_is_selected() {
    for version in Version::ALL {
        let (_node, mut client) = kv(version);
        client.run("INSERT INTO kv (k, v) VALUES (1, 'one')");
        client.run("insert into ks.KV (K, V) values (2, 'it''s')");
        let rows = client.run("SELECT * FROM kv WHERE k = 2").rows();
        assert_eq!(rows, vec![vec![number(2), text("it's")]]);
        assert_eq!(
            client.run("SELECT v AS x, k FROM kv WHERE k = 1").rows(),
            vec![vec![text("one"), number(1)]]
        );
        assert_eq!(client.run("SELECT * FROM kv WHERE k = 3").rows(), Vec::<Vec<_>>::new());
        let keys = client.run("SELECT k FROM kv WHERE k IN (2, 1, 3, 1)").rows();
        assert_eq!(keys.into_iter().flatten().collect::<BTreeSet<_>>(), [number(1), number(2)].into());
        assert_eq!(
            client.run("SELECT count(*) FROM kv").rows(),
            vec![vec![Some(2i64.to_be_bytes().to_vec())]]
        );
        client.run("TRUNCATE kv");
        assert_eq!(
            client.run("SELECT count(*) FROM kv").rows(),
            vec![vec![Some(0i64.to_be_bytes().to_vec())]]
        );
    }
}

#[test]
fn an_insert_changes_the_columns_that_it_names() {
    let (_node, mut client) = kv(Version::V4);
    client.run("CREATE TABLE t (k int PRIMARY KEY, a int, b int)");
    client.run("INSERT INTO t (k, a, b) VALUES (1, 2, 3)");
    client.run("INSERT INTO t (k, a) VALUES (1, 4)");
    assert_eq!(client.run("SELECT * FROM t").rows(), vec![vec![number(1), number(4), number(3)]]);
    let insert = client.prepare("INSERT INTO t (k, a, b) VALUES (?, ?, ?)");
    let (one, five) = (int(1), int(5));
    client.execute(&insert, &[Value::Bytes(&one), Value::Unset, Value::Bytes(&five)]).result();
    assert_eq!(client.run("SELECT * FROM t").rows(), vec![vec![number(1), number(4), number(5)]]);
    client.execute(&insert, &[Value::Bytes(&one), Value::Null, Value::Unset]).result();
    assert_eq!(client.run("SELECT * FROM t").rows(), vec![vec![number(1), None, number(5)]]);
}

#[test]
fn clustering_columns_order_the_rows_of_a_partition() {
    let (_node, mut client) = kv(Version::V5);
    client.run(
        "CREATE TABLE c (a int, b text, c int, d text, v int, PRIMARY KEY ((a, b), c, d)) \
         WITH CLUSTERING ORDER BY (c DESC, d ASC) AND comment = 'x'",
    );
    for (c, d) in [(1, "b"), (-1, "z"), (2, ""), (1, "a"), (1, "aa")] {
        client.run(&format!("INSERT INTO c (a, b, c, d, v) VALUES (1, 'p', {c}, '{d}', {c})"));
    }
    client.run("INSERT INTO c (a, b, c, d, v) VALUES (1, 'q', 9, 'other', 9)");
    let rows = client.run("SELECT c, d FROM c WHERE a = 1 AND b = 'p'").rows();
    let expected = [(2, ""), (1, "a"), (1, "aa"), (1, "b"), (-1, "z")];
    assert_eq!(rows, expected.map(|(c, d)| vec![number(c), text(d)]).to_vec());
    let rows = client.run("SELECT d FROM c WHERE a = 1 AND b = 'p' AND c = 1").rows();
    assert_eq!(rows, ["a", "aa", "b"].map(|d| vec![text(d)]).to_vec());
    let rows = client.run("SELECT v, b, a FROM c WHERE b = 'p' AND a = 1 AND c = 1 AND d = 'aa'").rows();
    assert_eq!(rows, vec![vec![number(1), text("p"), number(1)]]);
    // Page by page, each row once and in the same order.
    let mut paged = Vec::new();
    let mut state = None;
    loop {
        let page = client.page("SELECT c, d FROM c WHERE a = 1 AND b = 'p'", 2, state.as_deref());
        paged.extend(page.rows());
        state = page.paging_state();
        if state.is_none() {
            break;
        }
    }
    assert_eq!(paged, expected.map(|(c, d)| vec![number(c), text(d)]).to_vec());
}

#[test]
fn each_type_round_trips() {
    let (_node, mut client) = kv(Version::V5);
    let columns = [
        ("ascii", "'abc'", b"abc".to_vec()),
        ("bigint", "-2", (-2i64).to_be_bytes().to_vec()),
        ("blob", "0x00ff", vec![0, 255]),
        ("boolean", "true", vec![1]),
        ("date", "'1970-01-02'", 0x8000_0001_u32.to_be_bytes().to_vec()),
        ("decimal", "1.25", vec![0, 0, 0, 2, 125]),
        ("double", "1.5", 1.5f64.to_be_bytes().to_vec()),
        ("duration", "1h30m", vec![0, 0, 0xfc, 0x09, 0xd2, 0x92, 0x29, 0xe0, 0x00]),
        ("float", "2", 2f32.to_be_bytes().to_vec()),
        ("inet", "'127.0.0.1'", vec![127, 0, 0, 1]),
        ("int", "-1", vec![255; 4]),
        ("smallint", "258", vec![1, 2]),
        ("text", "'ü'", "ü".as_bytes().to_vec()),
        ("time", "'00:00:01'", 1_000_000_000i64.to_be_bytes().to_vec()),
        ("timestamp", "'1970-01-01T00:00:01Z'", 1000i64.to_be_bytes().to_vec()),
        ("timeuuid", "50554d6e-29bb-11e5-b345-feff819cdc9f", {
            let mut bytes = vec![0x50, 0x55, 0x4d, 0x6e, 0x29, 0xbb, 0x11, 0xe5, 0xb3, 0x45];
            bytes.extend([0xfe, 0xff, 0x81, 0x9c, 0xdc, 0x9f]);
            bytes
        }),
        ("tinyint", "-128", vec![0x80]),
        ("uuid", "00000000-0000-0000-0000-000000000001", [vec![0; 15], vec![1]].concat()),
        ("varchar", "$$a'b$$", b"a'b".to_vec()),
        ("varint", "256", vec![1, 0]),
        ("list<int>", "[1, 1]", vec![0, 0, 0, 2, 0, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 1]),
        ("set<text>", "{'b', 'a', 'b'}", vec![0, 0, 0, 2, 0, 0, 0, 1, b'a', 0, 0, 0, 1, b'b']),
        ("map<tinyint, boolean>", "{2: true}", vec![0, 0, 0, 1, 0, 0, 0, 1, 2, 0, 0, 0, 1, 1]),
        ("tuple<tinyint, text>", "(7, null)", vec![0, 0, 0, 1, 7, 255, 255, 255, 255]),
    ];
    for (at, (name, literal, bytes)) in columns.into_iter().enumerate() {
        client.run(&format!("CREATE TABLE t{at} (k int PRIMARY KEY, v {name})"));
        client.run(&format!("INSERT INTO t{at} (k, v) VALUES (1, {literal})"));
        let insert = client.prepare(&format!("INSERT INTO t{at} (k, v) VALUES (2, ?)"));
        assert_eq!(client.execute(&insert, &[Value::Bytes(&bytes)]).result(), ResultMessage::Void, "{name}");
        for key in [1, 2] {
            let rows = client.run(&format!("SELECT v FROM t{at} WHERE k = {key}")).rows();
            assert_eq!(rows, vec![vec![Some(bytes.clone())]], "{name} {key}");
        }
    }
}

#[test]
fn prepared_statements_tell_their_markers() {
    for version in Version::ALL {
        let (_node, mut client) = kv(version);
        client.run("CREATE TABLE c (a int, b text, c int, v int, PRIMARY KEY ((a, b), c))");
        let insert = client.prepare("INSERT INTO c (v, b, c, a) VALUES (?, :second, ?, ?)");
        assert_eq!(insert.markers, ["v", "second", "c", "a"]);
        if version > Version::V3 {
            assert_eq!(insert.pk_indexes, [3, 1]);
        }
        assert_eq!(insert.columns, 0);
        let numbers = [int(1), int(2), int(3)];
        let [v, c, a] = numbers.each_ref().map(|bytes| Value::Bytes(bytes));
        client.execute(&insert, &[v, Value::Bytes(b"x"), c, a]).result();
        let select = client.prepare("SELECT v FROM c WHERE a = ? AND b = ? LIMIT ?");
        assert_eq!(select.markers, ["a", "b", "[limit]"]);
        assert_eq!(select.columns, 1);
        assert_eq!(client.execute(&select, &[a, Value::Bytes(b"x"), v]).rows(), vec![vec![number(1)]]);
        // One that binds only a part of the key has no routing key.
        let partial = client.prepare("SELECT v FROM c WHERE a = 1 AND b = ?");
        assert_eq!(partial.pk_indexes, Vec::<u16>::new());
    }
}

#[test]
fn metadata_is_left_out_if_the_client_has_it() {
    for version in Version::ALL {
        let (_node, mut client) = kv(version);
        client.run("INSERT INTO kv (k, v) VALUES (1, 'one')");
        let mut select = client.prepare("SELECT v FROM kv WHERE k = ?");
        let key = int(1);
        let skip = ParameterOptions { skip_metadata: true, ..ParameterOptions::default() };
        let answer = client.execute_with(&select, &[Value::Bytes(&key)], skip);
        let ResultMessage::Rows(rows) = answer.result() else { panic!() };
        assert_eq!((rows.metadata.columns, rows.metadata.column_count), (None, 1));
        assert_eq!(answer.rows(), vec![vec![text("one")]]);
        if version < Version::V5 {
            continue;
        }
        // Whoever knows other columns is told the new ones, asked for or not.
        let right = select.result_metadata_id.replace(vec![1; 16]);
        let answer = client.execute_with(&select, &[Value::Bytes(&key)], skip);
        let ResultMessage::Rows(rows) = answer.result() else { panic!() };
        assert_eq!(rows.metadata.new_metadata_id.map(<[u8]>::to_vec), right);
        assert_eq!(rows.metadata.columns.unwrap()[0].name.as_ref(), "v");
    }
}

#[test]
fn named_values_find_their_markers() {
    let (_node, mut client) = kv(Version::V4);
    let mut bytes = Vec::new();
    for (name, value) in [("val", &b"x"[..]), ("key", &int(5))] {
        helenus_core::protocol::wire::put_string(&mut bytes, name).unwrap();
        helenus_core::protocol::wire::put_bytes(&mut bytes, Some(value)).unwrap();
    }
    let ask = |text| {
        let parameters =
            Parameters { values: Values::named(2, &bytes), options: ParameterOptions::default() };
        Request::Query(Query { text, parameters })
    };
    client.ask(&ask("INSERT INTO kv (k, v) VALUES (:key, :val)")).result();
    assert_eq!(client.run("SELECT * FROM kv").rows(), vec![vec![number(5), text("x")]]);
    // One that isn't asked for is ignored, one that is missing isn't.
    let error = client.ask(&ask("INSERT INTO kv (k, v) VALUES (:key, :other)")).error();
    assert_eq!(error.kind, ErrorKind::Invalid);
}

#[test]
fn ten_thousand_rows_page_by_page() {
    for version in Version::ALL {
        let (_node, mut client) = kv(version);
        let insert = client.prepare("INSERT INTO kv (k, v) VALUES (?, 'v')");
        for key in 0..10_000 {
            client.execute(&insert, &[Value::Bytes(&int(key))]).result();
        }
        let mut keys = Vec::new();
        let mut state = None;
        let mut pages = 0;
        loop {
            let page = client.page("SELECT k FROM kv", 333, state.as_deref());
            let rows = page.rows();
            assert!(rows.len() <= 333);
            keys.extend(rows.into_iter().flatten());
            pages += 1;
            state = page.paging_state();
            if state.is_none() {
                break;
            }
        }
        assert_eq!(pages, 31);
        assert_eq!(keys.len(), 10_000);
        assert_eq!(keys.into_iter().collect::<BTreeSet<_>>(), (0..10_000).map(number).collect());
        // A limit ends the paging.
        let page = client.page("SELECT k FROM kv LIMIT 10", 7, None);
        let rest = client.page("SELECT k FROM kv LIMIT 10", 7, page.paging_state().as_deref());
        assert_eq!((page.rows().len(), rest.rows().len(), rest.paging_state()), (7, 3, None));
    }
}

#[test]
fn a_foreign_paging_state_is_refused() {
    let (_node, mut client) = kv(Version::V4);
    client.run("CREATE TABLE other (k int PRIMARY KEY)");
    for key in 0..10 {
        client.run(&format!("INSERT INTO kv (k, v) VALUES ({key}, 'v')"));
    }
    let state = client.page("SELECT k FROM kv", 3, None).paging_state().unwrap();
    let error = client.page("SELECT k FROM other", 3, Some(&state)).error();
    assert_eq!((error.kind, &*error.message), (ErrorKind::Protocol, "Invalid value for the paging state"));
    let error = client.page("SELECT k FROM kv", 3, Some(b"made up")).error();
    assert_eq!(error.kind, ErrorKind::Protocol);
    // One whose row lies behind the range that is asked for finds nothing there, and does no harm.
    let token = "SELECT k FROM kv WHERE token(k) < -9223372036854775807";
    assert_eq!(client.page(token, 3, Some(&state)).rows().len(), 0);
}

#[test]
fn token_ranges_cover_the_ring_exactly() {
    let (_node, mut client) = kv(Version::V5);
    let insert = client.prepare("INSERT INTO kv (k, v) VALUES (?, 'v')");
    for key in 0..3_000 {
        client.execute(&insert, &[Value::Bytes(&int(key))]).result();
    }
    let range = client.prepare("SELECT k, token(k) FROM kv WHERE token(k) > ? AND token(k) <= ?");
    assert_eq!(range.markers, ["partition key token", "partition key token"]);
    let mut seen = Vec::new();
    let slices = 48i128;
    let edge = |slice: i128| ((1i128 << 64) * slice / slices - (1i128 << 63)).min(i64::MAX.into()) as i64;
    for slice in 0..slices {
        let (from, to) = (edge(slice), edge(slice + 1));
        let edges = [from.to_be_bytes(), to.to_be_bytes()];
        let rows = client.execute(&range, &[Value::Bytes(&edges[0]), Value::Bytes(&edges[1])]).rows();
        for row in rows {
            let token = i64::from_be_bytes(row[1].as_deref().unwrap().try_into().unwrap());
            assert!(from < token && token <= to);
            seen.push((token, row[0].clone()));
        }
    }
    assert_eq!(seen.len(), 3_000);
    assert!(seen.is_sorted());
    assert_eq!(seen.iter().map(|(_, key)| key.clone()).collect::<BTreeSet<_>>().len(), 3_000);
    // The edges themselves: a row's own token, from both sides.
    let token = seen[17].0;
    for (condition, count) in [
        (format!("token(k) = {token}"), 1),
        (format!("token(k) >= {token} AND token(k) <= {token}"), 1),
        (format!("token(k) > {token} AND token(k) <= {token}"), 0),
        (format!("token(k) >= {token} AND token(k) < {token}"), 0),
        (format!("token(k) < {token}"), 17),
        (format!("token(k) > {token}"), 3_000 - 18),
        ("token(k) > 5 AND token(k) < -5".into(), 0),
        ("token(k) > -9223372036854775808 AND token(k) <= -9223372036854775808".into(), 3_000),
        ("token(k) > 9223372036854775807".into(), 0),
    ] {
        let rows = client.run(&format!("SELECT k FROM kv WHERE {condition}")).rows();
        assert_eq!(rows.len(), count, "{condition}");
    }
}

#[test]
fn batches_write_all_or_nothing() {
    for version in Version::ALL {
        let (_node, mut client) = kv(version);
        let insert = client.prepare("INSERT INTO kv (k, v) VALUES (?, ?)");
        let values = |key: i32, value: &str| {
            common::encode_values(&[Value::Bytes(&int(key)), Value::Bytes(value.as_bytes())])
        };
        let (one, bad) = (values(1, "one"), common::encode_values(&[Value::Null, Value::Null]));
        let prepared =
            |bytes| BatchStatement { query: BatchQuery::Prepared(&insert.id), values: Values::new(2, bytes) };
        let simple = BatchStatement {
            query: BatchQuery::Text("INSERT INTO kv (k, v) VALUES (2, 'two')"),
            values: Values::NONE,
        };
        let good = Batch { statements: vec![prepared(&one), simple], ..Batch::default() };
        assert_eq!(client.ask(&Request::Batch(good)).result(), ResultMessage::Void);
        assert_eq!(client.run("SELECT k FROM kv").rows().len(), 2);
        let mixed = Batch { statements: vec![simple, prepared(&bad)], ..Batch::default() };
        client.run("TRUNCATE kv");
        assert_eq!(client.ask(&Request::Batch(mixed)).error().kind, ErrorKind::Invalid);
        assert_eq!(client.run("SELECT k FROM kv").rows().len(), 0);
        client.run(
            "BEGIN UNLOGGED BATCH INSERT INTO kv (k, v) VALUES (3, 'x'); INSERT INTO kv (k, v) VALUES (4, 'x') \
             APPLY BATCH;",
        );
        assert_eq!(client.run("SELECT k FROM kv").rows().len(), 2);
    }
}

#[test]
fn the_schema_is_changed_and_told() {
    let (_node, mut client) = kv(Version::V4);
    let answer = client.run("CREATE TABLE IF NOT EXISTS a (k int PRIMARY KEY)");
    let ResultMessage::SchemaChange(change) = answer.result() else { panic!("{:?}", answer.result()) };
    assert_eq!(change.change, Change::Created);
    assert_eq!(change.target, SchemaTarget::Table { keyspace: "ks", name: "a" });
    let answer = client.run("CREATE TABLE IF NOT EXISTS a (k int PRIMARY KEY)");
    assert_eq!(answer.result(), ResultMessage::Void);
    let error = client.query("CREATE TABLE a (k int PRIMARY KEY)").error();
    assert_eq!(error.kind, ErrorKind::AlreadyExists { keyspace: "ks".into(), table: "a".into() });
    assert_eq!(
        client.query(KEYSPACE).error().kind,
        ErrorKind::AlreadyExists { keyspace: "ks".into(), table: "".into() }
    );
    let version = client.run("SELECT schema_version FROM system.local").rows();
    client.run("DROP TABLE a");
    assert_ne!(client.run("SELECT schema_version FROM system.local").rows(), version);
    assert_eq!(client.query("SELECT * FROM a").error().kind, ErrorKind::Invalid);
    let answer = client.run("DROP KEYSPACE ks");
    let ResultMessage::SchemaChange(change) = answer.result() else { panic!("{:?}", answer.result()) };
    assert_eq!((change.change, change.target), (Change::Dropped, SchemaTarget::Keyspace { keyspace: "ks" }));
    assert_eq!(client.run("DROP KEYSPACE IF EXISTS ks").result(), ResultMessage::Void);
    assert_eq!(client.query("USE ks").error().kind, ErrorKind::Invalid);
}

#[test]
fn a_table_made_anew_has_new_statements() {
    let (_node, mut client) = kv(Version::V5);
    let select = client.prepare("SELECT * FROM kv");
    client.run("CREATE TABLE unrelated (k int PRIMARY KEY)");
    client.execute(&select, &[]).result();
    client.run("DROP TABLE kv");
    client.run("CREATE TABLE kv (k bigint PRIMARY KEY)");
    let error = client.execute(&select, &[]).error();
    assert_eq!(error.kind, ErrorKind::Unprepared { id: select.id.clone().into() });
    let again = client.prepare("SELECT * FROM kv");
    assert_eq!((again.id, again.columns), (select.id, 1));
}

#[test]
fn what_it_has_not_is_refused_by_name() {
    let (_node, mut client) = kv(Version::V4);
    for (statement, kind, part) in [
        ("SELECT * FROM kv; SELECT * FROM kv", ErrorKind::Syntax, "end of the statement"),
        ("", ErrorKind::Syntax, "statement"),
        ("SELEC * FROM kv", ErrorKind::Syntax, "line 1:0"),
        ("DESCRIBE kv", ErrorKind::Invalid, "DESCRIBE"),
        (
            "CREATE KEYSPACE system WITH replication = {'class': 'SimpleStrategy'}",
            ErrorKind::Unauthorized,
            "system",
        ),
        ("GRANT ALL ON kv TO x", ErrorKind::Invalid, "GRANT"),
    ] {
        let error = client.query(statement).error();
        assert_eq!(error.kind, kind, "{statement}: {error}");
        assert!(error.message.contains(part), "{statement}: {error}");
    }
    let insert = client.prepare("INSERT INTO kv (k, v) VALUES (?, ?)");
    let error = client.execute(&insert, &[Value::Bytes(&[1, 2, 3]), Value::Null]).error();
    assert!(error.message.contains("Invalid value for k (int)"), "{error}");
    let error = client.execute(&insert, &[Value::Null]).error();
    assert!(error.message.contains("2 markers"), "{error}");
}

#[test]
fn a_full_store_refuses_writes_and_says_so() {
    let node = Node::builder().memory_limit_bytes(1 << 20).start().unwrap();
    let mut client = Client::connect(node.addresses()[0], Version::V4);
    client.run(KEYSPACE);
    client.run("CREATE TABLE ks.t (k int PRIMARY KEY, v blob)");
    let insert = client.prepare("INSERT INTO ks.t (k, v) VALUES (?, ?)");
    let value = vec![0; 10_000];
    let stored = (0..1000).find_map(|key| {
        let answer = client.execute(&insert, &[Value::Bytes(&int(key)), Value::Bytes(&value)]);
        (answer.header.opcode == 0).then(|| (key, answer.error()))
    });
    let (stored, error) = stored.expect("the cap is reached");
    assert!((90..=110).contains(&stored), "{stored}");
    assert_eq!(error.kind, ErrorKind::Overloaded);
    assert!(error.message.contains("the node keeps all in memory and its cap of 1 MB is reached"), "{error}");
    assert_eq!(client.run("SELECT k FROM ks.t").rows().len(), stored as usize);
    client.run("TRUNCATE ks.t");
    client.execute(&insert, &[Value::Bytes(&int(1)), Value::Bytes(&value)]).result();
}
