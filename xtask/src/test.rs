//! Every test: the README's test command. It sets up all that it needs.

use crate::cassandra::{self, Cluster};
use crate::shell::{cargo, in_ci, run as run_command, step};
use crate::{asan, clients, features, instructions, models, need, sim};
use anyhow::{Result, bail};
use std::fmt;

const NODES: u8 = 3;

/// Examples that are run against the embedded node, so that they can't rot.
const EXAMPLES: &[&str] = &[
    "first",
    "start",
    "patterns",
    "threads",
    "callbacks",
    "caller_thread",
    "pages",
    "results",
    "statements",
    "typed_rows",
    "authenticator",
    "tls",
    "faults",
    "tokio_current_thread",
    "tokio_multi_thread",
    "smol",
    "glommio",
    "async_std",
    "two_reactors",
    "web_server",
    "own_loop",
    "own_reactor",
];

/// A check that could not run: which one, and what makes it run.
pub(crate) enum Skipped {
    /// A program isn't installed.
    Missing(String),
    /// Nobody saved a baseline for this compiler yet. Another compiler is no fault of the code.
    NoBaseline(String),
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(what) | Self::NoBaseline(what) => f.write_str(what),
        }
    }
}

/// A name and what it does; gives what could not run.
type Step = (&'static str, fn() -> Result<Option<Skipped>>);

/// In order, each whatever became of those before it. A new kind of test is added here.
const STEPS: &[Step] = &[
    ("tests", || workspace().map(|()| None)),
    ("models", || models::quick().map(|()| None)),
    ("simulator", || sim::quick().map(|()| None)),
    ("features", || features::run().map(|()| None)),
    ("examples", || examples().map(|()| None)),
    ("other clients", clients::check),
    ("AddressSanitizer", asan::check),
    ("instruction counts", instructions::check),
    ("real Cassandra", real_cassandra),
];

pub(crate) fn run() -> Result<()> {
    let mut skipped = Vec::new();
    let mut faults = Vec::new();
    for (name, work) in STEPS {
        match step(name, work) {
            Ok(done) => skipped.extend(done),
            Err(error) => faults.push(format!("{error:#}")),
        }
    }
    // Last, where it is seen.
    for skipped in &skipped {
        println!("SKIPPED {skipped}");
    }
    let missing = skipped.iter().filter(|skipped| matches!(skipped, Skipped::Missing(_)));
    if in_ci() {
        faults.extend(missing.map(|missing| format!("CI=true, and nothing could run {missing}")));
    }
    match faults.as_slice() {
        [] => Ok(()),
        _ => bail!("{} of {} kinds of test failed:\n{}", faults.len(), STEPS.len(), faults.join("\n")),
    }
}

fn workspace() -> Result<()> {
    run_command(&mut cargo(["test", "--workspace", "--all-features", "--quiet", "--no-fail-fast"]))
}

fn examples() -> Result<()> {
    run_command(&mut cargo(["build", "--quiet", "-p", "helenus", "--all-features", "--examples"]))?;
    let node = crate::node::Node::start()?;
    for name in EXAMPLES {
        let arguments =
            ["run", "--quiet", "-p", "helenus", "--all-features", "--example", name, "--", node.address()];
        run_command(&mut cargo(arguments))?;
    }
    Ok(())
}

/// Tests against three real nodes. Gives the line to print if they can't run.
fn real_cassandra() -> Result<Option<Skipped>> {
    let missing = need::missing(cassandra::NEEDS);
    if !missing.is_empty() {
        let needs: Vec<_> = missing.iter().map(ToString::to_string).collect();
        let what = format!("the tests on real Cassandra: {}", needs.join("; "));
        return Ok(Some(Skipped::Missing(what)));
    }
    cassandra::with(Cluster { nodes: NODES, auth: false, tls: true }, |hosts| {
        // Without a cluster they are ignored, which says so in the list of tests.
        let arguments = ["--test", "cassandra", "--", "--include-ignored", "--test-threads=1"];
        let mut test = cargo(["test", "-p", "helenus", "--all-features"]);
        test.args(arguments)
            .env("HELENUS_CASSANDRA", hosts)
            .env("HELENUS_CASSANDRA_CA", cassandra::authority());
        run_command(&mut test)?;
        let mut test = cargo(["test", "-p", "helenus-cli", "--test", "cql", "--", "--ignored"]);
        run_command(test.env("HELENUS_CASSANDRA", hosts))
    })?;
    Ok(None)
}
