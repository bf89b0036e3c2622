//! Structs into the values of a request, and into user-defined types.

use std::any::type_name;

use super::{ColumnSpec, ColumnType, EncodeFields, OfRow, OfUdt, names};
use crate::protocol::UdtType;
use crate::value::bind::check_count;
use crate::value::{BindError, EncodeError, TypeMismatch, ValueWriter};

/// [`EncodeValues::encode_values`](crate::value::EncodeValues::encode_values) by name: each marker takes the field with its
/// name, also if several have one name.
///
/// # Errors
/// [`BindError::NoValue`] and [`BindError::NoMarker`] if markers and fields aren't the same; [`BindError::Value`].
pub fn bind_by_name<V: EncodeFields<OfRow>>(
    values: &V,
    markers: &[ColumnSpec],
    out: &mut ValueWriter<'_>,
) -> Result<(), BindError> {
    let mut in_order = markers.len() == usize::from(V::FIELDS);
    for (index, marker) in markers.iter().enumerate() {
        let place = match u16::try_from(index) {
            Ok(place) if V::name(place) == Some(&*marker.name) => Some(place),
            _ => {
                in_order = false;
                (0..V::FIELDS).find(|place| V::name(*place) == Some(&*marker.name))
            }
        };
        let place = place.ok_or_else(|| BindError::no_value(index, marker, Some(type_name::<V>())))?;
        bind(values, place, index, marker, out)?;
    }
    let is_bound = |name: &&str| markers.iter().any(|marker| *marker.name == **name);
    if !in_order {
        if let Some(name) = names::<_, V>().find(|name| !is_bound(name)) {
            return Err(BindError::no_marker(name, Some(type_name::<V>())));
        }
    }
    Ok(())
}

/// [`EncodeValues::encode_values`](crate::value::EncodeValues::encode_values) by position.
///
/// # Errors
/// [`BindError::Count`] and [`BindError::Value`].
pub fn bind_by_position<V: EncodeFields<OfRow>>(
    values: &V,
    markers: &[ColumnSpec],
    out: &mut ValueWriter<'_>,
) -> Result<(), BindError> {
    check_count(markers, V::FIELDS.into())?;
    for (place, (index, marker)) in (0..V::FIELDS).zip(markers.iter().enumerate()) {
        bind(values, place, index, marker, out)?;
    }
    Ok(())
}

/// [`EncodeValues::encode_untyped_values`](crate::value::EncodeValues::encode_untyped_values): in the order of declaration.
///
/// # Errors
/// [`BindError::Value`].
pub fn bind_untyped<V: EncodeFields<OfRow>>(values: &V, out: &mut ValueWriter<'_>) -> Result<(), BindError> {
    for place in 0..V::FIELDS {
        values
            .encode_untyped_field(place, out)
            .map_err(|reason| BindError::value(place.into(), None, reason))?;
    }
    Ok(())
}

/// [`EncodeValues::encode_named_values`](crate::value::EncodeValues::encode_named_values): each field with its name.
///
/// # Errors
/// [`BindError::Value`].
pub fn bind_with_names<V: EncodeFields<OfRow>>(
    values: &V,
    out: &mut ValueWriter<'_>,
) -> Result<(), BindError> {
    for (place, name) in (0..V::FIELDS).zip(names::<_, V>()) {
        out.name(name)
            .and_then(|()| values.encode_untyped_field(place, out))
            .map_err(|reason| BindError::value(place.into(), None, reason))?;
    }
    Ok(())
}

/// [`EncodeValue::encode`](crate::value::EncodeValue::encode) by name. Fields that only the type has are null.
///
/// # Errors
/// [`EncodeError::Type`] for another type, [`EncodeError::Field`] for a field that the type doesn't have or that isn't of
/// its type.
pub fn encode_udt<T: EncodeFields<OfUdt>>(
    value: &T,
    column_type: &ColumnType,
    out: &mut ValueWriter<'_>,
) -> Result<(), EncodeError> {
    let ColumnType::Udt(definition) = column_type else {
        return Err(TypeMismatch::bind::<T>(column_type).into());
    };
    let in_order = definition.fields.iter().map(|(name, _)| &**name).eq(names::<_, T>());
    if !in_order {
        check_names::<T>(definition)?;
    }
    out.nested(|out| {
        for (index, (name, field_type)) in definition.fields.iter().enumerate() {
            let place = match u16::try_from(index) {
                Ok(place) if in_order => Some(place),
                _ => (0..T::FIELDS).find(|place| T::name(*place) == Some(name)),
            };
            match place {
                Some(place) => value.encode_field(place, field_type, out).map_err(|e| in_field(name, e))?,
                None => out.null(),
            }
        }
        Ok(())
    })
}

/// [`EncodeValue::encode_untyped`](crate::value::EncodeValue::encode_untyped): in the order of declaration, which must be
/// the type's.
///
/// # Errors
/// [`EncodeError::Field`].
pub fn encode_untyped_udt<T: EncodeFields<OfUdt>>(
    value: &T,
    out: &mut ValueWriter<'_>,
) -> Result<(), EncodeError> {
    out.nested(|out| {
        for (place, name) in (0..T::FIELDS).zip(names::<_, T>()) {
            value.encode_untyped_field(place, out).map_err(|error| in_field(name, error))?;
        }
        Ok(())
    })
}

#[inline]
fn bind<V: EncodeFields<OfRow>>(
    values: &V,
    place: u16,
    index: usize,
    marker: &ColumnSpec,
    out: &mut ValueWriter<'_>,
) -> Result<(), BindError> {
    match values.encode_field(place, &marker.column_type, out) {
        Ok(()) => Ok(()),
        Err(reason) => Err(BindError::value(index, Some(marker), reason)),
    }
}

/// A field that the type doesn't have would be lost without a word.
fn check_names<T: EncodeFields<OfUdt>>(definition: &UdtType) -> Result<(), EncodeError> {
    let is_known = |name: &str| definition.fields.iter().any(|(field, _)| **field == *name);
    match names::<_, T>().find(|name| !is_known(name)) {
        Some(name) => {
            let reason = "the user-defined type of the column has no such field";
            Err(in_field(name, EncodeError::Invalid(reason)))
        }
        None => Ok(()),
    }
}

#[cold]
fn in_field(name: &str, error: EncodeError) -> EncodeError {
    EncodeError::Field(Box::new((name.into(), error)))
}
