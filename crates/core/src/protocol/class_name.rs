//! The names of Cassandra's Java classes for types, as custom types carry them: durations before v5, vectors always,
//! and whatever a vector is made of.

use std::fmt::Write;
use std::sync::Arc;

use super::option::MAX_DEPTH;
use super::type_name::dimension;
use super::{ColumnType, EncodeError, UdtType};

const PACKAGE: &str = "org.apache.cassandra.db.marshal.";

/// The type of a class with its parameters, itself nested `depth` levels deep; `None` if it isn't written as Cassandra
/// writes them, or nested too deep. A well-formed class that has no CQL name is a [`ColumnType::Custom`].
pub(super) fn parse(class: &str, depth: usize) -> Option<ColumnType> {
    let mut parser = Parser { rest: class };
    let ty = parser.class(depth)?;
    parser.rest.trim_start().is_empty().then_some(ty)
}

/// The class that stands for a type which is already nested `depth` levels deep.
pub(super) fn of(ty: &ColumnType, depth: usize) -> Result<String, EncodeError> {
    let mut out = String::new();
    put(&mut out, ty, depth)?;
    Ok(out)
}

fn simple(class: &str) -> Option<ColumnType> {
    Some(match class {
        "AsciiType" => ColumnType::Ascii,
        "BooleanType" => ColumnType::Boolean,
        "BytesType" => ColumnType::Blob,
        "ByteType" => ColumnType::TinyInt,
        "CounterColumnType" => ColumnType::Counter,
        "DateType" | "TimestampType" => ColumnType::Timestamp,
        "DecimalType" => ColumnType::Decimal,
        "DoubleType" => ColumnType::Double,
        "DurationType" => ColumnType::Duration,
        "FloatType" => ColumnType::Float,
        "InetAddressType" => ColumnType::Inet,
        "Int32Type" => ColumnType::Int,
        "IntegerType" => ColumnType::VarInt,
        "LongType" => ColumnType::BigInt,
        "ShortType" => ColumnType::SmallInt,
        "SimpleDateType" => ColumnType::Date,
        "TimeType" => ColumnType::Time,
        "TimeUUIDType" => ColumnType::TimeUuid,
        "UTF8Type" => ColumnType::Text,
        "UUIDType" => ColumnType::Uuid,
        _ => return None,
    })
}

struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn class(&mut self, depth: usize) -> Option<ColumnType> {
        if depth >= MAX_DEPTH {
            return None;
        }
        self.rest = self.rest.trim_start();
        let whole = self.rest;
        let name = self.word()?;
        let short = name.strip_prefix(PACKAGE).unwrap_or(name);
        if let Some(ty) = simple(short) {
            return Some(ty);
        }
        let depth = depth + 1;
        match short {
            "FrozenType" | "ReversedType" => self.one(depth),
            "ListType" => Some(ColumnType::List(Arc::new(self.one(depth)?))),
            "SetType" => Some(ColumnType::Set(Arc::new(self.one(depth)?))),
            "MapType" => {
                let [key, value] = self.several(|parser| parser.class(depth))?.try_into().ok()?;
                Some(ColumnType::Map(Arc::new((key, value))))
            }
            "TupleType" => Some(ColumnType::Tuple(self.several(|parser| parser.class(depth))?.into())),
            "UserType" => self.udt(depth),
            "VectorType" => self.vector(depth),
            _ => {
                self.skip_parameters()?;
                Some(ColumnType::Custom(whole[..whole.len() - self.rest.len()].into()))
            }
        }
    }

    /// `(element , dimension)`
    fn vector(&mut self, depth: usize) -> Option<ColumnType> {
        self.expect('(')?;
        let element = self.class(depth)?;
        self.expect(',')?;
        self.rest = self.rest.trim_start();
        let dimension = dimension(self.word()?)?;
        self.expect(')')?;
        Some(ColumnType::Vector(Arc::new(element), dimension))
    }

    /// `(keyspace,name,field:type,...)`, the names but for the keyspace's in hexadecimal.
    fn udt(&mut self, depth: usize) -> Option<ColumnType> {
        self.expect('(')?;
        let keyspace = self.word()?.into();
        self.expect(',')?;
        let name = from_hex(self.word()?)?;
        let mut fields = Vec::new();
        while self.expect(',').is_some() {
            let field = from_hex(self.word()?)?;
            self.expect(':')?;
            fields.push((field, self.class(depth)?));
        }
        self.expect(')')?;
        Some(ColumnType::Udt(Arc::new(UdtType { keyspace, name, fields: fields.into() })))
    }

    /// `(element)`
    fn one(&mut self, depth: usize) -> Option<ColumnType> {
        self.expect('(')?;
        let element = self.class(depth)?;
        self.expect(')')?;
        Some(element)
    }

    /// `(element,...)`
    fn several<T>(&mut self, mut element: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let mut elements = Vec::new();
        self.expect('(')?;
        if self.expect(')').is_some() {
            return Some(elements);
        }
        loop {
            elements.push(element(self)?);
            if self.expect(')').is_some() {
                return Some(elements);
            }
            self.expect(',')?;
        }
    }

    fn skip_parameters(&mut self) -> Option<()> {
        if !self.rest.starts_with('(') {
            return Some(());
        }
        let mut open = 0_usize;
        for (at, c) in self.rest.char_indices() {
            match c {
                '(' => open += 1,
                ')' => open -= 1,
                _ => {}
            }
            if open == 0 {
                self.rest = &self.rest[at + 1..];
                return Some(());
            }
        }
        None
    }

    /// What comes before the next mark: at least one character.
    fn word(&mut self) -> Option<&'a str> {
        let end = self.rest.find(['(', ')', ',', ':', ' ']).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        (!word.is_empty()).then_some(word)
    }

    fn expect(&mut self, mark: char) -> Option<()> {
        self.rest = self.rest.trim_start().strip_prefix(mark)?;
        Some(())
    }
}

