//! The rows of one table, in the order of tokens.

use std::collections::{BTreeMap, btree_map};
use std::ops::Bound as Edge;
use std::sync::Arc;

use super::cell::NEVER;
pub(crate) use super::key::PartitionKey;
pub(crate) use super::ring::Range;
use super::ring::Ring;
use super::row::{Part, Row, RowData};
use super::schema::Schema;
use super::slice::{Deletions, Slice};

/// A row's place in its partition: the clustering values as bytes that order as they do.
pub(crate) type ClusteringKey = Box<[u8]>;

#[derive(Debug)]
enum Partition {
    /// Of a table without clustering columns.
    One(Row),
    Many(Box<Rows>),
}

#[derive(Debug)]
struct Rows {
    deleted_at: i64,
    deletions: Deletions,
    static_row: Row,
    rows: BTreeMap<ClusteringKey, Row>,
}

/// What a row of a partition costs beyond its bytes: allocator, tree nodes, bookkeeping. An estimate.
const ROW_OVERHEAD_BYTES: usize = 112;

/// What a partition without clustering columns costs beyond its key and its row. Measured at 10^6 rows.
const SINGLE_OVERHEAD_BYTES: usize = 72;

/// What a partition with clustering columns costs beyond its rows: a tree of its own.
const PARTITION_OVERHEAD_BYTES: usize = 500;

#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) schema: Arc<Schema>,
    partitions: Ring<Partition>,
    bytes: usize,
}

/// A write to one partition.
#[derive(Debug)]
pub(crate) enum Change<'a> {
    /// `values` are the clustering values, each behind its length.
    Row {
        clustering: Vec<u8>,
        values: Vec<u8>,
        data: RowData<'a>,
    },
    Static(RowData<'a>),
    DeleteSlice(Slice, i64),
    DeletePartition(i64),
}

/// A row found by a scan: encoded, and empty if there is only a static row. It may be dead.
#[derive(Clone, Copy)]
pub(crate) struct Found<'a> {
    pub(crate) partition: &'a PartitionKey,
    pub(crate) clustering: &'a [u8],
    pub(crate) row: &'a [u8],
    pub(crate) static_row: &'a [u8],
}

/// How a scan goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Next,
    NextPartition,
    Stop,
}

/// Which rows of each partition, in order.
#[derive(Debug)]
pub(crate) struct Window<'a> {
    /// In the order of the keys, without overlaps.
    pub(crate) slices: &'a [Slice],
    pub(crate) reversed: bool,
    /// After which row to begin: its partition and clustering key; `None` there for its static row.
    pub(crate) resume: Option<(&'a PartitionKey, Option<&'a [u8]>)>,
}

impl Table {
    pub(crate) fn new(schema: Arc<Schema>) -> Self {
        Self { schema, partitions: Ring::new(), bytes: 0 }
    }

    /// An estimate of the memory that it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many partitions there are, dead ones too.
    pub(crate) fn partitions(&self) -> usize {
        self.partitions.len()
    }

    pub(crate) fn clear(&mut self) {
        self.partitions = Ring::new();
        self.bytes = 0;
    }

    pub(crate) fn write(&mut self, partition: PartitionKey, change: Change<'_>, now_seconds: i64) {
        let key_len = partition.key.len();
        let clustered = self.schema.clustering_len > 0;
        let bytes = &mut self.bytes;
        let content = self.partitions.find_or_insert(partition, || {
            *bytes += key_len + if clustered { PARTITION_OVERHEAD_BYTES } else { SINGLE_OVERHEAD_BYTES };
            if clustered { Partition::Many(Box::default()) } else { Partition::One(Row::default()) }
        });
        let mut put = Put { schema: &self.schema, now_seconds, bytes: 0 };
        match (content, change) {
            (Partition::One(row), Change::Row { data, .. } | Change::Static(data)) => {
                put.merge(row, &[], 0, data, NEVER);
            }
            (Partition::One(row), Change::DeletePartition(at) | Change::DeleteSlice(_, at)) => {
                put.merge(row, &[], 0, RowData { deleted_at: at, ..RowData::default() }, NEVER);
            }
            (Partition::Many(rows), change) => rows.write(change, &mut put),
        }
        self.bytes = self.bytes.saturating_add_signed(put.bytes);
    }

