//! Literals, markers, calls.

use helenus_core::value::Uuid;

use super::super::ast::*;
use super::super::token::Kind;
use super::{Parsed, Parser};
use crate::types;

/// Bind markers are counted by a [short] in the protocol.
const MARKER_LIMIT: usize = u16::MAX as usize;

impl Parser<'_> {
    pub(super) fn term(&mut self) -> Parsed<Term> {
        if let Some(marker) = self.marker()? {
            return Ok(Term::Marker(marker));
        }
        if let Some(literal) = self.literal()? {
            return Ok(Term::Literal(literal));
        }
        match self.peek() {
            Kind::Symbol("[" | "{" | "(") => self.nested(Self::collection),
            Kind::Word(_) if self.is_symbol(1, "(") => self.nested(Self::call),
            Kind::Word(_) if self.is_symbol(1, ".") && self.is_symbol(3, "(") => {
                // `system.now()`
                self.at += 2;
                self.nested(Self::call)
            }
            _ => Err(self.unexpected("a value")),
        }
    }

    pub(super) fn marker(&mut self) -> Parsed<Option<Marker>> {
        let name = if self.symbol("?") {
            None
        } else if self.symbol(":") {
            match self.peek() {
                Kind::Word(name) => {
                    let name = name.to_string();
                    self.advance();
                    Some(name)
                }
                _ => Some(self.name("the name of a marker")?),
            }
        } else {
            return Ok(None);
        };
        if self.markers == MARKER_LIMIT {
            return Err(self.error("too many markers(?). Markers must not exceed 65535"));
        }
        self.markers += 1;
        Ok(Some(Marker { index: self.markers - 1, name }))
    }

    /// A constant, if one comes next.
    pub(super) fn literal(&mut self) -> Parsed<Option<Literal>> {
        let ahead = usize::from(self.is_symbol(0, "-"));
        let signed = |text: &str| if ahead == 1 { format!("-{text}") } else { text.to_owned() };
        let number = match self.look(ahead) {
            Kind::Integer(digits) => Some(Literal::Integer(signed(digits))),
            Kind::Float(digits) => Some(Literal::Float(signed(digits))),
            Kind::Duration(text) => Some(Literal::Duration(signed(text))),
            Kind::Word(word) if matches!(word.as_ref(), "nan" | "infinity") => {
                Some(Literal::Float(signed(word)))
            }
            Kind::Word(word) if is_iso_duration(word) && !self.is_symbol(ahead + 1, "(") => {
                Some(Literal::Duration(self.iso_duration(ahead)))
            }
            _ => None,
        };
        if let Some(number) = number {
            self.at += ahead + 1;
            return Ok(Some(number));
        }
        let plain = match self.peek() {
            Kind::Symbol("-") => return Err(self.unexpected("a number")),
            Kind::Text(text) => Literal::Text(text.to_string()),
            Kind::Blob(digits) => {
                let bytes = types::bytes_from_hexadecimal(digits);
                Literal::Blob(bytes.ok_or_else(|| self.error("a blob needs an even number of digits"))?)
            }
            Kind::Uuid(text) => {
                let uuid = text.parse::<Uuid>().map_err(|error| self.error(error.to_string()))?;
                Literal::Uuid(*uuid.as_bytes())
            }
            Kind::Word(word) => match word.as_ref() {
                "null" => Literal::Null,
                "true" => Literal::Boolean(true),
                "false" => Literal::Boolean(false),
                _ => return Ok(None),
            },
            _ => return Ok(None),
        };
        self.advance();
        Ok(Some(plain))
    }

    /// `P1Y2M3DT4H` is one word; a form with dashes, `P0001-02-03T04:05:06`, isn't and is not taken.
    fn iso_duration(&self, ahead: usize) -> String {
        let Kind::Word(word) = self.look(ahead) else { return String::new() };
        let sign = if ahead == 1 { "-" } else { "" };
        format!("{sign}{}", word.to_ascii_uppercase())
    }

    fn collection(&mut self) -> Parsed<Term> {
        if self.symbol("[") {
            return self.until("]", Self::term).map(Term::List);
        }
        if self.symbol("{") {
            return self.set_map_or_udt();
        }
        self.expect_symbol("(")?;
        if let Some(hint) = self.type_hint()? {
            return Ok(Term::Hint(hint, Box::new(self.term()?)));
        }
        self.until(")", Self::term).map(Term::Tuple)
    }

    /// `(type) term`, after the parenthesis: a name that isn't called, or a type with parameters.
    fn type_hint(&mut self) -> Parsed<Option<TypeName>> {
        let is_type = matches!(self.peek(), Kind::Word(word) if !matches!(word.as_ref(), "null" | "true" | "false" | "nan" | "infinity"))
            && (self.is_symbol(1, ")") || self.is_symbol(1, "<"));
        if !is_type {
            return Ok(None);
        }
        let hint = self.type_name()?;
        self.expect_symbol(")")?;
        Ok(Some(hint))
    }

    fn set_map_or_udt(&mut self) -> Parsed<Term> {
        if self.symbol("}") {
            return Ok(Term::Set(Vec::new()));
        }
        let names_field = matches!(self.peek(), Kind::Word(_) | Kind::Quoted(_))
            && self.is_symbol(1, ":")
            && !matches!(self.peek(), Kind::Word(word) if matches!(word.as_ref(), "true" | "false" | "nan" | "infinity"));
        if names_field {
            let field = |parser: &mut Self| {
                let name = parser.name("a field")?;
                parser.expect_symbol(":")?;
                Ok((name, parser.term()?))
            };
            return self.until("}", field).map(Term::Udt);
        }
        let first = self.term()?;
        if !self.symbol(":") {
            let mut elements = vec![first];
            while self.symbol(",") {
                elements.push(self.term()?);
            }
            self.expect_symbol("}")?;
            return Ok(Term::Set(elements));
        }
        let mut pairs = vec![(first, self.term()?)];
        while self.symbol(",") {
            let key = self.term()?;
            self.expect_symbol(":")?;
            pairs.push((key, self.term()?));
        }
        self.expect_symbol("}")?;
        Ok(Term::Map(pairs))
    }

    fn call(&mut self) -> Parsed<Term> {
        // `token` is reserved but for this.
        let name = if self.word("token") { "token".to_owned() } else { self.name("a function")? };
        self.expect_symbol("(")?;
        Ok(Term::Call(name, self.until(")", Self::term)?))
    }

    pub(super) fn in_terms(&mut self) -> Parsed<InTerms> {
        if let Some(marker) = self.marker()? {
            return Ok(InTerms::Marker(marker));
        }
        self.expect_symbol("(")?;
        self.until(")", Self::term).map(InTerms::Each)
    }
}

/// P1Y2M, the ISO form of a duration, looks like a name.
fn is_iso_duration(word: &str) -> bool {
    let mut characters = word.chars();
    characters.next() == Some('p')
        && characters.next().is_some_and(|second| second.is_ascii_digit() || second == 't')
        && characters.all(|c| c.is_ascii_digit() || "ymwdths".contains(c))
}
