use super::parameters::Parameters;
use super::require;
use crate::protocol::wire::{Reader, put_int, put_long_string, put_short_bytes, put_string};
use crate::protocol::{DecodeError, EncodeError, Version};

/// PREPARE's flag for a keyspace (v5, section 4.1.5).
const WITH_KEYSPACE: i32 = 0x01;

/// Runs a CQL statement (section 4.1.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Query<'a> {
    /// The statement.
    pub text: &'a str,
    /// Its values and options.
    pub parameters: Parameters<'a>,
}

impl<'a> Query<'a> {
    /// A statement without values, with the default options.
    pub fn new(text: &'a str) -> Self {
        Self { text, ..Self::default() }
    }

    /// Appends the body: `text` as a `[long string]`, then the parameters.
    pub fn put(&self, version: Version, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        put_long_string(out, self.text)?;
        self.parameters.put(version, out)
    }

    pub(super) fn read(r: &mut Reader<'a>, version: Version) -> Result<Self, DecodeError> {
        Ok(Self {
            text: r.about("text of a QUERY").long_string()?,
            parameters: Parameters::read(r, version)?,
        })
    }
}

/// Prepares a statement (section 4.1.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prepare<'a> {
    /// The statement.
    pub text: &'a str,
    /// The keyspace of unqualified names; v5.
    pub keyspace: Option<&'a str>,
}

impl<'a> Prepare<'a> {
    /// Appends the body.
    ///
    /// # Errors
    /// [`EncodeError::NotInVersion`] for a keyspace before v5; [`EncodeError::Limit`].
    pub fn put(&self, version: Version, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        put_long_string(out, self.text)?;
        if let Some(keyspace) = self.keyspace {
            require(version, Version::V5, "a keyspace of a single request")?;
            put_int(out, WITH_KEYSPACE);
            put_string(out, keyspace)?;
        } else if version >= Version::V5 {
            put_int(out, 0);
        }
        Ok(())
    }

    pub(super) fn read(r: &mut Reader<'a>, version: Version) -> Result<Self, DecodeError> {
        let mut prepare = Self { text: r.about("text of a PREPARE").long_string()?, keyspace: None };
        if version >= Version::V5 && r.about("flags").int()? & WITH_KEYSPACE != 0 {
            prepare.keyspace = Some(r.about("keyspace").string()?);
        }
        Ok(prepare)
    }
}

/// Runs a prepared statement (section 4.1.6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Execute<'a> {
    /// What RESULT Prepared named the statement.
    pub id: &'a [u8],
    /// What RESULT Prepared, or the last Rows with changed metadata, named the result's columns; required in v5,
    /// not written before.
    pub result_metadata_id: Option<&'a [u8]>,
    /// Its values and options.
    pub parameters: Parameters<'a>,
}

impl<'a> Execute<'a> {
    /// Appends the body.
    pub fn put(&self, version: Version, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        put_execute_head(out, version, self.id, self.result_metadata_id)?;
        self.parameters.put(version, out)
    }

    pub(super) fn read(r: &mut Reader<'a>, version: Version) -> Result<Self, DecodeError> {
        let id = r.about("id of a prepared statement").short_bytes()?;
        let mut result_metadata_id = None;
        if version >= Version::V5 {
            result_metadata_id = Some(r.about("id of a result's metadata").short_bytes()?);
        }
        Ok(Self { id, result_metadata_id, parameters: Parameters::read(r, version)? })
    }
}

/// Appends what comes before the parameters of an EXECUTE: the statement's id and, in v5, that of its result's
/// metadata. [`ParametersHead`](super::ParametersHead) goes on from there.
///
/// # Errors
/// [`EncodeError::Missing`] without the second id in v5; [`EncodeError::Limit`] for an id above 65,535 bytes.
#[inline]
pub fn put_execute_head(
    out: &mut Vec<u8>,
    version: Version,
    id: &[u8],
    result_metadata_id: Option<&[u8]>,
) -> Result<(), EncodeError> {
    put_short_bytes(out, id)?;
    if version >= Version::V5 {
        let what = "the id of a result's metadata, which came when the statement was prepared";
        put_short_bytes(out, result_metadata_id.ok_or(EncodeError::Missing { what, version })?)?;
    }
    Ok(())
}
