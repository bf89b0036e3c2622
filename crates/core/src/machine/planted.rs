//! A bug on purpose, for the simulator to find. It is off unless a thread turns it on.

use std::cell::Cell;

thread_local! {
    static FREES_IDS_EARLY: Cell<bool> = const { Cell::new(false) };
}

/// Machines that this thread runs give the stream id of a request that timed out or was cancelled to the next one, although
/// the answer may still come.
pub fn free_stream_ids_early(on: bool) {
    FREES_IDS_EARLY.set(on);
}

pub(crate) fn frees_ids_early() -> bool {
    FREES_IDS_EARLY.get()
}
