//! Where encoded values go.

use super::EncodeError;
use super::elements::Lengths;
use super::vint::{MAX_LEN, put_unsigned};

const NULL_INSIDE: EncodeError =
    EncodeError::Invalid("it is null, which Cassandra has only in lists, tuples and user-defined types");

/// Appends `[value]`s (section 3 of the specification: a length, then that many bytes) to a request's buffer.
///
/// After an error the buffer ends with an unfinished value: cut it back, as [`write_values`](super::write_values) does.
#[derive(Debug)]
pub struct ValueWriter<'b> {
    out: &'b mut Vec<u8>,
    unset_allowed: bool,
}

impl<'b> ValueWriter<'b> {
    /// Appends to `out`. `unset_allowed` is true from protocol v4 on: v3 knows no unset.
    #[inline]
    pub fn new(out: &'b mut Vec<u8>, unset_allowed: bool) -> Self {
        Self { out, unset_allowed }
    }

    /// A null: length -1.
    #[inline]
    pub fn null(&mut self) {
        self.out.extend_from_slice(&(-1_i32).to_be_bytes());
    }

    /// An unset value: length -2. The column keeps what it has, and no tombstone is written.
    ///
    /// # Errors
    /// [`EncodeError::Unset`] in v3, and inside a collection.
    #[inline]
    pub fn unset(&mut self) -> Result<(), EncodeError> {
        if !self.unset_allowed {
            return Err(EncodeError::Unset);
        }
        self.out.extend_from_slice(&(-2_i32).to_be_bytes());
        Ok(())
    }

    /// The name of the value that comes next, where values have names: a `[string]`.
    ///
    /// # Errors
    /// [`EncodeError::TooLong`] from 64 KiB on.
    pub fn name(&mut self, name: &str) -> Result<(), EncodeError> {
        let length = u16::try_from(name.len()).map_err(|_| EncodeError::TooLong { bytes: name.len() })?;
        self.out.extend_from_slice(&length.to_be_bytes());
        self.out.extend_from_slice(name.as_bytes());
        Ok(())
    }

    /// A value of any length, zero included.
    ///
    /// # Errors
    /// [`EncodeError::TooLong`] from 2 GiB on.
    #[inline]
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        let length = length_of(bytes.len())?;
        self.out.extend_from_slice(&length);
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    /// A value of a few bytes, its length known to the compiler: one check of the room, one copy. At most 16 bytes.
    #[inline]
    pub fn fixed<const N: usize>(&mut self, bytes: [u8; N]) {
        const { assert!(N <= 16, "for values of at most 16 bytes") };
        let mut whole = [0; 20];
        whole[..4].copy_from_slice(&(N as u32).to_be_bytes());
        whole[4..4 + N].copy_from_slice(&bytes);
        self.out.extend_from_slice(&whole[..4 + N]);
    }

    /// A value made of several parts: `content` appends them, and the length is filled in afterwards.
    ///
    /// # Errors
    /// What `content` returns; [`EncodeError::TooLong`] from 2 GiB on.
    #[inline]
    pub fn nested(
        &mut self,
        content: impl FnOnce(&mut ValueWriter<'_>) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        let start = self.out.len() + 4;
        self.out.extend_from_slice(&[0; 4]);
        content(&mut ValueWriter { out: self.out, unset_allowed: false })?;
        let length = length_of(self.out.len() - start)?;
        self.out[start - 4..start].copy_from_slice(&length);
        Ok(())
    }

    /// A value that is no null: for sets and maps, where Cassandra has none.
    #[inline]
    pub(super) fn not_null(
        &mut self,
        value: impl FnOnce(&mut ValueWriter<'_>) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        let start = self.out.len();
        value(&mut ValueWriter { out: self.out, unset_allowed: false })?;
        if self.out[start..].starts_with(&[0xff]) { Err(NULL_INSIDE) } else { Ok(()) }
    }

    /// An element of a vector, which has its length before it in another form than all other values, or none.
    #[inline]
    pub(super) fn vector_element(
        &mut self,
        lengths: Lengths,
        value: impl FnOnce(&mut ValueWriter<'_>) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        let start = self.out.len();
        self.not_null(value)?;
        let content = start + 4;
        let length = self.out.len().saturating_sub(content);
        let (mut prefix, mut prefix_len) = ([0; MAX_LEN], 0);
        match lengths {
            Lengths::Fixed(expected) if expected != length => {
                return Err(EncodeError::Invalid(
                    "it has another length than each element of this vector has",
                ));
            }
            Lengths::Fixed(_) | Lengths::Int => {}
            Lengths::Vint => prefix_len = put_unsigned(length as u64, &mut prefix),
        }
        // The 4 bytes of length make room for what comes instead.
        if prefix_len > 4 {
            return Err(EncodeError::TooLong { bytes: length });
        }
        self.out[start..start + prefix_len].copy_from_slice(&prefix[..prefix_len]);
        self.out.copy_within(content.., start + prefix_len);
        self.out.truncate(start + prefix_len + length);
        Ok(())
    }

    /// Bytes without a length of their own: a part of a [`ValueWriter::nested`] value.
    #[inline]
    pub fn part(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }
}

/// A length or an element count as `[int]`. The count of a collection fits whenever its bytes do.
#[inline]
pub(super) fn length_of(length: usize) -> Result<[u8; 4], EncodeError> {
    match i32::try_from(length) {
        Ok(length) => Ok(length.to_be_bytes()),
        Err(_) => Err(EncodeError::TooLong { bytes: length }),
    }
}
