//! The session: a handle on machines that run elsewhere.

use std::fmt;
use std::future::Future;
use std::ops::Deref;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use helenus_core::Inbox;
use helenus_core::call::{Command, Fate, Notify, Settled, Terms};
use helenus_core::machine::{Agreed, CompressionFallback, CounterReader, Counters};
use helenus_core::protocol::{Compression, Consistency, Version};
use helenus_core::reactor::{Latch, Running};
use helenus_core::value::EncodeValues;

use crate::cache::Cache;
use crate::caller::CallerDriven;
use crate::closing::Closing;
use crate::draft::Draft;
use crate::prepared::Preparing;
use crate::request::{Origin, Request};
use crate::thread::Patience;
use crate::timestamps::Timestamps;
use crate::{Batch, Completions, Error, Prepared, Response, SessionBuilder, Statement, fork, thread};

/// A session with a cluster. Cheap to clone and to share between threads; one is enough for a program.
///
/// When the last clone is dropped, what is pending gets a few seconds to finish in the background; [`Session::close`]
/// waits for that. Where only the callers drive the session, nothing can finish then, and it fails at once.
///
/// # Forks
/// A session belongs to the process that connected. In a child made by `fork` every use of it is [`Error::Forked`], and
/// dropping it touches nothing of the parent's; connect anew there. (`std::process::Command` is no concern: it replaces the
/// child by another program.) Fork while no thread uses the session, and not in a callback or a task of the runtime that
/// drives it: the child would go on running that loop. While a child lives that has not called `exec`, it holds the
/// parent's connections open, so that nodes hear of their end late.
pub struct Session(pub(crate) Arc<Handle>);

/// What all clones of a session share: one handle on what it consists of. Callbacks may have handles of their own.
pub(crate) struct Handle(Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) inboxes: Box<[Arc<Inbox>]>,
    pub(crate) counters: Box<[CounterReader]>,
    pub(crate) agreed: Arc<Agreed>,
    /// Open while no name is being looked up.
    pub(crate) errands: Arc<Latch>,
    pub(crate) running: Mutex<Option<Running>>,
    pub(crate) caller: Option<CallerDriven>,
    pub(crate) defaults: Defaults,
    pub(crate) prepared: Cache,
    /// The builder's.
    pub(crate) keyspace: Option<Arc<str>>,
    pub(crate) reactor: &'static str,
    /// Of threads that wait for machines that somebody else is to run.
    pub(crate) patience: Option<Patience>,
    /// [`fork::generation`] of the process that connected.
    pub(crate) generation: u32,
}

/// What holds for a request that says nothing else.
#[derive(Clone, Debug)]
pub(crate) struct Defaults {
    pub(crate) consistency: Consistency,
    pub(crate) timeout: Option<Duration>,
    pub(crate) page_size: i32,
    pub(crate) when_full: WhenFull,
    pub(crate) drain: Duration,
    /// What was asked for; connections may do without.
    pub(crate) compression: Option<Compression>,
    pub(crate) frame_bytes_max: u32,
    pub(crate) timestamps: Timestamps,
    pub(crate) prepared_max: usize,
}

/// What becomes of a request when too many are in flight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenFull {
    /// It fails at once with [`RequestError::Overloaded`](crate::RequestError::Overloaded).
    #[default]
    Fail,
    /// It waits until there is room, where waiting is possible: awaited, waited for, or in
    /// [`Session::execute_concurrent`]. A callback can't wait, so it still gets `Overloaded`.
    Wait,
}

/// What a session has counted.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Metrics {
    /// The counters of all shards, added up.
    pub counters: Counters,
    /// Requests accepted and not finished.
    pub in_flight: usize,
    /// Timestamps that were more than a second later than the clock
    /// ([`MonotonicTimestamps::ahead`](crate::MonotonicTimestamps::ahead)).
    pub timestamps_ahead: u64,
}

impl Session {
    /// A handle, for a user.
    pub(crate) fn of(shared: Arc<Shared>) -> Self {
        if let Some(caller) = &shared.caller {
            caller.hold();
        }
        Self(Arc::new(Handle(shared)))
    }

    /// What a callback of this session has of it.
    pub(crate) fn origin(&self) -> Origin {
        match &self.0.caller {
            Some(_) => Origin::Bare(self.0.0.clone()),
            None => Origin::Handle(self.clone()),
        }
    }

    /// Says how to connect.
    pub fn builder() -> SessionBuilder {
        SessionBuilder::new()
    }

