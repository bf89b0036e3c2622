//! How to connect.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use helenus_core::call::{Call, Command, Notify, Terms};
use helenus_core::machine::{
    Agreed, Authentication, Authenticator, Config, ContactPoint, CounterReader, Credentials,
    Shared as MachineShared, seed,
};
use helenus_core::protocol::{Compression, CompressionError, Consistency, Version};
use helenus_core::reactor::{Latch, Reactor, Running, Seed, TaskReactor};
use helenus_core::{Inbox, Limits};

use crate::cache::Cache;
use crate::caller::CallerDriven;
use crate::session::{Defaults, Shared};
use crate::thread::Patience;
use crate::timestamps::Timestamps;
use crate::{
    ConnectError, Connecting, MonotonicTimestamps, Session, TimestampSource, WhenFull, fork, reactor,
};

/// Cassandra's native transport port.
const PORT: u16 = 9042;

/// Says how to connect; made by [`Session::builder`].
///
/// ```no_run
/// use helenus::Session;
/// use std::time::Duration;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let session = Session::builder()
///     .contact_points(["db1.example", "db2.example:9043"])
///     .keyspace("shop")
///     .request_timeout(Duration::from_secs(2))
///     .connect()
///     .wait()?;
/// # Ok(())
/// # }
/// ```
#[must_use]
pub struct SessionBuilder {
    config: Config,
    invalid: Option<ConnectError>,
    limits: Limits,
    defaults: Defaults,
    reactor: Option<Box<dyn Reactor>>,
}

impl SessionBuilder {
    pub(crate) fn new() -> Self {
        let defaults = Defaults {
            consistency: Consistency::LocalQuorum,
            timeout: Some(Duration::from_secs(10)),
            page_size: 5_000,
            when_full: WhenFull::Fail,
            drain: Duration::from_secs(5),
            compression: None,
            frame_bytes_max: 0,
            timestamps: Timestamps::Monotonic(MonotonicTimestamps::new()),
            prepared_max: 1_024,
        };
        Self {
            config: Config::new(Vec::new()),
            invalid: None,
            limits: Limits::default(),
            defaults,
            reactor: None,
        }
    }

    /// Adds a node to begin with: a host, `host:port`, IPv6 address or `[IPv6 address]:port`. The port is 9042 unless
    /// given. Names are looked up by the reactor, and again whenever all their addresses have failed.
    pub fn contact_point(mut self, text: impl AsRef<str>) -> Self {
        match ContactPoint::parse(text.as_ref(), PORT) {
            Ok(point) => self.config.contact_points.push(point),
            Err(error) => self.invalid = self.invalid.or(Some(ConnectError::ContactPoint(error))),
        }
        self
    }

    /// Adds several.
    pub fn contact_points<T: AsRef<str>>(self, texts: impl IntoIterator<Item = T>) -> Self {
        texts.into_iter().fold(self, |builder, text| builder.contact_point(text))
    }

    /// What runs the session. Without it: mio if that is compiled in, else the only reactor that is.
    pub fn reactor(mut self, reactor: impl Reactor + 'static) -> Self {
        self.reactor = Some(Box::new(reactor));
        self
    }

    /// The same, for a reactor chosen at run time.
    pub fn boxed_reactor(mut self, reactor: Box<dyn Reactor>) -> Self {
        self.reactor = Some(reactor);
        self
    }

    /// The keyspace of unqualified table names, on every connection.
    pub fn keyspace(mut self, name: impl AsRef<str>) -> Self {
        self.config.keyspace = Some(name.as_ref().into());
        self
    }

    /// User and password for PLAIN authentication, sent to any node that asks. They go over the network as they are, so use TLS where
    /// others can listen.
    pub fn credentials(mut self, user: &str, password: &str) -> Self {
        self.config.authentication = Authentication::Plain(Credentials::new(user, password));
        self
    }

    /// Authentication by a SASL mechanism of one's own, in place of [`SessionBuilder::credentials`].
    pub fn authenticator(mut self, authenticator: impl Authenticator + 'static) -> Self {
        self.config.authentication = Authentication::By(Arc::new(authenticator));
        self
    }

    /// Compresses what goes over the network, where node and protocol version can: LZ4 in all versions, Snappy in v3 and v4.
    /// Each is a feature of this crate, `lz4` and `snappy`. Not compressed unless set.
    ///
    /// Where it can't be had, connections are not compressed: [`Session::compression`] and
    /// [`Session::compression_fallback`] say what is so, and the metrics count `connections_uncompressed`. To fail instead, add
    /// [`SessionBuilder::require_compression`].
    ///
    /// It saves bytes and costs time of the CPU; in a data centre it rarely pays, unless rows are long or the network is what
    /// limits.
    pub fn compression(mut self, compression: Compression) -> Self {
        self.config.compression = Some(compression);
        self
    }

