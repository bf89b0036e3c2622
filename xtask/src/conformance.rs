//! What each reactor must do: a table of reactors and rows.
//!
//! The rows are ordinary tests, which `cargo xtask test` runs too. This runs them by reactor, and says of each row what came
//! of it, also where the test runner would only say `ok`: what was declared as failing, has no meaning, or could not run.

use crate::shell::{cargo, in_ci, root, step};
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::fmt;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Only this one, `mio` and its like, by each of its ways to run a machine
    #[arg(long)]
    reactor: Option<String>,
}

/// What mounts the rows, and cargo's arguments for it.
struct Suite {
    name: String,
    test: Vec<String>,
}

/// What came of a row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Ok,
    /// It has no meaning in this world.
    NotApplicable(String),
    /// It fails by the fault of an executor that isn't ours.
    Declared(String),
    /// The reactor can't run here.
    Skipped(String),
    Failed,
    /// The test runner doesn't know it.
    Missing,
}

impl Verdict {
    /// For the table.
    fn word(&self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::NotApplicable(_) => "n/a",
            Self::Declared(_) => "declared",
            Self::Skipped(_) => "SKIPPED",
            Self::Failed => "FAILED",
            Self::Missing => "MISSING",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Declared(reason) | Self::NotApplicable(reason) | Self::Skipped(reason) => {
                write!(f, "{}: {reason}", self.word())
            }
            _ => f.write_str(self.word()),
        }
    }
}

/// Of each mount, each row.
type Mounts = BTreeMap<String, BTreeMap<String, Verdict>>;

pub(crate) fn run_suites(arguments: &Arguments) -> Result<()> {
    let mut suites = suites()?;
    if let Some(wanted) = &arguments.reactor {
        let names: Vec<_> = suites.iter().map(|suite| suite.name.clone()).collect();
        suites.retain(|suite| suite.name == *wanted);
        if suites.is_empty() {
            bail!("no reactor {wanted} mounts the suite; these do: {}", names.join(", "));
        }
    }
    let mut columns = Vec::new();
    for suite in &suites {
        let mounts = step(&format!("conformance of {}", suite.name), || run_suite(suite))?;
        if arguments.reactor.is_some() {
            columns
                .extend(mounts.into_iter().map(|(name, rows)| (name.clone(), Mounts::from([(name, rows)]))));
        } else {
            let (secured, plain): (Mounts, Mounts) =
                mounts.into_iter().partition(|(name, _)| name.ends_with("_tls"));
            if plain.is_empty() || secured.is_empty() {
                bail!("{} mounts the suite without TLS or with it, but not both", suite.name);
            }
            columns.push((suite.name.clone(), plain));
            columns.push((format!("{}+tls", suite.name), secured));
        }
    }
    fill_gaps(&mut columns);
    print_table(&columns);
    judge(&columns)
}

/// Suites that are elsewhere: the example of how others take part, and the simulator, whose loop only it can see.
const ELSEWHERE: &[(&str, &[&str])] = &[
    ("polling", &["-p", "helenus", "--example", "own_reactor"]),
    ("sim", &["-p", "helenus-sim", "--lib", "conformance::"]),
];

/// Whoever has a `tests/conformance.rs`, and those elsewhere.
fn suites() -> Result<Vec<Suite>> {
    let mut suites = Vec::new();
    for entry in std::fs::read_dir(root().join("crates"))? {
        let entry = entry?;
        if entry.path().join("tests/conformance.rs").is_file() {
            let folder = entry.file_name().to_string_lossy().into_owned();
            let name = folder.strip_prefix("reactor-").unwrap_or(&folder).to_owned();
            let test = ["-p", &format!("helenus-{folder}"), "--test", "conformance"].map(str::to_owned);
            suites.push(Suite { name, test: test.into() });
        }
    }
    suites.sort_by(|a, b| a.name.cmp(&b.name));
    for (name, test) in ELSEWHERE {
        let test = test.iter().map(|argument| (*argument).to_owned()).collect();
        suites.push(Suite { name: (*name).to_owned(), test });
    }
    Ok(suites)
}

fn run_suite(suite: &Suite) -> Result<Mounts> {
    let test = ["test".to_owned(), "--all-features".to_owned(), "--no-fail-fast".to_owned()];
    let mut command = cargo(test.iter().chain(&suite.test));
    let output = command.output().context("cannot start cargo")?;
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let mounts = parse(&out, &err);
    let failed = mounts.values().flat_map(BTreeMap::values).any(|verdict| *verdict == Verdict::Failed);
    if mounts.is_empty() || !output.status.success() {
        println!("{out}{err}");
    }
    if mounts.is_empty() || (!output.status.success() && !failed) {
        bail!("its tests did not run to their end ({})", output.status);
    }
    Ok(mounts)
}

