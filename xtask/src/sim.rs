//! Simulator seeds: the whole machine under virtual time.

use crate::shell::{cargo, run};
use anyhow::Result;

/// Seeds that `cargo xtask test` runs.
const QUICK: &str = "2000";

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How many seeds
    #[arg(long, default_value_t = 10_000)]
    seeds: u64,
    /// One seed, with its trace
    #[arg(long)]
    seed: Option<u64>,
}

pub(crate) fn run_seeds(arguments: &Arguments) -> Result<()> {
    match arguments.seed {
        Some(seed) => seeds(&["--seed", &seed.to_string()]),
        None => seeds(&["--seeds", &arguments.seeds.to_string()]),
    }
}

pub(crate) fn quick() -> Result<()> {
    seeds(&["--seeds", QUICK])
}

fn seeds(arguments: &[&str]) -> Result<()> {
    let fixed = ["run", "--quiet", "--release", "-p", "helenus-sim", "--example", "seeds", "--"];
    run(&mut cargo([&fixed, arguments].concat()))
}
