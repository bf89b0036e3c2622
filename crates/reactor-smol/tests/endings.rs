//! Executors that end first, drivers that are dropped, moved, or never polled.

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake};
use std::thread;
use std::time::{Duration, Instant};

use async_executor::{Executor, LocalExecutor};
use helenus_conformance::{Command, Peer, Remote};
use helenus_core::reactor::{ConnId, Latch, Reactor, TaskReactor};
use helenus_reactor_smol::{Driver, Smol};

const CONN: ConnId = ConnId::new(0, 0);

fn assert_send<T: Send>(value: T) -> T {
    value
}

/// Runs `executor` until the probe has seen something.
fn run_until(executor: &Executor<'_>, remote: &Remote, seen: impl Fn(&Remote) -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !seen(remote) {
        assert!(Instant::now() < deadline, "waited in vain; the log says {:#?}", remote.log());
        executor.try_tick();
    }
}

fn is_open(remote: &Remote) -> bool {
    remote.log().opened == [CONN]
}

#[test]
fn an_executor_that_ends_first_takes_the_machine_with_it() {
    let (remote, seed) = Remote::new();
    let peer = Peer::echo(1);
    let executor = Arc::new(Executor::new());
    let running = Box::new(Smol::executor(executor.clone())).launch(vec![seed]).unwrap();
    remote.push(Command::Open(CONN, peer.address()));
    run_until(&executor, &remote, is_open);

    drop(executor);

    running.join();
    assert!(remote.log().dropped, "the reactor ended before the machine was gone");
    peer.join();
}

#[test]
fn an_executor_that_never_runs_takes_the_machine_with_it() {
    let (remote, seed) = Remote::new();
    let executor = Arc::new(Executor::new());
    let running = Box::new(Smol::executor(executor.clone())).launch(vec![seed]).unwrap();

    drop(executor);

    running.join();
    assert_eq!(remote.log().turns, 0);
}

#[test]
fn a_local_executor_that_ends_first_takes_the_machine_with_it() {
    let (remote, seed) = Remote::new();
    let (latch, peer) = (Latch::new(), Peer::echo(1));
    let executor = LocalExecutor::new();
    executor.spawn(Smol::task().drive(seed, latch.guard())).detach();
    remote.push(Command::Open(CONN, peer.address()));
    while !is_open(&remote) {
        executor.try_tick();
    }

    drop(executor);

    latch.wait();
    assert!(remote.log().dropped);
    peer.join();
}

#[test]
fn a_driver_that_is_dropped_unpolled_opens_the_latch() {
    let (remote, seed) = Remote::new();
    let latch = Latch::new();

    drop(assert_send(Smol::task().drive(seed, latch.guard())));

    latch.wait();
    assert_eq!(remote.log().turns, 0);
}

#[test]
fn a_driver_that_is_dropped_early_closes_its_sockets() {
    let (remote, seed) = Remote::new();
    let (latch, peer) = (Latch::new(), Peer::echo(1));
    let mut driver = Box::pin(Smol::task().drive(seed, latch.guard()));
    remote.push(Command::Open(CONN, peer.address()));
    remote.push(Command::Deadline(Duration::from_secs(60)));
    async_io::block_on(poll_fn(|cx| {
        assert!(driver.as_mut().poll(cx).is_pending());
        if is_open(&remote) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    }));

    drop(driver);

    latch.wait();
    assert!(remote.log().dropped);
    // It reads until the socket is closed.
    peer.join();
    // Nobody is there to be woken any more.
    remote.push(Command::Nothing);
}

#[test]
fn a_driver_that_moves_to_another_thread_is_woken_there() {
    let (remote, seed) = Remote::new();
    let (latch, peer) = (Latch::new(), Peer::echo(1));
    let mut driver = Box::pin(Smol::task().drive(seed, latch.guard()));
    let here = Arc::new(Wakes::default());
    remote.push(Command::Open(CONN, peer.address()));
    remote.push(Command::Deadline(Duration::from_secs(1)));
    poll_once(&mut driver, &here);

    let there = thread::spawn(move || async_io::block_on(driver));

    remote.wait("opened and ticked", |log| log.opened == [CONN] && log.ticks.len() == 1);
    remote.push(Command::Send(CONN, 100));
    remote.wait("the echo", |log| log.received.get(&CONN) == Some(&100));
    remote.push(Command::Exit);
    there.join().unwrap();
    latch.wait();
    peer.join();
}

#[test]
fn tasks_that_submit_one_after_the_other_share_a_turn() {
    const TASKS: usize = 100;
    let (remote, seed) = Remote::new();
    let latch = Latch::new();
    let executor = Executor::new();
    executor.spawn(Smol::task().drive(seed, latch.guard())).detach();
    remote.push(Command::Nothing);
    run_until(&executor, &remote, |remote| remote.log().taken == 1);
    while executor.try_tick() {}
    let before = remote.log().turns;

    for _ in 0..TASKS {
        let remote = remote.clone();
        executor.spawn(async move { remote.push(Command::Nothing) }).detach();
    }
    run_until(&executor, &remote, |remote| remote.log().taken == 1 + TASKS);

    let turns = remote.log().turns - before;
    assert!(turns <= TASKS / 10, "{turns} turns for {TASKS} tasks");
    remote.push(Command::Exit);
    run_until(&executor, &remote, |remote| remote.log().dropped);
    latch.wait();
}

#[test]
fn a_timer_that_calls_too_early_costs_one_turn() {
    let (remote, seed) = Remote::new();
    let latch = Latch::new();
    let mut driver = Box::pin(Smol::task().drive(seed, latch.guard()));
    let wakes = Arc::new(Wakes::default());
    let begun = Instant::now();

    for (number, after_ms) in [50, 30_000, 100].into_iter().enumerate() {
        remote.push(Command::Deadline(Duration::from_millis(after_ms)));
        poll_once(&mut driver, &wakes);
        assert_eq!(remote.log().taken, number + 1);
    }
    wakes.0.store(0, Ordering::SeqCst);
    while remote.log().ticks.is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(20), "no tick");
        thread::sleep(Duration::from_millis(1));
        if wakes.0.swap(0, Ordering::SeqCst) > 0 {
            poll_once(&mut driver, &wakes);
        }
    }

    assert!(begun.elapsed() >= Duration::from_millis(100));
    // The timer of the first deadline, which is none any more, and that of the last.
    let turns = remote.log().turns;
    assert!(turns <= 3 + 2, "{turns} turns");
}

fn poll_once(driver: &mut std::pin::Pin<Box<Driver>>, wakes: &Arc<Wakes>) {
    let waker = wakes.clone().into();
    assert!(driver.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
}

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}
