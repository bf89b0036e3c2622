//! What every reactor must do, tried with a small machine that keeps an eye on the contract.
//!
//! [`check_reactor!`](crate::check_reactor) mounts all checks for one way of running a machine. Each check starts a
//! reactor, plays its part, ends it, and then finds no broken rule, thread or descriptor left.

// Test code: an assumption that fails is to fail the test at once.
#![expect(clippy::unwrap_used, reason = "test code")]

pub mod checks;
mod peer;
mod probe;
mod rig;

pub use peer::Peer;
pub use probe::{Command, Log, PATTERN_PERIOD, Remote, pattern};
pub use rig::{Ended, Rig, drive_turns, within};

/// Mounts the checks as tests of a module. `$launch` is a `fn(Seed) -> Ended`: it starts a reactor, and what it gives
/// waits for the end.
#[macro_export]
macro_rules! check_reactor {
    ($module:ident, $launch:expr) => {
        $crate::check_reactor!(@each $module, $launch,
            connects_and_echoes
            tells_a_refused_connection
            echoes_a_megabyte_through_a_full_socket
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
            lets_go_after_a_panic_of_the_machine);
    };
    (@each $module:ident, $launch:expr, $($check:ident)*) => {
        mod $module {
            #[allow(unused_imports)]
            use super::*;

            #[test]
            fn tells_that_descriptors_ran_out() {
                $crate::testing::checks::tells_that_descriptors_ran_out($launch, module_path!());
            }

            $(
                #[test]
                fn $check() {
                    $crate::testing::checks::$check($launch);
                }
            )*
        }
    };
}
