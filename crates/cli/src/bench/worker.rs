//! The process that measures one reactor and pattern, so that memory and CPU are its own.

use std::io::Write;
use std::ops::Range;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use crossbeam_channel::{Receiver, bounded};
use helenus::{Counters, Session};

use super::job::{Job, Message, Outcome};
use super::patterns::{Share, Waiting};
use super::workload::{Record, Workload};
use super::{memory, profile, reactor};
use crate::os::{self, CpuTime};
use crate::parent;

/// How often progress is told.
const PROGRESS: Duration = Duration::from_millis(100);

/// Runs the job that comes on standard input, and says on standard output what came of it.
pub(crate) fn worker() -> ExitCode {
    let message = match job().and_then(|(job, orders)| measure(job, orders)) {
        Ok(outcome) => Message::Done(Box::new(outcome)),
        Err(error) => Message::Failed(crate::in_words(&error)),
    };
    say(&message);
    ExitCode::SUCCESS
}

/// One line to the parent. If that is gone, so is standard input, which ends the process.
fn say(message: &Message) {
    if let Ok(line) = serde_json::to_string(message) {
        let _ = writeln!(std::io::stdout(), "{line}");
    }
}

/// The job, and the lines that follow it.
fn job() -> Result<(Job, Receiver<String>)> {
    let (sender, orders) = bounded(4);
    parent::follow(move |line| {
        // Nobody listens any more: all is done.
        let _ = sender.send(line.to_owned());
    })?;
    let line = orders.recv().context("no job came")?;
    Ok((serde_json::from_str(&line).context("the job can't be read")?, orders))
}

fn measure(job: Job, orders: Receiver<String>) -> Result<Outcome> {
    if !job.cpus.is_empty() {
        os::pin(&job.cpus)?;
    }
    reactor::run(Run { job, orders, meter: None })
}

/// A measurement from the connected session to the outcome. What runs the shares is the reactor's choice.
pub(crate) struct Run {
    pub(crate) job: Job,
    orders: Receiver<String>,
    meter: Option<Meter>,
}

/// What is read before and after.
struct Meter {
    start: Instant,
    cpu: CpuTime,
    counters: Counters,
    memory_idle_bytes: Option<u64>,
    profiler: Option<profile::Profiler>,
}

impl Run {
    /// Cuts the work into shares, tells the parent that all is ready, and waits for its word; then the clock runs.
    pub(crate) fn begin(
        &mut self,
        session: &Session,
        work: &Workload,
        waiting: Waiting,
    ) -> Result<Vec<Share>> {
        let finished: Vec<_> = (0..self.job.threads).map(|_| Arc::<AtomicU64>::default()).collect();
        let shares = split(self.job.first, self.job.ops, self.job.threads).zip(&finished);
        let shares = shares
            .map(|(numbers, finished)| Share {
                work: work.clone(),
                numbers,
                in_flight: self.job.in_flight,
                record: Record::new(finished.clone()),
                waiting,
            })
            .collect();
        let profiler = self.job.profile.as_deref().map(profile::Profiler::start).transpose()?;
        say(&Message::Ready);
        self.orders.recv().context("no word to begin came")?;
        report_progress(finished)?;
        memory::forget_peak();
        self.meter = Some(Meter {
            memory_idle_bytes: memory::resident_bytes(),
            counters: session.metrics().counters,
            profiler,
            cpu: CpuTime::now(),
            start: Instant::now(),
        });
        Ok(shares)
    }

    /// Stops the clock.
    pub(crate) fn end(self, session: &Session, records: Vec<Record>) -> Result<Outcome> {
        let meter = self.meter.context("the measurement was never begun: a bug in the bench")?;
        let wall = meter.start.elapsed();
        let cpu = CpuTime::now();
        let mut outcome = Outcome {
            ops: self.job.ops,
            wall,
            cpu_user: cpu.user.saturating_sub(meter.cpu.user),
            cpu_system: cpu.system.saturating_sub(meter.cpu.system),
            memory_idle_bytes: meter.memory_idle_bytes,
            memory_peak_bytes: memory::peak_bytes(),
            protocol_version: session.version().byte(),
            counters: counted(meter.counters, session.metrics().counters),
            ..Outcome::default()
        };
        if let Some(profiler) = meter.profiler {
            profiler.finish()?;
        }
        let mut latencies: Option<hdrhistogram::Histogram<u64>> = None;
        for record in records {
            outcome.errors.merge(record.errors);
            outcome.failed.extend(record.failed);
            match &mut latencies {
                Some(all) => all.add(&record.latencies).context("latencies can't be added")?,
                None => latencies = Some(record.latencies),
            }
        }
        let recorded = latencies.iter().flat_map(|all| all.iter_recorded());
        outcome.latencies = recorded.map(|at| (at.value_iterated_to(), at.count_at_value())).collect();
        Ok(outcome)
    }
}

/// Counters that stand for now or for the most so far, rather than for what has happened.
const LEVELS: [&str; 5] = ["connections", "on_wire", "on_wire_max", "waiting", "orphans"];

fn counted(before: Counters, after: Counters) -> std::collections::BTreeMap<String, u64> {
    let pairs = before.named().zip(after.named());
    pairs
        .map(|((name, before), (_, after))| {
            let since = if LEVELS.contains(&name) { after } else { after.wrapping_sub(before) };
            (name.to_owned(), since)
        })
        .collect()
}

/// `ops` numbers from `first` on in so many ranges, whose lengths differ by one at most.
fn split(first: u64, ops: u64, parts: usize) -> impl Iterator<Item = Range<u64>> {
    let parts = parts as u64;
    let begin = move |part: u64| first + ops * part / parts;
    (0..parts).map(move |part| begin(part)..begin(part + 1))
}

fn report_progress(finished: Vec<Arc<AtomicU64>>) -> Result<()> {
    let report = move || {
        loop {
            std::thread::sleep(PROGRESS);
            say(&Message::Progress(finished.iter().map(|count| count.load(Ordering::Relaxed)).sum()));
        }
    };
    std::thread::Builder::new().name("progress".into()).spawn(report)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_split_evenly_and_whole() {
        let parts: Vec<_> = split(100, 10, 3).collect();
        assert_eq!(parts, [100..103, 103..106, 106..110]);
        assert_eq!(split(5, 1_000_000_007, 16).map(|part| part.end - part.start).sum::<u64>(), 1_000_000_007);
    }
}
