//! What threads share: the standard library's types, or [loom](https://docs.rs/loom)'s where the models run
//! (`cargo xtask models`, which sets `--cfg helenus_loom`). A cfg of our own, because dependencies have plans of theirs for
//! `--cfg loom`.

#[cfg(helenus_loom)]
#[expect(missing_docs, reason = "the standard library's names")]
pub mod modelled;

#[cfg(helenus_loom)]
pub(crate) use modelled::{
    AtomicBool, AtomicPtr, AtomicU8, AtomicU64, AtomicUsize, Mutex, MutexGuard, UnsafeCell, thread_local,
    wait_a_little,
};

#[cfg(not(helenus_loom))]
pub(crate) use std::{
    cell::UnsafeCell,
    sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicU64, AtomicUsize},
    sync::{Mutex, MutexGuard},
    thread_local,
};

/// For the other side's next few instructions.
#[cfg(not(helenus_loom))]
pub(crate) fn wait_a_little(rounds: &mut u32) {
    *rounds += 1;
    // It may have lost its processor in between.
    if *rounds % 64 == 0 { std::thread::yield_now() } else { std::hint::spin_loop() }
}
