//! One node's process: a file with its id, believed only where `/proc` shows that it is ours.

use crate::shell;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::PathBuf;
use std::process::Child;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// A process that was started earlier, perhaps by another run of this program.
pub(super) struct Process {
    /// The file that holds its id.
    pub(super) file: PathBuf,
    /// An argument of its command line that no other process has.
    pub(super) mark: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Gone,
    Running,
    /// By SIGSTOP.
    Stopped,
}

#[derive(Clone, Copy)]
pub(super) enum Signal {
    Kill,
    Stop,
    Cont,
}

impl Process {
    /// Takes `child` for this process, from now on and for later runs.
    pub(super) fn adopt(&self, child: &mut Child) -> Result<()> {
        fs::write(&self.file, child.id().to_string()).with_context(|| self.file.display().to_string())?;
        // `spawn` returns a moment before the kernel shows the new program's arguments.
        let start = Instant::now();
        while self.state() == State::Gone && child.try_wait()?.is_none() {
            if start.elapsed() > Duration::from_secs(5) {
                bail!("process {} doesn't have the argument {}", child.id(), self.mark);
            }
            sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    pub(super) fn state(&self) -> State {
        let Some(id) = self.id() else { return State::Gone };
        match letter(id) {
            Some('T' | 't') => State::Stopped,
            Some('Z' | 'X') | None => State::Gone,
            Some(_) => State::Running,
        }
    }

    /// Sends the signal; fails if the process isn't there.
    pub(super) fn signal(&self, signal: Signal) -> Result<()> {
        let Some(id) = self.id() else { bail!("it doesn't run") };
        let signal = match signal {
            Signal::Kill => "-KILL",
            Signal::Stop => "-STOP",
            Signal::Cont => "-CONT",
        };
        // The shell's own `kill` is everywhere; the program isn't, and the system call would be unsafe code.
        shell::output(&mut shell::command(
            "sh",
            ["-c", "kill \"$1\" \"$2\"", "sh", signal, &id.to_string()],
        ))?;
        Ok(())
    }

    /// Kills the process if it is there, and returns when it is gone with its sockets.
    pub(super) fn kill(&self) -> Result<()> {
        let start = Instant::now();
        if let Some(id) = self.id() {
            // It may have ended by itself since.
            let _ = self.signal(Signal::Kill);
            while !has_ended(id) {
                if start.elapsed() > Duration::from_secs(20) {
                    bail!("process {id} is still there 20 s after SIGKILL");
                }
                sleep(Duration::from_millis(10));
            }
        }
        let _ = fs::remove_file(&self.file);
        Ok(())
    }

    /// Its id, if a process with that id exists and is the one that we started.
    fn id(&self) -> Option<u32> {
        let id: u32 = fs::read_to_string(&self.file).ok()?.trim().parse().ok()?;
        let line = fs::read(format!("/proc/{id}/cmdline")).ok()?;
        line.split(|&byte| byte == 0).any(|argument| argument == self.mark.as_bytes()).then_some(id)
    }
}

/// Whether the last thread has let go of the sockets: a killed process loses its command line before them.
fn has_ended(id: u32) -> bool {
    let threads = fs::read_dir(format!("/proc/{id}/task")).map_or(0, Iterator::count);
    threads <= 1 && matches!(letter(id), Some('Z' | 'X') | None)
}

/// The letter of the process's state.
fn letter(id: u32) -> Option<char> {
    let status = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The program's name stands in parentheses and may hold anything; the state's letter follows it.
    status.rsplit(')').next()?.trim_start().chars().next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_process_is_stopped_continued_and_killed_and_another_ones_id_is_not_believed() {
        let file = std::env::temp_dir().join(format!("xtask-process-{}", std::process::id()));
        let mark = format!("3{}", std::process::id());
        let mut child = Child(Command::new("sleep").arg(&mark).spawn().unwrap());
        let ours = Process { file: file.clone(), mark };
        ours.adopt(&mut child.0).unwrap();
        assert_eq!(ours.state(), State::Running);
        ours.signal(Signal::Stop).unwrap();
        wait_for(&ours, State::Stopped);
        ours.signal(Signal::Cont).unwrap();
        wait_for(&ours, State::Running);

        let another = Process { file: file.clone(), mark: "not an argument of sleep".to_owned() };
        assert_eq!(another.state(), State::Gone);
        assert!(another.signal(Signal::Kill).is_err());

        ours.kill().unwrap();
        child.0.wait().unwrap();
        assert_eq!(ours.state(), State::Gone);
        assert!(!file.exists());
    }

    /// Ends with the test, however the test ends.
    struct Child(std::process::Child);

    impl Drop for Child {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    fn wait_for(process: &Process, state: State) {
        let start = Instant::now();
        while process.state() != state {
            assert!(start.elapsed() < Duration::from_secs(5), "never {state:?}");
            sleep(Duration::from_millis(5));
        }
    }
}
