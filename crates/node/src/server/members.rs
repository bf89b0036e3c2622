//! Nodes that stop, start, join and leave.

use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use helenus_core::protocol::response::NodeChange;
use mio::net::TcpListener;
use mio::{Interest, Token};

use super::connection::Next;
use super::events::News;
use super::{LISTENER, Server};
use crate::exec::Cache;
use crate::inject::Watch;
use crate::place::Place;

/// A node's side that the network sees.
pub(super) struct Door {
    /// `None` while the node is stopped.
    pub(super) listener: Option<TcpListener>,
    /// Nothing is accepted, read or sent.
    pub(super) paused: bool,
}

/// What the nodes tell of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Announcement {
    /// STATUS_CHANGE UP
    Up,
    /// STATUS_CHANGE DOWN
    Down,
    /// TOPOLOGY_CHANGE NEW_NODE
    New,
    /// TOPOLOGY_CHANGE REMOVED_NODE
    Removed,
    /// TOPOLOGY_CHANGE MOVED_NODE
    Moved,
}

impl Server {
    /// Closes a node's listener and connections. Done twice, it is as done once.
    pub(crate) fn stop_node(&mut self, node: usize) -> io::Result<()> {
        self.check(node)?;
        if self.close(node)? {
            self.announce(node, Announcement::Down)?;
        }
        Ok(())
    }

    /// Listens again where the node did before.
    pub(crate) fn start_node(&mut self, node: usize) -> io::Result<()> {
        self.check(node)?;
        if self.doors[node].listener.is_some() {
            return Ok(());
        }
        let listener = super::listen::bind(self.address(node))?;
        self.open_door(node, listener)?;
        self.announce(node, Announcement::Up)
    }

    /// Takes another node in, whose listener is there already.
    pub(crate) fn add_node(
        &mut self,
        place: &Place,
        address: SocketAddr,
        listener: TcpListener,
    ) -> io::Result<usize> {
        let node = self.dispatch.system.cluster.join(address, place);
        self.dispatch.caches.push(Cache::default());
        self.doors.push(Door { listener: None, paused: false });
        self.open_door(node, listener)?;
        self.announce(node, Announcement::New)?;
        self.announce(node, Announcement::Up)?;
        Ok(node)
    }

    /// Stops a node for good. The others know it no more.
    pub(crate) fn remove_node(&mut self, node: usize) -> io::Result<()> {
        self.check(node)?;
        self.close(node)?;
        self.dispatch.system.cluster.members[node].left = true;
        self.announce(node, Announcement::Removed)?;
        self.announce(node, Announcement::Down)
    }

    /// Lets a node hang, or go on.
    pub(crate) fn pause_node(&mut self, node: usize, paused: bool) -> io::Result<()> {
        self.check(node)?;
        self.doors[node].paused = paused;
        for slot in self.slots_of(node) {
            if let Some(connection) = &mut self.connections[slot] {
                connection.paused = paused;
            }
            self.next(slot, Next::Again);
        }
        if !paused {
            self.accept(node);
        }
        Ok(())
    }

    /// Closes all connections of a node, which goes on.
    pub(crate) fn disconnect_node(&mut self, node: usize) -> io::Result<()> {
        self.check(node)?;
        self.slots_of(node).into_iter().for_each(|slot| self.next(slot, Next::Close));
        Ok(())
    }

    /// Lets all other nodes tell something of this one, true or not.
    pub(crate) fn announce(&mut self, node: usize, announcement: Announcement) -> io::Result<()> {
        let address = self.known(node)?;
        self.dispatch.news.push(match announcement {
            Announcement::Up => News::Status { node, change: NodeChange::Up, address },
            Announcement::Down => News::Status { node, change: NodeChange::Down, address },
            Announcement::New => News::Topology { node, change: NodeChange::New, address },
            Announcement::Removed => News::Topology { node, change: NodeChange::Removed, address },
            Announcement::Moved => News::Topology { node, change: NodeChange::Moved, address },
        });
        Ok(())
    }

    /// Gives a node a version of the schema that no other has, or that of all again.
    pub(crate) fn set_schema_agreement(&mut self, node: usize, agrees: bool) -> io::Result<()> {
        self.check(node)?;
        let member = &mut self.dispatch.system.cluster.members[node];
        // No hash of the schema is the host's id.
        member.other_schema = (!agrees).then_some(member.host_id);
        Ok(())
    }

    /// Forgets what a node has prepared.
    pub(crate) fn forget_prepared(&mut self, node: usize) -> io::Result<()> {
        self.check(node)?;
        self.dispatch.caches[node] = Cache::default();
        Ok(())
    }

    /// The numbers of a node's connections.
    pub(crate) fn connections_of(&self, node: usize) -> io::Result<Vec<u64>> {
        self.known(node)?;
        let open = self.connections.iter().flatten();
        Ok(open
            .filter(|connection| connection.node() == node)
            .map(|connection| connection.number())
            .collect())
    }

    /// Does something with rules and log, which then look at requests if there is need.
    pub(crate) fn watch<T>(&mut self, with: impl FnOnce(&mut Watch) -> T) -> T {
        let mut watch = self.dispatch.watch.take().or(self.idle_watch.take()).unwrap_or_default();
        let done = with(&mut watch);
        if watch.is_needed() {
            self.dispatch.watch = Some(watch);
        } else {
            self.idle_watch = Some(watch);
        }
        done
    }

    /// Sends what was held back and is due.
    pub(super) fn release(&mut self) {
        let now = Instant::now();
        while let Some(delayed) = self.dispatch.waiting.take_due(now) {
            self.deliver(delayed.slot, |connection, output| {
                connection.number() == delayed.number && output.raw(&delayed.bytes).is_ok()
            });
        }
    }

    pub(super) fn open_door(&mut self, node: usize, mut listener: TcpListener) -> io::Result<()> {
        self.poll.registry().register(&mut listener, Token(LISTENER | node), Interest::READABLE)?;
        self.doors[node] = Door { listener: Some(listener), paused: false };
        Ok(())
    }

    /// Whether it was open.
    fn close(&mut self, node: usize) -> io::Result<bool> {
        let listener = self.doors[node].listener.take();
        self.disconnect_node(node)?;
        Ok(listener.is_some())
    }

    fn slots_of(&self, node: usize) -> Vec<usize> {
        let slots = self.connections.iter().enumerate();
        let of_node = slots.filter(|(_, open)| open.as_ref().is_some_and(|open| open.node() == node));
        of_node.map(|(slot, _)| slot).collect()
    }

    fn address(&self, node: usize) -> SocketAddr {
        self.dispatch.system.cluster.members[node].address
    }

    /// That there is such a node and it belongs to the cluster.
    fn check(&self, node: usize) -> io::Result<()> {
        self.known(node)?;
        if self.dispatch.system.cluster.members[node].left {
            let message = format!("node {node} was removed; add another");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        Ok(())
    }

    fn known(&self, node: usize) -> io::Result<SocketAddr> {
        let members = &self.dispatch.system.cluster.members;
        members.get(node).map(|member| member.address).ok_or_else(|| {
            let message = format!("there is no node {node}: there are {}, counted from 0", members.len());
            io::Error::new(io::ErrorKind::InvalidInput, message)
        })
    }
}
