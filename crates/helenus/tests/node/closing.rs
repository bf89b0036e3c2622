//! The end of a session, by its own wish or not.

use std::time::{Duration, Instant};

use helenus::{ClosedBecause, ConnectError, Error, Fate, Pending, RequestError, Response, Session};
use helenus_reactor_async_std::AsyncStd;
use helenus_reactor_smol::Smol;
use helenus_reactor_tokio::Tokio;
use tokio::sync::oneshot;

use crate::common::{self, Kind, on_every_reactor, scripted, table};

on_every_reactor!(
    close_lets_pending_requests_finish,
    close_gives_up_after_the_drain,
    close_twice_and_from_many_threads,
    a_session_dropped_with_pending_requests,
    closing_wakes_those_who_wait_for_room,
);

const INSERT: &str = "INSERT INTO ks.t (id, name) VALUES (?, ?)";

fn because(error: &Error) -> ClosedBecause {
    match error {
        Error::Request(RequestError::Closed { because, .. }) => *because,
        other => panic!("{other:?}"),
    }
}

fn close_lets_pending_requests_finish(kind: Kind) {
    let (node, session) = table(kind, 1);
    let pending: Vec<_> = (0..500_i64).map(|id| session.query(INSERT, (id, "x")).submit()).collect();
    let (told, heard) = oneshot::channel();
    session.query(INSERT, (500_i64, "x")).on_complete(|_, result| told.send(result.map(drop)).unwrap());
    session.close().wait().unwrap();
    let start = Instant::now();
    for pending in pending {
        pending.wait().unwrap();
    }
    heard.blocking_recv().unwrap().unwrap();

    for error in [
        session.query(INSERT, (1_i64, "x")).wait().unwrap_err(),
        session.query(INSERT, (1_i64, "x")).submit().wait().unwrap_err(),
        session.prepare(INSERT).wait().map(drop).unwrap_err(),
    ] {
        assert!(error.is_closed() && error.fate() == Fate::NeverSent, "{error}");
        assert_eq!(because(&error), ClosedBecause::SessionClosed);
    }
    let (told, heard) = oneshot::channel();
    session.query(INSERT, (1_i64, "x")).on_complete(|_, result| told.send(result.map(drop)).unwrap());
    assert!(heard.blocking_recv().unwrap().unwrap_err().is_closed());
    let results = session.execute_concurrent((0..10_i64).map(|id| session.query(INSERT, (id, "x"))), 3);
    assert_eq!(
        results.into_iter().filter(|(_, result)| result.as_ref().is_err_and(Error::is_closed)).count(),
        10
    );
    assert!(
        session
            .query("SELECT id FROM ks.t", ())
            .blocking_iter::<(i64,)>()
            .next()
            .unwrap()
            .unwrap_err()
            .is_closed()
    );
    assert!(start.elapsed() < Duration::from_secs(5));

    let other = kind.connect(common::builder(&node)).unwrap();
    assert_eq!(common::count(&other), 501);
}

fn close_gives_up_after_the_drain(kind: Kind) {
    let address = scripted::serve(|_, mut peer| {
        if peer.handshake().is_some() {
            peer.be_silent();
        }
    });
    let builder = Session::builder().contact_point(address.to_string()).drain(Duration::from_millis(200));
    let session = kind.connect(builder).unwrap();
    let pending: Vec<_> = (0..10).map(|_| session.query("never answered", ()).submit()).collect();
    let cancelled = session.query("never answered", ()).submit();
    drop(cancelled);
    let start = Instant::now();
    session.close().wait().unwrap();
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(190) && took < Duration::from_secs(5), "{took:?}");
    for pending in pending {
        let error = pending.wait().unwrap_err();
        assert_eq!(because(&error), ClosedBecause::SessionClosed);
        assert_eq!(error.fate(), Fate::Unknown, "it was on the wire: {error}");
    }
}

fn close_twice_and_from_many_threads(kind: Kind) {
    let (_node, session) = table(kind, 1);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| session.close().wait().unwrap());
        }
    });
    session.close().wait().unwrap();
    session.block_on(session.close()).unwrap();
    // Closing that nobody waits for is none.
    let (_node, session) = table(kind, 1);
    drop(session.close());
    session.query("SELECT id FROM ks.t", ()).wait().unwrap();
}

fn a_session_dropped_with_pending_requests(kind: Kind) {
    let (_node, session) = table(kind, 1);
    let pending: Vec<_> = (0..100_i64).map(|id| session.query(INSERT, (id, "x")).submit()).collect();
    drop(session);
    // A request on its way is a handle of the session, too.
    for pending in pending {
        pending.wait().unwrap();
    }
}

fn closing_wakes_those_who_wait_for_room(kind: Kind) {
    let address = scripted::serve(|_, mut peer| {
        if peer.handshake().is_some() {
            peer.be_silent();
        }
    });
    let builder = Session::builder().contact_point(address.to_string()).drain(Duration::from_millis(100));
    // Each shard has its own room.
    let kind = if kind == Kind::MioThreads { Kind::MioThread } else { kind };
    let session = kind.connect(builder.in_flight_max(1, 1 << 20).when_full(helenus::WhenFull::Wait)).unwrap();
    let first = session.query("never answered", ()).submit();
    let waiter = std::thread::spawn({
        let session = session.clone();
        move || session.query("no room", ()).wait().unwrap_err()
    });
    common::sleep(&session, Duration::from_millis(50));
    session.close().wait().unwrap();
    assert!(first.wait().unwrap_err().is_closed());
    let error = waiter.join().unwrap();
    assert!(error.is_closed() && error.fate() == Fate::NeverSent, "{error}");
}

