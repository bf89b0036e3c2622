use std::borrow::Cow;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use super::print::function_suffix;
use super::{CqlValue, UdtValue, places_by_name};
use crate::SyntaxError;
use crate::protocol::{ColumnType, UdtType};
use crate::syntax::Cursor;
use crate::value::elements::Lengths;
use crate::value::{Counter, ParseUuidError, ParseValueError, TimeUuid, Uuid};

impl CqlValue {
    /// The value of a CQL literal, read as one of this type. `null` is null; the elements of sets and the entries of maps
    /// stay in the order in which they are written.
    ///
    /// `blob_as_int(0x...)`, a function of CQL, gives bytes as they are to a type that has no other spelling for them; here
    /// there is one for each type: `ascii` to `varint`, and `list`, `map`, `set`, `tuple`, `udt`, `vector`, `custom`. A
    /// user-defined type's fields that aren't given are null, or not there if `..` comes last: `{a: 1, ..}`.
    ///
    /// # Errors
    /// [`SyntaxError`], with its place and what was expected there.
    pub fn parse(column_type: &ColumnType, literal: &str) -> Result<Self, SyntaxError> {
        let mut parser = Parser { cursor: Cursor::new(literal) };
        let value = parser.value(column_type)?;
        parser.cursor.expect_end()?;
        Ok(value)
    }
}

struct Parser<'a> {
    cursor: Cursor<'a>,
}

type Parsed = Result<CqlValue, SyntaxError>;

impl<'a> Parser<'a> {
    /// A value or null.
    fn value(&mut self, column_type: &ColumnType) -> Parsed {
        let mut ahead = self.cursor;
        if ahead.take_while(is_bare).eq_ignore_ascii_case("null") {
            self.cursor = ahead;
            return Ok(CqlValue::Null);
        }
        self.present(column_type)
    }

    /// A value that is not null. The recursion is as deep as the type.
    fn present(&mut self, column_type: &ColumnType) -> Parsed {
        use ColumnType as T;
        if let Some(value) = self.function(column_type)? {
            return Ok(value);
        }
        match column_type {
            T::Ascii => self.ascii(),
            T::Text => Ok(CqlValue::Text(self.text("text in single quotes")?.into_owned())),
            T::BigInt => self.integer().map(CqlValue::BigInt),
            T::Blob | T::Custom(_) => self.hex().map(CqlValue::Blob),
            T::Boolean => self.boolean(),
            T::Counter => self.integer().map(|number| CqlValue::Counter(Counter(number))),
            T::Date => self.quoted_or_number().map(CqlValue::Date),
            T::Decimal => self.bare().map(CqlValue::Decimal),
            T::Double => self.double(),
            T::Duration => self.duration(),
            T::Float => self.float(),
            T::Inet => self.inet(),
            T::Int => self.integer().map(CqlValue::Int),
            T::List(element) => {
                self.cursor.expect("[")?;
                self.rest_of("]", |parser| parser.value(element)).map(CqlValue::List)
            }
            T::Map(types) => self.map(types),
            T::Set(element) => {
                self.cursor.expect("{")?;
                self.rest_of("}", |parser| parser.not_null(element)).map(CqlValue::Set)
            }
            T::SmallInt => self.integer().map(CqlValue::SmallInt),
            T::Time => self.quoted_or_number().map(CqlValue::Time),
            T::Timestamp => self.timestamp(),
            T::TimeUuid => self.time_uuid(),
            T::TinyInt => self.integer().map(CqlValue::TinyInt),
            T::Tuple(types) => self.tuple(types),
            T::Udt(definition) => self.udt(definition),
            T::Uuid => self.bare().map(CqlValue::Uuid),
            T::VarInt => self.bare().map(CqlValue::VarInt),
            T::Vector(element, dimension) => self.vector(element, *dimension as usize),
        }
    }

    /// A value inside a set, map or vector.
    fn not_null(&mut self, column_type: &ColumnType) -> Parsed {
        let start = self.cursor;
        match self.value(column_type)? {
            CqlValue::Null => Err(start.error("a value, for there is no null in sets, maps and vectors")),
            value => Ok(value),
        }
    }

