//! The handle that keeps nodes running, and by which they are told to misbehave.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread::JoinHandle;

use mio::Waker;

use crate::builder::Builder;
use crate::inject::{Rule, RuleId, Seen};
use crate::place::Place;
use crate::server::{Announcement, Command, Server, bind, nth};

/// Running nodes. They stop when this is dropped, and their thread has then ended.
///
/// They are numbered from 0 in the order of [`addresses`](Self::addresses); a number stays that of its node. Whatever is
/// done through the handle has been done when the method returns.
///
/// # Errors
/// Each method fails if there is no node with that number, or if it was removed; what else can fail is said with it.
#[derive(Debug)]
pub struct Node {
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) stop: Arc<AtomicBool>,
    pub(crate) waker: Arc<Waker>,
    pub(crate) commands: Sender<Command>,
    pub(crate) thread: Option<JoinHandle<()>>,
}

impl Node {
    /// What can be said before the nodes start; the defaults serve.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// One node on a free port of a loopback address.
    ///
    /// # Errors
    /// As [`Builder::start`].
    pub fn start() -> io::Result<Self> {
        Self::builder().start()
    }

    /// Where the nodes listen, in their order; those that were stopped or removed, too. They differ in the address; the
    /// port is the same.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Stops a node: its connections are closed and others are refused. The others tell that it is down. What it holds is
    /// still there, as they share it.
    pub fn stop(&self, node: usize) -> io::Result<()> {
        self.call(move |server| server.stop_node(node))
    }

    /// Starts a node that was stopped. The others tell that it is up. It still knows what it has prepared, as Cassandra does.
    ///
    /// # Errors
    /// If its port was taken in the meantime, too.
    pub fn restart(&self, node: usize) -> io::Result<()> {
        self.call(move |server| server.start_node(node))
    }

    /// Lets a node join, on the next address. The others tell that it is new, and up. Gives its number.
    ///
    /// # Errors
    /// If the address is taken.
    pub fn add(&mut self, place: Place) -> io::Result<usize> {
        let first = self.addresses[0];
        let address = SocketAddr::new(nth(first.ip(), self.addresses.len())?, first.port());
        let listener = bind(address)?;
        let node = self.call(move |server| server.add_node(&place, address, listener))?;
        self.addresses.push(address);
        Ok(node)
    }

    /// Lets a node leave: it stops, and the others tell that it was removed and know it no more.
    pub fn remove(&self, node: usize) -> io::Result<()> {
        self.call(move |server| server.remove_node(node))
    }

    /// Lets a node hang: it accepts no connection, reads nothing and answers nothing. Nobody is told: other nodes would notice
    /// after some seconds only, for which there is [`announce`](Self::announce).
    pub fn pause(&self, node: usize) -> io::Result<()> {
        self.call(move |server| server.pause_node(node, true))
    }

    /// Lets a node go on that hangs, with what came in the meantime.
    pub fn resume(&self, node: usize) -> io::Result<()> {
        self.call(move |server| server.pause_node(node, false))
    }

    /// Closes all connections of a node, which takes others.
    pub fn disconnect(&self, node: usize) -> io::Result<()> {
        self.call(move |server| server.disconnect_node(node))
    }

    /// Lets all other nodes tell this of a node to those who registered, true or not.
    pub fn announce(&self, node: usize, announcement: Announcement) -> io::Result<()> {
        self.call(move |server| server.announce(node, announcement))
    }

    /// Gives a node a version of the schema that differs from the others', in its `system.local` and the others' peers; or the
    /// same again.
    pub fn set_schema_agreement(&self, node: usize, agrees: bool) -> io::Result<()> {
        self.call(move |server| server.set_schema_agreement(node, agrees))
    }

    /// Lets a node forget the statements that it has prepared: it answers UNPREPARED until they are prepared again.
    pub fn forget_prepared(&self, node: usize) -> io::Result<()> {
        self.call(move |server| server.forget_prepared(node))
    }

    /// The numbers of a node's open connections. All that were ever accepted are counted from 1, over all nodes.
    pub fn connections(&self, node: usize) -> io::Result<Vec<u64>> {
        self.call(move |server| server.connections_of(node))
    }

    /// Takes a rule, from the next request on.
    ///
    /// # Errors
    /// If there are 10,000 already.
    pub fn inject(&self, rule: Rule) -> io::Result<RuleId> {
        let added = self.call(move |server| Ok(server.watch(|watch| watch.add(rule))))?;
        added.ok_or_else(|| io::Error::other("there are 10,000 rules already"))
    }

    /// Takes a rule back. Gives how often it was carried out.
    ///
    /// # Errors
    /// If it was taken back before.
    pub fn remove_rule(&self, rule: RuleId) -> io::Result<u64> {
        self.call(move |server| server.watch(|watch| watch.remove(rule)).ok_or_else(no_rule))
    }

    /// Takes all rules back.
    pub fn clear_rules(&self) -> io::Result<()> {
        self.call(|server| {
            server.watch(|watch| watch.clear());
            Ok(())
        })
    }

    /// How often a rule was carried out.
    ///
    /// # Errors
    /// If it was taken back.
    pub fn hits(&self, rule: RuleId) -> io::Result<u64> {
        self.call(move |server| server.watch(|watch| watch.hits(rule)).ok_or_else(no_rule))
    }

    /// How many requests the log keeps: the last ones. 0, which is the default, turns it off.
    pub fn set_log_limit(&self, requests: usize) -> io::Result<()> {
        self.call(move |server| {
            server.watch(|watch| watch.set_log_limit(requests));
            Ok(())
        })
    }

    /// The requests that came, the oldest first, if the log is on: see [`Builder::log_limit`].
    pub fn log(&self) -> io::Result<Vec<Seen>> {
        self.call(|server| Ok(server.watch(|watch| watch.log())))
    }

    /// As [`log`](Self::log), and the log is empty then.
    pub fn take_log(&self) -> io::Result<Vec<Seen>> {
        self.call(|server| Ok(server.watch(|watch| watch.take_log())))
    }

    /// Does something on the nodes' thread, and waits for it.
    fn call<T: Send + 'static>(
        &self,
        command: impl FnOnce(&mut Server) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let ended = || io::Error::other("the nodes' thread has ended");
        let (give, take) = mpsc::sync_channel(1);
        let command: Command = Box::new(move |server| {
            // Whoever asked waits for it.
            let _ = give.send(command(server));
        });
        self.commands.send(command).map_err(|_| ended())?;
        self.waker.wake()?;
        take.recv().map_err(|_| ended())?
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        // If the loop can't be woken it has ended; joining then returns at once.
        let _ = self.waker.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn no_rule() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "the rule was taken back")
}
