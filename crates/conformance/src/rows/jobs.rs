//! Work that may block.

use std::io::ErrorKind;
use std::net::SocketAddr;

use helenus_core::reactor::JobId;

use crate::{Command, Mount, Rig};

/// Names, the text of an address, and what is neither.
pub(crate) fn resolves_names(mount: &Mount) {
    let rig = Rig::start(mount);

    rig.push(Command::Resolve(JobId(1), "localhost"));
    rig.push(Command::Resolve(JobId(2), "192.0.2.7"));
    rig.push(Command::Resolve(JobId(3), "no\0name"));
    rig.wait("three answers", |log| log.resolved.len() == 3);

    let log = rig.end();
    let answer = |job| &log.resolved.iter().find(|(id, _)| *id == JobId(job)).unwrap().1;
    let localhost = answer(1).as_ref().unwrap();
    assert!(!localhost.is_empty());
    assert!(localhost.iter().all(|address| address.ip().is_loopback() && address.port() == 9042));
    assert_eq!(answer(2).as_ref().unwrap(), &["192.0.2.7:9042".parse::<SocketAddr>().unwrap()]);
    assert_eq!(answer(3).as_ref().unwrap_err().kind(), ErrorKind::InvalidInput);
}

/// More lookups than anything should queue: each gets one answer, if only that there are too many.
pub(crate) fn answers_each_of_many_lookups_once(mount: &Mount) {
    const COUNT: u64 = 400;
    let rig = Rig::start(mount);
    let names = ["localhost", "127.0.0.1", "no\0name"];
    rig.remote.push_all((0..COUNT).map(|job| Command::Resolve(JobId(job), names[job as usize % 3])));

    rig.wait("all answers", |log| log.resolved.len() as u64 == COUNT);

    let log = rig.end();
    let mut jobs: Vec<_> = log.resolved.iter().map(|(job, _)| job.0).collect();
    jobs.sort_unstable();
    assert!(jobs.into_iter().eq(0..COUNT));
}

/// An answer that comes too late harms nobody, and the thread that looks up ends too.
pub(crate) fn exits_while_a_name_is_looked_up(mount: &Mount) {
    let rig = Rig::start(mount);
    let lookups = (0..20).map(|job| Command::Resolve(JobId(job), "localhost"));
    rig.remote.push_all(lookups.chain([Command::Exit]));
    rig.end_by_itself();
}
