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

mod apart;
mod mount;
mod peer;
mod probe;
mod remote;
mod rig;
mod rows;
mod script;
pub mod tls;
pub mod turns;
mod wire;

pub use mount::{DECLARED_MAX, Launch, Mount, Place, Simulate, Transport, check_declared};
pub use peer::Peer;
pub use probe::{PATTERN_PERIOD, pattern};
pub use remote::{Command, Log, Remote};
pub use rig::{Ended, Launched, Rig, Simulation, launch, run, within};
pub use rows::{Concern, Needs, ROWS, Row};
pub use script::{Gate, Step, Tally};

/// Mounts all rows as tests of a module.
///
/// `mount!(my_reactor, launch)`, where `launch` is a [`Launch`], judges a reactor on real sockets;
/// `mount!(my_world, simulated simulate)`, where `simulate` is a [`Simulate`], one in virtual time. `mount!(tls: ...)` has all
/// connections go through TLS, by the layer of core that the driver uses.
///
/// Where the executor of others below a reactor can't do better, which an echo loop on it alone shows too, up to two rows
/// about cost or time may be declared as failing; each must then fail:
/// `mount!(my_reactor, launch, declared: { makes_no_turn_in_vain: "why" })`.
#[macro_export]
macro_rules! mount {
    (tls: $($mount:tt)*) => {
        $crate::__mount_over!(Tls, $($mount)*);
    };
    ($($mount:tt)*) => {
        $crate::__mount_over!(Plain, $($mount)*);
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __mount_over {
    ($over:ident, $module:ident, simulated $simulate:expr) => {
        $crate::__with_rows!({ $crate::__mount } $over $module, $crate::Place::Simulated($simulate), [],);
    };
    ($over:ident, $module:ident, $launch:expr) => {
        $crate::__with_rows!({ $crate::__mount } $over $module, $crate::Place::Real($launch), [],);
    };
    ($over:ident, $module:ident, $launch:expr, declared: { $($row:ident: $reason:expr),+ $(,)? }) => {
        $crate::__with_rows!(
            { $crate::__mount }
            $over $module, $crate::Place::Real($launch), [$((stringify!($row), $reason)),+],
        );
    };
}

/// Mounts what is asked of a reactor that its caller drives as tests of a module: `mount_turns!(my_turns, launch)`, where
/// `launch` is the name of a [`turns::Launch`].
#[macro_export]
macro_rules! mount_turns {
    ($module:ident, $launch:ident) => {
        $crate::mount_turns! { $module, $launch, [
            a_wait_runs_out
            a_wait_does_not_outlast_the_deadline
            the_waker_ends_a_sleep_that_has_begun_and_one_that_has_not
            a_push_of_another_thread_ends_a_sleep
            after_the_exit_every_turn_says_so_and_all_is_closed
            dropping_the_turns_lets_go_of_the_machine
        ] }
    };
    ($module:ident, $launch:ident, [$($row:ident)*]) => {
        mod $module {
            $(
                #[test]
                fn $row() {
                    $crate::turns::$row(super::$launch);
                }
            )*
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __mount {
    ($over:ident $module:ident, $place:expr, [$($declared:expr),*], $([$file:ident $row:ident $concern:ident $needs:ident])*) => {
        mod $module {
            #[allow(unused_imports)]
            use super::*;

            const DECLARED: &[(&str, &str)] = &[$($declared),*];
            const _: () = $crate::check_declared(DECLARED);
            const MOUNT: $crate::Mount = $crate::Mount {
                module: module_path!(),
                place: $place,
                transport: $crate::Transport::$over,
                declared: DECLARED,
            };

            $(
                #[test]
                fn $row() {
                    MOUNT.try_row(stringify!($row));
                }
            )*
        }
    };
}
