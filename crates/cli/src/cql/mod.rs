//! `helenus cql`: statements in, rows out.
//!
//! `split` makes statements of text, `run` has them done one after another by a session of `connect`'s, and `output` writes
//! what comes back. `prompt` is for people.

mod connect;
mod output;
mod prompt;
mod run;
mod split;
mod visible;

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::ValueEnum;
use helenus::Consistency;

use connect::{Connector, Target};
use output::Format;
use run::{CantWrite, Outcome, Runner};
use split::{Splitter, Statement};

/// Runs CQL: from -e, from -f, or from standard input, where a terminal gets a prompt. Statements end with semicolons. The
/// first one that fails ends it, unless told to --continue.
#[derive(Clone, Debug, clap::Args)]
#[command(after_long_help = AFTER_HELP)]
pub(crate) struct Options {
    /// Statements to run (repeatable)
    #[arg(short, long, value_name = "CQL", conflicts_with = "files")]
    execute: Vec<String>,
    /// A file of statements to run (repeatable); - is standard input
    #[arg(short = 'f', long = "file", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Go on after a statement that fails
    #[arg(long = "continue")]
    goes_on: bool,

    #[command(flatten)]
    target: Target,

    /// How many replicas must answer
    #[arg(long, value_name = "LEVEL", default_value = "local_one", help_heading = "How")]
    consistency: Consistency,
    /// For the conditions of INSERT, UPDATE and DELETE .. IF
    #[arg(long, value_enum, value_name = "LEVEL", help_heading = "How")]
    serial_consistency: Option<Serial>,
    /// Rows that are fetched at a time
    #[arg(long, value_name = "ROWS", default_value_t = 1_000, help_heading = "How",
          value_parser = clap::value_parser!(i32).range(1..))]
    page_size: i32,
    /// Have each request traced, and write the trace to standard error
    #[arg(long, help_heading = "How")]
    tracing: bool,

    /// How rows are written
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = Format::Table, help_heading = "What comes out")]
    format: Format,
    /// At most so many rows of each statement
    #[arg(long, value_name = "ROWS", help_heading = "What comes out")]
    limit: Option<u64>,
}

const AFTER_HELP: &str = "Exit status: 0 if all went well, 1 if a statement failed, 2 for a wrong command line, 3 if there \
is no connection or the statements can't be read.\n\nExamples:\n  helenus cql -e 'SELECT * FROM system.local'\n  \
helenus cql -H db1,db2 -u ada --format csv -e 'SELECT id, name FROM shop.users' > users.csv\n  \
helenus cql -k shop -f schema.cql\n  helenus cql -e 'DESCRIBE KEYSPACE shop'";

const FAILED: u8 = 1;
const NOT_BEGUN: u8 = 3;

/// Longer statements no server takes: the protocol's frames end at 256 MiB, and servers' at 16 MiB unless told otherwise.
const STATEMENT_BYTES_MAX: usize = 256 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Serial {
    #[value(name = "serial")]
    Serial,
    #[value(name = "local_serial")]
    LocalSerial,
}

pub(crate) fn run(options: Options) -> Result<ExitCode> {
    match begin(options) {
        Ok(Outcome::Done) => Ok(ExitCode::SUCCESS),
        Ok(Outcome::Failed) => Ok(ExitCode::from(FAILED)),
        Err(error) if is_broken_pipe(&error) => Ok(ExitCode::SUCCESS),
        Err(error) => {
            eprintln!("error: {}", visible::lines(&crate::in_words(&error)));
            Ok(ExitCode::from(NOT_BEGUN))
        }
    }
}

