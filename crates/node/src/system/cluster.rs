//! Which nodes there are, and which part of the ring is whose.

use std::net::SocketAddr;

use crate::store::hash::Hasher128;

/// How many tokens a node has: as many as Cassandra's default.
const TOKENS_PER_NODE: usize = 16;

/// The nodes of one process.
pub(crate) struct Cluster {
    pub(crate) name: String,
    pub(crate) members: Vec<Member>,
}

/// One node, as the others know it.
pub(crate) struct Member {
    pub(crate) address: SocketAddr,
    pub(crate) host_id: [u8; 16],
    pub(crate) data_center: String,
    pub(crate) rack: String,
    /// Rising.
    pub(crate) tokens: Vec<i64>,
}

impl Cluster {
    /// Spreads the ring evenly: the nodes take turns.
    pub(crate) fn new(addresses: &[SocketAddr]) -> Self {
        let nodes = addresses.len();
        let slices = (nodes * TOKENS_PER_NODE) as i128;
        let token = |slice: usize| {
            let at = (1i128 << 64) * (slice as i128 + 1) / slices + i128::from(i64::MIN) - 1;
            // The last slice ends at the greatest token, so all fit.
            i64::try_from(at).unwrap_or(i64::MAX)
        };
        let members = addresses.iter().enumerate().map(|(at, address)| Member {
            address: *address,
            host_id: Hasher128::new().part(b"host").part(address.to_string().as_bytes()).uuid(),
            data_center: "datacenter1".into(),
            rack: "rack1".into(),
            tokens: (0..TOKENS_PER_NODE).map(|turn| token(turn * nodes + at)).collect(),
        });
        Self { name: "helenus".into(), members: members.collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_nodes_share_a_token() {
        let addresses = (1..=7).map(|n| SocketAddr::from(([127, 0, 0, n], 9042))).collect::<Vec<_>>();
        let cluster = Cluster::new(&addresses);
        let mut tokens = cluster.members.iter().flat_map(|member| member.tokens.clone()).collect::<Vec<_>>();
        tokens.sort_unstable();
        tokens.dedup();
        assert_eq!(tokens.len(), 7 * TOKENS_PER_NODE);
        assert_eq!(tokens.last(), Some(&i64::MAX));
    }
}
