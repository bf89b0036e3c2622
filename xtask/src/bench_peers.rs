//! helenus beside other drivers and a bare loop: the workspace `benches/peers`.

use crate::shell::{cargo, cargo_target, command, run};
use anyhow::Result;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Go to the program as they are: --quick, --only, --in-flight, --rounds, --json FILE, --instructions, ...
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

pub(crate) fn run_peers(arguments: &Arguments) -> Result<()> {
    run(&mut cargo(["build", "--release", "-p", "helenus-cli"]))?;
    let manifest = "benches/peers/Cargo.toml";
    run(&mut cargo([
        "build",
        "--release",
        "--manifest-path",
        manifest,
        "--target-dir",
        "benches/peers/target",
    ]))?;
    let mut peers = command("benches/peers/target/release/peers", ["run"]);
    run(peers.args(&arguments.rest).env("HELENUS_BIN", cargo_target().join("release/helenus")))
}
