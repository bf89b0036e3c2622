//! Text to statements: cut at semicolons, but for those in literals, quoted names, comments and batches.

use std::collections::VecDeque;
use std::fmt;

/// One statement, without its semicolon and what precedes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Statement {
    pub(super) text: String,
    pub(super) begin: Position,
}

/// A place in a text, counted from 1; columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) line: u64,
    pub(super) column: u64,
}

/// The text ends inside of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unfinished {
    what: &'static str,
    pub(super) begin: Position,
}

/// Takes text piece by piece, however it is cut, and gives each statement once it is whole.
#[derive(Debug)]
pub(super) struct Splitter {
    /// The statement so far. Blanks and comments before it are left out.
    text: String,
    /// Where its last blanks and comments begin. They are left out too: a comment that no line ends is an error to the server.
    text_end: usize,
    begin: Position,
    state: State,
    /// Where that began.
    state_begin: Position,
    here: Position,
    words: Words,
    ready: VecDeque<Statement>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Plain,
    /// After the first character of what may be two: `--`, `//`, `/*`, `$$`.
    After(char),
    /// To the same character.
    Quoted(char),
    /// Between `$$`; `true` after the first character of what may be its end.
    Dollars(bool),
    LineComment,
    /// `true` after what may be the first character of its end.
    Comment(bool),
}

/// What has to be known of a statement's words to tell where it ends.
#[derive(Debug, Default)]
struct Words {
    /// Whether the statement began with BEGIN.
    begun: Option<bool>,
    /// The word being read, and the one before it with only blanks between.
    last: String,
    before: String,
    /// The last word is at its end.
    ended: bool,
}

const START: Position = Position { line: 1, column: 1 };
/// Longer words than that matter to nobody.
const WORD_MAX: usize = 16;

impl Default for Splitter {
    fn default() -> Self {
        Self {
            text: String::new(),
            text_end: 0,
            begin: START,
            state: State::Plain,
            state_begin: START,
            here: START,
            words: Words::default(),
            ready: VecDeque::new(),
        }
    }
}

impl Splitter {
    pub(super) fn push(&mut self, text: &str) {
        for c in text.chars() {
            // What some editors put at the front of UTF-8 is no part of the text.
            if c == '\u{feff}' && self.here == START {
                continue;
            }
            self.take(c);
            self.here = match c {
                '\n' => Position { line: self.here.line + 1, column: 1 },
                _ => Position { column: self.here.column + 1, ..self.here },
            };
        }
    }

    /// The next whole statement.
    pub(super) fn pop(&mut self) -> Option<Statement> {
        self.ready.pop_front()
    }

    /// Whether something was taken that isn't whole yet.
    pub(super) fn is_begun(&self) -> bool {
        !self.text.is_empty() || self.state != State::Plain
    }

    /// How long the statement is that isn't whole yet.
    pub(super) fn pending_bytes(&self) -> usize {
        self.text.len()
    }

    /// Where the text goes on.
    pub(super) fn position(&self) -> Position {
        self.here
    }

    /// Nothing follows: what is left is the last statement, whose semicolon may be missing. Begins anew.
    pub(super) fn finish(&mut self) -> Result<Option<Statement>, Unfinished> {
        if let State::After(first) = self.state {
            self.state = State::Plain;
            self.append(first, self.state_begin);
        }
        let (state, begin) = (self.state, self.state_begin);
        let unfinished = |what, begin| Err(Unfinished { what, begin });
        let left = match state {
            State::Quoted('"') => unfinished("a quoted name", begin),
            State::Quoted(_) => unfinished("a text in quotes", begin),
            State::Dollars(_) => unfinished("a text between $$", begin),
            State::Comment(_) => unfinished("a comment", begin),
            _ if self.words.is_open_batch() => unfinished("a batch", self.begin),
            _ => {
                self.end();
                Ok(self.ready.pop_back())
            }
        };
        *self = Self { here: self.here, ..Self::default() };
        left
    }

