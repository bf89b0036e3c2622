//! Everything that a session can speak, with everything that it can speak to: see `crates/helenus/tests/matrix`.

use crate::cassandra::{self, Cluster};
use crate::need;
use crate::shell::{cargo, run, step};
use anyhow::{Result, bail};
use std::process::Command;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The embedded node alone, on all reactors
    #[arg(long, conflicts_with = "cassandra")]
    embedded: bool,
    /// Real Cassandra alone, on mio, tokio and io_uring
    #[arg(long)]
    cassandra: bool,
}

pub(crate) fn run_matrix(arguments: &Arguments) -> Result<()> {
    let mut faults = Vec::new();
    if !arguments.cassandra {
        let embedded = step("the embedded node", || run(&mut test("the_embedded_node_on_all_reactors")));
        faults.extend(embedded.err());
    }
    if !arguments.embedded {
        // One port takes plain text and TLS, but it asks everyone for a password or nobody.
        for authentication in [false, true] {
            let name = if authentication { "Cassandra with authentication" } else { "Cassandra" };
            faults.extend(step(name, || real(authentication)).err());
        }
    }
    match faults.as_slice() {
        [] => Ok(()),
        _ => bail!("{}", faults.iter().map(|fault| format!("{fault:#}")).collect::<Vec<_>>().join("\n")),
    }
}

fn real(authentication: bool) -> Result<()> {
    let missing = need::missing(cassandra::NEEDS);
    if !missing.is_empty() {
        bail!("{}", missing.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "));
    }
    cassandra::with(Cluster { nodes: 1, auth: authentication, tls: true }, |host| {
        let mut test = test("real_cassandra");
        test.env("HELENUS_CASSANDRA", host).env("HELENUS_CASSANDRA_CA", cassandra::authority());
        run(test.env("HELENUS_CASSANDRA_AUTH", if authentication { "1" } else { "0" }))
    })
}

/// One test by its name, which must be there: otherwise nothing would run, and that would look good.
fn test(name: &str) -> Command {
    let arguments = ["--test", "matrix", "--", "--include-ignored", "--nocapture", "--exact", name];
    let mut test = cargo(["test", "--quiet", "-p", "helenus", "--all-features"]);
    test.args(arguments);
    test
}
