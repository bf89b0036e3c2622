//! Types as CQL writes them: `frozen<map<text, vector<float, 3>>>`.

use std::str::FromStr;
use std::sync::Arc;

use super::option::MAX_DEPTH;
use super::{ColumnType, UdtType, class_name};
use crate::syntax::{Cursor, SyntaxError, is_word};

/// A type as CQL writes it. Names are read in any case; `varchar` is `text`; `frozen<...>` is the type inside it, for
/// values are encoded alike; `'org.apache.cassandra.db.marshal...'` is a custom type, or the one that it stands for. A
/// user-defined type is written out: `udt{name type, ...}`. For its name alone, see [`ColumnType::parse_with`].
///
/// ```
/// use helenus_core::protocol::ColumnType;
///
/// let ty: ColumnType = "frozen<MAP<text, vector<float, 3>>>".parse()?;
/// assert_eq!(ty.to_string(), "map<text, vector<float, 3>>");
/// let ty: ColumnType = "udt{x int, \"Y\" list<text>}".parse()?;
/// assert_eq!(ty.to_string(), "udt{x int, \"Y\" list<text>}");
/// let error = "list<integer>".parse::<ColumnType>().unwrap_err();
/// assert_eq!(error.to_string(), "at byte 5: expected a CQL type, found integer>");
/// # Ok::<(), helenus_core::SyntaxError>(())
/// ```
impl FromStr for ColumnType {
    type Err = SyntaxError;

    fn from_str(text: &str) -> Result<Self, SyntaxError> {
        Self::parse_with(text, |_, _| None)
    }
}

impl ColumnType {
    /// A type as CQL and the server's schema tables write it, in which user-defined types go by their names: `find` is
    /// asked for the definition of each, by its keyspace, if one is written, and name.
    ///
    /// # Errors
    /// [`SyntaxError`], also for a name that `find` doesn't know, and for types nested more than 32 levels deep.
    pub fn parse_with(
        text: &str,
        mut find: impl FnMut(Option<&str>, &str) -> Option<Arc<UdtType>>,
    ) -> Result<Self, SyntaxError> {
        let mut parser = Parser { cursor: Cursor::new(text), find: &mut find };
        let ty = parser.column_type(0)?;
        parser.cursor.expect_end()?;
        Ok(ty)
    }
}

/// Finds a user-defined type by its keyspace, if one is written, and name.
type Find<'f> = dyn FnMut(Option<&str>, &str) -> Option<Arc<UdtType>> + 'f;

struct Parser<'a, 'f> {
    cursor: Cursor<'a>,
    find: &'f mut Find<'f>,
}

impl Parser<'_, '_> {
    fn column_type(&mut self, depth: usize) -> Result<ColumnType, SyntaxError> {
        const EXPECTED: &str = "a CQL type";
        self.cursor.skip_blanks();
        let start = self.cursor;
        if depth >= MAX_DEPTH {
            return Err(start.error("no more than 32 types inside each other"));
        }
        match start.rest().chars().next() {
            Some('\'') => return self.class(depth),
            Some('"') => return self.user_defined(),
            _ => {}
        }
        let word = self.cursor.take_while(is_word).to_ascii_lowercase();
        if let Some(ty) = simple(&word) {
            return Ok(ty);
        }
        let depth = depth + 1;
        match (&*word, self.cursor.rest().trim_start().chars().next()) {
            ("frozen", Some('<')) => self.frozen(depth),
            ("list", Some('<')) => Ok(ColumnType::List(Arc::new(self.one(depth)?))),
            ("set", Some('<')) => Ok(ColumnType::Set(Arc::new(self.one(depth)?))),
            ("map", Some('<')) => {
                self.cursor.expect("<")?;
                let key = self.column_type(depth)?;
                self.cursor.expect(",")?;
                let value = self.column_type(depth)?;
                self.cursor.expect(">")?;
                Ok(ColumnType::Map(Arc::new((key, value))))
            }
            ("tuple", Some('<')) => self.tuple(depth),
            ("vector", Some('<')) => self.vector(depth),
            ("udt", Some('{')) => self.definition(depth),
            ("", _) => Err(start.error(EXPECTED)),
            _ => {
                self.cursor = start;
                self.user_defined()
            }
        }
    }

