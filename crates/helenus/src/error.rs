//! What can go wrong, in words that say what happened, to which node, and what to do.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use helenus_core::call::{Fate, RequestError};
use helenus_core::machine::ContactPointError;
use helenus_core::protocol::{CompressionError, DecodeError, EncodeError, ServerError};
use helenus_core::reactor::LaunchError;
use helenus_core::value;

use crate::{Notes, PagingStateError};

/// Why a request failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A value can't be bound: it names marker, CQL type and Rust type. Never sent.
    Bind(value::BindError),
    /// The statement can't be put into a frame. Never sent.
    Encode(EncodeError),
    /// There is no answer.
    Request(RequestError),
    /// The node answered with an error.
    Server {
        /// The coordinator.
        node: SocketAddr,
        /// What it said.
        error: Box<ServerError>,
        /// What it said beside that: warnings, for one.
        notes: Notes,
    },
    /// The node's answer can't be read. Whether the request was carried out: it was, or was refused.
    Response {
        /// The coordinator.
        node: SocketAddr,
        /// What is wrong with it.
        error: DecodeError,
    },
    /// A row can't be read as the type asked for: it names column, CQL type and Rust type.
    Row(value::DecodeError),
    /// The result is not of the shape that was asked for.
    Shape(ShapeError),
    /// Blocking here would wait for itself: this thread runs the session's machine. Await, or use a callback.
    WouldDeadlock,
    /// The driver that is to run the session is not run by anyone. On a runtime whose threads all wait like this, it is they
    /// who should run it: await instead. Never on reactors with threads of their own.
    NotDriven {
        /// For how long what was submitted has not been taken.
        waited: Duration,
    },
    /// This process was forked from the one that connected: the session is the parent's. Connect anew.
    Forked {
        /// Whether the parent can have sent the request.
        fate: Fate,
    },
    /// A statement of a batch can't be sent. None of the batch was.
    Batch {
        /// Its number, counted from 0.
        statement: usize,
        /// What is wrong with it.
        error: Arc<Self>,
    },
    /// `USE` changes one connection of many. Never sent.
    UseStatement,
    /// The paging state doesn't belong to the request. Never sent.
    PagingState(PagingStateError),
    /// A trace isn't whole: its coordinator hasn't written how long it took.
    TraceIncomplete {
        /// The trace's.
        id: value::Uuid,
        /// How long it was waited for.
        waited: Duration,
    },
}

/// How a result differs from what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ShapeError {
    /// There are more pages than this one.
    MorePages,
    /// The statement has no rows as its result.
    NoRows,
    /// The statement has no conditions, so it can't be told whether they were true.
    NotConditional,
    /// Not exactly one row, or more than one.
    RowCount {
        /// How many there are.
        rows: usize,
    },
}

impl Error {
    /// Whether the server can have seen the request: whether repeating it could do it twice.
    pub fn fate(&self) -> Fate {
        match self {
            Self::Bind(_)
            | Self::Encode(_)
            | Self::Batch { .. }
            | Self::WouldDeadlock
            | Self::UseStatement
            | Self::PagingState(_) => Fate::NeverSent,
            Self::Request(error) => error.fate(),
            Self::Forked { fate } => *fate,
            Self::NotDriven { .. }
            | Self::Server { .. }
            | Self::Response { .. }
            | Self::Row(_)
            | Self::Shape(_)
            | Self::TraceIncomplete { .. } => Fate::Unknown,
        }
    }

    /// Whether no answer came in time.
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::Request(RequestError::TimedOut { .. }))
    }

    /// Whether too many requests are in flight.
    pub fn is_overloaded(&self) -> bool {
        matches!(self, Self::Request(RequestError::Overloaded { .. }))
    }

    /// Whether session or loop have ended.
    pub fn is_closed(&self) -> bool {
        matches!(self, Self::Request(RequestError::Closed { .. }))
    }

    /// What the server warned of, if it answered with an error.
    pub fn warnings(&self) -> &[String] {
        match self {
            Self::Server { notes, .. } => notes.warnings(),
            _ => &[],
        }
    }

    /// The same once more, for another who waited for the same request; `None` if it can't be told twice.
    pub(crate) fn again(&self) -> Option<Self> {
        match self {
            Self::Request(error) => Some(Self::Request(error.clone())),
            Self::Server { node, error, notes } => {
                Some(Self::Server { node: *node, error: error.clone(), notes: notes.clone() })
            }
            Self::Response { node, error } => Some(Self::Response { node: *node, error: *error }),
            _ => None,
        }
    }

    /// The error that the server answered, if that is what happened.
    pub fn server_error(&self) -> Option<&ServerError> {
        match self {
            Self::Server { error, .. } => Some(error),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bind(error) => error.fmt(f),
            Self::Encode(error) => error.fmt(f),
            Self::Request(error) => error.fmt(f),
            Self::Server { node, error, .. } => write!(f, "{node} answered: {error}"),
            Self::Response { node, error } => write!(f, "the answer of {node} can't be read: {error}"),
            Self::Row(error) => error.fmt(f),
            Self::Shape(error) => error.fmt(f),
            Self::WouldDeadlock => f.write_str(
                "blocking here would wait for ever, as this thread runs the session's machine; await the request, give it a \
                 callback, or wait on another thread",
            ),
            Self::NotDriven { waited } => write!(
                f,
                "nobody ran the session's driver for {waited:?} and more; keep its runtime running, and await instead of blocking \
                 on that runtime's threads; {}",
                Fate::Unknown
            ),
            Self::Forked { fate } => write!(
                f,
                "this process was forked from the one that connected, and the session is that one's; connect anew in the child; \
                 {fate}"
            ),
            Self::PagingState(error) => error.fmt(f),
            Self::TraceIncomplete { id, waited } => write!(
                f,
                "the trace {id} isn't whole {waited:?} after it was first looked for; try again later with `Session::trace`"
            ),
            Self::Batch { statement, error } => write!(f, "statement {statement} of the batch: {error}"),
            Self::UseStatement => f.write_str(
                "USE changes one connection of many; give the builder a keyspace, or write keyspace.table in statements",
            ),
        }
    }
}

