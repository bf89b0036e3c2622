//! Coverage-guided fuzzing of `crates/fuzz`, with the libFuzzer that a crate brings: nothing is installed but the nightly
//! compiler, whose flags for coverage these are.
//!
//! A target begins with its seeds and its corpus. What is new afterwards is kept under `target/fuzz`; what of it reaches
//! code that the seeds don't goes into the corpus, as few and short lines as can be. A crash is a file named `crash-...`
//! there, and the end of the target's run.

use crate::need::Need;
use crate::shell::{cargo, command, output, root, run, target};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const TRIPLE: &str = "x86_64-unknown-linux-gnu";

/// As cargo-fuzz has them.
const FLAGS: &str = "--cfg helenus_fuzz -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Cllvm-args=-simplifycfg-branch-fold-threshold=0 \
    -Cdebug-assertions -Ccodegen-units=1";

/// No target's corpus may be larger, in bytes.
const CORPUS_MAX: usize = 12 << 10;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How long, for all targets together
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
    /// The longest input, in bytes
    #[arg(long, default_value_t = 4096)]
    max_len: u32,
    /// Leave the corpus as it is
    #[arg(long)]
    keep_corpus: bool,
    /// One target; else all, one after another
    target: Option<String>,
}

pub(crate) fn run_fuzz(arguments: &Arguments) -> Result<()> {
    if !Need::Nightly.is_met() {
        bail!("{}", Need::Nightly);
    }
    let known = targets()?;
    let chosen = match &arguments.target {
        Some(name) if !known.contains(name) => {
            bail!("there is no target {name}; there are {}", known.join(", "))
        }
        Some(name) => vec![name.clone()],
        None => known,
    };
    let fuzzer = build()?;
    let seconds = (arguments.minutes * 60.0 / chosen.len() as f64).ceil().max(1.0);
    println!(
        "{:12} {:>12} {:>10} {:>10} {:>8} {:>9}",
        "target", "executions", "coverage", "features", "corpus", "bytes"
    );
    let mut faults = Vec::new();
    for name in &chosen {
        let fuzzing = Fuzzing { name, fuzzer: &fuzzer, work: target().join("fuzz/work").join(name) };
        let reached = match fuzzing.run(seconds, arguments.max_len) {
            Ok(reached) => reached,
            Err(fault) => {
                println!("{name:12} FAILED");
                faults.push(format!("{fault:#}"));
                continue;
            }
        };
        if !arguments.keep_corpus {
            fuzzing.keep_corpus(arguments.max_len)?;
        }
        let (inputs, bytes) = size(name);
        let Reached { executions, coverage, features } = reached;
        println!("{name:12} {executions:>12} {coverage:>10} {features:>10} {inputs:>8} {bytes:>9}");
    }
    match faults.as_slice() {
        [] => Ok(()),
        _ => bail!("{} of {} targets failed:\n{}", faults.len(), chosen.len(), faults.join("\n")),
    }
}

/// Their names, as the harness knows them.
fn targets() -> Result<Vec<String>> {
    let list = output(&mut cargo(["run", "--quiet", "-p", "helenus-fuzz"]))?;
    let names = list.lines().filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next());
    Ok(names.map(str::to_owned).collect())
}

fn build() -> Result<PathBuf> {
    let folder = target().join("fuzz");
    let build = [
        "run",
        "nightly",
        "cargo",
        "build",
        "--quiet",
        "--release",
        "-p",
        "helenus-fuzz",
        "--target",
        TRIPLE,
    ];
    let mut build = command("rustup", build);
    build.env("RUSTFLAGS", FLAGS).env("CARGO_TARGET_DIR", &folder).env("CARGO_PROFILE_RELEASE_LTO", "off");
    run(&mut build)?;
    Ok(folder.join(TRIPLE).join("release/helenus-fuzz"))
}

/// What is committed of a target: an input a line, in hexadecimal.
fn corpus(name: &str) -> PathBuf {
    root().join("crates/fuzz/corpus").join(format!("{name}.txt"))
}

struct Fuzzing<'a> {
    name: &'a str,
    fuzzer: &'a Path,
    /// What this machine found so far, and the seeds.
    work: PathBuf,
}

/// As libFuzzer reports it.
#[derive(Default)]
struct Reached {
    executions: u64,
    /// Edges of the program's flow.
    coverage: u64,
    /// Edges with how often each was taken, comparisons.
    features: u64,
}

