//! Cores and CPU time of processes.

use anyhow::{Context, Result, ensure};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use std::fs;
use std::time::Duration;

/// The cores that server and client are pinned to: two different ones of those this process may use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cores {
    pub(crate) client: usize,
    pub(crate) server: usize,
}

impl Cores {
    pub(crate) fn choose() -> Result<Self> {
        let allowed = sched_getaffinity(Pid::from_raw(0))?;
        let mut cores = (0..CpuSet::count()).filter(|core| allowed.is_set(*core).unwrap_or(false));
        let both = cores.next().zip(cores.next());
        let (client, server) =
            both.context("this needs two cores, one for the client and one for the server")?;
        Ok(Self { client, server })
    }
}

/// Pins this thread, and so what it starts from now on, to one core.
pub(crate) fn pin(core: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(core)?;
    sched_setaffinity(Pid::from_raw(0), &set).with_context(|| format!("core {core} can't be had"))
}

/// Runs `start` on one core, so that what it starts inherits it, and gives the thread its cores back.
pub(crate) fn on_core<T>(core: usize, start: impl FnOnce() -> Result<T>) -> Result<T> {
    let allowed = sched_getaffinity(Pid::from_raw(0))?;
    pin(core)?;
    let started = start();
    sched_setaffinity(Pid::from_raw(0), &allowed)?;
    started
}

/// CPU time of all threads that a process has now, in the scheduler's nanoseconds: `stat` counts in
/// hundredths of a second only.
pub(crate) fn cpu_time(pid: u32) -> Result<Duration> {
    let mut total_ns = 0;
    for thread in
        fs::read_dir(format!("/proc/{pid}/task")).with_context(|| format!("process {pid} is gone"))?
    {
        let path = thread?.path().join("schedstat");
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let on_cpu_ns = text.split_whitespace().next().and_then(|number| number.parse::<u64>().ok());
        ensure!(on_cpu_ns.is_some(), "{} has no figures: is the kernel built without them?", path.display());
        total_ns += on_cpu_ns.unwrap_or_default();
    }
    Ok(Duration::from_nanos(total_ns))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_grows_with_work() {
        let before = cpu_time(std::process::id()).unwrap();
        let started = std::time::Instant::now();
        while started.elapsed() < Duration::from_millis(50) {}
        assert!(cpu_time(std::process::id()).unwrap() - before > Duration::from_millis(10));
    }
}
