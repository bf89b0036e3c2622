//! What each cell does: schema, all types, pages, batches, long rows, errors.

use helenus::value::{CqlValue, RawRow};
use helenus::{Batch, Error, Prepared, Response, Session};

use crate::cell::{Cell, Server};
use crate::common::Kind;

/// A column of each type, and a literal, which server and driver are to read alike.
const TYPES: [(&str, &str); 25] = [
    ("ascii", "'plain'"),
    ("bigint", "-9223372036854775808"),
    ("blob", "0x00ff10"),
    ("boolean", "true"),
    ("date", "'2026-11-21'"),
    ("decimal", "-12.345"),
    ("double", "-2.5e300"),
    ("duration", "1mo2d3h"),
    ("float", "0.5"),
    ("inet", "'2001:db8::1'"),
    ("int", "2147483647"),
    ("smallint", "-32768"),
    ("text", "'Ελένη''s'"),
    ("time", "'12:34:56.789'"),
    ("timestamp", "'2026-11-21 12:34:56.789+0000'"),
    ("timeuuid", "50554d6e-29bb-11e5-b345-feff819cdc9f"),
    ("tinyint", "-128"),
    ("uuid", "936da01f-9abd-4d9d-80c7-02af85c822a8"),
    ("varint", "-170141183460469231731687303715884105729"),
    ("list<int>", "[3, 1, 2]"),
    ("set<text>", "{'a', 'b'}"),
    ("map<text, frozen<list<bigint>>>", "{'x': [1, 2], 'y': [3]}"),
    ("tuple<int, text>", "(7, 'seven')"),
    ("vector<float, 3>", "[1.0, 2.0, 3.5]"),
    ("frozen<part>", "{name: 'bolt', sizes: {1, 2}}"),
];

/// Longer than several segments and TLS records.
const LONG: usize = 700_000;

pub(crate) fn run(kind: Kind, cell: Cell, server: &Server, keyspace: &str) {
    let session = kind.connect(cell.builder(server)).unwrap();
    assert_eq!((session.version(), session.compression()), (cell.version, cell.agreed()));
    assert_eq!(session.compression_fallback().is_some(), cell.compression != cell.agreed());
    let stage = Stage { session: &session, keyspace };
    stage.schema();
    stage.types();
    stage.pages();
    stage.batches();
    stage.long_rows(cell);
    stage.errors();
    stage.simple(&format!("DROP KEYSPACE {keyspace}"));
    let counters = session.metrics().counters;
    assert_eq!((counters.failures, counters.connections_closed), (0, 0), "{counters:?}");
    session.close().wait().unwrap();
}

struct Stage<'a> {
    session: &'a Session,
    keyspace: &'a str,
}

