//! What can be wrong with a value, said in the words of the person who bound or reads it.

use std::any::type_name;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use crate::protocol::{ColumnSpec, ColumnType};

/// A Rust type that doesn't go with a CQL type.
#[derive(Clone, PartialEq, Eq)]
pub struct TypeMismatch(Box<Mismatch>);

#[derive(Clone, PartialEq, Eq)]
struct Mismatch {
    rust: &'static str,
    column_type: ColumnType,
    verb: &'static str,
    /// Which field of a user-defined type it is, and what is wrong with it.
    field: Option<Box<str>>,
}

impl TypeMismatch {
    /// `T` can't be bound to a marker of this type.
    #[cold]
    pub fn bind<T: ?Sized>(column_type: &ColumnType) -> Self {
        Self::new(type_name::<T>(), column_type, "bound to")
    }

    /// `T` can't be read from a cell of this type.
    #[cold]
    pub fn read<T: ?Sized>(column_type: &ColumnType) -> Self {
        Self::new(type_name::<T>(), column_type, "read from")
    }

    /// What `rust` names can't be bound to a marker of this type.
    #[cold]
    pub(super) fn bind_named(rust: &'static str, column_type: &ColumnType) -> Self {
        Self::new(rust, column_type, "bound to")
    }

    /// The struct `T` can't be read from a user-defined type, for this field: the type has none of that name, or `mismatch`.
    #[cold]
    pub(super) fn read_field<T: ?Sized>(
        column_type: &ColumnType,
        name: &str,
        mismatch: Option<&Self>,
    ) -> Self {
        let mut read = Self::read::<T>(column_type);
        read.0.field = Some(match mismatch {
            Some(mismatch) => format!("its field '{name}' is {mismatch}").into(),
            None => format!("it has no field '{name}'").into(),
        });
        read
    }

    fn new(rust: &'static str, column_type: &ColumnType, verb: &'static str) -> Self {
        Self(Box::new(Mismatch { rust, column_type: column_type.clone(), verb, field: None }))
    }

    /// The CQL type.
    pub fn column_type(&self) -> &ColumnType {
        &self.0.column_type
    }

    /// The Rust type, without the paths of its modules.
    pub fn rust_type(&self) -> String {
        short_type_name(self.0.rust)
    }
}

impl fmt::Display for TypeMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Mismatch { column_type, verb, field, .. } = &*self.0;
        let (rust, fitting) = (self.rust_type(), rust_type_for(column_type));
        if let Some(field) = field {
            return write!(f, "{column_type}; {rust} can't be {verb} it: {field}");
        }
        write!(f, "{column_type}; {rust} can't be {verb} it: use {fitting}")
    }
}

impl fmt::Debug for TypeMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TypeMismatch({self})")
    }
}

impl Error for TypeMismatch {}

/// Text that is no value of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseValueError(pub(super) &'static str);

impl ParseValueError {
    /// What would be right.
    pub fn expected(&self) -> &'static str {
        self.0
    }
}

impl fmt::Display for ParseValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}", self.0)
    }
}

impl Error for ParseValueError {}

