//! Threads that wait: on the machine's own thread they get an error, elsewhere they may be nested.

use std::thread;
use std::time::{Duration, Instant};

use helenus::{ConnectError, Error};
use helenus_reactor_async_std::AsyncStd;
use helenus_reactor_smol::Smol;
use helenus_reactor_tokio::Tokio;

use crate::common::{self, Kind, foreign_block_on, on_every_reactor, table, table_with};

on_every_reactor!(
    a_wait_inside_a_future_that_is_waited_for,
    a_wait_inside_a_future_does_not_take_anothers_wake,
    waiters_of_two_sessions,
    one_session_waits_for_another_that_runs_elsewhere,
    a_panic_in_one_waiter_leaves_the_others_waiting_well,
);

const SELECT: &str = "SELECT id FROM ks.t";

/// The thread that waits outside may be the one that drives: then waiting inside would never end.
fn a_wait_inside_a_future_that_is_waited_for(kind: Kind) {
    let (_node, session) = table(kind, 1);
    let inner = session.block_on(async { session.query(SELECT, ()).wait().map(drop) }).unwrap();
    match inner {
        Ok(()) => assert!(!kind.is_caller_driven()),
        Err(Error::WouldDeadlock) => assert!(kind.is_caller_driven()),
        Err(error) => panic!("{error}"),
    }
    session.query(SELECT, ()).wait().unwrap();
}

fn a_wait_inside_a_future_does_not_take_anothers_wake(kind: Kind) {
    let (_node, session) = table(kind, 1);
    for _ in 0..50 {
        let first = session.query(SELECT, ()).submit();
        let inner = async {
            // The first is finished while this blocks, and its waker called.
            for _ in 0..3 {
                drop(session.query(SELECT, ()).wait());
            }
        };
        let (first, ()) = session.block_on(futures_util::future::join(first, inner)).unwrap();
        first.unwrap();
    }
}

fn waiters_of_two_sessions(kind: Kind) {
    let (_first_node, first) = table(kind, 1);
    let (_second_node, second) = table(kind, 1);
    thread::scope(|scope| {
        for number in 0..8 {
            let (one, other) = if number % 2 == 0 { (&first, &second) } else { (&second, &first) };
            scope.spawn(move || {
                for _ in 0..50 {
                    one.query(SELECT, ()).wait().unwrap();
                    other.query(SELECT, ()).wait().unwrap();
                    if !kind.is_caller_driven() {
                        let both = async {
                            (one.query(SELECT, ()).await.unwrap(), other.query(SELECT, ()).await.unwrap())
                        };
                        one.block_on(both).unwrap();
                    }
                }
            });
        }
    });
}

fn current_thread() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn blocking_on_the_thread_whose_runtime_drives_is_an_error() {
    common::within(common::PATIENCE, || {
        let (node, _other) = table(Kind::MioThread, 1);
        current_thread().block_on(async {
            let (connecting, driver) = common::builder(&node).split(Tokio::task());
            let driver = tokio::spawn(driver);
            let session = connecting.await.unwrap();
            assert!(matches!(session.query(SELECT, ()).wait(), Err(Error::WouldDeadlock)));
            assert!(matches!(session.close().wait(), Err(Error::WouldDeadlock)));
            assert!(matches!(session.query(SELECT, ()).submit().wait(), Err(Error::WouldDeadlock)));
            session.query(SELECT, ()).await.unwrap();
            session.close().await;
            driver.await.unwrap();
        });
    });
}