impl Stage<'_> {
    fn simple(&self, text: &str) -> Response {
        self.session.query(text, ()).wait().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn prepare(&self, text: &str) -> Prepared {
        self.session.prepare(text).wait().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn schema(&self) {
        let Self { keyspace, .. } = self;
        let strategy = "{'class': 'SimpleStrategy', 'replication_factor': 1}";
        self.simple(&format!("CREATE KEYSPACE {keyspace} WITH replication = {strategy}"));
        self.simple(&format!("CREATE TYPE {keyspace}.part (name text, sizes frozen<set<int>>)"));
        let columns: Vec<_> = TYPES.iter().enumerate().map(|(n, (name, _))| format!("c{n} {name}")).collect();
        self.simple(&format!("CREATE TABLE {keyspace}.types (id int PRIMARY KEY, {})", columns.join(", ")));
        self.simple(&format!("CREATE TABLE {keyspace}.rows (p int, c int, t text, PRIMARY KEY (p, c))"));
    }

    /// By literals as a simple statement, then what came back as the values of a prepared one.
    fn types(&self) {
        let Self { session, keyspace } = self;
        let names: Vec<_> = (0..TYPES.len()).map(|n| format!("c{n}")).collect();
        let (names, literals) = (names.join(", "), TYPES.map(|(_, literal)| literal).join(", "));
        self.simple(&format!("INSERT INTO {keyspace}.types (id, {names}) VALUES (1, {literals})"));
        let select = format!("SELECT {names} FROM {keyspace}.types WHERE id = ");
        let response = self.simple(&format!("{select}1"));
        let written = values(&response);
        for ((value, column), (name, literal)) in written.iter().zip(response.columns()).zip(TYPES) {
            assert_eq!(*value, CqlValue::parse(&column.column_type, literal).unwrap(), "{name}");
        }
        let marks = "?, ".repeat(TYPES.len());
        let insert = self.prepare(&format!("INSERT INTO {keyspace}.types (id, {names}) VALUES ({}?)", marks));
        let bound: Vec<_> = [CqlValue::Int(2)].into_iter().chain(written.clone()).collect();
        session.execute(&insert, &bound[..]).wait().unwrap();
        let select = self.prepare(&format!("{select}?"));
        for id in [1, 2] {
            assert_eq!(values(&session.execute(&select, (id,)).wait().unwrap()), written);
        }
        let nulls = [CqlValue::Int(3)].into_iter().chain(written.iter().map(|_| CqlValue::Null));
        session.execute(&insert, &nulls.collect::<Vec<_>>()[..]).wait().unwrap();
        assert!(values(&session.execute(&select, (3,)).wait().unwrap()).iter().all(CqlValue::is_null));
    }

    fn pages(&self) {
        let Self { session, keyspace } = self;
        let insert = self.prepare(&format!("INSERT INTO {keyspace}.rows (p, c, t) VALUES (0, ?, ?)"));
        let requests = (0..250).map(|c: i32| session.execute(&insert, (c, format!("row {c}"))));
        for (number, result) in session.execute_concurrent(requests, 50) {
            result.unwrap_or_else(|error| panic!("row {number}: {error}"));
        }
        let select = format!("SELECT c, t FROM {keyspace}.rows WHERE p = 0");
        let prepared = self.prepare(&select);
        let simple = session.query(&select, ()).page_size(40).blocking_iter::<(i32, String)>();
        let executed = session.execute(&prepared, ()).page_size(99).blocking_iter::<(i32, String)>();
        for rows in [simple, executed] {
            let rows: Vec<_> = rows.map(Result::unwrap).collect();
            assert!(rows.iter().enumerate().all(|(n, (c, t))| (*c, t) == (n as i32, &format!("row {n}"))));
            assert_eq!(rows.len(), 250);
        }
        let first = session.query(&select, ()).page_size(200).wait().unwrap();
        let state = first.paging_state().unwrap().clone();
        let rest = session.query(&select, ()).page(state).wait().unwrap();
        assert_eq!((first.row_count(), rest.row_count()), (200, 50));
    }

    fn batches(&self) {
        let Self { session, keyspace } = self;
        let insert = format!("INSERT INTO {keyspace}.rows (p, c, t) VALUES (?, ?, ?)");
        let prepared = self.prepare(&insert);
        for (p, mut batch) in [(1, Batch::logged()), (2, Batch::unlogged())] {
            for c in 0..10 {
                batch.push(&prepared, (p, c, "prepared"));
                batch.push(insert.as_str(), (p, c + 100, "simple"));
            }
            session.batch(&batch).wait().unwrap();
            let count = self.simple(&format!("SELECT count(*) FROM {keyspace}.rows WHERE p = {p}"));
            assert_eq!(count.one::<(i64,)>().unwrap().0, 20);
        }
    }

    /// Text that shrinks, and a body of a few segments.
    fn long_rows(&self, cell: Cell) {
        let Self { session, keyspace } = self;
        let before = session.metrics().counters;
        let text: String = (0..LONG).map(|i| char::from(b'a' + (i / 50 % 20 + i % 3) as u8)).collect();
        let insert = self.prepare(&format!("INSERT INTO {keyspace}.rows (p, c, t) VALUES (3, 0, ?)"));
        session.execute(&insert, (&text,)).wait().unwrap();
        self.simple(&format!("INSERT INTO {keyspace}.rows (p, c, t) VALUES (3, 1, '{text}')"));
        let select = format!("SELECT t FROM {keyspace}.rows WHERE p = 3");
        let rows = self.simple(&select);
        assert!(rows.rows::<(&str,)>().unwrap().all(|row| row.unwrap().0 == text));
        assert_eq!(rows.row_count(), 2);
        let after = session.metrics().counters;
        let sent = after.bytes_sent - before.bytes_sent;
        let received = after.bytes_received - before.bytes_received;
        let least = sent.min(received) as usize;
        match cell.agreed() {
            Some(_) => assert!(least < LONG, "{sent} bytes sent and {received} received, compressed"),
            None => assert!(least > 2 * LONG, "{sent} bytes sent and {received} received"),
        }
    }

    fn errors(&self) {
        let Self { session, keyspace } = self;
        for text in [format!("SELECT * FROM {keyspace}.nothing"), "SELEKT 1".to_owned()] {
            match session.query(&text, ()).wait() {
                Err(Error::Server { error, .. }) => assert!(!error.message.is_empty()),
                other => panic!("{text}: {other:?}"),
            }
            assert!(matches!(session.prepare(&text).wait(), Err(Error::Server { .. })));
        }
        // The connection goes on.
        self.simple("SELECT key FROM system.local");
    }
}

/// The one row's.
fn values(response: &Response) -> Vec<CqlValue> {
    let row = response.one::<RawRow<'_>>().unwrap();
    row.cells().map(|cell| cell.decode::<CqlValue>().unwrap()).collect()
}