fn put(out: &mut String, ty: &ColumnType, depth: usize) -> Result<(), EncodeError> {
    if depth >= MAX_DEPTH {
        return Err(EncodeError::Limit { what: "levels of a type", actual: depth + 1, limit: MAX_DEPTH });
    }
    let depth = depth + 1;
    let (class, parameters): (&str, &[&ColumnType]) = match ty {
        ColumnType::Ascii => ("AsciiType", &[]),
        ColumnType::BigInt => ("LongType", &[]),
        ColumnType::Blob => ("BytesType", &[]),
        ColumnType::Boolean => ("BooleanType", &[]),
        ColumnType::Counter => ("CounterColumnType", &[]),
        ColumnType::Custom(class) => {
            out.push_str(class);
            return Ok(());
        }
        ColumnType::Date => ("SimpleDateType", &[]),
        ColumnType::Decimal => ("DecimalType", &[]),
        ColumnType::Double => ("DoubleType", &[]),
        ColumnType::Duration => ("DurationType", &[]),
        ColumnType::Float => ("FloatType", &[]),
        ColumnType::Inet => ("InetAddressType", &[]),
        ColumnType::Int => ("Int32Type", &[]),
        ColumnType::List(element) => ("ListType", &[element]),
        ColumnType::Map(pair) => ("MapType", &[&pair.0, &pair.1]),
        ColumnType::Set(element) => ("SetType", &[element]),
        ColumnType::SmallInt => ("ShortType", &[]),
        ColumnType::Text => ("UTF8Type", &[]),
        ColumnType::Time => ("TimeType", &[]),
        ColumnType::Timestamp => ("TimestampType", &[]),
        ColumnType::TimeUuid => ("TimeUUIDType", &[]),
        ColumnType::TinyInt => ("ByteType", &[]),
        ColumnType::Tuple(types) => return put_class(out, "TupleType", types.iter(), depth),
        ColumnType::Udt(udt) => return put_udt(out, udt, depth),
        ColumnType::Uuid => ("UUIDType", &[]),
        ColumnType::VarInt => ("IntegerType", &[]),
        ColumnType::Vector(element, dimension) => {
            out.push_str(PACKAGE);
            out.push_str("VectorType(");
            put(out, element, depth)?;
            append(out, format_args!(" , {dimension})"));
            return Ok(());
        }
    };
    if parameters.is_empty() {
        append(out, format_args!("{PACKAGE}{class}"));
        return Ok(());
    }
    put_class(out, class, parameters.iter().copied(), depth)
}

fn put_class<'a>(
    out: &mut String,
    class: &str,
    parameters: impl Iterator<Item = &'a ColumnType>,
    depth: usize,
) -> Result<(), EncodeError> {
    append(out, format_args!("{PACKAGE}{class}("));
    for (i, parameter) in parameters.enumerate() {
        out.push_str(if i > 0 { "," } else { "" });
        put(out, parameter, depth)?;
    }
    out.push(')');
    Ok(())
}

