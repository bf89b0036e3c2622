//! Tokens to a syntax tree, by recursive descent. What this node doesn't have is refused here by name.

mod cursor;
mod schema;
mod select;
mod terms;

use super::SyntaxError;
use super::ast::*;
use super::token::{Kind, Token, tokenize};

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

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token<'a>>,
    at: usize,
    markers: usize,
    depth: usize,
}

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
