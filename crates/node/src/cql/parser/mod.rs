//! Tokens to a syntax tree, by recursive descent. What this node doesn't have is refused here by name.

mod cursor;
mod schema;
mod select;
mod terms;
mod types;
mod write;

use super::SyntaxError;
use super::ast::*;
use super::token::{Kind, Token, tokenize};

type Parsed<T> = Result<T, SyntaxError>;

/// Parses one statement, with or without its semicolon.
pub(crate) fn parse(text: &str) -> Parsed<Statement> {
    let mut parser = Parser { text, tokens: tokenize(text)?, at: 0, markers: 0, depth: 0 };
    let statement = parser.statement()?;
    while parser.symbol(";") {}
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

/// Statements that there are in CQL and not here.
const ABSENT: [&str; 6] = ["grant", "revoke", "list", "describe", "desc", "add"];

impl Parser<'_> {
    fn statement(&mut self) -> Parsed<Statement> {
        let Kind::Word(first) = self.peek() else { return Err(self.unexpected("a statement")) };
        match first.as_ref() {
            "select" => Ok(Statement::Select(Box::new(self.select()?))),
            "insert" => Ok(Statement::Write(Box::new(self.insert()?))),
            "update" => Ok(Statement::Write(Box::new(self.update()?))),
            "delete" => Ok(Statement::Write(Box::new(self.delete()?))),
            "begin" => self.batch().map(Statement::Batch),
            "create" => self.create(),
            "alter" => self.alter(),
            "drop" => self.drop(),
            "truncate" => {
                self.advance();
                let _ = self.word("table") || self.word("columnfamily");
                self.qualified("a table").map(Statement::Truncate)
            }
            "use" => {
                self.advance();
                self.name("a keyspace").map(Statement::Use)
            }
            absent if ABSENT.contains(&absent) => {
                let what = first.to_ascii_uppercase();
                Err(self.refused(format!("{what} is not among the statements that this node has")))
            }
            other => Err(self.error(format!("no viable alternative at input '{other}'"))),
        }
    }

    /// One or more, with commas between.
    fn list<T>(&mut self, mut one: impl FnMut(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>> {
        let mut all = vec![one(self)?];
        while self.symbol(",") {
            all.push(one(self)?);
        }
        Ok(all)
    }

    /// None or more up to `close`, with commas between.
    fn until<T>(&mut self, close: &'static str, one: impl FnMut(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>> {
        if self.symbol(close) {
            return Ok(Vec::new());
        }
        let all = self.list(one)?;
        self.expect_symbol(close)?;
        Ok(all)
    }

    /// Runs what calls itself, not too deep: the parser's own stack depends on it.
    fn nested<T>(&mut self, inner: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth == DEPTH_LIMIT {
            return Err(self.error(format!("nested deeper than {DEPTH_LIMIT} levels")));
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }
}

/// How deep types, terms and selectors may nest.
const DEPTH_LIMIT: usize = 32;

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
        assert_eq!(error.to_string(), "line 1:24 LIKE is not among what this node has: it needs an index");
    }

    /// Statements made of the language's own pieces in any order: none may panic, and errors point into the text.
    #[test]
    fn no_order_of_tokens_panics() {
        const PIECES: &str = "select insert into from where and values create alter drop add rename to table keyspace type \
                              primary key with clustering order by limit token in t k ( ) { } [ ] , . * = <= ? : - 1 \
                              1.5 0xab 'x' \"q\" null begin batch apply update delete set using ttl timestamp if not \
                              exists frozen < > + += p1d 1h (int) json distinct as count ( * ) cast contains per \
                              partition allow filtering static counter is ; 50554d6e-29bb-11e5-b345-feff819cdc9f";
        const BEGINNINGS: [&str; 8] = [
            "select * from t where ",
            "insert into t (k) values (",
            "create table t (k ",
            "update t set ",
            "delete from t where k ",
            "begin batch ",
            "alter table t ",
            "",
        ];
        let pieces = PIECES.split_whitespace().collect::<Vec<_>>();
        let mut seed = 7u64;
        let mut random = |below: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as usize % below
        };
        let mut good = 0;
        for _ in 0..50_000 {
            let mut text = String::from(BEGINNINGS[random(BEGINNINGS.len())]);
            for _ in 0..=random(7) {
                text.push_str(pieces[random(pieces.len())]);
                text.push(' ');
            }
            match parse(&text) {
                Ok(_) => good += 1,
                Err(error) => assert!(error.to_string().starts_with("line 1:"), "{text}: {error}"),
            }
        }
        assert!(good > 5, "only {good} were statements");
    }

    /// The parser calls itself, and so does what drops its trees.
    #[test]
    fn depth_has_a_limit() {
        let deep = |open: &str, close: &str| format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
        for text in [
            format!("select * from t where k = {}", deep("[", "]")),
            format!("select * from t where k = {}", deep("f(", ")")),
            format!("select * from t where k = {}", deep("{1: ", "}")),
            format!("select * from t where k = {}", deep("(int) ", "")),
            format!("select * from t where {}", deep("(", ")")),
            format!("select {} from t", deep("f(", ")")),
            format!("select k{} from t", ".x".repeat(100_000)),
            format!("select k{} from t", "[1]".repeat(100_000)),
            format!("select {} from t", deep("cast(", " as int)")),
            format!("create table t (k {})", deep("frozen<", ">")),
            format!("create keyspace k with replication = {}", deep("{1: ", "}")),
        ] {
            let error = parse(&text).unwrap_err().to_string();
            assert!(error.contains("deeper"), "{}: {error}", &text[..60]);
        }
    }
}
