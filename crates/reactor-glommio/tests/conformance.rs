//! The suite, on an executor of the user's and on executors of its own.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use std::thread;

use helenus_conformance::{Launched, launch};
use helenus_core::reactor::{Latch, Seed, TaskReactor};
use helenus_reactor_glommio::Glommio;

use common::{close_what_glommio_left, eventfds, executor};

fn task(seeds: Vec<Seed>) -> Launched {
    let (latch, before) = (Latch::new(), eventfds());
    let seeds: Vec<_> = seeds.into_iter().map(|seed| (seed, latch.guard())).collect();
    let thread = thread::spawn(|| {
        executor().run(async {
            let tasks: Vec<_> = seeds
                .into_iter()
                .map(|(seed, guard)| glommio::spawn_local(Glommio::task().drive(seed, guard)))
                .collect();
            for task in tasks {
                task.await;
            }
        });
    });
    Ok(Box::new(move || {
        latch.wait();
        thread.join().unwrap();
        close_what_glommio_left(&before, 1);
    }))
}

fn cores(seeds: Vec<Seed>) -> Launched {
    let (count, before) = (seeds.len(), eventfds());
    let ended = launch(Glommio::cores(count), seeds)?;
    Ok(Box::new(move || {
        ended();
        close_what_glommio_left(&before, count);
    }))
}

helenus_conformance::mount!(glommio_task, task);
helenus_conformance::mount!(glommio_cores, cores);
helenus_conformance::mount!(tls: glommio_task_tls, task);
helenus_conformance::mount!(tls: glommio_cores_tls, cores);
