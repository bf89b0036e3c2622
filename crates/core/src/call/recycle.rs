//! The memory of requests, used again by the thread that is done with it: a request then costs no allocation.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};

use super::Shared;
use crate::sync::thread_local;

/// How many a thread keeps: about a megabyte.
const KEPT_MAX: usize = 1_024;

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
        Self(Some(kept.unwrap_or_default()))
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
            if kept.len() < KEPT_MAX {
                kept.push(shared);
            }
        });
    }
}
