//! Names and types.

use super::super::ast::*;
use super::super::token::Kind;
use super::{Parsed, Parser};

/// Words that name nothing unless they are quoted.
const RESERVED: [&str; 47] = [
    "add",
    "allow",
    "alter",
    "and",
    "apply",
    "asc",
    "authorize",
    "batch",
    "begin",
    "by",
    "columnfamily",
    "create",
    "delete",
    "desc",
    "describe",
    "drop",
    "entries",
    "execute",
    "from",
    "full",
    "grant",
    "if",
    "in",
    "index",
    "infinity",
    "insert",
    "into",
    "is",
    "limit",
    "materialized",
    "modify",
    "nan",
    "norecursive",
    "not",
    "null",
    "of",
    "on",
    "or",
    "order",
    "primary",
    "rename",
    "replace",
    "revoke",
    "schema",
    "select",
    "set",
    "table",
];

const RESERVED_TOO: [&str; 9] =
    ["keyspace", "to", "token", "truncate", "unlogged", "update", "use", "using", "where"];

impl Parser<'_> {
    pub(super) fn name(&mut self, what: &str) -> Parsed<String> {
        let name = match self.peek() {
            Kind::Word(word) if is_reserved(word) => return Err(self.unexpected(what)),
            Kind::Word(name) => name.to_string(),
            Kind::Quoted(name) => name.to_string(),
            _ => return Err(self.unexpected(what)),
        };
        self.advance();
        Ok(name)
    }

    pub(super) fn column(&mut self) -> Parsed<String> {
        self.name("a column")
    }

    pub(super) fn qualified(&mut self, what: &str) -> Parsed<Name> {
        let first = self.name(what)?;
        if self.symbol(".") {
            return Ok(Name { keyspace: Some(first), name: self.name(what)? });
        }
        Ok(Name { keyspace: None, name: first })
    }

    pub(super) fn type_name(&mut self) -> Parsed<TypeName> {
        if let Kind::Text(class) = self.peek() {
            let class = class.to_string();
            self.advance();
            return Ok(TypeName::Custom(class));
        }
        // A reserved word but for this.
        if self.is_word(0, "set") && self.is_symbol(1, "<") {
            self.at += 2;
            return self.nested(|parser| parser.parameters("set"));
        }
        let name = self.qualified("a type")?;
        if name.keyspace.is_some() || !self.symbol("<") {
            return Ok(TypeName::Named(name));
        }
        self.nested(|parser| parser.parameters(&name.name))
    }

    /// What follows the `<` of a type.
    fn parameters(&mut self, name: &str) -> Parsed<TypeName> {
        if name == "vector" {
            let element = self.type_name()?;
            self.expect_symbol(",")?;
            let dimension = self.integer("the dimension of the vector")?;
            self.expect_symbol(">")?;
            return Ok(TypeName::Vector(Box::new(element), dimension));
        }
        let mut types = self.list(Self::type_name)?;
        self.expect_symbol(">")?;
        match (name, types.len()) {
            ("tuple", _) => return Ok(TypeName::Tuple(types)),
            ("frozen" | "list" | "set", 1) | ("map", 2) => {}
            ("frozen" | "list" | "set" | "map", count) => {
                return Err(self.error(format!("type {name} doesn't take {count} parameters")));
            }
            _ => return Err(self.error(format!("type {name} takes no parameters"))),
        }
        let last = types.pop();
        let first = types.pop();
        match (name, first, last) {
            ("frozen", _, Some(inner)) => Ok(TypeName::Frozen(Box::new(inner))),
            ("list", _, Some(element)) => Ok(TypeName::List(Box::new(element))),
            ("set", _, Some(element)) => Ok(TypeName::Set(Box::new(element))),
            (_, Some(key), Some(value)) => Ok(TypeName::Map(Box::new((key, value)))),
            _ => Err(self.unexpected("a type")),
        }
    }

    pub(super) fn integer<T: std::str::FromStr>(&mut self, what: &str) -> Parsed<T> {
        let Kind::Integer(digits) = self.peek() else { return Err(self.unexpected(what)) };
        let Ok(number) = digits.parse() else { return Err(self.unexpected(what)) };
        self.advance();
        Ok(number)
    }
}

fn is_reserved(word: &str) -> bool {
    RESERVED.contains(&word) || RESERVED_TOO.contains(&word) || word == "with"
}