/// Why one value can't be bound.
#[derive(Debug)]
#[non_exhaustive]
pub enum EncodeError {
    /// Its Rust type doesn't go with the marker's type.
    Type(TypeMismatch),
    /// It has 2 GiB or more, which the protocol has no length for.
    TooLong {
        /// How long it is.
        bytes: usize,
    },
    /// It is text with a character that `ascii` doesn't have.
    NotAscii {
        /// The first byte of that character.
        at: usize,
    },
    /// It is unset, in protocol v3, which has no such thing, or inside a collection.
    Unset,
    /// It is empty, of a type that Cassandra has no empty value of.
    Empty,
    /// It isn't among the values of the CQL type.
    Invalid(&'static str),
    /// An element of a collection, vector or tuple, by its index, has one of these reasons.
    Element(Box<(usize, Self)>),
    /// A field of a user-defined type, by its name, has one of these reasons.
    Field(Box<(Box<str>, Self)>),
    /// A vector has another dimension than its type.
    Dimension {
        /// The type's.
        expected: usize,
        /// The value's.
        actual: usize,
    },
    /// A conversion outside this crate failed.
    Other(Box<dyn Error + Send + Sync>),
}

impl From<TypeMismatch> for EncodeError {
    fn from(mismatch: TypeMismatch) -> Self {
        Self::Type(mismatch)
    }
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Type(mismatch) => write!(f, "the marker's type is {mismatch}"),
            Self::TooLong { bytes } => {
                write!(f, "it has {bytes} bytes, and the protocol takes less than 2 GiB: split it")
            }
            Self::NotAscii { at } => {
                write!(f, "byte {at} isn't ASCII, which the column's type demands: use a column of type text")
            }
            Self::Unset => f.write_str(
                "it is unset, which protocol v3 and collections don't know: bind null, or leave the column out",
            ),
            Self::Empty => f.write_str("Cassandra has no empty value of this type: bind null"),
            Self::Invalid(reason) => f.write_str(reason),
            Self::Element(element) => write!(f, "element {}: {}", element.0, element.1),
            Self::Field(field) => write!(f, "field '{}': {}", field.0, field.1),
            Self::Dimension { expected, actual } => {
                write!(f, "the vector has {expected} elements, but {actual} were given")
            }
            Self::Other(error) => error.fmt(f),
        }
    }
}

impl Error for EncodeError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Other(error) => Some(&**error),
            _ => None,
        }
    }
}

/// Why the values of one request can't be bound. Nothing was sent.
#[derive(Debug)]
#[non_exhaustive]
pub enum BindError {
    /// There are more or fewer values than bind markers.
    Count {
        /// Bind markers in the statement.
        markers: usize,
        /// Values given.
        values: usize,
    },
    /// There are more values than the protocol can count (65,535).
    TooMany {
        /// Values given.
        values: usize,
    },
    /// No value has the name of this marker.
    NoValue(Box<NoValue>),
    /// A value has the name of no marker.
    NoMarker(Box<NoMarker>),
    /// Two values have one name.
    Twice {
        /// The name.
        name: Box<str>,
    },
    /// One value doesn't fit.
    Value(Box<BindProblem>),
}

/// A marker that no value has the name of.
#[derive(Debug)]
#[non_exhaustive]
pub struct NoValue {
    /// Of the marker, counted from 0.
    pub index: usize,
    /// Its name.
    pub name: Arc<str>,
    /// The struct whose fields are the values, as the compiler names it; `None` for values that came with their names.
    pub rust_type: Option<&'static str>,
}

/// A value that has the name of no marker.
#[derive(Debug)]
#[non_exhaustive]
pub struct NoMarker {
    /// The value's name.
    pub name: Box<str>,
    /// The struct whose field it is, as the compiler names it; `None` for values that came with their names.
    pub rust_type: Option<&'static str>,
}

/// Which value can't be bound, and why.
#[derive(Debug)]
#[non_exhaustive]
pub struct BindProblem {
    /// Of the marker and the value, counted from 0.
    pub index: usize,
    /// The marker; `None` in a statement that was not prepared.
    pub column: Option<ColumnSpec>,
    /// What is wrong with it.
    pub reason: EncodeError,
}

impl BindError {
    #[cold]
    pub(super) fn value(index: usize, column: Option<&ColumnSpec>, reason: EncodeError) -> Self {
        Self::Value(Box::new(BindProblem { index, column: column.cloned(), reason }))
    }

    #[cold]
    pub(super) fn no_value(index: usize, marker: &ColumnSpec, rust_type: Option<&'static str>) -> Self {
        Self::NoValue(Box::new(NoValue { index, name: Arc::clone(&marker.name), rust_type }))
    }

    #[cold]
    pub(super) fn no_marker(name: &str, rust_type: Option<&'static str>) -> Self {
        Self::NoMarker(Box::new(NoMarker { name: name.into(), rust_type }))
    }