    /// `<element>`
    fn one(&mut self, depth: usize) -> Result<ColumnType, SyntaxError> {
        self.cursor.expect("<")?;
        let element = self.column_type(depth)?;
        self.cursor.expect(">")?;
        Ok(element)
    }

    fn frozen(&mut self, depth: usize) -> Result<ColumnType, SyntaxError> {
        use ColumnType::{List, Map, Set, Tuple, Udt, Vector};
        self.cursor.expect("<")?;
        let start = self.cursor;
        let inner = self.column_type(depth)?;
        if !matches!(inner, List(_) | Map(_) | Set(_) | Tuple(_) | Udt(_) | Vector(..)) {
            return Err(start.error("a collection, tuple or user-defined type, for others can't be frozen"));
        }
        self.cursor.expect(">")?;
        Ok(inner)
    }

    fn tuple(&mut self, depth: usize) -> Result<ColumnType, SyntaxError> {
        self.cursor.expect("<")?;
        let mut fields = vec![self.column_type(depth)?];
        while self.cursor.take(",") {
            fields.push(self.column_type(depth)?);
        }
        self.cursor.expect(">")?;
        Ok(ColumnType::Tuple(fields.into()))
    }

    /// `<element, dimension>`
    fn vector(&mut self, depth: usize) -> Result<ColumnType, SyntaxError> {
        self.cursor.expect("<")?;
        let element = self.column_type(depth)?;
        self.cursor.expect(",")?;
        let start = self.cursor;
        let dimension = dimension(self.cursor.take_while(is_word));
        let dimension = dimension.ok_or_else(|| start.error("a dimension from 1 to 2147483647"))?;
        self.cursor.expect(">")?;
        Ok(ColumnType::Vector(Arc::new(element), dimension))
    }

    /// `{name type, ...}`
    fn definition(&mut self, depth: usize) -> Result<ColumnType, SyntaxError> {
        self.cursor.expect("{")?;
        let mut fields = Vec::new();
        loop {
            let name = self.cursor.name("the name of a field")?;
            fields.push((name.into(), self.column_type(depth)?));
            if !self.cursor.take(",") {
                break;
            }
        }
        self.cursor.expect("}")?;
        let (keyspace, name) = ("".into(), "".into());
        Ok(ColumnType::Udt(Arc::new(UdtType { keyspace, name, fields: fields.into() })))
    }

    /// `[keyspace.]name`
    fn user_defined(&mut self) -> Result<ColumnType, SyntaxError> {
        let start = self.cursor;
        let first = self.cursor.name("a CQL type")?;
        let found = if self.cursor.take(".") {
            let name = self.cursor.name("the name of a user-defined type")?;
            (self.find)(Some(&first), &name)
        } else {
            (self.find)(None, &first)
        };
        found.map(ColumnType::Udt).ok_or_else(|| start.error("a CQL type"))
    }

    fn class(&mut self, depth: usize) -> Result<ColumnType, SyntaxError> {
        let class = self.cursor.quoted('\'')?;
        Ok(class_name::parse(&class, depth).unwrap_or_else(|| ColumnType::Custom((&*class).into())))
    }
}

/// How many elements a vector has: at least one, and no more than Java can count.
pub(super) fn dimension(digits: &str) -> Option<u32> {
    let dimension = digits.parse().ok()?;
    (1..=i32::MAX as u32).contains(&dimension).then_some(dimension)
}

