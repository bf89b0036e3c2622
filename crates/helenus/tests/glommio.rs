//! Sessions on executors of glommio: one on each core, and used across them.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod common;

use std::future::Future;
use std::thread;

use glommio::{LocalExecutor, LocalExecutorBuilder};
use helenus::{ClosedBecause, Error, RequestError, Session, SessionBuilder};
use helenus_reactor_glommio::Glommio;
use tokio::sync::oneshot;

const SELECT: &str = "SELECT id FROM ks.t";

fn executor() -> LocalExecutor {
    LocalExecutorBuilder::default().io_memory(0).make().unwrap()
}

/// An executor on a thread of its own.
fn on_core<F: Future>(body: impl FnOnce() -> F + Send + 'static) -> thread::JoinHandle<()> {
    thread::spawn(|| drop(executor().run(async { body().await })))
}

/// A session whose driver is a task of the executor that polls this.
async fn connect(builder: SessionBuilder) -> Session {
    let (connecting, driver) = builder.split(Glommio::task());
    glommio::spawn_local(driver).detach();
    connecting.await.unwrap()
}

/// Each core answers the requests of the other while it waits for its own.
#[test]
fn a_session_of_one_core_is_used_from_another() {
    common::within(common::PATIENCE, || {
        let node = helenus_node::Node::builder().start().unwrap();
        common::make_table(&node);
        let ((to_second, from_first), (to_first, from_second)) = (oneshot::channel(), oneshot::channel());
        let ((end_second, first_ended), (end_first, second_ended)) = (oneshot::channel(), oneshot::channel());
        let (first, second) = (common::builder(&node), common::builder(&node));

        let cores = [
            on_core(move || use_both(1, first, (to_second, from_second), (end_second, second_ended))),
            on_core(move || use_both(2, second, (to_first, from_first), (end_first, first_ended))),
        ];
        cores.into_iter().for_each(|core| core.join().unwrap());

        let session = common::builder(&node).reactor(Glommio::default()).connect().wait().unwrap();
        assert_eq!(common::count(&session), 400);
        session.close().wait().unwrap();
    });
}

type Ends<T> = (oneshot::Sender<T>, oneshot::Receiver<T>);

async fn use_both(core: i64, builder: SessionBuilder, sessions: Ends<Session>, ends: Ends<()>) {
    let own = connect(builder).await;
    sessions.0.send(own.clone()).unwrap();
    let other = sessions.1.await.unwrap();
    let insert = other.prepare("INSERT INTO ks.t (id, name) VALUES (?, 'x')").await.unwrap();
    let insert = |id| other.execute(&insert, (1000 * core + id,));
    let together: Vec<_> = (0..100).map(|id| insert(id).submit()).collect();
    for pending in together {
        pending.await.unwrap();
    }
    // One at a time, so that each has to wake the other core, and be woken by it.
    for id in 100..200 {
        insert(id).await.unwrap();
    }
    // The other core needs this one's session until it is done too.
    ends.0.send(()).unwrap();
    ends.1.await.unwrap();
    own.close().await;
}

#[test]
fn callbacks_run_on_the_core_of_their_session() {
    common::within(common::PATIENCE, || {
        let node = helenus_node::Node::builder().start().unwrap();
        common::make_table(&node);
        let builder = common::builder(&node);
        let core = on_core(|| async {
            let session = connect(builder).await;
            let (tell, told) = oneshot::channel();
            session.query(SELECT, ()).on_complete(move |_, result| {
                result.unwrap();
                tell.send(thread::current().id()).unwrap();
            });
            assert_eq!(told.await.unwrap(), thread::current().id());
            let blocked = session.query(SELECT, ()).wait().unwrap_err();
            assert!(matches!(blocked, Error::WouldDeadlock), "{blocked}");
            session.close().await;
        });
        core.join().unwrap();
    });
}

#[test]
fn an_executor_that_ends_first_closes_its_requests() {
    common::within(common::PATIENCE, || {
        let node = helenus_node::Node::builder().start().unwrap();
        common::make_table(&node);
        let executor = executor();
        let builder = common::builder(&node);
        let session = executor.run(async { connect(builder).await });
        let on_wire = session.query(SELECT, ()).submit();
        executor.run(async { glommio::executor().yield_now().await });
        let waiting: Vec<_> = (0..10).map(|_| session.query(SELECT, ()).submit()).collect();

        drop(executor);

        let later = session.query(SELECT, ()).submit();
        // Elsewhere, for this thread ran the machine.
        let waiting = waiting.into_iter().chain([on_wire, later]);
        let ends = waiting.collect::<Vec<_>>();
        thread::spawn(move || {
            for end in ends {
                let error = end.wait().unwrap_err();
                let Error::Request(RequestError::Closed { because, .. }) = error else { panic!("{error:?}") };
                assert_eq!(because, ClosedBecause::LoopEnded);
            }
            session.close().wait().unwrap();
        })
        .join()
        .unwrap();
    });
}
