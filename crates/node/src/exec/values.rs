//! A row's values by column.

use std::borrow::Cow;

use helenus_core::protocol::ColumnType;

use crate::store::cell::NEVER;
use crate::store::row::{Components, Part, RawCell, RawComplex, RawContent, read};
use crate::store::schema::Schema;
use crate::store::table::Found;
use crate::types;

/// Kept from row to row for its memory.
#[derive(Default)]
pub(super) struct RowValues<'a> {
    /// One for each column of the schema: what is live.
    contents: Vec<Option<RawContent<'a>>>,
    token: i64,
}

impl<'a> RowValues<'a> {
    /// Reads a row; whether it is live. What it has read is only good if it is, or if the static row is.
    pub(super) fn load(&mut self, schema: &Schema, found: Found<'a>, now_seconds: i64) -> Liveness {
        self.contents.clear();
        self.contents.resize(schema.columns.len(), None);
        self.token = found.partition.token;
        let key: &'a [u8] = &found.partition.key;
        match schema.partition_len {
            1 => self.contents[0] = Some(key_content(key)),
            _ => {
                for (place, part) in self.contents.iter_mut().zip(Components(key)) {
                    *place = Some(key_content(part));
                }
            }
        }
        let contents = &mut self.contents;
        let static_live = read(found.static_row, 0, now_seconds, |part| {
            if let Part::Column(number, content) = part {
                if let Some(at) = schema.by_number(number) {
                    contents[at] = Some(content);
                }
            }
        });
        let first = schema.partition_len;
        let row_live = read(found.row, schema.clustering_len, now_seconds, |part| match part {
            Part::Clustering(at, value) => contents[first + at] = Some(key_content(value)),
            Part::Column(number, content) => {
                if let Some(at) = schema.by_number(number) {
                    contents[at] = Some(content);
                }
            }
        });
        Liveness { row: row_live, static_row: static_live }
    }

    pub(super) fn token(&self) -> i64 {
        self.token
    }

    /// The cell of a column that has one.
    pub(super) fn cell(&self, at: usize) -> Option<RawCell<'a>> {
        match self.contents.get(at).copied().flatten() {
            Some(RawContent::Simple(cell)) => Some(cell),
            _ => None,
        }
    }

    pub(super) fn bytes(&self, schema: &Schema, at: usize, now_seconds: i64) -> Option<Cow<'a, [u8]>> {
        match self.contents.get(at).copied().flatten()? {
            RawContent::Simple(cell) => cell.value.map(Cow::Borrowed),
            RawContent::Complex(complex) => {
                Some(Cow::Owned(gather(schema.columns[at].column_type(), complex, now_seconds)))
            }
        }
    }
}

/// What of a row there is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Liveness {
    pub(super) row: bool,
    pub(super) static_row: bool,
}

fn key_content(value: &[u8]) -> RawContent<'_> {
    RawContent::Simple(RawCell { timestamp: NEVER, expiry: None, value: Some(value) })
}

/// The value of a column of several cells, as one.
fn gather(column_type: &ColumnType, complex: RawComplex<'_>, now_seconds: i64) -> Vec<u8> {
    let live = complex.elements().filter(|(_, cell)| cell.is_live(now_seconds));
    let mut out = Vec::new();
    if let ColumnType::Udt(udt) = column_type {
        let mut fields = vec![None; udt.fields.len()];
        for (path, cell) in live {
            let number = path.first_chunk().map(|number| usize::from(u16::from_be_bytes(*number)));
            if let Some(place) = number.and_then(|number| fields.get_mut(number)) {
                *place = cell.value;
            }
        }
        fields.into_iter().for_each(|field| types::put_piece(field, &mut out));
        return out;
    }
    let mut count = 0_i32;
    out.extend_from_slice(&[0; 4]);
    for (path, cell) in live {
        count += 1;
        if !matches!(column_type, ColumnType::List(_)) {
            types::put_piece(Some(path), &mut out);
        }
        if !matches!(column_type, ColumnType::Set(_)) {
            types::put_piece(cell.value, &mut out);
        }
    }
    out[..4].copy_from_slice(&count.to_be_bytes());
    out
}