    #[cold]
    pub(super) fn twice(name: &str) -> Self {
        Self::Twice { name: name.into() }
    }
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count { markers, values } => {
                write!(f, "the statement has {markers} bind markers, but {values} values were given")
            }
            Self::TooMany { values } => {
                write!(f, "{values} values were given, but a request carries at most 65,535")
            }
            Self::NoValue(problem) => {
                let NoValue { index, name, rust_type } = &**problem;
                let Some(rust_type) = rust_type else {
                    return write!(f, "no value was given for bind marker {index} '{name}'");
                };
                let rust = short_type_name(rust_type);
                write!(
                    f,
                    "{rust} has no field for bind marker {index} '{name}': add it, or rename one by #[helenus(rename)]"
                )
            }
            Self::NoMarker(problem) => {
                let NoMarker { name, rust_type } = &**problem;
                let Some(rust_type) = rust_type else {
                    return write!(
                        f,
                        "the statement has no bind marker '{name}', for which a value was given; names that aren't quoted \
                         in CQL are lower case"
                    );
                };
                let rust = short_type_name(rust_type);
                write!(
                    f,
                    "the statement has no bind marker '{name}', but {rust} has a value for it: mark the field #[helenus(skip)]"
                )
            }
            Self::Twice { name } => {
                write!(
                    f,
                    "the value '{name}' was given twice; give each name once, also if several markers have it"
                )
            }
            Self::Value(problem) => problem.fmt(f),
        }
    }
}

impl fmt::Display for BindProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.column, &self.reason) {
            (Some(column), EncodeError::Type(mismatch)) => {
                write!(f, "column {} '{}' is {mismatch}", self.index, column.name)
            }
            (Some(column), reason) => {
                let ColumnSpec { name, column_type, .. } = column;
                write!(
                    f,
                    "the value for column {} '{name}' ({column_type}) can't be bound: {reason}",
                    self.index
                )
            }
            (None, reason) => write!(f, "value {} can't be bound: {reason}", self.index),
        }
    }
}

impl Error for BindError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Value(problem) => Some(&problem.reason),
            _ => None,
        }
    }
}

/// Why the bytes of one cell are no value of the Rust type that was asked for.
#[derive(Debug)]
#[non_exhaustive]
pub enum DecodeValueError {
    /// It is null.
    Null,
    /// It has no bytes, which is not null, and not a value of this type either.
    Empty,
    /// It has the wrong number of bytes.
    Length {
        /// How many a value has.
        expected: usize,
        /// How many came.
        actual: usize,
    },
    /// It is text that isn't UTF-8.
    Utf8 {
        /// How many bytes are.
        valid_bytes: usize,
    },
    /// It isn't among the values of the CQL type.
    Invalid(&'static str),
    /// It goes on after its end.
    Trailing {
        /// By how many bytes.
        bytes: usize,
    },
    /// An element of a collection, vector or tuple, by its index, has one of these reasons.
    Element(Box<(usize, Self)>),
    /// A field of a user-defined type, by its name, has one of these reasons.
    Field(Box<(Box<str>, Self)>),
    /// A conversion outside this crate failed.
    Other(Box<dyn Error + Send + Sync>),
}

impl fmt::Display for DecodeValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("it is null: read it as an Option"),
            Self::Empty => f.write_str("it is empty, which is not null: read it as a MaybeEmpty"),
            Self::Length { expected, actual } => {
                write!(f, "it should have {expected} bytes, but has {actual}")
            }
            Self::Utf8 { valid_bytes } => {
                write!(f, "it isn't UTF-8 after its first {valid_bytes} bytes: read it as &[u8]")
            }
            Self::Invalid(reason) => f.write_str(reason),
            Self::Trailing { bytes } => write!(f, "it goes on for {bytes} bytes after its end"),
            Self::Element(element) => write!(f, "element {}: {}", element.0, element.1),
            Self::Field(field) => write!(f, "field '{}': {}", field.0, field.1),
            Self::Other(error) => error.fmt(f),
        }
    }
}

impl Error for DecodeValueError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Other(error) => Some(&**error),
            _ => None,
        }
    }
}

/// Why rows can't be read.
#[derive(Debug)]
#[non_exhaustive]
pub enum DecodeError {
    /// The row type has more or fewer columns than the result.
    ColumnCount {
        /// Columns of the result.
        columns: usize,
        /// Columns of the row type.
        expected: usize,
    },
    /// The result lacks a column that the row type needs.
    MissingColumn(Box<MissingColumn>),
    /// A column has a type that the row type can't take there.
    Column(Box<ColumnProblem>),
    /// One cell is no value. Other rows are not affected.
    Cell(Box<CellProblem>),
    /// The result has no column of that name, or none of that index.
    NoSuchColumn(Box<str>),
    /// The rows' bytes are broken. Nothing more can be read from this page.
    Content(Box<ContentProblem>),
}

