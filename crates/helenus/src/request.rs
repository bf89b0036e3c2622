//! A request: inert until it is used in one of four ways.

use std::fmt;
use std::future::IntoFuture;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::task::{Poll, Waker};
use std::time::Duration;

use helenus_core::call::{Done, Fate, Notify, Unsent};
use helenus_core::protocol::response::{Message, Response as ProtocolResponse};
use helenus_core::protocol::{Consistency, DecodeError, Flags, SerialConsistency, Version};

use crate::draft::Draft;
use crate::session::Shared;
use crate::settings::{Stamp, custom_payload};
use crate::stream::{BlockingRows, RowStream};
use crate::{BlockingPages, Error, Notes, PageStream, PagingState, Pending, Profile, Response, Session};

/// An operation on its way to be used: await it, [`wait`](Request::wait) for it, [`submit`](Request::submit) it, or give
/// it a callback by [`on_complete`](Request::on_complete). It is `'static` and `Send`, and works on any executor.
///
/// An error in its values surfaces when it is used.
#[must_use = "a request does nothing until it is awaited, waited for, submitted or given a callback"]
pub struct Request<T: FromAnswer> {
    session: Session,
    draft: Result<Draft, Box<Error>>,
    context: T::Context,
}

/// What an answer can be read as: [`Response`] and [`Prepared`](crate::Prepared).
pub trait FromAnswer: Sized + Send + Closed + 'static {
    /// What is known before the answer.
    #[doc(hidden)]
    type Context: Send + Unpin + 'static;

    /// One request of several who want the same.
    #[doc(hidden)]
    type Company: Send + Unpin + 'static;

    /// Joins those who want the same, if that may be; gives `unsent` back if it goes alone.
    #[doc(hidden)]
    fn join(session: &Session, context: &Self::Context, unsent: Unsent) -> Result<Self::Company, Unsent>;

    /// What came of it; `unsent` if it is to go alone after all.
    #[doc(hidden)]
    fn poll_company(company: &mut Self::Company, waker: &Waker) -> Poll<Result<Result<Self, Error>, Unsent>>;

    #[doc(hidden)]
    fn from_answer(answer: Done, context: Self::Context, keyspace: &Option<Arc<str>>) -> Result<Self, Error>;
}

/// Keeps [`FromAnswer`] ours.
pub trait Closed {}

/// A request that can be sent, or what is wrong with it.
pub(crate) type Sealed = Result<Unsent, Box<Error>>;

/// Where a callback runs: the session's loop. What it submits leaves in the same turn, without a hop between threads.
pub struct Context {
    origin: Origin,
    /// Made of a `Bare` origin when it is asked for.
    session: OnceLock<Session>,
}

/// What a callback has of its session.
pub(crate) enum Origin {
    /// A handle, as users have.
    Handle(Session),
    /// No handle: a machine that only its callers drive, and that has the callback, ends with the last of these.
    Bare(Arc<Shared>),
}

impl Origin {
    pub(crate) fn shared(&self) -> &Shared {
        match self {
            Self::Handle(session) => &session.0,
            Self::Bare(shared) => shared,
        }
    }
}

impl Context {
    fn new(origin: Origin) -> Self {
        Self { origin, session: OnceLock::new() }
    }

    /// The session whose request was completed.
    pub fn session(&self) -> &Session {
        match &self.origin {
            Origin::Handle(session) => session,
            Origin::Bare(shared) => self.session.get_or_init(|| Session::of(shared.clone())),
        }
    }
}

impl<T: FromAnswer> Request<T> {
    #[inline]
    pub(crate) fn new(session: &Session, draft: Result<Draft, Error>, context: T::Context) -> Self {
        Self { session: session.clone(), draft: draft.map_err(Box::new), context }
    }

    /// How many replicas must answer.
    pub fn consistency(self, consistency: Consistency) -> Self {
        self.with(|draft| draft.set_consistency(consistency))
    }

    /// How far the serial phase of a conditional statement goes; over all data centres unless set.
    pub fn serial_consistency(self, consistency: SerialConsistency) -> Self {
        self.with(|draft| draft.options().tail.serial_consistency = Some(consistency))
    }

    /// The timestamp of what is written, in microseconds since 1970, in place of the session's. `USING TIMESTAMP` in the
    /// text wins over it, and conditional statements take none.
    pub fn timestamp_us(self, timestamp: i64) -> Self {
        self.with(|draft| draft.options().tail.timestamp = Some(Stamp::AtUs(timestamp)))
    }

