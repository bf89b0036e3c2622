//! What is asked of the operating system and isn't in the standard library.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::time::TimeVal;

/// The CPU time that all threads of this process have used.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CpuTime {
    pub(crate) user: Duration,
    pub(crate) system: Duration,
}

impl CpuTime {
    pub(crate) fn now() -> Self {
        // It can't fail for the process itself; if it did, no time would be told rather than a wrong one.
        getrusage(UsageWho::RUSAGE_SELF).map_or_else(
            |_| Self::default(),
            |usage| Self { user: duration(usage.user_time()), system: duration(usage.system_time()) },
        )
    }
}

fn duration(time: TimeVal) -> Duration {
    let whole = Duration::from_secs(u64::try_from(time.tv_sec()).unwrap_or(0));
    whole + Duration::from_micros(u64::try_from(time.tv_usec()).unwrap_or(0))
}

/// The CPUs that this process may run on.
#[cfg(target_os = "linux")]
pub(crate) fn cpus() -> Result<Vec<usize>> {
    use nix::sched::{CpuSet, sched_getaffinity};
    let set =
        sched_getaffinity(nix::unistd::Pid::from_raw(0)).context("the CPUs of this process can't be read")?;
    Ok((0..CpuSet::count()).filter(|cpu| set.is_set(*cpu).unwrap_or(false)).collect())
}

/// Lets this thread, and those that it starts from now on, run on these CPUs only.
#[cfg(target_os = "linux")]
pub(crate) fn pin(cpus: &[usize]) -> Result<()> {
    use nix::sched::{CpuSet, sched_setaffinity};
    let mut set = CpuSet::new();
    for cpu in cpus {
        ensure!(set.set(*cpu).is_ok(), "there is no CPU {cpu}");
    }
    sched_setaffinity(nix::unistd::Pid::from_raw(0), &set)
        .with_context(|| format!("can't be pinned to CPU {cpus:?}"))
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn cpus() -> Result<Vec<usize>> {
    Ok((0..std::thread::available_parallelism().map_or(1, usize::from)).collect())
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn pin(_: &[usize]) -> Result<()> {
    anyhow::bail!("processes can be pinned to CPUs on Linux only; leave --pin out")
}

/// SIGINT and SIGTERM, held back so that they can be waited for.
pub(crate) struct Signals(SigSet);

impl Signals {
    /// Holds them back in this thread and in those that it starts: to be called before any is started.
    pub(crate) fn block() -> Result<Self> {
        let set: SigSet = [Signal::SIGINT, Signal::SIGTERM].into_iter().collect();
        set.thread_block().context("signals can't be held back")?;
        Ok(Self(set))
    }

    /// Sleeps until one comes.
    pub(crate) fn wait(&self) -> Result<()> {
        self.0.wait().context("signals can't be waited for")?;
        Ok(())
    }
}
