//! A prepared statement, as every part of the driver knows it.

use std::sync::{Arc, OnceLock};

use crate::protocol::request::{ParameterOptions, ParametersHead, put_execute_head};
use crate::protocol::response::Prepared;
use crate::protocol::{ColumnSpec, ColumnType, EncodeError, Flags, Opcode, Version, envelope};

/// How often a statement may change before what is new is no longer remembered. What isn't is read from each result anew.
const NEWER_MAX: u8 = 64;

/// A statement that a server has prepared (section 4.2.5.4), as it was at one time.
///
/// When the schema changes, the server says so with a result (v5), in the metadata that all results carry (before), or when
/// it has to prepare the statement again. That makes a newer statement, which hangs on this one: who has this one finds the
/// [latest](Self::latest), while requests under way are still read as the one they were made from.
#[derive(Clone, Debug, Default)]
pub struct PreparedStatement {
    /// The CQL text, to prepare it again where it isn't known.
    pub text: Box<str>,
    /// The keyspace that it was prepared in, if not that of the connection (v5).
    pub keyspace: Option<Box<str>>,
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
    /// The beginning of its EXECUTE.
    pub opening: Opening,
    /// What it is now, if that is something else.
    pub newer: Newer,
}

/// The next statement that one became.
#[derive(Clone, Debug, Default)]
pub struct Newer {
    next: OnceLock<Arc<PreparedStatement>>,
    /// How many came before.
    number: u8,
    outdated: OnceLock<()>,
}

/// All of an EXECUTE that comes before its values: the same for each one, so it is made once and copied.
#[derive(Clone, Debug, Default)]
pub struct Opening(OnceLock<Result<Made, EncodeError>>);

#[derive(Clone, Debug)]
struct Made {
    version: Version,
    timestamped: bool,
    bytes: Box<[u8]>,
    head: ParametersHead,
}

impl PreparedStatement {
    /// What the server said of `text`.
    pub fn new(text: impl Into<Box<str>>, keyspace: Option<Box<str>>, prepared: Prepared<'_>) -> Self {
        Self {
            text: text.into(),
            keyspace,
            id: prepared.id.into(),
            result_metadata_id: prepared.result_metadata_id.map(Into::into),
            bind_markers: prepared.bind_markers,
            partition_key_indexes: prepared.pk_indexes.into(),
            result_columns: prepared.result_metadata.columns.unwrap_or_default(),
            ..Self::default()
        }
    }

    /// What it is now.
    #[inline]
    pub fn latest(self: &Arc<Self>) -> &Arc<Self> {
        match self.newer.next.get() {
            None => self,
            Some(next) => next.last(),
        }
    }

    /// The end of the chain, which has at most [`NEWER_MAX`] links.
    #[cold]
    fn last(self: &Arc<Self>) -> &Arc<Self> {
        let mut last = self;
        while let Some(next) = last.newer.next.get() {
            last = next;
        }
        last
    }

    /// Takes note of a result's columns and, in v5, of their new id. Those of a statement that has no rows of its own are
    /// left: what a conditional one answers depends on what came of it.
    pub fn learn_columns(&self, id: Option<&[u8]>, columns: &Arc<[ColumnSpec]>) {
        if !self.has_rows() || self.result_metadata_id.is_some() != id.is_some() {
            return;
        }
        self.grow(|latest| {
            let known = latest.result_metadata_id.as_deref() == id && latest.result_columns == *columns;
            (!known).then(|| Self {
                result_metadata_id: id.map(Into::into),
                result_columns: columns.clone(),
                ..latest.without_caches()
            })
        });
    }

    /// Takes note of what the server said when it prepared it again.
    pub fn learn(&self, prepared: &Prepared<'_>) {
        self.grow(|latest| {
            let columns = prepared.result_metadata.columns.as_ref().unwrap_or(&latest.result_columns);
            let known = latest.result_metadata_id.as_deref() == prepared.result_metadata_id
                && latest.bind_markers == prepared.bind_markers
                && latest.result_columns == *columns;
            (!known).then(|| Self {
                result_metadata_id: prepared.result_metadata_id.map(Into::into),
                bind_markers: prepared.bind_markers.clone(),
                partition_key_indexes: prepared.pk_indexes.as_slice().into(),
                result_columns: columns.clone(),
                ..latest.without_caches()
            })
        });
    }

    /// Whether values that were encoded for its bind markers mean the same for those that it got now.
    pub fn may_bind_as(&self, prepared: &Prepared<'_>) -> bool {
        let (old, new) = (&self.bind_markers, &prepared.bind_markers);
        old.len() == new.len()
            && are_still(
                old.iter().map(|marker| &marker.column_type),
                new.iter().map(|marker| &marker.column_type),
            )
    }

    /// What a server calls it now is unlike all of this: it can only be prepared anew, as another statement.
    pub fn outdate(self: &Arc<Self>) {
        // Once is enough.
        let _ = self.latest().newer.outdated.set(());
    }

    /// Whether its text is to be prepared anew rather than this used, although requests may still be made from it.
    pub fn is_outdated(self: &Arc<Self>) -> bool {
        let newer = &self.latest().newer;
        newer.outdated.get().is_some() || newer.number >= NEWER_MAX
    }

