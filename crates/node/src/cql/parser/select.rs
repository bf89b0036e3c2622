//! SELECT, and the relations of a WHERE.

use super::super::ast::*;
use super::super::token::Kind;
use super::{DEPTH_LIMIT, Parsed, Parser};

impl Parser<'_> {
    pub(super) fn select(&mut self) -> Parsed<Select> {
        self.expect_word("select")?;
        let json = self.modifier("json");
        let distinct = self.modifier("distinct");
        let selectors = if self.symbol("*") { Vec::new() } else { self.list(Self::aliased)? };
        self.expect_word("from")?;
        let mut select = Select {
            table: self.qualified("a table")?,
            json,
            distinct,
            selectors,
            relations: Vec::new(),
            order_by: Vec::new(),
            per_partition_limit: None,
            limit: None,
            allow_filtering: false,
        };
        if self.word("where") {
            select.relations = self.relations()?;
        }
        self.clauses(&mut select)?;
        Ok(select)
    }

    /// Only a keyword if something other than a clause follows; a column may have that name.
    fn modifier(&mut self, word: &str) -> bool {
        let is_column = [",", "(", "."].iter().any(|symbol| self.is_symbol(1, symbol))
            || self.is_word(1, "from")
            || self.is_word(1, "as");
        !is_column && self.word(word)
    }

    fn clauses(&mut self, select: &mut Select) -> Parsed<()> {
        if self.is_word(0, "group") {
            return Err(self.refused("GROUP BY is not among what this node has"));
        }
        if self.word("order") {
            self.expect_word("by")?;
            if self.look_ann() {
                return Err(self.refused("ORDER BY .. ANN OF is not among what this node has"));
            }
            select.order_by = self.list(Self::ordered)?;
        }
        if self.word("per") {
            self.expect_word("partition")?;
            self.expect_word("limit")?;
            select.per_partition_limit = Some(self.marker_or_literal()?);
        }
        if self.word("limit") {
            select.limit = Some(self.marker_or_literal()?);
        }
        if self.word("allow") {
            self.expect_word("filtering")?;
            select.allow_filtering = true;
        }
        Ok(())
    }

    fn look_ann(&self) -> bool {
        self.is_word(1, "ann") && self.is_word(2, "of")
    }

    pub(super) fn ordered(&mut self) -> Parsed<(String, bool)> {
        let column = self.column()?;
        let descending = self.word("desc");
        if !descending {
            self.word("asc");
        }
        Ok((column, descending))
    }

    fn aliased(&mut self) -> Parsed<(Selector, Option<String>)> {
        let selector = self.nested(Self::selector)?;
        let alias = if self.word("as") { Some(self.name("an alias")?) } else { None };
        Ok((selector, alias))
    }

    fn selector(&mut self) -> Parsed<Selector> {
        let mut selector = self.plain_selector()?;
        for _ in 0..DEPTH_LIMIT {
            if self.symbol(".") {
                selector = Selector::Field(Box::new(selector), self.name("a field")?);
            } else if self.symbol("[") {
                let key = self.term()?;
                if !self.symbol("]") {
                    return Err(self.refused("slices of collections are not among what this node has"));
                }
                selector = Selector::Element(Box::new(selector), key);
            } else {
                return Ok(selector);
            }
        }
        Err(self.error(format!("nested deeper than {DEPTH_LIMIT} levels")))
    }

    fn plain_selector(&mut self) -> Parsed<Selector> {
        if !matches!(self.peek(), Kind::Word(_) | Kind::Quoted(_)) || self.is_constant() {
            return self.term().map(Selector::Term);
        }
        if self.is_symbol(1, ".") && self.is_symbol(3, "(") && self.is_word(0, "system") {
            self.at += 2;
        }
        if !self.is_symbol(1, "(") {
            return self.column().map(Selector::Column);
        }
        if self.word("count") {
            self.advance();
            if self.symbol("*") || self.one() {
                self.expect_symbol(")")?;
                return Ok(Selector::CountRows);
            }
            return Ok(Selector::Call("count".into(), self.until(")", Self::argument)?));
        }
        if self.word("cast") {
            self.advance();
            let inner = self.argument()?;
            self.expect_word("as")?;
            let type_name = self.type_name()?;
            self.expect_symbol(")")?;
            return Ok(Selector::Cast(Box::new(inner), type_name));
        }
        let name = if self.word("token") { "token".to_owned() } else { self.name("a function")? };
        self.expect_symbol("(")?;
        Ok(Selector::Call(name, self.until(")", Self::argument)?))
    }

    fn argument(&mut self) -> Parsed<Selector> {
        self.nested(Self::selector)
    }

    fn is_constant(&self) -> bool {
        matches!(self.peek(), Kind::Word(word) if matches!(word.as_ref(), "null" | "true" | "false" | "nan" | "infinity"))
    }

    fn one(&mut self) -> bool {
        let one = *self.peek() == Kind::Integer("1") && self.is_symbol(1, ")");
        self.at += usize::from(one);
        one
    }

    pub(super) fn relations(&mut self) -> Parsed<Vec<Relation>> {
        let mut all = vec![self.nested(Self::relation)?];
        while self.word("and") {
            all.push(self.nested(Self::relation)?);
        }
        Ok(all)
    }

    fn relation(&mut self) -> Parsed<Relation> {
        if self.is_word(0, "token") && self.is_symbol(1, "(") {
            self.at += 2;
            let columns = self.until(")", Self::column)?;
            let operator = self.operator()?;
            return Ok(Relation::Token(columns, operator, self.term()?));
        }
        if self.symbol("(") {
            return self.of_several();
        }
        let column = self.column()?;
        if self.word("in") {
            return Ok(Relation::In(column, self.in_terms()?));
        }
        if self.word("is") {
            self.expect_word("not")?;
            self.expect_word("null")?;
            return Ok(Relation::IsNotNull(column));
        }
        if self.is_word(0, "like") {
            return Err(self.refused("LIKE is not among what this node has: it needs an index"));
        }
        if self.symbol("[") {
            let key = self.term()?;
            self.expect_symbol("]")?;
            let operator = self.operator()?;
            return Ok(Relation::Element(column, key, operator, self.term()?));
        }
        let operator = self.operator()?;
        Ok(Relation::Column(column, operator, self.term()?))
    }

    /// After the parenthesis: a relation of several columns, or one relation in parentheses.
    fn of_several(&mut self) -> Parsed<Relation> {
        if !(self.is_name(0) && (self.is_symbol(1, ",") || self.is_symbol(1, ")"))) {
            let inner = self.nested(Self::relation)?;
            self.expect_symbol(")")?;
            return Ok(inner);
        }
        let columns = self.until(")", Self::column)?;
        if self.word("in") {
            return Ok(Relation::TupleIn(columns, self.in_terms()?));
        }
        let operator = self.operator()?;
        Ok(Relation::Tuple(columns, operator, self.term()?))
    }

    pub(super) fn is_comparison(&self, ahead: usize) -> bool {
        ["=", "!=", "<", "<=", ">", ">="].iter().any(|sign| self.is_symbol(ahead, sign))
            || self.is_word(ahead, "in")
    }

    pub(super) fn operator(&mut self) -> Parsed<Operator> {
        let operator = match self.peek() {
            Kind::Symbol("=") => Operator::Equal,
            Kind::Symbol("!=") => Operator::NotEqual,
            Kind::Symbol("<") => Operator::Less,
            Kind::Symbol("<=") => Operator::LessOrEqual,
            Kind::Symbol(">") => Operator::Greater,
            Kind::Symbol(">=") => Operator::GreaterOrEqual,
            Kind::Word(word) if word == "contains" => {
                self.advance();
                return Ok(if self.word("key") { Operator::ContainsKey } else { Operator::Contains });
            }
            _ => return Err(self.unexpected("a comparison")),
        };
        self.advance();
        Ok(operator)
    }
}
