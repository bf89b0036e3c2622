//! `execute_concurrent`: a window of requests.

use futures_util::StreamExt;
use helenus::{Error, Request, Response, Session, WhenFull};

use crate::common::{self, Kind, on_every_reactor, table, table_with, until};

on_every_reactor!(
    each_request_has_one_result,
    ordered_results,
    the_limit_holds,
    failing_requests_inside,
    nothing_but_failures,
    dropped_half_way,
    an_endless_iterator,
    an_iterator_that_blocks,
    as_a_stream_beside_other_work,
    in_a_session_that_is_full,
    two_at_once_in_one_thread,
);

fn inserts(session: &Session, count: i64) -> Vec<Request<Response>> {
    let insert = session.prepare("INSERT INTO ks.t (id, name) VALUES (?, ?)").wait().unwrap();
    (0..count).map(|id| session.execute(&insert, (id, id.to_string()))).collect()
}

fn each_request_has_one_result(kind: Kind) {
    let (_node, session) = table(kind, 3);
    for (round, limit) in [1, 2, 100, 1_000, 10_000].into_iter().enumerate() {
        let mut seen = vec![false; 1_000];
        for (number, result) in session.execute_concurrent(inserts(&session, 1_000), limit) {
            result.unwrap();
            assert!(!std::mem::replace(&mut seen[number], true), "{number} twice");
        }
        assert!(seen.into_iter().all(|seen| seen), "round {round}");
    }
    assert_eq!(common::count(&session), 1_000);
    assert_eq!(session.execute_concurrent(Vec::new(), 10).into_iter().count(), 0);
}

fn ordered_results(kind: Kind) {
    let (_node, session) = table(kind, 3);
    common::fill(&session, 1_000);
    let select = session.prepare("SELECT id FROM ks.t WHERE id = ?").wait().unwrap();
    for limit in [1, 64, 5_000] {
        let requests = (0..1_000_i64).map(|id| session.execute(&select, (id,)));
        let results = session.execute_concurrent(requests, limit).ordered();
        let ids: Vec<i64> =
            results.into_iter().map(|result| result.unwrap().one::<(i64,)>().unwrap().0).collect();
        assert!(ids.into_iter().eq(0..1_000), "limit {limit}");
    }
}

fn the_limit_holds(kind: Kind) {
    let (_node, session) = table(kind, 1);
    let requests = inserts(&session, 500);
    let mut most = 0;
    for (_, result) in session.execute_concurrent(requests, 7) {
        result.unwrap();
        most = most.max(session.metrics().in_flight);
    }
    assert!((1..=7).contains(&most), "{most}");
    assert!(session.metrics().counters.on_wire_max <= 7 * kind.shards() as u64);
    // No window at all would never end.
    assert_eq!(session.execute_concurrent(inserts(&session, 5), 0).into_iter().count(), 5);
}

fn failing_requests_inside(kind: Kind) {
    let (_node, session) = table(kind, 1);
    let insert = session.prepare("INSERT INTO ks.t (id, name) VALUES (?, ?)").wait().unwrap();
    let requests = (0..300_i64).map(|id| match id % 3 {
        0 => session.execute(&insert, (id, "fine")),
        1 => session.execute(&insert, ("never sent", "bad")),
        _ => session.query("SELECT * FROM ks.nothing", ()),
    });
    let mut results: Vec<_> = session.execute_concurrent(requests, 10).into_iter().collect();
    results.sort_by_key(|(number, _)| *number);
    assert_eq!(results.len(), 300);
    for (number, result) in results {
        match (number % 3, result) {
            (0, Ok(_)) | (1, Err(Error::Bind(_))) | (2, Err(Error::Server { .. })) => {}
            (_, other) => panic!("{number}: {other:?}"),
        }
    }
    assert_eq!(common::count(&session), 100);
}

fn nothing_but_failures(kind: Kind) {
    let (_node, session) = table(kind, 1);
    let insert = session.prepare("INSERT INTO ks.t (id, name) VALUES (?, ?)").wait().unwrap();
    let bad = || std::iter::repeat_with(|| session.execute(&insert, ("bad", "bad")));
    let results: Vec<_> = session.execute_concurrent(bad().take(1_000), 16).ordered().into_iter().collect();
    assert_eq!(results.len(), 1_000);
    assert!(results.iter().all(|result| matches!(result, Err(Error::Bind(_)))));
    assert_eq!(session.execute_concurrent(bad(), 16).into_iter().take(10).count(), 10);
}

