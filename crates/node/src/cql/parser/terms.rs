//! Names, types, literals, markers.

use super::super::ast::*;
use super::super::token::Kind;
use super::{Parsed, Parser};
use crate::types;

/// How deep types and literals may nest: the parser's own stack depends on it.
const DEPTH_LIMIT: usize = 32;

/// Bind markers are counted by a [short] in the protocol.
const MARKER_LIMIT: usize = u16::MAX as usize;

impl Parser<'_> {
    pub(super) fn names_until_parenthesis(&mut self) -> Parsed<Vec<String>> {
        let mut names = vec![self.name("a column")?];
        while self.symbol(",") {
            names.push(self.name("a column")?);
        }
        self.expect_symbol(")")?;
        Ok(names)
    }

    pub(super) fn table_name(&mut self) -> Parsed<TableName> {
        let first = self.name("a table")?;
        if self.symbol(".") {
            return Ok(TableName { keyspace: Some(first), table: self.name("a table")? });
        }
        Ok(TableName { keyspace: None, table: first })
    }

    pub(super) fn name(&mut self, what: &str) -> Parsed<String> {
        let name = match self.peek() {
            Kind::Word(name) => name.to_string(),
            Kind::Quoted(name) => name.to_string(),
            _ => return Err(self.unexpected(what)),
        };
        self.advance();
        Ok(name)
    }

    pub(super) fn type_spec(&mut self) -> Parsed<TypeSpec> {
        if let Kind::Text(class) = self.peek() {
            let message = format!("custom type '{class}' is not among what this node has");
            return Err(self.error(message));
        }
        let name = self.name("a type")?;
        let mut arguments = Vec::new();
        if self.symbol("<") {
            self.deeper()?;
            loop {
                arguments.push(self.type_spec()?);
                if !self.symbol(",") {
                    break;
                }
            }
            self.expect_symbol(">")?;
            self.depth -= 1;
        }
        types::resolve(&name, arguments).map_err(|message| self.error(message))
    }

    pub(super) fn term(&mut self) -> Parsed<Term> {
        if self.symbol("?") {
            return Ok(Term::Marker(self.marker(None)?));
        }
        if self.symbol(":") {
            let name = self.name("the name of a marker")?;
            return Ok(Term::Marker(self.marker(Some(name))?));
        }
        self.literal().map(Term::Literal)
    }

    pub(super) fn marker(&mut self, name: Option<String>) -> Parsed<Marker> {
        if self.markers == MARKER_LIMIT {
            return Err(self.error("too many markers(?). Markers must not exceed 65535"));
        }
        self.markers += 1;
        Ok(Marker { index: self.markers - 1, name })
    }

    pub(super) fn literal(&mut self) -> Parsed<Literal> {
        let negative = self.symbol("-");
        let signed = |text: &str| if negative { format!("-{text}") } else { text.to_owned() };
        let number = match self.peek() {
            Kind::Integer(digits) => Some(Literal::Integer(signed(digits))),
            Kind::Float(digits) => Some(Literal::Float(signed(digits))),
            Kind::Duration(text) => Some(Literal::Duration(signed(text))),
            Kind::Word(word) if word == "nan" || word == "infinity" => Some(Literal::Float(signed(word))),
            _ => None,
        };
        if let Some(number) = number {
            self.advance();
            return Ok(number);
        }
        if negative {
            return Err(self.unexpected("a number"));
        }
        let plain = match self.peek() {
            Kind::Text(text) => Literal::Text(text.to_string()),
            Kind::Blob(digits) => Literal::Blob(self.hexadecimal(digits)?),
            Kind::Uuid(text) => {
                Literal::Uuid(types::uuid_from_text(text).ok_or_else(|| self.error("bad uuid"))?)
            }
            Kind::Word(word) => match word.as_ref() {
                "null" => Literal::Null,
                "true" => Literal::Boolean(true),
                "false" => Literal::Boolean(false),
                // P1Y2M, the ISO form of a duration, looks like a name.
                iso if iso.starts_with('p')
                    && iso[1..].starts_with(|c: char| c.is_ascii_digit() || c == 't') =>
                {
                    Literal::Duration(iso.to_owned())
                }
                _ if self.is_symbol(1, "(") => {
                    return Err(self.error(format!("function {word} is not among what this node has")));
                }
                _ => return Err(self.unexpected("a value")),
            },
            Kind::Symbol("[" | "{" | "(") => return self.collection(),
            _ => return Err(self.unexpected("a value")),
        };
        self.advance();
        Ok(plain)
    }

    pub(super) fn collection(&mut self) -> Parsed<Literal> {
        self.deeper()?;
        let literal = if self.symbol("[") {
            Literal::List(self.literals_until("]")?)
        } else if self.symbol("(") {
            Literal::Tuple(self.literals_until(")")?)
        } else {
            self.expect_symbol("{")?;
            self.set_or_map()?
        };
        self.depth -= 1;
        Ok(literal)
    }

    pub(super) fn set_or_map(&mut self) -> Parsed<Literal> {
        if self.symbol("}") {
            return Ok(Literal::Set(Vec::new()));
        }
        let first = self.element()?;
        if !self.symbol(":") {
            let mut elements = vec![first];
            while self.symbol(",") {
                elements.push(self.element()?);
            }
            self.expect_symbol("}")?;
            return Ok(Literal::Set(elements));
        }
        let mut pairs = vec![(first, self.element()?)];
        while self.symbol(",") {
            let key = self.element()?;
            self.expect_symbol(":")?;
            pairs.push((key, self.element()?));
        }
        self.expect_symbol("}")?;
        Ok(Literal::Map(pairs))
    }

    pub(super) fn literals_until(&mut self, close: &'static str) -> Parsed<Vec<Literal>> {
        let mut elements = Vec::new();
        if self.symbol(close) {
            return Ok(elements);
        }
        loop {
            elements.push(self.element()?);
            if !self.symbol(",") {
                self.expect_symbol(close)?;
                return Ok(elements);
            }
        }
    }

    pub(super) fn element(&mut self) -> Parsed<Literal> {
        if self.is_symbol(0, "?") || self.is_symbol(0, ":") {
            return Err(self.error("bind markers inside of collections are not among what this node has"));
        }
        self.literal()
    }

    pub(super) fn hexadecimal(&self, digits: &str) -> Parsed<Vec<u8>> {
        types::bytes_from_hexadecimal(digits)
            .ok_or_else(|| self.error("a blob needs an even number of digits"))
    }

    pub(super) fn deeper(&mut self) -> Parsed<()> {
        self.depth += 1;
        if self.depth > DEPTH_LIMIT {
            return Err(self.error(format!("nested deeper than {DEPTH_LIMIT} levels")));
        }
        Ok(())
    }
}