fn simple(word: &str) -> Option<ColumnType> {
    Some(match word {
        "ascii" => ColumnType::Ascii,
        "bigint" => ColumnType::BigInt,
        "blob" => ColumnType::Blob,
        "boolean" => ColumnType::Boolean,
        "counter" => ColumnType::Counter,
        "date" => ColumnType::Date,
        "decimal" => ColumnType::Decimal,
        "double" => ColumnType::Double,
        "duration" => ColumnType::Duration,
        "float" => ColumnType::Float,
        "inet" => ColumnType::Inet,
        "int" => ColumnType::Int,
        "smallint" => ColumnType::SmallInt,
        "text" | "varchar" => ColumnType::Text,
        "time" => ColumnType::Time,
        "timestamp" => ColumnType::Timestamp,
        "timeuuid" => ColumnType::TimeUuid,
        "tinyint" => ColumnType::TinyInt,
        "uuid" => ColumnType::Uuid,
        "varint" => ColumnType::VarInt,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> ColumnType {
        text.parse().unwrap()
    }

    #[test]
    fn types_print_as_they_are_read() {
        for text in [
            "ascii",
            "bigint",
            "blob",
            "boolean",
            "counter",
            "date",
            "decimal",
            "double",
            "duration",
            "float",
            "inet",
            "int",
            "smallint",
            "text",
            "time",
            "timestamp",
            "timeuuid",
            "tinyint",
            "uuid",
            "varint",
            "list<set<map<int, tuple<text, uuid>>>>",
            "vector<vector<float, 3>, 70000>",
            "'org.example.Type(a,b)'",
            "udt{a int, b udt{\"C d\" text}}",
            "udt{list list<int>, \"select\" int}",
        ] {
            assert_eq!(parsed(text).to_string(), text);
        }
    }

    #[test]
    fn spellings_are_many() {
        assert_eq!(parsed(" VarChar "), ColumnType::Text);
        assert_eq!(parsed("'org.apache.cassandra.db.marshal.Int32Type'"), ColumnType::Int);
        assert_eq!(parsed("frozen < list< FROZEN<set<int >> > >").to_string(), "list<set<int>>");
        assert_eq!(parsed("vector<float,3>"), ColumnType::Vector(Arc::new(ColumnType::Float), 3));
        assert_eq!(parsed("UDT{A int}").to_string(), "udt{a int}");
    }

    #[test]
    fn names_of_user_defined_types_are_looked_up() {
        let point = Arc::new(UdtType {
            keyspace: "ks".into(),
            name: "Point".into(),
            fields: [("x".into(), ColumnType::Int)].into(),
        });
        let mut asked = Vec::new();
        let mut find = |keyspace: Option<&str>, name: &str| {
            asked.push((keyspace.map(str::to_owned), name.to_owned()));
            Some(Arc::clone(&point))
        };
        let ty = ColumnType::parse_with("list<frozen<Ks.\"Point\">>", &mut find).unwrap();
        assert_eq!(ty.to_string(), "list<ks.\"Point\">");
        assert_eq!(format!("{ty:#}"), "list<udt{x int}>");
        assert_eq!(ColumnType::parse_with("udt", &mut find).unwrap(), ColumnType::Udt(Arc::clone(&point)));
        assert_eq!(asked, [(Some("ks".to_owned()), "Point".to_owned()), (None, "udt".to_owned())]);
    }

    #[test]
    fn what_is_no_type_is_said_with_its_place() {
        for (text, message) in [
            ("", "at byte 0: expected a CQL type, found the end"),
            ("strange", "at byte 0: expected a CQL type, found strange"),
            ("list<>", "at byte 5: expected a CQL type, found >"),
            ("list", "at byte 0: expected a CQL type, found list"),
            ("map<int>", "at byte 7: expected ',', found >"),
            ("int int", "at byte 4: expected the end, found int"),
            ("vector<int, 0>", "at byte 12: expected a dimension from 1 to 2147483647, found 0>"),
            (
                "vector<int, 2147483648>",
                "at byte 12: expected a dimension from 1 to 2147483647, found 2147483648>",
            ),
            ("tuple<>", "at byte 6: expected a CQL type, found >"),
            ("udt{}", "at byte 4: expected the name of a field, found }"),
            (
                "frozen<int>",
                "at byte 7: expected a collection, tuple or user-defined type, for others can't be frozen, found int>",
            ),
            ("'a", "at byte 2: expected a closing ', found the end"),
        ] {
            assert_eq!(text.parse::<ColumnType>().unwrap_err().to_string(), message);
        }
        let deep = "list<".repeat(100_000);
        let error = deep.parse::<ColumnType>().unwrap_err();
        assert_eq!(error.at(), 32 * 5);
        let deepest = "list<".repeat(31) + "int" + &">".repeat(31);
        assert_eq!(parsed(&deepest).to_string(), deepest);
    }
}
