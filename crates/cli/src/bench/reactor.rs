//! The reactors that can be measured, by name.

use std::fmt;

use anyhow::Result;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::job::Outcome;
use super::worker::Run;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ReactorName {
    /// An epoll loop on a thread of its own; the program's threads block
    Mio,
    /// No thread at all: the thread that waits runs the loop
    MioCaller,
    /// A tokio runtime on a thread of its own; the program's threads block
    Tokio,
    /// A task on a current-thread runtime, beside the program's own task
    TokioCurrentThread,
    /// A task on a multi-thread runtime, on which the program's tasks run too
    TokioMultiThread,
}

impl ReactorName {
    /// Those in this build.
    pub(crate) fn compiled() -> Vec<Self> {
        Self::value_variants().iter().copied().filter(|reactor| reactor.is_compiled()).collect()
    }

    pub(crate) fn is_compiled(self) -> bool {
        helenus::reactor::COMPILED.contains(&self.family())
    }

    /// The name of its crate, less the prefix.
    pub(crate) fn family(self) -> &'static str {
        match self {
            Self::Mio | Self::MioCaller => "mio",
            Self::Tokio | Self::TokioCurrentThread | Self::TokioMultiThread => "tokio",
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Mio => "mio",
            Self::MioCaller => "mio-caller",
            Self::Tokio => "tokio",
            Self::TokioCurrentThread => "tokio-current-thread",
            Self::TokioMultiThread => "tokio-multi-thread",
        }
    }

    /// Why it can't be measured with so many workers, if it can't.
    pub(crate) fn unfit(self, threads: usize) -> Option<String> {
        match self {
            Self::TokioCurrentThread if threads > 1 => {
                Some(format!("its runtime has one thread, and --threads {threads} asks for more"))
            }
            _ => None,
        }
    }
}

impl fmt::Display for ReactorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Connects by the job's reactor, runs its work there, and closes.
pub(crate) fn run(run: Run) -> Result<Outcome> {
    match run.job.reactor {
        #[cfg(feature = "reactor-mio")]
        ReactorName::Mio => blocking::run(run, helenus::reactor::Mio::threads(1)),
        #[cfg(feature = "reactor-mio")]
        ReactorName::MioCaller => blocking::run(run, helenus::reactor::Mio::on_caller()),
        #[cfg(feature = "reactor-tokio")]
        ReactorName::Tokio => blocking::run(run, helenus::reactor::Tokio::runtime()),
        #[cfg(feature = "reactor-tokio")]
        ReactorName::TokioCurrentThread => tasks::run(run, tokio::runtime::Builder::new_current_thread()),
        #[cfg(feature = "reactor-tokio")]
        ReactorName::TokioMultiThread => tasks::run(run, tokio::runtime::Builder::new_multi_thread()),
        #[cfg(not(all(feature = "reactor-mio", feature = "reactor-tokio")))]
        other => anyhow::bail!("this build has no reactor {other}"),
    }
}

/// Reactors with a loop of their own, or none: the program's threads block.
mod blocking {
    use std::thread;

    use anyhow::{Result, anyhow};
    use helenus::reactor::Reactor;

    use crate::bench::job::Outcome;
    use crate::bench::patterns::{Share, Waiting, run_blocking};
    use crate::bench::worker::Run;
    use crate::bench::workload::{Record, Workload};

    pub(super) fn run(mut run: Run, reactor: impl Reactor + 'static) -> Result<Outcome> {
        let session = run.job.target.builder().reactor(reactor).connect().wait()?;
        let work = session.block_on(Workload::prepare(&session, &run.job))??;
        let shares = run.begin(&session, &work, Waiting::Blocking)?;
        let records = on_threads(&run, shares)?;
        let outcome = run.end(&session, records)?;
        session.close().wait()?;
        Ok(outcome)
    }

    /// The first share on this thread, the others on threads of their own.
    fn on_threads(run: &Run, shares: Vec<Share>) -> Result<Vec<Record>> {
        let pattern = run.job.pattern;
        let mut shares = shares.into_iter();
        let Some(first) = shares.next() else { return Ok(Vec::new()) };
        thread::scope(|scope| {
            let others: Vec<_> =
                shares.map(|share| scope.spawn(move || run_blocking(pattern, share))).collect();
            let mut records = vec![run_blocking(pattern, first)?];
            for other in others {
                records.push(other.join().map_err(|_| anyhow!("a thread of the bench panicked"))??);
            }
            Ok(records)
        })
    }
}

/// Reactors that are a task beside the program's own.
#[cfg(feature = "reactor-tokio")]
mod tasks {
    use anyhow::{Context, Result};
    use helenus::reactor::Tokio;
    use tokio::runtime::Builder;

    use crate::bench::job::Outcome;
    use crate::bench::patterns::{self, Waiting};
    use crate::bench::worker::Run;
    use crate::bench::workload::Workload;

    pub(super) fn run(run: Run, mut builder: Builder) -> Result<Outcome> {
        let runtime = builder.enable_io().enable_time().build().context("tokio can't start")?;
        // As a task: the future of `block_on` would be woken by a system call each time.
        let task = runtime.spawn(on_runtime(run));
        runtime.block_on(task).context("the bench's task panicked")?
    }

    async fn on_runtime(mut run: Run) -> Result<Outcome> {
        let (connecting, driver) = run.job.target.builder().split(Tokio::task());
        let driver = tokio::spawn(driver);
        let session = connecting.await?;
        let work = Workload::prepare(&session, &run.job).await?;
        let pattern = run.job.pattern;
        let shares = run.begin(&session, &work, Waiting::Await)?.into_iter();
        let tasks: Vec<_> = shares.map(|share| tokio::spawn(patterns::run(pattern, share))).collect();
        let mut records = Vec::with_capacity(tasks.len());
        for task in tasks {
            records.push(task.await.context("a task of the bench panicked")?);
        }
        let outcome = run.end(&session, records)?;
        drop(work);
        session.close().await;
        driver.await.context("the driver's task panicked")?;
        Ok(outcome)
    }
}