    /// Makes the next one, if `change` has something to change on the latest.
    fn grow(&self, change: impl Fn(&Self) -> Option<Self>) {
        let mut latest = self;
        loop {
            while let Some(next) = latest.newer.next.get() {
                latest = next;
            }
            if latest.newer.number >= NEWER_MAX {
                return;
            }
            let Some(next) = change(latest) else { return };
            // Another thread may have been faster; then this is to be compared with what it made.
            if latest.newer.next.set(Arc::new(next)).is_ok() {
                return;
            }
        }
    }

    fn without_caches(&self) -> Self {
        Self {
            seen: SeenMetadata::default(),
            opening: Opening::default(),
            newer: Newer { next: OnceLock::new(), number: self.newer.number + 1, ..self.newer.clone() },
            ..self.clone()
        }
    }

    /// Appends the envelope of an EXECUTE up to its values, the stream id and the lengths blank. It says that a page size
    /// follows them if it [has rows](Self::has_rows), else a timestamp if it is to be `timestamped`, and nothing more.
    /// Append the values and what it says, then call [`ParametersHead::set_consistency`] and [`envelope::finish`], or cut
    /// off what follows the values and call [`ParametersHead::finish`].
    ///
    /// # Errors
    /// As [`put_execute_head`].
    #[inline]
    pub fn put_opening(
        &self,
        version: Version,
        timestamped: bool,
        out: &mut Vec<u8>,
    ) -> Result<ParametersHead, EncodeError> {
        match self.opening.0.get() {
            Some(Ok(made))
                if made.version == version && made.timestamped == timestamped && out.is_empty() =>
            {
                out.extend_from_slice(&made.bytes);
                Ok(made.head)
            }
            _ => self.put_new_opening(version, timestamped, out),
        }
    }

    #[cold]
    fn put_new_opening(
        &self,
        version: Version,
        timestamped: bool,
        out: &mut Vec<u8>,
    ) -> Result<ParametersHead, EncodeError> {
        let made = match self.opening.0.get_or_init(|| self.make_opening(version, timestamped)) {
            Ok(made) if made.version == version && made.timestamped == timestamped => made.clone(),
            // A statement of another session, which speaks another version, or has other timestamps.
            _ => self.make_opening(version, timestamped)?,
        };
        let head = made.head.moved(out.len());
        out.extend_from_slice(&made.bytes);
        Ok(head)
    }

    fn make_opening(&self, version: Version, timestamped: bool) -> Result<Made, EncodeError> {
        let mut bytes = Vec::new();
        envelope::begin(&mut bytes, version, Flags::NONE, Opcode::Execute);
        put_execute_head(&mut bytes, version, &self.id, self.result_metadata_id.as_deref())?;
        let head = ParametersHead::begin(&mut bytes, version);
        // What follows the values is cut off again.
        let (page_size, timestamp) = match self.has_rows() {
            true => (Some(0), None),
            false => (None, timestamped.then_some(0)),
        };
        let skip_metadata = self.knows_columns(version);
        let options = ParameterOptions { page_size, timestamp, skip_metadata, ..ParameterOptions::default() };
        head.finish(&mut bytes, self.bind_markers.len(), &options)?;
        let tail = page_size.map_or(0, |_| size_of::<i32>()) + timestamp.map_or(0, |_| size_of::<i64>());
        bytes.truncate(bytes.len() - tail);
        Ok(Made { version, timestamped, bytes: bytes.into(), head })
    }

    /// Whether rows may come: a write has none, so a page size would only make it longer.
    #[inline]
    pub fn has_rows(&self) -> bool {
        !self.result_columns.is_empty()
    }

    /// Whether rows may come without names and types. Only in v5 does the server say when they have changed; before, an
    /// ALTER TABLE would shift the columns unseen.
    #[inline]
    pub fn knows_columns(&self, version: Version) -> bool {
        version >= Version::V5 && self.has_rows()
    }
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

/// Whether values of the types `old` are values of the first of `new` as well.
fn are_still<'a>(
    mut old: impl Iterator<Item = &'a ColumnType>,
    mut new: impl Iterator<Item = &'a ColumnType>,
) -> bool {
    old.all(|old| new.next().is_some_and(|new| is_still(old, new)))
}

/// A user-defined type may have grown, and its fields may have other names.
fn is_still(old: &ColumnType, new: &ColumnType) -> bool {
    use ColumnType::{List, Map, Set, Tuple, Udt};
    match (old, new) {
        (List(old), List(new)) | (Set(old), Set(new)) => is_still(old, new),
        (Map(old), Map(new)) => is_still(&old.0, &new.0) && is_still(&old.1, &new.1),
        (Tuple(old), Tuple(new)) => old.len() == new.len() && are_still(old.iter(), new.iter()),
        (Udt(old), Udt(new)) => {
            let (old_fields, new_fields) = (old.fields.iter(), new.fields.iter());
            old.name == new.name && are_still(old_fields.map(|(_, old)| old), new_fields.map(|(_, new)| new))
        }
        _ => old == new,
    }
}
