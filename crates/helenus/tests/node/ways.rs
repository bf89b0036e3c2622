//! The four ways of using a request, on any executor; dropping and detaching.

use std::future::IntoFuture;
use std::thread;

use futures_util::future::join_all;
use helenus::Response;
use helenus_core::protocol::response::{Message, ResultMessage};

use crate::common::{self, Kind, foreign_block_on, on_every_reactor, scripted, table, until};

on_every_reactor!(
    waited_for,
    awaited,
    awaited_on_foreign_executors,
    submitted_and_polled_later,
    given_a_callback,
    dropping_cancels,
    a_cancelled_requests_answer_reaches_nobody_else,
    detached_requests_go_on,
    inert_until_used,
);

const INSERT: &str = "INSERT INTO ks.t (id, name) VALUES (?, ?)";
const SELECT: &str = "SELECT name FROM ks.t WHERE id = ?";

fn name_of(response: &Response) -> String {
    response.one::<(String,)>().unwrap().0
}

fn waited_for(kind: Kind) {
    let (_node, session) = table(kind, 1);
    session.query(INSERT, (1_i64, "one")).wait().unwrap();
    assert_eq!(name_of(&session.query(SELECT, (1_i64,)).wait().unwrap()), "one");
}

fn awaited(kind: Kind) {
    let (_node, session) = table(kind, 1);
    let name = session.block_on(async {
        let insert = session.prepare(INSERT).await.unwrap();
        session.execute(&insert, (1_i64, "one")).await.unwrap();
        let select = session.prepare(SELECT).await.unwrap();
        name_of(&session.execute(&select, (1_i64,)).await.unwrap())
    });
    assert_eq!(name.unwrap(), "one");
}

fn awaited_on_foreign_executors(kind: Kind) {
    let (_node, session) = table(kind, 1);
    common::fill(&session, 100);
    let work = |session: helenus::Session| async move {
        let all = (0..100_i64).map(|id| session.query(SELECT, (id,)).into_future());
        let names = join_all(all).await.into_iter().map(|response| name_of(&response.unwrap()));
        assert!(names.eq((0..100).map(|id: i64| id.to_string())));
    };
    // Somebody has to drive a session that has no thread of its own, whoever polls the requests.
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let driver = kind.is_caller_driven().then(|| {
        let session = session.clone();
        thread::spawn(move || drop(session.block_on(stopped)))
    });

    foreign_block_on(work(session.clone()));
    let own = session.clone();
    thread::spawn(move || foreign_block_on(work(own))).join().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async { tokio::spawn(work(session.clone())).await.unwrap() });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async { tokio::spawn(work(session.clone())).await.unwrap() });

    drop(stop);
    if let Some(driver) = driver {
        driver.join().unwrap();
    }
}

fn submitted_and_polled_later(kind: Kind) {
    let (_node, session) = table(kind, 1);
    let pending: Vec<_> = (0..50_i64).map(|id| session.query(INSERT, (id, "x")).submit()).collect();
    for pending in pending {
        pending.wait().unwrap();
    }
    assert_eq!(common::count(&session), 50);
    let two = (session.query(SELECT, (1_i64,)).submit(), session.query(SELECT, (99_i64,)).submit());
    let (one, none) = session.block_on(async { (two.0.await.unwrap(), two.1.await.unwrap()) }).unwrap();
    assert_eq!((name_of(&one).as_str(), none.row_count()), ("x", 0));
}

fn given_a_callback(kind: Kind) {
    let (_node, session) = table(kind, 1);
    let (told, heard) = tokio::sync::oneshot::channel();
    session.query(INSERT, (1_i64, "one")).on_complete(|context, result| {
        result.unwrap();
        context.session().query(SELECT, (1_i64,)).on_complete(|_, result| {
            told.send(name_of(&result.unwrap())).unwrap();
        });
    });
    assert_eq!(session.block_on(heard).unwrap().unwrap(), "one");
}

fn dropping_cancels(kind: Kind) {
    let (_node, session) = table(kind, 1);
    let before = session.metrics().counters;
    for id in 0..100_i64 {
        drop(session.query(INSERT, (id, "x")).submit());
    }
    until(&session, "all are settled", || session.metrics().in_flight == 0);
    let after = session.metrics().counters;
    let (cancelled, answered) = (after.cancelled - before.cancelled, after.answers - before.answers);
    assert_eq!(cancelled + answered, 100, "{after:?}");
    assert!(cancelled > 0);
    // The ids are free again.
    until(&session, "no orphan is left", || session.metrics().counters.on_wire == 0);
}

fn a_cancelled_requests_answer_reaches_nobody_else(kind: Kind) {
    let (came, mut coming) = tokio::sync::mpsc::unbounded_channel();
    let address = scripted::serve(move |_, mut peer| {
        if peer.handshake().is_none() {
            return;
        }
        // Answers the second request before the first.
        let Some(first) = peer.request() else { return };
        came.send(()).unwrap();
        let Some(second) = peer.request() else { return };
        assert_ne!(first.stream(), second.stream());
        assert_eq!((first.text().as_str(), second.text().as_str()), ("first", "second"));
        peer.void(second.stream());
        peer.message(first.stream(), Message::Result(ResultMessage::SetKeyspace { keyspace: "first" }));
        peer.be_good();
    });
    // On one shard, so that both go through one connection.
    let kind = if kind == Kind::MioThreads { Kind::MioThread } else { kind };
    let session = kind.connect(helenus::Session::builder().contact_point(address.to_string())).unwrap();
    let first = session.query("first", ()).submit();
    session.block_on(coming.recv()).unwrap();
    drop(first);
    session.query("second", ()).wait().unwrap();
    for _ in 0..10 {
        session.query("another", ()).wait().unwrap();
    }
    let counters = session.metrics().counters;
    assert_eq!((counters.cancelled, counters.orphans, counters.on_wire), (1, 0, 0), "{counters:?}");
}

fn detached_requests_go_on(kind: Kind) {
    let (_node, session) = table(kind, 1);
    for id in 0..100_i64 {
        session.query(INSERT, (id, "x")).submit().detach().unwrap();
    }
    session.query(INSERT, (100_i64, "x")).into_future().detach().unwrap();
    session.query("USE ks", ()).submit().detach().unwrap_err();
    until(&session, "all are done", || session.metrics().in_flight == 0);
    assert_eq!(common::count(&session), 101);
    assert_eq!(session.metrics().counters.cancelled, 0);
}

fn inert_until_used(kind: Kind) {
    let (_node, session) = table(kind, 1);
    let before = session.metrics().counters.requests_sent;
    drop(session.query(INSERT, (1_i64, "one")));
    drop(session.query(INSERT, (2_i64, "two")).into_future());
    drop(session.query("SELECT id FROM ks.t", ()).stream::<(i64,)>());
    drop(session.execute_concurrent((0..9_i64).map(|id| session.query(INSERT, (id, "x"))), 4));
    common::sleep(&session, std::time::Duration::from_millis(20));
    assert_eq!(session.metrics().counters.requests_sent, before);
    assert_eq!(common::count(&session), 0);
}