#[test]
fn a_runtime_that_ends_first_closes_what_is_pending() {
    for multi in [false, true] {
        common::within(common::PATIENCE, move || {
            let address = scripted::serve(|_, mut peer| {
                if peer.handshake().is_some() {
                    peer.be_silent();
                }
            });
            let mut builder = match multi {
                true => tokio::runtime::Builder::new_multi_thread(),
                false => tokio::runtime::Builder::new_current_thread(),
            };
            let runtime = builder.enable_all().build().unwrap();
            let (connecting, driver) =
                Session::builder().contact_point(address.to_string()).split(Tokio::task());
            let session = runtime.block_on(async {
                tokio::spawn(driver);
                connecting.await.unwrap()
            });
            let pending: Vec<_> = (0..10).map(|_| session.query("never answered", ()).submit()).collect();
            let (told, heard) = oneshot::channel();
            session.query("never answered", ()).on_complete(|_, result| told.send(result.map(drop)).unwrap());
            runtime.block_on(async { tokio::time::sleep(Duration::from_millis(50)).await });
            let waiter = std::thread::spawn({
                let session = session.clone();
                move || session.query("never answered", ()).wait().unwrap_err()
            });
            runtime.block_on(async { tokio::time::sleep(Duration::from_millis(50)).await });
            drop(runtime);
            for pending in pending {
                let error = pending.wait().unwrap_err();
                assert_eq!(
                    (because(&error), error.fate()),
                    (ClosedBecause::LoopEnded, Fate::Unknown),
                    "{error}"
                );
            }
            assert_eq!(because(&heard.blocking_recv().unwrap().unwrap_err()), ClosedBecause::LoopEnded);
            assert_eq!(because(&waiter.join().unwrap()), ClosedBecause::LoopEnded);
            let later = session.query("never sent", ()).wait().unwrap_err();
            assert_eq!(
                (because(&later), later.fate()),
                (ClosedBecause::LoopEnded, Fate::NeverSent),
                "{later}"
            );
            session.close().wait().unwrap();
        });
    }
}

/// As above: the executor is dropped with the driver in it.
#[test]
fn an_executor_that_ends_first_closes_what_is_pending() {
    common::within(common::PATIENCE, || {
        let address = scripted::serve(|_, mut peer| {
            if peer.handshake().is_some() {
                peer.be_silent();
            }
        });
        let builder = || Session::builder().contact_point(address.to_string());
        let assert_closed = |pending: Pending<Response>, session: &Session| {
            let error = pending.wait().unwrap_err();
            assert_eq!((because(&error), error.fate()), (ClosedBecause::LoopEnded, Fate::Unknown), "{error}");
            let later = session.query("never sent", ()).wait().unwrap_err();
            assert_eq!(
                (because(&later), later.fate()),
                (ClosedBecause::LoopEnded, Fate::NeverSent),
                "{later}"
            );
            session.close().wait().unwrap();
        };

        let executor = smol::LocalExecutor::new();
        let (connecting, driver) = builder().split(Smol::task());
        executor.spawn(driver).detach();
        let session = smol::block_on(executor.run(connecting)).unwrap();
        let pending = session.query("never answered", ()).submit();
        smol::block_on(executor.run(smol::Timer::after(Duration::from_millis(50))));
        drop(executor);
        assert_closed(pending, &session);

        // Async-std's own executor never ends; a driver in its `block_on` ends with that.
        let (connecting, driver) = builder().split(AsyncStd::task());
        let (session, pending) = async_std::task::block_on(async {
            let mut driver = std::pin::pin!(driver);
            let work = async {
                let session = connecting.await.unwrap();
                let pending = session.query("never answered", ()).submit();
                async_std::task::sleep(Duration::from_millis(50)).await;
                (session, pending)
            };
            match futures_util::future::select(driver.as_mut(), std::pin::pin!(work)).await {
                futures_util::future::Either::Right((done, _)) => done,
                futures_util::future::Either::Left(_) => panic!("the driver ended by itself"),
            }
        });
        assert_closed(pending, &session);
    });
}

#[test]
fn a_runtime_that_never_ran_the_driver_closes_the_session_to_be() {
    common::within(common::PATIENCE, || {
        let (connecting, driver) = Session::builder().contact_point("127.0.0.1:1").split(Tokio::task());
        drop(driver);
        let error = connecting.wait().unwrap_err();
        assert!(error.to_string().contains("ended"), "{error}");
    });
}

#[test]
fn a_driver_that_nobody_spawns_is_noticed() {
    common::within(common::PATIENCE, || {
        let builder =
            Session::builder().contact_point("127.0.0.1:1").handshake_timeout(Duration::from_millis(300));
        let (connecting, _driver) = builder.split(Tokio::task());
        let error = connecting.wait().unwrap_err();
        assert!(matches!(error, ConnectError::NotDriven { .. }), "{error:?}");
        assert!(error.to_string().contains("spawn"), "{error}");
    });
}
