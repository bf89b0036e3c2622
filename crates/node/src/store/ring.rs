//! A map in the order of the ring. Tokens are hashes, so their first bits say nearly where a partition lies: finding one
//! reads a bucket's head and a few of its entries, where a tree would read a node on each of its levels.

use std::ops::Bound as Edge;

use super::key::PartitionKey;

/// A range of partitions, in ring order.
pub(crate) type Range = (Edge<PartitionKey>, Edge<PartitionKey>);

/// Each bucket has the partitions whose tokens begin with the same bits. They are split one after the other, from the
/// first on, so that no insertion has to wait for all of them.
#[derive(Debug)]
pub(crate) struct Ring<V> {
    /// By the first `bits` bits. Those that were split are empty: `split` of them.
    coarse: Vec<Bucket<V>>,
    /// By one bit more: what the split ones had.
    fine: Vec<Bucket<V>>,
    bits: u32,
    len: usize,
}

/// In order. Keys that were made so that their tokens are alike slow down the node that took them; it stays right.
type Bucket<V> = Vec<(PartitionKey, V)>;

/// So many partitions a bucket has on average. Those that wait for their split have up to twice as many.
const LOAD: usize = 12;

/// In longer buckets tokens aren't spread evenly.
const EVEN_LEN: usize = 64;