/// Each runtime whose one thread drives, with a task of it that blocks.
#[test]
fn blocking_in_a_task_beside_the_driver_is_an_error_on_every_runtime() {
    fn refused(session: &helenus::Session) {
        assert!(matches!(session.query(SELECT, ()).wait(), Err(Error::WouldDeadlock)));
        assert!(matches!(session.query(SELECT, ()).submit().wait(), Err(Error::WouldDeadlock)));
        assert!(matches!(session.block_on(async {}), Err(Error::WouldDeadlock)));
        assert!(matches!(session.close().wait(), Err(Error::WouldDeadlock)));
        let mut rows = session.query(SELECT, ()).blocking_iter::<(i64,)>();
        assert!(matches!(rows.next(), Some(Err(Error::WouldDeadlock))));
        let mut many = session.execute_concurrent([session.query(SELECT, ())], 1).into_iter();
        assert!(matches!(many.next(), Some((_, Err(Error::WouldDeadlock)))));
    }
    async fn work(connecting: helenus::Connecting) {
        let session = connecting.await.unwrap();
        refused(&session);
        session.query(SELECT, ()).await.unwrap();
        refused(&session);
        session.close().await;
    }
    common::within(common::PATIENCE, || {
        let (node, _other) = table(Kind::MioThread, 1);
        let builder = || common::builder(&node);
        current_thread().block_on(async {
            let (connecting, driver) = builder().split(Tokio::task());
            let driver = tokio::spawn(driver);
            tokio::spawn(work(connecting)).await.unwrap();
            driver.await.unwrap();
        });
        let executor = smol::LocalExecutor::new();
        smol::block_on(executor.run(async {
            let (connecting, driver) = builder().split(Smol::task());
            let driver = executor.spawn(driver);
            executor.spawn(work(connecting)).await;
            driver.await;
        }));
        async_std::task::block_on(async {
            let (connecting, driver) = builder().split(AsyncStd::task());
            futures_util::future::join(driver, work(connecting)).await;
        });
        #[cfg(target_os = "linux")]
        glommio::LocalExecutorBuilder::default().io_memory(0).make().unwrap().run(async {
            let (connecting, driver) = builder().split(helenus_reactor_glommio::Glommio::task());
            let driver = glommio::spawn_local(driver);
            glommio::spawn_local(work(connecting)).await;
            driver.await;
        });
    });
}

/// With several threads the driver may be on another one: then blocking works; else it is an error. If all of them block,
/// nobody is left to run the driver, and somebody gives up. It never hangs.
#[test]
fn blocking_on_all_threads_of_a_runtime_is_an_error() {
    async fn work(session: helenus::Session) {
        for _ in 0..100 {
            match session.query(SELECT, ()).wait() {
                Ok(_) | Err(Error::WouldDeadlock | Error::NotDriven { .. }) => {}
                Err(error) => panic!("{error}"),
            }
            session.query(SELECT, ()).await.unwrap();
        }
    }
    common::within(common::PATIENCE, || {
        let (node, _other) = table(Kind::MioThread, 1);
        let builder = || {
            let short = Duration::from_millis(100);
            common::builder(&node)
                .handshake_timeout(short)
                .heartbeat(short, common::PATIENCE)
                .reconnection(short, short)
        };
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(3).enable_all().build().unwrap();
        runtime.block_on(async {
            let (connecting, driver) = builder().split(Tokio::task());
            tokio::spawn(driver);
            let session = connecting.await.unwrap();
            let tasks: Vec<_> = (0..6).map(|_| tokio::spawn(work(session.clone()))).collect();
            for task in tasks {
                task.await.unwrap();
            }
        });
        async_std::task::block_on(async {
            let session = builder().reactor(AsyncStd::global()).connect().await.unwrap();
            let tasks: Vec<_> = (0..6).map(|_| async_std::task::spawn(work(session.clone()))).collect();
            for task in tasks {
                task.await;
            }
        });
    });
}

