//! Loops on threads of their own.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};

use helenus_core::reactor::{Latch, LaunchError, Running, Seed};

/// Starts one thread per seed, named `helenus-NAME-0` and so on, and returns when each has its seed: all run, or none.
///
/// `make` is called on each thread with the thread's number, for some loops can run only where they were made; what it
/// can't have is an error of the launch all the same. What it makes is then given to `run`, which must have let go of
/// everything when it returns.
///
/// # Errors
/// Those of `make`, and [`LaunchError::Io`] if the system refuses a thread.
pub fn launch_threads<L: 'static>(
    name: &str,
    seeds: Vec<Seed>,
    make: impl Fn(usize) -> Result<L, LaunchError> + Clone + Send + 'static,
    run: fn(L, Seed),
) -> Result<Running, LaunchError> {
    let latch = Latch::new();
    let mut started = Vec::with_capacity(seeds.len());
    for number in 0..seeds.len() {
        started.push(start(name, number, &latch, make.clone(), run)?);
    }
    let mut running = Running::new(latch);
    for (mut thread, seed) in started.into_iter().zip(seeds) {
        let Some(handle) = thread.handle.take() else { continue };
        thread.begin(seed);
        // Its panic, if any, was reported on its own thread.
        running = running.with_join(move || drop(handle.join()));
    }
    Ok(running)
}

/// A thread that waits for its seed. Dropped before it got one, it ends.
struct Started {
    /// Taken to end the thread.
    seeds: Option<Sender<Seed>>,
    begun: Receiver<Result<(), LaunchError>>,
    handle: Option<JoinHandle<()>>,
}

fn start<L: 'static>(
    name: &str,
    number: usize,
    latch: &Arc<Latch>,
    make: impl FnOnce(usize) -> Result<L, LaunchError> + Send + 'static,
    run: fn(L, Seed),
) -> Result<Started, LaunchError> {
    let guard = latch.guard();
    let (seeds, wanted) = mpsc::channel::<Seed>();
    let (ready, begun) = mpsc::channel();
    let handle = thread::Builder::new()
        .name(format!("helenus-{name}-{number}"))
        .spawn(move || {
            // Dropped last, also by a panic.
            let _guard = guard;
            let lane = match make(number) {
                Ok(lane) => lane,
                // The launch waits for one or the other.
                Err(error) => return drop(ready.send(Err(error))),
            };
            let _ = ready.send(Ok(()));
            let Ok(seed) = wanted.recv() else { return };
            drop((ready, wanted));
            run(lane, seed);
        })
        .map_err(|source| LaunchError::Io { what: "a thread for its loop", source })?;
    let started = Started { seeds: Some(seeds), begun, handle: Some(handle) };
    match started.begun.recv() {
        Ok(made) => made.map(|()| started),
        Err(_) => {
            Err(LaunchError::Io { what: "its loop", source: io::Error::other("that panicked on its thread") })
        }
    }
}

impl Started {
    fn begin(&mut self, seed: Seed) {
        if let Some(seeds) = self.seeds.take() {
            // The thread can't have ended before it got its seed.
            let _ = seeds.send(seed);
            // Nothing more is sent: this returns when the thread has taken the seed.
            let _ = self.begun.recv();
        }
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        self.seeds = None;
        if let Some(handle) = self.handle.take() {
            let _ = handle.join();
        }
    }
}
