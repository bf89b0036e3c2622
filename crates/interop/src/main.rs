//! Whether other drivers read what helenus writes, and the other way round, on a real Cassandra: see `cargo xtask interop`.
//!
//! A value goes through three places that know nothing of each other: helenus encodes a literal, the server parses the same
//! literal by itself, and the other driver makes the value of its own language. All three have to be the same bytes in the
//! table, the same JSON to the server, and the same value to each reader. Between the processes values travel in
//! [`neutral`] form.

mod cases;
mod known;
mod neutral;
mod peer;
mod report;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use helenus::value::CqlValue;
use helenus::{Session, Version};
use serde_json::Value;

use cases::Case;
use known::Known;
use peer::Peer;
use report::{Direction, Report};
use table::Table;

/// Which parses literals by itself, and so is a peer as well.
const SERVER: &str = "the server";

#[derive(Parser)]
#[command(about = "Run by cargo xtask interop")]
struct Arguments {
    /// A node of the cluster
    #[arg(long)]
    host: String,
    /// A Python with the package cassandra-driver
    #[arg(long)]
    python: PathBuf,
    /// The program made of peers/gocql
    #[arg(long)]
    gocql: PathBuf,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<ExitCode> {
    let mut report = Report::default();
    for version in [Version::V4, Version::V5] {
        let session = Session::builder().contact_point(&arguments.host).protocol_version(version).connect();
        let session = session.wait().context("cannot connect")?;
        table::create(&session)?;
        let mut peers = [
            Peer::python(&arguments.python, &arguments.host, version)?,
            Peer::gocql(&arguments.gocql, &arguments.host, version)?,
        ];
        for (column, case) in cases::all().into_iter().enumerate() {
            for (index, literal) in case.literals.iter().enumerate() {
                let table = Table::new(&session, &case, column, index);
                check(&table, version, &case, literal, &mut peers, &mut report)?;
            }
        }
        session.close().wait().context("cannot close")?;
    }
    report.print();
    Ok(if report.is_as_expected() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// One value, in all directions.
fn check(
    table: &Table<'_>,
    version: Version,
    case: &Case,
    literal: &str,
    peers: &mut [Peer],
    report: &mut Report,
) -> Result<()> {
    let value = table.parse(literal)?;
    let ours = table.write(&value)?;
    if !table.is_counter {
        let place = report.place(SERVER, version, case, literal, Direction::Write);
        let known = Known::find(SERVER, &case.column_type, literal);
        report.judge(place, known, || ours.compare(&table.write_literal(literal)?));
    }
    let expected = neutral::of(&value);
    for peer in peers {
        let known = Known::find(peer.name, &case.column_type, literal);
        let place = report.place(peer.name, version, case, literal, Direction::Read);
        let read = peer.read(&table.select(), ours.id)?;
        report.judge(place, known, || same(&expected, read));

        if neutral::can_be_given(&expected) {
            let place = report.place(peer.name, version, case, literal, Direction::Write);
            let id = table.id_of(peer.name);
            let written = peer.write(&table.insert(), id, &expected)?;
            let found = written.and_then(|()| table.read(id).map_err(|error| format!("{error:#}")));
            report.judge(place, known, || ours.compare(&found?));
        }
    }
    Ok(())
}

fn same(expected: &Value, read: Result<Value, String>) -> Result<(), String> {
    let read = read?;
    let (expected, read) = (neutral::sorted(expected), neutral::sorted(&read));
    if expected == read { Ok(()) } else { Err(format!("{expected} is read as {read}")) }
}

/// A value and what the table has of it.
pub(crate) fn show(value: &CqlValue) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}
