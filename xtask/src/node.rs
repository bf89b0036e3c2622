//! The embedded node as a process beside the tests.

use crate::shell::{cargo, cargo_target, run};
use anyhow::{Context, Result};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// Three embedded nodes on free loopback addresses; killed when dropped.
pub(crate) struct Node {
    process: Child,
    address: String,
}

impl Node {
    pub(crate) fn start() -> Result<Self> {
        run(&mut cargo(["build", "--quiet", "-p", "helenus-node", "--example", "node"]))?;
        let program = cargo_target().join("debug/examples/node");
        let mut command = Command::new(&program);
        command.args(["--nodes", "3"]).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        let mut address = String::new();
        if let Some(stdout) = process.stdout.as_mut() {
            BufReader::new(stdout).read_line(&mut address)?;
        }
        Ok(Self { process, address: address.trim().to_owned() })
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to kill.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
