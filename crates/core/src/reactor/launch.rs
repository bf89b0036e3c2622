//! How a reactor is started, and how its end is noticed.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::Machine;

/// What a machine grows from, on the thread that will run it.
pub struct Seed(Box<dyn FnOnce() -> Box<dyn Machine> + Send>);

impl Seed {
    /// A seed that grows into what `grow` returns.
    pub fn new(grow: impl FnOnce() -> Box<dyn Machine> + Send + 'static) -> Self {
        Self(Box::new(grow))
    }

    /// Makes the machine. Call it on the thread that will run it.
    pub fn grow(self) -> Box<dyn Machine> {
        (self.0)()
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed")
    }
}

/// Something that can run machines: it owns sockets, a clock, and a thread or a task, and nothing else.
///
/// A reactor is a value, given to the session's builder. Implement it to bring an event loop of your own.
pub trait Reactor: Send {
    /// A short label for metrics and benches: `"mio"`.
    fn name(&self) -> &'static str;

    /// How many machines it will run; [`Reactor::launch`] gets as many seeds.
    fn shards(&self) -> usize {
        1
    }

    /// Starts to run one machine per seed. Returns when all have begun.
    fn launch(self: Box<Self>, seeds: Vec<Seed>) -> Result<Running, LaunchError>;
}

/// A reactor that is a future: the user spawns it on a runtime of their own, so that no thread is added.
pub trait TaskReactor {
    /// Runs the machine until it exits. Its auto traits say where it may be spawned.
    type Driver: Future<Output = ()> + 'static;

    /// A short label for metrics and benches: `"tokio"`.
    fn name(&self) -> &'static str;

    /// The future that runs the machine grown from `seed`. Nothing happens before it is polled. It must hold `guard`
    /// until it has let go of everything, also when it is dropped early.
    fn drive(self, seed: Seed, guard: LatchGuard) -> Self::Driver;
}

/// Why a reactor could not start.
#[derive(Debug)]
#[non_exhaustive]
pub enum LaunchError {
    /// This machine, kernel or sandbox lacks something. `needs` says what, and what else to choose.
    Unsupported {
        /// In words that a person can act on.
        needs: String,
    },
    /// The operating system refused a resource: a thread, a descriptor.
    Io {
        /// What was being made.
        what: &'static str,
        /// The system's reason.
        source: io::Error,
    },
}

impl fmt::Display for LaunchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsupported { needs } => write!(f, "the reactor can't run here: {needs}"),
            Self::Io { what, source } => write!(f, "the reactor could not make {what}: {source}"),
        }
    }
}

/// The message holds the words of its causes, and the variants hold the causes: a `source` would say them twice.
impl std::error::Error for LaunchError {}

/// Why [`Turns::turn`] came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// A turn was run, or the wait ran out, or the waker was called.
    Turned,
    /// The machine has exited; there will be no more turns.
    Exited,
}

/// A machine that the calling thread runs, a turn at a time.
pub trait Turns: Send {
    /// Runs one turn. Sleeps before it, for at most `wait` if given, until there is something to do or
    /// [`Turns::waker`]'s waker is called.
    fn turn(&mut self, wait: Option<Duration>) -> Woken;

    /// Interrupts the sleep of [`Turns::turn`], from any thread. A call before the sleep makes the next one return.
    fn waker(&self) -> Waker;
}

/// Opens when all its guards are dropped: how the end of every loop of a reactor is noticed.
#[derive(Debug, Default)]
pub struct Latch {
    state: Mutex<LatchState>,
    opened: Condvar,
}

#[derive(Debug, Default)]
struct LatchState {
    guards: usize,
    wakers: Vec<Waker>,
}

/// Held by each loop until it has let go of every socket and buffer.
#[derive(Debug)]
pub struct LatchGuard(Arc<Latch>);

impl Latch {
    /// A latch without guards: open.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// One more guard to wait for.
    pub fn guard(self: &Arc<Self>) -> LatchGuard {
        self.lock().guards += 1;
        LatchGuard(self.clone())
    }

    /// Blocks until it is open.
    pub fn wait(&self) {
        let mut state = self.lock();
        while state.guards > 0 {
            state = self.opened.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Ready once it is open.
    pub fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.guards == 0 {
            return Poll::Ready(());
        }
        if !state.wakers.iter().any(|waker| waker.will_wake(cx.waker())) {
            state.wakers.push(cx.waker().clone());
        }
        Poll::Pending
    }

    // A panic while the lock is held can't leave the two fields torn, so poison carries no news.
    fn lock(&self) -> std::sync::MutexGuard<'_, LatchState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for LatchGuard {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.guards -= 1;
        if state.guards > 0 {
            return;
        }
        let wakers = std::mem::take(&mut state.wakers);
        drop(state);
        self.0.opened.notify_all();
        wakers.into_iter().for_each(Waker::wake);
    }
}

/// A reactor at work: a future that completes when every loop has ended and let go of all it had.
pub struct Running {
    latch: Arc<Latch>,
    joins: Vec<Box<dyn FnOnce() + Send>>,
    turns: Option<Box<dyn Turns>>,
}

impl Running {
    /// Loops that run by themselves and hold guards of `latch`.
    pub fn new(latch: Arc<Latch>) -> Self {
        Self { latch, joins: Vec::new(), turns: None }
    }

    /// Adds what is to be called once the latch is open: `JoinHandle::join` of a thread, so that none is left.
    #[must_use]
    pub fn with_join(mut self, join: impl FnOnce() + Send + 'static) -> Self {
        self.joins.push(Box::new(join));
        self
    }

    /// A machine that runs only while a user's thread waits for something. `turns` holds a guard of `latch`.
    pub fn caller_driven(latch: Arc<Latch>, turns: Box<dyn Turns>) -> Self {
        Self { latch, joins: Vec::new(), turns: Some(turns) }
    }

    /// Whether its loops have threads of their own: nobody needs to see to it that they run.
    pub fn has_threads(&self) -> bool {
        !self.joins.is_empty()
    }

    /// Takes the caller-driven machine out. `None` if loops run by themselves.
    pub fn take_turns(&mut self) -> Option<Box<dyn Turns>> {
        self.turns.take()
    }

    /// Blocks until every loop has ended.
    pub fn join(mut self) {
        self.latch.wait();
        self.run_joins();
    }

    fn run_joins(&mut self) {
        self.joins.drain(..).for_each(|join| join());
    }
}

impl Future for Running {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        std::task::ready!(self.latch.poll(cx));
        // The loops have ended; a join waits only for the thread's last few instructions.
        self.run_joins();
        Poll::Ready(())
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("caller_driven", &self.turns.is_some()).finish_non_exhaustive()
    }
}
