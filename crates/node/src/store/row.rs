//! Rows as they are kept: each is one piece of memory.
//!
//! A byte of flags; the marker's timestamp, and its expiry; the timestamp of the row's deletion; the clustering values, each
//! behind its length; then the cells that there are, by their columns' numbers. A cell that was written together with the
//! marker shares its timestamp, so that a plain INSERT costs nine bytes and seven for each column.

use std::borrow::Cow;

use super::cell::{Cell, Expiry, Marker, NEVER};
use super::schema::Schema;
use crate::types;

/// An encoded row; empty if there is none.
pub(crate) type Row = Box<[u8]>;

const MARKER: u8 = 1;
const MARKER_EXPIRES: u8 = 2;
const DELETED: u8 = 4;

/// Live, with the marker's timestamp.
const TOGETHER: u8 = 0;
const LIVE: u8 = 1;
const EXPIRING: u8 = 2;
const DEAD: u8 = 3;
const COMPLEX: u8 = 4;

/// What is known of a row, and what a statement writes to one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RowData<'a> {
    pub(crate) marker: Option<Marker>,
    /// All that was written up to then is gone.
    pub(crate) deleted_at: i64,
    /// By their columns' numbers, rising.
    pub(crate) cells: Vec<(u16, Content<'a>)>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Content<'a> {
    Simple(Cell<'a>),
    Complex(Complex<'a>),
    /// What is to be added to a counter.
    Delta {
        timestamp: i64,
        by: i64,
    },
}

/// What names an element, and its value.
pub(crate) type Element<'a> = (Cow<'a, [u8]>, Cell<'a>);

/// A collection or user-defined type of which each element is a cell.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Complex<'a> {
    /// All elements that were written up to then are gone.
    pub(crate) deleted_at: i64,
    /// What names the element (of a set itself, of a map the key, of a list its place, of a type the field's number) and
    /// its value, in order.
    pub(crate) elements: Vec<Element<'a>>,
}

impl Default for RowData<'_> {
    fn default() -> Self {
        Self { marker: None, deleted_at: NEVER, cells: Vec::new() }
    }
}

impl<'a> RowData<'a> {
    /// Reads an encoded row.
    pub(crate) fn decode(row: &'a [u8], clustering_len: usize) -> Self {
        let mut reader = Reader(row);
        let (marker, deleted_at) = reader.head();
        reader.skip_pieces(clustering_len);
        let mut cells = Vec::new();
        while let Some((column, content)) = reader.cell(marker.map_or(NEVER, |marker| marker.timestamp)) {
            cells.push((column, content));
        }
        Self { marker, deleted_at, cells }
    }

    /// `clustering` are the clustering values, each behind its length. Empty if there is nothing to keep.
    pub(crate) fn encode(&self, clustering: &[u8]) -> Row {
        if self.marker.is_none() && self.deleted_at == NEVER && self.cells.is_empty() {
            return Row::default();
        }
        let expiry = self.marker.and_then(|marker| marker.expiry);
        let together = self.marker.map(|marker| marker.timestamp);
        let mut out = Vec::with_capacity(self.encoded_len(clustering, together));
        out.push(
            if self.marker.is_some() { MARKER } else { 0 }
                | if expiry.is_some() { MARKER_EXPIRES } else { 0 }
                | if self.deleted_at != NEVER { DELETED } else { 0 },
        );
        if let Some(marker) = self.marker {
            out.extend_from_slice(&marker.timestamp.to_be_bytes());
            put_expiry(expiry, &mut out);
        }
        if self.deleted_at != NEVER {
            out.extend_from_slice(&self.deleted_at.to_be_bytes());
        }
        out.extend_from_slice(clustering);
        for (column, content) in &self.cells {
            put_content(*column, content, together, &mut out);
        }
        out.into_boxed_slice()
    }

    /// Exact for rows of simple columns, so that most need no second piece of memory to fit.
    fn encoded_len(&self, clustering: &[u8], together: Option<i64>) -> usize {
        let marker = self.marker.map_or(0, |marker| 8 + expiry_len(marker.expiry));
        let deletion = if self.deleted_at == NEVER { 0 } else { 8 };
        let cells = self.cells.iter().map(|(_, content)| match content {
            Content::Simple(cell) => {
                let timestamp = if tag(cell, together) == TOGETHER { 0 } else { 8 };
                let value = cell.value.as_ref().map_or(0, |value| expiry_len(cell.expiry) + 4 + value.len());
                3 + timestamp + value
            }
            _ => 24,
        });
        1 + marker + deletion + clustering.len() + cells.sum::<usize>()
    }

    /// Makes values of what was to be added to counters, of a row that is new.
    pub(crate) fn settle(&mut self) {
        for (_, content) in &mut self.cells {
            if let Content::Delta { timestamp, by } = *content {
                *content = Content::of_counter(timestamp, by);
            }
        }
    }

    /// Takes in what was written elsewhere, before or after; `deleted_at` is that of a range or partition around the row.
    pub(crate) fn merge(&mut self, newer: Self, around: i64, now_seconds: i64, schema: &Schema) {
        self.deleted_at = self.deleted_at.max(newer.deleted_at);
        self.marker = match (self.marker, newer.marker) {
            (Some(old), Some(new)) => Some(if new.wins_over(&old) { new } else { old }),
            (old, new) => old.or(new),
        };
        for (column, content) in newer.cells {
            match self.cells.binary_search_by_key(&column, |(column, _)| *column) {
                Ok(at) => self.cells[at].1.merge(content, schema, column),
                Err(at) => self.cells.insert(at, (column, content.settled())),
            }
        }
        self.shadow(around.max(self.deleted_at), now_seconds);
        // A deletion by something larger says it all.
        if self.deleted_at <= around {
            self.deleted_at = NEVER;
        }
    }

    /// Forgets what was written up to `deleted_at`, and the values of what has expired.
    pub(crate) fn shadow(&mut self, deleted_at: i64, now_seconds: i64) {
        self.marker = self.marker.filter(|marker| marker.timestamp > deleted_at);
        self.cells.retain_mut(|(_, content)| match content {
            Content::Simple(cell) => {
                cell.expire(now_seconds);
                cell.timestamp > deleted_at
            }
            Content::Complex(complex) => {
                if complex.deleted_at <= deleted_at {
                    complex.deleted_at = NEVER;
                }
                let floor = complex.deleted_at.max(deleted_at);
                complex.elements.retain_mut(|(_, cell)| {
                    cell.expire(now_seconds);
                    cell.timestamp > floor
                });
                complex.deleted_at != NEVER || !complex.elements.is_empty()
            }
            Content::Delta { .. } => true,
        });
    }
}

impl Content<'_> {
    fn of_counter(timestamp: i64, count: i64) -> Self {
        let value = Some(Cow::Owned(count.to_be_bytes().to_vec()));
        Self::Simple(Cell { timestamp, expiry: None, value })
    }

    /// Of a column without an older write.
    fn settled(self) -> Self {
        match self {
            Self::Delta { timestamp, by } => Self::of_counter(timestamp, by),
            settled => settled,
        }
    }

    fn merge(&mut self, other: Self, schema: &Schema, column: u16) {
        match (&mut *self, other) {
            (Self::Simple(old), Self::Simple(new)) => {
                if new.wins_over(old) {
                    *old = new;
                }
            }
            (Self::Simple(old), Self::Delta { timestamp, by }) => add(old, timestamp, by),
            (Self::Complex(old), Self::Complex(new)) => {
                old.deleted_at = old.deleted_at.max(new.deleted_at);
                old.merge(new.elements, schema, column);
            }
            // A column never changes from one to the other.
            (_, other) => *self = other.settled(),
        }
    }
}

