//! The models can fail: each of these faults makes one of them do so.

use std::process::{Command, Stdio};

use crate::sync::modelled::{FOUND, PLANTED, PREEMPTIONS};

/// A fault of one operation on one type, as `sync::modelled` plants it, and the model that finds it.
const FAULTS: &[(&str, &str)] = &[
    // The pusher publishes its request, the loop sees what it wrote.
    ("AtomicPtr::compare_exchange_weak relaxed", "inbox::two_threads_push"),
    ("AtomicPtr::swap relaxed", "inbox::two_threads_push"),
    // `arm` says that it has armed, without setting the mark: the pusher wakes nobody.
    ("AtomicPtr::compare_exchange forgotten", "inbox::two_threads_push"),
    // `arm` sets the mark without looking whether something came.
    ("AtomicPtr::compare_exchange unchecked", "inbox::two_threads_push"),
    ("AtomicPtr::compare_exchange unchecked", "inbox::one_thread_pushes_twice"),
    ("AtomicPtr::compare_exchange forgotten", "inbox::a_waker_that_changes"),
    // Two push at once, or one pushes while the machine goes.
    ("AtomicPtr::compare_exchange_weak unchecked", "inbox::what_is_pushed_around_the_end"),
    ("AtomicPtr::compare_exchange_weak unchecked", "inbox::what_no_machine_takes"),
    // The end of a request: what the machine wrote, the caller reads, and the other way round.
    ("AtomicU8::load relaxed", "call::the_end_comes_while_the_waker_is_left"),
    ("AtomicU8::load relaxed", "call::the_end_comes_while_the_outcome"),
    ("AtomicU8::fetch_and relaxed", "call::the_end_comes_while_the_waker_is_left"),
    ("AtomicU8::swap relaxed", "call::the_end_comes_while_the_waker_is_replaced"),
    // Waiting for room: each side writes one word and then looks at the other's.
    ("AtomicUsize::load relaxed", "limits::two_threads_share_room"),
    ("AtomicU64::load relaxed", "limits::two_threads_share_room"),
    ("AtomicU64::compare_exchange_weak unchecked", "limits::what_is_refused"),
    // Who lets go last has the memory.
    ("AtomicU8::compare_exchange relaxed", "call::a_cancelled_request"),
    ("AtomicU8::compare_exchange unchecked", "call::a_cancelled_request"),
    ("AtomicU8::compare_exchange forgotten", "call::a_cancelled_request"),
    ("AtomicU8::fetch_or relaxed", "call::a_callback_is_called_once"),
    ("AtomicU8::store relaxed", "call::memory_is_used_again"),
];

#[test]
fn each_planted_fault_is_found() {
    let program = std::env::current_exe().unwrap();
    let missed: Vec<_> = FAULTS
        .iter()
        .filter(|(fault, model)| {
            let mut run = Command::new(&program);
            run.arg(format!("models::{model}")).env(PLANTED, fault).env(PREEMPTIONS, "2");
            run.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().code() != Some(FOUND)
        })
        .collect();
    assert!(missed.is_empty(), "no model found {missed:?}");
}
