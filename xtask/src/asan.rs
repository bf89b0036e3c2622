//! The tests of the crate that shares memory with the kernel, under AddressSanitizer.

use crate::need::Need;
use crate::shell::{command, run, target};
use crate::test::Skipped;
use anyhow::{Result, bail};

/// The sanitizer wants a target to be named, so that build scripts go without it.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Fails if it can't run.
pub(crate) fn run_asan() -> Result<()> {
    match check()? {
        Some(skipped) => bail!("could not run {skipped}"),
        None => Ok(()),
    }
}

/// Gives what is missing if it can't run.
pub(crate) fn check() -> Result<Option<Skipped>> {
    if !Need::Nightly.is_met() {
        return Ok(Some(Skipped::Missing(format!("the tests under AddressSanitizer: {}", Need::Nightly))));
    }
    let test =
        ["run", "nightly", "cargo", "test", "--quiet", "-p", "helenus-reactor-uring", "--target", TARGET];
    let mut test = command("rustup", test);
    // What it builds has other flags than the rest, and would make that be built again.
    run(test.env("RUSTFLAGS", "-Zsanitizer=address").env("CARGO_TARGET_DIR", target().join("asan")))?;
    Ok(None)
}
