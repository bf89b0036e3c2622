//! A prepared statement, as every part of the driver knows it.

use std::sync::{Arc, OnceLock};

use crate::protocol::request::{ParameterOptions, ParametersHead, put_execute_head};
use crate::protocol::{ColumnSpec, EncodeError, Flags, Opcode, Version, envelope};

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
    /// The beginning of its EXECUTE.
    pub opening: Opening,
}

/// All of an EXECUTE that comes before its values: the same for each one, so it is made once and copied.
#[derive(Clone, Debug, Default)]
pub struct Opening(OnceLock<Result<Made, EncodeError>>);

#[derive(Clone, Debug)]
struct Made {
    version: Version,
    bytes: Box<[u8]>,
    head: ParametersHead,
}

impl PreparedStatement {
    /// Appends the envelope of an EXECUTE up to its values, the stream id and the lengths blank. It says that a page size
    /// follows them if it [has rows](Self::has_rows), and nothing else. Append the values and the page size, then call
    /// [`ParametersHead::set_consistency`] and [`envelope::finish`], or cut off what follows the values and call
    /// [`ParametersHead::finish`].
    ///
    /// # Errors
    /// As [`put_execute_head`].
    #[inline]
    pub fn put_opening(&self, version: Version, out: &mut Vec<u8>) -> Result<ParametersHead, EncodeError> {
        match self.opening.0.get() {
            Some(Ok(made)) if made.version == version && out.is_empty() => {
                out.extend_from_slice(&made.bytes);
                Ok(made.head)
            }
            _ => self.put_new_opening(version, out),
        }
    }

    #[cold]
    fn put_new_opening(&self, version: Version, out: &mut Vec<u8>) -> Result<ParametersHead, EncodeError> {
        let made = match self.opening.0.get_or_init(|| self.make_opening(version)) {
            Ok(made) if made.version == version => made.clone(),
            // A statement of another session, which speaks another version.
            _ => self.make_opening(version)?,
        };
        let head = made.head.moved(out.len());
        out.extend_from_slice(&made.bytes);
        Ok(head)
    }

    fn make_opening(&self, version: Version) -> Result<Made, EncodeError> {
        let mut bytes = Vec::new();
        envelope::begin(&mut bytes, version, Flags::NONE, Opcode::Execute);
        put_execute_head(&mut bytes, version, &self.id, self.result_metadata_id.as_deref())?;
        let head = ParametersHead::begin(&mut bytes, version);
        let options = ParameterOptions {
            // Cut off again below.
            page_size: self.has_rows().then_some(0),
            skip_metadata: self.knows_columns(version),
            ..ParameterOptions::default()
        };
        head.finish(&mut bytes, self.bind_markers.len(), &options)?;
        bytes.truncate(bytes.len() - if self.has_rows() { size_of::<i32>() } else { 0 });
        Ok(Made { version, bytes: bytes.into(), head })
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
