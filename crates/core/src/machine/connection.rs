//! One connection: its layers, and what is known of it.

use std::net::SocketAddr;
use std::sync::Arc;

use super::Step;
use super::handshake::Handshake;
use super::incoming::Incoming;
use super::outgoing::Outgoing;
use super::streams::Streams;
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
    Opening { deadline: Time },
    Handshaking { handshake: Handshake, deadline: Time },
    Ready { since: Time },
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
            Phase::Handshaking { handshake, .. } => Some(handshake.step()),
            Phase::Ready { .. } => None,
        }
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
