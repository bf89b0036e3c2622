//! User-space instructions per insert, counted by callgrind.

use crate::drivers::Driver;
use crate::processor::Cores;
use crate::report::Failure;
use crate::rounds::{Task, run_to_end};
use crate::server::Server;
use crate::workload::Op;
use anyhow::{Context, Result};
use serde::Serialize;
use std::fs;
use std::process::Command;

const IN_FLIGHT: usize = 120;
/// Two runs that differ only in this; dividing their difference removes start, connecting and warm-up.
const FEW: u64 = 6_000;
const MANY: u64 = 30_000;

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Instructions {
    pub(crate) driver: Driver,
    pub(crate) per_insert: f64,
}

pub(crate) fn count(
    drivers: &[Driver],
    server: &Server,
    cores: Cores,
    failures: &mut Vec<Failure>,
) -> Vec<Instructions> {
    let mut counted = Vec::new();
    for driver in drivers {
        let task = Task { warmup: Some(2_400), limit_s: 600, ..Task::new(*driver, Op::Insert, IN_FLIGHT) };
        match per_insert(&task, server, cores) {
            Ok(per_insert) => counted.push(Instructions { driver: *driver, per_insert }),
            Err(error) => failures.push(Failure::new(&task, &error.context("counting instructions"))),
        }
    }
    counted
}

fn per_insert(task: &Task, server: &Server, cores: Cores) -> Result<f64> {
    let few = total(&Task { ops: Some(FEW), ..task.clone() }, server, cores)?;
    let many = total(&Task { ops: Some(MANY), ..task.clone() }, server, cores)?;
    Ok((many as f64 - few as f64) / (MANY - FEW) as f64)
}

fn total(task: &Task, server: &Server, cores: Cores) -> Result<u64> {
    let out = std::env::temp_dir().join(format!("peers-callgrind-{}", std::process::id()));
    let mut command = Command::new("valgrind");
    command.args(["--quiet", "--tool=callgrind"]).arg(format!("--callgrind-out-file={}", out.display()));
    command.arg(std::env::current_exe()?);
    task.add_args(&mut command, server, cores);
    run_to_end(&mut command).context("valgrind (apt-get install valgrind)")?;
    let text = fs::read_to_string(&out)?;
    fs::remove_file(&out)?;
    parse_total(&text).context("callgrind's file has no line with its totals")
}

fn parse_total(text: &str) -> Option<u64> {
    let line =
        text.lines().find_map(|line| line.strip_prefix("totals:").or(line.strip_prefix("summary:")))?;
    line.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_found_among_the_costs() {
        assert_eq!(parse_total("events: Ir\nfn=(1) a\n12 34\ntotals: 5678\n"), Some(5_678));
        assert_eq!(parse_total("events: Ir\n"), None);
    }
}
