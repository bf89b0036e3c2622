//! What collections, vectors, tuples and user-defined types have in common: they are made of other values, each with its
//! length before it, unless all are of one length (sections 6.11 to 6.14 and 6.22 to 6.25 of v5).

use super::DecodeValueError;
use super::vint::{MAX_LEN, put_unsigned, take_unsigned};
use crate::protocol::ColumnType;

/// How the values in another are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lengths {
    /// An `[int]` before each; negative is null.
    Int,
    /// An `[unsigned vint]` before each, in vectors.
    Vint,
    /// All are so long, in vectors.
    Fixed(usize),
}

impl Lengths {
    /// In a vector of this element type.
    pub(super) fn in_vector(element: &ColumnType) -> Self {
        fixed_len(element).map_or(Self::Vint, Self::Fixed)
    }
}

/// Reads the values in another from front to back.
#[derive(Clone, Debug)]
pub(super) struct Parts<'a> {
    rest: &'a [u8],
    lengths: Lengths,
    odd: bool,
}

impl<'a> Parts<'a> {
    /// Of a tuple or user-defined type.
    pub(super) fn new(bytes: &'a [u8], lengths: Lengths) -> Self {
        Self { rest: bytes, lengths, odd: false }
    }

    /// Of a collection: first comes the number of its elements, which have so many parts each. Each part takes at least its
    /// length, so the number is bounded by the bytes present.
    pub(super) fn counted(bytes: &'a [u8], parts: usize) -> Result<(usize, Self), DecodeValueError> {
        let (count, rest) = bytes.split_first_chunk().ok_or_else(|| match bytes.len() {
            0 => DecodeValueError::Empty,
            actual => DecodeValueError::Length { expected: 4, actual },
        })?;
        let count = usize::try_from(i32::from_be_bytes(*count))
            .map_err(|_| DecodeValueError::Invalid("its element count is negative"))?;
        if rest.len() / (4 * parts) < count {
            return Err(DecodeValueError::Invalid("it has fewer bytes than its element count needs"));
        }
        Ok((count, Self::new(rest, Lengths::Int)))
    }

    /// Of a vector. Its dimension is bounded by the bytes present, too.
    pub(super) fn of_vector(
        bytes: &'a [u8],
        element: &ColumnType,
        dimension: usize,
    ) -> Result<Self, DecodeValueError> {
        let lengths = Lengths::in_vector(element);
        match (bytes.len(), lengths) {
            (0, _) => Err(DecodeValueError::Empty),
            (actual, Lengths::Fixed(length)) if length.saturating_mul(dimension) != actual => {
                Err(DecodeValueError::Length { expected: length.saturating_mul(dimension), actual })
            }
            (actual, _) if actual < dimension => {
                Err(DecodeValueError::Invalid("it has fewer bytes than its dimension needs"))
            }
            _ => Ok(Self::new(bytes, lengths)),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Whether a null had another length than -1, which the server reads but would not write.
    pub(super) fn is_odd(&self) -> bool {
        self.odd
    }

    /// Takes the next one; `None` is null.
    #[inline]
    pub(super) fn take(&mut self) -> Result<Option<&'a [u8]>, DecodeValueError> {
        let (length, rest) = match self.lengths {
            Lengths::Fixed(length) => (length, self.rest),
            Lengths::Vint => take_length(self.rest)?,
            Lengths::Int => {
                let (length, rest) = self
                    .rest
                    .split_first_chunk()
                    .ok_or(DecodeValueError::Invalid("its length is cut off"))?;
                let length = i32::from_be_bytes(*length);
                let Ok(length) = usize::try_from(length) else {
                    self.rest = rest;
                    self.odd |= length != -1;
                    return Ok(None);
                };
                (length, rest)
            }
        };
        let (bytes, rest) = rest
            .split_at_checked(length)
            .ok_or(DecodeValueError::Length { expected: length, actual: rest.len() })?;
        self.rest = rest;
        Ok(Some(bytes))
    }

    /// That nothing is left.
    pub(super) fn finish(&self) -> Result<(), DecodeValueError> {
        match self.rest.len() {
            0 => Ok(()),
            bytes => Err(DecodeValueError::Trailing { bytes }),
        }
    }
}

/// How many bytes each value of this type has, where Cassandra counts on that in vectors. It doesn't for some types whose
/// values are all alike long: counter, date, smallint, time and tinyint.
fn fixed_len(column_type: &ColumnType) -> Option<usize> {
    match column_type {
        ColumnType::Boolean => Some(1),
        ColumnType::Int | ColumnType::Float => Some(4),
        ColumnType::BigInt | ColumnType::Double | ColumnType::Timestamp => Some(8),
        ColumnType::Uuid | ColumnType::TimeUuid => Some(16),
        ColumnType::Vector(element, dimension) => {
            Some(fixed_len(element)?.saturating_mul(*dimension as usize))
        }
        _ => None,
    }
}

/// Only in its shortest form: the server itself loses its way after another.
fn take_length(bytes: &[u8]) -> Result<(usize, &[u8]), DecodeValueError> {
    let (length, rest) = take_unsigned(bytes)?;
    if put_unsigned(length, &mut [0; MAX_LEN]) != bytes.len() - rest.len() {
        return Err(DecodeValueError::Invalid("its length is written with more bytes than it needs"));
    }
    // Too long for this machine is too long for the bytes present.
    Ok((usize::try_from(length).unwrap_or(usize::MAX), rest))
}