/// A counter that was deleted later stays so.
fn add(old: &mut Cell<'_>, timestamp: i64, by: i64) {
    let before = old.value.as_deref().and_then(|bytes| <[u8; 8]>::try_from(bytes).ok());
    match before {
        None if old.timestamp >= timestamp => return,
        _ => {}
    }
    let sum = before.map_or(0, i64::from_be_bytes).wrapping_add(by);
    old.timestamp = old.timestamp.max(timestamp);
    old.value = Some(Cow::Owned(sum.to_be_bytes().to_vec()));
}

impl<'a> Complex<'a> {
    fn merge(&mut self, newer: Vec<Element<'a>>, schema: &Schema, column: u16) {
        if newer.len() > FEW {
            return self.merge_many(newer, schema, column);
        }
        for (path, cell) in newer {
            let found =
                self.elements.binary_search_by(|(other, _)| schema.compare_paths(column, other, &path));
            match found {
                Ok(at) => {
                    if cell.wins_over(&self.elements[at].1) {
                        self.elements[at].1 = cell;
                    }
                }
                Err(at) => self.elements.insert(at, (path, cell)),
            }
        }
    }

    /// Both are in order.
    fn merge_many(&mut self, newer: Vec<Element<'a>>, schema: &Schema, column: u16) {
        let older = std::mem::take(&mut self.elements);
        self.elements.reserve(older.len() + newer.len());
        let (mut older, mut newer) = (older.into_iter().peekable(), newer.into_iter().peekable());
        while let (Some(old), Some(new)) = (older.peek(), newer.peek()) {
            let order = schema.compare_paths(column, &old.0, &new.0);
            let old = if order.is_le() { older.next() } else { None };
            let new = if order.is_ge() { newer.next() } else { None };
            self.elements.extend(match (old, new) {
                (Some(old), Some(new)) => Some(if new.1.wins_over(&old.1) { new } else { old }),
                (old, new) => old.or(new),
            });
        }
        self.elements.extend(older);
        self.elements.extend(newer);
    }
}

