//! Starts and ends the machines of a row, has its peers ready, and looks for what was left behind.

use std::cell::RefCell;
use std::fs;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use helenus_core::reactor::{ConnId, LaunchError, Reactor, Running, Seed, Woken};

use crate::mount::{Mount, Place};
use crate::peer::{BlackHole, Peer, nobody};
use crate::remote::PATIENCE;
use crate::script::{Step, Tally};
use crate::{Command, Log, Remote, Transport, tls};

/// Waits for the end of a reactor that was launched.
pub type Ended = Box<dyn FnOnce() + Send>;

/// A reactor at work, or why it can't be here.
pub type Launched = Result<Ended, LaunchError>;

/// A world with its own time: machines, network and peers take steps on the thread of the row.
pub trait Simulation {
    /// An address where `count` connections are served by a script, each by itself; what they do counts in `tally`.
    fn listen(&mut self, count: usize, steps: Vec<Step>, tally: Tally) -> SocketAddr;

    /// An address that refuses.
    fn nobody(&mut self) -> SocketAddr;

    /// An address that never answers.
    fn black_hole(&mut self) -> SocketAddr;

    /// Runs a turn, or lets time pass to whatever comes next. `false` if nothing will ever come.
    fn step(&mut self) -> bool;

    /// Lets that much time pass, and runs what it brings.
    fn pass(&mut self, time: Duration);

    /// Whether the peer at this address is done with all its connections.
    fn is_served(&self, address: SocketAddr) -> bool;

    /// Whether each machine has exited and no connection of its side is left.
    fn has_ended(&self) -> bool;
}

/// So many steps of a simulation without what a row waits for are in vain.
const STEPS_MAX: u64 = 5_000_000;
/// How long a real reactor has to let go of threads and descriptors after its end.
const LEAVING: Duration = Duration::from_secs(20);

/// Threads and descriptors belong to the process, so only one row is tried at a time.
static SERIAL: Mutex<()> = Mutex::new(());

/// Keeps the other rows from starting.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    SERIAL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Machines at work, with a probe in each, and what surrounds them.
pub struct Rig {
    /// Tells the first probe what to do.
    pub remote: Remote,
    remotes: Vec<Remote>,
    transport: Transport,
    world: World,
    _serial: MutexGuard<'static, ()>,
}

enum World {
    Real { ended: Ended, before: Belongings, holes: RefCell<Vec<BlackHole>> },
    Simulated(RefCell<Box<dyn Simulation>>),
}

/// A peer of a rig.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    tally: Tally,
    real: Option<Peer>,
}

impl Rig {
    /// Starts one machine.
    pub fn start(mount: &Mount) -> Self {
        Self::start_machines(mount, 1)
    }

    /// Starts several machines.
    pub(crate) fn start_machines(mount: &Mount, count: usize) -> Self {
        let serial = alone();
        let (remotes, seeds): (Vec<_>, Vec<_>) = (0..count).map(|_| Remote::over(mount.transport)).unzip();
        if mount.transport == Transport::Tls {
            // So that no row waits for certificates.
            tls::ends();
        }
        let world = match mount.place {
            Place::Real(launch) => {
                let before = Belongings::count();
                World::Real { ended: launch(seeds).unwrap(), before, holes: RefCell::default() }
            }
            Place::Simulated(simulate) => World::Simulated(RefCell::new(simulate(seeds))),
        };
        let transport = mount.transport;
        Self { remote: remotes[0].clone(), remotes, transport, world, _serial: serial }
    }

    /// Tells machine number `index` what to do.
    pub(crate) fn machine(&self, index: usize) -> &Remote {
        &self.remotes[index]
    }

    pub(crate) fn push(&self, command: Command) {
        self.remote.push(command);
    }

    /// Waits until `seen` is true of the first machine's log.
    pub(crate) fn wait(&self, what: &str, seen: impl FnMut(&Log) -> bool) {
        self.wait_for(&self.remote, what, seen);
    }

    pub(crate) fn wait_for(&self, remote: &Remote, what: &str, mut seen: impl FnMut(&Log) -> bool) {
        match &self.world {
            World::Real { .. } => remote.wait(what, seen),
            World::Simulated(world) => {
                let done = step_until(world, || seen(&remote.log()));
                assert!(done, "waited in vain: {what}; the log says {:#?}", *remote.log());
            }
        }
    }

    /// Lets time pass.
    pub(crate) fn pass(&self, time: Duration) {
        match &self.world {
            World::Real { .. } => thread::sleep(time),
            World::Simulated(world) => world.borrow_mut().pass(time),
        }
    }

    /// A peer that serves `count` connections by a script.
    pub(crate) fn peer(&self, count: usize, steps: impl Into<Vec<Step>>) -> Served {
        let tally = Tally::default();
        let mut steps = steps.into();
        if self.transport == Transport::Tls {
            steps.insert(0, Step::Secure);
        }
        match &self.world {
            World::Real { .. } => {
                let peer = Peer::scripted(count, steps, tally.clone());
                Served { address: peer.address(), tally, real: Some(peer) }
            }
            World::Simulated(world) => {
                let address = world.borrow_mut().listen(count, steps, tally.clone());
                Served { address, tally, real: None }
            }
        }
    }

