//! Text to tokens.

use std::borrow::Cow;

use super::SyntaxError;

/// What a token is. Text is borrowed from the statement wherever nothing had to be unescaped.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind<'a> {
    /// A name or keyword without quotes, in lower case.
    Word(Cow<'a, str>),
    /// A name in double quotes.
    Quoted(Cow<'a, str>),
    /// Text in single quotes or between `$$`.
    Text(Cow<'a, str>),
    /// Digits.
    Integer(&'a str),
    /// Digits with a point or an exponent.
    Float(&'a str),
    /// The digits after `0x`.
    Blob(&'a str),
    /// 8-4-4-4-12 hexadecimal digits.
    Uuid(&'a str),
    /// Digits with units, as in `1h30m`.
    Duration(&'a str),
    /// Punctuation or an operator.
    Symbol(&'static str),
    /// Nothing is left.
    End,
}

/// A token and where it begins.
#[derive(Clone, Debug)]
pub(crate) struct Token<'a> {
    pub(crate) kind: Kind<'a>,
    pub(crate) offset: usize,
}

/// Longest first, so that `<=` isn't read as `<`.
const SYMBOLS: [&str; 22] = [
    "<=", ">=", "!=", "+=", "-=", "(", ")", "[", "]", "{", "}", ",", ";", ":", ".", "*", "=", "<", ">", "+",
    "-", "?",
];

/// A token takes more memory than its text: a frame of brackets would take a great deal.
const TOKEN_LIMIT: usize = 1 << 20;

/// Splits a statement; the last token is [`Kind::End`].
pub(crate) fn tokenize(text: &str) -> Result<Vec<Token<'_>>, SyntaxError> {
    let mut lexer = Lexer { text, at: 0 };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_blanks()?;
        let offset = lexer.at;
        let kind = lexer.next()?;
        let end = kind == Kind::End;
        if tokens.len() == TOKEN_LIMIT {
            return Err(lexer.error(format!("this node takes statements of at most {TOKEN_LIMIT} tokens")));
        }
        tokens.push(Token { kind, offset });
        if end {
            return Ok(tokens);
        }
    }
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn error(&self, message: impl Into<String>) -> SyntaxError {
        SyntaxError::at(self.text, self.at, message)
    }

    fn skip_blanks(&mut self) -> Result<(), SyntaxError> {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start();
            self.at += rest.len() - trimmed.len();
            if trimmed.starts_with("--") || trimmed.starts_with("//") {
                self.at += trimmed.find('\n').unwrap_or(trimmed.len());
            } else if trimmed.starts_with("/*") {
                let end = trimmed.find("*/").ok_or_else(|| self.error("comment without an end"))?;
                self.at += end + 2;
            } else {
                return Ok(());
            }
        }
    }

    fn next(&mut self) -> Result<Kind<'a>, SyntaxError> {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else { return Ok(Kind::End) };
        if first == '\'' {
            return self.delimited("'").map(Kind::Text);
        }
        if first == '"' {
            return self.delimited("\"").map(Kind::Quoted);
        }
        if let Some(body) = rest.strip_prefix("$$") {
            let end = body.find("$$").ok_or_else(|| self.error("string without its closing $$"))?;
            self.at += end + 4;
            return Ok(Kind::Text(Cow::Borrowed(&body[..end])));
        }
        if first.is_ascii_hexdigit() && is_uuid_at_start(rest) {
            return Ok(Kind::Uuid(self.take(36)));
        }
        if first.is_ascii_digit() {
            return Ok(self.number());
        }
        if first.is_ascii_alphabetic() {
            let len = rest.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
            return Ok(Kind::Word(lowered(self.take(len))));
        }
        match SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)) {
            Some(symbol) => {
                self.at += symbol.len();
                Ok(Kind::Symbol(symbol))
            }
            None => Err(self.error(format!("no viable alternative at character '{first}'"))),
        }
    }

    fn take(&mut self, len: usize) -> &'a str {
        let taken = &self.text[self.at..self.at + len];
        self.at += len;
        taken
    }

    /// Text between two of `quote`, in which a doubled `quote` stands for one.
    fn delimited(&mut self, quote: &str) -> Result<Cow<'a, str>, SyntaxError> {
        let body = &self.rest()[1..];
        let mut end = 0;
        let mut doubled = false;
        loop {
            match body[end..].find(quote) {
                None => return Err(self.error(format!("text without its closing {quote}"))),
                Some(found) if body[end + found + 1..].starts_with(quote) => {
                    doubled = true;
                    end += found + 2;
                }
                Some(found) => {
                    end += found;
                    break;
                }
            }
        }
        self.at += end + 2;
        let inner = &body[..end];
        Ok(if doubled { Cow::Owned(inner.replace(&quote.repeat(2), quote)) } else { Cow::Borrowed(inner) })
    }

    fn number(&mut self) -> Kind<'a> {
        let bytes = self.rest().as_bytes();
        let digits_from = |from: usize| bytes[from..].iter().take_while(|b| b.is_ascii_digit()).count();
        if bytes[0] == b'0' && bytes.get(1).is_some_and(|b| b | 0x20 == b'x') {
            let len = bytes[2..].iter().take_while(|b| b.is_ascii_hexdigit()).count();
            return Kind::Blob(&self.take(2 + len)[2..]);
        }
        let whole = digits_from(0);
        let mut len = whole;
        if bytes.get(len) == Some(&b'.') {
            len += 1 + digits_from(len + 1);
        }
        if bytes.get(len).is_some_and(|b| b | 0x20 == b'e') {
            let sign = usize::from(bytes.get(len + 1).is_some_and(|b| *b == b'-' || *b == b'+'));
            let exponent = digits_from(len + 1 + sign);
            if exponent > 0 {
                len += 1 + sign + exponent;
            }
        }
        if len > whole {
            return Kind::Float(self.take(len));
        }
        if bytes.get(whole).is_some_and(u8::is_ascii_alphabetic) {
            let len = bytes.iter().take_while(|b| b.is_ascii_alphanumeric()).count();
            return Kind::Duration(self.take(len));
        }
        Kind::Integer(self.take(whole))
    }
}