    /// Takes no connection that isn't compressed as [`SessionBuilder::compression`] says.
    pub fn require_compression(mut self) -> Self {
        self.config.compression_required = true;
        self
    }

    /// Secures all connections. Without it they are plain.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: crate::tls::Tls) -> Self {
        match tls.build() {
            Ok(config) => self.config.tls = Some(config),
            Err(error) => self.invalid = self.invalid.or(Some(ConnectError::Tls(error))),
        }
        self
    }

    /// Speaks this protocol version and no other. Without it: the highest that the server speaks, from v5 down.
    pub fn protocol_version(mut self, version: Version) -> Self {
        (self.config.version, self.config.version_fixed) = (version, true);
        self
    }

    /// Connections for each contact point and shard; 1 unless set. One is enough for most programs.
    pub fn connections_per_node(mut self, connections: usize) -> Self {
        self.config.connections_per_node = connections.max(1);
        self
    }

    /// The time for each step until a connection is ready (TCP, TLS, OPTIONS, STARTUP, authentication, USE); 5 s unless set.
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.config.handshake_timeout = timeout;
        self
    }

    /// A connection that was silent for `interval` is asked whether it lives, and closed if it doesn't answer for
    /// `timeout`; 30 s and 10 s unless set.
    pub fn heartbeat(mut self, interval: Duration, timeout: Duration) -> Self {
        (self.config.heartbeat_interval, self.config.heartbeat_timeout) = (interval, timeout);
        self
    }

    /// The pauses between attempts to reach a node that can't be reached: the first, doubled each time up to the longest;
    /// 0.5 s and 60 s unless set. Each is changed by up to 15 % at random.
    pub fn reconnection(mut self, first: Duration, longest: Duration) -> Self {
        (self.config.reconnect_base, self.config.reconnect_max) = (first, longest);
        self
    }

    /// The seed of that randomness; the machine has none of its own.
    pub fn seed(mut self, seed: u64) -> Self {
        self.config.seed = seed;
        self
    }

    /// Requests whose answers are awaited on one connection; more wait in the queue. 1,024 unless set, at most 32,760 (the
    /// protocol's ids less a few for the driver's own). A node isn't made faster by more: its queues grow until writes time
    /// out there.
    pub fn on_wire_max(mut self, requests: usize) -> Self {
        self.config.streams_max = requests;
        self
    }

    /// Requests, and bytes of requests, that may be accepted and unfinished in each shard; 131,072 and 256 MiB unless set.
    pub fn in_flight_max(mut self, requests: usize, bytes: usize) -> Self {
        self.limits = Limits { in_flight_max: requests, in_flight_bytes_max: bytes };
        self
    }

    /// What happens beyond [`SessionBuilder::in_flight_max`].
    pub fn when_full(mut self, when_full: WhenFull) -> Self {
        self.defaults.when_full = when_full;
        self
    }

    /// The longest frame body that is accepted, in bytes, before and after decompression; 256 MiB unless set.
    pub fn frame_bytes_max(mut self, bytes: u32) -> Self {
        self.config.frame_bytes_max = bytes;
        self
    }

    /// The consistency of requests that don't say; `LOCAL_QUORUM` unless set.
    pub fn consistency(mut self, consistency: Consistency) -> Self {
        self.defaults.consistency = consistency;
        self
    }

    /// The timeout of requests that don't say; 10 s unless set.
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.defaults.timeout = Some(timeout);
        self
    }

    /// Rows in a page of requests that don't say; 5,000 unless set.
    pub fn page_size(mut self, rows: i32) -> Self {
        self.defaults.page_size = rows.max(1);
        self
    }

    /// How many prepared statements the session remembers, those that were asked for last; 1,024 unless set, none if 0.
    pub fn prepared_cache(mut self, statements_max: usize) -> Self {
        self.defaults.prepared_max = statements_max;
        self
    }

    /// Who gives writes their timestamps: [`MonotonicTimestamps`] of the session's own unless set.
    pub fn timestamps(mut self, source: impl TimestampSource) -> Self {
        self.defaults.timestamps = Timestamps::new(source);
        self
    }

    /// Lets the coordinators give writes their timestamps. Two writes of one program to a cell, one after the other, are then
    /// in order only as far as the clocks of the nodes agree.
    pub fn server_timestamps(mut self) -> Self {
        self.defaults.timestamps = Timestamps::Server;
        self
    }

    /// How long [`Session::close`] lets pending requests finish; 5 s unless set.
    pub fn drain(mut self, drain: Duration) -> Self {
        self.defaults.drain = drain;
        self
    }

    /// Connects. Nothing happens before the result is awaited, waited for or submitted.
    pub fn connect(self) -> Connecting {
        Connecting::cold(self)
    }

    /// For a loop of the user's own: the session to be, and the driver to be spawned there.
    pub fn split<R: TaskReactor>(mut self, reactor: R) -> (Connecting, R::Driver) {
        let name = reactor.name();
        let invalid = self.check().err();
        if invalid.is_some() {
            self.config.contact_points.clear();
        }
        let (shared, seeds) = self.grow(1, name);
        let latch = Latch::new();
        // `grow(1, ..)` gives one seed.
        let seed =
            seeds.into_iter().next().unwrap_or_else(|| Seed::new(|| unreachable!("one seed was asked for")));
        let driver = reactor.drive(seed, latch.guard());
        let session = shared.finish(Running::new(latch));
        match invalid {
            // The dropped session tells its machine to exit, so the driver ends at once.
            Some(error) => (Connecting::failed(error), driver),
            None => (Connecting::started(session), driver),
        }
    }

    /// Starts the reactor, whose machines begin to connect.
    pub(crate) fn launch(mut self) -> Result<Session, ConnectError> {
        self.check()?;
        let reactor = match self.reactor.take() {
            Some(reactor) => reactor,
            None => reactor::default()?,
        };
        let (shared, seeds) = self.grow(reactor.shards().max(1), reactor.name());
        let running = reactor.launch(seeds).map_err(ConnectError::Launch)?;
        Ok(shared.finish(running))
    }

    fn check(&mut self) -> Result<(), ConnectError> {
        match self.invalid.take() {
            Some(error) => Err(error),
            None if self.config.contact_points.is_empty() => Err(ConnectError::NoContactPoint),
            None => self.check_compression().and_then(|()| fork::watch().map_err(ConnectError::Launch)),
        }
    }

    fn check_compression(&self) -> Result<(), ConnectError> {
        match self.config.compression {
            Some(asked) if !asked.is_compiled_in() => {
                Err(ConnectError::Compression(CompressionError::NotCompiledIn(asked)))
            }
            _ => Ok(()),
        }
    }

    fn grow(self, shards: usize, reactor: &'static str) -> (Grown, Vec<Seed>) {
        let mut defaults = self.defaults;
        (defaults.compression, defaults.frame_bytes_max) =
            (self.config.compression, self.config.frame_bytes_max);
        let config = Arc::new(self.config);
        let untaken = config.handshake_timeout;
        // A machine has a turn for each heartbeat, or to connect.
        let turnless = config.heartbeat_interval.max(config.reconnect_max).saturating_add(untaken);
        let patience = Patience { untaken, turnless };
        let agreed = Arc::new(Agreed::default());
        let errands = Latch::new();
        let machines: Vec<_> = (0..shards)
            .map(|shard| MachineShared {
                config: config.clone(),
                inbox: Arc::new(Inbox::new(self.limits)),
                agreed: agreed.clone(),
                counters: CounterReader::default(),
                shard,
                errands: errands.clone(),
            })
            .collect();
        let seeds = machines.iter().cloned().map(seed).collect();
        let keyspace = config.keyspace.clone();
        (Grown { machines, agreed, errands, patience, defaults, keyspace, reactor }, seeds)
    }
}

