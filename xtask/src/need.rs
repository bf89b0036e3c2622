//! Programs from outside the workspace that tasks need, and the line that installs each.

use crate::shell::{cargo, run};
use anyhow::Result;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The newest may ask for a newer compiler than is there.
const CARGO_DENY: &str = "0.20.2";

/// As with that.
const MDBOOK: &str = "0.5.4";

/// A program that a task needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Need {
    Go,
    Java17,
    Maven,
    Nightly,
    OpenSsl,
    Python,
    Valgrind,
}

impl Need {
    /// The line that installs it, on Debian if it is not of Rust.
    pub(crate) fn install(self) -> &'static str {
        match self {
            Self::Go => "apt-get install -y golang-go",
            Self::Java17 => "apt-get install -y openjdk-17-jre-headless",
            Self::Maven => "apt-get install -y maven",
            Self::Nightly => "rustup toolchain install nightly --profile minimal",
            Self::OpenSsl => "apt-get install -y openssl",
            Self::Python => "apt-get install -y python3-venv",
            Self::Valgrind => "apt-get install -y valgrind",
        }
    }

    /// Whether it is there.
    pub(crate) fn is_met(self) -> bool {
        match self {
            Self::Go => answers("go", "version"),
            Self::Java17 => java17().is_some(),
            Self::Maven => answers("mvn", "--version"),
            Self::Nightly => answers("rustup", "run nightly cargo --version"),
            Self::OpenSsl => answers("openssl", "version"),
            Self::Python => answers("python3", "-m venv --help"),
            Self::Valgrind => answers("valgrind", "--version"),
        }
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Go => "Go 1.24 or later",
            Self::Java17 => "Java 17",
            Self::Maven => "Maven",
            Self::Nightly => "the nightly toolchain",
            Self::OpenSsl => "openssl",
            Self::Python => "Python 3 with venv",
            Self::Valgrind => "valgrind",
        };
        write!(f, "{name} is missing: {}", self.install())
    }
}

/// Installs cargo-deny if it is missing. A debug build checks a lock file as well as any, and is there sooner.
pub(crate) fn cargo_deny() -> Result<()> {
    if answers("cargo-deny", "--version") {
        return Ok(());
    }
    let mut install =
        cargo(["install", "--locked", "--debug", "--quiet", "cargo-deny", "--version", CARGO_DENY]);
    run(install.env("CARGO_PROFILE_DEV_DEBUG", "false"))
}

/// Installs mdBook if it is missing, without what serves a book while it is written.
pub(crate) fn mdbook() -> Result<()> {
    if answers("mdbook", "--version") {
        return Ok(());
    }
    let install = ["install", "--locked", "--debug", "--quiet", "mdbook", "--version", MDBOOK];
    let mut install = cargo(install.into_iter().chain(["--no-default-features", "--features", "search"]));
    run(install.env("CARGO_PROFILE_DEV_DEBUG", "false"))
}

/// Those of `needs` that are missing.
pub(crate) fn missing(needs: &[Need]) -> Vec<Need> {
    needs.iter().copied().filter(|need| !need.is_met()).collect()
}

/// A Java of version 17: `JAVA_HOME`, then the path, then where Debian puts it beside a newer default.
pub(crate) fn java17() -> Option<PathBuf> {
    let home = std::env::var_os("JAVA_HOME").map(|home| Path::new(&home).join("bin/java"));
    let installed = std::fs::read_dir("/usr/lib/jvm").into_iter().flatten().flatten();
    let installed = installed.map(|entry| entry.path().join("bin/java"));
    home.into_iter().chain([PathBuf::from("java")]).chain(installed).find(|java| is_java17(java))
}

fn is_java17(java: &Path) -> bool {
    let Ok(output) = Command::new(java).arg("-version").output() else { return false };
    output.status.success() && String::from_utf8_lossy(&output.stderr).contains("version \"17")
}

fn answers(program: &str, arguments: &str) -> bool {
    Command::new(program).args(arguments.split(' ')).output().is_ok_and(|output| output.status.success())
}