    /// A statement that is not prepared: text, or a [`Statement`] with settings. `values` go to its markers in their natural
    /// types ([`value`](crate::value)), in order or, if they have names, by these; where types matter, prepare it.
    pub fn query<'a>(
        &self,
        statement: impl Into<Statement<'a>>,
        values: impl EncodeValues,
    ) -> Request<Response> {
        let draft = Draft::query(self.version(), &self.0.defaults, &statement.into(), &values);
        Request::new(self, draft, ())
    }

    /// Prepares a statement, on one node; others prepare it when they first see it.
    ///
    /// The session remembers what it has prepared ([`SessionBuilder::prepared_cache`]): the same text in the same keyspace is
    /// asked for once, also by many at a time. A request with a timeout, a node or other words of its own asks the server
    /// anyhow, and so does one with a callback.
    pub fn prepare<'a>(&self, statement: impl Into<Statement<'a>>) -> Request<Prepared> {
        let statement = statement.into();
        let draft = Draft::prepare(self.version(), &self.0.defaults, &statement);
        Request::new(self, draft, Preparing::of(&statement))
    }

    /// A prepared statement with values for its markers, checked and encoded here and now. What is wrong with them
    /// surfaces when the request is used.
    pub fn execute(&self, prepared: &Prepared, values: impl EncodeValues) -> Request<Response> {
        let draft = Draft::execute(self.version(), &self.0.defaults, prepared, &values);
        Request::new(self, draft, ())
    }

    /// Several writes as one request. The batch can be used again.
    pub fn batch(&self, batch: &Batch) -> Request<Response> {
        Request::new(self, Draft::batch(self.version(), &self.0.defaults, batch), ())
    }

    /// Runs `requests` with at most `limit` of them in flight, at least one. The results come as they finish, each with
    /// its request's number; [`Completions::ordered`] gives them in the order of the requests.
    ///
    /// This is the fastest way to do many things: the completions of one turn arrive as one list with one wake.
    pub fn execute_concurrent<I>(&self, requests: I, limit: usize) -> Completions<I::IntoIter>
    where
        I: IntoIterator<Item = Request<Response>>,
    {
        Completions::new(self.clone(), requests.into_iter(), limit)
    }

    /// Runs a future on this thread and, if the session is driven by its callers, the machine too.
    ///
    /// # Errors
    /// [`Error::WouldDeadlock`] on a thread that runs the session's machine, [`Error::NotDriven`] if nobody runs it, and
    /// [`Error::Forked`] in a child of the process that connected.
    pub fn block_on<F: Future>(&self, future: F) -> Result<F::Output, Error> {
        self.may_block()?;
        if let Some(caller) = &self.0.caller {
            return caller.block_on(future).ok_or(Error::Forked { fate: Fate::Unknown });
        }
        thread::block_on_driven(future, self.inbox(), self.0.patience)
            .map_err(|waited| Error::NotDriven { waited })
    }

    /// Refuses new requests, lets those in flight finish for at most the builder's drain time, closes all connections, and
    /// completes when no thread, socket or buffer of the session is left.
    ///
    /// If the system is looking a name up meanwhile, which can't be interrupted and may take it half a minute, that is waited
    /// for too. Whoever has no time for it drops the future: what it began goes on without it.
    pub fn close(&self) -> Closing {
        Closing::new(self.clone())
    }

    /// What the session has counted.
    pub fn metrics(&self) -> Metrics {
        let timestamps_ahead = self.0.defaults.timestamps.ahead();
        let mut metrics = Metrics { timestamps_ahead, ..Metrics::default() };
        for (counters, inbox) in self.0.counters.iter().zip(&self.0.inboxes) {
            metrics.counters += counters.snapshot();
            metrics.in_flight += inbox.in_flight();
        }
        metrics
    }

    /// The protocol version that it speaks with every node.
    pub fn version(&self) -> Version {
        // A `Session` is given out once a connection has agreed on a version.
        self.0.agreed.version().unwrap_or(Version::V3)
    }

    /// What its connections are compressed with; `None` if that was not asked for, or no node can (see
    /// [`Session::compression_fallback`]).
    pub fn compression(&self) -> Option<Compression> {
        self.0.agreed.compression()
    }

    /// The first connection that is not compressed although the builder was told to, and why; how many there are now is
    /// `connections_uncompressed` of [`Session::metrics`].
    pub fn compression_fallback(&self) -> Option<&CompressionFallback> {
        self.0.agreed.compression_fallback()
    }

    /// The name of the reactor that runs it.
    pub fn reactor(&self) -> &'static str {
        self.0.reactor
    }

    /// The inbox that this thread uses: the machine's own in its callbacks, else always the same.
    #[inline]
    pub(crate) fn inbox(&self) -> &Arc<Inbox> {
        match &*self.0.inboxes {
            [only] => only,
            inboxes => &inboxes[Settled::delivering().unwrap_or_else(thread::number) % inboxes.len()],
        }
    }

    /// Whether this is the process that connected, and so may use the session. If not, `fate` is the request's.
    #[inline]
    pub(crate) fn may_use(&self, fate: Fate) -> Result<(), Error> {
        if self.0.is_forked() { Err(Error::Forked { fate }) } else { Ok(()) }
    }

    pub(crate) fn may_block(&self) -> Result<(), Error> {
        self.may_use(Fate::Unknown)?;
        let owned = match &self.0.caller {
            Some(caller) => caller.is_driven_by_this_thread(),
            None => self.0.inboxes.iter().any(|inbox| inbox.is_run_by_this_thread()),
        };
        if owned || Settled::delivering().is_some() { Err(Error::WouldDeadlock) } else { Ok(()) }
    }
}

impl Shared {
    #[inline]
    pub(crate) fn is_forked(&self) -> bool {
        fork::generation() != self.generation
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        for inbox in &self.inboxes {
            let close = Command::Close { drain: self.defaults.drain };
            // An inbox that refuses this has no machine any more.
            let _ = inbox.submit(close, Terms::default(), Notify::Nobody);
        }
    }
}

impl Clone for Session {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl Deref for Handle {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if self.0.is_forked() {
            // All of it is the parent's: closing a socket here would take it out of the epoll set that both share, and its
            // locks may be held by threads that this process doesn't have. It lives on, until this process ends.
            return std::mem::forget(self.0.clone());
        }
        if let Some(caller) = &self.0.caller {
            caller.let_go();
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("reactor", &self.0.reactor)
            .field("version", &self.version())
            .field("compression", &self.compression())
            .field("shards", &self.0.inboxes.len())
            .finish_non_exhaustive()
    }
}
