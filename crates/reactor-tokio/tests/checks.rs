//! Every check of a reactor, in each place where tokio can run it.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::thread;

use helenus_core::reactor::{Latch, Reactor, Seed, TaskReactor};
use helenus_reactor_common::check_reactor;
use helenus_reactor_common::testing::Ended;
use helenus_reactor_tokio::Tokio;
use tokio::runtime::Builder;

fn own_runtime(seed: Seed) -> Ended {
    let running = Box::new(Tokio::runtime()).launch(vec![seed]).unwrap();
    Box::new(|| running.join())
}

fn handle(seed: Seed) -> Ended {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let running = Box::new(Tokio::handle(runtime.handle().clone())).launch(vec![seed]).unwrap();
    Box::new(move || {
        running.join();
        drop(runtime);
    })
}

fn current_thread(seed: Seed) -> Ended {
    let latch = Latch::new();
    let driver = Tokio::task().drive(seed, latch.guard());
    let thread = thread::spawn(|| {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(driver);
    });
    Box::new(move || {
        latch.wait();
        thread.join().unwrap();
    })
}

fn multi_thread(seed: Seed) -> Ended {
    let latch = Latch::new();
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.spawn(Tokio::task().drive(seed, latch.guard()));
    Box::new(move || {
        latch.wait();
        drop(runtime);
    })
}

check_reactor!(task_on_current_thread, current_thread);
check_reactor!(task_on_multi_thread, multi_thread);
check_reactor!(runtime_of_its_own, own_runtime);
check_reactor!(handle_of_a_runtime, handle);
