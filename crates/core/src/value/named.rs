//! Values that come with their names.

use std::collections::BTreeMap;
#[expect(clippy::disallowed_types, reason = "the hasher is the caller's")]
use std::collections::HashMap;
use std::fmt;
use std::hash::BuildHasher;

use super::{BindError, EncodeValue, EncodeValues, ValueWriter};
use crate::protocol::ColumnSpec;

/// Values for the bind markers of a statement, each by the name of its marker: `:name`, or for a `?` that of its column.
/// CQL makes names lower case unless they are quoted; these are taken as they are.
///
/// ```
/// use helenus_core::value::{EncodeValues, Named};
///
/// let values = Named(&[("id", &7_i64), ("name", &"Ada")]);
/// assert_eq!(values.value_count(), 2);
/// ```
///
/// Where the values of one request are of one type, a map does as well. A name given twice is [`BindError::Twice`]: one of the
/// two values would be lost.
#[derive(Clone, Copy)]
pub struct Named<'a>(pub &'a [(&'a str, &'a dyn EncodeValue)]);

impl<'a> Named<'a> {
    /// The values, each name once.
    fn distinct(&self) -> Result<impl Iterator<Item = (&'a str, &'a dyn EncodeValue)> + Clone, BindError> {
        let mut values = self.0.iter().enumerate();
        match values.find(|(index, (name, _))| self.0[..*index].iter().any(|(other, _)| other == name)) {
            Some((_, (name, _))) => Err(BindError::twice(name)),
            None => Ok(self.0.iter().copied()),
        }
    }
}

impl EncodeValues for Named<'_> {
    fn value_count(&self) -> usize {
        self.0.len()
    }

    fn encode_values(&self, markers: &[ColumnSpec], out: &mut ValueWriter<'_>) -> Result<(), BindError> {
        let values = self.distinct()?;
        bind(|| values.clone(), markers, out)
    }

    fn encode_untyped_values(&self, out: &mut ValueWriter<'_>) -> Result<(), BindError> {
        put(self.distinct()?, false, out)
    }

    fn encode_named_values(&self, out: &mut ValueWriter<'_>) -> Option<Result<(), BindError>> {
        Some(self.distinct().and_then(|values| put(values, true, out)))
    }
}

impl fmt::Debug for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

