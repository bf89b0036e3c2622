//! A prepared statement, as every part of the driver knows it.

use std::sync::Arc;

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
}