    /// `blob_as_int(0x...)`, if that comes next; older versions call it `blobAsInt`.
    fn function(&mut self, column_type: &ColumnType) -> Result<Option<CqlValue>, SyntaxError> {
        let mut ahead = self.cursor;
        let name = ahead.take_while(is_bare).to_ascii_lowercase();
        let Some(suffix) = name.strip_prefix("blob_as_").or_else(|| name.strip_prefix("blobas")) else {
            return Ok(None);
        };
        let expected = function_suffix(column_type);
        if suffix != expected && !(expected == "text" && suffix == "varchar") {
            return Err(self
                .cursor
                .error(format!("a value of type {column_type}, perhaps by blob_as_{expected}(0x...)")));
        }
        self.cursor = ahead;
        self.cursor.expect("(")?;
        let start = self.cursor;
        let bytes = self.hex()?;
        self.cursor.expect(")")?;
        let value = CqlValue::of_bytes(column_type, &bytes);
        value.map(Some).map_err(|error| start.error(format!("bytes of type {column_type} ({error})")))
    }

    /// `'...'` with `''` for a quote, or `$$...$$`.
    fn text(&mut self, expected: &'static str) -> Result<Cow<'a, str>, SyntaxError> {
        self.cursor.skip_blanks();
        if self.cursor.rest().starts_with('\'') {
            return self.cursor.quoted('\'');
        }
        if !self.cursor.take("$$") {
            return Err(self.cursor.error(expected));
        }
        self.cursor.take_until("$$").map(Cow::Borrowed)
    }

    fn ascii(&mut self) -> Parsed {
        let start = self.cursor;
        let text = self.text("text in single quotes")?;
        match text.is_ascii() {
            true => Ok(CqlValue::Text(text.into_owned())),
            false => Err(start.error("text of ASCII characters only")),
        }
    }

    /// `0x...`
    fn hex(&mut self) -> Result<Vec<u8>, SyntaxError> {
        const EXPECTED: &str = "hexadecimal bytes such as 0x00ff";
        let start = self.cursor;
        let word = self.cursor.take_while(is_bare);
        let digits = word.strip_prefix("0x").or_else(|| word.strip_prefix("0X"));
        digits.and_then(from_hex).ok_or_else(|| start.error(EXPECTED))
    }

    fn integer<T: Integer>(&mut self) -> Result<T, SyntaxError> {
        let start = self.cursor;
        let word = self.cursor.take_while(is_bare);
        let number = if is_integer(word) { word.parse().ok() } else { None };
        number.ok_or_else(|| start.error(format!("an integer from {} to {}", T::MIN, T::MAX)))
    }

    /// A word without quotes that is a `T`.
    fn bare<T: FromStr<Err: Expected>>(&mut self) -> Result<T, SyntaxError> {
        let start = self.cursor;
        let word = self.cursor.take_while(is_bare);
        word.parse().map_err(|error: T::Err| start.error(error.expected()))
    }

    /// One of its forms has colons.
    fn duration(&mut self) -> Parsed {
        let start = self.cursor;
        self.cursor.skip_blanks();
        let rest = self.cursor.rest();
        let mut word = self.cursor.take_while(is_bare);
        let is_iso_date = word.trim_start_matches('-').starts_with(['P', 'p']) && word.contains(['T', 't']);
        if is_iso_date && self.cursor.rest().starts_with(':') {
            word = rest.get(..word.len() + ":00:00".len()).unwrap_or(rest);
            self.cursor.skip(word.len() - (rest.len() - self.cursor.rest().len()));
        }
        word.parse().map(CqlValue::Duration).map_err(|error: ParseValueError| start.error(error.expected()))
    }

    fn boolean(&mut self) -> Parsed {
        let start = self.cursor;
        match &*self.cursor.take_while(is_bare).to_ascii_lowercase() {
            "true" => Ok(CqlValue::Boolean(true)),
            "false" => Ok(CqlValue::Boolean(false)),
            _ => Err(start.error("true or false")),
        }
    }

    /// A number that is not finite only if it is written so; its digits as CQL writes them.
    fn number<T: FromStr>(&mut self, named: impl Fn(f32) -> T) -> Result<T, SyntaxError> {
        let start = self.cursor;
        let word = self.cursor.take_while(is_bare);
        let number = match &*word.to_ascii_lowercase() {
            "nan" | "-nan" => Some(named(f32::from_bits(0x7fc0_0000))),
            "infinity" => Some(named(f32::INFINITY)),
            "-infinity" => Some(named(f32::NEG_INFINITY)),
            _ if is_number(word) => word.parse().ok(),
            _ => None,
        };
        number.ok_or_else(|| start.error("a number such as -1.5e-7, NaN, Infinity or -Infinity"))
    }

    /// Beyond its range it is infinite, as in CQL.
    fn float(&mut self) -> Parsed {
        self.number(|named| named).map(CqlValue::Float)
    }

    fn double(&mut self) -> Parsed {
        // Not by `f64::from`, which says nothing of the bits of a NaN.
        let named = |named: f32| match named {
            _ if named.is_nan() => f64::from_bits(0x7ff8_0000_0000_0000),
            named => f64::from(named),
        };
        let start = self.cursor;
        let is_named =
            self.cursor.rest().trim_start().trim_start_matches('-').starts_with(['i', 'I', 'n', 'N']);
        match self.number(named)? {
            number if number.is_infinite() && !is_named => {
                Err(start.error("a number within the range of a double"))
            }
            number => Ok(CqlValue::Double(number)),
        }
    }

    /// Text in quotes, or a number, that is a `T`.
    fn quoted_or_number<T: FromStr<Err = ParseValueError>>(&mut self) -> Result<T, SyntaxError> {
        let start = self.cursor;
        let mut ahead = self.cursor;
        let number = ahead.take_while(is_bare);
        let text = match is_integer(number) {
            true => {
                self.cursor = ahead;
                Cow::Borrowed(number)
            }
            false => self.text(T::from_str("").err().map_or("text", |error| error.expected()))?,
        };
        text.parse().map_err(|error: ParseValueError| start.error(error.expected()))
    }

    fn timestamp(&mut self) -> Parsed {
        if self.empty_text() {
            return Ok(empty(&ColumnType::Timestamp));
        }
        self.quoted_or_number().map(CqlValue::Timestamp)
    }

    fn inet(&mut self) -> Parsed {
        const EXPECTED: &str = "an IP address in single quotes";
        if self.empty_text() {
            return Ok(empty(&ColumnType::Inet));
        }
        let start = self.cursor;
        let text = self.text(EXPECTED)?;
        // An IPv4 address mapped into IPv6 becomes IPv4, as in the server.
        let address = text.parse().map(|address: IpAddr| address.to_canonical());
        address.map(CqlValue::Inet).map_err(|_| start.error(EXPECTED))
    }

    /// Takes `''`, which the server reads as the empty value of some types.
    fn empty_text(&mut self) -> bool {
        self.cursor.skip_blanks();
        let is_empty = self.cursor.rest().starts_with("''") && !self.cursor.rest().starts_with("'''");
        is_empty && self.cursor.take("''")
    }

    fn time_uuid(&mut self) -> Parsed {
        let start = self.cursor;
        let uuid: Uuid = self.bare()?;
        let uuid = TimeUuid::from_uuid(uuid).ok_or_else(|| start.error("a UUID of version 1"))?;
        Ok(CqlValue::TimeUuid(uuid))
    }

    fn map(&mut self, types: &(ColumnType, ColumnType)) -> Parsed {
        self.cursor.expect("{")?;
        let entry = |parser: &mut Self| {
            let key = parser.not_null(&types.0)?;
            parser.cursor.expect(":")?;
            Ok((key, parser.not_null(&types.1)?))
        };
        self.rest_of("}", entry).map(CqlValue::Map)
    }

    fn tuple(&mut self, types: &[ColumnType]) -> Parsed {
        self.cursor.expect("(")?;
        let mut types = types.iter();
        let field = |parser: &mut Self| match types.next() {
            Some(ty) => parser.value(ty),
            None => Err(parser.cursor.error("the end of the tuple, for its type has no more fields")),
        };
        self.rest_of(")", field).map(CqlValue::Tuple)
    }

    fn vector(&mut self, element: &ColumnType, dimension: usize) -> Parsed {
        let start = self.cursor;
        self.cursor.expect("[")?;
        let is_fixed = matches!(Lengths::in_vector(element), Lengths::Fixed(_));
        let elements = self.rest_of("]", |parser| {
            let start = parser.cursor;
            match parser.not_null(element)? {
                CqlValue::Verbatim(value) if is_fixed && value.bytes.is_empty() => {
                    Err(start.error("a value that isn't empty, for in this vector all have the same length"))
                }
                value => Ok(value),
            }
        })?;
        match elements.len() {
            given if given == dimension => Ok(CqlValue::Vector(elements)),
            given => Err(start.error(format!("a vector of {dimension} elements, not of {given}"))),
        }
    }

    /// `{name: value, ...}`, in any order; the last of one name counts, as in the server.
    fn udt(&mut self, definition: &Arc<UdtType>) -> Parsed {
        self.cursor.expect("{")?;
        let mut fields = vec![CqlValue::Null; definition.fields.len()];
        let (mut next, mut given, mut is_short) = (0, 0, false);
        let mut places = None;
        if self.cursor.rest().trim_start().starts_with('}') {
            return Err(self.cursor.error("the name of a field, or '..' for none at all"));
        }
        self.rest_of("}", |parser| {
            if is_short {
                return Err(parser.cursor.error("'}', for '..' comes last"));
            }
            if parser.cursor.take("..") {
                is_short = true;
                return Ok(());
            }
            let start = parser.cursor;
            let name = parser.cursor.name("the name of a field, '..' or '}'")?;
            // Most often they come in order.
            let at = match definition.fields.get(next) {
                Some((field, _)) if **field == *name => Some(next),
                _ => places.get_or_insert_with(|| places_by_name(definition)).get(&*name).copied(),
            };
            let at = at.ok_or_else(|| start.error(format!("one of the fields {}", names(definition))))?;
            parser.cursor.expect(":")?;
            fields[at] = parser.value(&definition.fields[at].1)?;
            next = at + 1;
            given = given.max(next);
            Ok(())
        })?;
        if is_short {
            fields.truncate(given);
        }
        Ok(CqlValue::Udt(UdtValue { definition: Arc::clone(definition), fields }))
    }

    /// What `item` reads, with commas between, up to `close`.
    fn rest_of<T>(
        &mut self,
        close: &'static str,
        mut item: impl FnMut(&mut Self) -> Result<T, SyntaxError>,
    ) -> Result<Vec<T>, SyntaxError> {
        let mut items = Vec::new();
        if self.cursor.take(close) {
            return Ok(items);
        }
        loop {
            items.push(item(self)?);
            if self.cursor.take(close) {
                return Ok(items);
            }
            if !self.cursor.take(",") {
                return Err(self.cursor.error(format!("',' or '{close}'")));
            }
        }
    }
}

/// What a bare word may consist of: numbers, UUIDs, durations, blobs, names.
fn is_bare(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '-' | '+' | '.' | '_')
}

