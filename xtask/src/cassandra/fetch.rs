//! Fetching Cassandra's jars with Maven, once.

use crate::need::{self, Need};
use crate::shell;
use anyhow::{Result, bail};
use std::fs;
use std::path::PathBuf;

/// What a cluster needs on the machine.
pub(crate) const NEEDS: &[Need] = &[Need::Java17, Need::Maven];

const VERSION: &str = "5.0.8";

/// The folder of everything that belongs to clusters.
pub(super) fn home() -> PathBuf {
    shell::target().join("cassandra")
}

/// The folder of the jars, filled if it isn't yet.
pub(super) fn jars() -> Result<PathBuf> {
    let jars = home().join(format!("lib-{VERSION}"));
    if !jars.is_dir() {
        // Only a complete folder gets the name that later runs trust.
        let partial = home().join("lib.partial");
        fs::create_dir_all(&partial)?;
        let pom = home().join("pom.xml");
        fs::write(&pom, include_str!("templates/pom.xml").replace("{VERSION}", VERSION))?;
        let folder = format!("-DoutputDirectory={}", partial.display());
        let mut maven = shell::command("mvn", ["--batch-mode", "--quiet", "-DincludeScope=runtime", &folder]);
        shell::run(maven.arg("--file").arg(&pom).arg("dependency:copy-dependencies"))?;
        fs::rename(&partial, &jars)?;
    }
    Ok(jars)
}

/// Fails with the lines that install what is missing.
pub(super) fn require(needs: &[Need]) -> Result<()> {
    let missing = need::missing(needs);
    if !missing.is_empty() {
        bail!("{}", missing.iter().map(Need::to_string).collect::<Vec<_>>().join("; "));
    }
    Ok(())
}
