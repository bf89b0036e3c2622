//! One contact point: its addresses, how many connections it has, and when the next attempt is due.
//!
//! Topology will add the nodes that the cluster itself names; they will live in the same table.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::rng::Rng;
use super::{Config, ConnectionError, ContactPoint};
use crate::Time;
use crate::call::NodeFailure;
use crate::protocol::Version;
use crate::reactor::JobId;

/// A contact point and its pool.
#[derive(Debug)]
pub(crate) struct Node {
    point: ContactPoint,
    /// What the name stands for; tried one after the other. Empty: to be looked up.
    addresses: Vec<SocketAddr>,
    /// The one in use, or tried now.
    current: usize,
    /// Addresses tried in vain since the last success or pause.
    tried: usize,
    /// Rounds through all addresses in vain.
    rounds: u32,
    retry_at: Option<Time>,
    pub(crate) resolving: Option<JobId>,
    /// Connections that exist, ready or not.
    pub(crate) open: usize,
    pub(crate) ready: usize,
    /// What to greet it with.
    pub(crate) version: Version,
    /// Why each address of the last round failed.
    failures: Vec<NodeFailure>,
}

/// What the pool wants next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Want {
    Resolve { host: Box<str>, port: u16 },
    Open(SocketAddr),
    Nothing,
}

impl Node {
    pub(crate) fn new(point: ContactPoint, version: Version) -> Self {
        let mut node = Self {
            point,
            addresses: Vec::new(),
            current: 0,
            tried: 0,
            rounds: 0,
            retry_at: None,
            resolving: None,
            open: 0,
            ready: 0,
            version,
            failures: Vec::new(),
        };
        node.forget_addresses();
        node
    }

    /// The contact point's, as the user gave it.
    pub(crate) fn host(&self) -> &str {
        &self.point.host
    }

    /// A name is looked up anew after each round in vain: all its addresses may have changed.
    fn forget_addresses(&mut self) {
        let literal = self.point.host.parse::<IpAddr>();
        self.addresses = literal.map(|ip| SocketAddr::new(ip, self.point.port)).into_iter().collect();
        (self.current, self.tried) = (0, 0);
    }

    /// The next step towards `connections` connections. Until one is ready there is one attempt at a time.
    pub(crate) fn want(&self, now: Time, connections: usize) -> Want {
        let allowed = if self.ready > 0 { connections } else { 1 };
        if self.open >= allowed || self.resolving.is_some() || self.retry_at.is_some_and(|at| at > now) {
            return Want::Nothing;
        }
        match self.addresses.get(self.current) {
            Some(address) => Want::Open(*address),
            None => Want::Resolve { host: self.point.host.clone(), port: self.point.port },
        }
    }

    /// Whether something is under way that may give a connection.
    pub(crate) fn is_trying(&self, now: Time) -> bool {
        self.resolving.is_some() || self.open > self.ready || self.retry_at.is_none_or(|at| at <= now)
    }

    pub(crate) fn retry_at(&self) -> Option<Time> {
        self.retry_at
    }

    pub(crate) fn failures(&self) -> &[NodeFailure] {
        &self.failures
    }

    /// As it was given, for messages.
    pub(crate) fn contact_point(&self) -> &Arc<str> {
        &self.point.text
    }

    pub(crate) fn resolved(&mut self, addresses: Vec<SocketAddr>) {
        for address in addresses {
            if !self.addresses.contains(&address) {
                self.addresses.push(address);
            }
        }
        (self.current, self.tried) = (0, 0);
    }

    pub(crate) fn became_ready(&mut self) {
        self.ready += 1;
        (self.tried, self.rounds, self.retry_at) = (0, 0, None);
        self.failures.clear();
    }

    /// A connection that was ready for `lived` ended. One that ended at once counts as a failure, or a server that
    /// accepts and drops would be stormed.
    pub(crate) fn lost(
        &mut self,
        lived: Duration,
        now: Time,
        cause: &Arc<ConnectionError>,
        config: &Config,
        rng: &mut Rng,
    ) {
        if lived < config.reconnect_base {
            self.failed(self.addresses.get(self.current).copied(), now, cause.clone(), config, rng);
        }
    }

    /// An attempt failed: the next address, or after the last a pause.
    pub(crate) fn failed(
        &mut self,
        address: Option<SocketAddr>,
        now: Time,
        cause: Arc<ConnectionError>,
        config: &Config,
        rng: &mut Rng,
    ) {
        if self.tried == 0 {
            self.failures.clear();
        }
        self.failures.push(NodeFailure { contact_point: self.point.text.clone(), address, cause });
        self.tried += 1;
        self.current = (self.current + 1) % self.addresses.len().max(1);
        if self.tried >= self.addresses.len() {
            let pause =
                config.reconnect_base.saturating_mul(1 << self.rounds.min(16)).min(config.reconnect_max);
            self.retry_at = Some(now + rng.jitter(pause));
            self.rounds = self.rounds.saturating_add(1);
            self.forget_addresses();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_addresses_are_tried_then_a_growing_pause() {
        let config = Config::new(Vec::new());
        let mut rng = Rng::new(1);
        let mut node = Node::new(ContactPoint::parse("db", 9042).unwrap(), Version::V5);
        let mut now = Time::ZERO;
        let mut pauses = Vec::new();
        for _ in 0..12 {
            assert_eq!(node.want(now, 2), Want::Resolve { host: "db".into(), port: 9042 });
            let addresses: Vec<SocketAddr> =
                vec!["[::1]:9042".parse().unwrap(), "127.0.0.1:9042".parse().unwrap()];
            node.resolved(addresses.clone());
            for address in &addresses {
                assert_eq!(node.want(now, 2), Want::Open(*address));
                node.failed(Some(*address), now, Arc::new(ConnectionError::Closing), &config, &mut rng);
            }
            assert_eq!(node.failures().len(), 2);
            assert_eq!(node.want(now, 2), Want::Nothing);
            let at = node.retry_at().unwrap();
            pauses.push(at.since(now));
            now = at;
        }
        assert!(pauses[0] >= Duration::from_millis(425) && pauses[0] <= Duration::from_millis(575));
        assert!(pauses[3] > pauses[0] * 5);
        assert!(pauses.iter().all(|pause| *pause <= Duration::from_secs(69)));
    }
}
