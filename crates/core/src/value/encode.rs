//! The trait of values that can be bound.

use std::borrow::Cow;
use std::sync::Arc;

use super::{EncodeError, ValueWriter};
use crate::protocol::ColumnType;

/// A Rust value that can be bound to a bind marker.
///
/// Implement it by handing on to a type that has it:
///
/// ```
/// use helenus_core::protocol::ColumnType;
/// use helenus_core::value::{EncodeError, EncodeValue, ValueWriter};
///
/// struct UserId(i64);
///
/// impl EncodeValue for UserId {
///     fn encode(&self, column_type: &ColumnType, out: &mut ValueWriter<'_>) -> Result<(), EncodeError> {
///         self.0.encode(column_type, out)
///     }
///     fn encode_untyped(&self, out: &mut ValueWriter<'_>) -> Result<(), EncodeError> {
///         self.0.encode_untyped(out)
///     }
/// }
/// ```
pub trait EncodeValue {
    /// Appends this as exactly one `[value]` of `column_type`.
    ///
    /// # Errors
    /// [`EncodeError::Type`] if the type doesn't fit; the others as they say.
    fn encode(&self, column_type: &ColumnType, out: &mut ValueWriter<'_>) -> Result<(), EncodeError>;

    /// Appends this as exactly one `[value]` of its natural type (the table in [`super`](crate::value) lists them): for
    /// statements that were not prepared, whose bind markers have no known type.
    ///
    /// # Errors
    /// As for [`EncodeValue::encode`].
    fn encode_untyped(&self, out: &mut ValueWriter<'_>) -> Result<(), EncodeError>;
}

macro_rules! by_deref {
    ($(($($generics:tt)*) $type:ty),+ $(,)?) => {$(
        impl<$($generics)*> EncodeValue for $type {
            #[inline]
            fn encode(&self, column_type: &ColumnType, out: &mut ValueWriter<'_>) -> Result<(), EncodeError> {
                (**self).encode(column_type, out)
            }

            #[inline]
            fn encode_untyped(&self, out: &mut ValueWriter<'_>) -> Result<(), EncodeError> {
                (**self).encode_untyped(out)
            }
        }
    )+};
}

by_deref! {
    (T: EncodeValue + ?Sized) &T,
    (T: EncodeValue + ?Sized) Box<T>,
    (T: EncodeValue + ?Sized) Arc<T>,
    (T: EncodeValue + ToOwned + ?Sized) Cow<'_, T>,
}