fn put_udt(out: &mut String, udt: &UdtType, depth: usize) -> Result<(), EncodeError> {
    append(out, format_args!("{PACKAGE}UserType({},", udt.keyspace));
    put_hex(out, &udt.name);
    for (name, ty) in &udt.fields {
        out.push(',');
        put_hex(out, name);
        out.push(':');
        put(out, ty, depth)?;
    }
    out.push(')');
    Ok(())
}

fn put_hex(out: &mut String, text: &str) {
    for byte in text.bytes() {
        append(out, format_args!("{byte:02x}"));
    }
}

fn append(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing into a string can't fail.
    let _ = out.write_fmt(text);
}

fn from_hex(hex: &str) -> Option<Box<str>> {
    let digit = |c: u8| char::from(c).to_digit(16).map(|digit| digit as u8);
    let pairs = hex.as_bytes().chunks(2);
    let bytes = pairs.map(|pair| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    });
    String::from_utf8(bytes.collect::<Option<Vec<u8>>>()?).ok().map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vector_may_hold_anything() {
        let class = "org.apache.cassandra.db.marshal.VectorType(org.apache.cassandra.db.marshal.FrozenType(\
                     org.apache.cassandra.db.marshal.MapType(org.apache.cassandra.db.marshal.UTF8Type,\
                     org.apache.cassandra.db.marshal.VectorType(org.apache.cassandra.db.marshal.Int32Type , 2))) , 7)";
        let inner = ColumnType::Vector(Arc::new(ColumnType::Int), 2);
        let map = ColumnType::Map(Arc::new((ColumnType::Text, inner)));
        assert_eq!(parse(class, 0), Some(ColumnType::Vector(Arc::new(map), 7)));
    }

    #[test]
    fn a_user_type_spells_its_names_in_hexadecimal() {
        let class = "org.apache.cassandra.db.marshal.UserType(ks,706f696e74,78:org.apache.cassandra.db.marshal.\
                     Int32Type,c3bf:org.apache.cassandra.db.marshal.TupleType(org.apache.cassandra.db.marshal.\
                     ByteType,org.apache.cassandra.db.marshal.DurationType))";
        let tuple = ColumnType::Tuple([ColumnType::TinyInt, ColumnType::Duration].into());
        let fields = [("x".into(), ColumnType::Int), ("\u{ff}".into(), tuple)].into();
        let udt = UdtType { keyspace: "ks".into(), name: "point".into(), fields };
        let udt = ColumnType::Udt(Arc::new(udt));
        assert_eq!(parse(class, 0).as_ref(), Some(&udt));
        assert_eq!(of(&udt, 0).unwrap(), class);
    }

    #[test]
    fn classes_without_a_cql_name_stay_custom() {
        let class = "org.apache.cassandra.db.marshal.CompositeType(Int32Type,UTF8Type)";
        assert_eq!(parse(class, 0), Some(ColumnType::Custom(class.into())));
        let nested = parse("VectorType(com.example.Odd(a, (b)) , 2)", 0);
        assert_eq!(
            nested,
            Some(ColumnType::Vector(Arc::new(ColumnType::Custom("com.example.Odd(a, (b))".into())), 2))
        );
        assert_eq!(
            parse("com.example.Int32Type", 0),
            Some(ColumnType::Custom("com.example.Int32Type".into()))
        );
    }

    #[test]
    fn what_is_not_well_formed_is_not_guessed_at() {
        let wrong = [
            "",
            "(",
            "ListType",
            "ListType()",
            "ListType(Int32Type",
            "ListType(Int32Type,Int32Type)",
            "MapType(Int32Type)",
            "Int32Type)",
            "VectorType(FloatType , -1)",
            "VectorType(FloatType , 0)",
            "VectorType(FloatType , 2147483648)",
            "UserType(ks,7,61:Int32Type)",
            "UserType(ks,zz)",
            "UserType(ks,ff)",
            "Odd(()",
        ];
        for class in wrong {
            assert_eq!(parse(class, 0), None, "{class}");
        }
        assert_eq!(parse(&("ListType(".repeat(40) + "Int32Type" + &")".repeat(40)), 0), None);
    }
}