impl<V> Ring<V> {
    pub(crate) fn new() -> Self {
        Self { coarse: vec![Vec::new()], fine: Vec::new(), bits: 0, len: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn find(&self, key: &PartitionKey) -> Option<(&PartitionKey, &V)> {
        let place = self.place(key.token);
        let bucket = self.bucket(place);
        let at = self.seek(bucket, place, key).ok()?;
        bucket.get(at).map(|(key, value)| (key, value))
    }

    /// The value of a key, which is made by `make` if there is none yet.
    pub(crate) fn find_or_insert(&mut self, key: PartitionKey, make: impl FnOnce() -> V) -> &mut V {
        let mut place = self.place(key.token);
        let mut found = self.seek(self.bucket(place), place, &key);
        if found.is_err() && self.len >= LOAD * self.count() {
            self.split_next();
            place = self.place(key.token);
            found = self.seek(self.bucket(place), place, &key);
        }
        let split = self.split();
        let bucket = match place.checked_sub(2 * split) {
            None => &mut self.fine[place],
            Some(after) => &mut self.coarse[split + after],
        };
        let at = found.unwrap_or_else(|at| {
            if bucket.len() == bucket.capacity() {
                bucket.reserve_exact(2 + bucket.len() / 8);
            }
            bucket.insert(at, (key, make()));
            self.len += 1;
            at
        });
        &mut bucket[at].1
    }

    /// In order; nothing, if the range runs backwards.
    pub(crate) fn range(&self, (from, to): Range) -> impl Iterator<Item = (&PartitionKey, &V)> {
        let (first, skipped) = match from {
            Edge::Unbounded => (0, 0),
            Edge::Included(key) => {
                let place = self.place(key.token);
                (place, self.seek(self.bucket(place), place, &key).unwrap_or_else(|at| at))
            }
            Edge::Excluded(key) => {
                let place = self.place(key.token);
                (place, self.seek(self.bucket(place), place, &key).map_or_else(|at| at, |at| at + 1))
            }
        };
        let entries = (first..self.count()).flat_map(|place| self.bucket(place)).skip(skipped);
        entries.map(|(key, value)| (key, value)).take_while(move |(key, _)| match &to {
            Edge::Included(to) => *key <= to,
            Edge::Excluded(to) => *key < to,
            Edge::Unbounded => true,
        })
    }

    fn split(&self) -> usize {
        self.fine.len() / 2
    }

    /// How many buckets there are.
    fn count(&self) -> usize {
        self.coarse.len() + self.split()
    }

    /// Which of the buckets has a token, in order.
    #[inline]
    fn place(&self, token: i64) -> usize {
        let spot = spot(token);
        let coarse = prefix(spot, self.bits);
        if coarse < self.split() { prefix(spot, self.bits + 1) } else { coarse + self.split() }
    }

    #[inline]
    fn bucket(&self, place: usize) -> &Bucket<V> {
        match place.checked_sub(self.fine.len()) {
            None => &self.fine[place],
            Some(after) => &self.coarse[self.split() + after],
        }
    }

    /// Where a key is in its bucket, or would be.
    #[inline]
    fn seek(&self, bucket: &Bucket<V>, place: usize, key: &PartitionKey) -> Result<usize, usize> {
        if bucket.len() > EVEN_LEN {
            return bucket.binary_search_by(|(other, _)| other.cmp(key));
        }
        // From where it would be if all were at equal distances.
        let bits = self.bits + u32::from(place < self.fine.len());
        let share = (spot(key.token) << bits) >> 32;
        let mut at = (share as usize * bucket.len()) >> 32;
        while at > 0 && bucket[at - 1].0 >= *key {
            at -= 1;
        }
        while let Some((other, _)) = bucket.get(at) {
            match other.cmp(key) {
                std::cmp::Ordering::Less => at += 1,
                std::cmp::Ordering::Equal => return Ok(at),
                std::cmp::Ordering::Greater => break,
            }
        }
        Err(at)
    }

    /// Splits the first bucket that is still whole.
    fn split_next(&mut self) {
        let (split, bits) = (self.split(), self.bits + 1);
        if self.fine.is_empty() {
            self.fine.reserve_exact(2 * self.coarse.len());
        }
        let mut lower = std::mem::take(&mut self.coarse[split]);
        let middle = lower.partition_point(|(key, _)| prefix(spot(key.token), bits) == 2 * split);
        let upper = lower.split_off(middle);
        lower.shrink_to_fit();
        self.fine.push(lower);
        self.fine.push(upper);
        if self.split() == self.coarse.len() {
            self.coarse = std::mem::take(&mut self.fine);
            self.bits = bits;
        }
    }
}

/// Tokens as numbers from zero on.
#[inline]
fn spot(token: i64) -> u64 {
    token as u64 ^ 1 << 63
}

#[inline]
fn prefix(spot: u64, bits: u32) -> usize {
    spot.checked_shr(64 - bits).unwrap_or(0) as usize
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Against a tree, at each size on the way: many bits, buckets half split, keys of equal tokens.
    #[test]
    fn it_is_in_order_whatever_its_size() {
        let mut ring = Ring::new();
        let mut model = BTreeMap::new();
        for number in 0..3_000_u64 {
            let mut key = PartitionKey::new(&(number % 2_900).to_be_bytes());
            match number % 10 {
                0 => key.token = 7,
                // Close together, as no hash makes them.
                1 => key.token = i64::MAX - number as i64,
                2 => key.token = if number % 20 == 2 { i64::MIN } else { i64::MAX },
                _ => {}
            }
            *ring.find_or_insert(key.clone(), || 0) += number;
            *model.entry(key.clone()).or_insert(0) += number;
            assert_eq!(ring.find(&key), model.get_key_value(&key));
            assert_eq!(ring.len(), model.len());
            if number % 97 == 0 {
                assert!(ring.range((Edge::Unbounded, Edge::Unbounded)).eq(&model));
                ranges(&ring, &model, &key);
            }
        }
        assert!(model.keys().all(|key| ring.find(key) == model.get_key_value(key)));
        assert_eq!(ring.find(&PartitionKey::new(b"none")), None);
    }

    fn ranges(ring: &Ring<u64>, model: &BTreeMap<PartitionKey, u64>, key: &PartitionKey) {
        let other = PartitionKey::first_of(key.token.wrapping_mul(31));
        let (from, to) = if *key < other { (key.clone(), other) } else { (other, key.clone()) };
        let edges = |key: PartitionKey| [Edge::Included(key.clone()), Edge::Excluded(key), Edge::Unbounded];
        for from in edges(from.clone()) {
            for to in edges(to.clone()) {
                let range = (from.clone(), to);
                assert!(ring.range(range.clone()).eq(model.range(range.clone())), "{range:?}");
            }
        }
        if from < to {
            assert_eq!(ring.range((Edge::Included(to), Edge::Included(from))).next(), None);
        }
    }
}