/// Reads the test runner's lines, `test mio::connects_and_echoes ... ok`, and those of the suite,
/// `conformance: mio::connects_and_echoes n/a: why`.
fn parse(out: &str, err: &str) -> Mounts {
    let mut mounts = Mounts::new();
    for line in out.lines() {
        let Some((name, verdict)) = line.strip_prefix("test ").and_then(|rest| rest.split_once(" ... "))
        else {
            continue;
        };
        let verdict = if verdict == "ok" { Verdict::Ok } else { Verdict::Failed };
        if let Some((mount, row)) = split(name) {
            mounts.entry(mount).or_default().insert(row, verdict);
        }
    }
    for line in err.lines().chain(out.lines()) {
        // Another thread's line may come before it on the same one.
        let Some((_, said)) = line.split_once("conformance: ") else { continue };
        let Some((name, what)) = said.split_once(' ') else { continue };
        let verdict = match what.split_once(": ") {
            Some(("n/a", why)) => Verdict::NotApplicable(why.to_owned()),
            Some(("declared", why)) => Verdict::Declared(why.to_owned()),
            Some(("SKIPPED", why)) => Verdict::Skipped(why.to_owned()),
            _ => continue,
        };
        let Some((mount, row)) = split(name) else { continue };
        // What the test runner calls failed, stays so.
        if let Some(known) =
            mounts.entry(mount).or_default().get_mut(&row).filter(|known| **known == Verdict::Ok)
        {
            *known = verdict;
        }
    }
    mounts
}

/// The mount and the row of a test. Other tests beside them are in no module.
fn split(test: &str) -> Option<(String, String)> {
    let (path, row) = test.rsplit_once("::")?;
    let mount = path.rsplit_once("::").map_or(path, |(_, mount)| mount);
    Some((mount.to_owned(), row.to_owned()))
}

/// A row that one mount has and another has not is a fault of the latter.
fn fill_gaps(columns: &mut [(String, Mounts)]) {
    let rows = row_names(columns);
    for mount in columns.iter_mut().flat_map(|(_, mounts)| mounts.values_mut()) {
        for row in &rows {
            mount.entry(row.clone()).or_insert(Verdict::Missing);
        }
    }
}

fn row_names(columns: &[(String, Mounts)]) -> Vec<String> {
    let mut rows: Vec<_> =
        columns.iter().flat_map(|(_, mounts)| mounts.values()).flat_map(BTreeMap::keys).collect();
    rows.sort();
    rows.dedup();
    rows.into_iter().cloned().collect()
}

/// Rows downwards, reactors across, without TLS and with it, each with the worst of what its mounts say; then what is more than a word.
fn print_table(columns: &[(String, Mounts)]) {
    let rows = row_names(columns);
    let width = rows.iter().map(String::len).max().unwrap_or(0);
    let widths: Vec<_> = columns.iter().map(|(name, _)| name.len().max("declared".len())).collect();
    print!("\n{:width$}", "");
    columns.iter().zip(&widths).for_each(|((name, _), width)| print!("  {name:width$}"));
    println!();
    for row in &rows {
        print!("{row:width$}");
        for ((_, mounts), width) in columns.iter().zip(&widths) {
            let worst = mounts.values().filter_map(|mount| mount.get(row)).max();
            print!("  {:width$}", worst.map_or("", Verdict::word));
        }
        println!();
    }
    println!();
    let mut remarks: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (mount, row, verdict) in each(columns).filter(|(_, _, verdict)| **verdict != Verdict::Ok) {
        remarks.entry((row, verdict)).or_default().push(mount.as_str());
    }
    for ((row, verdict), mounts) in remarks {
        println!("{row}: {verdict} ({})", mounts.join(", "));
    }
}

fn each(columns: &[(String, Mounts)]) -> impl Iterator<Item = (&String, &String, &Verdict)> {
    let mounts = columns.iter().flat_map(|(_, mounts)| mounts);
    mounts.flat_map(|(mount, rows)| rows.iter().map(move |(row, verdict)| (mount, row, verdict)))
}

fn judge(columns: &[(String, Mounts)]) -> Result<()> {
    let count = |is: fn(&Verdict) -> bool| each(columns).filter(|(_, _, verdict)| is(verdict)).count();
    let failed = count(|verdict| matches!(verdict, Verdict::Failed | Verdict::Missing));
    let skipped = count(|verdict| matches!(verdict, Verdict::Skipped(_)));
    println!("{} rows tried, {failed} failed, {skipped} skipped", each(columns).count());
    if failed > 0 {
        bail!("{failed} rows failed");
    }
    if skipped > 0 && in_ci() {
        bail!("CI=true, and {skipped} rows were skipped");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runners_words_and_the_suites_make_a_verdict() {
        let out = "running 3 tests\n\
            test a::one ... ok\n\
            test tests::a::two ... ok\n\
            test a::three ... FAILED\n\
            test alone ... ok\n\
            test b::one has been running for over 60 seconds\n";
        let err = "conformance: tests::a::two n/a: no threads\nconformance: a::three declared: why\n";

        let mut columns = vec![("x".to_owned(), parse(out, err))];
        columns.push(("y".to_owned(), parse("test b::one ... ok\n", "")));
        fill_gaps(&mut columns);

        let said: Vec<_> =
            each(&columns).map(|(mount, row, verdict)| format!("{mount} {row} {verdict}")).collect();
        let a = ["a one ok", "a three FAILED", "a two n/a: no threads"];
        let b = ["b one ok", "b three MISSING", "b two MISSING"];
        assert_eq!(said, [a, b].concat());
        assert_eq!(judge(&columns).unwrap_err().to_string(), "3 rows failed");
    }
}
