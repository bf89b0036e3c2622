//! Executors for tests, and what they leave behind.
#![allow(dead_code, unreachable_pub, reason = "a part of each test program, which uses a part of it")]

use std::collections::BTreeSet;
use std::fs;

use glommio::{LocalExecutor, LocalExecutorBuilder, Placement};
use nix::libc::c_int;

/// An executor as a user makes it, with less locked memory.
pub fn executor() -> LocalExecutor {
    LocalExecutorBuilder::new(Placement::Unbound).io_memory(0).make().unwrap()
}

/// The eventfds of this process.
pub fn eventfds() -> BTreeSet<c_int> {
    let descriptors = fs::read_dir("/proc/self/fd").unwrap().flatten();
    descriptors
        .filter(|descriptor| {
            fs::read_link(descriptor.path()).is_ok_and(|target| target.as_os_str() == "anon_inode:[eventfd]")
        })
        .map(|descriptor| descriptor.file_name().to_str().unwrap().parse().unwrap())
        .collect()
}

/// Closes the eventfds that were not there `before`: one for each executor, which glommio 0.9 leaves open, as
/// `endings::glommio_alone_leaves_an_eventfd` shows. So what else is left is noticed.
pub fn close_what_glommio_left(before: &BTreeSet<c_int>, executors: usize) {
    let left: Vec<_> = eventfds().difference(before).copied().collect();
    assert_eq!(left.len(), executors, "glommio is known to leave one eventfd for each executor");
    left.into_iter().for_each(|eventfd| nix::unistd::close(eventfd).unwrap());
}
