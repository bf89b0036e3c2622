//! User-defined types into structs (section 6.15 of v4: the fields one after another, as in a tuple).

use super::{ColumnType, DecodeFields, OfUdt, TakeFields, fields};
use crate::protocol::UdtType;
use crate::value::decode::not_null;
use crate::value::elements::{Lengths, Parts};
use crate::value::{DecodeValue, DecodeValueError, TypeMismatch};

/// [`DecodeValue::check`] by name. Fields of the type that no field of the struct wants are left.
///
/// # Errors
/// [`TypeMismatch`], which names the field.
pub fn check_udt<'a, T: DecodeFields<'a, OfUdt>>(column_type: &ColumnType) -> Result<(), TypeMismatch> {
    let ColumnType::Udt(definition) = column_type else {
        return Err(TypeMismatch::read::<T>(column_type));
    };
    for field in fields::<_, T>() {
        match definition.fields.iter().find(|(name, _)| **name == *field.name) {
            Some((_, of_field)) => (field.check)(of_field).map_err(|mismatch| {
                TypeMismatch::read_field::<T>(column_type, field.name, Some(&mismatch))
            })?,
            None if field.optional => {}
            None => return Err(TypeMismatch::read_field::<T>(column_type, field.name, None)),
        }
    }
    Ok(())
}

/// [`DecodeValue::decode`] by name. A value that was written before fields were added to its type ends early, and those
/// read as null.
///
/// # Errors
/// [`DecodeValueError::Field`], which names the field; the others if the value's bytes are broken.
pub fn decode_udt<'a, T: DecodeFields<'a, OfUdt>>(
    column_type: &ColumnType,
    bytes: Option<&'a [u8]>,
) -> Result<T, DecodeValueError> {
    let ColumnType::Udt(definition) = column_type else {
        return Err(DecodeValueError::Invalid("its type isn't a user-defined type"));
    };
    let mut values = Values::new(definition, not_null(bytes)?);
    let value = T::decode_fields(&mut values)?;
    values.finish()?;
    Ok(value)
}

/// The values of the fields, walked over from the first on.
struct Values<'c, 'a> {
    definition: &'c UdtType,
    start: Parts<'a>,
    parts: Parts<'a>,
    taken: usize,
}

impl<'c, 'a> Values<'c, 'a> {
    fn new(definition: &'c UdtType, bytes: &'a [u8]) -> Self {
        let start = Parts::new(bytes, Lengths::Int);
        Self { definition, parts: start.clone(), start, taken: 0 }
    }

    /// Takes the field of this name, or `None` if the type has none. Usually it is the next.
    fn named<T: DecodeValue<'a>>(&mut self, name: &'static str) -> Result<Option<T>, DecodeValueError> {
        let fields = &self.definition.fields;
        let is_next = fields.get(self.taken).is_some_and(|(next, _)| **next == *name);
        if !is_next {
            match fields.iter().position(|(field, _)| **field == *name) {
                Some(index) => self.go_to(index).map_err(|error| in_field(name, error))?,
                None => return Ok(None),
            }
        }
        let column_type = &fields[self.taken].1;
        let value = self.next_bytes().and_then(|bytes| T::decode(column_type, bytes));
        value.map(Some).map_err(|error| in_field(name, error))
    }

    fn go_to(&mut self, index: usize) -> Result<(), DecodeValueError> {
        if index < self.taken {
            self.parts = self.start.clone();
            self.taken = 0;
        }
        while self.taken < index {
            self.next_bytes()?;
        }
        Ok(())
    }

    fn next_bytes(&mut self) -> Result<Option<&'a [u8]>, DecodeValueError> {
        let bytes = if self.parts.is_empty() { None } else { self.parts.take()? };
        self.taken += 1;
        Ok(bytes)
    }

    /// That nothing comes after the last field of the type.
    fn finish(mut self) -> Result<(), DecodeValueError> {
        self.go_to(self.definition.fields.len().max(self.taken))?;
        self.parts.finish()
    }
}

impl<'a> TakeFields<'a> for Values<'_, 'a> {
    type Error = DecodeValueError;

    fn take<T: DecodeValue<'a>>(&mut self, name: &'static str) -> Result<T, DecodeValueError> {
        let missing = || in_field(name, DecodeValueError::Invalid("its user-defined type has no such field"));
        self.named(name)?.ok_or_else(missing)
    }

    fn take_or_default<T: DecodeValue<'a> + Default>(
        &mut self,
        name: &'static str,
    ) -> Result<T, DecodeValueError> {
        self.named(name).map(Option::unwrap_or_default)
    }
}

#[cold]
fn in_field(name: &str, error: DecodeValueError) -> DecodeValueError {
    DecodeValueError::Field(Box::new((name.into(), error)))
}
