//! The suite, on threads of its own and on the caller's.

use helenus_conformance::{Launched, launch};
use helenus_core::reactor::Seed;
use helenus_reactor_mio::Mio;

fn threads(seeds: Vec<Seed>) -> Launched {
    launch(Mio::threads(seeds.len()), seeds)
}

fn callers_threads(seeds: Vec<Seed>) -> Launched {
    let each = seeds.into_iter().map(|seed| launch(Mio::on_caller(), vec![seed]));
    let all: Vec<_> = each.collect::<Result<_, _>>()?;
    Ok(Box::new(|| all.into_iter().for_each(|ended| ended())))
}

helenus_conformance::mount!(mio, threads);
helenus_conformance::mount!(mio_caller, callers_threads);
helenus_conformance::mount!(tls: mio_tls, threads);
helenus_conformance::mount!(tls: mio_caller_tls, callers_threads);
