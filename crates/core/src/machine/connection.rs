//! One connection: its layers, and what is known of it.

use std::net::SocketAddr;
use std::sync::Arc;

use super::Step;
use super::handshake::Handshake;
use super::incoming::Incoming;
use super::outgoing::Outgoing;
use super::streams::Streams;
use super::{ConnectionError, Layer};
use crate::Time;
use crate::call::Entry;
use crate::protocol::{Compression, Version};
use crate::reactor::ConnId;
use crate::statement::PreparedStatement;

/// A connection from the wish to open it to its end.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) id: ConnId,
    /// Its place in the pool.
    pub(crate) node: usize,
    pub(crate) address: SocketAddr,
    pub(crate) version: Version,
    /// What STARTUP named.
    pub(crate) compression: Option<Compression>,
    pub(crate) phase: Phase,
    /// Between the bytes and what is below, if it is to be secured.
    pub(crate) tls: Option<Box<Layer>>,
    pub(crate) incoming: Incoming,
    pub(crate) outgoing: Outgoing,
    pub(crate) streams: Streams,
    /// When bytes came last; at first, when it was opened.
    pub(crate) last_received: Time,
    pub(crate) heartbeat_awaited: bool,
    /// Statements that the node didn't know and that are being prepared again.
    pub(crate) preparing: Vec<Preparing>,
}

/// How far it is.
#[derive(Debug)]
pub(crate) enum Phase {
    Opening {
        deadline: Time,
    },
    /// TLS shakes hands.
    Securing {
        deadline: Time,
    },
    Handshaking {
        handshake: Handshake,
        deadline: Time,
    },
    Ready {
        since: Time,
    },
    /// It is given up, and only kept until TLS has said so.
    Leaving {
        deadline: Time,
    },
}

/// A statement being prepared again, and the requests that wait for it.
#[derive(Debug)]
pub(crate) struct Preparing {
    pub(crate) stream: i16,
    pub(crate) statement: Arc<PreparedStatement>,
    pub(crate) waiting: Vec<(Entry, Time)>,
}

impl Connection {
    pub(crate) fn new(
        id: ConnId,
        node: usize,
        address: SocketAddr,
        version: Version,
        streams_max: usize,
    ) -> Self {
        Self {
            id,
            node,
            address,
            version,
            compression: None,
            phase: Phase::Opening { deadline: Time::ZERO },
            tls: None,
            incoming: Incoming::default(),
            outgoing: Outgoing::default(),
            streams: Streams::new(streams_max),
            last_received: Time::ZERO,
            heartbeat_awaited: false,
            preparing: Vec::new(),
        }
    }

    pub(crate) fn is_ready(&self) -> bool {
        matches!(self.phase, Phase::Ready { .. })
    }

    /// What it is waiting for, if it is not ready.
    pub(crate) fn handshake_step(&self) -> Option<Step> {
        match &self.phase {
            Phase::Opening { .. } => Some(Step::Tcp),
            Phase::Securing { .. } => Some(Step::Tls),
            Phase::Handshaking { handshake, .. } => Some(handshake.step()),
            Phase::Ready { .. } | Phase::Leaving { .. } => None,
        }
    }

    pub(crate) fn is_leaving(&self) -> bool {
        matches!(self.phase, Phase::Leaving { .. })
    }

    /// Whether a handshake of TLS waits for its share of a turn.
    pub(crate) fn is_postponed(&self) -> bool {
        self.tls.as_ref().is_some_and(|layer| layer.is_postponed())
    }

    /// How many bytes of the buffer are to be left free before those that are read.
    pub(crate) fn front(&self) -> usize {
        self.tls.as_ref().map_or(0, |layer| layer.front())
    }

    /// What it means that the peer closed.
    pub(crate) fn end_of_stream(&self) -> ConnectionError {
        let cut = self.tls.as_ref().and_then(|layer| layer.end_of_stream());
        cut.map_or_else(|| ConnectionError::ClosedByPeer(self.handshake_step()), ConnectionError::from)
    }

    /// Whether the kernel accepted nothing of what begins at `position`, and nobody can have read any of it. See
    /// [`Outgoing::is_unsent`].
    pub(crate) fn is_unsent(&self, position: u64, accepted_bytes: Option<usize>) -> bool {
        match &self.tls {
            None => self.outgoing.is_unsent(position, accepted_bytes),
            Some(layer) => self.outgoing.is_unencrypted(position, layer.fresh(accepted_bytes)),
        }
    }

    /// Whether the peer is to be told of an end for this reason, and can be. Makes the words ready.
    pub(crate) fn has_last_words(&mut self, because: &ConnectionError) -> bool {
        let leaving = self.is_leaving();
        let Some(layer) = self.tls.as_mut().filter(|_| !leaving && because.is_ours()) else { return false };
        // What the kernel has not taken by now may never be.
        if layer.is_lent() || (layer.is_secure() && !layer.pending().is_empty()) {
            return false;
        }
        layer.close().is_ok() && !layer.pending().is_empty()
    }

    /// Whether it can take another request now.
    pub(crate) fn has_room(&self) -> bool {
        self.streams.has_room() && self.outgoing.has_room()
    }

    /// The envelope with READY or AUTHENTICATE was the last bare one.
    pub(crate) fn start_segments(&mut self) {
        if self.version.has_segments() {
            let compressed = self.compression.is_some();
            self.incoming.start_segments(compressed);
            self.outgoing.start_segments(compressed);
        }
    }
}
