//! The suite, on threads of its own and on the caller's.
#![cfg(target_os = "linux")]

use helenus_conformance::{Launched, launch};
use helenus_core::reactor::Seed;
use helenus_reactor_uring::Uring;

fn threads(seeds: Vec<Seed>) -> Launched {
    launch(Uring::threads(seeds.len()), seeds)
}

fn callers_threads(seeds: Vec<Seed>) -> Launched {
    let each = seeds.into_iter().map(|seed| launch(Uring::on_caller(), vec![seed]));
    let all: Vec<_> = each.collect::<Result<_, _>>()?;
    Ok(Box::new(|| all.into_iter().for_each(|ended| ended())))
}

helenus_conformance::mount!(uring, threads);
helenus_conformance::mount!(uring_caller, callers_threads);
helenus_conformance::mount!(tls: uring_tls, threads);
helenus_conformance::mount!(tls: uring_caller_tls, callers_threads);
