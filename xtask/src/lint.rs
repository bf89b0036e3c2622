//! Formatting, clippy, docs, licences, tidiness: whatever can be said about the code without running it.

use crate::features::REACTORS;
use crate::shell::{cargo, run as run_command, step};
use crate::{book, need, tidy};
use anyhow::{Result, bail};

/// A name and what it checks.
type Lint = (&'static str, fn() -> Result<()>);

/// Each step runs, whatever the ones before it said: all that is wrong is known after one run.
pub(crate) fn run() -> Result<()> {
    let steps: [Lint; 7] = [
        ("formatting", formatting),
        ("tidy", tidy::check),
        ("clippy", || run_clippy(&["--workspace", "--all-targets", "--all-features"])),
        ("features alone", features),
        ("docs", docs),
        ("book", book::build),
        ("licences, bans, sources", deny),
    ];
    let done = steps.into_iter().map(|(name, work)| step(name, work));
    let faults: Vec<_> = done.filter_map(Result::err).map(|error| format!("{error:#}")).collect();
    match faults.as_slice() {
        [] => Ok(()),
        _ => bail!("{} of {} lints failed:\n{}", faults.len(), steps.len(), faults.join("\n")),
    }
}

fn formatting() -> Result<()> {
    run_command(&mut cargo(["fmt", "--all", "--check"]))
}

fn run_clippy(what: &[&str]) -> Result<()> {
    run_command(&mut cargo([&["clippy", "--quiet"], what, &["--", "-D", "warnings"]].concat()))
}

fn features() -> Result<()> {
    run_clippy(&["-p", "helenus", "--no-default-features"])?;
    for (reactor, _) in REACTORS {
        let reactor = format!("reactor-{reactor}");
        run_clippy(&["-p", "helenus", "--no-default-features", "--features", &reactor])?;
        run_clippy(&["-p", "helenus-cli", "--no-default-features", "--features", &reactor])?;
    }
    for feature in ["lz4", "snappy"] {
        run_clippy(&["-p", "helenus", "--no-default-features", "--features", feature])?;
    }
    Ok(())
}

fn docs() -> Result<()> {
    let mut doc = cargo(["doc", "--workspace", "--all-features", "--no-deps", "--quiet"]);
    run_command(doc.env("RUSTDOCFLAGS", "-D warnings"))
}

fn deny() -> Result<()> {
    need::cargo_deny()?;
    run_command(&mut cargo(["deny", "check", "bans", "licenses", "sources"]))
}
