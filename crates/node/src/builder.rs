//! How a node is asked for, and the handle that keeps it running.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use helenus_core::protocol::Version;
use mio::Waker;

use crate::clock::Clock;
use crate::server::{Server, Settings, listen};

/// Running nodes. They stop when this is dropped.
#[derive(Debug)]
pub struct Node {
    addresses: Vec<SocketAddr>,
    stop: Arc<AtomicBool>,
    waker: Arc<Waker>,
    thread: Option<JoinHandle<()>>,
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

    /// Where the nodes listen, in their order. They differ in the address; the port is the same.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
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

/// See [`Node::builder`].
#[derive(Clone, Debug)]
pub struct Builder {
    listen: SocketAddr,
    nodes: usize,
    settings: Settings,
}

impl Default for Builder {
    fn default() -> Self {
        Self { listen: (Ipv4Addr::LOCALHOST, 0).into(), nodes: 1, settings: Settings::default() }
    }
}

impl Builder {
    /// Where the first node listens; the others take the next addresses and the same port. With port 0, which is the
    /// default, a port is taken that is free on all of them. The default address is 127.0.0.1.
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = address;
        self
    }

    /// How many nodes there are; 1 if nothing is said. More than one need an IPv4 address to count up from.
    pub fn nodes(mut self, nodes: usize) -> Self {
        self.nodes = nodes;
        self
    }

    /// Which versions of the protocol are spoken; all that there are if nothing is said. Others are refused as Cassandra
    /// refuses versions that it doesn't know.
    pub fn versions(mut self, versions: RangeInclusive<Version>) -> Self {
        self.settings.versions = versions;
        self
    }

    /// For measuring drivers: prepared writes are answered without being looked at, prepared reads with one row that is
    /// always the same. Schema, PREPARE and the system tables are as ever.
    pub fn null(mut self, null: bool) -> Self {
        self.settings.null = null;
        self
    }

    /// The clock that timestamps and times to live go by: the system's if nothing is said.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.settings.clock = clock;
        self
    }

    /// How much memory the rows may take, in bytes, by the node's own estimate. Writes beyond are refused as
    /// `Overloaded`. 1 GiB if nothing is said.
    pub fn memory_limit_bytes(mut self, bytes: usize) -> Self {
        self.settings.memory_limit_bytes = bytes;
        self
    }

    /// How many connections all nodes together keep open; those beyond are closed at once. 16,384 if nothing is said.
    pub fn connection_limit(mut self, connections: usize) -> Self {
        self.settings.connection_limit = connections;
        self
    }

    /// The longest body of a request, in bytes: 16 MiB if nothing is said, as in Cassandra. A longer one ends its
    /// connection.
    pub fn frame_limit_bytes(mut self, bytes: usize) -> Self {
        self.settings.frame_limit_bytes = bytes;
        self
    }

    /// How long a client may take from connecting to the end of its handshake, TLS and authentication included; then it is
    /// disconnected. 30 seconds if nothing is said.
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.settings.handshake_timeout = timeout;
        self
    }

    /// Lets in only who gives this password, as Cassandra's `PasswordAuthenticator` does. Said several times, there are
    /// several users. Who they are makes no difference otherwise: each may do everything.
    pub fn authentication(mut self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.settings.users.add(user.into(), password.into());
        self
    }

    /// Speaks TLS, and nothing else. Whether clients have to show a certificate is said by `config`, as is the provider
    /// of cryptography.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, config: impl Into<Arc<rustls::ServerConfig>>) -> Self {
        self.settings.tls = Some(config.into());
        self
    }

    /// Starts the nodes on a thread of their own and returns once they listen.
    ///
    /// # Errors
    /// If an address or port is taken or not this machine's, if there is no version to speak, or if the thread can't be
    /// started.
    pub fn start(self) -> io::Result<Node> {
        if self.settings.versions.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the range of protocol versions is empty",
            ));
        }
        let listeners = listen(self.listen, self.nodes)?;
        let addresses =
            listeners.iter().map(mio::net::TcpListener::local_addr).collect::<io::Result<Vec<_>>>()?;
        let stop = Arc::new(AtomicBool::new(false));
        let mut server = Server::new(listeners, &addresses, self.settings, stop.clone())?;
        let waker = server.waker();
        let thread = std::thread::Builder::new().name("helenus-node".into()).spawn(move || server.run())?;
        Ok(Node { addresses, stop, waker, thread: Some(thread) })
    }
}
