//! System calls per request, and of a session at rest, counted by strace.
//!
//! Each figure is the difference of two runs that differ in one number only, which removes start and end.

use crate::drivers::Driver;
use crate::idle::On;
use crate::processor::Cores;
use crate::rounds::{Task, run_to_end};
use crate::server::{Server, ServerArgs};
use crate::workload::Op;
use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};
use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

/// By name, how often.
type Calls = BTreeMap<String, f64>;

const FEW: u64 = 12_000;
const MANY: u64 = 36_000;
const SHORT_REST_S: u64 = 2;
const LONG_REST_S: u64 = 12;

#[derive(Args, Debug)]
pub(crate) struct SyscallsArgs {
    /// Only these clients
    #[arg(long, value_delimiter = ',', value_name = "DRIVER,..")]
    only: Vec<Driver>,
    /// Requests in flight
    #[arg(long, value_delimiter = ',', value_name = "N,..", default_values_t = [1, 120])]
    in_flight: Vec<usize>,
    /// Instead, the calls of a session at rest for ten seconds, on each reactor
    #[arg(long)]
    at_rest: bool,
    #[command(flatten)]
    server: ServerArgs,
}

pub(crate) fn run(args: &SyscallsArgs) -> Result<()> {
    let cores = Cores::choose()?;
    let server = Server::from_args(&args.server, cores)?;
    if args.at_rest {
        return at_rest(&server);
    }
    let drivers = if args.only.is_empty() { Driver::ALL } else { &args.only };
    println!("system calls per 1,000 inserts, all threads");
    for in_flight in &args.in_flight {
        for driver in drivers.iter().filter(|driver| driver.fits(*in_flight)) {
            let task = |ops| Task {
                ops: Some(ops),
                warmup: Some(2_400),
                limit_s: 120,
                ..Task::new(*driver, Op::Insert, *in_flight)
            };
            let count = |ops| {
                let mut command = strace();
                task(ops).add_args(&mut command, &server, cores);
                counted(&mut command).with_context(|| driver.name())
            };
            let calls = difference(&count(FEW)?, &count(MANY)?, (MANY - FEW) as f64 / 1e3);
            println!("{:<26} at {in_flight:>5}: {}", driver.name(), told(&calls));
        }
    }
    Ok(())
}

fn at_rest(server: &Server) -> Result<()> {
    println!("system calls of a session at rest for {} s, all threads", LONG_REST_S - SHORT_REST_S);
    for on in On::value_variants() {
        let count = |rest_s: u64| {
            let mut command = strace();
            command.args(["rest-client", "--on", &on.name(), "--server", &server.address.to_string()]);
            counted(command.args(["--rest-s", &rest_s.to_string()])).with_context(|| on.name())
        };
        let calls = difference(&count(SHORT_REST_S)?, &count(LONG_REST_S)?, 1.0);
        println!("{:<10}: {}", on.name(), told(&calls));
    }
    Ok(())
}

/// This program under strace, to be given its command.
fn strace() -> Command {
    let mut command = Command::new("strace");
    command.args(["-f", "-c", "-U", "calls,name", "-o"]).arg(report());
    if let Ok(program) = std::env::current_exe() {
        command.arg(program);
    }
    command
}

fn report() -> std::path::PathBuf {
    std::env::temp_dir().join(format!("peers-strace-{}", std::process::id()))
}

fn counted(command: &mut Command) -> Result<Calls> {
    run_to_end(command).context("strace (apt-get install strace)")?;
    let text = fs::read_to_string(report())?;
    fs::remove_file(report())?;
    let calls = parse(&text);
    ensure!(!calls.is_empty(), "strace counted nothing: {text}");
    Ok(calls)
}

fn parse(text: &str) -> Calls {
    let row = |line: &str| {
        let (calls, name) = line.trim().split_once(char::is_whitespace)?;
        Some((name.trim().to_owned(), calls.parse().ok()?))
    };
    text.lines().filter_map(row).filter(|(name, _)| name != "total").collect()
}

fn difference(few: &Calls, many: &Calls, by: f64) -> Calls {
    let names = many.iter().map(|(name, calls)| (name, calls - few.get(name).copied().unwrap_or(0.0)));
    names.map(|(name, calls)| (name.clone(), calls / by)).filter(|(_, each)| each.abs() >= 0.5).collect()
}

fn told(calls: &Calls) -> String {
    let mut sorted: Vec<_> = calls.iter().collect();
    sorted.sort_by(|a, b| b.1.total_cmp(a.1));
    let total: f64 = calls.values().sum();
    let each: Vec<String> = sorted.iter().map(|(name, calls)| format!("{name} {calls:.0}")).collect();
    format!("{total:.0} ({})", each.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_compared_by_name() {
        let few = parse("    calls syscall\n--- ---\n   10 read\n    5 mmap\n   15 total\n");
        let many = parse("   40 read\n    5 mmap\n   20 write\n   65 total\n");
        let calls = difference(&few, &many, 10.0);
        assert_eq!(calls, BTreeMap::from([("read".to_owned(), 3.0), ("write".to_owned(), 2.0)]));
    }
}
