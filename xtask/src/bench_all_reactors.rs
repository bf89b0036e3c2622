//! The main job: every reactor that the build has times every pattern.

use crate::cassandra::{self, Cluster};
use crate::shell::{cargo, cargo_target, command, run, target};
use anyhow::Result;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Few operations: ends within a minute after the build
    #[arg(long)]
    quick: bool,
    /// Contact points of a cluster that is up, with commas between
    #[arg(long, short = 'H')]
    hosts: Option<String>,
    /// Three real Cassandra nodes on this machine, brought up first and taken down after if they weren't up
    #[arg(long, conflicts_with = "hosts")]
    real: bool,
    /// Features of the build, `reactor-mio` and its like; without this, all reactors
    #[arg(long, value_delimiter = ',')]
    features: Vec<String>,
    /// Go to `helenus bench` as they are
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

const NODES: u8 = 3;

pub(crate) fn run_bench(arguments: &Arguments) -> Result<()> {
    let mut build = cargo(["build", "--release", "-p", "helenus-cli"]);
    if !arguments.features.is_empty() {
        build.arg("--no-default-features").arg("--features").arg(arguments.features.join(","));
    }
    run(&mut build)?;
    if !arguments.real {
        return bench(arguments, arguments.hosts.as_deref());
    }
    let cluster = Cluster { nodes: NODES, auth: false, tls: false };
    cassandra::with(cluster, |hosts| bench(arguments, Some(hosts)))
}

fn bench(arguments: &Arguments, hosts: Option<&str>) -> Result<()> {
    let out = target().join("bench");
    std::fs::create_dir_all(&out)?;
    let program = cargo_target().join("release/helenus");
    let mut bench = command(&program.to_string_lossy(), ["bench", "--all-reactors"]);
    bench.arg("--json").arg(out.join("all-reactors.json")).arg("--html").arg(out.join("all-reactors.html"));
    if arguments.quick {
        bench.arg("--quick");
    }
    if let Some(hosts) = hosts {
        bench.args(["--hosts", hosts]);
    }
    run(bench.args(&arguments.rest))
}
