//! The memory of requests, used again by the thread that is done with it: a request then costs no allocation.
//!
//! Where one thread submits and another is done, as with callbacks of a loop on a thread of its own, what the one has too
//! much of goes to the other through a depot, many at a time.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

use super::Shared;
use crate::sync::thread_local;

/// How many a thread keeps: about half a megabyte.
const KEPT_MAX: usize = 1_024;
/// How many of them go to the depot at a time.
const CHUNK: usize = KEPT_MAX / 2;
/// How many chunks that has: about two megabytes.
const CHUNKS_MAX: usize = 8;

#[expect(clippy::vec_box, reason = "the boxes are what is kept")]
static DEPOT: Mutex<Vec<Vec<Box<Shared>>>> = Mutex::new(Vec::new());

thread_local! {
    // Each in a box of its own, for what is kept is handed out as it is.
    #[expect(clippy::vec_box, reason = "the boxes are what is kept")]
    static KEPT: RefCell<Vec<Box<Shared>>> = const { RefCell::new(Vec::new()) };
}

/// A request's memory that nobody else has: to be written, or answered. Dropped, it is kept for the next one.
pub(super) struct Alone(Option<Box<Shared>>);

impl Alone {
    /// Blank memory, new or used before.
    #[inline(always)]
    pub(super) fn new() -> Self {
        // A thread that is ending has no list any more.
        let kept = KEPT.try_with(|kept| kept.borrow_mut().pop()).ok().flatten();
        Self(Some(kept.unwrap_or_else(fetch)))
    }

    pub(super) fn into_box(mut self) -> Box<Shared> {
        self.0.take().unwrap_or_else(|| unreachable!("only this and drop take it"))
    }
}

impl From<Box<Shared>> for Alone {
    fn from(shared: Box<Shared>) -> Self {
        Self(Some(shared))
    }
}

impl Deref for Alone {
    type Target = Shared;

    #[inline]
    fn deref(&self) -> &Shared {
        self.0.as_deref().unwrap_or_else(|| unreachable!("only `into_box` and drop take it"))
    }
}

impl DerefMut for Alone {
    #[inline]
    fn deref_mut(&mut self) -> &mut Shared {
        self.0.as_deref_mut().unwrap_or_else(|| unreachable!("only `into_box` and drop take it"))
    }
}

impl Drop for Alone {
    #[inline]
    fn drop(&mut self) {
        let Some(mut shared) = self.0.take() else { return };
        shared.clear();
        let _ = KEPT.try_with(|kept| {
            let mut kept = kept.borrow_mut();
            if kept.len() >= KEPT_MAX {
                deposit(kept.split_off(CHUNK));
            }
            kept.push(shared);
        });
    }
}

/// From the depot, with a chunk for later; new memory if there is none.
#[cold]
fn fetch() -> Box<Shared> {
    let chunk = DEPOT.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let Some(mut chunk) = chunk else { return Box::default() };
    let shared = chunk.pop().unwrap_or_default();
    let _ = KEPT.try_with(|kept| *kept.borrow_mut() = chunk);
    shared
}

/// Frees what the depot has no room for.
#[cold]
#[expect(clippy::vec_box, reason = "the boxes are what is kept")]
fn deposit(chunk: Vec<Box<Shared>>) {
    let mut depot = DEPOT.lock().unwrap_or_else(PoisonError::into_inner);
    if depot.len() < CHUNKS_MAX {
        depot.push(chunk);
    } else {
        drop(depot);
        drop(chunk);
    }
}