/// So many elements are put in one by one.
const FEW: usize = 8;

fn put_content(column: u16, content: &Content<'_>, together: Option<i64>, out: &mut Vec<u8>) {
    match content {
        Content::Simple(cell) => put_cell(Some(column), cell, together, out),
        Content::Complex(complex) => {
            out.push(COMPLEX);
            out.extend_from_slice(&column.to_be_bytes());
            let start = out.len();
            out.extend_from_slice(&[0; 4]);
            out.extend_from_slice(&complex.deleted_at.to_be_bytes());
            for (path, cell) in &complex.elements {
                types::put_piece(Some(path), out);
                put_cell(None, cell, together, out);
            }
            // Frames, of which it was made, are shorter than 2^31 bytes.
            let len = (out.len() - start - 4) as u32;
            out[start..start + 4].copy_from_slice(&len.to_be_bytes());
        }
        // `settled` and `merge` leave none.
        Content::Delta { .. } => {}
    }
}

fn put_cell(column: Option<u16>, cell: &Cell<'_>, together: Option<i64>, out: &mut Vec<u8>) {
    let tag = tag(cell, together);
    out.push(tag);
    if let Some(column) = column {
        out.extend_from_slice(&column.to_be_bytes());
    }
    if tag != TOGETHER {
        out.extend_from_slice(&cell.timestamp.to_be_bytes());
    }
    if let Some(value) = &cell.value {
        put_expiry(cell.expiry, out);
        types::put_piece(Some(value), out);
    }
}

fn tag(cell: &Cell<'_>, together: Option<i64>) -> u8 {
    match (&cell.value, cell.expiry) {
        (None, _) => DEAD,
        (Some(_), Some(_)) => EXPIRING,
        (Some(_), None) if together == Some(cell.timestamp) => TOGETHER,
        (Some(_), None) => LIVE,
    }
}

fn expiry_len(expiry: Option<Expiry>) -> usize {
    if expiry.is_some() { 12 } else { 0 }
}

fn put_expiry(expiry: Option<Expiry>, out: &mut Vec<u8>) {
    if let Some(Expiry { ttl, at }) = expiry {
        out.extend_from_slice(&ttl.to_be_bytes());
        out.extend_from_slice(&at.to_be_bytes());
    }
}

