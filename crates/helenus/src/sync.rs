//! What threads share: the standard library's types, or loom's where the models run (`helenus_core`'s `sync` has the same).

#[cfg(helenus_loom)]
pub(crate) use helenus_core::sync::modelled::{
    AtomicBool, AtomicUsize, Mutex, MutexGuard, thread, thread_local,
};

#[cfg(not(helenus_loom))]
pub(crate) use std::{
    sync::atomic::{AtomicBool, AtomicUsize},
    sync::{Mutex, MutexGuard},
    thread, thread_local,
};
