//! Tokens to a syntax tree, by recursive descent. What this node doesn't have is refused here by name.

use super::SyntaxError;
use super::ast::*;
use super::token::{Kind, Token, tokenize};
use crate::types;

/// How deep types and literals may nest: the parser's own stack depends on it.
const DEPTH_LIMIT: usize = 32;

/// Bind markers are counted by a [short] in the protocol.
const MARKER_LIMIT: usize = u16::MAX as usize;

type Parsed<T> = Result<T, SyntaxError>;

/// Parses one statement, with or without its semicolon.
pub(crate) fn parse(text: &str) -> Parsed<Statement> {
    let mut parser = Parser { text, tokens: tokenize(text)?, at: 0, markers: 0, depth: 0 };
    let statement = parser.statement()?;
    parser.symbol(";");
    match parser.peek() {
        Kind::End => Ok(statement),
        _ => Err(parser.unexpected("the end of the statement")),
    }
}

pub(super) struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token<'a>>,
    at: usize,
    markers: usize,
    depth: usize,
}

/// Statements and clauses.
impl Parser<'_> {
    fn statement(&mut self) -> Parsed<Statement> {
        let Kind::Word(first) = self.peek() else { return Err(self.unexpected("a statement")) };
        match first.as_ref() {
            "select" => self.select().map(Statement::Select),
            "insert" => self.insert().map(Statement::Insert),
            "begin" => self.batch(),
            "create" => self.create(),
            "drop" => self.drop(),
            "truncate" => {
                self.advance();
                self.word("table");
                self.table_name().map(Statement::Truncate)
            }
            "use" => {
                self.advance();
                self.name("a keyspace").map(Statement::Use)
            }
            "update" | "delete" | "alter" | "grant" | "revoke" | "list" | "describe" | "desc" => {
                let what = first.to_ascii_uppercase();
                Err(self.error(format!("{what} is not among the statements that this node has")))
            }
            other => Err(self.error(format!("no viable alternative at input '{other}'"))),
        }
    }

    fn create(&mut self) -> Parsed<Statement> {
        self.advance();
        if self.word("keyspace") {
            self.create_keyspace()
        } else if self.word("table") || self.word("columnfamily") {
            self.create_table()
        } else {
            Err(self.error("this node creates keyspaces and tables, and nothing else"))
        }
    }

    fn create_keyspace(&mut self) -> Parsed<Statement> {
        let if_not_exists = self.if_not_exists()?;
        let keyspace = self.name("a keyspace")?;
        let mut replication = None;
        let mut durable_writes = true;
        self.expect_word("with")?;
        loop {
            let option = self.name("an option")?;
            self.expect_symbol("=")?;
            match (option.as_str(), self.literal()?) {
                ("replication", Literal::Map(pairs)) => replication = Some(self.text_pairs(pairs)?),
                ("durable_writes", Literal::Boolean(durable)) => durable_writes = durable,
                _ => {
                    return Err(
                        self.error(format!("option {option} of a keyspace is unknown or of the wrong type"))
                    );
                }
            }
            if !self.word("and") {
                break;
            }
        }
        let replication = replication.ok_or_else(|| self.error("a keyspace needs its replication"))?;
        Ok(Statement::CreateKeyspace(CreateKeyspace { keyspace, if_not_exists, replication, durable_writes }))
    }

    fn text_pairs(&self, pairs: Vec<(Literal, Literal)>) -> Parsed<Vec<(String, String)>> {
        let plain = |literal| match literal {
            Literal::Text(text) | Literal::Integer(text) | Literal::Float(text) => Ok(text),
            Literal::Boolean(value) => Ok(value.to_string()),
            _ => Err(self.error("expected a map of texts")),
        };
        pairs.into_iter().map(|(key, value)| Ok((plain(key)?, plain(value)?))).collect()
    }

    fn create_table(&mut self) -> Parsed<Statement> {
        let if_not_exists = self.if_not_exists()?;
        let mut create = CreateTable {
            table: self.table_name()?,
            if_not_exists,
            columns: Vec::new(),
            partition_key: Vec::new(),
            clustering_key: Vec::new(),
            descending: Vec::new(),
            comment: String::new(),
        };
        self.expect_symbol("(")?;
        loop {
            if self.is_word(0, "primary") && self.is_word(1, "key") {
                self.primary_key(&mut create)?;
            } else {
                self.column_definition(&mut create)?;
            }
            if !self.symbol(",") {
                break;
            }
        }
        self.expect_symbol(")")?;
        if create.partition_key.is_empty() {
            return Err(self.error("no PRIMARY KEY specified (exactly one required)"));
        }
        if self.word("with") {
            self.table_options(&mut create)?;
        }
        Ok(Statement::CreateTable(create))
    }

    fn column_definition(&mut self, create: &mut CreateTable) -> Parsed<()> {
        let name = self.name("a column")?;
        let spec = self.type_spec()?;
        if self.is_word(0, "static") {
            return Err(self.error("static columns are not among what this node has"));
        }
        if self.word("primary") {
            self.expect_word("key")?;
            self.only_one_key(create)?;
            create.partition_key.push(name.clone());
        }
        create.columns.push((name, spec));
        Ok(())
    }

    fn only_one_key(&self, create: &CreateTable) -> Parsed<()> {
        if create.partition_key.is_empty() {
            return Ok(());
        }
        Err(self.error("multiple PRIMARY KEYs specified (exactly one required)"))
    }

    fn primary_key(&mut self, create: &mut CreateTable) -> Parsed<()> {
        self.only_one_key(create)?;
        self.at += 2;
        self.expect_symbol("(")?;
        create.partition_key = match self.symbol("(") {
            true => self.names_until_parenthesis()?,
            false => vec![self.name("a column")?],
        };
        if self.symbol(",") {
            create.clustering_key = self.names_until_parenthesis()?;
            return Ok(());
        }
        self.expect_symbol(")")
    }

    fn names_until_parenthesis(&mut self) -> Parsed<Vec<String>> {
        let mut names = vec![self.name("a column")?];
        while self.symbol(",") {
            names.push(self.name("a column")?);
        }
        self.expect_symbol(")")?;
        Ok(names)
    }

    /// Options that say how a disk or a cluster is to work change nothing that a client could see here; they are
    /// taken, as scripts carry them. The others are refused.
    fn table_options(&mut self, create: &mut CreateTable) -> Parsed<()> {
        loop {
            if self.word("clustering") {
                self.expect_word("order")?;
                self.expect_word("by")?;
                self.clustering_order(create)?;
            } else {
                let option = self.name("an option")?;
                self.expect_symbol("=")?;
                let value = self.literal()?;
                match (option.as_str(), value) {
                    ("comment", Literal::Text(comment)) => create.comment = comment,
                    ("default_time_to_live", Literal::Integer(seconds)) if seconds == "0" => {}
                    ("default_time_to_live", _) => {
                        return Err(self.error("a time to live is not among what this node has"));
                    }
                    (known, _) if INERT_TABLE_OPTIONS.contains(&known) => {}
                    (unknown, _) => return Err(self.error(format!("unknown property '{unknown}'"))),
                }
            }
            if !self.word("and") {
                return Ok(());
            }
        }
    }

    fn clustering_order(&mut self, create: &mut CreateTable) -> Parsed<()> {
        self.expect_symbol("(")?;
        loop {
            let column = self.name("a column")?;
            let descending = self.word("desc");
            if !descending {
                self.word("asc");
            }
            create.descending.push((column, descending));
            if !self.symbol(",") {
                return self.expect_symbol(")");
            }
        }
    }

    fn drop(&mut self) -> Parsed<Statement> {
        self.advance();
        let of_keyspace = self.word("keyspace");
        if !of_keyspace && !self.word("table") && !self.word("columnfamily") {
            return Err(self.error("this node drops keyspaces and tables, and nothing else"));
        }
        let if_exists = self.word("if");
        if if_exists {
            self.expect_word("exists")?;
        }
        if of_keyspace {
            let keyspace = self.name("a keyspace")?;
            return Ok(Statement::DropKeyspace { keyspace, if_exists });
        }
        Ok(Statement::DropTable { table: self.table_name()?, if_exists })
    }

    fn insert(&mut self) -> Parsed<Insert> {
        self.expect_word("insert")?;
        self.expect_word("into")?;
        let table = self.table_name()?;
        if self.is_word(0, "json") {
            return Err(self.error("INSERT JSON is not among what this node has"));
        }
        self.expect_symbol("(")?;
        let names = self.names_until_parenthesis()?;
        self.expect_word("values")?;
        self.expect_symbol("(")?;
        let mut terms = vec![self.term()?];
        while self.symbol(",") {
            terms.push(self.term()?);
        }
        self.expect_symbol(")")?;
        if names.len() != terms.len() {
            return Err(self.error("unmatched column names/values"));
        }
        if self.is_word(0, "if") {
            return Err(self.error("conditions (IF NOT EXISTS) are not among what this node has"));
        }
        if self.is_word(0, "using") {
            return Err(self.error("USING TIMESTAMP and TTL are not among what this node has"));
        }
        Ok(Insert { table, values: names.into_iter().zip(terms).collect() })
    }

    fn batch(&mut self) -> Parsed<Statement> {
        self.advance();
        if self.is_word(0, "counter") {
            return Err(self.error("counters are not among what this node has"));
        }
        let _ = self.word("unlogged") || self.word("logged");
        self.expect_word("batch")?;
        if self.is_word(0, "using") {
            return Err(self.error("USING TIMESTAMP is not among what this node has"));
        }
        let mut inserts = Vec::new();
        while !self.word("apply") {
            if !self.is_word(0, "insert") {
                return Err(self.error("this node's batches hold INSERT statements, and nothing else"));
            }
            inserts.push(self.insert()?);
            self.symbol(";");
        }
        self.expect_word("batch")?;
        Ok(Statement::Batch(inserts))
    }

    fn select(&mut self) -> Parsed<Select> {
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

    fn selectors(&mut self) -> Parsed<Vec<(Selector, Option<String>)>> {
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

    fn selector(&mut self) -> Parsed<Selector> {
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

    fn integer_one(&mut self) -> bool {
        let one = *self.peek() == Kind::Integer("1");
        self.at += usize::from(one);
        one
    }

    fn restriction(&mut self) -> Parsed<Restriction> {
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

    fn in_terms(&mut self) -> Parsed<InTerms> {
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

    fn operator(&mut self) -> Parsed<Operator> {
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

    fn if_not_exists(&mut self) -> Parsed<bool> {
        if !self.word("if") {
            return Ok(false);
        }
        self.expect_word("not")?;
        self.expect_word("exists")?;
        Ok(true)
    }
}

const INERT_TABLE_OPTIONS: [&str; 16] = [
    "additional_write_policy",
    "bloom_filter_fp_chance",
    "caching",
    "cdc",
    "compaction",
    "compression",
    "crc_check_chance",
    "dclocal_read_repair_chance",
    "gc_grace_seconds",
    "id",
    "max_index_interval",
    "memtable_flush_period_in_ms",
    "min_index_interval",
    "read_repair",
    "read_repair_chance",
    "speculative_retry",
];

/// Names, types, terms.
impl Parser<'_> {
    fn table_name(&mut self) -> Parsed<TableName> {
        let first = self.name("a table")?;
        if self.symbol(".") {
            return Ok(TableName { keyspace: Some(first), table: self.name("a table")? });
        }
        Ok(TableName { keyspace: None, table: first })
    }

    fn name(&mut self, what: &str) -> Parsed<String> {
        let name = match self.peek() {
            Kind::Word(name) => name.to_string(),
            Kind::Quoted(name) => name.to_string(),
            _ => return Err(self.unexpected(what)),
        };
        self.advance();
        Ok(name)
    }

    fn type_spec(&mut self) -> Parsed<TypeSpec> {
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

    fn term(&mut self) -> Parsed<Term> {
        if self.symbol("?") {
            return Ok(Term::Marker(self.marker(None)?));
        }
        if self.symbol(":") {
            let name = self.name("the name of a marker")?;
            return Ok(Term::Marker(self.marker(Some(name))?));
        }
        self.literal().map(Term::Literal)
    }

    fn marker(&mut self, name: Option<String>) -> Parsed<Marker> {
        if self.markers == MARKER_LIMIT {
            return Err(self.error("too many markers(?). Markers must not exceed 65535"));
        }
        self.markers += 1;
        Ok(Marker { index: self.markers - 1, name })
    }

    fn literal(&mut self) -> Parsed<Literal> {
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

    fn collection(&mut self) -> Parsed<Literal> {
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

    fn set_or_map(&mut self) -> Parsed<Literal> {
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

    fn literals_until(&mut self, close: &'static str) -> Parsed<Vec<Literal>> {
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

    fn element(&mut self) -> Parsed<Literal> {
        if self.is_symbol(0, "?") || self.is_symbol(0, ":") {
            return Err(self.error("bind markers inside of collections are not among what this node has"));
        }
        self.literal()
    }

    fn hexadecimal(&self, digits: &str) -> Parsed<Vec<u8>> {
        types::bytes_from_hexadecimal(digits)
            .ok_or_else(|| self.error("a blob needs an even number of digits"))
    }

    fn deeper(&mut self) -> Parsed<()> {
        self.depth += 1;
        if self.depth > DEPTH_LIMIT {
            return Err(self.error(format!("nested deeper than {DEPTH_LIMIT} levels")));
        }
        Ok(())
    }
}

/// Single tokens.
impl<'a> Parser<'a> {
    fn peek(&self) -> &Kind<'a> {
        self.look(0)
    }

    fn look(&self, ahead: usize) -> &Kind<'a> {
        // The last token is `End`, and there is always one.
        &self.tokens[(self.at + ahead).min(self.tokens.len() - 1)].kind
    }

    fn advance(&mut self) {
        self.at += 1;
    }

    fn is_word(&self, ahead: usize, word: &str) -> bool {
        matches!(self.look(ahead), Kind::Word(found) if found == word)
    }

    fn is_symbol(&self, ahead: usize, symbol: &str) -> bool {
        matches!(self.look(ahead), Kind::Symbol(found) if *found == symbol)
    }

    fn word(&mut self, word: &str) -> bool {
        let found = self.is_word(0, word);
        self.at += usize::from(found);
        found
    }

    fn symbol(&mut self, symbol: &str) -> bool {
        let found = self.is_symbol(0, symbol);
        self.at += usize::from(found);
        found
    }

    fn expect_word(&mut self, word: &str) -> Parsed<()> {
        if self.word(word) { Ok(()) } else { Err(self.unexpected(&word.to_ascii_uppercase())) }
    }

    fn expect_symbol(&mut self, symbol: &str) -> Parsed<()> {
        if self.symbol(symbol) { Ok(()) } else { Err(self.unexpected(&format!("'{symbol}'"))) }
    }

    fn unexpected(&self, expected: &str) -> SyntaxError {
        let found = match self.peek() {
            Kind::End => "the end".to_owned(),
            Kind::Word(text) | Kind::Quoted(text) | Kind::Text(text) => format!("'{text}'"),
            Kind::Integer(text) | Kind::Float(text) | Kind::Uuid(text) | Kind::Duration(text) => {
                format!("'{text}'")
            }
            Kind::Blob(digits) => format!("'0x{digits}'"),
            Kind::Symbol(symbol) => format!("'{symbol}'"),
        };
        let mut found = found;
        if let Some((end, _)) = found.char_indices().nth(60) {
            found.truncate(end);
        }
        self.error(format!("expected {expected}, found {found}"))
    }

    fn error(&self, message: impl Into<String>) -> SyntaxError {
        let last = self.tokens.len() - 1;
        SyntaxError::at(self.text, self.tokens[self.at.min(last)].offset, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clauses_in_all_their_forms() {
        for text in [
            "SELECT count(*), token(a, b) AS t, toJson(m), \"Q\" FROM ks.t WHERE a = ? AND b IN (1, :x) LIMIT 5 ALLOW FILTERING;",
            "SELECT json FROM t WHERE k IN ?",
            "INSERT INTO t (a, b) VALUES (-1.5e3, {'x': [1, 2], 'y': []})",
            "CREATE TABLE IF NOT EXISTS ks.t (a int, b int, PRIMARY KEY ((a), b)) WITH CLUSTERING ORDER BY (b DESC) \
             AND compaction = {'class': 'LeveledCompactionStrategy'} AND gc_grace_seconds = 1",
            "DROP TABLE IF EXISTS t",
            "BEGIN BATCH INSERT INTO t (a) VALUES (?) INSERT INTO t (a) VALUES (?); APPLY BATCH",
            "TRUNCATE TABLE t",
            "USE \"Ks\"",
        ] {
            assert!(parse(text).is_ok(), "{text}: {:?}", parse(text));
        }
    }

    #[test]
    fn an_error_says_where() {
        let error = parse("SELECT *\nFROM t WHERE k ! 1").unwrap_err();
        assert_eq!(error.to_string(), "line 2:15 no viable alternative at character '!'");
        let error = parse("SELECT * FROM t WHERE k LIKE 'x'").unwrap_err();
        assert_eq!(
            error.to_string(),
            "line 1:24 expected a comparison that this node has (= < <= > >=), found 'like'"
        );
    }

    /// Statements made of the language's own pieces in any order: none may panic, and errors point into the text.
    #[test]
    fn no_order_of_tokens_panics() {
        const PIECES: [&str; 44] = [
            "select",
            "insert",
            "into",
            "from",
            "where",
            "and",
            "values",
            "create",
            "table",
            "keyspace",
            "primary",
            "key",
            "with",
            "clustering",
            "order",
            "by",
            "limit",
            "token",
            "in",
            "t",
            "k",
            "(",
            ")",
            "{",
            "}",
            "[",
            "]",
            ",",
            ".",
            "*",
            "=",
            "<=",
            "?",
            ":",
            "-",
            "1",
            "1.5",
            "0xab",
            "'x'",
            "\"q\"",
            "null",
            "begin batch",
            "frozen<",
            ">",
        ];
        let mut seed = 7u64;
        for _ in 0..50_000 {
            let mut text = String::from(
                ["select * from t where ", "insert into t (k) values (", "create table t (k ", ""]
                    [(seed >> 33) as usize % 4],
            );
            for _ in 0..8 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                text.push_str(PIECES[(seed >> 33) as usize % PIECES.len()]);
                text.push(' ');
            }
            if let Err(error) = parse(&text) {
                assert!(error.to_string().starts_with("line 1:"), "{text}: {error}");
            }
        }
    }
}
