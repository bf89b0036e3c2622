//! The rows, one function each, and what they are about.

mod bytes;
mod closing;
mod jobs;
mod load;
mod opening;
mod shards;
mod time;
mod waking;

use helenus_core::reactor::ConnId;

use crate::Mount;

/// What a reactor must do.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Row {
    /// The name of its test.
    pub name: &'static str,
    /// Plays it; panics if the reactor fails it.
    pub play: fn(&Mount),
    /// What it is about.
    pub concern: Concern,
    /// What it can't do without.
    pub needs: Needs,
}

/// What a row is about. Only rows about cost and time may be declared as failing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Concern {
    /// No byte, push or answer is lost or out of order, and each error is told.
    Loss,
    /// Connections and loops end when they must, and leave nothing behind.
    Closing,
    /// The deadline and the clock.
    Time,
    /// Turns, system calls, and fairness.
    Cost,
}

/// What a row needs of the world that it is played in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Connections and a clock, simulated or not.
    Network,
    /// Descriptors, which can run out.
    Descriptors,
    /// Threads that push while the loop runs.
    Threads,
    /// A kernel that cuts nothing without need.
    Kernel,
    /// A resolver.
    Names,
    /// Panics of a machine that are contained.
    Panics,
}

/// The connection of rows that need but one.
const CONN: ConnId = ConnId::new(0, 0);
const MEGABYTE: usize = 1 << 20;

/// Calls a macro with the names of all rows after whatever it is given.
#[doc(hidden)]
#[macro_export]
macro_rules! __with_rows {
    ({ $($macro:tt)* } $($given:tt)*) => {
        $($macro)* ! { $($given)*
            [opening connects_and_echoes Loss Network]
            [opening tells_a_refused_connection Loss Network]
            [opening lets_go_of_a_connection_that_never_opens Closing Network]
            [opening tells_nothing_about_a_connection_closed_at_once Closing Network]
            [opening gives_an_index_to_the_next_connection Closing Network]
            [opening tells_that_descriptors_ran_out Loss Descriptors]
            [bytes sends_16_megabytes_through_a_full_socket Loss Network]
            [bytes receives_16_megabytes Loss Network]
            [bytes echoes_16_megabytes_each_way_at_once Loss Network]
            [bytes reads_what_comes_byte_by_byte Loss Network]
            [bytes keeps_the_order_of_many_sends Loss Network]
            [closing tells_the_end_of_the_stream Closing Network]
            [closing tells_an_end_that_comes_with_the_last_bytes Closing Network]
            [closing tells_a_half_closed_connection Closing Network]
            [closing hears_a_peer_that_no_longer_reads Closing Network]
            [closing tells_a_reset_in_the_middle_of_a_frame Closing Network]
            [closing closes_while_bytes_are_unsent Closing Network]
            [closing says_how_much_the_kernel_took Loss Network]
            [closing exits_with_connections_open_full_and_connecting Closing Network]
            [closing lets_go_after_a_panic_of_the_machine Closing Panics]
            [closing leaves_nothing_after_twenty_lives Closing Network]
            [waking wakes_for_a_push_while_asleep Loss Network]
            [waking loses_no_push_that_races_with_its_sleep Loss Threads]
            [waking survives_a_storm_of_pushes Loss Threads]
            [waking survives_wakes_without_a_push_and_after_the_end Closing Threads]
            [time keeps_a_deadline_that_moves Time Network]
            [time ticks_at_once_for_a_deadline_in_the_past Time Network]
            [time takes_a_deadline_that_never_comes Time Network]
            [time ticks_while_bytes_flood_in Time Network]
            [time reads_the_clock_anew_each_turn Time Network]
            [jobs resolves_names Loss Names]
            [jobs answers_each_of_many_lookups_once Loss Names]
            [jobs exits_while_a_name_is_looked_up Closing Names]
            [shards runs_two_machines Loss Network]
            [shards lets_a_machine_live_when_another_panics Closing Panics]
            [load serves_a_thousand_connections Loss Network]
            [load is_fair_while_another_connection_floods Cost Network]
            [load is_idle_when_nothing_happens Cost Network]
            [load makes_no_turn_in_vain Cost Kernel]
        }
    };
}

macro_rules! table {
    ($([$file:ident $name:ident $concern:ident $needs:ident])*) => {
        &[$(Row {
            name: stringify!($name),
            play: $file::$name,
            concern: Concern::$concern,
            needs: Needs::$needs,
        }),*]
    };
}

/// All rows, in the order of the table.
pub const ROWS: &[Row] = __with_rows!({ table });
