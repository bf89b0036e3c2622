//! Calls that are used again by the thread that is done with them: a request then costs no allocation.

use std::cell::RefCell;
use std::sync::Arc;

use super::{Call, Command, Notify, Terms};

/// How many calls a thread keeps: some hundred kilobytes.
const KEPT_MAX: usize = 1_024;

thread_local! {
    static KEPT: RefCell<Vec<Arc<Call>>> = const { RefCell::new(Vec::new()) };
}

/// A call, new or used before.
#[inline]
pub(crate) fn make(command: Command, terms: Terms, notify: Notify) -> Arc<Call> {
    if let Ok(Some(mut call)) = KEPT.try_with(|kept| kept.borrow_mut().pop()) {
        if let Some(kept) = Arc::get_mut(&mut call) {
            kept.renew(command, terms, notify);
            return call;
        }
    }
    Arc::new(Call::new(command, terms, notify))
}

/// Keeps `call` for later, if nobody else has it and this thread hasn't enough of them.
#[inline]
pub fn recycle(mut call: Arc<Call>) {
    let Some(unique) = Arc::get_mut(&mut call) else { return };
    unique.clear();
    // A thread that is ending has no list any more; the call is then freed.
    let _ = KEPT.try_with(|kept| {
        let mut kept = kept.borrow_mut();
        if kept.len() < KEPT_MAX {
            kept.push(call);
        }
    });
}
