//! The suite, in each place where tokio can run a machine.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::sync::Arc;
use std::thread;

use helenus_conformance::{Ended, Launched, launch};
use helenus_core::reactor::{Latch, Seed, TaskReactor};
use helenus_reactor_tokio::{Driver, Tokio};
use tokio::runtime::{Builder, Runtime};

fn own_runtimes(seeds: Vec<Seed>) -> Launched {
    launch(Tokio::runtimes(seeds.len()), seeds)
}

fn handle(seeds: Vec<Seed>) -> Launched {
    let runtime = multi_thread_runtime();
    let ended = launch(Tokio::handle(runtime.handle().clone()), seeds)?;
    Ok(Box::new(move || {
        ended();
        drop(runtime);
    }))
}

fn current_thread(seeds: Vec<Seed>) -> Launched {
    let latch = Latch::new();
    let drivers = drivers(&latch, seeds);
    let thread = thread::spawn(|| {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let tasks: Vec<_> = drivers.into_iter().map(|driver| runtime.spawn(driver)).collect();
        tasks.into_iter().for_each(|task| runtime.block_on(task).unwrap());
    });
    Ok(when_open(latch, move || thread.join().unwrap()))
}

fn multi_thread(seeds: Vec<Seed>) -> Launched {
    let latch = Latch::new();
    let runtime = multi_thread_runtime();
    drivers(&latch, seeds).into_iter().for_each(|driver| drop(runtime.spawn(driver)));
    Ok(when_open(latch, || drop(runtime)))
}

fn multi_thread_runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

fn drivers(latch: &Arc<Latch>, seeds: Vec<Seed>) -> Vec<Driver> {
    seeds.into_iter().map(|seed| Tokio::task().drive(seed, latch.guard())).collect()
}

fn when_open(latch: Arc<Latch>, then: impl FnOnce() + Send + 'static) -> Ended {
    Box::new(move || {
        latch.wait();
        then();
    })
}

helenus_conformance::mount!(tokio_current_thread, current_thread);
helenus_conformance::mount!(tokio_multi_thread, multi_thread);
helenus_conformance::mount!(tokio_runtimes, own_runtimes);
helenus_conformance::mount!(tokio_handle, handle);
helenus_conformance::mount!(tls: tokio_current_thread_tls, current_thread);
helenus_conformance::mount!(tls: tokio_multi_thread_tls, multi_thread);
helenus_conformance::mount!(tls: tokio_runtimes_tls, own_runtimes);
helenus_conformance::mount!(tls: tokio_handle_tls, handle);