/// A session whose machines have not been started.
struct Grown {
    machines: Vec<MachineShared>,
    agreed: Arc<Agreed>,
    errands: Arc<Latch>,
    patience: Patience,
    defaults: Defaults,
    keyspace: Option<Arc<str>>,
    reactor: &'static str,
}

impl Grown {
    fn finish(self, mut running: Running) -> Session {
        Session::of(Arc::new(Shared {
            inboxes: self.machines.iter().map(|machine| machine.inbox.clone()).collect(),
            counters: self.machines.iter().map(|machine| machine.counters.clone()).collect(),
            agreed: self.agreed,
            errands: self.errands,
            patience: (!running.has_threads()).then_some(self.patience),
            caller: running.take_turns().map(CallerDriven::new),
            running: Mutex::new(Some(running)),
            prepared: Cache::new(self.defaults.prepared_max),
            defaults: self.defaults,
            keyspace: self.keyspace,
            reactor: self.reactor,
            generation: fork::generation(),
        }))
    }
}

/// Asks the first shard to answer once it is connected; the others connect meanwhile, and their requests wait for that.
pub(crate) fn submit_connect(session: &Session) -> Result<Call, ConnectError> {
    let submitted = session.0.inboxes[0].submit(Command::Connect, Terms::default(), Notify::Nobody);
    submitted.map_err(|rejected| ConnectError::Unreachable(rejected.error))
}

impl fmt::Debug for SessionBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionBuilder")
            .field("config", &self.config)
            .field("reactor", &self.reactor.as_ref().map(|reactor| reactor.name()))
            .finish_non_exhaustive()
    }
}
