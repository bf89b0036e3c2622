//! The suite, in each place where async-std can run a machine.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::sync::Arc;
use std::thread;

use async_std::task;
use helenus_conformance::{Ended, Launched, launch};
use helenus_core::reactor::{Latch, Seed, TaskReactor};
use helenus_reactor_async_std::{AsyncStd, Driver};

fn global(seeds: Vec<Seed>) -> Launched {
    launch(AsyncStd::global(), seeds)
}

fn block_on(seeds: Vec<Seed>) -> Launched {
    let latch = Latch::new();
    let threads: Vec<_> =
        drivers(&latch, seeds).map(|driver| thread::spawn(|| task::block_on(driver))).collect();
    Ok(when_open(latch, || threads.into_iter().for_each(|thread| thread.join().unwrap())))
}

fn spawned(seeds: Vec<Seed>) -> Launched {
    let latch = Latch::new();
    drivers(&latch, seeds).for_each(|driver| drop(task::spawn(driver)));
    Ok(when_open(latch, || ()))
}

fn drivers(latch: &Arc<Latch>, seeds: Vec<Seed>) -> impl Iterator<Item = Driver> {
    let latch = latch.clone();
    seeds.into_iter().map(move |seed| AsyncStd::task().drive(seed, latch.guard()))
}

fn when_open(latch: Arc<Latch>, then: impl FnOnce() + Send + 'static) -> Ended {
    Box::new(move || {
        latch.wait();
        then();
    })
}

helenus_conformance::mount!(async_std_global, global);
helenus_conformance::mount!(async_std_spawned, spawned);
helenus_conformance::mount!(async_std_block_on, block_on);
helenus_conformance::mount!(tls: async_std_global_tls, global);
helenus_conformance::mount!(tls: async_std_spawned_tls, spawned);
helenus_conformance::mount!(tls: async_std_block_on_tls, block_on);
