//! What clients are told unasked, after REGISTER (section 4.2.6).

use std::net::SocketAddr;

use helenus_core::protocol::Opcode;
use helenus_core::protocol::response::{Event, Message, NodeChange};

use super::output::Output;
use super::protocol::{Protocol, Stage};
use crate::exec::SchemaEvent;
use crate::refusal::{Refusal, protocol, too_long};

/// The kinds of events that a connection asked for.
#[derive(Clone, Copy, Default)]
pub(super) struct Interests(u8);

const TOPOLOGY: u8 = 1;
const STATUS: u8 = 2;
const SCHEMA: u8 = 4;

impl Interests {
    /// Adds the events that REGISTER names.
    pub(super) fn add(&mut self, names: &[&str]) -> Result<(), Refusal> {
        let mut all = self.0;
        for name in names {
            all |= match *name {
                Event::TOPOLOGY_CHANGE => TOPOLOGY,
                Event::STATUS_CHANGE => STATUS,
                Event::SCHEMA_CHANGE => SCHEMA,
                _ => return Err(protocol(format!("Invalid value '{name}' for an event type"))),
            };
        }
        self.0 = all;
        Ok(())
    }

    fn has(self, news: &News) -> bool {
        let kind = match news {
            News::Schema(_) => SCHEMA,
            News::Status { .. } => STATUS,
            News::Topology { .. } => TOPOLOGY,
        };
        self.0 & kind != 0
    }
}

/// Something to tell.
#[derive(Clone, Debug)]
pub(super) enum News {
    Schema(SchemaEvent),
    Status { node: usize, change: NodeChange<'static>, address: SocketAddr },
    Topology { node: usize, change: NodeChange<'static>, address: SocketAddr },
}

impl News {
    /// Appends the event, if the connection asked for such and leads to a node that can know.
    pub(super) fn put(&self, connection: &Protocol, output: &mut Output) {
        let Some(version) = connection.version else { return };
        if connection.stage != Stage::Ready || !connection.interests.has(self) {
            return;
        }
        let event = match self {
            // No node tells of itself: it would be down.
            Self::Status { node, .. } | Self::Topology { node, .. } if *node == connection.node => return,
            Self::Status { change, address, .. } => {
                Event::StatusChange { change: *change, address: *address }
            }
            Self::Topology { change, address, .. } => {
                Event::TopologyChange { change: *change, address: *address }
            }
            Self::Schema(event) => Event::SchemaChange(event.message()),
        };
        let message = Message::Event(event);
        // An event that can't be encoded has a name longer than the protocol carries, which no schema has.
        let _ = output.envelope(connection.frame(version, -1), Opcode::Event, |out| {
            message.put(version, out).map_err(too_long)
        });
    }
}
