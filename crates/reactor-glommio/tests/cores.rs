//! Executors of its own, and how they treat their connections.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::process::Command as Process;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use helenus_conformance::{Command, Remote};
use helenus_core::reactor::{LaunchError, Reactor};
use helenus_reactor_glommio::Glommio;

/// Threads belong to the process.
fn alone() -> MutexGuard<'static, ()> {
    static SERIAL: Mutex<()> = Mutex::new(());
    SERIAL.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn each_shard_has_a_thread_that_is_pinned_to_its_cpu() {
    let _alone = alone();
    let (remotes, seeds): (Vec<_>, Vec<_>) = (0..2).map(|_| Remote::new()).unzip();

    let running = Box::new(Glommio::cores(2)).launch(seeds).unwrap();

    let pinned = cpus_of_threads();
    assert_eq!(pinned.len(), 4, "two loops, each with glommio's thread for blocking calls: {pinned:?}");
    assert!(pinned.iter().all(|cpus| cpus.parse::<usize>().is_ok()), "{pinned:?}");
    let cpus: BTreeSet<_> = pinned.iter().collect();
    assert_eq!(cpus.len(), thread::available_parallelism().unwrap().get().min(2), "{pinned:?}");
    remotes.iter().for_each(|remote| remote.push(Command::Exit));
    running.join();
}

/// The CPUs on which each of the driver's threads may run.
fn cpus_of_threads() -> Vec<String> {
    let tasks = fs::read_dir("/proc/self/task").unwrap().flatten();
    let statuses = tasks.filter_map(|task| fs::read_to_string(task.path().join("status")).ok());
    // The system keeps 15 bytes of a name.
    let ours = statuses.filter(|status| status.starts_with("Name:\thelenus-glommio\n"));
    ours.map(|status| {
        let cpus = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
        cpus.unwrap().trim().to_owned()
    })
    .collect()
}

#[test]
fn no_core_counts_as_one() {
    assert_eq!((Glommio::cores(0).shards(), Glommio::default().shards()), (1, 1));
}

#[test]
fn too_little_locked_memory_says_what_to_do() {
    const MARK: &str = "HELENUS_TEST_LITTLE_LOCKED_MEMORY";
    const TEST: &str = "too_little_locked_memory_says_what_to_do";
    if std::env::var_os(MARK).is_some() {
        let (_remote, seed) = Remote::new();
        let error = Box::new(Glommio::cores(1)).launch(vec![seed]).unwrap_err();
        assert!(matches!(error, LaunchError::Unsupported { .. }), "{error}");
        assert!(error.to_string().contains("64 KiB") && error.to_string().contains("ulimit -l"), "{error}");
        return;
    }
    let output = Process::new("sh")
        .args(["-c", "ulimit -l 64 && exec \"$0\" --exact \"$1\" --nocapture"])
        .arg(std::env::current_exe().unwrap())
        .arg(TEST)
        .env(MARK, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("1 passed"), "{said}{}", String::from_utf8_lossy(&output.stderr));
}
