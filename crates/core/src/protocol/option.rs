//! `[option]` of section 4.2.5.2: a [`ColumnType`] in bytes.

use std::sync::Arc;

use super::wire::{Reader, count_of, put_count, put_short, put_string};
use super::{ColumnType, DecodeError, EncodeError, UdtType, Version, class_name};

/// How deep types may be nested; Cassandra's own are a handful of levels deep.
pub(super) const MAX_DEPTH: usize = 32;

const CUSTOM: u16 = 0x0000;
const LIST: u16 = 0x0020;
const MAP: u16 = 0x0021;
const SET: u16 = 0x0022;
const UDT: u16 = 0x0030;
const TUPLE: u16 = 0x0031;

/// The types without a parameter, their codes, and the version that brought each. In older versions they come as a
/// custom type.
const SIMPLE: [(u16, ColumnType, Version); 20] = [
    (0x0001, ColumnType::Ascii, Version::V3),
    (0x0002, ColumnType::BigInt, Version::V3),
    (0x0003, ColumnType::Blob, Version::V3),
    (0x0004, ColumnType::Boolean, Version::V3),
    (0x0005, ColumnType::Counter, Version::V3),
    (0x0006, ColumnType::Decimal, Version::V3),
    (0x0007, ColumnType::Double, Version::V3),
    (0x0008, ColumnType::Float, Version::V3),
    (0x0009, ColumnType::Int, Version::V3),
    (0x000B, ColumnType::Timestamp, Version::V3),
    (0x000C, ColumnType::Uuid, Version::V3),
    (0x000D, ColumnType::Text, Version::V3),
    (0x000E, ColumnType::VarInt, Version::V3),
    (0x000F, ColumnType::TimeUuid, Version::V3),
    (0x0010, ColumnType::Inet, Version::V3),
    (0x0011, ColumnType::Date, Version::V4),
    (0x0012, ColumnType::Time, Version::V4),
    (0x0013, ColumnType::SmallInt, Version::V4),
    (0x0014, ColumnType::TinyInt, Version::V4),
    (0x0015, ColumnType::Duration, Version::V5),
];

impl Reader<'_> {
    /// The `[option]` that describes a type (section 4.2.5.2).
    ///
    /// A custom type whose class is one of Cassandra's own and has a CQL name (durations in v4, vectors in all
    /// versions) is read as that type; any other stays [`ColumnType::Custom`].
    pub fn option(&mut self) -> Result<ColumnType, DecodeError> {
        self.nested_option(0)
    }

    fn nested_option(&mut self, depth: usize) -> Result<ColumnType, DecodeError> {
        if depth >= MAX_DEPTH {
            return Err(DecodeError::TooDeep { limit: MAX_DEPTH });
        }
        let code = self.short()?;
        if let Some((_, simple, _)) = SIMPLE.iter().find(|(simple, ..)| *simple == code) {
            return Ok(simple.clone());
        }
        let outer = depth;
        let depth = depth + 1;
        match code {
            CUSTOM => {
                let class = self.string()?;
                Ok(class_name::parse(class, outer).unwrap_or_else(|| ColumnType::Custom(class.into())))
            }
            LIST => Ok(ColumnType::List(Arc::new(self.nested_option(depth)?))),
            SET => Ok(ColumnType::Set(Arc::new(self.nested_option(depth)?))),
            MAP => Ok(ColumnType::Map(Arc::new((self.nested_option(depth)?, self.nested_option(depth)?)))),
            TUPLE => Ok(ColumnType::Tuple(self.several(2, |r| r.nested_option(depth))?.into())),
            UDT => {
                let (keyspace, name) = (self.string()?.into(), self.string()?.into());
                let fields = self.several(4, |r| Ok((r.string()?.into(), r.nested_option(depth)?)))?;
                Ok(ColumnType::Udt(Arc::new(UdtType { keyspace, name, fields: fields.into() })))
            }
            _ => Err(DecodeError::Unknown { what: self.what(), code: code.into() }),
        }
    }
}

/// Appends the `[option]` that describes a type. What a version has no code for is written as a custom type.
///
/// # Errors
/// [`EncodeError::Limit`] for types nested more than 32 levels deep, more than 65,535 fields, or too long a name.
pub fn put_option(out: &mut Vec<u8>, version: Version, column_type: &ColumnType) -> Result<(), EncodeError> {
    put_nested(out, version, column_type, 0)
}

