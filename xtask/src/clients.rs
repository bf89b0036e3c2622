//! Other people's clients, unchanged, against the embedded node and against real Cassandra: each runs `clients/script.json`,
//! and what comes of each step has to be what is written there. See `clients/README.md`.

use crate::cassandra::{self, Cluster};
use crate::interop::{go_program, python};
use crate::need::{self, Need};
use crate::node::Node;
use crate::shell::{cargo, output, root, run, target};
use crate::test::Skipped;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::path::PathBuf;
use std::process::Command;

const SCRIPT: &str = "clients/script.json";

const NEEDS: &[Need] = &[Need::Python, Need::Go];

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Against three nodes of real Cassandra in place of the embedded node
    #[arg(long)]
    real: bool,
}

pub(crate) fn run_clients(arguments: &Arguments) -> Result<()> {
    if let Some(Skipped::Missing(what)) = skipped() {
        bail!("{what}");
    }
    if !arguments.real {
        return against_node();
    }
    cassandra::with(Cluster { nodes: 3, auth: false, tls: false }, |hosts| {
        let first = hosts.split(',').next().unwrap_or(hosts);
        against(&format!("{first}:9042"), true)
    })
}

/// As a step of the tests.
pub(crate) fn check() -> Result<Option<Skipped>> {
    match skipped() {
        None => against_node().map(|()| None),
        skipped => Ok(skipped),
    }
}

fn skipped() -> Option<Skipped> {
    let missing = need::missing(NEEDS).iter().map(Need::to_string).collect::<Vec<_>>();
    (!missing.is_empty())
        .then(|| Skipped::Missing(format!("the tests with other clients: {}", missing.join("; "))))
}

fn against_node() -> Result<()> {
    let node = Node::start()?;
    against(node.address(), false)
}

/// Runs all clients, each with all versions that it speaks, and compares.
fn against(address: &str, real: bool) -> Result<()> {
    let text = std::fs::read_to_string(root().join(SCRIPT))?;
    let steps: Vec<Value> = serde_json::from_str(&text).context(SCRIPT)?;
    let mut differences = Vec::new();
    for client in clients()? {
        for version in client.versions {
            let mut command = Command::new(&client.program);
            command.args(&client.arguments).args([address, version, SCRIPT]).current_dir(root());
            let printed = output(&mut command)?;
            let name = format!("{} in v{version}", client.name);
            differences.extend(
                compare(&steps, &printed, real)
                    .with_context(|| name.clone())?
                    .into_iter()
                    .map(|difference| format!("{name}: {difference}")),
            );
            eprintln!("{name}: {} steps", steps.len());
        }
    }
    if differences.is_empty() {
        return Ok(());
    }
    bail!("{} answers differ from {SCRIPT}:\n{}", differences.len(), differences.join("\n"))
}

struct Client {
    name: &'static str,
    program: PathBuf,
    arguments: Vec<String>,
    versions: &'static [&'static str],
}

fn clients() -> Result<Vec<Client>> {
    let scylla = "clients/scylla/Cargo.toml";
    let built = target().join("clients");
    let build = ["build", "--quiet", "--locked", "--manifest-path", scylla, "--target-dir"];
    run(cargo(build).arg(&built))?;
    Ok(vec![
        Client {
            name: "cassandra-driver (Python)",
            program: python()?,
            arguments: vec!["clients/python/run.py".into()],
            versions: &["4", "5"],
        },
        Client {
            name: "gocql (Go)",
            program: go_program("clients", "clients/go")?,
            arguments: Vec::new(),
            versions: &["4", "5"],
        },
        Client {
            name: "scylla (Rust)",
            program: built.join("debug/helenus-clients-scylla"),
            arguments: Vec::new(),
            versions: &["4"],
        },
    ])
}

/// How what was printed, a line for each step, differs from what is expected.
fn compare(steps: &[Value], printed: &str, real: bool) -> Result<Vec<String>> {
    let outcomes = printed.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>()?;
    if outcomes.len() != steps.len() {
        bail!("{} of {} steps were answered", outcomes.len(), steps.len());
    }
    let expected = |step: &Value| match step.get("real").filter(|_| real) {
        Some(real) => real.clone(),
        None => step["expect"].clone(),
    };
    let pairs = steps.iter().zip(&outcomes).filter(|(step, outcome)| expected(step) != **outcome);
    Ok(pairs.map(|(step, outcome)| format!("{step}\n  came to {outcome}")).collect())
}
