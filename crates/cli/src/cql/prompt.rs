//! Statements from a person at a terminal.

use std::io::Write;

use anyhow::{Context, Result};
use helenus::Consistency;
use rustyline::DefaultEditor;
use rustyline::error::ReadlineError;

use super::run::{Outcome, Runner};
use super::split::Splitter;

const HELP: &str = "Statements end with a semicolon. Beside CQL, each in a line of its own:
  CONSISTENCY [LEVEL]   which one holds, or another one from now on
  TRACING ON|OFF        whether requests are traced
  HELP                  this
  EXIT, QUIT, Ctrl-D    the end
Ctrl-C forgets what was typed.";

/// Runs until the end of input. What fails is told, and ends nothing.
pub(super) fn run<W: Write>(runner: &mut Runner<W>) -> Result<Outcome> {
    let mut editor = DefaultEditor::new().context("the terminal can't be used")?;
    let session = runner.session();
    eprintln!("Protocol {}, reactor {}. HELP tells more.", session.version(), session.reactor());
    let mut typed = Typed::default();
    loop {
        let keyspace = runner.keyspace.as_deref().unwrap_or("cql");
        let prompt = match typed.is_begun() {
            true => format!("{:>1$}> ", "...", keyspace.len().max(3)),
            false => format!("{keyspace}> "),
        };
        match editor.readline(&prompt) {
            Ok(line) => {
                // A line that can't be remembered is run all the same.
                let _ = editor.add_history_entry(&line);
                if !typed.is_begun() {
                    match command(runner, &line) {
                        Command::None => {}
                        Command::Done => continue,
                        Command::Exit => return Ok(Outcome::Done),
                    }
                }
                typed.line(runner, &line)?;
            }
            Err(ReadlineError::Interrupted) => typed = Typed::default(),
            Err(ReadlineError::Eof) => return Ok(Outcome::Done),
            Err(error) => return Err(error).context("the terminal can't be read"),
        }
    }
}

/// What of a statement was typed so far.
#[derive(Default)]
struct Typed {
    splitter: Splitter,
    begun: bool,
}

impl Typed {
    fn is_begun(&self) -> bool {
        self.begun
    }

    fn line<W: Write>(&mut self, runner: &mut Runner<W>, line: &str) -> Result<()> {
        self.splitter.push(line);
        self.splitter.push("\n");
        while let Some(statement) = self.splitter.pop() {
            runner.run("stdin", &statement)?;
        }
        self.begun = self.splitter.is_begun();
        if !self.begun {
            *self = Self::default();
        }
        Ok(())
    }
}

enum Command {
    /// The line is CQL.
    None,
    Done,
    Exit,
}

/// What isn't CQL, but known to those who know cqlsh.
fn command<W>(runner: &mut Runner<W>, line: &str) -> Command {
    let line = line.trim().trim_end_matches(';').trim_end();
    let words: Vec<String> = line.split_whitespace().map(str::to_ascii_uppercase).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["EXIT" | "QUIT"] => return Command::Exit,
        ["HELP"] => eprintln!("{HELP}"),
        ["CONSISTENCY"] => eprintln!("{}", runner.consistency),
        ["CONSISTENCY", level] => match level.parse::<Consistency>() {
            Ok(level) => runner.consistency = level,
            Err(error) => eprintln!("error: {error}"),
        },
        ["TRACING", "ON"] => runner.tracing = true,
        ["TRACING", "OFF"] => runner.tracing = false,
        _ => return Command::None,
    }
    Command::Done
}
