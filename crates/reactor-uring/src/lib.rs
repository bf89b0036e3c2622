//! Runs helenus on io_uring directly: the kernel is told what to do, and tells what it has done.
//!
//! # What is different
//! One system call a turn, `io_uring_enter`, submits all sends and waits for whatever comes next, however many connections
//! are busy; opening and closing connections takes others. A blocking call on [`Uring::on_caller`] is one system call, where
//! `reactor-mio` makes three. A sleep does not end because what was just submitted is sent; should a send of a few KiB find
//! its socket full, the others may wait up to 5 ms for that, once. Received bytes come in buffers that belong to the ring,
//! 2 MiB for all connections together, so that an idle connection costs the kernel's memory only. What is sent is the
//! machine's own block, which the kernel reads in place and which comes back when it is done.
//!
//! [`Uring::threads`] makes rings for one thread each (`SINGLE_ISSUER`, `DEFER_TASKRUN`), with receives that go on for ever:
//! the kernel then never interrupts the thread, and does what is due when the thread waits. [`Uring::on_caller`] can't have
//! that, for its ring is used by whichever thread waits, and the kernel lets the thread that submitted an operation finish
//! it, whatever that thread does by then. There each receive is for once, so that it is submitted, and finished, by the
//! thread that waits; one that was left behind by a thread that does something else interrupts it once, which can end a
//! system call of that thread early (`EINTR` from `epoll_wait`, for example).
//!
//! # What it needs
//! Linux 6.1 or later on a 64-bit machine, io_uring neither disabled (`kernel.io_uring_disabled`) nor forbidden by a sandbox,
//! as the default profiles of container runtimes do, and where locked memory is limited, about 128 KiB of it for each
//! shard. If something is missing, launching is an error that says what; nothing else is chosen silently.
//!
//! # When to choose it
//! Where system calls are dear, as with mitigations for CPU faults or inside some sandboxes and virtual machines, and where
//! many connections are busy with little each, so that a readiness loop makes two calls for each of them. With many
//! requests in flight on few connections the calls of `reactor-mio` carry as much, and both cost the same. If in doubt, take
//! `reactor-mio`, and measure.
//!
//! # Forking
//! A forked child has the ring too. It must not use it, and letting go of it there leaves the parent's as it is.

#[cfg(all(
    target_os = "linux",
    any(
        target_arch = "x86_64",
        target_arch = "aarch64",
        target_arch = "riscv64",
        target_arch = "loongarch64",
        target_arch = "powerpc64"
    )
))]
mod linux;
#[cfg(not(all(
    target_os = "linux",
    any(
        target_arch = "x86_64",
        target_arch = "aarch64",
        target_arch = "riscv64",
        target_arch = "loongarch64",
        target_arch = "powerpc64"
    )
)))]
#[path = "elsewhere.rs"]
mod linux;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use helenus_core::reactor::{LaunchError, Reactor, Running, Seed};

/// The reactor. It is a value for the session's builder.
#[derive(Clone, Debug)]
pub struct Uring {
    mode: Mode,
    starved: Arc<AtomicU64>,
}

#[derive(Clone, Copy, Debug)]
enum Mode {
    Threads(usize),
    Caller,
}

impl Uring {
    /// So many shards, each a thread named `helenus-uring-0` and so on. 0 counts as 1.
    pub fn threads(count: usize) -> Self {
        Self::of(Mode::Threads(count.max(1)))
    }

    /// No thread: the threads that wait run the loop. Nothing moves while none of them waits, heartbeats included.
    pub fn on_caller() -> Self {
        Self::of(Mode::Caller)
    }

    /// How often a receive found all buffers of its ring full and had to be started again, over all rings of this value and
    /// its clones. That costs some work and loses nothing.
    pub fn starved(&self) -> u64 {
        self.starved.load(Ordering::Relaxed)
    }

    fn of(mode: Mode) -> Self {
        Self { mode, starved: Arc::default() }
    }
}

impl Default for Uring {
    /// One thread.
    fn default() -> Self {
        Self::threads(1)
    }
}

impl Reactor for Uring {
    fn name(&self) -> &'static str {
        match self.mode {
            Mode::Threads(_) => "uring",
            Mode::Caller => "uring-caller",
        }
    }

    fn shards(&self) -> usize {
        match self.mode {
            Mode::Threads(count) => count,
            Mode::Caller => 1,
        }
    }

    fn launch(self: Box<Self>, seeds: Vec<Seed>) -> Result<Running, LaunchError> {
        match self.mode {
            Mode::Threads(_) => linux::on_threads(seeds, &self.starved),
            Mode::Caller => linux::on_caller(only(seeds)?, &self.starved),
        }
    }
}

fn only(seeds: Vec<Seed>) -> Result<Seed, LaunchError> {
    let Ok([seed]) = <[Seed; 1]>::try_from(seeds) else {
        let needs = "the caller's thread runs one shard, neither less nor more; take Uring::threads for more";
        return Err(LaunchError::Unsupported { needs: needs.into() });
    };
    Ok(seed)
}
