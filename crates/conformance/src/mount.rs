//! How a reactor takes part.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Mutex, PoisonError};

use helenus_core::reactor::{LaunchError, Seed};

use crate::rig::{Launched, alone, within};
use crate::{Command, Remote};

/// Starts one machine per seed. What comes out waits until all have ended and let go of all they had.
pub type Launch = fn(Vec<Seed>) -> Launched;

/// One way of running machines, mounted by [`mount!`](crate::mount).
#[derive(Debug)]
pub struct Mount {
    /// The path of the module that holds its tests.
    pub module: &'static str,
    /// How machines are started.
    pub launch: Launch,
}

/// A row: what a reactor must do.
pub type Row = fn(&Mount);

impl Mount {
    /// Tries a row, unless this reactor can't run here, which is said aloud and fails where `CI` is `true`.
    pub fn try_row(&self, name: &str, row: Row) {
        match self.warm_up() {
            Ok(()) => row(self),
            Err(needs) => {
                self.say(name, &format!("SKIPPED: {needs}"));
                assert!(std::env::var("CI").as_deref() != Ok("true"), "nothing may be skipped here: {needs}");
            }
        }
    }

    /// Runs a machine once before the first row, for a foreign runtime may make itself descriptors and threads when it is
    /// first used, and keep them. A reactor that leaves something behind each time is found all the same.
    fn warm_up(&self) -> Result<(), String> {
        static TRIED: Mutex<BTreeMap<&str, Result<(), String>>> = Mutex::new(BTreeMap::new());
        let _alone = alone();
        let mut tried = TRIED.lock().unwrap_or_else(PoisonError::into_inner);
        tried.entry(self.module).or_insert_with(|| self.try_to_run()).clone()
    }

    fn try_to_run(&self) -> Result<(), String> {
        let (remote, seed) = Remote::new();
        remote.push(Command::Exit);
        match (self.launch)(vec![seed]) {
            Ok(ended) => within("the end of a reactor that was told to exit", ended),
            Err(LaunchError::Unsupported { needs }) => return Err(needs),
            Err(error) => panic!("{}: {error}", self.module),
        }
        Ok(())
    }

    /// Writes a line that the test runner does not keep to itself.
    fn say(&self, row: &str, what: &str) {
        // The test runner's names lack the crate's.
        let module = self.module.split_once("::").map_or(self.module, |(_, module)| module);
        // With nobody to read it, there is nobody to tell.
        let _ = writeln!(std::io::stderr(), "conformance: {module}::{row} {what}");
    }
}
