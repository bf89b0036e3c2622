//! The reactors that can be measured, by name.

use std::fmt;

use anyhow::{Context, Result};
use clap::ValueEnum;
use helenus::reactor::Reactor;
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
    /// An io_uring loop on a thread of its own; the program's threads block
    Uring,
    /// The same without a thread: the thread that waits runs the loop
    UringCaller,
    /// A glommio executor on a core of its own; the program's threads block
    Glommio,
    /// A task on the program's own glommio executor, beside its tasks
    GlommioTask,
    /// Smol's sockets on a thread of its own; the program's threads block
    Smol,
    /// A task on the program's own executor, beside its tasks
    SmolTask,
    /// A task on async-std's global executor, on which the program's tasks run too
    AsyncStd,
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
            Self::Uring | Self::UringCaller => "uring",
            Self::Glommio | Self::GlommioTask => "glommio",
            Self::Smol | Self::SmolTask => "smol",
            Self::AsyncStd => "async-std",
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Mio => "mio",
            Self::MioCaller => "mio-caller",
            Self::Tokio => "tokio",
            Self::TokioCurrentThread => "tokio-current-thread",
            Self::TokioMultiThread => "tokio-multi-thread",
            Self::Uring => "uring",
            Self::UringCaller => "uring-caller",
            Self::Glommio => "glommio",
            Self::GlommioTask => "glommio-task",
            Self::Smol => "smol",
            Self::SmolTask => "smol-task",
            Self::AsyncStd => "async-std",
        }
    }

    /// Why it can't be measured with so many workers, if it can't.
    pub(crate) fn unfit(self, threads: usize) -> Option<String> {
        match self {
            Self::TokioCurrentThread | Self::GlommioTask | Self::SmolTask if threads > 1 => {
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

/// Any reactor of this build, for what is not measured.
pub(crate) fn any() -> Result<Box<dyn Reactor>> {
    const ALL: &[fn() -> Box<dyn Reactor>] = &[
        #[cfg(feature = "reactor-mio")]
        || Box::new(helenus::reactor::Mio::default()),
        #[cfg(feature = "reactor-tokio")]
        || Box::new(helenus::reactor::Tokio::runtime()),
        #[cfg(feature = "reactor-uring")]
        || Box::new(helenus::reactor::Uring::default()),
        #[cfg(feature = "reactor-smol")]
        || Box::new(helenus::reactor::Smol::default()),
        #[cfg(feature = "reactor-async-std")]
        || Box::new(helenus::reactor::AsyncStd::default()),
        #[cfg(feature = "reactor-glommio")]
        || Box::new(helenus::reactor::Glommio::default()),
    ];
    let make = ALL.first().context("this build has no reactor; build with --features reactor-mio")?;
    Ok(make())
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
        ReactorName::TokioCurrentThread => {
            tasks::on_tokio(run, tokio::runtime::Builder::new_current_thread())
        }
        #[cfg(feature = "reactor-tokio")]
        ReactorName::TokioMultiThread => tasks::on_tokio(run, tokio::runtime::Builder::new_multi_thread()),
        #[cfg(feature = "reactor-uring")]
        ReactorName::Uring => blocking::run(run, helenus::reactor::Uring::threads(1)),
        #[cfg(feature = "reactor-uring")]
        ReactorName::UringCaller => blocking::run(run, helenus::reactor::Uring::on_caller()),
        #[cfg(feature = "reactor-glommio")]
        ReactorName::Glommio => blocking::run(run, helenus::reactor::Glommio::cores(1)),
        #[cfg(all(feature = "reactor-glommio", target_os = "linux"))]
        ReactorName::GlommioTask => tasks::on_glommio(run),
        #[cfg(feature = "reactor-smol")]
        ReactorName::Smol => blocking::run(run, helenus::reactor::Smol::thread()),
        #[cfg(feature = "reactor-smol")]
        ReactorName::SmolTask => tasks::on_smol(run),
        #[cfg(feature = "reactor-async-std")]
        ReactorName::AsyncStd => tasks::on_async_std(run),
        #[allow(unreachable_patterns, reason = "a build with all of them on Linux has no other")]
        other => anyhow::bail!("this build has no reactor {other}"),
    }
}

/// Reactors with a loop of their own, or none: the program's threads block.
mod blocking {
    #![allow(dead_code, reason = "a build may have only reactors that are tasks")]

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

/// Reactors that are a task beside the program's own tasks, of which each share of the work is one.
mod tasks {
    #![allow(dead_code, unused_imports, reason = "a build may have no such reactor")]

    use std::future::Future;

    use anyhow::{Context, Result};
    use helenus::{Connecting, Session};

    use crate::bench::job::Outcome;
    use crate::bench::pattern::Pattern;
    use crate::bench::patterns::{self, Share, Waiting};
    use crate::bench::worker::Run;
    use crate::bench::workload::{Record, Workload};

    #[cfg(feature = "reactor-tokio")]
    pub(super) fn on_tokio(run: Run, mut builder: tokio::runtime::Builder) -> Result<Outcome> {
        let runtime = builder.enable_io().enable_time().build().context("tokio can't start")?;
        // As a task: the future of `block_on` would be woken by a system call each time.
        let task = runtime.spawn(async {
            let (connecting, driver) = run.job.target.builder().split(helenus::reactor::Tokio::task());
            let driver = tokio::spawn(driver);
            let outcome = measure(run, connecting, |pattern, share| {
                let task = tokio::spawn(patterns::run(pattern, share));
                async { task.await.context("a task of the bench panicked") }
            });
            let outcome = outcome.await;
            driver.await.context("the driver's task panicked")?;
            outcome
        });
        runtime.block_on(task).context("the bench's task panicked")?
    }

    #[cfg(all(feature = "reactor-glommio", target_os = "linux"))]
    pub(super) fn on_glommio(run: Run) -> Result<Outcome> {
        let executor = glommio::LocalExecutorBuilder::default().io_memory(0).make();
        let executor = executor.map_err(|error| anyhow::anyhow!("glommio can't start: {error}"))?;
        executor.run(async {
            let (connecting, driver) = run.job.target.builder().split(helenus::reactor::Glommio::task());
            let driver = glommio::spawn_local(driver);
            let outcome = measure(run, connecting, |pattern, share| {
                let task = glommio::spawn_local(patterns::run(pattern, share));
                async { Ok(task.await) }
            });
            let outcome = outcome.await;
            driver.await;
            outcome
        })
    }

    #[cfg(feature = "reactor-smol")]
    pub(super) fn on_smol(run: Run) -> Result<Outcome> {
        let executor = smol::LocalExecutor::new();
        smol::block_on(executor.run(async {
            let (connecting, driver) = run.job.target.builder().split(helenus::reactor::Smol::task());
            let driver = executor.spawn(driver);
            let outcome = measure(run, connecting, |pattern, share| {
                let task = executor.spawn(patterns::run(pattern, share));
                async { Ok(task.await) }
            });
            let outcome = outcome.await;
            driver.await;
            outcome
        }))
    }

    #[cfg(feature = "reactor-async-std")]
    pub(super) fn on_async_std(run: Run) -> Result<Outcome> {
        // As a task, like those of the work.
        async_std::task::block_on(async_std::task::spawn(async {
            let builder = run.job.target.builder().reactor(helenus::reactor::AsyncStd::global());
            measure(run, builder.connect(), |pattern, share| {
                let task = async_std::task::spawn(patterns::run(pattern, share));
                async { Ok(task.await) }
            })
            .await
        }))
    }

    /// The measurement, in a task of the runtime; `spawn` starts the others.
    async fn measure<T: Future<Output = Result<Record>>>(
        mut run: Run,
        connecting: Connecting,
        spawn: impl Fn(Pattern, Share) -> T,
    ) -> Result<Outcome> {
        let session = connecting.await?;
        let work = Workload::prepare(&session, &run.job).await?;
        let pattern = run.job.pattern;
        let shares = run.begin(&session, &work, Waiting::Await)?.into_iter();
        let tasks: Vec<_> = shares.map(|share| spawn(pattern, share)).collect();
        let mut records = Vec::with_capacity(tasks.len());
        for task in tasks {
            records.push(task.await?);
        }
        let outcome = run.end(&session, records)?;
        drop(work);
        session.close().await;
        Ok(outcome)
    }
}
