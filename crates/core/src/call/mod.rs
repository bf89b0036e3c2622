//! A request on its way: one allocation that caller and machine share.
//!
//! A [`Call`] is made and pushed by [`Inbox::submit`](crate::Inbox::submit). The machine copies its frame to a connection,
//! keeps it for a possible second attempt, and at the end puts the answer in the same allocation and tells whoever waits
//! ([`Notify`]). Until then the caller may poll it, or cancel it by dropping its interest.

mod error;
mod owned;
mod recycle;
mod settled;
mod shared;

pub use error::{ClosedBecause, Fate, NodeFailure, ReprepareFailure, RequestError};
pub use settled::{Settled, Window};
pub use shared::{Call, Done, Unsent};
pub(crate) use shared::{Entry, Finished, Shared, pair};

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use crate::protocol::{Header, Version};
use crate::reactor::ConnId;
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
    /// To [`Command::Pause`].
    Elapsed,
    /// To [`Command::Authenticate`].
    Noticed,
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
    /// In a box, for few requests have any of it.
    pub rare: Option<Box<RareTerms>>,
}

/// What is to be known of few requests.
#[derive(Clone, Debug, Default)]
pub struct RareTerms {
    /// The only node that it may be sent to.
    pub node: Option<SocketAddr>,
    /// For BATCH: what of it is prepared, to be prepared again on a node that doesn't know it.
    pub statements: Vec<Arc<PreparedStatement>>,
}

impl Terms {
    /// The rare ones, to be changed.
    pub fn rare(&mut self) -> &mut RareTerms {
        self.rare.get_or_insert_default()
    }

    /// The only node that it may be sent to, if there is one.
    #[inline]
    pub(crate) fn node(&self) -> Option<SocketAddr> {
        self.rare.as_ref()?.node
    }

    /// Whether the server may not know a statement of it.
    #[inline]
    pub(crate) fn is_prepared(&self) -> bool {
        self.statement.is_some() || self.rare.as_ref().is_some_and(|rare| !rare.statements.is_empty())
    }

    /// The statement that the server calls `id`. An EXECUTE has but one.
    pub(crate) fn statement_called(&self, id: &[u8]) -> Option<&Arc<PreparedStatement>> {
        let of_batch = || self.rare.as_ref()?.statements.iter().find(|statement| *statement.id == *id);
        self.statement.as_ref().or_else(of_batch)
    }

    /// How many statements a server may not know one after another.
    pub(crate) fn statements(&self) -> usize {
        self.rare.as_ref().map_or(0, |rare| rare.statements.len())
    }
}

/// Called on the machine's thread with a request that has come to its end.
pub type Callback = Box<dyn FnOnce(Done) + Send>;

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
    /// Answer after this time. For what is to be tried again later: whoever waits for it runs on no clock of ours.
    Pause {
        /// How long.
        duration: Duration,
    },
    /// An [`Authenticator`](crate::machine::Authenticator) has answered a question about this connection: look at what.
    Authenticate(ConnId),
}

impl Command {
    #[inline]
    fn split(self) -> (Kind, Vec<u8>) {
        match self {
            Self::Send(frame) => (Kind::Send, frame),
            Self::Connect => (Kind::Connect, Vec::new()),
            Self::Close { drain } => (Kind::Close { drain }, Vec::new()),
            Self::Pause { duration } => (Kind::Pause { duration }, Vec::new()),
            Self::Authenticate(conn) => (Kind::Authenticate(conn), Vec::new()),
        }
    }
}

/// A request with both of its handles.
pub(crate) fn make(command: Command, terms: Terms, notify: Notify) -> (Call, Entry) {
    pair(Unsent::of(command, terms), notify)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Send,
    Connect,
    Close { drain: Duration },
    Pause { duration: Duration },
    Authenticate(ConnId),
}
