//! The `helenus` command: `helenus bench` measures the driver, `helenus cql` runs statements, `helenus codec` reads and writes
//! the protocol's bytes, `helenus node` is a small CQL node to talk to.

#![deny(unsafe_code)]

#[cfg(not(any(
    feature = "reactor-async-std",
    feature = "reactor-glommio",
    feature = "reactor-mio",
    feature = "reactor-smol",
    feature = "reactor-tokio",
    feature = "reactor-uring"
)))]
compile_error!("turn on a feature such as `reactor-mio`: without a reactor there is nothing to measure");

mod bench;
mod codec;
mod cql;
mod node;
mod os;
mod parent;
mod secret;
mod tls;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(
    name = "helenus",
    version,
    about = "Run CQL, measure the helenus driver, look into its bytes, or run a small CQL node",
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
    /// Decode and encode values, frames and segments as the driver does
    Codec(codec::Options),
    /// Run statements, and write their rows as a table, JSON or CSV
    Cql(Box<cql::Options>),
    /// Run a small CQL node: Cassandra's protocol v3 to v5, all data in memory
    Node(node::Options),
    /// What `bench` runs for each measurement
    #[command(hide = true)]
    BenchWorker,
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Bench(options) => bench::run(&options),
        Command::Codec(options) => codec::run(options),
        Command::Cql(options) => cql::run(*options),
        Command::Node(options) => node::run(&options).map(|()| ExitCode::SUCCESS),
        Command::BenchWorker => Ok(bench::worker()),
    };
    done.unwrap_or_else(|error| {
        eprintln!("error: {}", in_words(&error));
        ExitCode::FAILURE
    })
}

/// An error and its causes, less those whose words are in it already: the driver's errors say what their causes say.
pub(crate) fn in_words(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |text, cause| match text {
        text if text.is_empty() => cause,
        text if text.contains(&cause) => text,
        text => format!("{text}: {cause}"),
    })
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn no_cause_is_said_twice() {
        let error = anyhow!("refused").context("no node; tried a: refused").context("can't connect");
        assert_eq!(in_words(&error), "can't connect: no node; tried a: refused");
    }
}
