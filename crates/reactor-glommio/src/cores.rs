//! Executors of its own, one pinned to each core.

use std::io;

use glommio::{LocalExecutor, LocalExecutorBuilder, Placement, PoolPlacement};
use helenus_core::reactor::{LaunchError, Running, Seed};
use helenus_reactor_common::launch_threads;
use io_uring::{IoUring, Probe, opcode};
use nix::libc;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::resource::{Resource, getrlimit};
use nix::unistd::Pid;

use crate::Driver;

/// Glommio refuses to begin with less.
const LOCKED_BYTES: u64 = 512 * 1024;

pub(crate) fn launch(seeds: Vec<Seed>) -> Result<Running, LaunchError> {
    check_locked_memory()?;
    check_rings()?;
    launch_threads("glommio", seeds, make, run)
}

fn make(number: usize) -> Result<LocalExecutor, LaunchError> {
    pin(number).map_err(|error| failed("a thread that is pinned to its core", error.into()))?;
    // No files are read, so the registered buffers can be as small as may be.
    LocalExecutorBuilder::new(Placement::Unbound)
        .io_memory(0)
        .blocking_thread_pool_placement(PoolPlacement::Unbound(1))
        .make()
        .map_err(|error| failed("a glommio executor", error.into()))
}

fn run(executor: LocalExecutor, seed: Seed) {
    executor.run(Driver::new(seed, None));
}

/// Pins this thread to one of the CPUs that it may use.
fn pin(number: usize) -> nix::Result<()> {
    let this = Pid::from_raw(0);
    let allowed = sched_getaffinity(this)?;
    let cpus: Vec<_> = (0..CpuSet::count()).filter(|cpu| allowed.is_set(*cpu).unwrap_or(false)).collect();
    let Some(cpu) = cpus.get(number % cpus.len().max(1)) else { return Ok(()) };
    let mut one = CpuSet::new();
    one.set(*cpu)?;
    sched_setaffinity(this, &one)
}

fn check_locked_memory() -> Result<(), LaunchError> {
    let (limit, _) =
        getrlimit(Resource::RLIMIT_MEMLOCK).map_err(|error| failed("an executor", error.into()))?;
    if limit >= LOCKED_BYTES {
        return Ok(());
    }
    let needs = format!(
        "glommio needs to lock 512 KiB of memory, and the limit is {} KiB; raise it by `ulimit -l`, LimitMEMLOCK= in \
         systemd or memlock in limits.conf, or take another reactor",
        limit / 1024
    );
    Err(LaunchError::Unsupported { needs })
}

/// Glommio panics or ends the process where it lacks something, so that is looked for before.
fn check_rings() -> Result<(), LaunchError> {
    let mut probe = Probe::new();
    let probed = IoUring::new(2).and_then(|ring| ring.submitter().register_probe(&mut probe));
    probed.map_err(no_rings)?;
    // It needs most of what there was when RECV came, and that is the newest that it needs.
    if (0..=opcode::Recv::CODE).all(|code| probe.is_supported(code)) {
        return Ok(());
    }
    Err(no_rings(io::ErrorKind::Unsupported.into()))
}

fn no_rings(error: io::Error) -> LaunchError {
    // Descriptors and memory may be there another time; all else is how this system is.
    if matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM)) {
        return failed("an io_uring", error);
    }
    let needs = format!(
        "glommio needs Linux 5.8 or later with io_uring allowed ({error}); see the sysctl kernel.io_uring_disabled and \
         the container's seccomp profile, or take another reactor"
    );
    LaunchError::Unsupported { needs }
}

fn failed(what: &'static str, source: io::Error) -> LaunchError {
    LaunchError::Io { what, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rings_that_are_not_allowed_are_unsupported_and_rings_that_ran_out_are_not() {
        for (code, is_unsupported) in [
            (libc::EPERM, true),
            (libc::ENOSYS, true),
            (libc::EINVAL, true),
            (libc::EMFILE, false),
            (libc::ENOMEM, false),
        ] {
            let error = no_rings(io::Error::from_raw_os_error(code));

            assert_eq!(matches!(error, LaunchError::Unsupported { .. }), is_unsupported, "{error}");
            assert!(error.to_string().contains("io_uring"), "{error}");
        }
    }
}
