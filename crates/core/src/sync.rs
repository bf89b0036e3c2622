//! What threads share: the standard library's types, or [loom](https://docs.rs/loom)'s where the models run
//! (`cargo xtask models`, which sets `--cfg helenus_loom`). A cfg of our own, because dependencies have plans of theirs for
//! `--cfg loom`.

#[cfg(helenus_loom)]
mod modelled;

#[cfg(helenus_loom)]
pub(crate) use modelled::{
    Arc, AtomicBool, AtomicPtr, AtomicU8, AtomicU64, AtomicUsize, Mutex, MutexGuard, UnsafeCell, thread_local,
};

#[cfg(not(helenus_loom))]
pub(crate) use std::{
    cell::UnsafeCell,
    sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicU64, AtomicUsize},
    sync::{Arc, Mutex, MutexGuard},
    thread_local,
};
