//! What a seed stands for: the session's configuration, the network, the nodes' manners, the users' load.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use helenus_core::Limits;
use helenus_core::machine::{Authentication, Config, ContactPoint, Credentials, STREAMS_MAX};
use helenus_core::protocol::{Compression, Version};

use crate::rng::Rng;

/// All that is decided before the first event. Rates are in thousandths.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) config: Config,
    pub(crate) limits: Limits,
    pub(crate) nodes: Vec<NodePlan>,
    pub(crate) network: Network,
    pub(crate) manners: Manners,
    pub(crate) load: Load,
    /// Drop the machine in the middle instead of closing it at the end.
    pub(crate) dropped: bool,
    /// How long a close may wait for what is pending.
    pub(crate) drain: Duration,
}

#[derive(Clone, Debug)]
pub(crate) struct NodePlan {
    pub(crate) version_max: Version,
    /// 0: no authentication; else so many rounds.
    pub(crate) auth_rounds: u8,
    /// A name stands for two addresses, of which the first refuses.
    pub(crate) named: bool,
    /// The compressions that it can do.
    pub(crate) offers: &'static [&'static str],
}

/// How bytes travel.
#[derive(Clone, Debug)]
pub(crate) struct Network {
    pub(crate) latency_us: (u64, u64),
    /// The longest piece that arrives at once.
    pub(crate) split: usize,
    /// The longest read, also where more is there.
    pub(crate) read_max: usize,
    /// What the kernel takes before a write would block.
    pub(crate) capacity: usize,
    /// Reads that find nothing, or are interrupted.
    pub(crate) spurious: u32,
    pub(crate) refuse: u32,
    pub(crate) connect_hole: u32,
    /// Closes of the client that lose what is on its way to the node.
    pub(crate) client_reset: u32,
    /// Writes that take less than they could.
    pub(crate) short_write: u32,
}

/// What nodes do to a request, a connection, or to themselves.
#[derive(Clone, Debug)]
pub(crate) struct Manners {
    pub(crate) slow: u32,
    pub(crate) never: u32,
    pub(crate) error: u32,
    pub(crate) long: u32,
    pub(crate) prepare_refused: u32,
    pub(crate) prepare_other_id: u32,
    pub(crate) prepare_garbage: u32,
    /// Of any fault that costs the connection.
    pub(crate) connection_fault: u32,
    /// Of a restart or a pause.
    pub(crate) node_fault: u32,
}

/// What users do.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    pub(crate) requests: u64,
    pub(crate) chains: u64,
    pub(crate) prepared: u32,
    pub(crate) idempotent: u32,
    pub(crate) cancel: u32,
    pub(crate) long: u32,
    /// Requests without a timeout.
    pub(crate) patient: u32,
    /// How long the load lasts, about.
    pub(crate) span: Duration,
}

impl Plan {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let rng = &mut rng;
        let nodes: Vec<_> = (0..rng.between(1, 3)).map(|_| NodePlan::new(rng)).collect();
        // A quarter of the seeds has no faults: there, everything must succeed that can.
        let fault = rng.pick(&[0, 2, 10, 40]);
        let mut plan = Self {
            config: config(rng, &nodes),
            limits: Limits {
                in_flight_max: rng.pick(&[8, 64, 1_024, 131_072]),
                in_flight_bytes_max: rng.pick(&[10_000, 1 << 20, 256 << 20]),
            },
            nodes,
            network: Network::new(rng, fault),
            manners: Manners::new(rng, fault),
            load: Load::new(rng),
            dropped: rng.chance(100),
            drain: Duration::from_millis(rng.pick(&[0, 5, 300, 3_000])),
        };
        plan.compress(&mut Rng::new(seed ^ 0xC0_FFEE));
        plan
    }

    /// In half of the seeds the session wants compression, which some of the nodes may lack.
    fn compress(&mut self, rng: &mut Rng) {
        if rng.chance(500) {
            self.config.compression =
                Some(rng.pick(&[Compression::Lz4, Compression::Lz4, Compression::Snappy]));
        }
        for node in &mut self.nodes {
            node.offers = rng.pick(&[&["snappy", "lz4"][..], &["lz4", "snappy"], &["lz4"], &[]]);
        }
    }

    /// The address at which a node listens.
    pub(crate) fn address(node: usize) -> SocketAddr {
        SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, node as u8 + 1)), 9042)
    }

    /// An address of the same name, at which nobody listens.
    pub(crate) fn dead_address(node: usize) -> SocketAddr {
        SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 9, 9, node as u8 + 1)), 9042)
    }
}