/// Reads what was written above, so nothing is ever missing; if it were, zeros would be read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    #[inline]
    fn array<const N: usize>(&mut self) -> [u8; N] {
        match self.0.split_first_chunk::<N>() {
            Some((head, rest)) => {
                self.0 = rest;
                *head
            }
            None => {
                self.0 = &[];
                [0; N]
            }
        }
    }

    fn long(&mut self) -> i64 {
        i64::from_be_bytes(self.array())
    }

    fn expiry(&mut self) -> Expiry {
        Expiry { ttl: u32::from_be_bytes(self.array()), at: self.long() }
    }

    #[inline]
    fn bytes(&mut self) -> &'a [u8] {
        let len = u32::from_be_bytes(self.array()) as usize;
        let (bytes, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        bytes
    }

    #[inline]
    fn head(&mut self) -> (Option<Marker>, i64) {
        let [flags] = self.array();
        let marker = (flags & MARKER != 0).then(|| Marker {
            timestamp: self.long(),
            expiry: (flags & MARKER_EXPIRES != 0).then(|| self.expiry()),
        });
        let deleted_at = if flags & DELETED != 0 { self.long() } else { NEVER };
        (marker, deleted_at)
    }

    fn skip_pieces(&mut self, count: usize) {
        for _ in 0..count {
            self.bytes();
        }
    }

    /// The next cell of a column.
    #[inline]
    fn raw(&mut self, together: i64) -> Option<(u16, RawContent<'a>)> {
        if self.0.is_empty() {
            return None;
        }
        let [tag] = self.array();
        let column = u16::from_be_bytes(self.array());
        let content = if tag == COMPLEX {
            RawContent::Complex(RawComplex { bytes: self.bytes(), together })
        } else {
            RawContent::Simple(self.after_tag(tag, together))
        };
        Some((column, content))
    }

    #[inline]
    fn after_tag(&mut self, tag: u8, together: i64) -> RawCell<'a> {
        let timestamp = if tag == TOGETHER { together } else { self.long() };
        let expiry = (tag == EXPIRING).then(|| self.expiry());
        let value = (tag != DEAD).then(|| self.bytes());
        RawCell { timestamp, expiry, value }
    }

    fn cell(&mut self, together: i64) -> Option<(u16, Content<'a>)> {
        let (column, content) = self.raw(together)?;
        let content = match content {
            RawContent::Simple(cell) => Content::Simple(cell.into()),
            RawContent::Complex(complex) => Content::Complex(Complex {
                deleted_at: complex.deleted_at(),
                elements: complex.elements().map(|(path, cell)| (Cow::Borrowed(path), cell.into())).collect(),
            }),
        };
        Some((column, content))
    }
}

/// A cell in its row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawCell<'a> {
    pub(crate) timestamp: i64,
    pub(crate) expiry: Option<Expiry>,
    pub(crate) value: Option<&'a [u8]>,
}

impl RawCell<'_> {
    #[inline]
    pub(crate) fn is_live(&self, now_seconds: i64) -> bool {
        self.value.is_some() && self.expiry.is_none_or(|expiry| now_seconds < expiry.at)
    }
}

impl<'a> From<RawCell<'a>> for Cell<'a> {
    fn from(cell: RawCell<'a>) -> Self {
        Cell { timestamp: cell.timestamp, expiry: cell.expiry, value: cell.value.map(Cow::Borrowed) }
    }
}

/// A column's content in its row.
#[derive(Clone, Copy, Debug)]
pub(crate) enum RawContent<'a> {
    Simple(RawCell<'a>),
    Complex(RawComplex<'a>),
}

/// A collection's cells in their row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawComplex<'a> {
    bytes: &'a [u8],
    together: i64,
}

impl<'a> RawComplex<'a> {
    fn deleted_at(&self) -> i64 {
        Reader(self.bytes).long()
    }

    /// What names each element, and its cell.
    pub(crate) fn elements(&self) -> impl Iterator<Item = (&'a [u8], RawCell<'a>)> + use<'a> {
        let mut reader = Reader(self.bytes);
        reader.long();
        let together = self.together;
        std::iter::from_fn(move || {
            if reader.0.is_empty() {
                return None;
            }
            let path = reader.bytes();
            let [tag] = reader.array();
            Some((path, reader.after_tag(tag, together)))
        })
    }

    pub(crate) fn is_live(&self, now_seconds: i64) -> bool {
        self.elements().any(|(_, cell)| cell.is_live(now_seconds))
    }
}

