//! Tuples: the fields one after another, each with its length, which is -1 for null (section 6.16 of v4).

use super::collection::whole;
use super::decode::not_null;
use super::elements::{Lengths, Parts};
use super::{DecodeValue, DecodeValueError, EncodeError, EncodeValue, TypeMismatch, ValueWriter};
use crate::protocol::ColumnType;

/// A field that isn't there, for the tuple was written when its type had fewer, reads as null.
macro_rules! tuples {
    ($($count:literal: $($T:ident $index:tt),+;)+) => {$(
        impl<$($T: EncodeValue),+> EncodeValue for ($($T,)+) {
            fn encode(&self, column_type: &ColumnType, out: &mut ValueWriter<'_>) -> Result<(), EncodeError> {
                let ColumnType::Tuple(types) = column_type else {
                    return Err(TypeMismatch::bind::<Self>(column_type).into());
                };
                if types.len() != $count {
                    return Err(TypeMismatch::bind::<Self>(column_type).into());
                }
                let encoded = out.nested(|out| {
                    $(self.$index.encode(&types[$index], out).map_err(|error| in_field($index, error))?;)+
                    Ok(())
                });
                encoded.map_err(|error| whole::<Self>(error, column_type))
            }

            fn encode_untyped(&self, out: &mut ValueWriter<'_>) -> Result<(), EncodeError> {
                out.nested(|out| {
                    $(self.$index.encode_untyped(out).map_err(|error| in_field($index, error))?;)+
                    Ok(())
                })
            }
        }

        impl<'a, $($T: DecodeValue<'a>),+> DecodeValue<'a> for ($($T,)+) {
            fn check(column_type: &ColumnType) -> Result<(), TypeMismatch> {
                match column_type {
                    ColumnType::Tuple(types)
                        if types.len() == $count $(&& $T::check(&types[$index]).is_ok())+ => Ok(()),
                    _ => Err(TypeMismatch::read::<Self>(column_type)),
                }
            }

            fn decode(column_type: &ColumnType, bytes: Option<&'a [u8]>) -> Result<Self, DecodeValueError> {
                let mut fields = match column_type {
                    ColumnType::Tuple(types) if types.len() == $count => Fields::new(types, not_null(bytes)?),
                    _ => return Err(DecodeValueError::Invalid("its type is another tuple")),
                };
                let tuple = ($(fields.decode::<$T>($index)?,)+);
                fields.parts.finish()?;
                Ok(tuple)
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

struct Fields<'c, 'a> {
    types: &'c [ColumnType],
    parts: Parts<'a>,
}

impl<'c, 'a> Fields<'c, 'a> {
    fn new(types: &'c [ColumnType], bytes: &'a [u8]) -> Self {
        Self { types, parts: Parts::new(bytes, Lengths::Int) }
    }

    fn decode<T: DecodeValue<'a>>(&mut self, index: usize) -> Result<T, DecodeValueError> {
        let bytes = if self.parts.is_empty() { Ok(None) } else { self.parts.take() };
        bytes
            .and_then(|bytes| T::decode(&self.types[index], bytes))
            .map_err(|error| DecodeValueError::Element(Box::new((index, error))))
    }
}

#[cold]
fn in_field(index: usize, error: EncodeError) -> EncodeError {
    EncodeError::Element(Box::new((index, error)))
}
