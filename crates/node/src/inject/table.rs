//! Which tables a statement names, without looking at the rest of it: it may be one that this node can't run.

/// Whether the statement is about the table `wanted` (`table` or `keyspace.table`), in a connection that uses `keyspace`.
pub(super) fn is_about(text: &str, keyspace: Option<&str>, wanted: &str) -> bool {
    let (wanted_keyspace, wanted_table) = match wanted.split_once('.') {
        Some((keyspace, table)) => (Some(keyspace), table),
        None => (None, wanted),
    };
    let mut words = Words(text);
    while let Some(word) = words.next() {
        let Word::Name(word) = word else { continue };
        if !["from", "into", "update", "table", "truncate"].contains(&word.as_str()) {
            continue;
        }
        let Some((named_keyspace, table)) = words.table() else { continue };
        let named_keyspace = named_keyspace.as_deref().or(keyspace);
        if table == wanted_table && (wanted_keyspace.is_none() || wanted_keyspace == named_keyspace) {
            return true;
        }
    }
    false
}

/// What a statement consists of, as far as it matters here.
struct Words<'a>(&'a str);

#[derive(Debug, PartialEq)]
enum Word {
    /// A name without quotes, in small letters.
    Name(String),
    /// A name in quotes.
    Quoted(String),
    Dot,
    Other,
}

impl Words<'_> {
    /// The name of a table, perhaps after `TABLE`, `IF EXISTS` and `IF NOT EXISTS`.
    fn table(&mut self) -> Option<(Option<String>, String)> {
        let first = loop {
            match self.next()? {
                Word::Name(word) if ["table", "if", "not", "exists"].contains(&word.as_str()) => {}
                Word::Name(name) | Word::Quoted(name) => break name,
                Word::Dot | Word::Other => return None,
            }
        };
        let rest = self.0;
        match (self.next(), self.next()) {
            (Some(Word::Dot), Some(Word::Name(table) | Word::Quoted(table))) => Some((Some(first), table)),
            _ => {
                self.0 = rest;
                Some((None, first))
            }
        }
    }
}

impl Iterator for Words<'_> {
    type Item = Word;

    fn next(&mut self) -> Option<Word> {
        self.0 = self.0.trim_start();
        let first = self.0.chars().next()?;
        let (word, rest) = match first {
            '"' | '\'' => {
                let (inside, rest) = quoted(&self.0[1..], first);
                (if first == '"' { Word::Quoted(inside) } else { Word::Other }, rest)
            }
            '.' => (Word::Dot, &self.0[1..]),
            _ if first.is_alphanumeric() || first == '_' => {
                let end = self.0.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(self.0.len());
                (Word::Name(self.0[..end].to_ascii_lowercase()), &self.0[end..])
            }
            _ => (Word::Other, &self.0[first.len_utf8()..]),
        };
        self.0 = rest;
        Some(word)
    }
}

/// What is inside quotes, and what follows them; a quote twice is one.
fn quoted(text: &str, quote: char) -> (String, &str) {
    let mut inside = String::new();
    let mut rest = text;
    while let Some((part, after)) = rest.split_once(quote) {
        inside.push_str(part);
        let Some(more) = after.strip_prefix(quote) else { return (inside, after) };
        inside.push(quote);
        rest = more;
    }
    (inside, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_found_in_every_kind_of_statement() {
        for text in [
            "SELECT a FROM ks.t WHERE k = 1",
            "select a from t",
            "INSERT INTO ks.t (k) VALUES ('from other.x')",
            "UPDATE ks . t SET v = 1",
            "DELETE v FROM \"ks\".\"t\" WHERE k = 1",
            "BEGIN BATCH INSERT INTO other.x (k) VALUES (1); UPDATE t SET v = 2 WHERE k = 1; APPLY BATCH",
            "TRUNCATE ks.t",
            "TRUNCATE TABLE ks.t",
            "CREATE TABLE IF NOT EXISTS ks.t (k int PRIMARY KEY)",
            "DROP TABLE IF EXISTS T",
        ] {
            assert!(is_about(text, Some("ks"), "ks.t"), "{text}");
            assert!(is_about(text, Some("ks"), "t"), "{text}");
            assert!(!is_about(text, Some("ks"), "ks.a"), "{text}");
        }
        assert!(!is_about("SELECT a FROM t", Some("other"), "ks.t"));
        assert!(!is_about("SELECT a FROM t", None, "ks.t"));
        assert!(is_about("SELECT a FROM \"T\"\"x\"", None, "T\"x"));
        assert!(!is_about("SELECT 'a from t' FROM x", None, "t"));
        for cut in ["", "FROM", "FROM ks.", "FROM \"t", "INTO 'x", "UPDATE ;"] {
            assert!(!is_about(cut, None, "nothing"), "{cut}");
        }
    }
}
