//! Answers without work, for measuring drivers: a node in null mode parses of an EXECUTE only what it must.

use helenus_core::protocol::response::{ResultMessage, Rows, RowsMetadata};
use helenus_core::protocol::{ColumnType, Version};

use crate::exec::{Output, Page, Plan, PlanKind, SelectPlan, Source};
use crate::types::put_piece;

/// How long the values of texts and blobs are, and those of a key.
const VALUE_BYTES: usize = 100;
const KEY_BYTES: usize = 16;

const SKIP_METADATA: u8 = 0x02;

/// What EXECUTE of a prepared statement is answered with: bodies of RESULT.
#[derive(Debug)]
pub(crate) enum Canned {
    /// The statement is run as ever.
    Nothing,
    /// Of a write.
    Void,
    /// Of a read: for each version, without and with metadata.
    Rows { columns_id: [u8; 16], bodies: [[Vec<u8>; 2]; 3] },
}

impl Canned {
    pub(crate) fn of(plan: &Plan) -> Self {
        match &plan.kind {
            PlanKind::Write(_) | PlanKind::Batch(_) => Self::Void,
            PlanKind::Select(select) if matches!(select.source, Source::Stored(_)) => {
                let bodies =
                    Version::ALL.map(|version| [body(select, version, true), body(select, version, false)]);
                Self::Rows { columns_id: select.columns_id, bodies }
            }
            PlanKind::Select(_) | PlanKind::Other(_) => Self::Nothing,
        }
    }

    /// The answer to an EXECUTE of which `after_id` is what follows the statement's id. `None`: it must be looked at in
    /// full.
    pub(crate) fn answer(&self, version: Version, after_id: &[u8]) -> Option<&[u8]> {
        match self {
            Self::Nothing => None,
            Self::Void => Some(&[0, 0, 0, 1]),
            Self::Rows { columns_id, bodies } => {
                let (bodies, flags) = match version {
                    Version::V3 => (&bodies[0], after_id.get(2)?),
                    Version::V4 => (&bodies[1], after_id.get(2)?),
                    Version::V5 => {
                        let known = after_id.strip_prefix(&[0, 16])?.strip_prefix(columns_id)?;
                        (&bodies[2], known.get(5)?)
                    }
                };
                Some(&bodies[usize::from(flags & SKIP_METADATA == 0)])
            }
        }
    }
}

/// The canned rows: one.
pub(crate) fn page(plan: &SelectPlan) -> Page {
    let mut rows = Vec::new();
    for (output, column) in plan.outputs.iter().zip(&*plan.columns) {
        let text_bytes = match output {
            Output::Column(at) if *at < plan.schema.key_len() => KEY_BYTES,
            _ => VALUE_BYTES,
        };
        put_piece(Some(&sample(&column.column_type, text_bytes)), &mut rows);
    }
    Page { rows, count: 1, paging_state: None }
}

fn body(plan: &SelectPlan, version: Version, skip_metadata: bool) -> Vec<u8> {
    let page = page(plan);
    let columns = (!skip_metadata).then(|| plan.columns.clone());
    let metadata = RowsMetadata { column_count: plan.columns.len(), columns, ..RowsMetadata::default() };
    let rows = ResultMessage::Rows(Rows { metadata, row_count: page.count, content: &page.rows });
    let mut out = Vec::new();
    // What can't be encoded leaves an empty body, which no client takes for rows; names that long don't pass CREATE.
    if rows.put(version, &mut out).is_err() {
        out.clear();
    }
    out
}

/// Some value of the type.
fn sample(column_type: &ColumnType, text_bytes: usize) -> Vec<u8> {
    match column_type {
        ColumnType::Ascii | ColumnType::Text | ColumnType::Blob => vec![b'x'; text_bytes],
        ColumnType::Boolean | ColumnType::TinyInt | ColumnType::VarInt => vec![1],
        ColumnType::SmallInt => vec![0, 1],
        ColumnType::Int | ColumnType::Float | ColumnType::Date | ColumnType::Inet => vec![0, 0, 0, 1],
        ColumnType::BigInt | ColumnType::Double | ColumnType::Time | ColumnType::Timestamp => {
            1i64.to_be_bytes().to_vec()
        }
        ColumnType::Decimal => vec![0, 0, 0, 0, 1],
        ColumnType::Duration => vec![0, 0, 2],
        ColumnType::Uuid | ColumnType::TimeUuid => vec![0, 0, 0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0, 0, 0, 0, 1],
        ColumnType::List(_) | ColumnType::Set(_) | ColumnType::Map(_) => vec![0; 4],
        _ => Vec::new(),
    }
}
