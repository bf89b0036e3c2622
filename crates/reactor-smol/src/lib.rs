//! Runs helenus on smol: as a task of the program's own executor, which adds no thread, or on threads of its own.
//!
//! [`Smol::task`] is what a program that uses smol anyway wants. Its future runs on any executor, also one that has nothing
//! to do with smol: sockets and timers are those of `async-io`, which serves the whole process from whichever thread is in
//! its `block_on` (or `smol::block_on`), else from a thread of its own.

mod context;
mod driver;
mod net;

use std::sync::Arc;

use async_executor::Executor;
use helenus_core::reactor::{Latch, LatchGuard, LaunchError, Reactor, Running, Seed, TaskReactor};
use helenus_reactor_common::launch_threads;

pub use driver::Driver;

/// The reactor. It is a value for the session's builder; by default [`Smol::thread`].
#[derive(Clone, Debug)]
pub struct Smol(Place);

/// The reactor that is a future; see [`Smol::task`].
#[derive(Clone, Copy, Debug)]
pub struct SmolTask(());

#[derive(Clone, Debug)]
enum Place {
    Threads(usize),
    Executor(Arc<Executor<'static>>),
}

impl Smol {
    /// A future to be spawned by the user, on any executor: `smol::spawn`, an `async_executor::Executor` or
    /// `LocalExecutor`, or none but a `block_on`.
    ///
    /// If async-io can't start, each connection fails with an error that says so, and then the future completes.
    pub const fn task() -> SmolTask {
        SmolTask(())
    }

    /// A thread of its own, named `helenus-smol-0`.
    pub const fn thread() -> Self {
        Self::threads(1)
    }

    /// So many shards, each with a thread of its own. 0 counts as 1.
    pub const fn threads(count: usize) -> Self {
        Self(Place::Threads(if count == 0 { 1 } else { count }))
    }

    /// A task of `executor`, spawned by the launch. It runs while somebody runs the executor; when that is dropped first,
    /// the session's requests learn that they are closed.
    pub const fn executor(executor: Arc<Executor<'static>>) -> Self {
        Self(Place::Executor(executor))
    }

    /// Starts async-io, unless it runs already. Every launch does so by itself; reactors built on [`Smol::task`] may too.
    ///
    /// # Errors
    /// [`LaunchError::Unsupported`] if the system refuses it what it needs.
    pub fn start_async_io() -> Result<(), LaunchError> {
        context::lacks().map_or(Ok(()), |needs| Err(LaunchError::Unsupported { needs: needs.into() }))
    }
}

impl Default for Smol {
    fn default() -> Self {
        Self::thread()
    }
}

impl Reactor for Smol {
    fn name(&self) -> &'static str {
        match self.0 {
            Place::Threads(_) => "smol-thread",
            Place::Executor(_) => "smol",
        }
    }

    fn shards(&self) -> usize {
        match self.0 {
            Place::Threads(count) => count,
            Place::Executor(_) => 1,
        }
    }

    fn launch(self: Box<Self>, seeds: Vec<Seed>) -> Result<Running, LaunchError> {
        match self.0 {
            Place::Threads(_) => launch_threads("smol", seeds, |_| Self::start_async_io(), run),
            Place::Executor(executor) => spawn_on(&executor, seeds),
        }
    }
}

impl TaskReactor for SmolTask {
    type Driver = Driver;

    fn name(&self) -> &'static str {
        "smol"
    }

    fn drive(self, seed: Seed, guard: LatchGuard) -> Driver {
        Driver::new(seed, Some(guard))
    }
}

fn spawn_on(executor: &Executor<'static>, seeds: Vec<Seed>) -> Result<Running, LaunchError> {
    Smol::start_async_io()?;
    let latch = Latch::new();
    for seed in seeds {
        executor.spawn(Driver::new(seed, Some(latch.guard()))).detach();
    }
    Ok(Running::new(latch))
}

/// The thread of a machine.
fn run((): (), seed: Seed) {
    async_io::block_on(Driver::new(seed, None));
}
