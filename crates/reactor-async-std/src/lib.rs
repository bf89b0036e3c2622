//! Runs helenus on async-std, for programs that still use it: as a task that the program spawns, or that the launch does.
//!
//! **async-std is discontinued upstream** ([RUSTSEC-2025-0052](https://rustsec.org/advisories/RUSTSEC-2025-0052)), and smol
//! is its named successor. Both do I/O by async-io, so this crate is `helenus-reactor-smol` with async-std's executor, and a
//! program that changes over only takes `Smol` for `AsyncStd`.

use async_std::task;
use helenus_core::reactor::{Latch, LatchGuard, LaunchError, Reactor, Running, Seed, TaskReactor};
use helenus_reactor_smol::Smol;

pub use helenus_reactor_smol::Driver;

/// The reactor. It is a value for the session's builder; by default [`AsyncStd::global`].
#[derive(Clone, Copy, Debug, Default)]
pub struct AsyncStd(());

/// The reactor that is a future; see [`AsyncStd::task`].
#[derive(Clone, Copy, Debug)]
pub struct AsyncStdTask(());

impl AsyncStd {
    /// A future to be spawned by the user: by `task::spawn`, or as part of what `task::block_on` runs.
    ///
    /// If async-io can't start, each connection fails with an error that says so, and then the future completes.
    pub const fn task() -> AsyncStdTask {
        AsyncStdTask(())
    }

    /// A task of async-std's global executor, spawned by the launch. Its threads start when it is used first, and serve the
    /// whole process until that ends.
    pub const fn global() -> Self {
        Self(())
    }
}

impl Reactor for AsyncStd {
    fn name(&self) -> &'static str {
        "async-std"
    }

    fn launch(self: Box<Self>, seeds: Vec<Seed>) -> Result<Running, LaunchError> {
        Smol::start_async_io()?;
        let latch = Latch::new();
        for seed in seeds {
            // Without its handle a task runs on.
            drop(task::spawn(Self::task().drive(seed, latch.guard())));
        }
        Ok(Running::new(latch))
    }
}

impl TaskReactor for AsyncStdTask {
    type Driver = Driver;

    fn name(&self) -> &'static str {
        "async-std"
    }

    fn drive(self, seed: Seed, guard: LatchGuard) -> Driver {
        Smol::task().drive(seed, guard)
    }
}