/// A part of a row that is read.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Part<'a> {
    /// A clustering column's place among them, and its value.
    Clustering(usize, &'a [u8]),
    /// A column's number, and what of it is live.
    Column(u16, RawContent<'a>),
}

/// Shows each part of a row, in order. Whether there is a row at all is returned.
#[inline]
pub(crate) fn read<'a>(
    row: &'a [u8],
    clustering_len: usize,
    now_seconds: i64,
    mut show: impl FnMut(Part<'a>),
) -> bool {
    if row.is_empty() {
        return false;
    }
    let mut reader = Reader(row);
    let (marker, _) = reader.head();
    for at in 0..clustering_len {
        show(Part::Clustering(at, reader.bytes()));
    }
    let mut live = marker.is_some_and(|marker| marker.is_live(now_seconds));
    while let Some((number, content)) = reader.raw(marker.map_or(NEVER, |marker| marker.timestamp)) {
        let is_live = match content {
            RawContent::Simple(cell) => cell.is_live(now_seconds),
            RawContent::Complex(complex) => complex.is_live(now_seconds),
        };
        if is_live {
            live = true;
            show(Part::Column(number, content));
        }
    }
    live
}

/// The columns of a composite partition key: each a [short] length, the bytes, and a zero.
pub(crate) struct Components<'a>(pub(crate) &'a [u8]);

impl<'a> Iterator for Components<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<Self::Item> {
        let (head, rest) = self.0.split_first_chunk::<2>()?;
        let len = usize::from(u16::from_be_bytes(*head)).min(rest.len());
        self.0 = rest.get(len + 1..).unwrap_or_default();
        Some(&rest[..len])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_as_they_were_written() {
        let cell = |timestamp, ttl: Option<u32>, value: Option<&'static [u8]>| Cell {
            timestamp,
            expiry: ttl.map(|ttl| Expiry { ttl, at: i64::from(ttl) + 7 }),
            value: value.map(Cow::Borrowed),
        };
        let data = RowData {
            marker: Some(Marker { timestamp: 5, expiry: Some(Expiry { ttl: 3, at: 10 }) }),
            deleted_at: 4,
            cells: vec![
                (0, Content::Simple(cell(5, None, Some(b"together")))),
                (2, Content::Simple(cell(6, None, Some(b"")))),
                (3, Content::Simple(cell(5, Some(9), Some(b"short")))),
                (4, Content::Simple(cell(7, None, None))),
                (
                    9,
                    Content::Complex(Complex {
                        deleted_at: 1,
                        elements: vec![
                            (Cow::Borrowed(b"a"), cell(5, None, Some(b"1"))),
                            (Cow::Borrowed(b""), cell(6, None, None)),
                        ],
                    }),
                ),
            ],
        };
        let clustering = [&[0, 0, 0, 1, b'c'][..], &[0, 0, 0, 0]].concat();
        let simple = RowData { cells: data.cells[..4].to_vec(), ..data.clone() };
        assert_eq!(simple.encode(&clustering).len(), simple.encoded_len(&clustering, Some(5)));
        let row = data.encode(&clustering);
        assert_eq!(RowData::decode(&row, 2), data);
        let mut keys = Vec::new();
        let mut columns = Vec::new();
        assert!(read(&row, 2, 15, |part| match part {
            Part::Clustering(_, key) => keys.push(key),
            Part::Column(column, _) => columns.push(column),
        }));
        assert_eq!((keys, columns), (vec![&b"c"[..], b""], vec![0, 2, 3, 9]));
        assert!(RowData::default().encode(&clustering).is_empty());
    }

    #[test]
    fn a_plain_row_is_small() {
        let value = Cell { timestamp: 1, expiry: None, value: Some(Cow::Borrowed(&[0; 100])) };
        let data = RowData {
            marker: Some(Marker { timestamp: 1, expiry: None }),
            deleted_at: NEVER,
            cells: vec![(0, Content::Simple(value))],
        };
        assert_eq!(data.encode(&[]).len(), 116);
    }
}
