//! What belongs either to the machine or to the caller, at any time to one of them: the frame, and what came of it.

use std::net::SocketAddr;
use std::sync::Arc;

use super::{Answer, Outcome, Reply, RequestError};
use crate::machine::ConnectionError;
use crate::protocol::{Flags, Header, Version};

pub(super) struct Owned {
    /// The envelope to send; its memory becomes the answer's body.
    pub(super) frame: Vec<u8>,
    /// Attempts so far, of every kind.
    pub(super) attempts: u8,
    /// What few requests have.
    pub(super) rare: Option<Box<Rare>>,
    pub(super) end: End,
    /// Of the answer.
    pub(super) header: Header,
    /// Of the answer.
    pub(super) coordinator: SocketAddr,
}

#[derive(Default)]
pub(super) struct Rare {
    /// An attempt whose fate is unknown: its node, and how the connection ended. It stays so, whatever becomes of later
    /// attempts.
    pub(super) lost: Option<(SocketAddr, Arc<ConnectionError>)>,
    /// The envelope that was sent, where the answer may not be all of the result.
    pub(super) request: Vec<u8>,
    /// How often a node didn't know a statement of it.
    pub(super) unprepared: u32,
}

/// What came of it.
pub(super) enum End {
    /// Nothing yet, or it was taken.
    Open,
    /// The frame is now the answer's body.
    Answered,
    Connected(Version),
    Closed,
    Elapsed,
    Noticed,
    Failed(Box<RequestError>),
}

impl From<Outcome> for End {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Ok(Reply::Answer(_)) => Self::Answered,
            Ok(Reply::Connected(version)) => Self::Connected(version),
            Ok(Reply::Closed) => Self::Closed,
            Ok(Reply::Elapsed) => Self::Elapsed,
            Ok(Reply::Noticed) => Self::Noticed,
            Err(error) => Self::Failed(Box::new(error)),
        }
    }
}

impl Owned {
    #[cold]
    pub(super) fn keep_request(&mut self) {
        self.rare.get_or_insert_default().request = std::mem::take(&mut self.frame);
    }

    #[cold]
    pub(super) fn shrink_for(&mut self, bytes: usize) {
        if bytes < self.frame.capacity() / 2 {
            self.frame = Vec::with_capacity(bytes);
        }
    }

    /// Takes what came of it. Once.
    pub(super) fn take_outcome(&mut self) -> Option<Outcome> {
        Some(match std::mem::replace(&mut self.end, End::Open) {
            End::Open => return None,
            End::Answered => {
                let body = std::mem::take(&mut self.frame);
                Ok(Reply::Answer(Answer { header: self.header, body, coordinator: self.coordinator }))
            }
            End::Connected(version) => Ok(Reply::Connected(version)),
            End::Closed => Ok(Reply::Closed),
            End::Elapsed => Ok(Reply::Elapsed),
            End::Noticed => Ok(Reply::Noticed),
            End::Failed(error) => Err(*error),
        })
    }
}

/// Whether the answer is a page with another one after it (section 4.2.5.2). Of the few answers that have something before
/// their body, or are compressed, it isn't looked up.
#[inline(always)]
pub(super) fn may_go_on(header: &Header, body: &[u8]) -> bool {
    let before = Flags::TRACING.0 | Flags::WARNING.0 | Flags::CUSTOM_PAYLOAD.0 | Flags::COMPRESSION.0;
    matches!(body, [0, 0, 0, 2, _, _, _, flags, ..] if flags & 2 != 0) || header.flags.0 & before != 0
}
