//! What each reactor of helenus must do, mounted once per reactor.
//!
//! A row is a function that starts a reactor with a small machine, the probe, which does what it is told from afar, writes
//! down what the reactor tells it, and knows the contract of [`helenus_core::reactor`]. The row plays its part, ends the
//! reactor, and then finds no broken rule, no thread and no descriptor left. Readiness loops and completion loops are
//! judged alike.
//!
//! [`mount!`] makes a test of each row:
//!
//! ```no_run
//! # use helenus_core::reactor::{LaunchError, Reactor, Running, Seed};
//! # struct MyReactor;
//! # impl Reactor for MyReactor {
//! #     fn name(&self) -> &'static str { "mine" }
//! #     fn launch(self: Box<Self>, _: Vec<Seed>) -> Result<Running, LaunchError> { unreachable!() }
//! # }
//! use helenus_conformance::Launched;
//!
//! fn launch(seeds: Vec<Seed>) -> Launched {
//!     helenus_conformance::launch(MyReactor, seeds)
//! }
//!
//! helenus_conformance::mount!(my_reactor, launch);
//! # fn main() {}
//! ```

// Test code: an assumption that fails is to fail the test at once.
#![expect(clippy::unwrap_used, reason = "test code")]

mod mount;
mod peer;
mod probe;
mod remote;
mod rig;
pub mod rows;

pub use mount::{Launch, Mount, Row};
pub use peer::Peer;
pub use probe::{PATTERN_PERIOD, pattern};
pub use remote::{Command, Log, Remote};
pub use rig::{Ended, Launched, Rig, launch, run, within};

/// Mounts all rows as tests of a module. `$launch` is a [`Launch`].
#[macro_export]
macro_rules! mount {
    ($module:ident, $launch:expr) => {
        $crate::mount!(@each $module, $launch,
            connects_and_echoes
            tells_a_refused_connection
            sends_16_megabytes_through_a_full_socket
            reads_what_comes_byte_by_byte
            tells_the_end_of_the_stream
            tells_an_end_that_comes_with_the_last_bytes
            keeps_a_deadline_that_moves
            wakes_for_a_push_while_asleep
            survives_a_storm_of_pushes
            resolves_names
            tells_nothing_about_a_connection_closed_at_once
            gives_an_index_to_the_next_connection
            serves_many_connections
            is_idle_when_nothing_happens
            makes_no_turn_in_vain
            tells_that_descriptors_ran_out
            lets_go_after_a_panic_of_the_machine);
    };
    (@each $module:ident, $launch:expr, $($row:ident)*) => {
        mod $module {
            #[allow(unused_imports)]
            use super::*;

            const MOUNT: $crate::Mount = $crate::Mount { module: module_path!(), launch: $launch };

            $(
                #[test]
                fn $row() {
                    MOUNT.try_row(stringify!($row), $crate::rows::$row);
                }
            )*
        }
    };
}
