//! Every test: the README's test command. It sets up all that it needs.

use crate::cassandra::{self, Cluster};
use crate::shell::{cargo, in_ci, run as run_command, step};
use crate::{instructions, need, sim};
use anyhow::{Result, bail};

const NODES: u8 = 3;

/// Examples that are run against the embedded node, so that they can't rot.
const EXAMPLES: &[(&str, &str)] = &[
    ("start", "reactor-mio"),
    ("callbacks", "reactor-mio"),
    ("caller_thread", "reactor-mio"),
    ("pages", "reactor-mio"),
    ("tokio_runtime", "reactor-tokio"),
];

pub(crate) fn run() -> Result<()> {
    step("tests", || run_command(&mut cargo(["test", "--workspace", "--all-features", "--quiet"])))?;
    step("simulator", sim::quick)?;
    step("examples", examples)?;
    let mut skipped = Vec::new();
    skipped.extend(step("instruction counts", instructions::check)?);
    skipped.extend(step("real Cassandra", real_cassandra)?);
    report(&skipped)
}

/// What could not run is said last, where it is seen. In continuous integration it is a failure.
fn report(skipped: &[String]) -> Result<()> {
    for line in skipped {
        println!("SKIPPED {line}");
    }
    if !skipped.is_empty() && in_ci() {
        bail!("{} checks could not run, and CI=true lets nothing be skipped", skipped.len());
    }
    Ok(())
}

fn examples() -> Result<()> {
    run_command(&mut cargo(["build", "--quiet", "-p", "helenus", "--all-features", "--examples"]))?;
    let node = crate::node::Node::start()?;
    for (name, _) in EXAMPLES {
        let arguments =
            ["run", "--quiet", "-p", "helenus", "--all-features", "--example", name, "--", node.address()];
        run_command(&mut cargo(arguments))?;
    }
    Ok(())
}

/// Tests against three real nodes. Gives the line to print if they can't run.
fn real_cassandra() -> Result<Option<String>> {
    let missing = need::missing(cassandra::NEEDS);
    if !missing.is_empty() {
        let needs: Vec<_> = missing.iter().map(ToString::to_string).collect();
        return Ok(Some(format!("the tests on real Cassandra: {}", needs.join("; "))));
    }
    cassandra::up(Cluster { nodes: NODES, auth: false, tls: false })?;
    // Without a cluster they are ignored, which says so in the list of tests.
    let arguments =
        ["test", "-p", "helenus", "--all-features", "--test", "cassandra", "--", "--ignored", "--test-threads=1"];
    let mut test = cargo(arguments);
    let tested = run_command(test.env("HELENUS_CASSANDRA", cassandra::contact_points(NODES)));
    let down = cassandra::down();
    tested.and(down)?;
    Ok(None)
}
