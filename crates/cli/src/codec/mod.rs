//! `helenus codec`: the driver's own encoders and decoders, for bytes and literals given by hand or by another program.

mod frame;
mod hex;
mod lines;
mod request;
mod response;
mod segments;
mod value;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use helenus_core::protocol;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use self::lines::each_line;

/// What `helenus codec` takes.
#[derive(Args)]
#[command(after_help = "\
Each call prints one JSON object: {\"ok\": ...} with exit code 0, or {\"error\": \"...\"} with exit code 1. With --lines, each line
of standard input is a JSON object with the arguments' names, and is answered by such an object on a line; the exit code
is then 0, whatever the lines were. Wrong arguments give exit code 2.

Types are written as in CQL, a user-defined type as udt{name type, ...}. Literals are CQL's. What CQL has no literal for
is written blob_as_TYPE(0x...): the empty int is blob_as_int(0x). A user-defined type's value that ends before its last
field is written {a: 1, ..}, a tuple's (1).")]
pub(crate) struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// The CQL literal of a value's bytes
    #[command(after_help = "Lines: {\"type\": T, \"hex\": H}, where null for H is null")]
    Decode {
        /// A type as CQL writes it
        #[arg(value_name = "TYPE", required_unless_present = "lines")]
        column_type: Option<String>,
        /// The value's bytes in hexadecimal
        #[arg(required_unless_present = "lines")]
        hex: Option<String>,
        #[command(flatten)]
        input: Input,
    },
    /// The bytes of a CQL literal in hexadecimal; null for null
    #[command(after_help = "Lines: {\"type\": T, \"literal\": L}")]
    Encode {
        /// A type as CQL writes it
        #[arg(value_name = "TYPE", required_unless_present = "lines")]
        column_type: Option<String>,
        /// The literal
        #[arg(allow_hyphen_values = true, required_unless_present = "lines")]
        literal: Option<String>,
        #[command(flatten)]
        input: Input,
    },
    /// The routing key of a partition key's columns, and its token
    #[command(after_help = "Lines: {\"types\": [T, ...], \"literals\": [L, ...]}")]
    Token {
        /// The types of the partition key's columns
        #[arg(required_unless_present = "lines")]
        types: Vec<String>,
        /// Their values, as literals
        #[arg(last = true, required_unless_present = "lines")]
        literals: Vec<String>,
        #[command(flatten)]
        input: Input,
    },
    /// The fields of an envelope of protocol v3, v4 or v5 (a frame, in v3 and v4)
    #[command(
        after_help = "Lines: {\"frame\": H, \"direction\": D, \"compression\": C}, the last two as below and optional"
    )]
    Frame {
        /// Header and body in hexadecimal
        #[arg(required_unless_present = "lines")]
        hex: Option<String>,
        /// What it has to be; its header says what it is
        #[arg(long, value_name = "D", conflicts_with = "lines")]
        direction: Option<Direction>,
        /// How bodies are compressed whose header says that they are
        #[arg(long, value_name = "C", default_value = "none", conflicts_with = "lines")]
        compression: Compression,
        #[command(flatten)]
        input: Input,
    },
    /// The segments of protocol v5
    #[command(after_help = "Lines: {\"segments\": H, \"compression\": C}, the last as below and optional")]
    Segments {
        /// Any number of segments in hexadecimal; the last may be incomplete
        #[arg(required_unless_present = "lines")]
        hex: Option<String>,
        /// Whether they are in the form for LZ4
        #[arg(long, value_name = "C", default_value = "none", conflicts_with = "lines")]
        compression: Compression,
        #[command(flatten)]
        input: Input,
    },
}

#[derive(Args)]
struct Input {
    /// Read JSON objects from standard input, one a line, and answer each by a line
    #[arg(long)]
    lines: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
enum Direction {
    Request,
    Response,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
enum Compression {
    #[default]
    None,
    Lz4,
    Snappy,
}

impl Compression {
    fn algorithm(self) -> Option<protocol::Compression> {
        match self {
            Self::None => None,
            Self::Lz4 => Some(protocol::Compression::Lz4),
            Self::Snappy => Some(protocol::Compression::Snappy),
        }
    }
}

/// What was asked for, or why it can't be had, in words.
type Outcome = Result<Value, String>;

pub(crate) fn run(options: Options) -> anyhow::Result<ExitCode> {
    use Command::{Decode, Encode, Frame, Segments, Token};
    let answer_lines = |task: Task| each_line(|line| task.answer(line), |why| object(Err(why)));
    match options.command {
        Decode { input: Input { lines: true }, .. } => answer_lines(Task::Decode),
        Encode { input: Input { lines: true }, .. } => answer_lines(Task::Encode),
        Token { input: Input { lines: true }, .. } => answer_lines(Task::Token),
        Frame { input: Input { lines: true }, .. } => answer_lines(Task::Frame),
        Segments { input: Input { lines: true }, .. } => answer_lines(Task::Segments),
        Decode { column_type, hex, .. } => {
            print(value::DecodeLine { column_type: column_type.unwrap_or_default(), hex }.answer())
        }
        Encode { column_type, literal, .. } => {
            let (column_type, literal) = (column_type.unwrap_or_default(), literal.unwrap_or_default());
            print(value::EncodeLine { column_type, literal }.answer())
        }
        Token { types, literals, .. } => print(value::TokenLine { types, literals }.answer()),
        Frame { hex, direction, compression, .. } => {
            print(frame::Line { frame: hex.unwrap_or_default(), direction, compression }.answer())
        }
        Segments { hex, compression, .. } => {
            print(segments::Line { segments: hex.unwrap_or_default(), compression }.answer())
        }
    }
}

/// What is to be done with each line.
#[derive(Clone, Copy)]
pub(crate) enum Task {
    Decode,
    Encode,
    Token,
    Frame,
    Segments,
}

impl Task {
    /// The answer to a line, whatever is in it.
    pub(crate) fn answer(self, line: &[u8]) -> Value {
        object(match self {
            Self::Decode => parse(line).and_then(value::DecodeLine::answer),
            Self::Encode => parse(line).and_then(value::EncodeLine::answer),
            Self::Token => parse(line).and_then(value::TokenLine::answer),
            Self::Frame => parse(line).and_then(frame::Line::answer),
            Self::Segments => parse(line).and_then(segments::Line::answer),
        })
    }
}

fn parse<T: DeserializeOwned>(line: &[u8]) -> Result<T, String> {
    serde_json::from_slice(line).map_err(|error| error.to_string())
}

fn print(outcome: Outcome) -> anyhow::Result<ExitCode> {
    let code = if outcome.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    writeln!(io::stdout(), "{}", object(outcome))?;
    Ok(code)
}

fn object(outcome: Outcome) -> Value {
    match outcome {
        Ok(value) => json!({ "ok": value }),
        Err(error) => json!({ "error": error }),
    }
}
