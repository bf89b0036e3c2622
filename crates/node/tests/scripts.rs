//! CQL scripts with what must come of each statement: `tests/scripts/*.cql`.
//!
//! A statement ends with `;` at the end of a line. What follows it is what it answers: `> ` the names of columns, then
//! rows as literals; `! ` an error's kind and words; nothing, if it answers without rows. `@ advance 10s` moves the clock.
//! With `BLESS=1` in the environment the files are written anew with what comes: read the difference.

#![expect(clippy::unwrap_used, reason = "what a script needs is there, or the test fails")]

mod common;

use std::path::Path;
use std::time::Duration;

use common::Client;
use helenus_core::protocol::Version;
use helenus_core::protocol::response::{Message, ResultMessage};
use helenus_core::value::{CqlValue, DecodeValue};
use helenus_node::{Clock, Node};

#[test]
fn scripts_answer_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
    let mut paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    paths.sort();
    assert!(paths.len() > 5, "scripts are missing: {paths:?}");
    let mut wrong = Vec::new();
    for path in paths {
        let written = std::fs::read_to_string(&path).unwrap();
        for version in [Version::V5, Version::V4] {
            let answered = run(&written, version);
            if answered == written {
                continue;
            }
            if std::env::var_os("BLESS").is_some() {
                std::fs::write(&path, &answered).unwrap();
                break;
            }
            let name = path.file_name().unwrap().to_string_lossy();
            wrong.push(format!("{name} in {version}:\n{}", difference(&written, &answered)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The script again, with the answers that came.
fn run(script: &str, version: Version) -> String {
    let clock = Clock::starting_at(Duration::from_secs(1_700_000_000));
    let node = Node::builder().clock(clock.clone()).start().unwrap();
    let mut client = Client::connect(node.addresses()[0], version);
    client.run(common::KEYSPACE);
    client.run("USE ks");
    let mut out = String::new();
    let mut statement = String::new();
    for line in script.lines() {
        if line.starts_with("> ") || line.starts_with("! ") {
            continue;
        }
        out.push_str(line);
        out.push('\n');
        if let Some(seconds) = line.strip_prefix("@ advance ") {
            let seconds = seconds.strip_suffix('s').unwrap().parse().unwrap();
            clock.advance(Duration::from_secs(seconds));
            continue;
        }
        if line.starts_with("--") {
            continue;
        }
        statement.push_str(line);
        statement.push('\n');
        if line.ends_with(';') {
            answer(&mut client, &statement, &mut out);
            statement.clear();
            // Timestamps of the clock's are to differ.
            clock.advance(Duration::from_micros(10));
        }
    }
    assert_eq!(statement.trim(), "", "a statement without its semicolon");
    out
}

fn answer(client: &mut Client, statement: &str, out: &mut String) {
    let answer = client.query(statement);
    match answer.message() {
        Message::Error(error) => {
            let kind = format!("{:?}", error.kind);
            let kind = kind.split([' ', '{']).next().unwrap_or_default();
            out.push_str(&format!("! {kind}: {}\n", error.message));
        }
        Message::Result(ResultMessage::Rows(rows)) => {
            let columns = rows.metadata.columns.clone().unwrap();
            let names = columns.iter().map(|column| &*column.name).collect::<Vec<_>>();
            out.push_str(&format!("> {}\n", names.join(" | ")));
            for row in answer.rows() {
                let cells = row.iter().zip(&*columns).map(|(cell, column)| {
                    CqlValue::decode(&column.column_type, cell.as_deref()).unwrap().to_string()
                });
                out.push_str(&format!("> {}\n", cells.collect::<Vec<_>>().join(" | ")));
            }
        }
        Message::Result(_) => {}
        other => panic!("{statement}: {other:?}"),
    }
}

/// The first lines that differ.
fn difference(written: &str, answered: &str) -> String {
    let mut lines = written.lines().zip(answered.lines()).enumerate();
    match lines.find(|(_, (written, answered))| written != answered) {
        Some((at, (written, answered))) => {
            format!("  line {}: written  {written}\n            answered {answered}", at + 1)
        }
        None => "  one is longer than the other".into(),
    }
}