fn begin(options: Options) -> Result<Outcome> {
    let Options { execute, files, goes_on, target, .. } = options.clone();
    let (keyspace, connector) = (target.keyspace.clone(), Connector::new(target)?);
    let interactive = execute.is_empty() && files.is_empty() && io::stdin().is_terminal();
    let session = connector.connect(keyspace.as_deref())?;
    let mut runner = Runner::new(options, connector, session, keyspace, BufWriter::new(io::stdout().lock()));
    if interactive {
        return prompt::run(&mut runner);
    }
    let mut outcome = Outcome::Done;
    let texts = execute.iter().map(|text| ("-e".to_owned(), Box::new(text.as_bytes()) as Box<dyn BufRead>));
    let mut sources: Vec<(String, Box<dyn BufRead>)> = texts.collect();
    for path in &files {
        let name = path.display().to_string();
        sources.push(match &*name {
            "-" => ("stdin".into(), Box::new(io::stdin().lock())),
            _ => {
                let file = File::open(path).with_context(|| format!("{name} can't be read"))?;
                (name, Box::new(BufReader::new(file)))
            }
        });
    }
    if sources.is_empty() {
        sources.push(("stdin".into(), Box::new(io::stdin().lock())));
    }
    for (name, source) in sources {
        outcome = outcome.and(script(&mut runner, &name, source, goes_on)?);
        if outcome == Outcome::Failed && !goes_on {
            break;
        }
    }
    runner.close();
    Ok(outcome)
}

/// Runs statements as they come, so that one is done before the next has to be there.
fn script<W: io::Write>(
    runner: &mut Runner<W>,
    name: &str,
    mut source: impl BufRead,
    goes_on: bool,
) -> Result<Outcome> {
    let mut splitter = Splitter::default();
    let mut outcome = Outcome::Done;
    let mut run = |statement: Statement| -> Result<bool> {
        outcome = outcome.and(runner.run(name, &statement)?);
        Ok(outcome == Outcome::Done || goes_on)
    };
    let mut cut = Vec::new();
    loop {
        let bytes = source.fill_buf().with_context(|| format!("{name} can't be read"))?;
        if bytes.is_empty() {
            break;
        }
        let read = bytes.len();
        cut.extend_from_slice(bytes);
        source.consume(read);
        let (text, rest) = whole_chars(&cut);
        splitter.push(text);
        anyhow::ensure!(
            splitter.pending_bytes() <= STATEMENT_BYTES_MAX,
            "{name}:{}: the statement that ends here at the earliest has more than {STATEMENT_BYTES_MAX} bytes; is a ; or a quote \
             missing?",
            splitter.position()
        );
        while let Some(statement) = splitter.pop() {
            if !run(statement)? {
                return Ok(outcome);
            }
        }
        let rest = rest.with_context(|| format!("{name}:{}", splitter.position()))?;
        cut.drain(..cut.len() - rest);
    }
    anyhow::ensure!(cut.is_empty(), "{name}:{}: it ends in the middle of a character", splitter.position());
    match splitter.finish() {
        Ok(Some(statement)) => run(statement).map(drop)?,
        Ok(None) => {}
        Err(unfinished) => {
            eprintln!("{name}:{}: error: {unfinished}; it was not run", unfinished.begin);
            outcome = Outcome::Failed;
        }
    }
    Ok(outcome)
}

/// The text at the front of `bytes`, and how many bytes of a character that is cut off follow it.
fn whole_chars(bytes: &[u8]) -> (&str, Result<usize>) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (text, Ok(0)),
        Err(error) => {
            let (valid, rest) = bytes.split_at(error.valid_up_to());
            let cut = match error.error_len() {
                None => Ok(rest.len()),
                Some(_) => Err(anyhow::anyhow!("byte 0x{:02x} isn't UTF-8, as CQL is", rest[0])),
            };
            (std::str::from_utf8(valid).unwrap_or_default(), cut)
        }
    }
}

/// Whoever read the rows has enough.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    // Sockets break, too, and that is to be told.
    error
        .downcast_ref::<CantWrite>()
        .is_some_and(|CantWrite(error)| error.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_reader_that_has_enough_is_no_error() {
        let broken = || io::Error::from(io::ErrorKind::BrokenPipe);
        assert!(is_broken_pipe(&CantWrite(broken()).into()));
        assert!(!is_broken_pipe(&CantWrite(io::ErrorKind::StorageFull.into()).into()));
        assert!(!is_broken_pipe(&anyhow::Error::from(broken()).context("no node could be reached")));
    }
}
