//! Runs one measurement: its worker processes from start to end.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};
use indicatif::ProgressBar;

use super::children::{NodeProcess, WorkerProcess};
use super::job::{Job, Message, Outcome};

/// For a worker to start and connect.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// Beyond the timeout of requests: without any progress for that long a measurement is given up.
const STALL: Duration = Duration::from_secs(30);

type Messages = Receiver<(usize, Option<Message>)>;

/// Does the job in so many processes at once. Gives what they measured together, and the CPU time that the node used
/// meanwhile.
pub(crate) fn run(
    job: &Job,
    processes: u16,
    node: Option<&mut NodeProcess>,
    bar: &ProgressBar,
) -> Result<(Outcome, Option<Duration>)> {
    let (sender, messages) = bounded(1_024);
    let count = u64::from(processes);
    let mut workers = Vec::new();
    for number in 0..count {
        let (begin, end) = (job.ops * number / count, job.ops * (number + 1) / count);
        let job = Job { first: job.first + begin, ops: end - begin, ..job.clone() };
        workers.push(WorkerProcess::start(&job, number as usize, sender.clone())?);
    }
    drop(sender);
    await_ready(&messages, workers.len())?;
    measured(node, || {
        for worker in &mut workers {
            worker.go()?;
        }
        await_done(&messages, workers.len(), job.target.timeout + STALL, bar)
    })
}

/// What the node uses while `work` is done.
fn measured(
    node: Option<&mut NodeProcess>,
    work: impl FnOnce() -> Result<Outcome>,
) -> Result<(Outcome, Option<Duration>)> {
    let Some(node) = node else { return Ok((work()?, None)) };
    let before = node.cpu()?;
    let outcome = work()?;
    Ok((outcome, Some(node.cpu()?.saturating_sub(before))))
}

fn await_ready(messages: &Messages, workers: usize) -> Result<()> {
    let deadline = Instant::now() + START_TIMEOUT;
    for _ in 0..workers {
        match messages.recv_deadline(deadline) {
            Ok((_, Some(Message::Ready))) => {}
            Ok((_, Some(Message::Failed(error)))) => bail!(error),
            Ok((_, Some(_))) => bail!("a worker measured before it was told to"),
            Ok((_, None)) => bail!("a worker ended before it was ready"),
            Err(_) => bail!("no session within {START_TIMEOUT:?}"),
        }
    }
    Ok(())
}

fn await_done(messages: &Messages, workers: usize, stall: Duration, bar: &ProgressBar) -> Result<Outcome> {
    let mut finished = vec![0; workers];
    let mut moved = Instant::now();
    let mut all: Option<Outcome> = None;
    let mut done = vec![false; workers];
    while done.contains(&false) {
        match messages.recv_deadline(moved + stall) {
            Ok((worker, Some(Message::Progress(count)))) => {
                if finished[worker] != count {
                    finished[worker] = count;
                    moved = Instant::now();
                }
                bar.set_position(finished.iter().sum());
            }
            Ok((worker, Some(Message::Done(outcome)))) => {
                done[worker] = true;
                all = Some(match all {
                    Some(others) => others.merge(*outcome),
                    None => *outcome,
                });
            }
            Ok((_, Some(Message::Failed(error)))) => bail!(error),
            Ok((worker, None)) if done[worker] => {}
            Ok((_, Some(Message::Ready))) => bail!("a worker was ready twice"),
            Ok((_, None)) | Err(RecvTimeoutError::Disconnected) => bail!("a worker ended without a result"),
            Err(RecvTimeoutError::Timeout) => {
                let count: u64 = finished.iter().sum();
                bail!("no request was finished for {} s, after {count}; given up", stall.as_secs())
            }
        }
    }
    all.context("no worker measured anything")
}
