//! Callbacks: they run on the loop, submit from there, and can't harm it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use helenus::{Context, Error, Prepared};
use tokio::sync::oneshot;

use crate::common::{self, Kind, on_every_reactor, table, until};

on_every_reactor!(
    chains_ten_thousand_long,
    many_chains_at_once,
    a_panicking_callback_is_counted_and_harms_nobody,
    blocking_in_a_callback_is_an_error,
    iterators_in_a_callback_end_after_their_error,
    a_callback_of_a_session_that_is_dropped,
    the_last_clone_dropped_in_a_callback,
);

const INSERT: &str = "INSERT INTO ks.t (id, name) VALUES (?, ?)";

fn link(context: &Context, insert: Prepared, id: i64, end: i64, done: oneshot::Sender<i64>) {
    if id == end {
        return done.send(id).unwrap();
    }
    let request = context.session().execute(&insert, (id, "x"));
    request.on_complete(move |context, result| {
        result.unwrap();
        link(context, insert, id + 1, end, done);
    });
}

fn start(session: &helenus::Session, insert: &Prepared, first: i64, length: i64) -> oneshot::Receiver<i64> {
    let (done, ended) = oneshot::channel();
    let again = insert.clone();
    session.execute(insert, (first, "x")).on_complete(move |context, result| {
        result.unwrap();
        link(context, again, first + 1, first + length, done);
    });
    ended
}

fn chains_ten_thousand_long(kind: Kind) {
    let (_node, session) = table(kind, 1);
    let insert = session.prepare(INSERT).wait().unwrap();
    let ended = start(&session, &insert, 0, 10_000);
    assert_eq!(session.block_on(ended).unwrap().unwrap(), 10_000);
    assert_eq!(common::count(&session), 10_000);
}

fn many_chains_at_once(kind: Kind) {
    let (_node, session) = table(kind, 3);
    let insert = session.prepare(INSERT).wait().unwrap();
    let ends: Vec<_> = (0..200).map(|chain| start(&session, &insert, chain * 1_000, 50)).collect();
    for ended in ends {
        session.block_on(ended).unwrap().unwrap();
    }
    assert_eq!(common::count(&session), 10_000);
}

fn a_panicking_callback_is_counted_and_harms_nobody(kind: Kind) {
    let (_node, session) = table(kind, 1);
    let told = Arc::new(AtomicUsize::new(0));
    for number in 0..100_i64 {
        let told = told.clone();
        session.query(INSERT, (number, "x")).on_complete(move |_, result| {
            result.unwrap();
            told.fetch_add(1, Ordering::Relaxed);
            assert!(number % 10 != 0, "a panic on purpose");
        });
    }
    until(&session, "all are told", || told.load(Ordering::Relaxed) == 100);
    // The count is taken over in the turn after.
    until(&session, "panics are counted", || session.metrics().counters.callback_panics == 10);
    session.query("SELECT id FROM ks.t WHERE id = 1", ()).wait().unwrap();
}

fn iterators_in_a_callback_end_after_their_error(kind: Kind) {
    let (_node, session) = table(kind, 1);
    let (told, heard) = oneshot::channel();
    session.query("SELECT id FROM ks.t", ()).on_complete(move |context, _| {
        let session = context.session();
        let request = || session.query("SELECT id FROM ks.t", ());
        let counts = [
            session.execute_concurrent([request()], 1).into_iter().take(99).count(),
            session.execute_concurrent([request()], 1).ordered().into_iter().take(99).count(),
            request().blocking_iter::<(i64,)>().take(99).count(),
        ];
        told.send(counts).unwrap();
    });
    assert_eq!(session.block_on(heard).unwrap().unwrap(), [1, 1, 1]);
}

fn blocking_in_a_callback_is_an_error(kind: Kind) {
    let (_node, session) = table(kind, 1);
    let (told, heard) = oneshot::channel();
    session.query("SELECT id FROM ks.t", ()).on_complete(|context, result| {
        result.unwrap();
        let session = context.session();
        let request = || session.query("SELECT id FROM ks.t", ());
        let errors = [
            request().wait().map(drop).unwrap_err(),
            request().submit().wait().map(drop).unwrap_err(),
            request().blocking_iter::<(i64,)>().next().unwrap().map(drop).unwrap_err(),
            session.execute_concurrent([request()], 1).into_iter().next().unwrap().1.map(drop).unwrap_err(),
            session
                .execute_concurrent([request()], 1)
                .ordered()
                .into_iter()
                .next()
                .unwrap()
                .map(drop)
                .unwrap_err(),
            session.block_on(async {}).unwrap_err(),
            session.close().wait().unwrap_err(),
        ];
        told.send(errors).unwrap();
    });
    let errors = session.block_on(heard).unwrap().unwrap();
    for error in errors {
        assert!(matches!(error, Error::WouldDeadlock), "{error:?}");
        assert!(error.to_string().contains("await"), "{error}");
    }
    session.query("SELECT id FROM ks.t", ()).wait().unwrap();
}

/// What was asked for before the session was dropped is done; a session that only its callers drive does nothing then.
fn a_callback_of_a_session_that_is_dropped(kind: Kind) {
    let (node, session) = table(kind, 1);
    let (told, heard) = oneshot::channel();
    session.query(INSERT, (1_i64, "x")).on_complete(|_, result| drop(told.send(result.map(drop))));
    drop(session);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let heard = runtime.block_on(async { tokio::time::timeout(Duration::from_secs(10), heard).await });
    match heard {
        Ok(Ok(result)) if !kind.is_caller_driven() => result.unwrap(),
        Ok(Ok(Err(error))) => assert!(error.is_closed(), "{error}"),
        other => panic!("nobody was told: {other:?}"),
    }
    drop(node);
}

fn the_last_clone_dropped_in_a_callback(kind: Kind) {
    if kind.is_caller_driven() {
        // The caller that drives has a clone of its own.
        return;
    }
    let (_node, session) = table(kind, 1);
    let (told, heard) = oneshot::channel();
    let last = session.clone();
    session.query(INSERT, (1_i64, "x")).on_complete(move |_, result| {
        drop(last);
        told.send(result.map(drop)).unwrap();
    });
    drop(session);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime
        .block_on(async { tokio::time::timeout(Duration::from_secs(10), heard).await })
        .unwrap()
        .unwrap()
        .unwrap();
}