/// A column that doesn't go with the row type, found before the first row is read.
#[derive(Debug)]
#[non_exhaustive]
pub struct ColumnProblem {
    /// Of the column, counted from 0.
    pub index: usize,
    /// The column.
    pub name: Arc<str>,
    /// Both types.
    pub mismatch: TypeMismatch,
}

/// A column that the result lacks, found before the first row is read.
#[derive(Debug)]
#[non_exhaustive]
pub struct MissingColumn {
    /// Its name.
    pub name: &'static str,
    /// The row type, as the compiler names it.
    pub rust_type: &'static str,
    /// The names that the result has, or the first 16 of them.
    pub columns: Box<[Arc<str>]>,
}

/// A cell whose bytes are no value of the Rust type.
#[derive(Debug)]
#[non_exhaustive]
pub struct CellProblem {
    /// Of the row in its page, counted from 0.
    pub row: usize,
    /// Of the column, counted from 0.
    pub index: usize,
    /// The column.
    pub column: ColumnSpec,
    /// The Rust type, as the compiler names it.
    pub rust_type: &'static str,
    /// What is wrong with it.
    pub reason: DecodeValueError,
}

/// Where the bytes of a page stop being rows.
#[derive(Debug)]
#[non_exhaustive]
pub struct ContentProblem {
    /// Of the row in its page, counted from 0.
    pub row: usize,
    /// Of the column, counted from 0.
    pub index: usize,
    /// What is wrong there.
    pub reason: &'static str,
}

impl DecodeError {
    #[cold]
    pub(super) fn column(index: usize, column: &ColumnSpec, mismatch: TypeMismatch) -> Self {
        Self::Column(Box::new(ColumnProblem { index, name: (&*column.name).into(), mismatch }))
    }

    #[cold]
    pub(super) fn missing_column<T>(name: &'static str, columns: &[ColumnSpec]) -> Self {
        let columns = columns.iter().take(16).map(|column| Arc::clone(&column.name)).collect();
        Self::MissingColumn(Box::new(MissingColumn { name, rust_type: type_name::<T>(), columns }))
    }

    #[cold]
    pub(super) fn cell<T>(row: usize, index: usize, column: &ColumnSpec, reason: DecodeValueError) -> Self {
        let rust_type = type_name::<T>();
        Self::Cell(Box::new(CellProblem { row, index, column: column.clone(), rust_type, reason }))
    }

    #[cold]
    pub(super) fn content(row: usize, index: usize, reason: &'static str) -> Self {
        Self::Content(Box::new(ContentProblem { row, index, reason }))
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ColumnCount { columns, expected } => {
                write!(f, "the result has {columns} columns, but the row type has {expected}")
            }
            Self::MissingColumn(missing) => {
                let rust = short_type_name(missing.rust_type);
                write!(
                    f,
                    "the result has no column '{}', which {rust} needs: select it, or mark the field #[helenus(default)]; \
                     it has {:?}",
                    missing.name, missing.columns
                )
            }
            Self::Column(problem) => {
                write!(f, "column {} '{}' is {}", problem.index, problem.name, problem.mismatch)
            }
            Self::Cell(problem) => {
                let CellProblem {
                    row,
                    index,
                    column: ColumnSpec { name, column_type, .. },
                    rust_type,
                    reason,
                } = &**problem;
                let rust = short_type_name(rust_type);
                write!(
                    f,
                    "row {row}, column {index} '{name}' ({column_type}) can't be read as {rust}: {reason}"
                )
            }
            Self::NoSuchColumn(name) => write!(f, "the result has no column {name}"),
            Self::Content(problem) => {
                let ContentProblem { row, index, reason } = &**problem;
                write!(f, "the server's answer is broken in row {row}, column {index}: {reason}")
            }
        }
    }
}

