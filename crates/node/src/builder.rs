//! How nodes are asked for.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc;
use std::time::Duration;

use helenus_core::protocol::Version;

use crate::clock::Clock;
use crate::node::Node;
use crate::place::Place;
use crate::server::{Server, Settings, listen};

/// See [`Node::builder`].
#[derive(Clone, Debug)]
pub struct Builder {
    listen: SocketAddr,
    places: Vec<Place>,
    settings: Settings,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            places: vec![Place::default()],
            settings: Settings::default(),
        }
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
        self.places = vec![Place::default(); nodes];
        self
    }

    /// As many nodes, in these data centres and racks and with these tokens; in place of [`nodes`](Self::nodes), which all stand
    /// in one rack and have 16 tokens each, spread evenly.
    pub fn places(mut self, places: impl IntoIterator<Item = Place>) -> Self {
        self.places = places.into_iter().collect();
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

    /// How many of the last requests the nodes remember for [`Node::log`]; none if nothing is said.
    pub fn log_limit(mut self, requests: usize) -> Self {
        self.settings.log_limit = requests;
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
        let listeners = listen(self.listen, self.places.len())?;
        let addresses =
            listeners.iter().map(mio::net::TcpListener::local_addr).collect::<io::Result<Vec<_>>>()?;
        let stop = Arc::new(AtomicBool::new(false));
        let (commands, received) = mpsc::channel();
        let mut server = Server::new(listeners, &self.places, self.settings, received, stop.clone())?;
        let waker = server.waker();
        let thread = std::thread::Builder::new().name("helenus-node".into()).spawn(move || server.run())?;
        Ok(Node { addresses, stop, waker, commands, thread: Some(thread) })
    }
}
