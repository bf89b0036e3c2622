//! A simulator for helenus: the real machine, virtual time, and a network, nodes and users that follow from a seed.
//!
//! [`run`] plays one seed. The network splits, delays, refuses, resets, half-closes, swallows and garbles; nodes answer
//! late, out of order, wrongly or never, forget prepared statements, pause and restart; users submit from threads and
//! callbacks, wait in three ways and lose interest. A history, which knows nothing of the machine, says what must not
//! be: a request lost, told twice, or told of another's answer; 'not sent' said of one that a node saw; one that is not
//! idempotent carried out twice; a stream id used again before its answer; a timeout that is early or late; a session
//! that doesn't recover when all is well again; something left after the close.
//!
//! The same seed gives the same run: compare [`Report::trace_hash`].
//!
//! ```
//! let report = helenus_sim::run(7, helenus_sim::Options::default());
//! assert_eq!(report.violations, []);
//! ```

#[cfg(test)]
mod conformance;
mod driver;
mod history;
mod link;
mod net;
mod node;
mod plan;
mod rng;
mod script;
mod trace;
mod users;
mod wire;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use helenus_core::Time;

pub use history::{Tally, Violation};

use users::lock;
use world::World;

/// How to play a seed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Print every event.
    pub traced: bool,
    /// A bug that the history must find.
    pub planted: Option<Planted>,
}

/// A bug on purpose, outside the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Planted {
    /// The reactor ignores one wake of the inbox.
    DroppedWake,
    /// Two answers of one connection go to each other's streams.
    SwappedBodies,
}

/// What came of a seed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// How many of what.
    pub tally: Tally,
    /// Equal for equal runs: a hash of every event, and of what users were told.
    pub trace_hash: u64,
    /// How much virtual time passed.
    pub elapsed: Duration,
    /// Turns of the machine.
    pub turns: u64,
    /// What must not be; empty if all is well.
    pub violations: Vec<Violation>,
}

/// Plays a seed to its end.
pub fn run(seed: u64, options: Options) -> Report {
    let mut world = World::new(seed, options.traced, options.planted);
    let outcome = catch_unwind(AssertUnwindSafe(|| world.run()));
    let mut users = lock(&world.users);
    if outcome.is_err() {
        users.history.violation("a panic".into());
    }
    Report {
        tally: users.history.tally,
        trace_hash: world.driver.net.trace.hash() ^ users.history.digest,
        elapsed: world.driver.net.now.since(Time::ZERO),
        turns: world.driver.turns,
        violations: users.history.violations().to_vec(),
    }
}