fn is_integer(word: &str) -> bool {
    let digits = word.strip_prefix('-').unwrap_or(word);
    !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit())
}

/// Whether CQL reads it as a number: digits, perhaps a point and digits, perhaps an exponent.
fn is_number(word: &str) -> bool {
    let (mantissa, exponent) = word.split_once(['e', 'E']).unwrap_or((word, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    is_integer(whole)
        && fraction.bytes().all(|digit| digit.is_ascii_digit())
        && is_integer(exponent.strip_prefix('+').unwrap_or(exponent))
}

fn from_hex(digits: &str) -> Option<Vec<u8>> {
    let digit = |c: u8| char::from(c).to_digit(16).map(|digit| digit as u8);
    let pairs = digits.as_bytes().chunks(2);
    pairs.map(|pair| Some(digit(pair[0])? << 4 | digit(*pair.get(1)?)?)).collect()
}

fn names(definition: &UdtType) -> String {
    let names: Vec<_> = definition.fields.iter().map(|(name, _)| &**name).collect();
    names.join(", ")
}

/// Of a type that has an empty value.
fn empty(column_type: &ColumnType) -> CqlValue {
    CqlValue::empty(column_type).unwrap_or(CqlValue::Null)
}

/// An error of parsing that says what was expected.
trait Expected {
    fn expected(&self) -> &'static str;
}

impl Expected for ParseValueError {
    fn expected(&self) -> &'static str {
        Self::expected(self)
    }
}

impl Expected for ParseUuidError {
    fn expected(&self) -> &'static str {
        "a UUID such as e7ae5cf3-d358-4d99-b900-85902fda9bb0"
    }
}

trait Integer: FromStr + std::fmt::Display {
    const MIN: Self;
    const MAX: Self;
}

macro_rules! integers {
    ($($type:ty),+) => {$(
        impl Integer for $type {
            const MIN: Self = Self::MIN;
            const MAX: Self = Self::MAX;
        }
    )+};
}

integers!(i8, i16, i32, i64);
