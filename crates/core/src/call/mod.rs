//! A request on its way: one allocation that caller and machine share.
//!
//! A [`Call`] is made and pushed by [`Inbox::submit`](crate::Inbox::submit). The machine copies its frame to a connection,
//! keeps it for a possible second attempt, and at the end puts the answer in the same allocation and tells whoever waits
//! ([`Notify`]). Until then the caller may poll it, or cancel it by dropping its interest.

mod error;
mod recycle;
mod settled;

pub use error::{ClosedBecause, Fate, NodeFailure, ReprepareFailure, RequestError};
pub(crate) use recycle::make;
pub use recycle::recycle;
pub use settled::{Settled, Window};

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use crate::inbox::Link;
use crate::machine::ConnectionError;
use crate::protocol::{Header, Version};
use crate::statement::PreparedStatement;

/// What came of a request.
pub type Outcome = Result<Reply, RequestError>;

/// How a [`Command`] is answered.
#[derive(Debug)]
pub enum Reply {
    /// To [`Command::Send`].
    Answer(Answer),
    /// To [`Command::Connect`]: the protocol version that the session speaks from now on.
    Connected(Version),
    /// To [`Command::Close`].
    Closed,
}

/// A response as it came, not yet decoded. An ERROR response is an answer too.
#[derive(Debug)]
pub struct Answer {
    /// The envelope's header.
    pub header: Header,
    /// The envelope's body.
    pub body: Vec<u8>,
    /// The node that answered.
    pub coordinator: SocketAddr,
}

/// What is to be known of a request beside its bytes.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    /// How long after the machine took it the request fails with [`RequestError::TimedOut`]; `None`: never.
    pub timeout: Option<Duration>,
    /// Whether doing it twice is the same as doing it once, so that it may be sent again when its fate is unknown.
    pub idempotent: bool,
    /// For EXECUTE: what to prepare again on a node that doesn't know the statement.
    pub statement: Option<Arc<PreparedStatement>>,
}

/// Called on the machine's thread with what came of a request, and the request's terms.
pub type Callback = Box<dyn FnOnce(Outcome, &Terms) + Send>;

/// Who is told when a request is finished. Told after the turn's borrow of the machine has ended.
#[derive(Default)]
pub enum Notify {
    /// Nobody (yet).
    #[default]
    Nobody,
    /// A task or a parked thread.
    Waker(Waker),
    /// A callback, which gets the outcome.
    Callback(Callback),
    /// A window of concurrent requests, and this one's number in it.
    Window(Arc<Window>, usize),
}

impl fmt::Debug for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nobody => "Nobody",
            Self::Waker(_) => "Waker",
            Self::Callback(_) => "Callback",
            Self::Window(..) => "Window",
        })
    }
}

/// What the machine is asked to do.
#[derive(Debug)]
pub enum Command {
    /// Send this envelope (its stream id is blank) on any connection.
    Send(Vec<u8>),
    /// Answer once a connection is ready, or once every contact point has failed.
    Connect,
    /// Refuse what comes later, finish what is pending within `drain`, then close all and exit.
    Close {
        /// How long pending requests may still take.
        drain: Duration,
    },
}

impl Command {
    #[inline]
    fn split(self) -> (Kind, Vec<u8>) {
        match self {
            Self::Send(frame) => (Kind::Send, frame),
            Self::Connect => (Kind::Connect, Vec::new()),
            Self::Close { drain } => (Kind::Close { drain }, Vec::new()),
        }
    }
}

/// A request that was submitted.
#[derive(Debug)]
pub struct Call {
    pub(crate) link: Link,
    pub(crate) terms: Terms,
    pub(crate) kind: Kind,
    /// What it counts for in the inbox's limits.
    pub(crate) frame_bytes: usize,
    cancelled: AtomicBool,
    state: Mutex<State>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Send,
    Connect,
    Close { drain: Duration },
}

#[derive(Debug, Default)]
struct State {
    /// The envelope to send; its memory becomes the answer's body.
    frame: Vec<u8>,
    /// Attempts so far, of every kind.
    attempts: u8,
    /// An attempt whose fate is unknown: its node, and how the connection ended. It stays so, whatever becomes of later
    /// attempts.
    lost: Option<Box<(SocketAddr, Arc<ConnectionError>)>>,
    outcome: Option<Outcome>,
    notify: Notify,
}