    /// The row of one place.
    pub(crate) fn find(&self, partition: &PartitionKey, clustering: &[u8]) -> Option<Found<'_>> {
        let (partition, content) = self.partitions.find(partition)?;
        let found = Found { partition, clustering: &[], row: &[], static_row: &[] };
        match content {
            Partition::One(row) => Some(Found { row, ..found }),
            Partition::Many(rows) => {
                let static_row = &*rows.static_row;
                match rows.rows.get_key_value(clustering) {
                    Some((clustering, row)) => Some(Found { clustering, row, static_row, ..found }),
                    None => Some(Found { static_row, ..found }),
                }
            }
        }
    }

    /// Shows the rows of the range of partitions and the window of each, until `visit` says to stop. Whether to go on with
    /// other ranges is returned.
    pub(crate) fn scan<'a>(
        &'a self,
        range: Range,
        window: &Window<'_>,
        visit: &mut dyn FnMut(Found<'a>) -> Step,
    ) -> bool {
        let from = match (&range.0, window.resume) {
            (Edge::Included(from), Some((resumed, _))) if resumed < from => range.0,
            (_, Some((resumed, _))) => Edge::Included(resumed.clone()),
            (_, None) => range.0,
        };
        for (partition, content) in self.partitions.range((from, range.1)) {
            let after = match window.resume {
                Some((resumed, clustering)) if resumed == partition => Some(clustering),
                _ => None,
            };
            let found = Found { partition, clustering: &[], row: &[], static_row: &[] };
            let go_on = match content {
                Partition::One(_) if after.is_some() => true,
                Partition::One(row) => visit(Found { row, ..found }) != Step::Stop,
                Partition::Many(rows) => rows.scan(found, window, after, visit),
            };
            if !go_on {
                return false;
            }
        }
        true
    }

    /// Finds one partition, and shows its window.
    pub(crate) fn scan_one<'a>(
        &'a self,
        key: &PartitionKey,
        window: &Window<'_>,
        visit: &mut dyn FnMut(Found<'a>) -> Step,
    ) -> bool {
        let after = match window.resume {
            Some((resumed, clustering)) if resumed == key => Some(clustering),
            _ => None,
        };
        let Some((partition, content)) = self.partitions.find(key) else { return true };
        let found = Found { partition, clustering: &[], row: &[], static_row: &[] };
        match content {
            Partition::One(_) if after.is_some() => true,
            Partition::One(row) => visit(Found { row, ..found }) != Step::Stop,
            Partition::Many(rows) => rows.scan(found, window, after, visit),
        }
    }
}

impl Default for Rows {
    fn default() -> Self {
        Self {
            deleted_at: NEVER,
            deletions: Deletions::default(),
            static_row: Row::default(),
            rows: BTreeMap::new(),
        }
    }
}

impl Rows {
    fn write(&mut self, change: Change<'_>, put: &mut Put<'_>) {
        match change {
            Change::Static(data) => put.merge(&mut self.static_row, &[], 0, data, self.deleted_at),
            Change::Row { clustering, values, data } => {
                let around = match self.deletions.is_empty() {
                    true => self.deleted_at,
                    false => self.deleted_at.max(self.deletions.at(&clustering)),
                };
                match self.rows.entry(clustering.into()) {
                    btree_map::Entry::Occupied(mut row) => {
                        put.merge(row.get_mut(), &values, put.schema.clustering_len, data, around);
                        if row.get().is_empty() {
                            put.bytes -= (row.key().len() + ROW_OVERHEAD_BYTES) as isize;
                            row.remove();
                        }
                    }
                    btree_map::Entry::Vacant(place) => {
                        let mut row = Row::default();
                        put.merge(&mut row, &values, put.schema.clustering_len, data, around);
                        if !row.is_empty() {
                            put.bytes += (place.key().len() + ROW_OVERHEAD_BYTES) as isize;
                            place.insert(row);
                        }
                    }
                }
            }
            Change::DeleteSlice(slice, timestamp) => {
                put.bytes += self.deletions.add(&slice, timestamp);
                self.shadow(&slice, timestamp, put);
            }
            Change::DeletePartition(timestamp) => {
                self.deleted_at = self.deleted_at.max(timestamp);
                self.deletions.forget(timestamp);
                put.merge(&mut self.static_row, &[], 0, RowData::default(), timestamp);
                self.shadow(&Slice::ALL, timestamp, put);
            }
        }
    }

