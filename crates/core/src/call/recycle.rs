//! Calls that are used again by the thread that is done with them: a request then costs no allocation.

use std::cell::RefCell;

use super::{Call, Command, Entry, Notify, Shared, Terms, pair};
use crate::sync::{Arc, thread_local};

/// How many calls a thread keeps: some hundred kilobytes.
const KEPT_MAX: usize = 1_024;

thread_local! {
    static KEPT: RefCell<Vec<Arc<Shared>>> = const { RefCell::new(Vec::new()) };
}

/// A request, in memory that is new or was used before.
#[inline]
pub(crate) fn make(command: Command, terms: Terms, notify: Notify) -> (Call, Entry) {
    if let Ok(Some(mut shared)) = KEPT.try_with(|kept| kept.borrow_mut().pop()) {
        if let Some(kept) = Arc::get_mut(&mut shared) {
            kept.renew(command, terms, notify);
            return pair(shared);
        }
    }
    pair(Arc::new(Shared::new(command, terms, notify)))
}

/// Keeps the memory of `call` for later, if the machine is done with it and this thread hasn't enough.
#[inline]
pub fn recycle(call: Call) {
    let mut shared = call.into_shared();
    let Some(unique) = Arc::get_mut(&mut shared) else { return };
    unique.clear();
    // A thread that is ending has no list any more; the memory is then freed.
    let _ = KEPT.try_with(|kept| {
        let mut kept = kept.borrow_mut();
        if kept.len() < KEPT_MAX {
            kept.push(shared);
        }
    });
}
