//! A prepared statement, as every part of the driver knows it.

use std::sync::{Arc, OnceLock};

use crate::protocol::ColumnSpec;

/// A statement that a server has prepared (section 4.2.5.4).
#[derive(Clone, Debug)]
pub struct PreparedStatement {
    /// The CQL text, to prepare it again where it isn't known.
    pub text: Box<str>,
    /// The server's name for it.
    pub id: Box<[u8]>,
    /// v5: the server's name for the metadata of its result.
    pub result_metadata_id: Option<Box<[u8]>>,
    /// The bind markers, in order.
    pub bind_markers: Arc<[ColumnSpec]>,
    /// v4 and later: which bind markers are the partition key, in the key's order. Empty if not all of them are bound.
    pub partition_key_indexes: Box<[u16]>,
    /// The columns of its result; empty if it has none.
    pub result_columns: Arc<[ColumnSpec]>,
    /// The metadata of the first result, to know it again by its bytes.
    pub seen: SeenMetadata,
}

/// The metadata that a statement's results have had, in bytes and decoded.
///
/// Before v5 every result carries names and types of its columns, and must: nothing else would tell of an ALTER TABLE. They
/// are nearly always the same bytes as last time, so they are compared rather than decoded again. Other bytes are decoded.
#[derive(Clone, Debug, Default)]
pub struct SeenMetadata(OnceLock<Seen>);

#[derive(Clone, Debug)]
struct Seen {
    bytes: Box<[u8]>,
    columns: Arc<[ColumnSpec]>,
}

impl SeenMetadata {
    /// If `bytes` begin with the metadata seen before: its columns, and what follows it.
    #[inline]
    pub fn recognise<'a>(&self, bytes: &'a [u8]) -> Option<(&Arc<[ColumnSpec]>, &'a [u8])> {
        let seen = self.0.get()?;
        Some((&seen.columns, bytes.strip_prefix(&*seen.bytes)?))
    }

    /// Remembers the first metadata that it is told; `columns` is what `bytes` say.
    pub fn learn(&self, bytes: &[u8], columns: &Arc<[ColumnSpec]>) {
        self.0.get_or_init(|| Seen { bytes: bytes.into(), columns: columns.clone() });
    }
}
