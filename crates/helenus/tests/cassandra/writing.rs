//! Many rows, written and found again.

use futures_util::StreamExt;
use helenus::{Context, ErrorKind, Prepared, Version};
use tokio::sync::oneshot;

use crate::cluster::{Stage, builder};
use crate::common::Kind;
use crate::on_real_cassandra;

on_real_cassandra!(a_hundred_thousand_rows, pages_of_ten_thousand_rows, a_chain_of_ten_thousand_callbacks);

fn table(kind: Kind) -> (Stage, Prepared) {
    let stage = Stage::new(kind);
    stage.schema(&format!("CREATE TABLE {} (id bigint PRIMARY KEY, name text)", stage.name("t")));
    let insert =
        stage.prepare(format!("INSERT INTO {} (id, name) VALUES (?, ?)", stage.name("t"))).wait().unwrap();
    (stage, insert)
}

/// Counts by token ranges, each small enough for the server to count in time.
fn count(stage: &Stage) -> i64 {
    const RANGES: i128 = 32;
    let text = format!("SELECT count(*) FROM {} WHERE token(id) > ? AND token(id) <= ?", stage.name("t"));
    let select = stage.prepare(text).wait().unwrap();
    let bound = |i: i128| (i128::from(i64::MIN) + ((1 << 64) - 1) * i / RANGES) as i64;
    let ranges = (0..RANGES).map(|i| stage.execute(&select, (bound(i), bound(i + 1))).idempotent(true));
    stage
        .execute_concurrent(ranges, 4)
        .into_iter()
        .map(|(_, count)| count.unwrap().one::<(i64,)>().unwrap().0)
        .sum()
}

fn a_hundred_thousand_rows(kind: Kind) {
    let (stage, insert) = table(kind);
    let mut left: Vec<i64> = (0..100_000).collect();
    // A small machine's cluster is late with some, which the server says and the program repeats.
    for _round in 0..5 {
        let ids = std::mem::take(&mut left);
        let requests = ids.iter().map(|id| stage.execute(&insert, (*id, id.to_string())).idempotent(true));
        for (number, result) in stage.execute_concurrent(requests, 128) {
            match result.map_err(|error| error.server_error().map(|error| error.kind.clone()).ok_or(error)) {
                Ok(_) => {}
                Err(Ok(ErrorKind::WriteTimeout { .. } | ErrorKind::Overloaded)) => left.push(ids[number]),
                Err(error) => panic!("insert {}: {error:?}", ids[number]),
            }
        }
    }
    assert!(left.is_empty(), "{} rows could not be written", left.len());
    assert_eq!(count(&stage), 100_000);
    assert_eq!(stage.metrics().counters.failures, 0);
}

fn pages_of_ten_thousand_rows(kind: Kind) {
    let (stage, insert) = table(kind);
    let requests = (0..10_000_i64).map(|id| stage.execute(&insert, (id, id.to_string())));
    stage.execute_concurrent(requests, 256).into_iter().for_each(|(_, result)| drop(result.unwrap()));
    let select = format!("SELECT id, name FROM {}", stage.name("t"));
    for version in [Version::V3, Version::V4, Version::V5] {
        let session = kind.connect(builder().protocol_version(version)).unwrap();
        let prepared = session.prepare(select.as_str()).wait().unwrap();
        for page_size in [97, 5_000, 20_000] {
            let mut ids: Vec<i64> = session
                .query(&select, ())
                .page_size(page_size)
                .blocking_iter::<(i64, String)>()
                .map(|row| row.map(|(id, name)| (assert_eq!(name, id.to_string()), id).1).unwrap())
                .collect();
            ids.sort_unstable();
            assert!(ids.into_iter().eq(0..10_000), "{version}, pages of {page_size}");
            let rows = session.execute(&prepared, ()).page_size(page_size).stream::<(i64, String)>();
            let sum = rows.fold(0, |sum, row| async move { sum + row.unwrap().0 });
            assert_eq!(session.block_on(sum).unwrap(), 10_000 * 9_999 / 2, "{version}, pages of {page_size}");
        }
    }
}

fn link(context: &Context, insert: Prepared, id: i64, done: oneshot::Sender<()>) {
    if id == 10_000 {
        return done.send(()).unwrap();
    }
    context.session().execute(&insert, (id, "x")).on_complete(move |context, result| {
        result.unwrap();
        link(context, insert, id + 1, done);
    });
}

fn a_chain_of_ten_thousand_callbacks(kind: Kind) {
    let (stage, insert) = table(kind);
    let (done, ended) = oneshot::channel();
    let first = stage.execute(&insert, (0_i64, "x"));
    first.on_complete(move |context, result| {
        result.unwrap();
        link(context, insert, 1, done);
    });
    stage.block_on(ended).unwrap().unwrap();
    assert_eq!(count(&stage), 10_000);
}
