//! Starts and ends the reactor of a row, and looks for what it left behind.

use std::fs;
use std::sync::mpsc;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use helenus_core::reactor::{LaunchError, Reactor, Running, Seed, Woken};

use crate::mount::Mount;
use crate::remote::PATIENCE;
use crate::{Command, Log, Remote};

/// Waits for the end of a reactor that was launched.
pub type Ended = Box<dyn FnOnce() + Send>;

/// A reactor at work, or why it can't be here.
pub type Launched = Result<Ended, LaunchError>;

/// Threads and descriptors belong to the process, so only one row runs at a time.
static SERIAL: Mutex<()> = Mutex::new(());

/// Keeps the other rows from starting.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    SERIAL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One reactor with a probe on it.
pub struct Rig {
    /// Tells the probe what to do.
    pub remote: Remote,
    ended: Ended,
    before: Belongings,
    _serial: MutexGuard<'static, ()>,
}

impl Rig {
    /// Starts a reactor.
    pub fn start(mount: &Mount) -> Self {
        let serial = alone();
        let before = Belongings::count();
        let (remote, seed) = Remote::new();
        let ended = (mount.launch)(vec![seed]).unwrap();
        Self { remote, ended, before, _serial: serial }
    }

    /// Ends it, and checks that no rule was broken and nothing is left.
    pub fn end(self) -> Log {
        self.remote.push(Command::Exit);
        self.end_by_itself()
    }

    /// As [`Rig::end`], for a probe that was told to end already.
    pub fn end_by_itself(self) -> Log {
        within("the end of the reactor", self.ended);
        let log = std::mem::take(&mut *self.remote.log());
        assert!(log.dropped, "the machine outlives its reactor");
        assert_eq!(log.violations, [""; 0], "the contract was broken");
        let deadline = Instant::now() + Duration::from_secs(20);
        while Belongings::count() != self.before && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(Belongings::count(), self.before, "threads or descriptors are left");
        log
    }
}

/// Launches a reactor; what comes out waits for its end.
pub fn launch<R: Reactor + 'static>(reactor: R, seeds: Vec<Seed>) -> Launched {
    Ok(run(Box::new(reactor).launch(seeds)?))
}

/// Runs a reactor that was launched, on a thread of its own if it is caller-driven.
pub fn run(mut running: Running) -> Ended {
    let Some(mut turns) = running.take_turns() else { return Box::new(|| running.join()) };
    let thread = thread::spawn(move || while turns.turn(None) == Woken::Turned {});
    Box::new(move || {
        thread.join().unwrap();
        running.join();
    })
}

/// Runs `work`, but not for ever.
pub fn within(what: &str, work: Ended) {
    let (done, wait) = mpsc::channel();
    let thread = thread::spawn(move || {
        work();
        let _ = done.send(());
    });
    match wait.recv_timeout(PATIENCE) {
        Ok(()) | Err(mpsc::RecvTimeoutError::Disconnected) => thread.join().unwrap(),
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("waited in vain for {what}"),
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Belongings {
    descriptors: usize,
    threads: Vec<String>,
}

impl Belongings {
    /// Where there is no such file system, nothing is found and all is equal.
    fn count() -> Self {
        let descriptors = fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
        let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
        let mut threads: Vec<_> = tasks
            .filter_map(|task| fs::read_to_string(task.path().join("comm")).ok())
            .filter(|name| name.starts_with("helenus"))
            .collect();
        threads.sort();
        Self { descriptors, threads }
    }
}