impl Error for DecodeError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Column(problem) => Some(&problem.mismatch),
            Self::Cell(problem) => Some(&problem.reason),
            _ => None,
        }
    }
}

/// What to use for a CQL type.
fn rust_type_for(column_type: &ColumnType) -> String {
    let name = match column_type {
        ColumnType::Ascii | ColumnType::Text => "&str or String",
        ColumnType::BigInt => "i64",
        ColumnType::Blob | ColumnType::Custom(_) => "&[u8] or Vec<u8>",
        ColumnType::Boolean => "bool",
        ColumnType::Counter => "Counter or i64",
        ColumnType::Date => "Date",
        ColumnType::Decimal => "Decimal",
        ColumnType::Double => "f64",
        ColumnType::Duration => "CqlDuration",
        ColumnType::Float => "f32",
        ColumnType::Inet => "IpAddr",
        ColumnType::Int => "i32",
        ColumnType::List(element) | ColumnType::Set(element) | ColumnType::Vector(element, _) => {
            return format!("Vec<{}>", inner_type_for(element));
        }
        ColumnType::Map(pair) => {
            return format!("BTreeMap<{}, {}>", inner_type_for(&pair.0), inner_type_for(&pair.1));
        }
        ColumnType::SmallInt => "i16",
        ColumnType::Time => "TimeOfDay",
        ColumnType::Timestamp => "Timestamp",
        ColumnType::TimeUuid => "TimeUuid",
        ColumnType::TinyInt => "i8",
        ColumnType::Tuple(fields) => {
            let fields: Vec<_> = fields.iter().map(|ty| format!("Option<{}>", inner_type_for(ty))).collect();
            let comma = if fields.len() == 1 { "," } else { "" };
            return format!("({}{comma})", fields.join(", "));
        }
        ColumnType::Udt(_) => "CqlValue, or a type of your own",
        ColumnType::Uuid => "Uuid",
        ColumnType::VarInt => "VarInt",
    };
    name.to_owned()
}

/// One of two alternatives reads better inside brackets.
fn inner_type_for(column_type: &ColumnType) -> String {
    match column_type {
        ColumnType::Udt(_) => "CqlValue".to_owned(),
        ColumnType::List(_) | ColumnType::Set(_) | ColumnType::Map(_) | ColumnType::Tuple(_) => {
            rust_type_for(column_type)
        }
        simple => {
            let names = rust_type_for(simple);
            names.rsplit(" or ").next().unwrap_or(&names).to_owned()
        }
    }
}

/// `alloc::vec::Vec<alloc::string::String>` as a person writes it: `Vec<String>`. What is unsized was behind a
/// reference.
fn short_type_name(full: &str) -> String {
    let unsized_type = full == "str" || (full.starts_with('[') && !full.contains(';'));
    let mut short = String::from(if unsized_type { "&" } else { "" });
    let mut rest = full;
    while let Some(end) = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')) {
        let (path, tail) = rest.split_at(end);
        short.push_str(last_segment(path));
        let separator = tail.chars().next().map_or(0, char::len_utf8);
        short.push_str(&tail[..separator]);
        rest = &tail[separator..];
    }
    short.push_str(last_segment(rest));
    // Some compilers name lifetimes, though all of them look alike.
    short.replace("<'_>", "").replace("'_, ", "")
}

fn last_segment(path: &str) -> &str {
    path.rsplit("::").next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_small() {
        assert!(size_of::<EncodeError>() <= 24);
        assert!(size_of::<DecodeValueError>() <= 24);
        assert!(size_of::<BindError>() <= 24);
        assert!(size_of::<DecodeError>() <= 24);
        assert!(size_of::<Result<(), TypeMismatch>>() <= 8);
    }

    #[test]
    fn type_names_lose_their_paths() {
        let cases = [
            (type_name::<str>(), "&str"),
            (type_name::<&str>(), "&str"),
            (type_name::<[u8]>(), "&[u8]"),
            (type_name::<[String; 3]>(), "[String; 3]"),
            (type_name::<Option<Vec<String>>>(), "Option<Vec<String>>"),
            (type_name::<crate::value::Timestamp>(), "Timestamp"),
        ];
        for (full, short) in cases {
            assert_eq!(short_type_name(full), short);
        }
    }
}
