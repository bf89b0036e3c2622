//! A session that has ended leaves neither threads nor descriptors. Alone in its process, for it counts them.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod common;

use std::fs;
use std::time::{Duration, Instant};

use common::Kind;

/// Threads and descriptors of this process.
fn held() -> (usize, usize) {
    let entries = |path: &str| fs::read_dir(path).unwrap().count();
    (entries("/proc/self/task"), entries("/proc/self/fd"))
}

/// Until the process has what it had; threads and sockets end a moment after whoever waits for them knows.
#[track_caller]
fn assert_back_to(before: (usize, usize), what: &str, patience: Duration) {
    let start = Instant::now();
    while held() != before {
        assert!(
            start.elapsed() < patience,
            "{what}: (threads, descriptors) {before:?} before, {:?} after",
            held()
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn nothing_is_left() {
    let node = helenus_node::Node::builder().nodes(3).start().unwrap();
    common::make_table(&node);
    // Some runtimes keep what they made when they were first used, for as long as the process lives.
    for &kind in Kind::ALL {
        kind.connect(common::builder(&node)).unwrap().close().wait().unwrap();
    }
    // The server notices a little later; its sockets are this process's too.
    std::thread::sleep(Duration::from_millis(200));
    let mut before = held();
    for &kind in Kind::ALL {
        for round in 0..3 {
            before.1 += kind.descriptors_lost();
            let session = kind.connect(common::builder(&node).connections_per_node(3)).unwrap();
            common::fill(&session, 100);
            let pending: Vec<_> =
                (0..50).map(|_| session.query("SELECT id FROM ks.t", ()).submit()).collect();
            session.close().wait().unwrap();
            // The handles are still there; they must hold nothing.
            assert_back_to(
                before,
                &format!("{kind:?} closed, round {round}, handles kept"),
                Duration::from_secs(2),
            );
            drop((pending, session));
            assert_back_to(before, &format!("{kind:?} closed, round {round}"), Duration::from_secs(2));

            before.1 += kind.descriptors_lost();
            let session = kind.connect(common::builder(&node)).unwrap();
            common::fill(&session, 100);
            session.query("SELECT id FROM ks.t", ()).submit().detach().unwrap();
            session.query("SELECT id FROM ks.t", ()).on_complete(|_, _| {});
            drop(session);
            assert_back_to(before, &format!("{kind:?} dropped, round {round}"), Duration::from_secs(8));

            before.1 += kind.descriptors_lost();
            let refused = common::builder(&node).keyspace("nothing");
            kind.connect(refused).unwrap_err();
            assert_back_to(before, &format!("{kind:?} refused, round {round}"), Duration::from_secs(2));
        }
    }
}
