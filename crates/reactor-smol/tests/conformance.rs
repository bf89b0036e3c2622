//! The suite, in each place where smol can run a machine.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake};
use std::thread::{self, JoinHandle, Thread};

use async_executor::{Executor, LocalExecutor};
use helenus_conformance::{Ended, Launched, launch};
use helenus_core::reactor::{Latch, Seed, TaskReactor};
use helenus_reactor_smol::{Driver, Smol};

fn own_threads(seeds: Vec<Seed>) -> Launched {
    launch(Smol::threads(seeds.len()), seeds)
}

fn executor(seeds: Vec<Seed>) -> Launched {
    let executor = Arc::new(Executor::new());
    let ended = launch(Smol::executor(executor.clone()), seeds)?;
    let latch = Latch::new();
    let guard = latch.guard();
    let threads = (0..2).map(|_| {
        let (executor, latch) = (executor.clone(), latch.clone());
        thread::spawn(move || async_io::block_on(executor.run(poll_fn(|cx| latch.poll(cx)))))
    });
    let threads: Vec<_> = threads.collect();
    Ok(Box::new(move || {
        ended();
        drop(guard);
        join(threads);
    }))
}

fn local_executor(seeds: Vec<Seed>) -> Launched {
    let latch = Latch::new();
    let drivers = drivers(&latch, seeds);
    let thread = thread::spawn(|| {
        let executor = LocalExecutor::new();
        let tasks: Vec<_> = drivers.into_iter().map(|driver| executor.spawn(driver)).collect();
        tasks.into_iter().for_each(|task| async_io::block_on(executor.run(task)));
    });
    Ok(when_open(latch, vec![thread]))
}

/// Without an executor, and without a thread of ours that waits for async-io.
fn foreign_block_on(seeds: Vec<Seed>) -> Launched {
    let latch = Latch::new();
    let drivers = drivers(&latch, seeds).into_iter();
    let threads = drivers.map(|driver| thread::spawn(|| block_on(driver))).collect();
    Ok(when_open(latch, threads))
}

fn drivers(latch: &Arc<Latch>, seeds: Vec<Seed>) -> Vec<Driver> {
    seeds.into_iter().map(|seed| Smol::task().drive(seed, latch.guard())).collect()
}

fn when_open(latch: Arc<Latch>, threads: Vec<JoinHandle<()>>) -> Ended {
    Box::new(move || {
        latch.wait();
        join(threads);
    })
}

fn join(threads: Vec<JoinHandle<()>>) {
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

fn block_on(future: impl Future<Output = ()>) {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Arc::new(Unpark(thread::current())).into();
    let mut future = pin!(future);
    while future.as_mut().poll(&mut Context::from_waker(&waker)) == Poll::Pending {
        thread::park();
    }
}

helenus_conformance::mount!(smol_threads, own_threads);
helenus_conformance::mount!(smol_executor, executor);
helenus_conformance::mount!(smol_local_executor, local_executor);
helenus_conformance::mount!(smol_foreign_block_on, foreign_block_on);
helenus_conformance::mount!(tls: smol_threads_tls, own_threads);
helenus_conformance::mount!(tls: smol_executor_tls, executor);
helenus_conformance::mount!(tls: smol_local_executor_tls, local_executor);
helenus_conformance::mount!(tls: smol_foreign_block_on_tls, foreign_block_on);
