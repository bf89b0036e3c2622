//! The work that the benches measure: encoding, decoding, and a request through the driver without sockets.
//!
//! Each workload is made ready by its constructor and does [`UNITS`] things in `run`, so that all figures are divided by
//! the same number. Two benches time them: `wall` (criterion: nanoseconds) and `instructions` (gungraun: instructions
//! under valgrind, the same to within a thousandth from run to run, so that they can be held against a baseline).
//!
//! A request goes to a [`Peer`](peer::Peer), which answers from memory. What it does stands for kernel and server, and
//! is not counted as instructions; in wall-clock figures it is included.

pub mod decode;
pub mod encode;
pub mod machine;
pub mod memory;
pub mod peer;
pub mod segments;
pub mod session;

/// How many requests, rows or segments `run` handles: whole batches of 1 and 120, and whole pages of 1 and 5,000 rows.
pub const UNITS: usize = 15_000;

/// How many requests are in flight at a time where there are several.
pub const IN_FLIGHT: usize = 120;
