//! Where io_uring is not.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use helenus_core::reactor::{LaunchError, Running, Seed};

pub(crate) fn on_threads(_seeds: Vec<Seed>, _starved: &Arc<AtomicU64>) -> Result<Running, LaunchError> {
    Err(unsupported())
}

pub(crate) fn on_caller(_seed: Seed, _starved: &Arc<AtomicU64>) -> Result<Running, LaunchError> {
    Err(unsupported())
}

fn unsupported() -> LaunchError {
    let needs = format!(
        "io_uring exists on 64-bit Linux only, and this is {} on {}; take reactor-mio, which runs on both",
        std::env::consts::OS,
        std::env::consts::ARCH
    );
    LaunchError::Unsupported { needs }
}
