//! All clients in turn, round after round, so that what disturbs the machine for a while disturbs them alike.

use crate::client::Measurement;
use crate::drivers::Driver;
use crate::instructions;
use crate::processor::Cores;
use crate::report::{Failure, Report};
use crate::secured;
use crate::server::{Server, ServerArgs};
use crate::workload::{KEYS, Op};
use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::{Command, Stdio};

pub(crate) const DEPTHS: [usize; 5] = [1, 16, 120, 1_024, 8_192];

#[derive(Args, Debug)]
pub(crate) struct RunArgs {
    /// Only these clients
    #[arg(long, value_delimiter = ',', value_name = "DRIVER,..")]
    pub(crate) only: Vec<Driver>,
    /// Only these operations
    #[arg(long, value_delimiter = ',', value_name = "OP,..")]
    pub(crate) ops: Vec<Op>,
    /// Requests in flight; without it 1 to 8,192 in five steps, with --tls 1, 120 and 1,024
    #[arg(long, value_delimiter = ',', value_name = "N,..")]
    pub(crate) in_flight: Vec<usize>,
    /// Rounds, of whose figures the medians are told
    #[arg(long, default_value_t = 5)]
    pub(crate) rounds: usize,
    /// About how long each measurement takes, in milliseconds
    #[arg(long, default_value_t = 700)]
    pub(crate) millis: u64,
    /// One round of short measurements: shows that all works; its figures are rough
    #[arg(long)]
    pub(crate) quick: bool,
    /// Also count user-space instructions per insert at 120 in flight (needs valgrind; some minutes)
    #[arg(long)]
    pub(crate) instructions: bool,
    /// Instead, what TLS costs: inserts on a server with TLS beside one without
    #[arg(long)]
    tls: bool,
    /// Also write everything, each round included, as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

pub(crate) fn run(args: &RunArgs) -> Result<()> {
    ensure!(args.rounds > 0 && !args.in_flight.contains(&0), "rounds and requests in flight start at 1");
    if args.tls {
        return secured::run(args);
    }
    let cores = Cores::choose()?;
    let server = Server::from_args(&args.server, cores)?;
    fill_table(&server, cores)?;
    let drivers = if args.only.is_empty() { Driver::ALL.to_vec() } else { args.only.clone() };
    let mut report = Report::new(server.label.clone(), if args.quick { 1 } else { args.rounds });
    measure_rounds(args, &drivers, &server, cores, &mut report);
    if args.instructions {
        report.instructions = instructions::count(&drivers, &server, cores, &mut report.failures);
    }
    report.print();
    if let Some(path) = &args.json {
        report.write_json(path)?;
    }
    if report.failures.is_empty() { Ok(()) } else { bail!("{} measurements failed", report.failures.len()) }
}

/// Writes each key once, so that selects find their row on a server that stores.
fn fill_table(server: &Server, cores: Cores) -> Result<()> {
    let task = Task { ops: Some(KEYS as u64), ..Task::new(Driver::Bare, Op::Insert, 120) };
    task.measure(server, cores).context("the table isn't filled")?;
    Ok(())
}

fn measure_rounds(args: &RunArgs, drivers: &[Driver], server: &Server, cores: Cores, report: &mut Report) {
    let ops = if args.ops.is_empty() { Op::ALL.to_vec() } else { args.ops.clone() };
    let millis = if args.quick { 100 } else { args.millis };
    let depths = if args.in_flight.is_empty() { &DEPTHS[..] } else { &args.in_flight };
    let fitting = |in_flight: &usize| drivers.iter().filter(|driver| driver.fits(*in_flight)).count();
    let total = report.rounds * ops.len() * depths.iter().map(fitting).sum::<usize>();
    let mut done = 0;
    for _ in 0..report.rounds {
        for op in &ops {
            for in_flight in depths {
                for driver in drivers.iter().filter(|driver| driver.fits(*in_flight)) {
                    let task = Task { millis, ..Task::new(*driver, *op, *in_flight) };
                    match task.measure(server, cores) {
                        Ok(measurement) => report.measurements.push(measurement),
                        Err(error) => report.failures.push(Failure::new(&task, &error)),
                    }
                    done += 1;
                    show_progress(done, total);
                }
            }
        }
    }
}

fn show_progress(done: usize, total: usize) {
    if std::io::stderr().is_terminal() {
        eprint!("\r{done}/{total}{}", if done == total { "\n" } else { "" });
    }
}

/// One client process to start.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    pub(crate) driver: Driver,
    pub(crate) op: Op,
    pub(crate) in_flight: usize,
    pub(crate) millis: u64,
    pub(crate) ops: Option<u64>,
    pub(crate) warmup: Option<u64>,
    pub(crate) limit_s: u32,
}

impl Task {
    pub(crate) fn new(driver: Driver, op: Op, in_flight: usize) -> Self {
        Self { driver, op, in_flight, millis: 700, ops: None, warmup: None, limit_s: 60 }
    }

    pub(crate) fn measure(&self, server: &Server, cores: Cores) -> Result<Measurement> {
        let mut command = Command::new(std::env::current_exe()?);
        self.add_args(&mut command, server, cores);
        if let Some(pid) = server.pid {
            command.args(["--server-pid", &pid.to_string()]);
        }
        let output = run_to_end(&mut command)?;
        serde_json::from_slice(&output).context("the client printed something else than its measurement")
    }

    pub(crate) fn add_args(&self, command: &mut Command, server: &Server, cores: Cores) {
        command.args(["client", "--driver", self.driver.name()]);
        command.args(["--op", &self.op.to_string(), "--in-flight", &self.in_flight.to_string()]);
        command.args(["--server", &server.address.to_string(), "--core", &cores.client.to_string()]);
        command.args(["--millis", &self.millis.to_string(), "--limit-s", &self.limit_s.to_string()]);
        if let Some(certificate) = server.tls_certificate() {
            command.arg("--tls-ca").arg(certificate);
        }
        if let Some(ops) = self.ops {
            command.args(["--ops", &ops.to_string()]);
        }
        if let Some(warmup) = self.warmup {
            command.args(["--warmup", &warmup.to_string()]);
        }
    }
}

/// What the command printed; what it said about its failure is in the error.
pub(crate) fn run_to_end(command: &mut Command) -> Result<Vec<u8>> {
    // The failure is told in a line of the table; a backtrace would bury it.
    let output = command.stdin(Stdio::null()).env("RUST_LIB_BACKTRACE", "0").output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{}: {}", output.status, said.trim());
    }
    Ok(output.stdout)
}