    pub(crate) fn echo(&self, count: usize) -> Served {
        self.peer(count, [Step::Echo])
    }

    /// Waits until a peer is done with all its connections; says how many bytes it has read.
    pub(crate) fn join(&self, peer: Served) -> usize {
        if let World::Simulated(world) = &self.world {
            let done = step_until(world, || world.borrow().is_served(peer.address));
            assert!(done, "waited in vain for the end of a peer");
        }
        if let Some(real) = peer.real {
            within("the end of a peer", Box::new(|| real.join()));
        }
        assert!(!peer.tally.is_wrong(), "a peer got other bytes than were sent");
        peer.tally.read()
    }

    /// An address that refuses.
    pub(crate) fn nobody(&self) -> SocketAddr {
        match &self.world {
            World::Real { .. } => nobody(),
            World::Simulated(world) => world.borrow_mut().nobody(),
        }
    }

    /// An address that never answers.
    pub(crate) fn black_hole(&self) -> SocketAddr {
        match &self.world {
            World::Real { holes, .. } => {
                let hole = BlackHole::new();
                let address = hole.address;
                holes.borrow_mut().push(hole);
                address
            }
            World::Simulated(world) => world.borrow_mut().black_hole(),
        }
    }

    pub(crate) fn open(&self, conn: ConnId, peer: &Served) {
        self.push(Command::Open(conn, peer.address));
        self.wait("opened", |log| log.opened.contains(&conn));
    }

    /// Sends `count` bytes and waits until `received` bytes have come on that connection.
    pub(crate) fn send_and_await(&self, conn: ConnId, count: usize, received: usize) {
        self.push(Command::Send(conn, count));
        self.wait("echo", |log| log.received.get(&conn) == Some(&received));
    }

    /// Ends it, and checks that no rule was broken and nothing is left.
    pub fn end(self) -> Log {
        self.remotes.iter().for_each(|remote| remote.push(Command::Exit));
        self.end_by_itself()
    }

    /// As [`Rig::end`], for probes that were told to end already. Gives the log of the first.
    pub fn end_by_itself(self) -> Log {
        match self.world {
            World::Real { ended, before, holes } => {
                within("the end of the reactor", ended);
                drop(holes);
                let deadline = Instant::now() + LEAVING;
                while !Belongings::count().is_no_more_than(&before) && Instant::now() < deadline {
                    thread::sleep(Duration::from_millis(5));
                }
                let after = Belongings::count();
                assert!(
                    after.is_no_more_than(&before),
                    "threads or descriptors are left: {after:?}, before {before:?}"
                );
            }
            World::Simulated(world) => {
                let done = step_until(&world, || world.borrow().has_ended());
                assert!(done, "waited in vain for the end of the simulated loop");
            }
        }
        for remote in &self.remotes {
            let log = remote.log();
            assert!(log.dropped, "the machine outlives its reactor");
            assert_eq!(log.violations, [""; 0], "the contract was broken");
        }
        std::mem::take(&mut *self.remote.log())
    }
}

/// Takes steps until `done`. Whether that came.
fn step_until(world: &RefCell<Box<dyn Simulation>>, mut done: impl FnMut() -> bool) -> bool {
    for _ in 0..STEPS_MAX {
        if done() {
            return true;
        }
        if !world.borrow_mut().step() {
            return done();
        }
    }
    false
}

/// Launches a reactor; what comes out waits for its end.
pub fn launch<R: Reactor + 'static>(reactor: R, seeds: Vec<Seed>) -> Launched {
    Ok(run(Box::new(reactor).launch(seeds)?))
}

/// Runs a reactor that was launched, on a thread of its own if it is caller-driven.
pub fn run(mut running: Running) -> Ended {
    let Some(mut turns) = running.take_turns() else { return Box::new(|| running.join()) };
    let thread = thread::spawn(move || while turns.turn(None) == Woken::Turned {});
    Box::new(move || {
        thread.join().unwrap();
        running.join();
    })
}

/// Runs `work`, but not for ever.
pub fn within(what: &str, work: Ended) {
    let (done, wait) = mpsc::channel();
    let thread = thread::spawn(move || {
        work();
        let _ = done.send(());
    });
    match wait.recv_timeout(PATIENCE) {
        Ok(()) | Err(mpsc::RecvTimeoutError::Disconnected) => thread.join().unwrap(),
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("waited in vain for {what}"),
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Belongings {
    descriptors: usize,
    threads: Vec<String>,
}

impl Belongings {
    /// Where there is no such file system, nothing is found and all is equal.
    fn count() -> Self {
        let descriptors = fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
        let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
        let mut threads: Vec<_> = tasks
            .filter_map(|task| fs::read_to_string(task.path().join("comm")).ok())
            .filter(|name| name.starts_with("helenus"))
            .collect();
        threads.sort();
        Self { descriptors, threads }
    }

    /// A foreign runtime may have let go of something of an earlier row meanwhile.
    fn is_no_more_than(&self, before: &Self) -> bool {
        self.descriptors <= before.descriptors && self.threads == before.threads
    }
}
