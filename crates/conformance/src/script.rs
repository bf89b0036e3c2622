//! What peers do, as data: a thread plays it on a real socket, a simulator in its own time.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::wire::Wire;
use crate::{PATTERN_PERIOD, pattern};

/// One thing that a peer does. At the end of its script it closes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Step {
    /// Shakes hands as a TLS server, before anything else; all that follows goes through that.
    Secure,
    /// Reads so many bytes, which must be the next of the [`pattern`].
    Read(usize),
    /// Reads until the end, or until the connection is reset.
    ReadToEnd,
    /// Writes so many bytes, the next of the [`pattern`].
    Write(usize),
    /// As [`Step::Write`], each byte by itself.
    WriteSingly(usize),
    /// Writes without end, until the connection ends.
    Flood,
    /// Sends back what comes, until the end.
    Echo,
    /// Does nothing for a while.
    Pause(Duration),
    /// Does nothing until the row opens the gate.
    Await(Gate),
    /// Ends its sending side; of TLS too.
    ShutWrite,
    /// Ends its receiving side.
    ShutRead,
    /// Closes by a reset, even if all was read.
    Reset,
}

/// Holds peers back until the row opens it.
#[derive(Clone, Debug, Default)]
pub struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    /// A closed gate.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets all peers go on.
    pub fn open(&self) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.1.notify_all();
    }

    /// Whether peers may go on.
    pub fn is_open(&self) -> bool {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait(&self) {
        let mut open = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        while !*open {
            open = self.0.1.wait(open).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// What all connections of a peer did.
#[derive(Clone, Debug, Default)]
pub struct Tally(Arc<Figures>);

#[derive(Debug, Default)]
struct Figures {
    read: AtomicUsize,
    wrong: AtomicBool,
}

impl Tally {
    /// Bytes read, by all connections.
    pub fn read(&self) -> usize {
        self.0.read.load(Ordering::SeqCst)
    }

    /// Whether a connection got other bytes than it should.
    pub fn is_wrong(&self) -> bool {
        self.0.wrong.load(Ordering::SeqCst)
    }

    /// Takes bytes that came to a connection which had read `so_far` before.
    pub fn check(&self, so_far: usize, bytes: &[u8]) {
        self.0.read.fetch_add(bytes.len(), Ordering::SeqCst);
        if *bytes != *pattern(so_far, bytes.len()) {
            self.0.wrong.store(true, Ordering::SeqCst);
        }
    }
}

/// Plays a script on a real socket.
pub(crate) fn play(stream: TcpStream, steps: &[Step], tally: &Tally) {
    let mut wire = Wire::new(stream);
    let mut player = Player { read: 0, written: 0, buffer: vec![0; 64 * 1024] };
    for step in steps {
        // The driver may end the connection at any time; rows look at what came before.
        if player.play(&mut wire, step, tally).is_err() {
            return;
        }
    }
    wire.end();
}

struct Player {
    read: usize,
    written: usize,
    buffer: Vec<u8>,
}

impl Player {
    fn play(&mut self, wire: &mut Wire, step: &Step, tally: &Tally) -> io::Result<()> {
        match step {
            Step::Secure => wire.secure(),
            Step::Read(count) => self.read(wire, *count, tally),
            Step::ReadToEnd => self.read(wire, usize::MAX, tally),
            Step::Write(count) => self.write(wire, *count, 64 * 1024),
            Step::WriteSingly(count) => {
                wire.set_nodelay()?;
                self.write(wire, *count, 1)
            }
            Step::Flood => self.write(wire, usize::MAX, 64 * 1024),
            Step::Echo => self.echo(wire),
            Step::Pause(pause) => {
                std::thread::sleep(*pause);
                Ok(())
            }
            Step::Await(gate) => {
                gate.wait();
                Ok(())
            }
            Step::ShutWrite => wire.shut_write(),
            Step::ShutRead => wire.shut_read(),
            Step::Reset => wire.reset(),
        }
    }

    fn read(&mut self, wire: &mut Wire, count: usize, tally: &Tally) -> io::Result<()> {
        let mut left = count;
        while left > 0 {
            let room = left.min(self.buffer.len());
            let count = wire.read(&mut self.buffer[..room])?;
            if count == 0 {
                return Ok(());
            }
            tally.check(self.read, &self.buffer[..count]);
            self.read += count;
            left -= count;
        }
        Ok(())
    }

    fn write(&mut self, wire: &mut Wire, count: usize, piece: usize) -> io::Result<()> {
        let bytes = pattern(0, piece + PATTERN_PERIOD);
        let mut left = count;
        while left > 0 {
            let start = self.written % PATTERN_PERIOD;
            let count = left.min(piece);
            wire.write_all(&bytes[start..start + count])?;
            self.written += count;
            left -= count;
        }
        Ok(())
    }

    fn echo(&mut self, wire: &mut Wire) -> io::Result<()> {
        loop {
            match wire.read(&mut self.buffer)? {
                0 => return Ok(()),
                count => wire.write_all(&self.buffer[..count])?,
            }
        }
    }
}
