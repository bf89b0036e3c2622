//! Runtimes that end first, that lack something, or that are not there.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use helenus_conformance::{Command, Peer, Remote};
use helenus_core::reactor::{ConnId, Latch, LaunchError, Reactor, TaskReactor};
use helenus_reactor_tokio::{Driver, Tokio};
use tokio::runtime::{Builder, Runtime};

const CONN: ConnId = ConnId::new(0, 0);

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

fn open(remote: &Remote, peer: &Peer) {
    remote.push(Command::Open(CONN, peer.address()));
    remote.wait("opened", |log| log.opened == [CONN]);
}

/// Polls without any runtime, as often as the driver wants.
fn poll_alone(driver: Driver) {
    let mut driver = pin!(driver);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..10 {
        if driver.as_mut().poll(&mut context).is_ready() {
            return;
        }
    }
    panic!("the driver doesn't end");
}

#[test]
fn a_runtime_that_ends_first_takes_the_machine_with_it() {
    let (remote, seed) = Remote::new();
    let (latch, peer) = (Latch::new(), Peer::echo(1));
    let runtime = runtime();
    runtime.spawn(Tokio::task().drive(seed, latch.guard()));
    open(&remote, &peer);

    drop(runtime);

    latch.wait();
    assert!(remote.log().dropped, "the latch opened before the machine was gone");
    peer.join();
}

#[test]
fn a_driver_that_is_dropped_unpolled_opens_the_latch() {
    let (remote, seed) = Remote::new();
    let latch = Latch::new();

    drop(Tokio::task().drive(seed, latch.guard()));

    latch.wait();
    assert_eq!(remote.log().turns, 0);
}

#[test]
fn a_driver_that_outlives_its_runtime_ends_without_a_panic() {
    let (remote, seed) = Remote::new();
    let (latch, peer) = (Latch::new(), Peer::echo(1));
    let mut driver = Box::pin(Tokio::task().drive(seed, latch.guard()));
    let first = runtime();
    remote.push(Command::Open(CONN, peer.address()));
    remote.push(Command::Deadline(Duration::from_secs(60)));
    first.block_on(async {
        while remote.log().opened.is_empty() {
            assert!(futures_poll(driver.as_mut()).await.is_pending());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    drop(first);

    runtime().block_on(async { tokio::time::timeout(Duration::from_secs(10), driver).await }).unwrap();

    latch.wait();
    assert!(remote.log().dropped);
    peer.join();
}

#[test]
fn a_runtime_that_is_gone_before_the_launch_is_no_hang() {
    let (_remote, seed) = Remote::new();
    let runtime = runtime();
    let handle = runtime.handle().clone();
    drop(runtime);

    match Box::new(Tokio::handle(handle)).launch(vec![seed]) {
        Ok(running) => running.join(),
        Err(error) => assert!(matches!(error, LaunchError::Unsupported { .. }), "{error}"),
    }
}

#[test]
fn without_a_runtime_each_connection_says_so() {
    let (remote, seed) = Remote::new();
    let latch = Latch::new();
    remote.push(Command::Open(CONN, "127.0.0.1:9".parse().unwrap()));

    poll_alone(Tokio::task().drive(seed, latch.guard()));

    latch.wait();
    let log = remote.log();
    assert!(log.dropped);
    assert!(log.refused[0].1.to_string().contains("no tokio runtime"), "{:?}", log.refused);
}

#[test]
fn a_launch_on_a_runtime_that_lacks_something_says_what() {
    for (enabled, lacking) in [("io", "enable_time"), ("time", "enable_io")] {
        let (_remote, seed) = Remote::new();
        let mut builder = Builder::new_current_thread();
        let builder = if enabled == "io" { builder.enable_io() } else { builder.enable_time() };
        let runtime = builder.build().unwrap();

        let error = Box::new(Tokio::handle(runtime.handle().clone())).launch(vec![seed]).unwrap_err();

        assert!(matches!(error, LaunchError::Unsupported { .. }));
        assert!(error.to_string().contains(lacking), "{error}");
    }
}

#[test]
fn a_paused_clock_brings_deadlines_at_once() {
    let (remote, seed) = Remote::new();
    let latch = Latch::new();
    let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    remote.push(Command::Deadline(Duration::from_secs(3600)));
    let begun = std::time::Instant::now();

    runtime.block_on(async {
        let driver = tokio::spawn(Tokio::task().drive(seed, latch.guard()));
        tokio::time::sleep(Duration::from_secs(3601)).await;
        remote.push(Command::Exit);
        driver.await.unwrap();
    });

    assert!(begun.elapsed() < Duration::from_secs(60));
    let log = remote.log();
    assert_eq!((log.ticks.len(), &log.violations), (1, &Vec::new()));
}

#[test]
fn tasks_that_submit_one_after_the_other_share_a_turn() {
    const TASKS: usize = 100;
    let (remote, seed) = Remote::new();
    let latch = Latch::new();
    let runtime = runtime();
    runtime.spawn(Tokio::task().drive(seed, latch.guard()));
    remote.push(Command::Nothing);
    remote.wait("the first turn", |log| log.taken == 1);
    thread::sleep(Duration::from_millis(20));
    let before = remote.log().turns;

    let tasks = remote.clone();
    runtime.spawn(async move {
        for _ in 0..TASKS {
            let remote = tasks.clone();
            tokio::spawn(async move { remote.push(Command::Nothing) });
        }
    });
    remote.wait("all pushes", |log| log.taken == 1 + TASKS);

    let turns = remote.log().turns - before;
    assert!(turns <= TASKS / 10, "{turns} turns for {TASKS} tasks");
    remote.push(Command::Exit);
    latch.wait();
}

#[test]
fn a_driver_that_moves_to_another_task_is_woken_there() {
    let (remote, seed) = Remote::new();
    let latch = Latch::new();
    let runtime = runtime();
    let _entered = runtime.enter();
    let mut driver = pin!(Tokio::task().drive(seed, latch.guard()));
    let wakes = [Arc::new(Wakes::default()), Arc::new(Wakes::default())];

    for (number, task) in wakes.iter().enumerate() {
        let waker = task.clone().into();
        while driver.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
            if remote.log().taken == number && task.0.swap(0, Ordering::SeqCst) == 0 {
                break;
            }
        }
        remote.push(Command::Nothing);
        assert_eq!(task.0.load(Ordering::SeqCst), 1, "task {number}");
    }
}

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

async fn futures_poll(mut driver: std::pin::Pin<&mut Driver>) -> Poll<()> {
    std::future::poll_fn(|cx| Poll::Ready(driver.as_mut().poll(cx))).await
}