    fn take(&mut self, c: char) {
        match self.state {
            State::Plain => self.take_plain(c),
            State::After(first) => {
                let comment = match (first, c) {
                    ('-', '-') | ('/', '/') => Some(State::LineComment),
                    ('/', '*') => Some(State::Comment(false)),
                    _ => None,
                };
                if let Some(comment) = comment {
                    self.state = comment;
                    self.words.blank();
                    if !self.text.is_empty() {
                        self.text.extend([first, c]);
                    }
                    return;
                }
                self.append(first, self.state_begin);
                self.words.symbol();
                if (first, c) == ('$', '$') {
                    self.extend(c);
                    self.state = State::Dollars(false);
                    return;
                }
                self.state = State::Plain;
                self.take_plain(c);
            }
            State::Quoted(quote) => {
                self.extend(c);
                // A doubled quote ends one quoted part and begins the next.
                if c == quote {
                    self.state = State::Plain;
                }
            }
            State::Dollars(one) => {
                self.extend(c);
                self.state = if one && c == '$' { State::Plain } else { State::Dollars(c == '$') };
            }
            State::LineComment => {
                self.append_comment(c);
                if matches!(c, '\n' | '\r') {
                    self.state = State::Plain;
                }
            }
            State::Comment(star) => {
                self.append_comment(c);
                self.state = if star && c == '/' { State::Plain } else { State::Comment(c == '*') };
            }
        }
    }

    fn take_plain(&mut self, c: char) {
        match c {
            ';' if !self.words.is_open_batch() => self.end(),
            '-' | '/' | '$' => (self.state, self.state_begin) = (State::After(c), self.here),
            '\'' | '"' => {
                self.append(c, self.here);
                self.words.symbol();
                (self.state, self.state_begin) = (State::Quoted(c), self.here);
            }
            c if c.is_whitespace() => {
                self.words.blank();
                if !self.text.is_empty() {
                    self.text.push(c);
                }
            }
            c => {
                self.append(c, self.here);
                if c.is_alphanumeric() || c == '_' { self.words.letter(c) } else { self.words.symbol() }
            }
        }
    }

    fn append(&mut self, c: char, at: Position) {
        if self.text.is_empty() {
            self.begin = at;
        }
        self.extend(c);
    }

    fn extend(&mut self, c: char) {
        self.text.push(c);
        self.text_end = self.text.len();
    }

    fn append_comment(&mut self, c: char) {
        if !self.text.is_empty() {
            self.text.push(c);
        }
    }

    fn end(&mut self) {
        self.words = Words::default();
        let mut text = std::mem::take(&mut self.text);
        text.truncate(std::mem::take(&mut self.text_end));
        if !text.is_empty() {
            self.ready.push_back(Statement { text, begin: self.begin });
        }
    }
}

impl Words {
    fn letter(&mut self, c: char) {
        if std::mem::take(&mut self.ended) {
            self.next();
        }
        if self.last.len() < WORD_MAX {
            self.last.push(c.to_ascii_uppercase());
        }
    }

    fn blank(&mut self) {
        self.ended = !self.last.is_empty();
    }

    fn symbol(&mut self) {
        self.next();
        self.before.clear();
        self.ended = false;
        // Whatever follows, it is no first word.
        self.begun.get_or_insert(false);
    }

    fn next(&mut self) {
        self.before = std::mem::take(&mut self.last);
        self.begun.get_or_insert(self.before == "BEGIN");
    }

    /// Whether semicolons still belong to a batch (or transaction).
    fn is_open_batch(&self) -> bool {
        let end = [("APPLY", "BATCH"), ("COMMIT", "TRANSACTION")];
        self.begun == Some(true) && !end.contains(&(&*self.before, &*self.last))
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

impl fmt::Display for Unfinished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} has no end", self.what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The statements, whether the text comes whole or character by character.
    fn split(text: &str) -> Vec<String> {
        let whole = split_at(text, usize::MAX);
        assert_eq!(whole, split_at(text, 1));
        whole.into_iter().map(|statement| statement.text).collect()
    }

