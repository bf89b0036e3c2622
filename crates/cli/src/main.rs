//! The `helenus` command: `helenus bench` measures the driver, `helenus node` is a small CQL node to talk to.

#![deny(unsafe_code)]

mod bench;
mod node;
mod os;
mod parent;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(
    name = "helenus",
    version,
    about = "Measure the helenus driver, or run a small CQL node",
    max_term_width = 110
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measure reactors and ways of calling the driver, against Cassandra or a node of its own
    Bench(Box<bench::Options>),
    /// Run a small CQL node: Cassandra's protocol v3 to v5, all data in memory
    Node(node::Options),
    /// What `bench` runs for each measurement
    #[command(hide = true)]
    BenchWorker,
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Bench(options) => bench::run(&options),
        Command::Node(options) => node::run(&options).map(|()| ExitCode::SUCCESS),
        Command::BenchWorker => Ok(bench::worker()),
    };
    done.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