impl fmt::Display for ShapeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MorePages => f.write_str(
                "the result has more pages than this one; use `stream` or `blocking_iter` for all of them, `page_rows` for this \
                 page alone, or a larger page size",
            ),
            Self::NotConditional => f.write_str(
                "the answer doesn't say whether it was applied: the statement has no IF, so it was, unless there is an error",
            ),
            Self::NoRows => f.write_str("the statement has no rows as its result"),
            Self::RowCount { rows: 0 } => f.write_str("no row came where one was wanted"),
            Self::RowCount { rows } => write!(f, "{rows} rows came where one was wanted"),
        }
    }
}

impl std::error::Error for ShapeError {}

/// The message holds the words of its causes, and the variants hold the causes: a `source` would say them twice.
impl std::error::Error for Error {}

impl From<RequestError> for Error {
    fn from(error: RequestError) -> Self {
        Self::Request(error)
    }
}

impl From<EncodeError> for Error {
    fn from(error: EncodeError) -> Self {
        Self::Encode(error)
    }
}

impl From<value::DecodeError> for Error {
    fn from(error: value::DecodeError) -> Self {
        Self::Row(error)
    }
}

impl From<ShapeError> for Error {
    fn from(error: ShapeError) -> Self {
        Self::Shape(error)
    }
}

/// Why there is no session.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// A contact point can't be read.
    ContactPoint(ContactPointError),
    /// None was given.
    NoContactPoint,
    /// TLS can't be as it was asked for.
    #[cfg(feature = "tls")]
    Tls(Arc<crate::tls::TlsSetupError>),
    /// No reactor was given, and this build has none that could be the default.
    NoReactor {
        /// Those that it has.
        compiled: &'static [&'static str],
    },
    /// The compression that was asked for is not in this build.
    Compression(CompressionError),
    /// The reactor could not start.
    Launch(LaunchError),
    /// No node took a connection; says why for each address.
    Unreachable(RequestError),
    /// Blocking here would wait for itself. Await instead.
    WouldDeadlock,
    /// This process was forked from the one that began to connect.
    Forked,
    /// The driver that is to run the session was not run by anyone.
    NotDriven {
        /// How long it was waited for: the handshake's timeout.
        waited: Duration,
    },
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ContactPoint(error) => error.fmt(f),
            #[cfg(feature = "tls")]
            Self::Tls(error) => error.fmt(f),
            Self::NoContactPoint => f.write_str("no contact point was given; name at least one node of the cluster"),
            Self::NoReactor { compiled: [] } => f.write_str(
                "this build of helenus has no reactor; turn on a feature such as `reactor-mio`, or give the builder one of \
                 your own",
            ),
            Self::NoReactor { compiled } => {
                write!(f, "several reactors are in this build ({}); give the builder one of them", compiled.join(", "))
            }
            Self::Compression(error) => error.fmt(f),
            Self::Launch(error) => error.fmt(f),
            Self::Unreachable(error) => error.fmt(f),
            Self::WouldDeadlock => Error::WouldDeadlock.fmt(f),
            Self::Forked => Error::Forked { fate: Fate::NeverSent }.fmt(f),
            Self::NotDriven { waited } => write!(
                f,
                "the session's driver was not run within {waited:?}; spawn it on a runtime that is running, and if that \
                 runtime is to run on this very thread, await the session instead of blocking"
            ),
        }
    }
}

/// The message holds the words of its causes, and the variants hold the causes: a `source` would say them twice.
impl std::error::Error for ConnectError {}