#[test]
fn waiting_for_a_runtime_that_nobody_runs_any_more_is_an_error() {
    common::within(common::PATIENCE, || {
        let (node, _other) = table(Kind::MioThread, 1);
        let runtime = current_thread();
        let short = Duration::from_millis(200);
        let (connecting, driver) = common::builder(&node).handshake_timeout(short).split(Tokio::task());
        runtime.spawn(driver);
        let session = runtime.block_on(connecting).unwrap();
        thread::scope(|scope| {
            let waiter = scope.spawn(|| session.query(SELECT, ()).wait());
            let error = waiter.join().unwrap().unwrap_err();
            assert!(matches!(error, Error::NotDriven { .. }), "{error:?}");
            assert!(error.to_string().contains("await"), "{error}");
        });
        // One that is only slow is waited for.
        thread::scope(|scope| {
            let waiter = scope.spawn(|| session.query(SELECT, ()).wait());
            thread::sleep(short);
            runtime.block_on(async {
                while !waiter.is_finished() {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            });
            waiter.join().unwrap().unwrap();
        });
    });
}

/// On a thread of its own the machine is run, if late.
#[test]
fn a_callback_that_blocks_for_long_is_waited_for() {
    common::within(common::PATIENCE, || {
        let short = Duration::from_millis(50);
        let (_node, session) = table_with(Kind::MioThread, 1, |builder| builder.handshake_timeout(short));
        let (begin, begun) = std::sync::mpsc::channel();
        session.query(SELECT, ()).on_complete(move |_, _| {
            begin.send(()).unwrap();
            thread::sleep(short * 6);
        });
        begun.recv().unwrap();
        session.query(SELECT, ()).wait().unwrap();
    });
}

#[test]
fn connecting_with_a_wait_on_the_runtime_that_is_to_drive_is_an_error() {
    common::within(common::PATIENCE, || {
        let (node, _other) = table(Kind::MioThread, 1);
        current_thread().block_on(async {
            let builder = || common::builder(&node).handshake_timeout(Duration::from_millis(300));
            let (connecting, driver) = builder().split(Tokio::task());
            tokio::spawn(driver);
            // The driver has not run yet, so that it would be here is only known by its not running.
            assert!(matches!(connecting.wait(), Err(ConnectError::NotDriven { .. })));
            let handle = tokio::runtime::Handle::current();
            let connecting = builder().reactor(Tokio::handle(handle)).connect();
            assert!(matches!(connecting.wait(), Err(ConnectError::NotDriven { .. })));
        });
    });
}

#[test]
fn another_thread_may_wait_for_what_a_runtime_drives() {
    common::within(common::PATIENCE, || {
        let (node, _other) = table(Kind::MioThread, 1);
        current_thread().block_on(async {
            let (connecting, driver) = common::builder(&node).split(Tokio::task());
            tokio::spawn(driver);
            let session = tokio::task::spawn_blocking(|| connecting.wait().unwrap()).await.unwrap();
            let own = session.clone();
            tokio::task::spawn_blocking(move || own.query(SELECT, ()).wait().unwrap()).await.unwrap();
            session.query(SELECT, ()).await.unwrap();
        });
    });
}

#[test]
fn a_session_on_a_thread_of_its_own_may_be_waited_for_inside_a_runtime() {
    common::within(common::PATIENCE, || {
        let (_node, session) = table(Kind::MioThread, 1);
        current_thread().block_on(async {
            session.query(SELECT, ()).wait().unwrap();
            tokio::time::timeout(Duration::from_secs(10), session.query(SELECT, ()).into_future())
                .await
                .unwrap()
                .unwrap();
        });
        foreign_block_on(async { session.query(SELECT, ()).await.unwrap() });
    });
}

/// The other session's loop wakes this one's driver while it delivers.
fn one_session_waits_for_another_that_runs_elsewhere(kind: Kind) {
    let (_node, session) = table(kind, 1);
    let (_elsewhere, other) = table(Kind::MioThread, 1);
    let start = Instant::now();
    for _ in 0..20 {
        session.block_on(async { other.query(SELECT, ()).await.map(drop) }).unwrap().unwrap();
    }
    assert!(start.elapsed() < Duration::from_secs(4), "a wake was lost: {:?}", start.elapsed());
}

fn a_panic_in_one_waiter_leaves_the_others_waiting_well(kind: Kind) {
    let (_node, session) = table(kind, 1);
    let (driver, waiter) = (session.clone(), session.clone());
    let (panics, told) = tokio::sync::oneshot::channel::<()>();
    let driver = thread::spawn(move || driver.block_on(async { told.await.expect_err("nobody sends") }));
    // It drives by now, if anybody has to.
    thread::sleep(Duration::from_millis(50));
    let waiter = thread::spawn(move || (0..50).for_each(|_| drop(waiter.query(SELECT, ()).wait().unwrap())));
    drop(panics);
    driver.join().unwrap().unwrap();
    let panicking = session.clone();
    let panicked = thread::spawn(move || panicking.block_on(async { panic!("of a user's own") }));
    waiter.join().unwrap();
    assert!(panicked.join().is_err());
    session.query(SELECT, ()).wait().unwrap();
}
