//! Text that people write: CQL types and literals. What both parsers share.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

/// Text that is no CQL type, or no literal of its type: where, what was expected there, and what was found.
#[derive(Clone, PartialEq, Eq)]
pub struct SyntaxError(Box<Parts>);

#[derive(Clone, PartialEq, Eq)]
struct Parts {
    at: usize,
    expected: Cow<'static, str>,
    found: Box<str>,
}

impl SyntaxError {
    /// The place in the text, in bytes from its start.
    pub fn at(&self) -> usize {
        self.0.at
    }

    /// What would be right there.
    pub fn expected(&self) -> &str {
        &self.0.expected
    }

    /// What the text has there, cut after some characters; empty at its end.
    pub fn found(&self) -> &str {
        &self.0.found
    }
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Parts { at, expected, found } = &*self.0;
        write!(f, "at byte {at}: expected {expected}, found ")?;
        if found.is_empty() { f.write_str("the end") } else { write!(f, "{found}") }
    }
}

impl fmt::Debug for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SyntaxError({self})")
    }
}

impl Error for SyntaxError {}

/// A place in a text, and what can be taken from there.
#[derive(Clone, Copy)]
pub(crate) struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    pub(crate) fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    pub(crate) fn skip_blanks(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r']).len();
    }

    /// Goes on by so many bytes, which are there and end with a character.
    pub(crate) fn skip(&mut self, bytes: usize) {
        self.at += bytes;
    }

    /// Takes `mark` if it comes next, after blanks.
    pub(crate) fn take(&mut self, mark: &str) -> bool {
        self.skip_blanks();
        let is_next = self.rest().starts_with(mark);
        if is_next {
            self.at += mark.len();
        }
        is_next
    }

    pub(crate) fn expect(&mut self, mark: &'static str) -> Result<(), SyntaxError> {
        if self.take(mark) { Ok(()) } else { Err(self.error(format!("'{mark}'"))) }
    }

    pub(crate) fn expect_end(&mut self) -> Result<(), SyntaxError> {
        self.skip_blanks();
        if self.rest().is_empty() { Ok(()) } else { Err(self.error("the end")) }
    }

    /// Takes characters, after blanks, as long as they are `wanted`; perhaps none.
    pub(crate) fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        self.skip_blanks();
        let rest = self.rest();
        let length = rest.find(|c| !wanted(c)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    /// A name as CQL writes it: in lower case, or as it stands between double quotes, where two of them stand for one.
    pub(crate) fn name(&mut self, expected: &'static str) -> Result<Cow<'a, str>, SyntaxError> {
        self.skip_blanks();
        if self.rest().starts_with('"') {
            return self.quoted('"');
        }
        let start = *self;
        let word = self.take_while(is_word);
        match word.chars().next() {
            Some(first) if first.is_ascii_alphabetic() || first == '_' => Ok(lower_case(word)),
            _ => Err(start.error(expected)),
        }
    }

    /// What stands between two `quote`s, the first of which comes next; twice that character stands for it once.
    pub(crate) fn quoted(&mut self, quote: char) -> Result<Cow<'a, str>, SyntaxError> {
        let mut text = Cow::Borrowed("");
        let mut rest = &self.rest()[1..];
        loop {
            let Some((part, after)) = rest.split_once(quote) else {
                let end = Self { at: self.text.len(), ..*self };
                return Err(end.error(format!("a closing {quote}")));
            };
            text += part;
            self.at = self.text.len() - after.len();
            match after.strip_prefix(quote) {
                Some(more) => {
                    text.to_mut().push(quote);
                    rest = more;
                }
                None => return Ok(text),
            }
        }
    }

    /// What comes before the next `mark`, and that mark.
    pub(crate) fn take_until(&mut self, mark: &'static str) -> Result<&'a str, SyntaxError> {
        let Some((text, after)) = self.rest().split_once(mark) else {
            let end = Self { at: self.text.len(), ..*self };
            return Err(end.error(format!("a closing {mark}")));
        };
        self.at = self.text.len() - after.len();
        Ok(text)
    }

    /// An error here, after blanks.
    pub(crate) fn error(&self, expected: impl Into<Cow<'static, str>>) -> SyntaxError {
        let mut here = *self;
        here.skip_blanks();
        let at = here.at;
        SyntaxError(Box::new(Parts { at, expected: expected.into(), found: excerpt(here.rest()) }))
    }
}

/// Whether `name` has to be quoted to stay what it is.
pub(crate) fn needs_quotes(name: &str) -> bool {
    let mut characters = name.chars();
    let plain = characters.next().is_some_and(|first| first.is_ascii_lowercase())
        && characters.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    !plain || RESERVED.contains(&name)
}

/// A name as CQL writes it: bare, or quoted where it has to be.
pub(crate) struct Name<'a>(pub(crate) &'a str);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if needs_quotes(self.0) { write_quoted(self.0, '"', f) } else { f.write_str(self.0) }
    }
}

pub(crate) fn write_quoted(text: &str, quote: char, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (index, part) in text.split(quote).enumerate() {
        write!(f, "{quote}")?;
        if index > 0 {
            write!(f, "{quote}")?;
        }
        f.write_str(part)?;
    }
    write!(f, "{quote}")
}

pub(crate) fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

fn lower_case(word: &str) -> Cow<'_, str> {
    if word.bytes().any(|byte| byte.is_ascii_uppercase()) {
        word.to_ascii_lowercase().into()
    } else {
        word.into()
    }
}

/// So much of what was found as fits on a line.
fn excerpt(rest: &str) -> Box<str> {
    const MOST: usize = 24;
    let mut characters = rest.char_indices();
    match characters.nth(MOST) {
        Some((end, _)) => format!("{}...", &rest[..end]).into(),
        None => rest.into(),
    }
}

/// The words that CQL keeps for itself.
const RESERVED: [&str; 55] = [
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
    "default",
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
    "keyspace",
    "limit",
    "materialized",
    "mbean",
    "mbeans",
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
    "to",
    "token",
    "truncate",
    "unlogged",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_from_their_quotes() {
        for (name, written) in [
            ("abc", "abc"),
            ("a_1", "a_1"),
            ("Abc", "\"Abc\""),
            ("1a", "\"1a\""),
            ("_a", "\"_a\""),
            ("", "\"\""),
            ("a\"b", "\"a\"\"b\""),
            ("select", "\"select\""),
            ("é", "\"é\""),
        ] {
            assert_eq!(Name(name).to_string(), written);
            assert_eq!(Cursor::new(written).name("a name").unwrap(), name);
        }
        assert_eq!(Cursor::new(" ABC ").name("a name").unwrap(), "abc");
    }

    #[test]
    fn errors_say_where_and_what() {
        let error = Cursor::new("  1x").name("a name").unwrap_err();
        assert_eq!(error.to_string(), "at byte 2: expected a name, found 1x");
        assert_eq!((error.at(), error.expected(), error.found()), (2, "a name", "1x"));
        let error = Cursor::new("\"ab").name("a name").unwrap_err();
        assert_eq!(error.to_string(), "at byte 3: expected a closing \", found the end");
        let long = "é".repeat(30);
        assert_eq!(Cursor::new(&long).error("x").found(), format!("{}...", "é".repeat(24)));
    }
}
