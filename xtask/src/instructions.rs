//! Instruction counts of the request path, held against a baseline.
//!
//! gungraun runs each bench under callgrind. It is two programs: the bench itself, and a runner of exactly the same
//! version, which is installed under `target/tools` when it is missing there. The counts depend on what the compiler made,
//! so there is a baseline for each rustc; they hardly depend on the machine or its load.

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::need::Need;
use crate::shell::{cargo, cargo_target, command, in_ci, output, root, run as run_command, target};
use crate::test::Skipped;

/// What fails, in percent above the baseline.
const RISE_MAX: f64 = 3.0;

/// `helenus_benches::UNITS`: how many requests, rows or segments each bench handles.
const UNITS: f64 = 15_000.0;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Make what is counted now the baseline of this rustc
    #[arg(long)]
    save: bool,
}

/// Instructions for each request, row or segment, by bench.
type Counts = BTreeMap<String, f64>;

#[derive(Deserialize, Serialize)]
struct Baseline {
    /// With which they were counted. Others count nearly the same.
    valgrind: String,
    instructions: Counts,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if arguments.save {
        return save();
    }
    match check()? {
        Some(Skipped::Missing(what)) if in_ci() => bail!("could not run {what}"),
        Some(skipped) => println!("SKIPPED {skipped}"),
        None => {}
    }
    Ok(())
}

/// Counts and compares. Gives the line to print if that can't be.
pub(crate) fn check() -> Result<Option<Skipped>> {
    if !Need::Valgrind.is_met() {
        return Ok(Some(Skipped::Missing(format!("the instruction counts: {}", Need::Valgrind))));
    }
    let path = baseline_path()?;
    if !path.exists() {
        print(&count()?, None);
        let why = "there is no baseline for this rustc: cargo xtask instructions --save";
        return Ok(Some(Skipped::NoBaseline(format!("the comparison of instruction counts: {why}"))));
    }
    let known = read(&path)?;
    let now = count()?;
    print(&now, Some(&known));
    let valgrind = valgrind()?;
    if known.valgrind != valgrind {
        println!("the baseline was counted by {}, this by {valgrind}", known.valgrind);
    }
    judge(&now, &known.instructions)?;
    Ok(None)
}

fn save() -> Result<()> {
    let path = baseline_path()?;
    let known = path.exists().then(|| read(&path)).transpose()?;
    let now = Baseline { valgrind: valgrind()?, instructions: count()? };
    print(&now.instructions, known.as_ref());
    fs::write(&path, serde_json::to_string_pretty(&now)? + "\n")
        .with_context(|| format!("cannot write {}", path.display()))?;
    println!("saved as {}", path.display());
    Ok(())
}

fn valgrind() -> Result<String> {
    Ok(output(&mut command("valgrind", ["--version"]))?.trim().to_owned())
}

fn count() -> Result<Counts> {
    let runner = runner()?;
    let mut bench = cargo(["bench", "--quiet", "-p", "helenus-benches", "--bench", "instructions"]);
    bench.args(["--", "--output-format=json", "--nosummary"]).env("GUNGRAUN_RUNNER", runner);
    // What an earlier run left there is none of this one's business.
    bench.env("GUNGRAUN_HOME", cargo_target().join("gungraun"));
    let lines = output(&mut bench)?;
    let counts: Counts = lines.lines().map(parse).collect::<Result<_>>()?;
    if counts.is_empty() {
        bail!("the benches said nothing");
    }
    Ok(counts)
}

/// One line of the runner's: a bench.
fn parse(line: &str) -> Result<(String, f64)> {
    let bench: serde_json::Value = serde_json::from_str(line).context("the runner's output is no JSON")?;
    let total = &bench["profiles"][0]["data"]["total"]["metrics"];
    let instructions = total["Ir"]["values"]["new"].as_f64();
    let (function, id) = (bench["function_name"].as_str(), bench["id"].as_str());
    match (function, id, instructions) {
        (Some(function), Some(id), Some(instructions)) => {
            Ok((format!("{function}::{id}"), (instructions / UNITS * 10.0).round() / 10.0))
        }
        _ => bail!("a bench without name or count: {line}"),
    }
}

