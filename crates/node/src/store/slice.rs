//! Ranges of the rows of a partition, and the deletions of such ranges.

use super::cell::NEVER;

/// Rows from one place on, up to another: `to` is not in it. Places are clustering keys in their byte order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Slice {
    pub(crate) from: Vec<u8>,
    /// `None`: to the end.
    pub(crate) to: Option<Vec<u8>>,
}

impl Slice {
    /// Of all rows.
    pub(crate) const ALL: Self = Self { from: Vec::new(), to: None };

    pub(crate) fn is_empty(&self) -> bool {
        self.to.as_ref().is_some_and(|to| *to <= self.from)
    }

    pub(crate) fn contains(&self, key: &[u8]) -> bool {
        *self.from <= *key && self.to.as_ref().is_none_or(|to| key < &**to)
    }

    /// What is in both.
    pub(crate) fn intersection(&self, other: &Self) -> Self {
        let to = match (&self.to, &other.to) {
            (Some(a), Some(b)) => Some(a.min(b).clone()),
            (a, b) => a.clone().or_else(|| b.clone()),
        };
        Self { from: (&self.from).max(&other.from).clone(), to }
    }
}

/// The first place after all keys that begin so.
pub(crate) fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != 0xff)?;
    let mut after = prefix[..=last].to_vec();
    after[last] += 1;
    Some(after)
}

/// The deletions of ranges of a partition: they don't overlap, and are in order.
#[derive(Debug, Default)]
pub(crate) struct Deletions(Vec<(Slice, i64)>);

impl Deletions {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// When the place was deleted last.
    pub(crate) fn at(&self, key: &[u8]) -> i64 {
        let at = self.0.partition_point(|(slice, _)| *slice.from <= *key);
        let found = at.checked_sub(1).and_then(|at| self.0.get(at));
        found.filter(|(slice, _)| slice.contains(key)).map_or(NEVER, |(_, timestamp)| *timestamp)
    }

    /// Adds a deletion; where there is a later one already, that stays. What memory it takes more (or less) is returned.
    pub(crate) fn add(&mut self, slice: &Slice, timestamp: i64) -> isize {
        let before = self.bytes();
        let first =
            self.0.partition_point(|(other, _)| other.to.as_ref().is_some_and(|to| *to <= slice.from));
        let last =
            self.0[first..].partition_point(|(other, _)| slice.to.as_ref().is_none_or(|to| other.from < *to));
        let mut merged = Vec::new();
        let mut from = Some(slice.from.clone());
        for (other, deleted) in self.0.drain(first..first + last) {
            // What of the new one lies before this one.
            if let Some(start) = from.filter(|start| *start < other.from) {
                merged.push((Slice { from: start, to: Some(other.from.clone()) }, timestamp));
            }
            let inside = other.intersection(slice);
            let before = Slice { from: other.from.clone(), to: Some(inside.from.clone()) };
            let after = inside.to.clone().map(|to| Slice { from: to, to: other.to.clone() });
            from = inside.to.clone();
            merged.push((before, deleted));
            merged.push((inside, deleted.max(timestamp)));
            merged.extend(after.map(|after| (after, deleted)));
        }
        if let Some(from) = from {
            merged.push((Slice { from, to: slice.to.clone() }, timestamp));
        }
        merged.retain(|(slice, _)| !slice.is_empty());
        merged.dedup_by(|next, last| {
            let joined = last.1 == next.1 && last.0.to.as_ref() == Some(&next.0.from);
            if joined {
                last.0.to = next.0.to.take();
            }
            joined
        });
        self.0.splice(first..first, merged);
        self.bytes() - before
    }

    /// Forgets those that were up to `deleted_at`.
    pub(crate) fn forget(&mut self, deleted_at: i64) {
        self.0.retain(|(_, timestamp)| *timestamp > deleted_at);
    }

    fn bytes(&self) -> isize {
        // A walk for each deletion of a range would be too long; what counts is how many there are.
        (self.0.len() * 128) as isize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against a model that knows of each place on its own.
    #[test]
    fn the_latest_deletion_is_known_of_each_place() {
        let mut seed = 11u64;
        let mut random = |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % below
        };
        for _ in 0..500 {
            let mut deletions = Deletions::default();
            let mut model = [NEVER; 40];
            for _ in 0..12 {
                let (from, len, timestamp) = (random(40), random(20), random(10) as i64);
                let to = if random(8) == 0 { None } else { Some(from + len) };
                let slice = Slice { from: vec![from as u8], to: to.map(|to| vec![to as u8]) };
                if slice.is_empty() {
                    continue;
                }
                deletions.add(&slice, timestamp);
                let end = to.unwrap_or(40).min(40);
                for place in &mut model[from as usize..end.max(from) as usize] {
                    *place = (*place).max(timestamp);
                }
            }
            for (place, expected) in model.iter().enumerate() {
                assert_eq!(deletions.at(&[place as u8]), *expected, "{place} {deletions:?}");
            }
            let overlap = deletions
                .0
                .windows(2)
                .find(|pair| pair[0].0.to.as_ref().is_none_or(|to| *to > pair[1].0.from));
            assert_eq!(overlap, None);
        }
    }

    #[test]
    fn a_prefix_ends_before_what_is_greater() {
        assert_eq!(after_prefix(&[1, 2]), Some(vec![1, 3]));
        assert_eq!(after_prefix(&[1, 255, 255]), Some(vec![2]));
        assert_eq!(after_prefix(&[255]), None);
        assert_eq!(after_prefix(&[]), None);
    }
}
