//! The models: what threads share, under every interleaving that loom finds.

use std::process::Stdio;

use anyhow::{Context, Result, bail};

use crate::shell::{cargo, cargo_target};

/// Whose models there are, and what their names begin with.
const PACKAGES: &[(&str, &str)] = &[("helenus-core", "models::"), ("helenus-models", "")];

/// With 3 the largest models take ten times as long.
const PREEMPTIONS_QUICK: u8 = 2;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How often a thread that could go on is held up, at most, in the models that are too large for every interleaving
    #[arg(long, default_value_t = 3)]
    preemptions: u8,
}

pub(crate) fn run_models(arguments: &Arguments) -> Result<()> {
    explore(arguments.preemptions)
}

pub(crate) fn quick() -> Result<()> {
    explore(PREEMPTIONS_QUICK)
}

fn explore(preemptions: u8) -> Result<()> {
    let mut failed = Vec::new();
    for (package, prefix) in PACKAGES {
        match run_package(package, prefix, preemptions)? {
            Ok(mut lines) => {
                lines.sort_unstable();
                lines.iter().for_each(|line| println!("{line}"));
            }
            Err(output) => {
                eprintln!("{output}");
                failed.push(*package);
            }
        }
    }
    match failed.as_slice() {
        [] => Ok(()),
        _ => bail!("models failed: {}", failed.join(", ")),
    }
}

/// The line of each model, or else all that was printed. In a folder of its own, for the flag changes every crate.
fn run_package(package: &str, prefix: &str, preemptions: u8) -> Result<Result<Vec<String>, String>> {
    let mut test = cargo(["test", "--quiet", "--profile", "models", "--lib", "-p", package, "--target-dir"]);
    test.arg(cargo_target().join("models")).args(["--", prefix, "--nocapture"]);
    let flags = std::env::var("RUSTFLAGS").unwrap_or_default();
    test.env("RUSTFLAGS", format!("{flags} --cfg helenus_loom"));
    test.env("HELENUS_PREEMPTIONS", preemptions.to_string());
    let output = test.stderr(Stdio::inherit()).output().context("cannot start cargo")?;
    let printed = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        return Ok(Err(printed.into_owned()));
    }
    // Dots of the quiet test runner may come before it.
    let lines = printed.lines().filter_map(|line| Some(line.get(line.find("model ")?..)?.to_owned()));
    Ok(Ok(lines.collect()))
}
