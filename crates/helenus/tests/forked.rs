//! A session in a forked child: every use is an error, and the parent's goes on unharmed. Alone in its process, for it
//! forks it.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod common;

use std::future::{IntoFuture, poll_fn};
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::mpsc;
use std::task::{Context, Waker};

use common::{Kind, foreign_block_on};
use futures_core::Stream;
use helenus::reactor::Mio;
use helenus::{Error, Fate, Pending, Response, Session};

const SELECT: &str = "SELECT id FROM ks.t";

/// Forks. `None` in the child, which ends by [`end`] or after 20 seconds.
fn fork() -> Option<libc::pid_t> {
    // SAFETY: the child runs what a single thread may run after a fork with glibc, whose allocator is put in order there, and
    // leaves by `_exit`, so that no destructor of the parent's state runs twice.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "fork failed");
    if child == 0 {
        // SAFETY: it touches no memory of this program.
        unsafe { libc::alarm(20) };
    }
    (child > 0).then_some(child)
}

/// Ends the child with what became of `body`.
fn end(body: impl FnOnce()) -> ! {
    let ended = catch_unwind(AssertUnwindSafe(body));
    if let Err(panic) = &ended {
        // What the test's harness captures of a child is lost.
        let _ = writeln!(std::io::stderr(), "in the child: {:?}", panic.downcast_ref::<String>());
    }
    // SAFETY: it touches no memory of this program.
    unsafe { libc::_exit(i32::from(ended.is_err())) }
}

#[track_caller]
fn assert_ends_well(child: libc::pid_t, what: &str) {
    let mut status = 0;
    // SAFETY: `status` is valid for the time of the call.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    assert!(
        libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0,
        "{what}: the child ended by {status:#x}"
    );
}

#[track_caller]
fn assert_forked<T>(result: Result<T, Error>, fate: Fate) {
    let error = result.err().expect("an error");
    assert!(matches!(error, Error::Forked { .. }), "{error}");
    assert_eq!(error.fate(), fate);
    assert!(error.to_string().contains("connect anew"), "{error}");
}

/// Every way of using the session.
fn use_it(session: &Session, pending: Pending<Response>) {
    let query = || session.query(SELECT, ());
    assert_forked(query().wait(), Fate::Unknown);
    assert_forked(query().submit().wait(), Fate::Unknown);
    assert_forked(query().submit().detach(), Fate::NeverSent);
    assert_forked(foreign_block_on(query().into_future()), Fate::NeverSent);
    assert_forked(foreign_block_on(pending), Fate::Unknown);
    let (told, heard) = mpsc::channel();
    query().on_complete(move |_, result| told.send(result.map(drop)).unwrap());
    assert_forked(heard.recv().unwrap(), Fate::NeverSent);
    assert_forked(query().blocking_iter::<(i64,)>().next().unwrap(), Fate::Unknown);
    let mut many = session.execute_concurrent((0..3).map(|_| query()), 2).into_iter();
    assert_forked(many.next().unwrap().1, Fate::Unknown);
    assert_forked(session.block_on(async {}), Fate::Unknown);
    assert_forked(session.close().wait(), Fate::Unknown);
    foreign_block_on(session.close());
}

#[test]
fn a_forked_child_gets_errors_and_the_parent_lives() {
    common::within(common::PATIENCE, || {
        for &kind in Kind::ALL {
            let (node, session) = common::table(kind, 1);
            common::fill(&session, 10);
            let pending = session.query(SELECT, ()).submit();
            let (before, node) = (session.metrics().counters, &node);
            let Some(child) = fork() else {
                end(move || {
                    use_it(&session, pending);
                    drop(session);
                    // A session of its own.
                    let builder = common::builder(node).reactor(Mio::on_caller());
                    let new = builder.connect().wait().unwrap();
                    assert_eq!(common::count(&new), 10);
                    new.close().wait().unwrap();
                })
            };
            assert_ends_well(child, &format!("{kind:?}"));
            assert_eq!(pending.wait().unwrap().row_count(), 10);
            for _ in 0..50 {
                assert_eq!(common::count(&session), 10, "{kind:?}");
            }
            let after = session.metrics().counters;
            assert_eq!(after.connections_closed, before.connections_closed, "{kind:?}");
            session.close().wait().unwrap();
        }
    });
}

/// One is on its way and another finds no room for it when the process forks.
#[test]
fn what_was_held_back_ends_in_the_child_too() {
    common::within(common::PATIENCE, || {
        let address = common::scripted::serve(|_, mut peer| {
            peer.handshake();
            // Nothing is answered.
            while peer.request().is_some() {}
        });
        let builder = Session::builder().contact_point(address.to_string()).in_flight_max(1, 1 << 20);
        let session = Kind::MioThread.connect(builder).unwrap();
        let mut many = session.execute_concurrent((0..3).map(|_| session.query(SELECT, ())), 3);
        assert!(Pin::new(&mut many).poll_next(&mut Context::from_waker(Waker::noop())).is_pending());
        let Some(child) = fork() else {
            end(|| {
                let mut next = || foreign_block_on(poll_fn(|cx| Pin::new(&mut many).poll_next(cx)));
                for fate in [Fate::Unknown, Fate::NeverSent] {
                    assert_forked(next().unwrap().1, fate);
                }
                assert!(next().is_none());
            })
        };
        assert_ends_well(child, "what was held back");
        drop(many);
    });
}

#[test]
fn a_future_that_forks_while_it_drives_ends_in_the_child() {
    common::within(common::PATIENCE, || {
        let (_node, session) = common::table(Kind::MioCaller, 1);
        let outcome = session.block_on(async {
            session.query(SELECT, ()).await.unwrap();
            let child = fork();
            if child.is_none() {
                std::future::pending::<()>().await;
            }
            session.query(SELECT, ()).await.unwrap();
            child
        });
        match outcome {
            Ok(Some(child)) => assert_ends_well(child, "a future that forks"),
            outcome => end(|| assert_forked(outcome, Fate::Unknown)),
        }
    });
}