    /// Lets the coordinator give the timestamp.
    pub fn server_timestamp(self) -> Self {
        self.with(|draft| draft.options().tail.timestamp = Some(Stamp::Server))
    }

    /// How long it may take from when the machine takes it, second attempts included.
    pub fn timeout(self, timeout: Duration) -> Self {
        self.with(|draft| draft.terms().timeout = Some(timeout))
    }

    /// Waits however long it takes.
    pub fn no_timeout(self) -> Self {
        self.with(|draft| draft.terms().timeout = None)
    }

    /// Whether doing it twice is the same as doing it once. Only then is it sent again when its connection is lost and its
    /// fate unknown.
    pub fn idempotent(self, idempotent: bool) -> Self {
        self.with(|draft| draft.set_idempotent(idempotent))
    }

    /// Asks the server to trace it; the answer has a [`tracing_id`](Response::tracing_id).
    pub fn tracing(self) -> Self {
        self.with(|draft| draft.set_tracing(true))
    }

    /// Bytes for an extension of the server, by keys (v4 and later; section 2.2).
    pub fn custom_payload<K: Into<String>, V: Into<Vec<u8>>>(
        self,
        entries: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        self.with(|draft| draft.options().tail.custom_payload = Some(custom_payload(entries)))
    }

    /// What the server takes for the current time where time to live is concerned, in seconds since 1970 (v5).
    pub fn now_in_seconds(self, now: i32) -> Self {
        self.with(|draft| draft.options().tail.now_in_seconds = Some(now))
    }

    /// Sends it to this node alone, as [`coordinator`](Response::coordinator) names it. Without a connection to that node it
    /// fails ([`RequestError::NotConnected`](crate::RequestError::NotConnected)).
    pub fn node(self, node: SocketAddr) -> Self {
        self.with(|draft| draft.terms().rare().node = Some(node))
    }

    /// As if all that `profile` says were said here.
    pub fn profile(self, profile: &Profile) -> Self {
        self.with(|draft| draft.say_all(Some(&profile.0)))
    }

    pub(crate) fn with(mut self, change: impl FnOnce(&mut Draft)) -> Self {
        if let Ok(draft) = &mut self.draft {
            change(draft);
        }
        self
    }

    pub(crate) fn into_draft(self) -> (Session, Result<Draft, Box<Error>>) {
        (self.session, self.draft)
    }

    /// Gives session, the sealed request or what is wrong with it, and the context.
    #[inline(always)]
    pub(crate) fn seal(self) -> (Session, Sealed, T::Context) {
        let Self { session, draft, context } = self;
        let sealed = match draft {
            Ok(draft) if !session.0.is_forked() => draft.seal(&session),
            Ok(_) => Err(Box::new(Error::Forked { fate: Fate::NeverSent })),
            Err(error) => Err(error),
        };
        (session, sealed, context)
    }

    /// Starts it. Dropping the [`Pending`] cancels it.
    pub fn submit(self) -> Pending<T> {
        let mut pending = self.into_future();
        pending.start(Notify::Nobody);
        pending
    }

    /// Blocks until it is done.
    ///
    /// # Errors
    /// Those of the request; [`Error::WouldDeadlock`] on a thread that runs the session's machine.
    pub fn wait(self) -> Result<T, Error> {
        self.session.may_block()?;
        self.into_future().wait()
    }

    /// Starts it, and calls `callback` on the session's loop when it is done. If it can't be started, `callback` is called
    /// here and now: one that then tries again at once calls itself.
    ///
    /// A callback that panics is caught and counted ([`Counters::callback_panics`](crate::Counters)). One that blocks
    /// holds the loop up, and all requests of that loop, timeouts too. Where the loop is a task of a runtime, threads that
    /// wait meanwhile may take it for one that nobody runs ([`Error::NotDriven`]).
    pub fn on_complete(self, callback: impl FnOnce(&Context, Result<T, Error>) + Send + 'static) {
        let (session, sealed, context) = self.seal();
        let origin = session.origin();
        let unsent = match sealed {
            Ok(unsent) => unsent,
            Err(error) => return callback(&Context::new(origin), Err(*error)),
        };
        let callback = Box::new(move |done: Done| {
            let result = finish(done, context, origin.shared());
            callback(&Context::new(origin), result);
        });
        if let Err(refused) = session.inbox().send(unsent, Notify::Callback(callback)) {
            if let Notify::Callback(callback) = refused.notify {
                callback(refused.unsent.into_failed(refused.error));
            }
        }
    }
}

