//! Other drivers read what helenus writes, and the other way round: see `crates/interop`. They are fetched once, into
//! `target/interop`, at the versions for which differences are known.

use crate::cassandra::{self, Cluster};
use crate::need::{self, Need};
use crate::shell::{cargo, command, root, run, target};
use anyhow::{Result, bail};
use std::path::PathBuf;

/// Its differences are written in `crates/interop/src/known.rs`.
const PYTHON_DRIVER: &str = "cassandra-driver==3.30.1";

const NEEDS: &[Need] = &[Need::Python, Need::Go];

pub(crate) fn run_interop() -> Result<()> {
    let missing = need::missing(&[NEEDS, cassandra::NEEDS].concat());
    if !missing.is_empty() {
        bail!("{}", missing.iter().map(Need::to_string).collect::<Vec<_>>().join("; "));
    }
    let python = python()?;
    let gocql = go_program("gocql", "crates/interop/peers/gocql")?;
    run(&mut cargo(["build", "--quiet", "-p", "helenus-interop"]))?;
    cassandra::with(Cluster { nodes: 1, auth: false, tls: false }, |host| {
        let mut interop = cargo(["run", "--quiet", "-p", "helenus-interop", "--", "--host", host]);
        run(interop.arg("--python").arg(&python).arg("--gocql").arg(&gocql))
    })
}

/// The Python of an environment that has the driver.
pub(crate) fn python() -> Result<PathBuf> {
    let environment = folder()?.join("venv");
    let python = environment.join("bin/python");
    if !python.exists() {
        run(command("python3", ["-m", "venv"]).arg(&environment))?;
    }
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", PYTHON_DRIVER];
    run(&mut command(&python.to_string_lossy(), pip))?;
    Ok(python)
}

/// The program whose source is in that folder of the workspace.
pub(crate) fn go_program(name: &str, source: &str) -> Result<PathBuf> {
    let folder = folder()?;
    let program = folder.join(name);
    let mut build = command("go", ["build", "-o"]);
    build.arg(&program).arg(".").current_dir(root().join(source));
    build.env("GOMODCACHE", folder.join("go/modules")).env("GOCACHE", folder.join("go/cache"));
    // So that the folder can be deleted like any other.
    run(build.env("GOFLAGS", "-modcacherw"))?;
    Ok(program)
}

fn folder() -> Result<PathBuf> {
    let folder = target().join("interop");
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}