macro_rules! maps {
    ($($(#[$attribute:meta])* ($($other:tt)*) $type:ty;)+) => {$(
        /// By name.
        $(#[$attribute])*
        impl<K: AsRef<str>, V: EncodeValue $($other)*> EncodeValues for $type {
            fn value_count(&self) -> usize {
                self.len()
            }

            fn encode_values(&self, markers: &[ColumnSpec], out: &mut ValueWriter<'_>) -> Result<(), BindError> {
                bind(|| self.iter().map(|(name, value)| (name.as_ref(), value as &dyn EncodeValue)), markers, out)
            }

            fn encode_untyped_values(&self, out: &mut ValueWriter<'_>) -> Result<(), BindError> {
                put(self.iter().map(|(name, value)| (name.as_ref(), value as &dyn EncodeValue)), false, out)
            }

            fn encode_named_values(&self, out: &mut ValueWriter<'_>) -> Option<Result<(), BindError>> {
                let values = self.iter().map(|(name, value)| (name.as_ref(), value as &dyn EncodeValue));
                Some(put(values, true, out))
            }
        }
    )+};
}

maps! {
    () BTreeMap<K, V>;
    #[expect(clippy::disallowed_types, reason = "the hasher is the caller's")]
    (, S: BuildHasher) HashMap<K, V, S>;
}

/// Each marker takes the first value with its name, also if several have one name; a value that none takes is an error.
fn bind<'v, I: Iterator<Item = (&'v str, &'v dyn EncodeValue)>>(
    values: impl Fn() -> I,
    markers: &[ColumnSpec],
    out: &mut ValueWriter<'_>,
) -> Result<(), BindError> {
    for (index, marker) in markers.iter().enumerate() {
        let found = values().find(|(name, _)| *name == &*marker.name);
        let (_, value) = found.ok_or_else(|| BindError::no_value(index, marker, None))?;
        value
            .encode(&marker.column_type, out)
            .map_err(|reason| BindError::value(index, Some(marker), reason))?;
    }
    match values().find(|(name, _)| markers.iter().all(|marker| &*marker.name != *name)) {
        Some((name, _)) => Err(BindError::no_marker(name, None)),
        None => Ok(()),
    }
}

fn put<'v>(
    values: impl Iterator<Item = (&'v str, &'v dyn EncodeValue)>,
    with_names: bool,
    out: &mut ValueWriter<'_>,
) -> Result<(), BindError> {
    for (index, (name, value)) in values.enumerate() {
        let named = if with_names { out.name(name) } else { Ok(()) };
        named
            .and_then(|()| value.encode_untyped(out))
            .map_err(|reason| BindError::value(index, None, reason))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::ColumnType;
    use crate::value::{write_query_values, write_values};

    fn marker(name: &str, column_type: ColumnType) -> ColumnSpec {
        ColumnSpec { keyspace: "ks".into(), table: "t".into(), name: name.into(), column_type }
    }

    #[test]
    fn each_marker_takes_the_value_of_its_name() {
        let markers =
            [marker("b", ColumnType::Text), marker("a", ColumnType::Int), marker("b", ColumnType::Text)];
        let mut out = Vec::new();
        let values = Named(&[("a", &1_i32), ("b", &"x")]);
        assert_eq!(write_values(&values, Some(&markers), true, &mut out).unwrap(), 3);
        assert_eq!(out, b"\0\0\0\x01x\0\0\0\x04\0\0\0\x01\0\0\0\x01x");
        let map = BTreeMap::from([("b", "x")]);
        assert_eq!(write_values(&map, Some(&markers[..1]), true, &mut out).unwrap(), 1);
    }

    #[test]
    fn names_that_do_not_match_are_errors_that_name_them() {
        let markers = [marker("a", ColumnType::Int)];
        let mut out = Vec::new();
        let error = write_values(&Named(&[]), Some(&markers), true, &mut out).unwrap_err().to_string();
        assert!(error.contains("'a'"), "{error}");
        let values = Named(&[("a", &1_i32), ("A", &1_i32)]);
        let error = write_values(&values, Some(&markers), true, &mut out).unwrap_err().to_string();
        assert!(error.contains("'A'") && error.contains("lower case"), "{error}");
        assert!(out.is_empty());
    }

    #[test]
    fn a_name_given_twice_is_an_error() {
        let markers = [marker("a", ColumnType::Int)];
        let (twice, mut out) = (Named(&[("a", &1_i32), ("a", &2_i32)]), Vec::new());
        let errors = [
            write_values(&twice, Some(&markers), true, &mut out).unwrap_err(),
            write_query_values(&twice, true, &mut out).unwrap_err(),
        ];
        assert!(errors.iter().all(|error| error.to_string().contains("'a' was given twice")), "{errors:?}");
        assert!(out.is_empty());
    }

    #[test]
    fn a_query_has_their_names_on_the_wire() {
        let mut out = Vec::new();
        let written = write_query_values(&Named(&[("id", &1_i32)]), true, &mut out).unwrap();
        assert_eq!((written, &out[..]), ((1, true), &b"\0\x02id\0\0\0\x04\0\0\0\x01"[..]));
        out.clear();
        assert_eq!(write_query_values(&(1_i32,), true, &mut out).unwrap(), (1, false));
        assert_eq!(out, b"\0\0\0\x04\0\0\0\x01");
        let long = "n".repeat(70_000);
        assert!(write_query_values(&BTreeMap::from([(long, 1_i32)]), true, &mut out).is_err());
        assert_eq!(out.len(), 8, "nothing of it is left");
    }
}
