//! Why a request has no answer.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::machine::ConnectionError;

/// Whether the server can have seen a request that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// No byte of it left this process, or the server said that it did not carry it out: sending it again is safe.
    NeverSent,
    /// It may or may not have been carried out.
    Unknown,
}

/// Why everything ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClosedBecause {
    /// The session was closed or its last clone dropped.
    SessionClosed,
    /// The event loop or runtime that ran the session ended first.
    LoopEnded,
    /// The machine panicked; this is a bug in helenus.
    Panicked,
}

/// One address, and why it could not be used.
#[derive(Clone, Debug)]
pub struct NodeFailure {
    /// The contact point as it was given.
    pub contact_point: Arc<str>,
    /// The address; `None` if the name could not be resolved.
    pub address: Option<SocketAddr>,
    /// Why.
    pub cause: Arc<ConnectionError>,
}

impl fmt::Display for NodeFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            Some(address) if *self.contact_point == *address.to_string() => {
                write!(f, "{address}: {}", self.cause)
            }
            Some(address) => write!(f, "{} ({address}): {}", self.contact_point, self.cause),
            None => write!(f, "{}: {}", self.contact_point, self.cause),
        }
    }
}

/// Why a request has no answer. (An ERROR response is an answer.)
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum RequestError {
    /// Too many requests are in flight; this one was not accepted.
    Overloaded {
        /// How many are accepted and unfinished.
        in_flight: usize,
        /// How many bytes their frames have.
        in_flight_bytes: usize,
    },
    /// Session, loop or machine have ended.
    Closed {
        /// Why.
        because: ClosedBecause,
        /// Whether the server can have seen it.
        fate: Fate,
    },
    /// No node can be reached. Lists every address tried.
    NoConnection(Arc<[NodeFailure]>),
    /// No answer came in time.
    TimedOut {
        /// Where it was sent; `None` if it was still waiting for a connection and so was never sent.
        node: Option<SocketAddr>,
        /// The timeout that it had.
        after: Duration,
    },
    /// Its connection ended before the answer came.
    ConnectionLost {
        /// The node at its other end.
        node: SocketAddr,
        /// Whether the server can have seen it.
        fate: Fate,
        /// What happened to the connection.
        cause: Arc<ConnectionError>,
    },
    /// The node doesn't know the prepared statement, and preparing it again did not help.
    Reprepare {
        /// The node.
        node: SocketAddr,
        /// What went wrong.
        reason: ReprepareFailure,
    },
    /// It was to go to one node alone, and that one has no connection; it was not sent.
    NotConnected {
        /// The node.
        node: SocketAddr,
    },
    /// The frame is longer than the limit; it was not sent.
    TooLong {
        /// Its length.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
}

/// What went wrong when a statement was prepared again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReprepareFailure {
    /// The node gave it another id: its meaning has changed (another keyspace, say).
    IdChanged,
    /// The node still doesn't know it, after several attempts.
    StillUnprepared,
    /// The types of its bind markers are others now, so that the values would be taken for something else.
    MarkersChanged,
    /// The node misses a statement that the request doesn't have.
    UnknownId,
    /// What the node answered to PREPARE makes no sense.
    BadAnswer,
}

impl RequestError {
    /// Whether the server can have seen the request.
    pub fn fate(&self) -> Fate {
        match self {
            Self::Overloaded { .. }
            | Self::NoConnection(_)
            | Self::NotConnected { .. }
            | Self::TooLong { .. } => Fate::NeverSent,
            // UNPREPARED is the server's word that it did not execute.
            Self::Reprepare { .. } => Fate::NeverSent,
            Self::TimedOut { node: None, .. } => Fate::NeverSent,
            Self::TimedOut { node: Some(_), .. } => Fate::Unknown,
            Self::Closed { fate, .. } | Self::ConnectionLost { fate, .. } => *fate,
        }
    }
}

impl RequestError {
    /// The same, of a request of which an earlier attempt was lost on its way to or from `node`: it may have been
    /// carried out.
    pub(crate) fn after_loss(self, node: SocketAddr, cause: Arc<ConnectionError>) -> Self {
        let fate = Fate::Unknown;
        match self {
            Self::TimedOut { after, .. } => Self::TimedOut { node: Some(node), after },
            Self::Closed { because, .. } => Self::Closed { because, fate },
            Self::ConnectionLost { node, cause, .. } => Self::ConnectionLost { node, fate, cause },
            _ => Self::ConnectionLost { node, fate, cause },
        }
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NeverSent => "the request was not sent",
            Self::Unknown => "the request may or may not have been carried out",
        })
    }
}

impl fmt::Display for ReprepareFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::IdChanged => {
                "it got another id; prepare it again in the program (did the keyspace change?)"
            }
            Self::StillUnprepared => {
                "the node keeps forgetting it; is its cache of prepared statements too small?"
            }
            Self::MarkersChanged => {
                "the types of its bind markers have changed since (ALTER TABLE, or the table was made anew); bind the values \
                 anew"
            }
            Self::UnknownId => "it means one that the request doesn't have",
            Self::BadAnswer => "the node's answer to PREPARE can't be read",
        })
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Overloaded { in_flight, in_flight_bytes } => write!(
                f,
                "overloaded: {in_flight} requests ({in_flight_bytes} bytes) are in flight and no more are accepted; \
                 wait for some to finish, bound the concurrency, or raise the limit"
            ),
            Self::Closed { because, fate } => write!(
                f,
                "{}; {fate}",
                match because {
                    ClosedBecause::SessionClosed => "the session is closed",
                    ClosedBecause::LoopEnded => "the event loop that ran the session has ended",
                    ClosedBecause::Panicked => "the driver panicked (a bug in helenus, please report it)",
                }
            ),
            Self::NoConnection(failures) if failures.is_empty() => f.write_str("no contact point was given"),
            Self::NoConnection(failures) => {
                f.write_str("no node can be reached; tried ")?;
                for (i, failure) in failures.iter().enumerate() {
                    write!(f, "{}{failure}", if i > 0 { "; " } else { "" })?;
                }
                Ok(())
            }
            Self::TimedOut { node: Some(node), after } => {
                write!(f, "no answer from {node} within {after:?}; {}", Fate::Unknown)
            }
            Self::TimedOut { node: None, after } => {
                write!(f, "no connection was ready and had room within {after:?}; {}", Fate::NeverSent)
            }
            Self::ConnectionLost { node, fate, cause } => {
                write!(f, "connection to {node} lost: {cause}; {fate}")
            }
            Self::Reprepare { node, reason } => {
                write!(f, "{node} doesn't know the prepared statement: {reason}")
            }
            Self::NotConnected { node } => write!(
                f,
                "the request was for {node} alone, which has no connection now; try again later, or name no node"
            ),
            Self::TooLong { bytes, bytes_max } => {
                write!(f, "the request has {bytes} bytes, more than the {bytes_max} allowed; split it")
            }
        }
    }
}

/// The message holds the words of its causes, and the variants hold the causes: a `source` would say them twice.
impl std::error::Error for RequestError {}
