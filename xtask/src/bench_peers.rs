//! helenus beside other drivers and a bare loop: the workspace `benches/peers`.

use crate::shell::{cargo, cargo_target, command, run};
use anyhow::Result;
use clap::ValueEnum;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// What is measured
    #[arg(long, value_enum, default_value_t = What::Run)]
    what: What,
    /// Go to the program as they are, after `--`: --help, --quick, --only, --in-flight, --rounds, --json FILE, --instructions, ...
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum What {
    /// Requests in flight on one connection: CPU, throughput, latency, memory
    Run,
    /// Threads that block
    Threads,
    /// Memory of thousands of idle connections
    Idle,
    /// System calls per request (needs strace)
    Syscalls,
    /// Rows out of the same bytes: instructions and allocations (needs valgrind)
    Decode,
    /// CPU of the node that answers
    NullServerCost,
}

pub(crate) fn run_peers(arguments: &Arguments) -> Result<()> {
    let manifest = "benches/peers/Cargo.toml";
    if matches!(arguments.what, What::Decode) {
        return run_decode(manifest, &arguments.rest);
    }
    run(&mut cargo(["build", "--release", "-p", "helenus-cli"]))?;
    run(&mut cargo([
        "build",
        "--release",
        "--manifest-path",
        manifest,
        "--target-dir",
        "benches/peers/target",
    ]))?;
    let what = arguments.what.to_possible_value().map(|what| what.get_name().to_owned()).unwrap_or_default();
    let mut peers = command("benches/peers/target/release/peers", [what]);
    run(peers.args(&arguments.rest).env("HELENUS_BIN", cargo_target().join("release/helenus")))
}

/// A program of its own, without any driver's reactor or runtime.
fn run_decode(manifest: &str, rest: &[String]) -> Result<()> {
    let mut decode =
        cargo(["run", "--release", "--manifest-path", manifest, "--target-dir", "benches/peers/target"]);
    run(decode.args(["-p", "helenus-peers-decode", "--"]).args(rest))
}
