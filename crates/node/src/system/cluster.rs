//! Which nodes there are, and which part of the ring is whose.

use std::net::SocketAddr;

use crate::place::Place;
use crate::store::hash::Hasher128;

/// How many tokens a node has: as many as Cassandra's default.
pub(crate) const TOKENS_PER_NODE: usize = 16;

/// The nodes of one process. Their numbers stay theirs: one that left stays in the list.
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
    /// It belongs to the cluster no more.
    pub(crate) left: bool,
    /// The version of the schema that it has, if it doesn't agree with the others.
    pub(crate) other_schema: Option<[u8; 16]>,
}

impl Cluster {
    /// The ring is spread evenly over the nodes that don't say which tokens they have: they take turns.
    pub(crate) fn new(addresses: &[SocketAddr], places: &[Place]) -> Self {
        let spread = places.iter().map(|place| place.spread_tokens()).sum::<usize>();
        let mut slices = 0..spread;
        let mut tokens = places.iter().map(|place| place.given_tokens().to_vec()).collect::<Vec<_>>();
        let most = places.iter().map(|place| place.spread_tokens()).max().unwrap_or_default();
        for turn in 0..most {
            let takes = places.iter().zip(&mut tokens).filter(|(place, _)| turn < place.spread_tokens());
            takes.for_each(|(_, tokens)| tokens.extend(slices.next().map(|slice| token(slice, spread))));
        }
        let members = addresses.iter().zip(places).zip(tokens);
        let members = members.map(|((address, place), tokens)| Member::new(*address, place, tokens));
        Self { name: "helenus".into(), members: members.collect() }
    }

    /// Takes a node in: unless it says which tokens it has, they halve the widest ranges. Gives its number.
    pub(crate) fn join(&mut self, address: SocketAddr, place: &Place) -> usize {
        let mut tokens = place.given_tokens().to_vec();
        let here = self.members.iter().filter(|member| !member.left);
        let mut ring = here.flat_map(|member| member.tokens.iter().copied()).collect::<Vec<_>>();
        for _ in 0..place.spread_tokens() {
            ring.sort_unstable();
            let middle = middle_of_widest(&ring);
            ring.push(middle);
            tokens.push(middle);
        }
        self.members.push(Member::new(address, place, tokens));
        self.members.len() - 1
    }
}

impl Member {
    fn new(address: SocketAddr, place: &Place, mut tokens: Vec<i64>) -> Self {
        tokens.sort_unstable();
        Self {
            address,
            host_id: Hasher128::new().part(b"host").part(address.to_string().as_bytes()).uuid(),
            data_center: place.data_center.clone(),
            rack: place.rack.clone(),
            tokens,
            left: false,
            other_schema: None,
        }
    }
}

fn token(slice: usize, slices: usize) -> i64 {
    let at = (1i128 << 64) * (slice as i128 + 1) / slices as i128 + i128::from(i64::MIN) - 1;
    // The last slice ends at the greatest token, so all fit.
    i64::try_from(at).unwrap_or(i64::MAX)
}

/// A token that isn't on the sorted ring yet.
fn middle_of_widest(ring: &[i64]) -> i64 {
    let Some(last) = ring.last() else { return i64::MAX };
    // The first range begins after the last token, around the end.
    let before =
        std::iter::once(i128::from(*last) - (1i128 << 64)).chain(ring.iter().map(|t| i128::from(*t)));
    let ranges = before.zip(ring).map(|(from, to)| (i128::from(*to) - from, from));
    let (width, from) = ranges.max_by_key(|(width, _)| *width).unwrap_or((1 << 64, i128::from(*last)));
    let middle = from + width / 2;
    // Around the end, if it lies before the least token.
    i64::try_from(middle).or_else(|_| i64::try_from(middle + (1i128 << 64))).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(nodes: u8) -> Vec<SocketAddr> {
        (1..=nodes).map(|n| SocketAddr::from(([127, 0, 0, n], 9042))).collect()
    }

    fn ring(cluster: &Cluster) -> Vec<i64> {
        let mut tokens = cluster.members.iter().flat_map(|member| member.tokens.clone()).collect::<Vec<_>>();
        tokens.sort_unstable();
        tokens.dedup();
        tokens
    }

    #[test]
    fn no_two_nodes_share_a_token() {
        let cluster = Cluster::new(&addresses(7), &vec![Place::default(); 7]);
        let tokens = ring(&cluster);
        assert_eq!(tokens.len(), 7 * TOKENS_PER_NODE);
        assert_eq!(tokens.last(), Some(&i64::MAX));
    }

    #[test]
    fn tokens_are_given_or_spread_and_those_who_join_halve_the_widest_ranges() {
        let places =
            [Place::default().tokens([5, -7]), Place::default().vnodes(1), Place::new("dc2", "r1").vnodes(3)];
        let mut cluster = Cluster::new(&addresses(3), &places);
        assert_eq!(cluster.members[0].tokens, [-7, 5]);
        let quarter = 1i64 << 62;
        assert_eq!(cluster.members[1].tokens, [-quarter - 1]);
        assert_eq!(cluster.members[2].tokens, [-1, quarter - 1, i64::MAX]);
        let joined = cluster.join(([127, 0, 0, 4], 9042).into(), &Place::default().vnodes(200));
        assert_eq!((joined, cluster.members[joined].tokens.len()), (3, 200));
        assert_eq!(ring(&cluster).len(), 6 + 200);
        let mut empty = Cluster::new(&[], &[]);
        empty.join(([127, 0, 0, 4], 9042).into(), &Place::default().vnodes(2));
        assert_eq!(ring(&empty).len(), 2);
    }
}
