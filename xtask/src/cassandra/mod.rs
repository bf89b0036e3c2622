//! A real Cassandra cluster on this machine: no root, no container, everything under `target/cassandra/`.

mod cluster;
mod cql;
mod fetch;
mod node;
mod process;
mod tls;

pub(crate) use cluster::{Cluster, with};
use cluster::{contact_points, down, up};
pub(crate) use fetch::NEEDS;
pub(crate) use tls::authority;

use anyhow::Result;
use clap::{Args, Subcommand};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Start a cluster on 127.0.0.1, 127.0.0.2, ..., port 9042; one that is up already and the same is kept
    Up(Up),
    /// Kill every node and forget its data
    Down,
    /// Kill node N (SIGKILL); its data stays
    Kill(Number),
    /// Start node N again after `kill`, with its data
    Start(Number),
    /// Freeze node N (SIGSTOP): its sockets stay open and it never answers
    Stop(Number),
    /// Let node N go on after `stop` (SIGCONT)
    Cont(Number),
    /// What runs, and what answers
    Status,
}

#[derive(Args)]
pub(crate) struct Up {
    /// How many nodes, each about 750 MB of memory
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=9))]
    nodes: u8,
    /// Ask for a password (user cassandra, password cassandra)
    #[arg(long)]
    auth: bool,
    /// Serve TLS beside plain text on the same port; the authority is target/cassandra/tls/ca.pem
    #[arg(long)]
    tls: bool,
}

#[derive(Args)]
pub(crate) struct Number {
    #[arg(value_name = "N", value_parser = clap::value_parser!(u8).range(1..=9))]
    node: u8,
}

pub(crate) fn run(command: Command) -> Result<()> {
    match command {
        Command::Up(Up { nodes, auth, tls }) => {
            up(Cluster { nodes, auth, tls })?;
            println!("up: {}", contact_points(nodes));
            Ok(())
        }
        Command::Down => down(),
        Command::Kill(n) => cluster::kill(n.node),
        Command::Start(n) => cluster::start(n.node),
        Command::Stop(n) => cluster::signal(n.node, process::Signal::Stop),
        Command::Cont(n) => cluster::signal(n.node, process::Signal::Cont),
        Command::Status => cluster::status(),
    }
}
