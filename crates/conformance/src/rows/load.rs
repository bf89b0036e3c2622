//! Many connections, one that wants everything, and none that wants anything.

use std::fs;
use std::time::Duration;

use helenus_core::reactor::ConnId;

use super::{CONN, MEGABYTE};
use crate::apart::in_a_process_with_descriptors;
use crate::script::Step;
use crate::{Command, Mount, Rig};

/// A thousand connections, all busy at once. Runs in a process that may have as many descriptors.
pub(crate) fn serves_a_thousand_connections(mount: &Mount) {
    const COUNT: u32 = 1_000;
    const BYTES: usize = 10_000;
    in_a_process_with_descriptors(4_096, mount, "serves_a_thousand_connections", || {
        let rig = Rig::start(mount);
        let peer = rig.echo(COUNT as usize);
        let conns = || (0..COUNT).map(|index| ConnId::new(index, 0));

        rig.remote.push_all(conns().map(|conn| Command::Open(conn, peer.address)));
        rig.wait("all opened", |log| log.opened.len() == COUNT as usize);
        rig.remote.push_all(conns().map(|conn| Command::Send(conn, BYTES)));
        rig.wait("all echoed", |log| {
            log.received.len() == COUNT as usize && log.received.values().all(|count| *count == BYTES)
        });

        rig.remote.push_all(conns().map(Command::Close));
        rig.join(peer);
        rig.end();
    });
}

/// One connection floods the loop; another one's small requests are answered meanwhile. In the best of fifty rounds, so
/// that what else runs on this machine doesn't count, little of the flood comes before the answer.
pub(crate) fn is_fair_while_another_connection_floods(mount: &Mount) {
    const ROUNDS: usize = 50;
    let rig = Rig::start(mount);
    let (flood, echo) = (rig.peer(1, [Step::Flood]), rig.echo(1));
    let (greedy, modest) = (CONN, ConnId::new(1, 0));
    rig.open(modest, &echo);
    rig.open(greedy, &flood);
    rig.wait("the flood", |log| log.received.get(&greedy).is_some_and(|count| *count > MEGABYTE));

    let flooded = || rig.remote.log().received[&greedy];
    let mut best = usize::MAX;
    for round in 1..=ROUNDS {
        let before = flooded();
        rig.send_and_await(modest, 10, 10 * round);
        best = best.min(flooded() - before);
    }

    rig.remote.push_all([Command::Close(greedy), Command::Close(modest)]);
    rig.join(flood);
    rig.join(echo);
    rig.end();
    assert!(best <= 4 * MEGABYTE, "at best {best} bytes of the flood before ten of another connection");
}

/// With an open connection and a distant deadline: no turn, no thread that wakes or works.
pub(crate) fn is_idle_when_nothing_happens(mount: &Mount) {
    let rig = Rig::start(mount);
    let peer = rig.echo(1);
    rig.open(CONN, &peer);
    rig.send_and_await(CONN, 10, 10);
    rig.push(Command::Deadline(Duration::from_secs(36_000)));
    rig.pass(Duration::from_millis(200));

    // The test runner may have looked at its clock once or twice, and threads of an earlier row may still have been ending. A loop
    // that polls wakes more often in every second, and one that spins works longer.
    const SECONDS_MAX: usize = 5;
    let is_quiet =
        |(switches, worked): &(u64, Duration)| *switches <= 3 && *worked < Duration::from_millis(20);
    let mut seconds = Vec::new();
    while seconds.len() < SECONDS_MAX && !seconds.last().is_some_and(is_quiet) {
        let before = (rig.remote.log().turns, Activity::of_other_threads());
        rig.pass(Duration::from_secs(1));
        let after = (rig.remote.log().turns, Activity::of_other_threads());
        assert_eq!(after.0, before.0, "turns in vain");
        let worked = after.1.worked.saturating_sub(before.1.worked);
        seconds.push((after.1.switches - before.1.switches, worked));
    }
    assert!(
        seconds.last().is_some_and(is_quiet),
        "there was nothing to do, but in each second threads fell asleep so often and worked for so long: {seconds:?}"
    );
    rig.push(Command::Close(CONN));
    rig.join(peer);
    rig.end();
}

/// One request at a time: a turn to send, a turn to receive, and one write and one read.
pub(crate) fn makes_no_turn_in_vain(mount: &Mount) {
    const ROUNDS: usize = 50;
    let rig = Rig::start(mount);
    let peer = rig.echo(1);
    rig.open(CONN, &peer);
    rig.send_and_await(CONN, 10, 10);
    rig.pass(Duration::from_millis(20));

    let figures = || {
        let log = rig.remote.log();
        (log.turns, log.reads, log.writes)
    };
    let (turns, reads, writes) = figures();
    for round in 1..=ROUNDS {
        rig.send_and_await(CONN, 10, 10 * (round + 1));
        rig.pass(Duration::from_millis(2));
    }
    let after = figures();

    assert_eq!((after.1 - reads, after.2 - writes), (ROUNDS, ROUNDS));
    // A caller's thread runs a turn before its sleep and one after it.
    assert!(after.0 - turns <= 4 * ROUNDS + 4, "{} turns for {ROUNDS} requests", after.0 - turns);
    rig.push(Command::Close(CONN));
    rig.join(peer);
    rig.end();
}

/// What threads did, as far as the system says so.
struct Activity {
    /// How often they gave the processor away.
    switches: u64,
    worked: Duration,
}

impl Activity {
    fn of_other_threads() -> Self {
        let own = fs::read_link("/proc/thread-self").ok();
        let own = own.as_ref().and_then(|path| path.file_name());
        let mut activity = Self { switches: 0, worked: Duration::ZERO };
        for task in fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
            if Some(&*task.file_name()) == own {
                continue;
            }
            let read = |file| fs::read_to_string(task.path().join(file)).unwrap_or_default();
            let status = read("status");
            let switches = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
            activity.switches += switches.and_then(|count| count.trim().parse::<u64>().ok()).unwrap_or(0);
            let worked = read("schedstat").split(' ').next().and_then(|nanos| nanos.parse().ok());
            activity.worked += Duration::from_nanos(worked.unwrap_or(0));
        }
        activity
    }
}
