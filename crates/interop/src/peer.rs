//! Another driver: a process that answers a line of JSON by a line of JSON.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};
use helenus::Version;
use serde_json::{Value, json};

pub(crate) struct Peer {
    pub(crate) name: &'static str,
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Peer {
    pub(crate) fn python(python: &Path, host: &str, version: Version) -> Result<Self> {
        let mut command = Command::new(python);
        command.arg("-c").arg(include_str!("../peers/python/peer.py"));
        Self::start("python", command, host, version)
    }

    pub(crate) fn gocql(program: &Path, host: &str, version: Version) -> Result<Self> {
        Self::start("gocql", Command::new(program), host, version)
    }

    fn start(name: &'static str, mut command: Command, host: &str, version: Version) -> Result<Self> {
        command.arg(host).arg(version.byte().to_string());
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start the peer {name}"))?;
        let (Some(input), Some(output)) = (process.stdin.take(), process.stdout.take()) else {
            bail!("the peer {name} has no standard input and output");
        };
        let mut peer = Self { name, process, input, output: BufReader::new(output) };
        match peer.ask(&json!({ "op": "hello" }))? {
            Ok(hello) => eprintln!("{name}: {}, {version}", hello.as_str().unwrap_or_default()),
            Err(error) => bail!("the peer {name}: {error}"),
        }
        Ok(peer)
    }

    /// What it reads in the row of this id, or why it can't.
    pub(crate) fn read(&mut self, select: &str, id: i32) -> Result<Result<Value, String>> {
        self.ask(&json!({ "op": "read", "statement": select, "id": id }))
    }

    /// Has it write a value of its own language there; or why it can't.
    pub(crate) fn write(&mut self, insert: &str, id: i32, value: &Value) -> Result<Result<(), String>> {
        let done = self.ask(&json!({ "op": "write", "statement": insert, "id": id, "value": value }))?;
        Ok(done.map(drop))
    }

    fn ask(&mut self, line: &Value) -> Result<Result<Value, String>> {
        let mut answer = String::new();
        writeln!(self.input, "{line}")?;
        self.input.flush()?;
        if self.output.read_line(&mut answer)? == 0 {
            let status = self.process.wait()?;
            bail!("the peer {} ended ({status}) over {}", self.name, excerpt(&line.to_string()));
        }
        let mut answer: Value = serde_json::from_str(&answer)
            .with_context(|| format!("the peer {} said {}", self.name, excerpt(&answer)))?;
        match answer.get("error").and_then(Value::as_str) {
            Some(error) => Ok(Err(error.to_owned())),
            None => Ok(Ok(answer.get_mut("ok").map(Value::take).unwrap_or_default())),
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It is gone already where this fails.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub(crate) fn excerpt(text: &str) -> String {
    match text.char_indices().nth(200) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}
