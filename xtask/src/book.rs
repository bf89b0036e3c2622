//! The book under `docs/`: it is built, and each piece of code that it names is there.

use anyhow::{Context, Result, bail};
use std::fs;
use std::path::Path;

use crate::need;
use crate::shell::{command, root};

/// Builds the book into `target/book`.
pub(crate) fn build() -> Result<()> {
    let mut faults = Vec::new();
    let chapters = root().join("docs/src");
    for entry in fs::read_dir(&chapters).with_context(|| format!("cannot read {}", chapters.display()))? {
        let path = entry?.path();
        let text = fs::read_to_string(&path)?;
        let missing = includes(&text).filter(|include| !is_there(&chapters, include));
        faults.extend(missing.map(|include| format!("{}: no {include}", path.display())));
    }
    need::mdbook()?;
    // It goes on after what it calls an error.
    let output = command("mdbook", ["build", "docs"]).output().context("cannot start mdbook")?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() || said.contains("ERROR") || said.contains("WARN") {
        faults.push(said.into_owned());
    }
    match faults.as_slice() {
        [] => Ok(()),
        _ => bail!("{}", faults.join("\n")),
    }
}

/// What a chapter includes: `path` or `path:anchor`.
fn includes(text: &str) -> impl Iterator<Item = &str> {
    text.split("{{#include ").skip(1).filter_map(|rest| rest.split("}}").next())
}

/// mdBook takes an anchor that is not there for an empty one.
fn is_there(chapters: &Path, include: &str) -> bool {
    let (path, anchor) = include.split_once(':').unwrap_or((include, ""));
    let Ok(text) = fs::read_to_string(chapters.join(path)) else { return false };
    let has = |mark: &str| text.lines().any(|line| line.trim() == format!("// {mark}: {anchor}"));
    anchor.is_empty() || has("ANCHOR") && has("ANCHOR_END")
}
