//! SELECT and its clauses.

use super::super::ast::*;
use super::super::token::Kind;
use super::{Parsed, Parser};

impl Parser<'_> {
    pub(super) fn select(&mut self) -> Parsed<Select> {
        self.advance();
        for refused in ["json", "distinct"] {
            // Only a keyword if something other than a clause follows; a column may have that name.
            let ends = self.is_symbol(1, ",") || self.is_word(1, "from") || self.is_word(1, "as");
            if self.is_word(0, refused) && !ends {
                return Err(
                    self.error(format!("SELECT {} is not among what this node has", refused.to_uppercase()))
                );
            }
        }
        let selectors = if self.symbol("*") { Vec::new() } else { self.selectors()? };
        self.expect_word("from")?;
        let mut select = Select {
            table: self.table_name()?,
            selectors,
            restrictions: Vec::new(),
            limit: None,
            allow_filtering: false,
        };
        if self.word("where") {
            select.restrictions.push(self.restriction()?);
            while self.word("and") {
                select.restrictions.push(self.restriction()?);
            }
        }
        for refused in ["group", "order", "per"] {
            if self.is_word(0, refused) {
                let what = refused.to_uppercase();
                return Err(
                    self.error(format!("the {what} clause of SELECT is not among what this node has"))
                );
            }
        }
        if self.word("limit") {
            select.limit = Some(self.term()?);
        }
        if self.word("allow") {
            self.expect_word("filtering")?;
            select.allow_filtering = true;
        }
        Ok(select)
    }

    pub(super) fn selectors(&mut self) -> Parsed<Vec<(Selector, Option<String>)>> {
        let mut selectors = Vec::new();
        loop {
            let selector = self.selector()?;
            let alias = if self.word("as") { Some(self.name("an alias")?) } else { None };
            selectors.push((selector, alias));
            if !self.symbol(",") {
                return Ok(selectors);
            }
        }
    }

    pub(super) fn selector(&mut self) -> Parsed<Selector> {
        let call = self.is_symbol(1, "(");
        if call && self.word("count") {
            self.advance();
            let _ = self.symbol("*") || self.integer_one();
            return match self.symbol(")") {
                true => Ok(Selector::Count),
                false => Err(self.error("this node has count(*) and count(1)")),
            };
        }
        if call && self.word("token") {
            self.advance();
            return self.names_until_parenthesis().map(Selector::Token);
        }
        if call && (self.word("tojson") || self.word("to_json")) {
            self.advance();
            let column = self.name("a column")?;
            self.expect_symbol(")")?;
            return Ok(Selector::Json(column));
        }
        if call {
            return Err(self.error("functions but count, token and toJson are not among what this node has"));
        }
        self.name("a column").map(Selector::Column)
    }

    pub(super) fn integer_one(&mut self) -> bool {
        let one = *self.peek() == Kind::Integer("1");
        self.at += usize::from(one);
        one
    }

    pub(super) fn restriction(&mut self) -> Parsed<Restriction> {
        if self.is_word(0, "token") && self.is_symbol(1, "(") {
            self.at += 2;
            let columns = self.names_until_parenthesis()?;
            let operator = self.operator()?;
            return Ok(Restriction::Token(columns, operator, self.term()?));
        }
        let column = self.name("a column")?;
        if self.word("in") {
            return Ok(Restriction::In(column, self.in_terms()?));
        }
        match self.operator()? {
            Operator::Equal => Ok(Restriction::Column(column, self.term()?)),
            _ => Err(self.error("columns are compared by = and IN only; ranges are for token(..)")),
        }
    }

    pub(super) fn in_terms(&mut self) -> Parsed<InTerms> {
        if !self.symbol("(") {
            return match self.term()? {
                Term::Marker(marker) => Ok(InTerms::Marker(marker)),
                Term::Literal(_) => Err(self.error("IN needs values in parentheses or one marker")),
            };
        }
        let mut terms = Vec::new();
        if self.symbol(")") {
            return Ok(InTerms::Each(terms));
        }
        loop {
            terms.push(self.term()?);
            if !self.symbol(",") {
                self.expect_symbol(")")?;
                return Ok(InTerms::Each(terms));
            }
        }
    }

    pub(super) fn operator(&mut self) -> Parsed<Operator> {
        let operator = match self.peek() {
            Kind::Symbol("=") => Operator::Equal,
            Kind::Symbol("<") => Operator::Less,
            Kind::Symbol("<=") => Operator::LessOrEqual,
            Kind::Symbol(">") => Operator::Greater,
            Kind::Symbol(">=") => Operator::GreaterOrEqual,
            _ => return Err(self.unexpected("a comparison that this node has (= < <= > >=)")),
        };
        self.advance();
        Ok(operator)
    }
}
