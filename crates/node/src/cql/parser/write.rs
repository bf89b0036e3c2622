//! INSERT, UPDATE, DELETE, BATCH.

use super::super::ast::*;
use super::{Parsed, Parser};

/// How many statements a batch may have, as in the protocol.
const BATCH_LIMIT: usize = u16::MAX as usize;

impl Parser<'_> {
    pub(super) fn insert(&mut self) -> Parsed<Write> {
        self.expect_word("insert")?;
        self.expect_word("into")?;
        let table = self.qualified("a table")?;
        let change = if self.word("json") { self.insert_json()? } else { self.insert_values()? };
        let conditions = if self.word("if") {
            self.expect_word("not")?;
            self.expect_word("exists")?;
            Conditions::IfNotExists
        } else {
            Conditions::None
        };
        let using = self.using()?;
        Ok(Write { table, using, change, conditions })
    }

    fn insert_values(&mut self) -> Parsed<Change> {
        self.expect_symbol("(")?;
        let names = self.until(")", Self::column)?;
        self.expect_word("values")?;
        self.expect_symbol("(")?;
        let terms = self.until(")", Self::term)?;
        if names.len() != terms.len() {
            return Err(self.refused("Unmatched column names/values"));
        }
        Ok(Change::Insert(names.into_iter().zip(terms).collect()))
    }

    fn insert_json(&mut self) -> Parsed<Change> {
        let json = self.term()?;
        let mut default_unset = false;
        if self.word("default") {
            default_unset = self.word("unset");
            if !default_unset {
                self.expect_word("null")?;
            }
        }
        Ok(Change::InsertJson { json, default_unset })
    }

    pub(super) fn update(&mut self) -> Parsed<Write> {
        self.expect_word("update")?;
        let table = self.qualified("a table")?;
        let using = self.using()?;
        self.expect_word("set")?;
        let assignments = self.list(Self::assignment)?;
        self.expect_word("where")?;
        let relations = self.relations()?;
        let conditions = self.conditions()?;
        Ok(Write { table, using, change: Change::Update { assignments, relations }, conditions })
    }

    fn assignment(&mut self) -> Parsed<Assignment> {
        let target = self.target()?;
        let Target::Column(column) = &target else {
            self.expect_symbol("=")?;
            let value = Assigned::Value(self.term()?);
            return Ok(Assignment { target, value });
        };
        if self.symbol("+=") {
            let value = Assigned::Plus(self.term()?);
            return Ok(Assignment { target, value });
        }
        if self.symbol("-=") {
            let value = Assigned::Minus(self.term()?);
            return Ok(Assignment { target, value });
        }
        self.expect_symbol("=")?;
        let value = self.sum(column)?;
        Ok(Assignment { target, value })
    }

    /// `term`, `column + term`, `column - term` or `term + column`.
    fn sum(&mut self, column: &str) -> Parsed<Assigned> {
        let follows = |parser: &Self, sign| parser.is_symbol(1, sign) && parser.is_name(0);
        if follows(self, "+") || follows(self, "-") {
            self.same_column(column)?;
            return if self.symbol("+") {
                self.term().map(Assigned::Plus)
            } else {
                self.expect_symbol("-")?;
                self.term().map(Assigned::Minus)
            };
        }
        let term = self.term()?;
        if self.symbol("+") {
            self.same_column(column)?;
            return Ok(Assigned::Before(term));
        }
        Ok(Assigned::Value(term))
    }

    fn same_column(&mut self, column: &str) -> Parsed<()> {
        let name = self.column()?;
        if name == column {
            return Ok(());
        }
        Err(self.error("Only expressions of the form X = X +/- <value> are supported."))
    }

    pub(super) fn delete(&mut self) -> Parsed<Write> {
        self.expect_word("delete")?;
        let targets = if self.is_word(0, "from") { Vec::new() } else { self.list(Self::target)? };
        self.expect_word("from")?;
        let table = self.qualified("a table")?;
        let using = self.using()?;
        if using.ttl.is_some() {
            return Err(self.error("a DELETE has no TTL"));
        }
        self.expect_word("where")?;
        let relations = self.relations()?;
        let conditions = self.conditions()?;
        Ok(Write { table, using, change: Change::Delete { targets, relations }, conditions })
    }

    fn target(&mut self) -> Parsed<Target> {
        let column = self.column()?;
        if self.symbol("[") {
            let key = self.term()?;
            self.expect_symbol("]")?;
            return Ok(Target::Element(column, key));
        }
        if self.symbol(".") {
            return Ok(Target::Field(column, self.name("a field")?));
        }
        Ok(Target::Column(column))
    }

    fn using(&mut self) -> Parsed<Using> {
        let mut using = Using::default();
        if !self.word("using") {
            return Ok(using);
        }
        loop {
            let slot = if self.word("timestamp") {
                &mut using.timestamp
            } else if self.word("ttl") {
                &mut using.ttl
            } else {
                return Err(self.unexpected("TIMESTAMP or TTL"));
            };
            if slot.replace(self.marker_or_literal()?).is_some() {
                return Err(self.error("Multiple definition of a property"));
            }
            if !self.word("and") {
                return Ok(using);
            }
        }
    }

    pub(super) fn marker_or_literal(&mut self) -> Parsed<Term> {
        if let Some(marker) = self.marker()? {
            return Ok(Term::Marker(marker));
        }
        match self.literal()? {
            Some(literal) => Ok(Term::Literal(literal)),
            None => Err(self.unexpected("a number or a marker")),
        }
    }

    fn conditions(&mut self) -> Parsed<Conditions> {
        if !self.word("if") {
            return Ok(Conditions::None);
        }
        if self.is_word(0, "exists") && !self.is_comparison(1) {
            self.advance();
            return Ok(Conditions::IfExists);
        }
        let mut all = vec![self.condition()?];
        while self.word("and") {
            all.push(self.condition()?);
        }
        Ok(Conditions::If(all))
    }

    fn condition(&mut self) -> Parsed<Condition> {
        let target = self.target()?;
        let test = match self.word("in") {
            true => Test::In(self.in_terms()?),
            false => Test::Compare(self.operator()?, self.term()?),
        };
        Ok(Condition { target, test })
    }

    pub(super) fn batch(&mut self) -> Parsed<Batch> {
        self.expect_word("begin")?;
        let kind = if self.word("unlogged") {
            BatchKind::Unlogged
        } else if self.word("counter") {
            BatchKind::Counter
        } else {
            self.word("logged");
            BatchKind::Logged
        };
        self.expect_word("batch")?;
        let using = self.using()?;
        if using.ttl.is_some() {
            return Err(self.error("Global TTL on the BATCH statement is not supported."));
        }
        let mut writes = Vec::new();
        while !self.word("apply") {
            if writes.len() == BATCH_LIMIT {
                return Err(self.error(format!("a batch has at most {BATCH_LIMIT} statements")));
            }
            writes.push(if self.is_word(0, "insert") {
                self.insert()?
            } else if self.is_word(0, "update") {
                self.update()?
            } else if self.is_word(0, "delete") {
                self.delete()?
            } else {
                return Err(self.unexpected("INSERT, UPDATE, DELETE or APPLY BATCH"));
            });
            self.symbol(";");
        }
        self.expect_word("batch")?;
        Ok(Batch { kind, timestamp: using.timestamp, writes })
    }
}
