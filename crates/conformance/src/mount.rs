//! How a reactor takes part.

use std::collections::BTreeMap;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

use helenus_core::reactor::{LaunchError, Seed};

use crate::rig::{Launched, Simulation, alone, within};
use crate::rows::{Concern, Needs, ROWS};
use crate::{Command, Remote};

/// Starts one machine per seed. What comes out waits until all have ended and let go of all they had.
pub type Launch = fn(Vec<Seed>) -> Launched;

/// Starts one machine per seed in a world of its own.
pub type Simulate = fn(Vec<Seed>) -> Box<dyn Simulation>;

/// One way of running machines, mounted by [`mount!`](crate::mount).
#[derive(Debug)]
pub struct Mount {
    /// The path of the module that holds its tests.
    pub module: &'static str,
    /// How machines are started.
    pub place: Place,
    /// What connections go through.
    pub transport: Transport,
    /// Rows that the foreign executor itself makes fail, each with the reason.
    pub declared: &'static [(&'static str, &'static str)],
}

/// What connections go through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Nothing.
    Plain,
    /// TLS, which the machine has within it and reactors know nothing of.
    Tls,
}

/// Where machines run.
#[derive(Clone, Copy, Debug)]
pub enum Place {
    /// On a reactor, with sockets.
    Real(Launch),
    /// In virtual time.
    Simulated(Simulate),
}

/// At most so many rows may be declared as failing.
pub const DECLARED_MAX: usize = 2;

impl Mount {
    /// Tries a row. Says aloud, in a line of its own that begins with `conformance:`, if it was declared as failing, has no
    /// meaning here, or can't run here; the last fails where `CI` is `true`.
    pub fn try_row(&self, name: &str) {
        let row = ROWS.iter().find(|row| row.name == name).unwrap();
        if let (Place::Simulated(_), Some(lacks)) = (self.place, lacks_in_simulation(row.needs)) {
            return self.say(name, &format!("n/a: {lacks}"));
        }
        if let Err(needs) = self.warm_up() {
            self.say(name, &format!("SKIPPED: {needs}"));
            assert!(std::env::var("CI").as_deref() != Ok("true"), "nothing may be skipped here: {needs}");
            return;
        }
        match self.declared.iter().find(|(declared, _)| *declared == name) {
            None => (row.play)(self),
            Some((_, reason)) => {
                let outcome = catch_unwind(AssertUnwindSafe(|| (row.play)(self)));
                assert!(outcome.is_err(), "declared as failing ({reason}), but it passes: take that back");
                self.say(name, &format!("declared: {reason}"));
            }
        }
    }

    /// The name of a row's test, as the test runner has it.
    pub(crate) fn test_name(&self, row: &str) -> String {
        let module = self.module.split_once("::").map_or(self.module, |(_, module)| module);
        format!("{module}::{row}")
    }

    /// Runs a machine once before the first row, for a foreign runtime may make itself descriptors and threads when it is
    /// first used, and keep them. A reactor that leaves something behind each time is found all the same.
    fn warm_up(&self) -> Result<(), String> {
        static TRIED: Mutex<BTreeMap<&str, Result<(), String>>> = Mutex::new(BTreeMap::new());
        let Place::Real(launch) = self.place else { return Ok(()) };
        let _alone = alone();
        let mut tried = TRIED.lock().unwrap_or_else(PoisonError::into_inner);
        tried.entry(self.module).or_insert_with(|| self.try_to_run(launch)).clone()
    }

    fn try_to_run(&self, launch: Launch) -> Result<(), String> {
        let (remote, seed) = Remote::new();
        remote.push(Command::Exit);
        match launch(vec![seed]) {
            Ok(ended) => within("the end of a reactor that was told to exit", ended),
            Err(LaunchError::Unsupported { needs }) => return Err(needs),
            Err(error) => panic!("{}: {error}", self.module),
        }
        Ok(())
    }