fn config(rng: &mut Rng, nodes: &[NodePlan]) -> Config {
    let points = nodes.iter().enumerate().map(|(node, plan)| {
        let host = if plan.named { format!("node{node}") } else { Plan::address(node).ip().to_string() };
        ContactPoint { text: host.as_str().into(), host: host.into(), port: 9042 }
    });
    let mut config = Config::new(points.collect());
    config.connections_per_node = rng.index(3) + 1;
    config.version = rng.pick(&[Version::V5, Version::V5, Version::V4, Version::V3]);
    config.keyspace = rng.chance(300).then(|| "Ks".into());
    config.authentication = Authentication::Plain(Credentials::new("user", "secret"));
    config.handshake_timeout = Duration::from_millis(rng.pick(&[200, 1_000]));
    config.heartbeat_interval = Duration::from_millis(rng.pick(&[300, 2_000]));
    config.heartbeat_timeout = Duration::from_millis(rng.pick(&[100, 500]));
    config.reconnect_base = Duration::from_millis(rng.pick(&[10, 100]));
    config.reconnect_max = Duration::from_millis(1_000);
    config.streams_max = rng.pick(&[1, 2, 8, 100, STREAMS_MAX]);
    config.orphans_max = rng.pick(&[0, 3, 1_024]);
    config.frame_bytes_max = rng.pick(&[100_000, 16 << 20]);
    config.attempts_max = rng.pick(&[1, 2, 4]);
    config.seed = rng.next();
    config
}

impl NodePlan {
    fn new(rng: &mut Rng) -> Self {
        Self {
            version_max: rng.pick(&[Version::V5, Version::V5, Version::V4, Version::V3]),
            auth_rounds: rng.pick(&[0, 0, 1, 2]),
            named: rng.chance(300),
            offers: &[],
        }
    }
}

impl Network {
    fn new(rng: &mut Rng, fault: u32) -> Self {
        let latency = rng.pick(&[10, 200, 5_000]);
        Self {
            latency_us: (latency, latency * rng.between(1, 4)),
            split: rng.pick(&[1, 9, 100, 1_500, 1 << 20]),
            read_max: rng.pick(&[1, 50, 1_000, 1 << 20]),
            capacity: rng.pick(&[100, 4_000, 100_000, 1 << 20]),
            spurious: rng.pick(&[0, 0, 100]),
            refuse: fault * 5,
            connect_hole: fault,
            client_reset: 300,
            short_write: 300,
        }
    }
}

impl Manners {
    fn new(rng: &mut Rng, fault: u32) -> Self {
        Self {
            slow: fault * rng.pick(&[0, 1, 5]),
            never: fault * rng.pick(&[0, 1, 2]),
            error: fault * 2,
            long: rng.pick(&[0, 0, 20]),
            prepare_refused: fault,
            prepare_other_id: fault,
            prepare_garbage: fault,
            connection_fault: fault * rng.pick(&[0, 1, 1]),
            node_fault: fault / 2,
        }
    }
}

impl Load {
    fn new(rng: &mut Rng) -> Self {
        Self {
            requests: rng.between(20, 200),
            chains: rng.pick(&[1, 10, 60]),
            prepared: rng.pick(&[0, 500, 1_000]),
            idempotent: rng.pick(&[0, 500, 1_000]),
            cancel: rng.pick(&[0, 50]),
            long: rng.pick(&[0, 0, 20]),
            patient: rng.pick(&[0, 0, 100]),
            span: Duration::from_millis(rng.pick(&[100, 1_000, 10_000])),
        }
    }
}
