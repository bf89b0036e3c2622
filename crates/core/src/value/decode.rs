//! The trait of values that can be read from a cell.

use super::{DecodeValueError, TypeMismatch};
use crate::protocol::ColumnType;

/// A Rust value that can be read from a cell; `'a` is the life of the response, from which it may borrow.
///
/// ```
/// use helenus_core::protocol::ColumnType;
/// use helenus_core::value::{DecodeValue, DecodeValueError, TypeMismatch};
///
/// struct UserId(i64);
///
/// impl<'a> DecodeValue<'a> for UserId {
///     fn check(column_type: &ColumnType) -> Result<(), TypeMismatch> {
///         i64::check(column_type)
///     }
///     fn decode(column_type: &ColumnType, bytes: Option<&'a [u8]>) -> Result<Self, DecodeValueError> {
///         i64::decode(column_type, bytes).map(Self)
///     }
/// }
/// ```
pub trait DecodeValue<'a>: Sized {
    /// Whether cells of `column_type` can be read as this; asked once per result.
    ///
    /// # Errors
    /// [`TypeMismatch`], which names both types.
    fn check(column_type: &ColumnType) -> Result<(), TypeMismatch>;

    /// Reads one cell, whose type [`DecodeValue::check`] accepted; `None` is null.
    ///
    /// # Errors
    /// [`DecodeValueError`]: any bytes give a value or one of its reasons.
    fn decode(column_type: &ColumnType, bytes: Option<&'a [u8]>) -> Result<Self, DecodeValueError>;
}

/// The bytes of a cell that must not be null.
#[inline]
pub(super) fn not_null(bytes: Option<&[u8]>) -> Result<&[u8], DecodeValueError> {
    match bytes {
        Some(bytes) => Ok(bytes),
        None => Err(DecodeValueError::Null),
    }
}

/// The bytes of a cell of a fixed length.
#[inline]
pub(super) fn fixed<const N: usize>(bytes: Option<&[u8]>) -> Result<[u8; N], DecodeValueError> {
    let bytes = not_null(bytes)?;
    match bytes.try_into() {
        Ok(array) => Ok(array),
        Err(_) => Err(wrong_length(N, bytes.len())),
    }
}

#[cold]
pub(super) fn wrong_length(expected: usize, actual: usize) -> DecodeValueError {
    if actual == 0 { DecodeValueError::Empty } else { DecodeValueError::Length { expected, actual } }
}