/// The runner of the version that the benches are linked with.
fn runner() -> Result<PathBuf> {
    let lock = fs::read_to_string(root().join("Cargo.lock")).context("cannot read Cargo.lock")?;
    let mut lines = lock.lines().skip_while(|line| *line != "name = \"gungraun-runner\"");
    let version = lines.nth(1).and_then(|line| line.strip_prefix("version = \"")?.strip_suffix('"'));
    let version = version.context("Cargo.lock has no gungraun-runner")?;
    let tools = target().join("tools");
    let runner = tools.join("bin/gungraun-runner");
    let installed = command(&runner.to_string_lossy(), ["--version"]).output();
    if installed.is_ok_and(|said| String::from_utf8_lossy(&said.stdout).trim().ends_with(version)) {
        return Ok(runner);
    }
    // It only starts valgrind and adds up, so it needn't be optimised, and is built in half the time.
    let mut install = cargo(["install", "--quiet", "--locked", "--debug", "--force", "gungraun-runner"]);
    run_command(install.arg("--version").arg(format!("={version}")).arg("--root").arg(tools))?;
    Ok(runner)
}

fn baseline_path() -> Result<PathBuf> {
    let about = output(&mut command("rustc", ["-vV"]))?;
    let field =
        |name| about.lines().find_map(|line| line.strip_prefix(name)).context("rustc says no version");
    let name = format!("instructions-{}-{}.json", field("release: ")?, field("host: ")?);
    Ok(root().join("benches/baselines").join(name))
}

fn read(path: &Path) -> Result<Baseline> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is no baseline", path.display()))
}

fn print(now: &Counts, known: Option<&Baseline>) {
    println!("{:<44} {:>10} {:>10} {:>8}", "instructions for each", "baseline", "now", "change");
    for (name, now) in now {
        match known.and_then(|known| known.instructions.get(name)) {
            Some(then) => println!("{name:<44} {then:>10.1} {now:>10.1} {:>+7.2}%", rise(*then, *now)),
            None => println!("{name:<44} {:>10} {now:>10.1}", "-"),
        }
    }
}

/// Percent.
fn rise(then: f64, now: f64) -> f64 {
    (now / then - 1.0) * 100.0
}

fn judge(now: &Counts, known: &Counts) -> Result<()> {
    if !now.keys().eq(known.keys()) {
        bail!(
            "the benches are others than the baseline's; see what changed, then: cargo xtask instructions --save"
        );
    }
    let pairs = now.iter().map(|(name, now)| (name, known[name], *now));
    let risen: Vec<_> = pairs.clone().filter(|(_, then, now)| rise(*then, *now) > RISE_MAX).collect();
    if !risen.is_empty() {
        let lines = risen.iter().map(|(name, then, now)| {
            format!("\n  {name}: {then:.1} -> {now:.1} instructions, {:+.2} %", rise(*then, *now))
        });
        bail!(
            "more than {RISE_MAX} % above the baseline:{}\nIf it is worth that: cargo xtask instructions --save",
            lines.collect::<String>()
        );
    }
    let fallen = pairs.filter(|(_, then, now)| rise(*then, *now) < -RISE_MAX).count();
    if fallen > 0 {
        println!(
            "{fallen} fell by more than {RISE_MAX} %; so that they stay down: cargo xtask instructions --save"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(pairs: &[(&str, f64)]) -> Counts {
        pairs.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
    }

    #[test]
    fn a_rise_fails_with_its_figures_and_a_fall_does_not() {
        let known = counts(&[("a", 1000.0), ("b", 1000.0)]);
        assert!(judge(&counts(&[("a", 1029.0), ("b", 500.0)]), &known).is_ok());
        let error = judge(&counts(&[("a", 1031.0), ("b", 1000.0)]), &known).unwrap_err().to_string();
        assert!(
            error.contains("a: 1000.0 -> 1031.0 instructions, +3.10 %") && !error.contains("b:"),
            "{error}"
        );
    }

    #[test]
    fn other_benches_are_not_compared_in_silence() {
        let known = counts(&[("a", 1000.0)]);
        assert!(judge(&counts(&[("b", 1.0)]), &known).is_err());
        assert!(judge(&counts(&[("a", 1.0), ("b", 1.0)]), &known).is_err());
        assert!(judge(&counts(&[]), &known).is_err());
    }
}
