//! The tasks of the workspace: `cargo xtask --help` lists them.

mod asan;
mod bench_all_reactors;
mod bench_peers;
mod book;
mod cassandra;
mod ci;
mod clients;
mod conformance;
mod features;
mod fuzz;
mod instructions;
mod interop;
mod lint;
mod matrix;
mod models;
mod need;
mod node;
mod shell;
mod sim;
mod test;
mod tidy;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The tasks of the helenus workspace")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Lint, then test: what continuous integration runs
    Ci,
    /// The book, into target/book
    Book,
    /// Formatting, clippy, docs, licences and tidiness
    Lint,
    /// Every test, real Cassandra included
    Test,
    /// A real Cassandra cluster on this machine
    #[command(subcommand)]
    Cassandra(cassandra::Command),
    /// Other people's clients run a script on the embedded node, or on real Cassandra
    Clients(clients::Arguments),
    /// Every reactor times every pattern: a table, JSON and an HTML page under target/bench/
    BenchAllReactors(bench_all_reactors::Arguments),
    /// helenus beside other drivers and a bare loop
    BenchPeers(bench_peers::Arguments),
    /// The tests of the io_uring reactor under AddressSanitizer
    Asan,
    /// What each reactor must do: a table of reactors and rows
    Conformance(conformance::Arguments),
    /// Instruction counts, compared with the baseline of this rustc
    Instructions(instructions::Arguments),
    /// Every set of reactors as features: each builds, and its default is the documented one
    Features,
    /// Any bytes into the decoders, guided by coverage; what is new goes into crates/fuzz/corpus
    Fuzz(fuzz::Arguments),
    /// Every type written by helenus and read by the Python driver and gocql, and the other way round, on real Cassandra
    Interop,
    /// Protocol versions by compressions, TLS and authentication: a table for the embedded node, two for real Cassandra
    Matrix(matrix::Arguments),
    /// What threads share, under every interleaving that loom finds
    Models(models::Arguments),
    /// Simulator seeds
    Sim(sim::Arguments),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().task {
        Task::Ci => ci::run(),
        Task::Book => book::build(),
        Task::Lint => lint::run(),
        Task::Test => test::run(),
        Task::Cassandra(command) => cassandra::run(command),
        Task::Clients(arguments) => clients::run_clients(&arguments),
        Task::BenchAllReactors(arguments) => bench_all_reactors::run_bench(&arguments),
        Task::BenchPeers(arguments) => bench_peers::run_peers(&arguments),
        Task::Asan => asan::run_asan(),
        Task::Conformance(arguments) => conformance::run_suites(&arguments),
        Task::Instructions(arguments) => instructions::run(&arguments),
        Task::Features => features::run(),
        Task::Fuzz(arguments) => fuzz::run_fuzz(&arguments),
        Task::Interop => interop::run_interop(),
        Task::Matrix(arguments) => matrix::run_matrix(&arguments),
        Task::Models(arguments) => models::run_models(&arguments),
        Task::Sim(arguments) => sim::run_seeds(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
