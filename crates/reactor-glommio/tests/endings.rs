//! Executors that end first, that are not there, and what glommio leaves behind.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};
use std::thread;
use std::time::Duration;

use glommio::LocalExecutor;
use glommio::timer::Timer;
use helenus_conformance::{Command, Peer, Remote};
use helenus_core::reactor::{ConnId, Latch, TaskReactor};
use helenus_reactor_glommio::Glommio;

use common::{close_what_glommio_left, eventfds, executor};

const CONN: ConnId = ConnId::new(0, 0);
const TICK: Duration = Duration::from_millis(1);

/// The tests that count eventfds, which belong to the process, and those that make them, run one at a time.
fn alone() -> MutexGuard<'static, ()> {
    static SERIAL: Mutex<()> = Mutex::new(());
    SERIAL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs a driver on an executor until `end`, with a connection of its machine open and a deadline set.
fn run_until(end: impl FnOnce(&LocalExecutor, Waiting)) -> Remote {
    let (remote, seed) = Remote::new();
    let (latch, peer) = (Latch::new(), Peer::echo(1));
    let executor = executor();
    remote.push(Command::Open(CONN, peer.address()));
    remote.push(Command::Deadline(Duration::from_secs(60)));
    let waiting = Waiting { remote: remote.clone(), driver: Glommio::task().drive(seed, latch.guard()) };

    end(&executor, waiting);
    drop(executor);

    latch.wait();
    assert!(remote.log().dropped, "the latch opened before the machine was gone");
    peer.join();
    remote
}

struct Waiting {
    remote: Remote,
    driver: helenus_reactor_glommio::Driver,
}

async fn opened(remote: &Remote) {
    while remote.log().opened.is_empty() {
        Timer::new(TICK).await;
    }
}

#[test]
fn an_executor_that_ends_first_takes_the_machine_with_it() {
    let _alone = alone();
    let remote = run_until(|executor, Waiting { remote, driver }| {
        executor.run(async {
            glommio::spawn_local(driver).detach();
            opened(&remote).await;
        });
        assert!(!remote.log().dropped, "it may run again");
    });

    // Nobody is woken any more.
    remote.push(Command::Nothing);
}

#[test]
fn an_executor_that_panics_takes_the_machine_with_it() {
    let _alone = alone();
    let remote = run_until(|executor, Waiting { remote, driver }| {
        let run = catch_unwind(AssertUnwindSafe(|| {
            executor.run(async {
                glommio::spawn_local(driver).detach();
                opened(&remote).await;
                panic!("of the user");
            });
        }));
        assert!(run.is_err());
    });

    assert!(!remote.log().dropped_by_panic, "the machine did not panic");
}

#[test]
fn a_task_that_is_cancelled_closes_its_connections() {
    let _alone = alone();
    run_until(|executor, Waiting { remote, driver }| {
        executor.run(async {
            let task = glommio::spawn_local(driver);
            opened(&remote).await;
            assert_eq!(task.cancel().await, None);
            assert!(remote.log().dropped);
        });
    });
}

#[test]
fn an_executor_may_run_in_pieces() {
    let _alone = alone();
    run_until(|executor, Waiting { remote, driver }| {
        executor.run(async {
            glommio::spawn_local(driver).detach();
            opened(&remote).await;
        });
        // A push from afar, while nobody runs it.
        let push = remote.clone();
        thread::spawn(move || push.push(Command::Exit)).join().unwrap();

        executor.run(async {
            while !remote.log().dropped {
                Timer::new(TICK).await;
            }
        });
    });
}

#[test]
fn a_driver_that_outlives_its_executor_ends_on_the_next() {
    let _alone = alone();
    let (remote, seed) = Remote::new();
    let latch = Latch::new();
    let mut driver = Box::pin(Glommio::task().drive(seed, latch.guard()));
    let context = &mut Context::from_waker(Waker::noop());
    executor().run(async { assert!(driver.as_mut().poll(context).is_pending()) });

    latch.wait();
    assert!(remote.log().dropped);
    executor().run(driver);
}

#[test]
fn a_driver_that_is_dropped_unpolled_opens_the_latch() {
    let (remote, seed) = Remote::new();
    let latch = Latch::new();

    drop(Glommio::task().drive(seed, latch.guard()));

    latch.wait();
    assert_eq!(remote.log().turns, 0);
}

#[test]
fn without_an_executor_each_connection_says_so() {
    let (remote, seed) = Remote::new();
    let latch = Latch::new();
    remote.push(Command::Open(CONN, "127.0.0.1:9".parse().unwrap()));
    let mut driver = pin!(Glommio::task().drive(seed, latch.guard()));
    let mut context = Context::from_waker(Waker::noop());

    let polls = (0..10).take_while(|_| driver.as_mut().poll(&mut context).is_pending()).count();

    assert!(polls < 10, "the driver doesn't end");
    latch.wait();
    let log = remote.log();
    assert!(log.dropped);
    assert!(log.refused[0].1.to_string().contains("no glommio executor"), "{:?}", log.refused);
}

#[test]
fn glommio_alone_leaves_an_eventfd() {
    let _alone = alone();
    let before = eventfds();

    for _ in 0..3 {
        executor().run(async {});
    }
    // Its thread for blocking calls holds one for a moment longer.
    thread::sleep(Duration::from_millis(50));

    // Should this fail, then glommio was mended: no test needs to make allowance for it any more.
    close_what_glommio_left(&before, 3);
}

#[test]
fn glommio_alone_keeps_a_pending_task_for_ever() {
    let _alone = alone();
    let held = Arc::new(());
    let task = held.clone();

    executor().run(async {
        let pending = async move {
            Timer::new(Duration::from_secs(60)).await;
            drop(task);
        };
        glommio::spawn_local(pending).detach();
        Timer::new(TICK).await;
    });

    // Should this fail, then glommio was mended, and the driver needs no sentinel any more.
    assert_eq!(Arc::strong_count(&held), 2);
}