    /// Writes a line that the test runner does not keep to itself.
    fn say(&self, row: &str, what: &str) {
        // With nobody to read it, there is nobody to tell.
        let _ = writeln!(std::io::stderr(), "conformance: {} {what}", self.test_name(row));
    }
}

/// What a simulation has not, if a row needs it.
const fn lacks_in_simulation(needs: Needs) -> Option<&'static str> {
    match needs {
        Needs::Network => None,
        Needs::Descriptors => Some("no descriptors"),
        Needs::Threads => Some("no threads"),
        Needs::Kernel => Some("its network cuts bytes at random"),
        Needs::Names => Some("no names but those of its nodes"),
        Needs::Panics => Some("a panic of its machine is a finding, and ends the run"),
    }
}

/// Refuses, at compile time, declarations that may not be: more than [`DECLARED_MAX`], of a row that isn't there, or of
/// one about loss, order, closing or leaks.
pub const fn check_declared(declared: &[(&str, &str)]) {
    assert!(declared.len() <= DECLARED_MAX, "at most two rows of a reactor may be declared as failing");
    let mut i = 0;
    while i < declared.len() {
        let (name, reason) = declared[i];
        assert!(!reason.is_empty(), "a declaration says what the executor's limit is");
        assert!(may_fail(name), "only rows about cost and time may be declared as failing");
        i += 1;
    }
}

const fn may_fail(name: &str) -> bool {
    let mut i = 0;
    while i < ROWS.len() {
        if is_same(ROWS[i].name.as_bytes(), name.as_bytes()) {
            return matches!(ROWS[i].concern, Concern::Cost | Concern::Time);
        }
        i += 1;
    }
    false
}

const fn is_same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut i = 0;
    while i < a.len() {
        if a[i] != b[i] {
            return false;
        }
        i += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(module: &'static str, launch: Launch) -> Mount {
        Mount {
            module,
            place: Place::Real(launch),
            transport: Transport::Plain,
            declared: &[("makes_no_turn_in_vain", "a reason")],
        }
    }

    #[test]
    fn a_reactor_that_cannot_run_here_is_skipped_but_not_in_ci() {
        let mount = mount("a::skipped", |_| Err(LaunchError::Unsupported { needs: "another kernel".into() }));

        let outcome = catch_unwind(|| mount.try_row("connects_and_echoes"));

        assert_eq!(outcome.is_err(), std::env::var("CI").as_deref() == Ok("true"));
    }

    #[test]
    fn a_declared_row_may_fail_and_another_may_not() {
        // It is launched to see whether it can be, and never again.
        let mount = mount("a::declared", |seeds| {
            assert!(seeds.len() == 1 && !is_second());
            Ok(Box::new(|| drop(seeds)))
        });

        mount.try_row("makes_no_turn_in_vain");

        assert!(catch_unwind(|| mount.try_row("connects_and_echoes")).is_err());
    }

    fn is_second() -> bool {
        use std::sync::atomic::{AtomicBool, Ordering};
        static WARM: AtomicBool = AtomicBool::new(false);
        WARM.swap(true, Ordering::SeqCst)
    }

    #[test]
    fn what_may_be_declared() {
        check_declared(&[("makes_no_turn_in_vain", "a reason"), ("keeps_a_deadline_that_moves", "a reason")]);
    }

    #[test]
    #[should_panic(expected = "only rows about cost and time")]
    fn loss_may_not_be_declared() {
        check_declared(&[("echoes_16_megabytes_each_way_at_once", "a reason")]);
    }

    #[test]
    #[should_panic(expected = "only rows about cost and time")]
    fn a_row_that_is_not_there_may_not_be_declared() {
        check_declared(&[("no_such_row", "a reason")]);
    }

    #[test]
    #[should_panic(expected = "at most two")]
    fn three_may_not_be_declared() {
        check_declared(&[("makes_no_turn_in_vain", "a reason"); 3]);
    }
}