fn dropped_half_way(kind: Kind) {
    let (_node, session) = table(kind, 1);
    let requests = inserts(&session, 10_000);
    let mut results = session.execute_concurrent(requests, 100).into_iter();
    for _ in 0..50 {
        results.next().unwrap().1.unwrap();
    }
    drop(results);
    until(&session, "all are settled", || session.metrics().in_flight == 0);
    let rows = common::count(&session);
    assert!((50..1_000).contains(&rows), "{rows} rows");
    session.query("SELECT id FROM ks.t WHERE id = 1", ()).wait().unwrap();
}

fn an_endless_iterator(kind: Kind) {
    let (_node, session) = table(kind, 1);
    let insert = session.prepare("INSERT INTO ks.t (id, name) VALUES (?, ?)").wait().unwrap();
    let requests = (0_i64..).map(|id| session.execute(&insert, (id, "x")));
    let results = session.execute_concurrent(requests, 32);
    assert_eq!(results.into_iter().take(500).filter(|(_, result)| result.is_ok()).count(), 500);
    until(&session, "all are settled", || session.metrics().in_flight == 0);
    // Beyond those that were taken: as many as may be in flight, and as many whose results nobody has read.
    let rows = common::count(&session);
    assert!((500..=500 + 2 * 32).contains(&rows), "{rows} rows");
}

/// A program reads with one request what it writes by many: on the thread that waits for them.
fn an_iterator_that_blocks(kind: Kind) {
    let (_node, session) = table(kind, 1);
    common::fill(&session, 50);
    let select = session.prepare("SELECT name FROM ks.t WHERE id = ?").wait().unwrap();
    let insert = session.prepare("INSERT INTO ks.t (id, name) VALUES (?, ?)").wait().unwrap();
    let copies = (0..50_i64).map(|id| match session.execute(&select, (id,)).wait() {
        Ok(row) => session.execute(&insert, (id + 100, row.one::<(&str,)>().unwrap().0)),
        // Where the waiting thread itself runs the machine, it can't wait twice.
        Err(Error::WouldDeadlock) => session.execute(&insert, (id + 100, "unread")),
        Err(error) => panic!("{error}"),
    });
    for (_, result) in session.execute_concurrent(copies, 4) {
        result.unwrap();
    }
    assert_eq!(common::count(&session), 100);
}

fn as_a_stream_beside_other_work(kind: Kind) {
    let (_node, session) = table(kind, 1);
    let requests = inserts(&session, 500);
    let both = async {
        let stream = session.execute_concurrent(requests, 20).map(|(_, result)| result.unwrap());
        let other = async {
            for _ in 0..20 {
                session.query("SELECT id FROM ks.t WHERE id = 1", ()).await.unwrap();
            }
        };
        futures_util::future::join(stream.count(), other).await.0
    };
    assert_eq!(session.block_on(both).unwrap(), 500);
}

fn in_a_session_that_is_full(kind: Kind) {
    for when_full in [WhenFull::Fail, WhenFull::Wait] {
        let (_node, session) =
            table_with(kind, 1, |builder| builder.in_flight_max(3, 1 << 20).when_full(when_full));
        // It holds itself back, whatever single requests do.
        for (_, result) in session.execute_concurrent(inserts(&session, 300), 50) {
            result.unwrap();
        }
        assert_eq!(common::count(&session), 300);
    }
}

fn two_at_once_in_one_thread(kind: Kind) {
    let (_node, session) = table_with(kind, 1, |builder| builder.in_flight_max(4, 1 << 20));
    let mut first = session.execute_concurrent(inserts(&session, 200), 4).into_iter();
    let mut second = session.execute_concurrent(inserts(&session, 200), 4).into_iter();
    let mut results = 0;
    loop {
        // The first fills the session, and the second must get its turn all the same.
        let (one, other) = (first.next(), second.next());
        results += usize::from(one.is_some()) + usize::from(other.is_some());
        one.into_iter().chain(other).for_each(|(_, result)| drop(result.unwrap()));
        if results == 400 {
            break;
        }
    }
    assert!(first.next().is_none() && second.next().is_none());
}
