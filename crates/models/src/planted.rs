//! The models can fail: each of these faults makes one of them do so.

use std::process::{Command, Stdio};

use helenus_core::sync::modelled::{FOUND, PLANTED, PREEMPTIONS};

/// A fault of one operation on one type, as `helenus_core`'s `sync::modelled` plants it, and the model that finds it.
const FAULTS: &[(&str, &str)] = &[
    // A parked thread's waker, or the driver's, forgets that it was called.
    ("AtomicBool::swap forgotten", "when_the_driver_leaves"),
    ("AtomicBool::swap forgotten", "the_driver_is_woken"),
    // The inbox's waker does not say that it was the inbox.
    ("AtomicBool::store forgotten", "a_wake_that_comes"),
];

#[test]
fn each_planted_fault_is_found() {
    let program = std::env::current_exe().unwrap();
    let missed: Vec<_> = FAULTS
        .iter()
        .filter(|(fault, model)| {
            let mut run = Command::new(&program);
            run.arg(model).env(PLANTED, fault).env(PREEMPTIONS, "2");
            run.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().code() != Some(FOUND)
        })
        .collect();
    assert!(missed.is_empty(), "no model found {missed:?}");
}