impl Fuzzing<'_> {
    fn run(&self, seconds: f64, max_len: u32) -> Result<Reached> {
        fs::create_dir_all(&self.work)?;
        let work = self.work.to_string_lossy();
        self.write_seeds(&self.work)?;
        let log = target().join("fuzz").join(format!("{}.log", self.name));
        let mut fuzzer = self.command();
        fuzzer.args([format!("-max_total_time={seconds}"), format!("-max_len={max_len}")]);
        fuzzer.args(["-timeout=10", "-rss_limit_mb=1024", "-print_final_stats=1", "-use_value_profile=1"]);
        fuzzer.arg(format!("-artifact_prefix={work}/")).arg(&self.work);
        let file = fs::File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let status = fuzzer.stdout(Stdio::null()).stderr(file).status()?;
        let said = fs::read(&log)?;
        let said = String::from_utf8_lossy(&said);
        if !status.success() {
            let why =
                said.lines().filter(|line| line.contains("panicked") || line.contains("Test unit written"));
            bail!(
                "{} failed; {} has all of it:\n{}\nRun it once by `cargo run -p helenus-fuzz -- {} FILE`",
                self.name,
                log.display(),
                why.collect::<Vec<_>>().join("\n"),
                self.name
            );
        }
        Ok(reached(&said))
    }

    /// What of the corpus and of what was found reaches more than the seeds do, the shortest first as far as it fits.
    fn keep_corpus(&self, max_len: u32) -> Result<()> {
        let new = target().join("fuzz/new").join(self.name);
        if new.exists() {
            fs::remove_dir_all(&new)?;
        }
        fs::create_dir_all(&new)?;
        self.write_seeds(&new)?;
        // The harness numbers the corpus with the seeds; both are in the work as well, so what is left out comes back.
        let committed = fs::read_to_string(corpus(self.name)).unwrap_or_default().lines().count();
        let seeds = files(&new)?.len() - committed;
        for number in seeds..seeds + committed {
            fs::remove_file(new.join(format!("seed-{number}")))?;
        }
        let mut merge = self.command();
        merge.args(["-merge=1".to_owned(), format!("-max_len={max_len}")]).arg(&new).arg(&self.work);
        run_quietly(&mut merge)?;
        let is_seed =
            |file: &PathBuf| file.file_name().is_some_and(|name| name.to_string_lossy().starts_with("seed-"));
        let found = files(&new)?.into_iter().filter(|file| !is_seed(file));
        let mut inputs = found.map(fs::read).collect::<std::io::Result<Vec<_>>>()?;
        inputs.sort_by_key(|input| (input.len(), input.clone()));
        let mut bytes = 0;
        inputs.retain(|input| {
            bytes += input.len();
            bytes <= CORPUS_MAX
        });
        fs::write(corpus(self.name), inputs.iter().map(|input| hex(input) + "\n").collect::<String>())?;
        Ok(())
    }

    /// The seeds and the corpus, a file each.
    fn write_seeds(&self, folder: &Path) -> Result<()> {
        let folder = folder.to_string_lossy();
        run_quietly(&mut cargo(["run", "--quiet", "-p", "helenus-fuzz", "--", self.name, "--seeds", &folder]))
    }

    /// At the lowest priority: it takes hours, and what else runs here doesn't wait for it.
    fn command(&self) -> Command {
        let mut fuzzer = command("nice", ["-n", "19"]);
        fuzzer.arg(self.fuzzer).env("HELENUS_FUZZ_TARGET", self.name).env("RUST_BACKTRACE", "0");
        fuzzer
    }
}

fn run_quietly(command: &mut Command) -> Result<()> {
    output(command).map(drop)
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    entries.map(|entry| Ok(entry?.path())).collect()
}

/// How many inputs the corpus has, and of how many bytes. A new target has none.
fn size(name: &str) -> (usize, usize) {
    let text = fs::read_to_string(corpus(name)).unwrap_or_default();
    (text.lines().count(), text.lines().map(|line| line.len() / 2).sum())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// From the last line of progress, and the statistics at the end.
fn reached(said: &str) -> Reached {
    let mut reached = Reached::default();
    for line in said.lines() {
        let mut words = line.split_whitespace();
        while let Some(word) = words.next() {
            let place = match word {
                "cov:" => &mut reached.coverage,
                "ft:" => &mut reached.features,
                "stat::number_of_executed_units:" => &mut reached.executions,
                _ => continue,
            };
            if let Some(number) = words.next().and_then(|word| word.parse().ok()) {
                *place = number;
            }
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_taken_from_what_libfuzzer_says() {
        let said = "#2\tINITED cov: 10 ft: 11 corp: 1/1b\n#99\tDONE   cov: 1253 ft: 4321 corp: 9/9b\n\
                    stat::number_of_executed_units: 5000";
        let Reached { executions, coverage, features } = reached(said);
        assert_eq!((executions, coverage, features), (5_000, 1_253, 4_321));
    }
}
