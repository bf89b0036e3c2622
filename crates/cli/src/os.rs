//! What is asked of the operating system and isn't in the standard library. All the `unsafe` of this program is here.
#![expect(unsafe_code, reason = "the C library's interface")]

use std::mem::MaybeUninit;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

/// The CPU time that all threads of this process have used.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CpuTime {
    pub(crate) user: Duration,
    pub(crate) system: Duration,
}

impl CpuTime {
    pub(crate) fn now() -> Self {
        let mut usage = MaybeUninit::<libc::rusage>::zeroed();
        // SAFETY: the pointer is to a whole `rusage`. Zeroed, it is one even if the call should fail, which it can't with
        // these arguments.
        let usage = unsafe {
            libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr());
            usage.assume_init()
        };
        Self { user: duration(usage.ru_utime), system: duration(usage.ru_stime) }
    }
}

fn duration(time: libc::timeval) -> Duration {
    let whole = Duration::from_secs(u64::try_from(time.tv_sec).unwrap_or(0));
    whole + Duration::from_micros(u64::try_from(time.tv_usec).unwrap_or(0))
}

/// The CPUs that this process may run on.
#[cfg(target_os = "linux")]
pub(crate) fn cpus() -> Result<Vec<usize>> {
    let mut set = MaybeUninit::<libc::cpu_set_t>::zeroed();
    // SAFETY: the pointer is to a whole `cpu_set_t`, whose size is told; all its bit patterns are valid.
    let (status, set) = unsafe {
        let status = libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), set.as_mut_ptr());
        (status, set.assume_init())
    };
    ensure!(status == 0, "the CPUs of this process can't be read: {}", std::io::Error::last_os_error());
    // SAFETY: the index is within the set's size.
    Ok((0..libc::CPU_SETSIZE as usize).filter(|cpu| unsafe { libc::CPU_ISSET(*cpu, &set) }).collect())
}

/// Lets this thread, and those that it starts from now on, run on these CPUs only.
#[cfg(target_os = "linux")]
pub(crate) fn pin(cpus: &[usize]) -> Result<()> {
    let mut set = MaybeUninit::<libc::cpu_set_t>::zeroed();
    for cpu in cpus {
        ensure!(*cpu < libc::CPU_SETSIZE as usize, "there is no CPU {cpu}");
        // SAFETY: a zeroed set is an empty one, and the index is within its size.
        unsafe { libc::CPU_SET(*cpu, set.assume_init_mut()) };
    }
    // SAFETY: the pointer is to a whole `cpu_set_t`, whose size is told.
    let status = unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), set.as_ptr()) };
    let error = std::io::Error::last_os_error;
    if status == 0 {
        Ok(())
    } else {
        Err(error()).with_context(|| format!("can't be pinned to CPU {cpus:?}"))
    }
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
pub(crate) struct Signals(libc::sigset_t);

impl Signals {
    /// Holds them back in this thread and in those that it starts: to be called before any is started.
    pub(crate) fn block() -> Self {
        let mut set = MaybeUninit::<libc::sigset_t>::zeroed();
        // SAFETY: the pointers are to a whole `sigset_t`, which `sigemptyset` initialises; the signals are valid.
        let set = unsafe {
            libc::sigemptyset(set.as_mut_ptr());
            libc::sigaddset(set.as_mut_ptr(), libc::SIGINT);
            libc::sigaddset(set.as_mut_ptr(), libc::SIGTERM);
            let set = set.assume_init();
            libc::pthread_sigmask(libc::SIG_BLOCK, &set, std::ptr::null_mut());
            set
        };
        Self(set)
    }

    /// Sleeps until one comes.
    pub(crate) fn wait(&self) {
        let mut signal = 0;
        // SAFETY: both pointers are valid for the call, and the set is initialised.
        unsafe { libc::sigwait(&self.0, &mut signal) };
    }
}
