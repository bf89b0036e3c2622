//! Seeds that must pass, and the promise that a seed is a run.

use helenus_sim::{Options, run};

/// Cut in parts, so that the cores share them.
fn play(seeds: std::ops::Range<u64>) {
    for seed in seeds {
        let report = run(seed, Options::default());
        assert!(
            report.violations.is_empty(),
            "seed {seed}: {:?}\nagain: cargo run --release -p helenus-sim --example seeds -- --seed {seed}",
            report.violations
        );
    }
}

#[test]
fn a_hundred_seeds_pass() {
    play(0..100);
}

#[test]
fn another_hundred_seeds_pass() {
    play(100..200);
}

#[test]
fn a_third_hundred_of_seeds_passes() {
    play(200..300);
}

/// Each found a fault once.
#[test]
fn seeds_that_failed_once_pass() {
    for seed in [291, 434, 1_014, 1_071, 1_556, 1_708, 3_466, 3_779] {
        play(seed..seed + 1);
    }
}

#[test]
fn the_same_seed_gives_the_same_trace_and_another_seed_another() {
    let report = |seed| run(seed, Options::default());
    for seed in 0..20 {
        let (first, second) = (report(seed), report(seed));
        assert_eq!(first.trace_hash, second.trace_hash, "seed {seed}");
        assert_eq!((first.tally, first.elapsed, first.turns), (second.tally, second.elapsed, second.turns));
        assert_ne!(first.trace_hash, report(seed + 1).trace_hash);
    }
}

/// What the seeds are for must happen in them, or they show nothing.
#[test]
fn seeds_reach_what_they_are_to_test() {
    let mut total = helenus_sim::Tally::default();
    (0..60).for_each(|seed| total += run(seed, Options::default()).tally);
    let reached = [
        ("answers", total.answers),
        ("errors", total.errors),
        ("timeouts", total.timeouts),
        ("cancelled", total.cancelled),
        ("rejected", total.rejected),
        ("never sent", total.never_sent),
        ("unknown fate", total.unknown),
        ("closed", total.closed),
        ("broken connections", total.resets),
        ("resends", total.resends),
        ("reprepared", total.unprepared),
    ];
    for (what, count) in reached {
        assert!(count >= 5, "only {count} {what}");
    }
}
