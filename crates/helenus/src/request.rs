//! A request: inert until it is used in one of four ways.

use std::fmt;
use std::future::IntoFuture;
use std::time::Duration;

use helenus_core::call::{Answer, Command, Fate, Notify, Outcome, Reply, Terms};
use helenus_core::protocol::response::{Message, Response as ProtocolResponse};
use helenus_core::protocol::{Consistency, DecodeError, Version};

use crate::draft::Draft;
use crate::stream::{BlockingRows, RowStream};
use crate::{Error, PagingState, Pending, Response, Session};

/// An operation on its way to be used: await it, [`wait`](Request::wait) for it, [`submit`](Request::submit) it, or give
/// it a callback by [`on_complete`](Request::on_complete). It is `'static` and `Send`, and works on any executor.
///
/// An error in its values surfaces when it is used.
#[must_use = "a request does nothing until it is awaited, waited for, submitted or given a callback"]
pub struct Request<T: FromAnswer> {
    session: Session,
    draft: Result<Draft, Error>,
    context: T::Context,
}

/// What an answer can be read as: [`Response`] and [`Prepared`](crate::Prepared).
pub trait FromAnswer: Sized + Send + Sealed + 'static {
    /// What is known before the answer.
    #[doc(hidden)]
    type Context: Send + Unpin + 'static;

    #[doc(hidden)]
    fn from_answer(answer: Answer, terms: &Terms, context: Self::Context) -> Result<Self, Error>;
}

/// Keeps [`FromAnswer`] ours.
pub trait Sealed {}

/// Where a callback runs: the session's loop. What it submits leaves in the same turn, without a hop between threads.
#[derive(Debug)]
pub struct Context {
    session: Session,
}

impl Context {
    /// The session whose request was completed.
    pub fn session(&self) -> &Session {
        &self.session
    }
}

impl<T: FromAnswer> Request<T> {
    pub(crate) fn new(session: &Session, draft: Result<Draft, Error>, context: T::Context) -> Self {
        Self { session: session.clone(), draft, context }
    }

    /// How many replicas must answer.
    pub fn consistency(self, consistency: Consistency) -> Self {
        self.with(|draft| draft.options.consistency = Some(consistency))
    }

    /// For the serial phase of a conditional statement: `SERIAL` or `LOCAL_SERIAL`.
    pub fn serial_consistency(self, consistency: Consistency) -> Self {
        self.with(|draft| draft.options.serial_consistency = Some(consistency))
    }

    /// How long it may take from when the machine takes it, second attempts included.
    pub fn timeout(self, timeout: Duration) -> Self {
        self.with(|draft| draft.options.timeout = Some(Some(timeout)))
    }

    /// Waits however long it takes.
    pub fn no_timeout(self) -> Self {
        self.with(|draft| draft.options.timeout = Some(None))
    }

    /// Whether doing it twice is the same as doing it once. Only then is it sent again when its connection is lost and its
    /// fate unknown.
    pub fn idempotent(self, idempotent: bool) -> Self {
        self.with(|draft| draft.options.idempotent = idempotent)
    }

    /// Asks the server to trace it; the answer has a [`tracing_id`](Response::tracing_id).
    pub fn tracing(self) -> Self {
        self.with(|draft| draft.options.tracing = true)
    }

    pub(crate) fn with(mut self, change: impl FnOnce(&mut Draft)) -> Self {
        if let Ok(draft) = &mut self.draft {
            change(draft);
        }
        self
    }

    pub(crate) fn into_draft(self) -> (Session, Result<Draft, Error>) {
        (self.session, self.draft)
    }

    /// Gives session, the sealed frame or what is wrong with it, and the context.
    #[inline]
    #[expect(clippy::type_complexity, reason = "three parts that are taken apart where they come out")]
    pub(crate) fn seal(self) -> (Session, Result<(Vec<u8>, Terms), Error>, T::Context) {
        let Self { session, draft, context } = self;
        let draft = session.may_use(Fate::NeverSent).and(draft);
        let sealed = draft.and_then(|mut draft| draft.seal(session.version(), &session.0.defaults));
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
    /// here and now.
    ///
    /// A callback that panics is caught and counted ([`Counters::callback_panics`](crate::Counters)). One that blocks
    /// holds the loop up.
    pub fn on_complete(self, callback: impl FnOnce(&Context, Result<T, Error>) + Send + 'static) {
        let (session, sealed, context) = self.seal();
        let (frame, terms) = match sealed {
            Ok(sealed) => sealed,
            Err(error) => return callback(&Context { session }, Err(error)),
        };
        // No handle: the machine that has the callback ends with the last of these.
        let told = session.0.clone();
        let callback = Box::new(move |outcome: Outcome, terms: &Terms| {
            let result = finish(outcome, terms, context);
            callback(&Context { session: Session::of(told) }, result);
        });
        if let Err(rejected) = session.inbox().submit(Command::Send(frame), terms, Notify::Callback(callback))
        {
            if let Notify::Callback(callback) = rejected.notify {
                callback(Err(rejected.error), &rejected.terms);
            }
        }
    }
}

impl Request<Response> {
    /// At most so many rows in a page. The server takes it for a hint.
    pub fn page_size(self, rows: i32) -> Self {
        self.with(|draft| draft.options.page_size = Some(rows.max(1)))
    }

    /// Goes on where an earlier page of the same statement with the same values ended.
    pub fn page(self, state: PagingState) -> Self {
        self.with(|draft| draft.options.paging_state = Some(state))
    }

    /// All rows of all pages as a stream; the next page is fetched while this one is read, and no more than that.
    pub fn stream<R>(self) -> RowStream<R> {
        RowStream::new(self)
    }

    /// All rows of all pages, blocking where the next page hasn't come yet.
    pub fn blocking_iter<R>(self) -> BlockingRows<R> {
        BlockingRows::new(RowStream::new(self))
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
pub(crate) fn finish<T: FromAnswer>(
    outcome: Outcome,
    terms: &Terms,
    context: T::Context,
) -> Result<T, Error> {
    match outcome {
        Ok(Reply::Answer(answer)) => T::from_answer(answer, terms, context),
        // `Command::Send` is answered by `Reply::Answer` alone.
        Ok(Reply::Connected(_) | Reply::Closed) => unreachable!("an answer to another command"),
        Err(error) => Err(Error::Request(error)),
    }
}

pub(crate) fn decode(answer: &Answer) -> Result<ProtocolResponse<'_>, Error> {
    // The machine has compared the header's version with the session's.
    let version = Version::from_byte(answer.header.version).unwrap_or(Version::LATEST);
    ProtocolResponse::decode(version, &answer.header, &answer.body)
        .map_err(|error| Error::Response { node: answer.coordinator, error })
}

/// The error for an answer that is none of those that were wanted.
pub(crate) fn unexpected(answer: &Answer, message: Message<'_>) -> Error {
    let node = answer.coordinator;
    match message {
        Message::Error(error) => Error::Server { node, error: Box::new(error) },
        _ => {
            let error = DecodeError::Unknown {
                what: "answer to this request: opcode",
                code: answer.header.opcode.into(),
            };
            Error::Response { node, error }
        }
    }
}

impl<T: FromAnswer> fmt::Debug for Request<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("draft", &self.draft).finish_non_exhaustive()
    }
}
