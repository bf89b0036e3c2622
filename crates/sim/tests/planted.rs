//! Bugs on purpose: each must be found within a few seeds, by the check that is meant for it. (Without them all seeds
//! pass: see `seeds.rs`.)

use helenus_core::machine::planted::free_stream_ids_early;
use helenus_sim::{Options, Planted, run};

/// The seeds among the first fifty in which something like one of `expected` is found.
fn caught(planted: Option<Planted>, expected: &[&str]) -> Vec<u64> {
    let finds = |seed: &u64| {
        let violations = run(*seed, Options { traced: false, planted }).violations;
        violations.iter().any(|found| expected.iter().any(|text| found.0.contains(text)))
    };
    (0..50).filter(finds).collect()
}

#[test]
fn a_dropped_wake_is_caught() {
    let seeds = caught(Some(Planted::DroppedWake), &["its timeout is", "Close took", "sleeps for ever"]);
    assert!(seeds.len() >= 5, "only in {seeds:?}");
}

#[test]
fn two_swapped_bodies_are_caught() {
    let seeds = caught(Some(Planted::SwappedBodies), &["got the answer of another"]);
    assert!(seeds.len() >= 5, "only in {seeds:?}");
}

#[test]
fn a_stream_id_reused_too_early_is_caught() {
    let expected = ["is used again before its answer", "got the answer of another"];
    assert_eq!(caught(None, &expected), [0_u64; 0]);
    free_stream_ids_early(true);
    let seeds = caught(None, &expected);
    free_stream_ids_early(false);
    assert!(seeds.len() >= 5, "only in {seeds:?}");
}
