//! Memory for frames and bodies that a thread uses again and again.

use std::cell::RefCell;
use std::ops::Deref;

/// Enough for most requests, and for most answers, which are copied into the same memory.
const CAPACITY: usize = 256;
/// Longer ones are not kept.
const CAPACITY_KEPT_MAX: usize = 1_024;
/// How many are kept by each thread: at most a megabyte.
const KEPT_MAX: usize = 1_024;

thread_local! {
    static KEPT: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Empty memory with room for at least `bytes`.
pub(crate) fn take(bytes: usize) -> Vec<u8> {
    if bytes <= CAPACITY {
        if let Ok(Some(kept)) = KEPT.try_with(|kept| kept.borrow_mut().pop()) {
            return kept;
        }
    }
    Vec::with_capacity(bytes.max(CAPACITY))
}

fn put(mut frame: Vec<u8>) {
    if !(CAPACITY..=CAPACITY_KEPT_MAX).contains(&frame.capacity()) {
        return;
    }
    frame.clear();
    // A thread that is ending has no list any more; the memory is then freed.
    let _ = KEPT.try_with(|kept| {
        let mut kept = kept.borrow_mut();
        if kept.len() < KEPT_MAX {
            kept.push(frame);
        }
    });
}

/// A response's body, whose memory is used again once it is dropped.
pub(crate) struct Body(Vec<u8>);

impl Body {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl Deref for Body {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        put(std::mem::take(&mut self.0));
    }
}