impl Request<Response> {
    /// At most so many rows in a page. The server takes it for a hint.
    pub fn page_size(self, rows: i32) -> Self {
        self.with(|draft| draft.options().tail.page_size = Some(rows.max(1)))
    }

    /// Goes on where an earlier page of the same statement with the same values ended. A state of another one is
    /// [`Error::PagingState`] when the request is used.
    pub fn page(self, state: PagingState) -> Self {
        self.with(|draft| draft.options().paging_state = Some(state))
    }

    /// All rows of all pages as a stream; the next page is fetched while this one is read, and no more than that.
    pub fn stream<R>(self) -> RowStream<R> {
        RowStream::new(self.pages())
    }

    /// All rows of all pages, blocking where the next page hasn't come yet.
    pub fn blocking_iter<R>(self) -> BlockingRows<R> {
        BlockingRows::new(self.stream())
    }

    /// All pages as a stream of [`Response`]s, whose rows may borrow from them ([`Response::page_rows`]); the next page is
    /// fetched while one is read, and no more than that.
    ///
    /// ```no_run
    /// use futures_util::StreamExt;
    ///
    /// # async fn print(session: &helenus::Session) -> Result<(), helenus::Error> {
    /// let mut pages = session.query("SELECT id, name FROM ks.users", ()).pages();
    /// while let Some(page) = pages.next().await {
    ///     for row in page?.page_rows::<(i64, &str)>()? {
    ///         let (id, name) = row?;
    ///         println!("{id} {name}");
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn pages(self) -> PageStream {
        PageStream::new(self)
    }

    /// All pages, blocking where the next one hasn't come yet.
    pub fn blocking_pages(self) -> BlockingPages {
        BlockingPages::new(self.pages())
    }
}

impl<T: FromAnswer> IntoFuture for Request<T> {
    type Output = Result<T, Error>;
    type IntoFuture = Pending<T>;

    fn into_future(self) -> Pending<T> {
        let (session, sealed, context) = self.seal();
        Pending::new(session, sealed, context)
    }
}

/// What a user gets for what the machine got.
#[inline]
pub(crate) fn finish<T: FromAnswer>(
    mut done: Done,
    context: T::Context,
    shared: &Shared,
) -> Result<T, Error> {
    match done.take_error() {
        None if shared.defaults.compression.is_some() => {
            T::from_answer(decompressed(done, shared)?, context, &shared.keyspace)
        }
        None => T::from_answer(done, context, &shared.keyspace),
        Some(error) => Err(Error::Request(error)),
    }
}

/// Answers are decompressed here, on the caller's thread, so that it costs the loop nothing. One that can't be is an error of
/// this request alone.
#[cold]
fn decompressed(mut done: Done, shared: &Shared) -> Result<Done, Error> {
    match done.decompress(shared.defaults.compression, shared.defaults.frame_bytes_max) {
        Ok(()) => Ok(done),
        Err(error) => Err(Error::Response { node: done.coordinator(), error }),
    }
}

pub(crate) fn decode(answer: &Done) -> Result<ProtocolResponse<'_>, Error> {
    // The machine has compared the header's version with the session's.
    let version = Version::from_byte(answer.header().version).unwrap_or(Version::LATEST);
    let compressed = answer.header().flags.contains(Flags::COMPRESSION) && !version.has_segments();
    let response = match compressed {
        true => {
            Err(DecodeError::Unsupported { what: "a compressed body, where no compression was asked for," })
        }
        false => ProtocolResponse::decode(version, answer.header(), answer.body()),
    };
    response.map_err(|error| Error::Response { node: answer.coordinator(), error })
}

/// The error for an answer that is none of those that were wanted.
pub(crate) fn unexpected(answer: &Done, message: Message<'_>, notes: Notes) -> Error {
    let node = answer.coordinator();
    match message {
        Message::Error(error) => Error::Server { node, error: Box::new(error), notes },
        _ => {
            let error = DecodeError::Unknown {
                what: "answer to this request: opcode",
                code: answer.header().opcode.into(),
            };
            Error::Response { node, error }
        }
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").finish_non_exhaustive()
    }
}

impl<T: FromAnswer> fmt::Debug for Request<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("draft", &self.draft).finish_non_exhaustive()
    }
}
