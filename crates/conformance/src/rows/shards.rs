//! Several machines of one reactor.

use super::CONN;
use crate::{Command, Mount, Rig};

/// Two machines run at the same time, and each ends by itself.
pub(crate) fn runs_two_machines(mount: &Mount) {
    let rig = Rig::start_machines(mount, 2);
    let peer = rig.echo(2);
    for round in 1..=10 {
        for machine in [0, 1] {
            if round == 1 {
                rig.machine(machine).push(Command::Open(CONN, peer.address));
            }
            rig.machine(machine).push(Command::Send(CONN, 1_000));
        }
        for machine in [1, 0] {
            let echoed = 1_000 * round;
            let remote = rig.machine(machine);
            rig.wait_for(remote, "the echo", |log| log.received.get(&CONN) == Some(&echoed));
        }
    }
    rig.machine(0).push(Command::Exit);
    rig.wait_for(rig.machine(0), "its end", |log| log.dropped);
    rig.machine(1).push(Command::Send(CONN, 1_000));
    rig.wait_for(rig.machine(1), "the echo", |log| log.received.get(&CONN) == Some(&11_000));
    rig.machine(1).push(Command::Exit);
    rig.join(peer);
    rig.end_by_itself();
}

/// A machine that panics is done for; its neighbour does not notice.
pub(crate) fn lets_a_machine_live_when_another_panics(mount: &Mount) {
    let rig = Rig::start_machines(mount, 2);
    let peer = rig.echo(2);
    for machine in [0, 1] {
        rig.machine(machine).push(Command::Open(CONN, peer.address));
        rig.wait_for(rig.machine(machine), "opened", |log| log.opened == [CONN]);
    }
    rig.machine(0).push(Command::Panic);
    rig.wait_for(rig.machine(0), "its end", |log| log.dropped);
    rig.machine(1).push(Command::Send(CONN, 1_000));
    rig.wait_for(rig.machine(1), "the echo", |log| log.received.get(&CONN) == Some(&1_000));
    rig.machine(1).push(Command::Exit);
    rig.join(peer);
    rig.end_by_itself();
}
