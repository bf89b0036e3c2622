//! Every check of a reactor, on threads of its own and on the caller's.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use helenus_core::reactor::{Reactor, Seed};
use helenus_reactor_common::check_reactor;
use helenus_reactor_common::testing::{Ended, drive_turns};
use helenus_reactor_mio::Mio;

fn thread(seed: Seed) -> Ended {
    let running = Box::new(Mio::default()).launch(vec![seed]).unwrap();
    Box::new(|| running.join())
}

fn caller(seed: Seed) -> Ended {
    drive_turns(Box::new(Mio::on_caller()).launch(vec![seed]).unwrap())
}

check_reactor!(own_thread, thread);
check_reactor!(callers_thread, caller);
