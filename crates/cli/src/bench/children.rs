//! The processes that `bench` starts: the node, and the workers. They end when this process does.

use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use crossbeam_channel::Sender;

use super::job::{Job, Message};

/// This program, started once more, with pipes to and from it. Killed when dropped.
struct Own {
    child: Child,
    /// `None` once it was told that nothing more comes.
    input: Option<ChildStdin>,
}

impl Own {
    fn start(arguments: &[String]) -> Result<(Self, ChildStdout)> {
        let program = std::env::current_exe().context("this program can't find itself")?;
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("this program can't start itself once more")?;
        let output = child.stdout.take().context("a process without output")?;
        let input = child.stdin.take();
        Ok((Self { child, input }, output))
    }

    fn tell(&mut self, line: &str) -> Result<()> {
        let input = self.input.as_mut().context("its input is closed")?;
        writeln!(input, "{line}").context("a process that was started has ended")
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        self.input = None;
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A node in a process of its own.
pub(crate) struct NodeProcess {
    own: Own,
    lines: Lines<BufReader<ChildStdout>>,
    pub(crate) addresses: Vec<String>,
}

impl NodeProcess {
    pub(crate) fn start(nodes: u8, null: bool, cpu: Option<usize>, memory_mib: u64) -> Result<Self> {
        let mut arguments: Vec<_> =
            ["node", "--with-parent", "--listen", "127.0.0.1:0"].map(String::from).into();
        arguments.extend(["--nodes".into(), nodes.to_string(), "--memory".into(), memory_mib.to_string()]);
        arguments.extend(null.then(|| "--null".into()));
        arguments.extend(cpu.into_iter().flat_map(|cpu| ["--pin".into(), cpu.to_string()]));
        let (own, output) = Own::start(&arguments)?;
        let mut lines = BufReader::new(output).lines();
        let mut addresses = Vec::new();
        loop {
            match lines.next() {
                Some(Ok(line)) if line == "ready" => return Ok(Self { own, lines, addresses }),
                Some(Ok(line)) => addresses.push(line),
                // It has said why on standard error.
                Some(Err(_)) | None => bail!("the node did not start"),
            }
        }
    }

    /// The CPU time that it has used so far.
    pub(crate) fn cpu(&mut self) -> Result<Duration> {
        self.own.tell("cpu")?;
        let line = self.lines.next().context("the node has ended")??;
        Ok(Duration::from_micros(line.parse().context("the node said no CPU time")?))
    }
}

/// A worker process, whose messages go into a channel with its number; `None` is its end.
pub(crate) struct WorkerProcess(Own);

impl WorkerProcess {
    pub(crate) fn start(
        job: &Job,
        number: usize,
        messages: Sender<(usize, Option<Message>)>,
    ) -> Result<Self> {
        let (mut own, output) = Own::start(&["bench-worker".into()])?;
        own.tell(&serde_json::to_string(job)?)?;
        let read = move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let message = serde_json::from_str(&line)
                    .unwrap_or_else(|_| Message::Failed(format!("a worker said what can't be read: {line}")));
                if messages.send((number, Some(message))).is_err() {
                    return;
                }
            }
            let _ = messages.send((number, None));
        };
        std::thread::Builder::new().name(format!("worker-{number}")).spawn(read)?;
        Ok(Self(own))
    }

    /// The word to begin.
    pub(crate) fn go(&mut self) -> Result<()> {
        self.0.tell("go")
    }
}
