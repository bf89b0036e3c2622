//! Measures helenus against other drivers, and against a bare epoll loop, on one server that does next to nothing.
//!
//! Each measurement is a process of its own, pinned to one core; the server is pinned to another.

mod client;
mod drivers;
mod idle;
mod instructions;
mod latency;
mod null_cost;
mod processor;
mod report;
mod rounds;
mod secured;
mod serve;
mod server;
mod syscalls;
mod threads;
mod tls;
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
    /// Threads that block, one request at a time each
    Threads(threads::ThreadsArgs),
    /// One measurement; `threads` starts these
    #[command(hide = true)]
    ThreadsClient(threads::ThreadsClientArgs),
    /// Memory of connections on which nothing happens but heartbeats
    Idle(idle::IdleArgs),
    /// One measurement; `idle` starts these
    #[command(hide = true)]
    IdleClient(idle::IdleClientArgs),
    /// System calls per request, or of a session at rest (needs strace)
    Syscalls(syscalls::SyscallsArgs),
    /// One measurement; `syscalls` starts these
    #[command(hide = true)]
    RestClient(idle::RestClientArgs),
    /// The bare epoll responder
    Serve(serve::ServeArgs),
    /// CPU per request of `helenus node --null` beside that of the bare epoll responder
    NullServerCost(null_cost::NullCostArgs),
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Run(args) => rounds::run(&args),
        Command::Client(args) => client::run(&args),
        Command::Threads(args) => threads::run(&args),
        Command::ThreadsClient(args) => threads::run_client(&args),
        Command::Idle(args) => idle::run(&args),
        Command::IdleClient(args) => idle::run_client(&args),
        Command::Syscalls(args) => syscalls::run(&args),
        Command::RestClient(args) => idle::run_rest_client(&args),
        Command::Serve(args) => serve::run(&args),
        Command::NullServerCost(args) => null_cost::run(&args),
    }
}