fn put_nested(out: &mut Vec<u8>, version: Version, ty: &ColumnType, depth: usize) -> Result<(), EncodeError> {
    if depth >= MAX_DEPTH {
        return Err(EncodeError::Limit { what: "levels of a type", actual: depth + 1, limit: MAX_DEPTH });
    }
    if let Some((code, ..)) = SIMPLE.iter().find(|(_, simple, since)| simple == ty && *since <= version) {
        put_short(out, *code);
        return Ok(());
    }
    let nested = |out: &mut Vec<u8>, ty: &ColumnType| put_nested(out, version, ty, depth + 1);
    match ty {
        ColumnType::List(element) => {
            put_short(out, LIST);
            nested(out, element)
        }
        ColumnType::Set(element) => {
            put_short(out, SET);
            nested(out, element)
        }
        ColumnType::Map(pair) => {
            put_short(out, MAP);
            nested(out, &pair.0)?;
            nested(out, &pair.1)
        }
        ColumnType::Tuple(types) => {
            put_short(out, TUPLE);
            put_count(out, types.len(), "fields of a tuple")?;
            types.iter().try_for_each(|ty| nested(out, ty))
        }
        ColumnType::Udt(udt) => {
            put_short(out, UDT);
            put_string(out, &udt.keyspace)?;
            put_string(out, &udt.name)?;
            put_short(out, count_of(udt.fields.len(), "fields of a user-defined type")?);
            udt.fields.iter().try_for_each(|(name, ty)| {
                put_string(out, name)?;
                nested(out, ty)
            })
        }
        custom => {
            put_short(out, CUSTOM);
            put_string(out, &class_name::of(custom, depth)?)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<ColumnType, DecodeError> {
        Reader::new(bytes).option()
    }

    fn written(version: Version, ty: &ColumnType) -> Vec<u8> {
        let mut out = Vec::new();
        put_option(&mut out, version, ty).unwrap();
        out
    }

    #[test]
    fn each_simple_code_stands_for_one_type() {
        for (code, ty, _) in &SIMPLE {
            assert_eq!(read(&code.to_be_bytes()).as_ref(), Ok(ty));
            assert_eq!(written(Version::V5, ty), code.to_be_bytes());
        }
        let unknown = DecodeError::Unknown { what: "body", code: 0x000A };
        assert_eq!(read(&[0, 0x0A]), Err(unknown));
    }

    #[test]
    fn what_a_version_lacks_travels_as_a_custom_type() {
        let bytes = written(Version::V4, &ColumnType::Duration);
        assert_eq!(&bytes[..4], [0, 0, 0, 44]);
        assert_eq!(&bytes[4..], b"org.apache.cassandra.db.marshal.DurationType");
        for (_, ty, _) in &SIMPLE {
            assert_eq!(read(&written(Version::V3, ty)).as_ref(), Ok(ty));
        }
        let vector = ColumnType::Vector(Arc::new(ColumnType::Float), 3);
        let class =
            "org.apache.cassandra.db.marshal.VectorType(org.apache.cassandra.db.marshal.FloatType , 3)";
        let mut expected = vec![0, 0, 0, class.len() as u8];
        expected.extend_from_slice(class.as_bytes());
        assert_eq!(written(Version::V5, &vector), expected);
        assert_eq!(read(&expected), Ok(vector));
    }

    #[test]
    fn nesting_has_a_limit_in_both_directions() {
        let deep = |levels: usize| [[0, 0x20].repeat(levels - 1), vec![0, 9]].concat();
        let deepest = read(&deep(MAX_DEPTH)).unwrap();
        assert_eq!(written(Version::V4, &deepest), deep(MAX_DEPTH));
        assert_eq!(read(&deep(MAX_DEPTH + 1)), Err(DecodeError::TooDeep { limit: MAX_DEPTH }));
        let deeper = ColumnType::List(Arc::new(deepest));
        assert!(matches!(put_option(&mut Vec::new(), Version::V4, &deeper), Err(EncodeError::Limit { .. })));
    }

    #[test]
    fn a_count_is_compared_with_what_is_there() {
        let tuple = [0, 0x31, 0xFF, 0xFF, 0, 9];
        assert_eq!(read(&tuple), Err(DecodeError::Short { what: "body", needed: 131_070, available: 2 }));
    }
}
