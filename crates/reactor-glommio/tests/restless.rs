//! A machine that always has work left.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use std::io;
use std::task::Waker;
use std::time::Duration;

use glommio::timer::Timer;
use helenus_core::Time;
use helenus_core::call::Settled;
use helenus_core::reactor::{
    Action, Block, ConnId, Event, Filled, Flushed, Latch, Machine, Seed, TaskReactor,
};
use helenus_reactor_glommio::Glommio;

const END: Duration = Duration::from_millis(300);

/// Wants turn after turn without sleep, until the end.
struct Restless;

impl Machine for Restless {
    fn begin(&mut self, _now: Time) {}

    fn handle(&mut self, _now: Time, _event: Event<'_>) {}

    fn fill(
        &mut self,
        _now: Time,
        _conn: ConnId,
        _read: &mut dyn FnMut(&mut [u8]) -> io::Result<usize>,
    ) -> Filled {
        Filled::Drained
    }

    fn settle(&mut self, _batch: &mut Settled) {}

    fn take_inbox(&mut self, _now: Time, _budget: usize) -> usize {
        0
    }

    fn poll_action(&mut self, now: Time) -> Option<Action> {
        (now >= Time::ZERO + END).then_some(Action::Exit)
    }

    fn flush(
        &mut self,
        _now: Time,
        _conn: ConnId,
        _write: &mut dyn FnMut(&[u8]) -> io::Result<usize>,
    ) -> Flushed {
        Flushed::Done
    }

    fn take_block(&mut self, _conn: ConnId) -> Option<Block> {
        None
    }

    fn deadline(&self) -> Option<Time> {
        None
    }

    fn set_waker(&mut self, _waker: &Waker) {}

    fn arm(&mut self) -> bool {
        false
    }
}

/// A task that wakes itself runs again before the executor has looked at timers and sockets, until its preemption timer
/// fires after 100 ms. The driver lets it look between turns.
#[test]
fn the_executor_looks_at_timers_and_sockets_between_turns() {
    let latch = Latch::new();
    let driver = Glommio::task().drive(Seed::new(|| Box::new(Restless)), latch.guard());

    let ticks = common::executor().run(async {
        let driver = glommio::spawn_local(driver);
        let ticking = glommio::spawn_local(async {
            let mut ticks = 0;
            loop {
                Timer::new(Duration::from_millis(1)).await;
                ticks += 1;
                if ticks == 20 {
                    return ticks;
                }
            }
        });
        driver.await;
        ticking.cancel().await
    });

    assert_eq!(ticks, Some(20), "the driver starved a timer");
}
