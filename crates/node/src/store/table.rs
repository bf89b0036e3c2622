//! The rows of one table, in the order of tokens.

use std::collections::{BTreeMap, btree_map};
use std::ops::Bound as Edge;
use std::sync::Arc;

use super::murmur3;
use super::row::Row;
use super::schema::Schema;

/// A partition's place on the ring: by token, then by the bytes of its key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PartitionKey {
    pub(crate) token: i64,
    pub(crate) key: Box<[u8]>,
}

impl PartitionKey {
    pub(crate) fn new(key: &[u8]) -> Self {
        Self { token: murmur3::token(key), key: key.into() }
    }
}

/// A row's place in its partition: the clustering values as bytes that order as they do.
pub(crate) type ClusteringKey = Box<[u8]>;

/// A range of partitions, in ring order.
pub(crate) type Range = (Edge<PartitionKey>, Edge<PartitionKey>);

#[derive(Debug)]
enum Partition {
    /// Of a table without clustering columns.
    One(Row),
    Many(BTreeMap<ClusteringKey, Row>),
}

/// What a row costs beyond its bytes: allocator, tree nodes, bookkeeping. An estimate, measured at 10^6 rows.
const ROW_OVERHEAD_BYTES: usize = 112;

/// What a partition with clustering columns costs beyond its rows: a tree of its own.
const PARTITION_OVERHEAD_BYTES: usize = 420;

#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) schema: Arc<Schema>,
    partitions: BTreeMap<PartitionKey, Partition>,
    bytes: usize,
}

/// A row found by a scan.
#[derive(Clone, Copy)]
pub(crate) struct Found<'a> {
    pub(crate) partition: &'a PartitionKey,
    pub(crate) clustering: &'a [u8],
    pub(crate) row: &'a [u8],
}

impl Table {
    pub(crate) fn new(schema: Arc<Schema>) -> Self {
        Self { schema, partitions: BTreeMap::new(), bytes: 0 }
    }

    /// An estimate of the memory that it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn clear(&mut self) {
        self.partitions = BTreeMap::new();
        self.bytes = 0;
    }

    /// Puts a row in place of the one that `merge` is shown, if there is one.
    pub(crate) fn upsert(
        &mut self,
        partition: PartitionKey,
        clustering: &[u8],
        merge: impl FnOnce(Option<&[u8]>) -> Row,
    ) {
        let key_bytes = partition.key.len() + clustering.len() + ROW_OVERHEAD_BYTES;
        let clustered = self.schema.clustering_len > 0;
        let slot = match self.partitions.entry(partition) {
            btree_map::Entry::Vacant(vacant) if clustered => {
                self.bytes += PARTITION_OVERHEAD_BYTES;
                vacant.insert(Partition::Many(BTreeMap::new()))
            }
            btree_map::Entry::Vacant(vacant) => {
                let row = merge(None);
                self.bytes += row.len() + key_bytes;
                vacant.insert(Partition::One(row));
                return;
            }
            btree_map::Entry::Occupied(occupied) => occupied.into_mut(),
        };
        let old = match slot {
            Partition::One(row) => row,
            Partition::Many(rows) => match rows.get_mut(clustering) {
                Some(row) => row,
                None => {
                    let row = merge(None);
                    self.bytes += row.len() + key_bytes;
                    rows.insert(clustering.into(), row);
                    return;
                }
            },
        };
        let row = merge(Some(old));
        self.bytes = (self.bytes + row.len()).saturating_sub(old.len());
        *old = row;
    }

    /// Shows each row of the range, from after `resume` on if there is one, whose clustering key begins
    /// with `prefix`; until `visit` says to stop.
    pub(crate) fn scan<'a>(
        &'a self,
        range: Range,
        prefix: &[u8],
        resume: Option<(&PartitionKey, &[u8])>,
        visit: &mut dyn FnMut(Found<'a>) -> bool,
    ) -> bool {
        let from = match (&range.0, resume) {
            (Edge::Included(from), Some((resumed, _))) if resumed < from => range.0,
            (_, Some((resumed, _))) => Edge::Included(resumed.clone()),
            (_, None) => range.0,
        };
        let range = (from, range.1);
        if is_empty(&range) {
            return true;
        }
        for (partition, content) in self.partitions.range(range) {
            let after = match resume {
                Some((resumed, clustering)) if resumed == partition => Some(clustering),
                _ => None,
            };
            let go_on = match content {
                Partition::One(row) => {
                    after.is_some() || visit(Found { partition, clustering: &[], row: row.as_ref() })
                }
                Partition::Many(rows) => {
                    let from = after.map_or(Edge::Included(prefix), Edge::Excluded);
                    rows.range::<[u8], _>((from, Edge::Unbounded))
                        .take_while(|(clustering, _)| clustering.starts_with(prefix))
                        .all(|(clustering, row)| visit(Found { partition, clustering, row: row.as_ref() }))
                }
            };
            if !go_on {
                return false;
            }
        }
        true
    }
}

/// `BTreeMap::range` panics for ranges that run backwards, and a client may ask for one.
fn is_empty(range: &Range) -> bool {
    match (&range.0, &range.1) {
        (Edge::Included(from), Edge::Included(to)) => from > to,
        (Edge::Included(from) | Edge::Excluded(from), Edge::Included(to) | Edge::Excluded(to)) => from >= to,
        _ => false,
    }
}
