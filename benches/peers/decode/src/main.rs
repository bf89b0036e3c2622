//! Rows of five columns out of the same bytes: what one costs in instructions and allocations, by callgrind and dhat.

mod ours;
mod theirs;

use std::fs;
use std::hint::black_box;
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::{Args, Parser, Subcommand, ValueEnum};
use comfy_table::Table;
use helenus::value::{Timestamp, write_values};
use helenus::{ColumnSpec, ColumnType};

/// Rows in a page, as servers send them.
const PAGE: usize = 5_000;
const TEXT: &str = "0123456789abcdefghijklmnopqrstuvwxyzABCD";

/// Two runs that differ in rows alone: dividing their difference leaves out what comes before the first.
const FEW: usize = 20 * PAGE;

#[derive(Parser)]
#[command(about = "Rows out of the same bytes, by helenus and by the scylla crate (needs valgrind)")]
struct Cli {
    /// How many rows are decoded
    #[arg(long, default_value_t = 1_000_000)]
    rows: usize,
    #[command(subcommand)]
    command: Option<Decoding>,
}

#[derive(Subcommand)]
enum Decoding {
    /// One measurement; this starts itself with it
    #[command(hide = true)]
    Run(RunArgs),
}

#[derive(Args)]
struct RunArgs {
    #[arg(long)]
    library: Library,
    #[arg(long)]
    into: Form,
    #[arg(long)]
    rows: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Library {
    Helenus,
    Scylla,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// A derived struct that owns its text
    OwnedStruct,
    /// A derived struct that borrows its text
    BorrowedStruct,
    /// A tuple that borrows its text
    BorrowedTuple,
}

fn main() -> Result<()> {
    match Cli::parse() {
        Cli { command: Some(Decoding::Run(args)), .. } => run_one(&args),
        Cli { rows, .. } if rows > FEW => return compare(rows),
        Cli { rows, .. } => bail!("{rows} rows are too few: more than {FEW} are compared with so many"),
    }
    Ok(())
}

/// Counts for each form and library.
fn compare(rows: usize) -> Result<()> {
    let mut table = Table::new();
    table.set_header(["a row into", "by", "instructions", "allocations"]);
    for form in Form::value_variants() {
        let mut instructions = Vec::new();
        for library in Library::value_variants() {
            let counted = per_row(*library, *form, rows, instructions_of)?;
            let allocated = per_row(*library, *form, rows, allocations_of)?;
            instructions.push(counted);
            table.add_row([name(form), name(library), format!("{counted:.1}"), format!("{allocated:.3}")]);
        }
        let ratio = instructions[0] / instructions[1];
        table.add_row([name(form), "helenus / scylla".to_owned(), format!("{ratio:.3}"), String::new()]);
    }
    println!("{table}");
    Ok(())
}

fn name(value: &impl ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

fn per_row(library: Library, form: Form, rows: usize, total: fn(&[String]) -> Result<u64>) -> Result<f64> {
    let count = |rows: usize| {
        let arguments = ["run", "--library", &name(&library), "--into", &name(&form), "--rows"];
        let rows = rows.to_string();
        total(&arguments.into_iter().chain([&*rows]).map(str::to_owned).collect::<Vec<_>>())
    };
    Ok((count(rows)? as f64 - count(FEW)? as f64) / (rows - FEW) as f64)
}

fn instructions_of(arguments: &[String]) -> Result<u64> {
    let file = valgrind("callgrind", arguments)?;
    let line = file.lines().find_map(|line| line.strip_prefix("totals:").or(line.strip_prefix("summary:")));
    line.and_then(|line| line.trim().parse().ok()).context("callgrind's file has no line with its totals")
}

fn allocations_of(arguments: &[String]) -> Result<u64> {
    let report: serde_json::Value = serde_json::from_str(&valgrind("dhat", arguments)?)?;
    let places = report["pps"].as_array().context("dhat's file has no places of allocation")?;
    Ok(places.iter().filter_map(|place| place["tbk"].as_u64()).sum())
}

/// What a tool of valgrind's writes about this program.
fn valgrind(tool: &str, arguments: &[String]) -> Result<String> {
    let out = std::env::temp_dir().join(format!("peers-{tool}-{}", std::process::id()));
    let mut command = Command::new("valgrind");
    command.args(["--quiet", &format!("--tool={tool}"), &format!("--{tool}-out-file={}", out.display())]);
    let done = command.arg(std::env::current_exe()?).args(arguments).output();
    let done = done.context("cannot start valgrind (apt-get install valgrind)")?;
    if !done.status.success() {
        bail!("{tool} failed ({}): {}", done.status, String::from_utf8_lossy(&done.stderr));
    }
    let text = fs::read_to_string(&out)?;
    fs::remove_file(&out)?;
    Ok(text)
}

/// Decodes, and does nothing else.
fn run_one(args: &RunArgs) {
    let columns = columns();
    let page = bytes::Bytes::from(page(&columns));
    let theirs = theirs::columns();
    for _ in 0..args.rows / PAGE {
        let page = black_box(&page);
        let sum = match (args.library, args.into) {
            (Library::Helenus, Form::OwnedStruct) => ours::owned(&columns, page),
            (Library::Helenus, Form::BorrowedStruct) => ours::borrowed(&columns, page),
            (Library::Helenus, Form::BorrowedTuple) => ours::tuples(&columns, page),
            (Library::Scylla, Form::OwnedStruct) => theirs::owned(&theirs, page),
            (Library::Scylla, Form::BorrowedStruct) => theirs::borrowed(&theirs, page),
            (Library::Scylla, Form::BorrowedTuple) => theirs::tuples(&theirs, page),
        };
        // The same for both, so that neither gets away with less.
        assert_eq!(sum, (PAGE * (PAGE - 1) / 2 + PAGE * TEXT.len()) as i64);
    }
}

fn columns() -> Vec<ColumnSpec> {
    let types = [
        ("id", ColumnType::BigInt),
        ("age", ColumnType::Int),
        ("name", ColumnType::Text),
        ("score", ColumnType::Double),
        ("seen", ColumnType::Timestamp),
    ];
    let spec = |(name, column_type): (&str, ColumnType)| ColumnSpec {
        keyspace: "ks".into(),
        table: "t".into(),
        name: name.into(),
        column_type,
    };
    types.into_iter().map(spec).collect()
}

/// Of a RESULT, what follows the number of rows.
fn page(columns: &[ColumnSpec]) -> Vec<u8> {
    let mut content = Vec::new();
    for number in 0..PAGE as i32 {
        let row = (i64::from(number), number, TEXT, f64::from(number), Timestamp::from_millis(number.into()));
        write_values(&row, Some(columns), true, &mut content).expect("the values are of the columns' types");
    }
    content
}
