//! Plays seeds: `cargo run --release -p helenus-sim --example seeds -- --seeds 10000`, or one with its trace: `--seed 7`.

use std::process::ExitCode;
use std::time::Instant;

use helenus_sim::{Options, Tally, run};

const USAGE: &str = "usage: seeds [--seeds N] [--from FIRST] | [--seed S]";

fn main() -> ExitCode {
    let (mut count, mut first, mut traced) = (10_000, 0, false);
    let mut args = std::env::args().skip(1);
    while let Some(name) = args.next() {
        let value = args.next().and_then(|value| value.parse::<u64>().ok());
        match (name.as_str(), value) {
            ("--seeds", Some(value)) => count = value,
            ("--from", Some(value)) => first = value,
            ("--seed", Some(value)) => (first, count, traced) = (value, 1, true),
            _ => {
                eprintln!("{USAGE}");
                return ExitCode::from(2);
            }
        }
    }
    play(first, count, traced)
}

fn play(first: u64, count: u64, traced: bool) -> ExitCode {
    let started = Instant::now();
    let (mut tally, mut virtual_seconds, mut turns, mut failed) = (Tally::default(), 0.0, 0, 0);
    for seed in first..first + count {
        let report = run(seed, Options { traced, planted: None });
        tally += report.tally;
        virtual_seconds += report.elapsed.as_secs_f64();
        turns += report.turns;
        if !report.violations.is_empty() {
            failed += 1;
            println!("seed {seed} FAILED:");
            report.violations.iter().take(5).for_each(|violation| println!("  {violation}"));
            println!("  again: cargo run --release -p helenus-sim --example seeds -- --seed {seed}");
        }
        if (seed + 1 - first) % 1_000 == 0 && count > 1 {
            println!("{} of {count} seeds, {:.1} s", seed + 1 - first, started.elapsed().as_secs_f64());
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    let seeds_per_second = count as f64 / seconds;
    println!(
        "{count} seeds, {failed} failed; {seeds_per_second:.0} seeds/s, {virtual_seconds:.0} virtual s, {turns} turns"
    );
    println!(
        "requests {}: answers {} (errors {}), timeouts {}, never sent {}, unknown fate {}, closed {}, cancelled {}, \
         rejected {}; connections broken {}, resends {}",
        tally.requests,
        tally.answers,
        tally.errors,
        tally.timeouts,
        tally.never_sent,
        tally.unknown,
        tally.closed,
        tally.cancelled,
        tally.rejected,
        tally.resets,
        tally.resends,
    );
    if failed > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