    fn split_at(text: &str, piece: usize) -> Vec<Statement> {
        let mut splitter = Splitter::default();
        let mut statements = Vec::new();
        let chars: Vec<char> = text.chars().collect();
        for piece in chars.chunks(piece.min(chars.len().max(1))) {
            splitter.push(&piece.iter().collect::<String>());
            statements.extend(std::iter::from_fn(|| splitter.pop()));
        }
        statements.extend(splitter.finish().unwrap());
        statements
    }

    #[test]
    fn semicolons_end_statements_only_where_they_are_on_their_own() {
        assert_eq!(split("a; b ;;\n ; c"), ["a", "b", "c"]);
        assert_eq!(split("INSERT 'it''s; here'; x"), ["INSERT 'it''s; here'", "x"]);
        assert_eq!(split(r#"SELECT "a;""b" FROM t; x"#), [r#"SELECT "a;""b" FROM t"#, "x"]);
        assert_eq!(split("CREATE f AS $$ a; $ 'b $$; x"), ["CREATE f AS $$ a; $ 'b $$", "x"]);
        assert_eq!(split("a $$$$; b"), ["a $$$$", "b"]);
        assert_eq!(split("a -- ; no\n b; c"), ["a -- ; no\n b", "c"]);
        assert_eq!(split("a // ; 'no\n b; c"), ["a // ; 'no\n b", "c"]);
        assert_eq!(split("a /* ; ' **/ b; c"), ["a /* ; ' **/ b", "c"]);
        assert_eq!(split("-- only; this\n/* and; that */ ;"), Vec::<String>::new());
        assert_eq!(split("a // b\rc; d"), ["a // b\rc", "d"]);
        assert_eq!(split("a -- b\n; c /* d */ ; e 'f' -- g"), ["a", "c", "e 'f'"]);
        assert_eq!(split("a - 1 / 2; -3; b-"), ["a - 1 / 2", "-3", "b-"]);
        assert_eq!(split(""), Vec::<String>::new());
        assert_eq!(split("\u{feff}a '\u{feff}'"), ["a '\u{feff}'"]);
    }

    #[test]
    fn batches_go_to_their_end() {
        let batch = "BEGIN UNLOGGED BATCH INSERT 'apply batch;'; UPDATE x; APPLY BATCH";
        assert_eq!(split(&format!("{batch}; x")), [batch, "x"]);
        let small = "begin batch\n update t set a = 1; /* ; */ apply -- now\n batch";
        assert_eq!(split(&format!("{small} ; x;")), [small, "x"]);
        let comma = "BEGIN BATCH INSERT (apply, batch); APPLY.BATCH; APPLY 'x' BATCH; APPLY BATCH";
        assert_eq!(split(&format!("{comma}; x")), [comma, "x"]);
        let transaction = "BEGIN TRANSACTION SELECT 1; COMMIT TRANSACTION";
        assert_eq!(split(&format!("{transaction};x")), [transaction, "x"]);
        assert_eq!(split("beginning batch; a; \"BEGIN\" x; y"), ["beginning batch", "a", "\"BEGIN\" x", "y"]);
        assert_eq!(split("/* c */ BEGIN BATCH a; b; APPLY BATCH; c").len(), 2);
    }

    #[test]
    fn each_knows_where_it_began() {
        let begin: Vec<_> =
            split_at("a;\n  -- c\n  bcd\n;é; /**/f", 3).iter().map(|s| s.begin.to_string()).collect();
        assert_eq!(begin, ["1:1", "3:3", "4:2", "4:9"]);
    }

    #[test]
    fn what_has_no_end_is_told() {
        for (text, expected, at) in [
            ("SELECT 'a", "a text in quotes has no end", "1:8"),
            ("x; \"a", "a quoted name has no end", "1:4"),
            ("a\n $$ b $", "a text between $$ has no end", "2:2"),
            ("a /* b *", "a comment has no end", "1:3"),
            (" BEGIN BATCH a; b; APPLY", "a batch has no end", "1:2"),
        ] {
            let mut splitter = Splitter::default();
            splitter.push(text);
            while splitter.pop().is_some() {}
            let error = splitter.finish().unwrap_err();
            assert_eq!(
                (error.to_string().as_str(), error.begin.to_string().as_str()),
                (expected, at),
                "{text}"
            );
        }
    }
}
