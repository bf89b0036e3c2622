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

fn paths() -> Vec<std::path::PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
    let mut paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    paths.sort();
    assert!(paths.len() > 5, "scripts are missing: {paths:?}");
    paths
}

/// The same scripts on a real Cassandra, at the address that `HELENUS_CASSANDRA` names first: rows are to be the same, and
/// errors of the same kind. Scripts that move the clock stay out, and statements whose answer is known to differ are
/// preceded by a line that begins with `-- Differs:`.
#[test]
#[ignore = "needs a real Cassandra: set HELENUS_CASSANDRA"]
fn scripts_answer_as_cassandra_does() {
    let addresses = std::env::var("HELENUS_CASSANDRA").expect("HELENUS_CASSANDRA names a real Cassandra");
    let host = addresses.split(',').next().unwrap();
    let address = format!("{host}:9042").parse().unwrap();
    let mut wrong = Vec::new();
    for path in paths() {
        let written = std::fs::read_to_string(&path).unwrap();
        if written.contains("\n@ ") {
            continue;
        }
        let mut client = Client::connect(address, Version::V5);
        client.run("DROP KEYSPACE IF EXISTS ks");
        client.run(common::KEYSPACE);
        client.run("USE ks");
        let answered = play(&written, &mut client, None);
        client.run("DROP KEYSPACE ks");
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        for ((statement, here), (_, there)) in parts(&written).into_iter().zip(parts(&answered)) {
            if comparable(&here) != comparable(&there) && !statement.contains("-- Differs:") {
                wrong.push(format!("{name}: {statement}  node:\n{here}  Cassandra:\n{there}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// Statements, each with the comments before it, and what they answered.
fn parts(script: &str) -> Vec<(String, String)> {
    let mut parts = vec![(String::new(), String::new())];
    for line in script.lines() {
        let is_answer = line.starts_with("> ") || line.starts_with("! ");
        if !is_answer && parts.last().is_some_and(|(statement, _)| statement.ends_with(";\n")) {
            parts.push((String::new(), String::new()));
        }
        let (statement, answer) = parts.last_mut().unwrap();
        let text = if is_answer { answer } else { statement };
        text.push_str(line);
        text.push('\n');
    }
    parts
}

/// Without the words of errors.
fn comparable(answer: &str) -> &str {
    match answer.strip_prefix("! ") {
        Some(error) => error.split(':').next().unwrap_or_default(),
        None => answer,
    }
}

/// The script again, with the answers that came from a node of its own.
fn run(script: &str, version: Version) -> String {
    let clock = Clock::starting_at(Duration::from_secs(1_700_000_000));
    let node = Node::builder().clock(clock.clone()).start().unwrap();
    let mut client = Client::connect(node.addresses()[0], version);
    client.run(common::KEYSPACE);
    client.run("USE ks");
    play(script, &mut client, Some(&clock))
}

fn play(script: &str, client: &mut Client, clock: Option<&Clock>) -> String {
    let mut out = String::new();
    let mut statement = String::new();
    for line in script.lines() {
        if line.starts_with("> ") || line.starts_with("! ") {
            continue;
        }
        out.push_str(line);
        out.push('\n');
        if let (Some(seconds), Some(clock)) = (line.strip_prefix("@ advance "), clock) {
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
            answer(client, &statement, &mut out);
            statement.clear();
            // Timestamps of the clock's are to differ.
            if let Some(clock) = clock {
                clock.advance(Duration::from_micros(10));
            }
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
