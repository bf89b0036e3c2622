//! Runs helenus on tokio: as a task on the program's own runtime, which adds no thread and no hop between threads, or on
//! a runtime of its own.
//!
//! [`Tokio::task`] is what a program that uses tokio anyway wants. It needs a runtime with I/O and time enabled, of
//! either flavour.

mod context;
mod driver;
mod net;

use helenus_core::reactor::{Latch, LatchGuard, LaunchError, Reactor, Running, Seed, TaskReactor};
use helenus_reactor_common::launch_threads;
use tokio::runtime::{Builder, Handle, Runtime};

pub use driver::Driver;

/// The reactor. It is a value for the session's builder.
#[derive(Clone, Debug)]
pub struct Tokio(Place);

/// The reactor that is a future; see [`Tokio::task`].
#[derive(Clone, Copy, Debug)]
pub struct TokioTask(());

#[derive(Clone, Debug)]
enum Place {
    Runtimes(usize),
    Handle(Handle),
}

impl Tokio {
    /// A future to be spawned by the user, on a current-thread or a multi-thread runtime.
    ///
    /// If it is polled where no runtime is, or one without I/O or time, each connection fails with an error that says
    /// so, and then the future completes.
    pub const fn task() -> TokioTask {
        TokioTask(())
    }

    /// A current-thread runtime on a thread of its own, named `helenus-tokio-0`.
    pub const fn runtime() -> Self {
        Self::runtimes(1)
    }

    /// So many shards, each with a runtime and a thread of its own. 0 counts as 1.
    pub const fn runtimes(count: usize) -> Self {
        Self(Place::Runtimes(if count == 0 { 1 } else { count }))
    }

    /// A task on the runtime of `handle`, spawned by the launch. When that runtime is shut down first, the session's
    /// requests learn that they are closed.
    pub const fn handle(handle: Handle) -> Self {
        Self(Place::Handle(handle))
    }
}

impl Reactor for Tokio {
    fn name(&self) -> &'static str {
        match self.0 {
            Place::Runtimes(_) => "tokio-thread",
            Place::Handle(_) => "tokio",
        }
    }

    fn shards(&self) -> usize {
        match self.0 {
            Place::Runtimes(count) => count,
            Place::Handle(_) => 1,
        }
    }

    fn launch(self: Box<Self>, seeds: Vec<Seed>) -> Result<Running, LaunchError> {
        match self.0 {
            Place::Runtimes(_) => launch_threads("tokio", seeds, |_| runtime(), run),
            Place::Handle(handle) => spawn_on(&handle, seeds),
        }
    }
}

impl TaskReactor for TokioTask {
    type Driver = Driver;

    fn name(&self) -> &'static str {
        "tokio"
    }

    fn drive(self, seed: Seed, guard: LatchGuard) -> Driver {
        Driver::new(seed, Some(guard))
    }
}

fn spawn_on(handle: &Handle, seeds: Vec<Seed>) -> Result<Running, LaunchError> {
    let entered = handle.enter();
    if let Some(needs) = context::lacks() {
        return Err(LaunchError::Unsupported { needs: needs.into() });
    }
    drop(entered);
    let latch = Latch::new();
    for seed in seeds {
        handle.spawn(Driver::new(seed, Some(latch.guard())));
    }
    Ok(Running::new(latch))
}

fn runtime() -> Result<Runtime, LaunchError> {
    let built = Builder::new_current_thread().enable_io().enable_time().build();
    built.map_err(|source| LaunchError::Io { what: "a tokio runtime", source })
}

/// The thread of a runtime.
fn run(runtime: Runtime, seed: Seed) {
    // A spawned task, for one that wakes itself costs no system call, unlike the future of `block_on`. It catches its
    // own panics.
    let task = runtime.spawn(Driver::new(seed, None));
    let _ = runtime.block_on(task);
}
