//! Formatting, clippy, docs, licences, tidiness: whatever can be said about the code without running it.

use crate::shell::{cargo, run as run_command, step};
use crate::{need, tidy};
use anyhow::Result;

/// Features of `helenus` that must each build alone. A new reactor is added here.
const REACTORS: &[&str] = &["reactor-mio", "reactor-tokio"];

pub(crate) fn run() -> Result<()> {
    step("formatting", formatting)?;
    step("tidy", tidy::check)?;
    step("clippy", || run_clippy(&["--workspace", "--all-targets", "--all-features"]))?;
    step("features alone", features)?;
    step("docs", docs)?;
    step("licences, bans, sources", deny)
}

fn formatting() -> Result<()> {
    run_command(&mut cargo(["fmt", "--all", "--check"]))
}

fn run_clippy(what: &[&str]) -> Result<()> {
    run_command(&mut cargo([&["clippy", "--quiet"], what, &["--", "-D", "warnings"]].concat()))
}

fn features() -> Result<()> {
    run_clippy(&["-p", "helenus", "--no-default-features"])?;
    for reactor in REACTORS {
        run_clippy(&["-p", "helenus", "--no-default-features", "--features", reactor])?;
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