    /// Forgets what a deletion covers.
    fn shadow(&mut self, slice: &Slice, timestamp: i64, put: &mut Put<'_>) {
        let mut gone = Vec::new();
        for (key, row) in self.rows.range_mut::<[u8], _>(edges(slice)) {
            let values = clustering_of(row, put.schema.clustering_len);
            put.merge(row, &values, put.schema.clustering_len, RowData::default(), timestamp);
            if row.is_empty() {
                gone.push(key.clone());
            }
        }
        for key in gone {
            put.bytes -= (key.len() + ROW_OVERHEAD_BYTES) as isize;
            self.rows.remove(&key);
        }
    }

    fn scan<'a>(
        &'a self,
        partition: Found<'a>,
        window: &Window<'_>,
        after: Option<Option<&[u8]>>,
        visit: &mut dyn FnMut(Found<'a>) -> Step,
    ) -> bool {
        let found = Found { static_row: &self.static_row, ..partition };
        let mut show =
            |(clustering, row): (&'a ClusteringKey, &'a Row)| visit(Found { clustering, row, ..found });
        let mut step = Step::Next;
        if window.reversed {
            for slice in window.slices.iter().rev() {
                let slice = match after {
                    Some(Some(last)) => {
                        slice.intersection(&Slice { from: Vec::new(), to: Some(last.to_vec()) })
                    }
                    _ => slice.clone(),
                };
                if !slice.is_empty() {
                    step = walk(self.rows.range::<[u8], _>(edges(&slice)).rev(), &mut show);
                }
                if step != Step::Next {
                    break;
                }
            }
        } else {
            for slice in window.slices {
                let resumed;
                let slice = match after {
                    Some(Some(last)) => {
                        resumed = slice.intersection(&Slice { from: [last, &[0]].concat(), to: None });
                        &resumed
                    }
                    _ => slice,
                };
                if !slice.is_empty() {
                    step = walk(self.rows.range::<[u8], _>(edges(slice)), &mut show);
                }
                if step != Step::Next {
                    break;
                }
            }
        }
        // A partition of which there is only a static row shows that, if all its rows were asked for.
        let whole = matches!(window.slices, [slice] if *slice == Slice::ALL);
        if step == Step::Next && after.is_none() && whole && !self.static_row.is_empty() {
            step = visit(found);
        }
        step != Step::Stop
    }
}

fn walk<'a>(
    rows: impl Iterator<Item = (&'a ClusteringKey, &'a Row)>,
    show: &mut impl FnMut((&'a ClusteringKey, &'a Row)) -> Step,
) -> Step {
    for row in rows {
        match show(row) {
            Step::Next => {}
            other => return other,
        }
    }
    Step::Next
}

fn edges(slice: &Slice) -> (Edge<&[u8]>, Edge<&[u8]>) {
    (Edge::Included(&slice.from), slice.to.as_deref().map_or(Edge::Unbounded, Edge::Excluded))
}

/// The clustering values of a row, as they stand in it.
fn clustering_of(row: &[u8], clustering_len: usize) -> Vec<u8> {
    let mut values = Vec::new();
    super::row::read(row, clustering_len, 0, |part| {
        if let Part::Clustering(_, value) = part {
            crate::types::put_piece(Some(value), &mut values);
        }
    });
    values
}

/// Puts rows in place of others, and counts what memory it takes.
struct Put<'s> {
    schema: &'s Schema,
    now_seconds: i64,
    bytes: isize,
}

impl Put<'_> {
    fn merge(&mut self, row: &mut Row, values: &[u8], clustering_len: usize, data: RowData<'_>, around: i64) {
        let merged = if row.is_empty() {
            let mut fresh = data;
            fresh.settle();
            let floor = around.max(fresh.deleted_at);
            if floor != NEVER {
                fresh.shadow(floor, self.now_seconds);
                fresh.deleted_at = if fresh.deleted_at <= around { NEVER } else { fresh.deleted_at };
            }
            fresh.encode(values)
        } else {
            let mut old = RowData::decode(row, clustering_len);
            old.merge(data, around, self.now_seconds, self.schema);
            old.encode(values)
        };
        self.bytes += merged.len() as isize - row.len() as isize;
        *row = merged;
    }
}
