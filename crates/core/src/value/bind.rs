//! The values of one request, for all of its bind markers.

use super::{BindError, EncodeValue, ValueWriter};
use crate::protocol::ColumnSpec;

/// Values for the bind markers of a statement. In the markers' order: a tuple of up to 16, an array, slice or `Vec` of one
/// type, `()` for none. By name: a struct that derives it, a map from names, [`Named`](super::Named). And references to these.
///
/// ```
/// use helenus_core::value::write_values;
///
/// let mut body = Vec::new();
/// assert_eq!(write_values(&("helenus", 7_i32), None, true, &mut body)?, 2);
/// assert_eq!(body, b"\x00\x00\x00\x07helenus\x00\x00\x00\x04\x00\x00\x00\x07");
/// # Ok::<(), helenus_core::value::BindError>(())
/// ```
pub trait EncodeValues {
    /// How many values there are.
    fn value_count(&self) -> usize;

    /// Appends one `[value]` for each marker of a prepared statement.
    ///
    /// # Errors
    /// [`BindError`], naming the marker.
    fn encode_values(&self, markers: &[ColumnSpec], out: &mut ValueWriter<'_>) -> Result<(), BindError>;

    /// Appends [`EncodeValues::value_count`] `[value]`s in their natural types.
    ///
    /// # Errors
    /// [`BindError`], naming the value by its index.
    fn encode_untyped_values(&self, out: &mut ValueWriter<'_>) -> Result<(), BindError>;

    /// If these values go by name: appends a `[string]`, its name, before each `[value]` in its natural type.
    ///
    /// # Errors
    /// [`BindError`], naming the value by its index.
    fn encode_named_values(&self, out: &mut ValueWriter<'_>) -> Option<Result<(), BindError>> {
        let _ = out;
        None
    }
}

/// Appends the values of a QUERY, whose markers nobody knows before the server does, and returns how many they are and
/// whether each has its name before it.
///
/// # Errors
/// [`BindError`]; `out` is then as it was.
pub fn write_query_values<V: EncodeValues + ?Sized>(
    values: &V,
    unset_allowed: bool,
    out: &mut Vec<u8>,
) -> Result<(u16, bool), BindError> {
    let start = out.len();
    match values.encode_named_values(&mut ValueWriter::new(out, unset_allowed)) {
        None => Ok((write_values(values, None, unset_allowed, out)?, false)),
        Some(written) => {
            let count = values.value_count();
            let counted =
                written.and_then(|()| u16::try_from(count).map_err(|_| BindError::TooMany { values: count }));
            if counted.is_err() {
                out.truncate(start);
            }
            Ok((counted?, true))
        }
    }
}

/// Appends `values`, one `[value]` after another, and returns how many they are: what follows the \<n\> of QUERY, EXECUTE
/// and BATCH (sections 4.1.4 to 4.1.7 of v4). `markers` are a prepared statement's; without them the values go in their
/// natural types. `unset_allowed` is true from v4 on.
///
/// # Errors
/// [`BindError`]; `out` is then as it was.
#[inline]
pub fn write_values<V: EncodeValues + ?Sized>(
    values: &V,
    markers: Option<&[ColumnSpec]>,
    unset_allowed: bool,
    out: &mut Vec<u8>,
) -> Result<u16, BindError> {
    let start = out.len();
    let mut writer = ValueWriter::new(out, unset_allowed);
    let (count, written) = match markers {
        Some(markers) => (markers.len(), values.encode_values(markers, &mut writer)),
        None => (values.value_count(), values.encode_untyped_values(&mut writer)),
    };
    let counted =
        written.and_then(|()| u16::try_from(count).map_err(|_| BindError::TooMany { values: count }));
    if counted.is_err() {
        out.truncate(start);
    }
    counted
}

impl<V: EncodeValues + ?Sized> EncodeValues for &V {
    #[inline]
    fn value_count(&self) -> usize {
        (**self).value_count()
    }

    #[inline]
    fn encode_values(&self, markers: &[ColumnSpec], out: &mut ValueWriter<'_>) -> Result<(), BindError> {
        (**self).encode_values(markers, out)
    }

    #[inline]
    fn encode_untyped_values(&self, out: &mut ValueWriter<'_>) -> Result<(), BindError> {
        (**self).encode_untyped_values(out)
    }

    fn encode_named_values(&self, out: &mut ValueWriter<'_>) -> Option<Result<(), BindError>> {
        (**self).encode_named_values(out)
    }
}

impl EncodeValues for () {
    fn value_count(&self) -> usize {
        0
    }

    fn encode_values(&self, markers: &[ColumnSpec], _: &mut ValueWriter<'_>) -> Result<(), BindError> {
        check_count(markers, 0)
    }

    fn encode_untyped_values(&self, _: &mut ValueWriter<'_>) -> Result<(), BindError> {
        Ok(())
    }
}

impl<T: EncodeValue> EncodeValues for [T] {
    fn value_count(&self) -> usize {
        self.len()
    }

    fn encode_values(&self, markers: &[ColumnSpec], out: &mut ValueWriter<'_>) -> Result<(), BindError> {
        check_count(markers, self.len())?;
        for (index, (value, marker)) in self.iter().zip(markers).enumerate() {
            bind(value, index, marker, out)?;
        }
        Ok(())
    }

    fn encode_untyped_values(&self, out: &mut ValueWriter<'_>) -> Result<(), BindError> {
        for (index, value) in self.iter().enumerate() {
            bind_untyped(value, index, out)?;
        }
        Ok(())
    }
}

macro_rules! as_slice {
    ($(($($generics:tt)*) $type:ty),+ $(,)?) => {$(
        impl<$($generics)*> EncodeValues for $type {
            fn value_count(&self) -> usize {
                self.len()
            }

            fn encode_values(&self, markers: &[ColumnSpec], out: &mut ValueWriter<'_>) -> Result<(), BindError> {
                self.as_slice().encode_values(markers, out)
            }

            fn encode_untyped_values(&self, out: &mut ValueWriter<'_>) -> Result<(), BindError> {
                self.as_slice().encode_untyped_values(out)
            }
        }
    )+};
}

as_slice! {
    (T: EncodeValue) Vec<T>,
    (T: EncodeValue, const N: usize) [T; N],
}

macro_rules! tuples {
    ($($count:literal: $($T:ident $index:tt),+;)+) => {$(
        impl<$($T: EncodeValue),+> EncodeValues for ($($T,)+) {
            #[inline]
            fn value_count(&self) -> usize {
                $count
            }

            #[inline]
            fn encode_values(&self, markers: &[ColumnSpec], out: &mut ValueWriter<'_>) -> Result<(), BindError> {
                check_count(markers, $count)?;
                $(bind(&self.$index, $index, &markers[$index], out)?;)+
                Ok(())
            }

            #[inline]
            fn encode_untyped_values(&self, out: &mut ValueWriter<'_>) -> Result<(), BindError> {
                $(bind_untyped(&self.$index, $index, out)?;)+
                Ok(())
            }
        }
    )+};
}

tuples! {
    1: A 0;
    2: A 0, B 1;
    3: A 0, B 1, C 2;
    4: A 0, B 1, C 2, D 3;
    5: A 0, B 1, C 2, D 3, E 4;
    6: A 0, B 1, C 2, D 3, E 4, F 5;
    7: A 0, B 1, C 2, D 3, E 4, F 5, G 6;
    8: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7;
    9: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8;
    10: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9;
    11: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10;
    12: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11;
    13: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11, M 12;
    14: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11, M 12, N 13;
    15: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11, M 12, N 13, O 14;
    16: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11, M 12, N 13, O 14, P 15;
}

#[inline]
pub(super) fn check_count(markers: &[ColumnSpec], values: usize) -> Result<(), BindError> {
    if markers.len() == values { Ok(()) } else { Err(BindError::Count { markers: markers.len(), values }) }
}

#[inline]
fn bind<T: EncodeValue>(
    value: &T,
    index: usize,
    marker: &ColumnSpec,
    out: &mut ValueWriter<'_>,
) -> Result<(), BindError> {
    match value.encode(&marker.column_type, out) {
        Ok(()) => Ok(()),
        Err(reason) => Err(BindError::value(index, Some(marker), reason)),
    }
}

#[inline]
fn bind_untyped<T: EncodeValue>(value: &T, index: usize, out: &mut ValueWriter<'_>) -> Result<(), BindError> {
    match value.encode_untyped(out) {
        Ok(()) => Ok(()),
        Err(reason) => Err(BindError::value(index, None, reason)),
    }
}