fn lowered(word: &str) -> Cow<'_, str> {
    if word.bytes().any(|b| b.is_ascii_uppercase()) {
        Cow::Owned(word.to_ascii_lowercase())
    } else {
        Cow::Borrowed(word)
    }
}

fn is_uuid_at_start(rest: &str) -> bool {
    let bytes = rest.as_bytes();
    let shaped = bytes.len() >= 36
        && bytes[..36].iter().enumerate().all(|(i, b)| match i {
            8 | 13 | 18 | 23 => *b == b'-',
            _ => b.is_ascii_hexdigit(),
        });
    shaped && !bytes.get(36).is_some_and(|b| b.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<Kind<'_>> {
        tokenize(text).unwrap().into_iter().map(|token| token.kind).collect()
    }

    #[test]
    fn each_kind_is_told_apart() {
        assert_eq!(
            kinds("SELECT \"A\"\"b\", 'it''s' <= -12 1.5e-3 0xCAfe 1h30m ? -- x\n /* y */ $$a'b$$;"),
            vec![
                Kind::Word("select".into()),
                Kind::Quoted("A\"b".into()),
                Kind::Symbol(","),
                Kind::Text("it's".into()),
                Kind::Symbol("<="),
                Kind::Symbol("-"),
                Kind::Integer("12"),
                Kind::Float("1.5e-3"),
                Kind::Blob("CAfe"),
                Kind::Duration("1h30m"),
                Kind::Symbol("?"),
                Kind::Text("a'b".into()),
                Kind::Symbol(";"),
                Kind::End,
            ]
        );
    }

    #[test]
    fn a_uuid_that_begins_with_a_letter_is_no_name() {
        let text = "f47ac10b-58cc-4372-a567-0e02b2c3d479";
        assert_eq!(kinds(text), vec![Kind::Uuid(text), Kind::End]);
        assert_eq!(kinds("1e5"), vec![Kind::Float("1e5"), Kind::End]);
    }

    #[test]
    fn what_never_ends_is_an_error() {
        for text in ["'abc", "\"abc", "$$abc", "/* abc", "a # b"] {
            assert!(tokenize(text).is_err(), "{text}");
        }
    }
}