impl Call {
    pub(crate) fn new(command: Command, terms: Terms, notify: Notify) -> Self {
        let (kind, frame) = command.split();
        let frame_bytes = frame.len();
        let state = Mutex::new(State { frame, attempts: 0, lost: None, outcome: None, notify });
        Self { link: Link::default(), terms, kind, frame_bytes, cancelled: AtomicBool::new(false), state }
    }

    /// The same as a new one, in place.
    fn renew(&mut self, command: Command, terms: Terms, notify: Notify) {
        let (kind, frame) = command.split();
        (self.kind, self.frame_bytes, self.terms) = (kind, frame.len(), terms);
        *self.cancelled.get_mut() = false;
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        (state.frame, state.attempts, state.lost, state.notify) = (frame, 0, None, notify);
    }

    /// Forgets all that it was about.
    fn clear(&mut self) {
        self.terms = Terms::default();
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        (state.outcome, state.notify) = (None, Notify::Nobody);
    }

    /// Takes the outcome, or leaves `waker` to be woken when it is there.
    ///
    /// The outcome is given once; after that this is pending for ever.
    #[inline]
    pub fn poll(&self, waker: &Waker) -> Poll<Outcome> {
        let mut state = self.lock();
        if let Some(outcome) = state.outcome.take() {
            return Poll::Ready(outcome);
        }
        match &mut state.notify {
            Notify::Waker(known) => known.clone_from(waker),
            notify => *notify = Notify::Waker(waker.clone()),
        }
        Poll::Pending
    }

    /// Takes the outcome if it is there.
    #[inline]
    pub fn try_take(&self) -> Option<Outcome> {
        self.lock().outcome.take()
    }

    /// Whether the outcome is there (and has not been taken).
    pub fn is_done(&self) -> bool {
        self.lock().outcome.is_some()
    }

    /// Nobody wants the outcome any more. If the request is on its way, its stream id stays taken until the answer comes.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
        self.lock().notify = Notify::Nobody;
    }

    /// What was said about the request.
    #[inline]
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// Lends the frame to `send` and counts the attempt.
    pub(crate) fn send<T>(&self, send: impl FnOnce(&[u8]) -> T) -> T {
        let mut state = self.lock();
        state.attempts = state.attempts.saturating_add(1);
        send(&state.frame)
    }

    /// How many attempts were made.
    pub(crate) fn attempts(&self) -> u8 {
        self.lock().attempts
    }

    /// The last attempt may or may not have been carried out, and there will be another one.
    pub(crate) fn lost(&self, node: SocketAddr, cause: Arc<ConnectionError>) {
        self.lock().lost = Some(Box::new((node, cause)));
    }

    /// An error is about the last attempt. If the server can have seen an earlier one, it must not say otherwise.
    pub(crate) fn with_earlier_attempts(&self, error: RequestError) -> RequestError {
        if error.fate() == Fate::Unknown {
            return error;
        }
        match self.lock().lost.take() {
            Some(lost) => error.after_loss(lost.0, lost.1),
            None => error,
        }
    }

    /// Stores a small answer, copied into the memory that the frame had.
    pub(crate) fn answer(&self, header: Header, coordinator: SocketAddr, body: &[u8]) -> Notify {
        let mut state = self.lock();
        let mut memory = std::mem::take(&mut state.frame);
        memory.clear();
        memory.extend_from_slice(body);
        state.outcome = Some(Ok(Reply::Answer(Answer { header, body: memory, coordinator })));
        std::mem::take(&mut state.notify)
    }

    /// Stores the outcome.
    pub(crate) fn finish(&self, outcome: Outcome) -> Notify {
        let mut state = self.lock();
        state.outcome = Some(outcome);
        std::mem::take(&mut state.notify)
    }

    /// Takes back what was submitted, so that it can be submitted again.
    /// Takes an owned answer without copying its body.
    pub(crate) fn answer_owned(&self, header: Header, coordinator: SocketAddr, body: Vec<u8>) -> Notify {
        self.finish(Ok(Reply::Answer(Answer { header, body, coordinator })))
    }

    pub(crate) fn into_parts(self) -> (Vec<u8>, Terms, Notify) {
        let state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        (state.frame, self.terms, state.notify)
    }

    // Nothing under this lock can panic half-way through a change, so poison carries no news.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
