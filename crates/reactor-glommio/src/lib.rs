//! Runs helenus on glommio: as a task of the program's own executors, or on an executor for each core.
//!
//! [`Glommio::task`] is what a program that uses glommio anyway wants: on each core, a session whose driver is a task of
//! that core's executor. Requests, answers and sockets then never leave the core. [`Glommio::cores`] is for other
//! programs: one session, whose requests are spread over executors that it starts itself.
//!
//! A session may be used from any thread, whatever runs it: a push wakes the executor across threads. What a core asks of
//! its own session stays on that core; the session of [`Glommio::cores`] gives each thread one of its shards, whichever
//! CPU that thread is on.
//!
//! # What glommio asks for
//! Linux 5.8 with io_uring allowed, and a limit of at least 512 KiB for locked memory (`ulimit -l`, `LimitMEMLOCK=` in
//! systemd). An executor of [`Glommio::cores`] locks 192 KiB and has a second thread, glommio's own, which sleeps; one of
//! glommio's defaults locks 30 MiB (`LocalExecutorBuilder::io_memory`).
//!
//! # What it costs
//! One write and one read for what a turn sends and receives, and what glommio takes to sleep: about four
//! `io_uring_enter`, as for a loop on its sockets without a driver. An idle connection takes 1.7 KB.
//!
//! # What glommio 0.9 leaves behind
//! An executor that has run keeps its eventfd open for ever, and a task that is pending when its executor ends is never
//! dropped. The driver is told of that end by other means and closes its connections, so that its requests learn that
//! they are closed; the one descriptor for each executor remains until the process ends.

#[cfg(target_os = "linux")]
mod bell;
#[cfg(target_os = "linux")]
mod cores;
mod driver;
#[cfg(target_os = "linux")]
mod net;
mod nowhere;
#[cfg(target_os = "linux")]
mod tied;

use helenus_core::reactor::{LatchGuard, LaunchError, Reactor, Running, Seed, TaskReactor};

#[cfg(target_os = "linux")]
use cores::launch;
#[cfg(not(target_os = "linux"))]
use nowhere::launch;

pub use driver::Driver;

/// The reactor. It is a value for the session's builder.
#[derive(Clone, Debug)]
pub struct Glommio {
    cores: usize,
}

/// The reactor that is a future; see [`Glommio::task`].
#[derive(Clone, Copy, Debug)]
pub struct GlommioTask(());

impl Glommio {
    /// A future to be spawned by the user on a glommio executor of their own, by `glommio::spawn_local`. It can't leave
    /// the thread that made it, so split the session's builder on the executor's thread.
    ///
    /// If it is polled where no executor is, each connection fails with an error that says so, and then the future
    /// completes.
    pub const fn task() -> GlommioTask {
        GlommioTask(())
    }

    /// So many shards, each with an executor and a thread of its own, named `helenus-glommio-0` and so on, and pinned to
    /// a CPU: one after the other of those on which the launching thread may run, and again from the first if there are
    /// more shards. 0 counts as 1.
    pub const fn cores(count: usize) -> Self {
        Self { cores: if count == 0 { 1 } else { count } }
    }
}

impl Default for Glommio {
    /// One core.
    fn default() -> Self {
        Self::cores(1)
    }
}

impl Reactor for Glommio {
    fn name(&self) -> &'static str {
        "glommio"
    }

    fn shards(&self) -> usize {
        self.cores
    }

    fn launch(self: Box<Self>, seeds: Vec<Seed>) -> Result<Running, LaunchError> {
        launch(seeds)
    }
}

impl TaskReactor for GlommioTask {
    type Driver = Driver;

    fn name(&self) -> &'static str {
        "glommio-task"
    }

    fn drive(self, seed: Seed, guard: LatchGuard) -> Driver {
        Driver::new(seed, Some(guard))
    }
}
