//! Measures helenus against other drivers, and against a bare epoll loop, on one server that does next to nothing.
//!
//! Each measurement is a process of its own, pinned to one core; the server is pinned to another.

mod client;
mod drivers;
mod instructions;
mod latency;
mod null_cost;
mod processor;
mod report;
mod rounds;
mod serve;
mod server;
mod wire;
mod workload;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "peers", about = "Measures helenus against other drivers and a bare epoll loop")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measure all clients in interleaved rounds, and print medians
    Run(rounds::RunArgs),
    /// One measurement; `run` starts these
    Client(client::ClientArgs),
    /// The bare epoll responder
    Serve(serve::ServeArgs),
    /// CPU per request of `helenus node --null` beside that of the bare epoll responder
    NullServerCost(null_cost::NullCostArgs),
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Run(args) => rounds::run(&args),
        Command::Client(args) => client::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::NullServerCost(args) => null_cost::run(&args),
    }
}
