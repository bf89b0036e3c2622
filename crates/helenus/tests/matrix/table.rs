//! Runs cells, and shows what came of each.
#![allow(clippy::print_stdout, reason = "the table is what the command is for")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use crate::cell::{Cell, Server};
use crate::common::{Kind, PATIENCE, within};
use crate::script;

/// Runs each cell on each of `kinds`, prints a table, and fails if a cell has.
pub(crate) fn run(name: &str, kinds: &[Kind], cells: Vec<Cell>, server: impl Fn(&Cell) -> Server) {
    let start = Instant::now();
    let mut faults = Vec::new();
    println!("\n{name}: protocol, compression, TLS, authentication; {}\n", columns(kinds));
    for cell in &cells {
        let mut line = format!("{cell}");
        for (number, kind) in kinds.iter().enumerate() {
            let keyspace =
                format!("matrix_{}_{number}", cells.iter().position(|one| one == cell).unwrap_or(0));
            let outcome = run_cell(*kind, *cell, server(cell), keyspace);
            line += if outcome.is_ok() { "  ok" } else { "  FAILED" };
            faults.extend(outcome.err().map(|error| format!("{cell} on {kind:?}: {error}")));
        }
        println!("{line}");
    }
    let (all, took) = (cells.len() * kinds.len(), start.elapsed().as_secs_f64());
    println!("\n{} of {all} cells are good, after {took:.0} s", all - faults.len());
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

fn columns(kinds: &[Kind]) -> String {
    kinds.iter().map(|kind| format!("{kind:?}")).collect::<Vec<_>>().join(", ")
}

fn run_cell(kind: Kind, cell: Cell, server: Server, keyspace: String) -> Result<(), String> {
    let script = move || script::run(kind, cell, &server, &keyspace);
    let outcome = catch_unwind(AssertUnwindSafe(|| within(PATIENCE * 2, script)));
    outcome.map_err(|panic| match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => panic.downcast_ref::<&str>().map_or("it panicked", |text| text).to_owned(),
    })
}
