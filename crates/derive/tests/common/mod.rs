//! Metadata and pages without a server.

use helenus::value::{EncodeValues, write_values};
use helenus::{ColumnSpec, ColumnType};

/// Columns of `ks.t`.
pub(crate) fn columns(columns: &[(&str, ColumnType)]) -> Vec<ColumnSpec> {
    let spec = |(name, column_type): &(&str, ColumnType)| ColumnSpec {
        keyspace: "ks".into(),
        table: "t".into(),
        name: (*name).into(),
        column_type: column_type.clone(),
    };
    columns.iter().map(spec).collect()
}

/// The bytes of these values for these columns.
pub(crate) fn written<V: EncodeValues>(values: &V, columns: &[ColumnSpec]) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_values(values, Some(columns), true, &mut bytes).unwrap();
    bytes
}
