//! Single tokens.

use super::super::SyntaxError;
use super::super::token::Kind;
use super::{Parsed, Parser};

impl<'a> Parser<'a> {
    pub(super) fn peek(&self) -> &Kind<'a> {
        self.look(0)
    }

    pub(super) fn look(&self, ahead: usize) -> &Kind<'a> {
        // The last token is `End`, and there is always one.
        &self.tokens[(self.at + ahead).min(self.tokens.len() - 1)].kind
    }

    pub(super) fn advance(&mut self) {
        self.at += 1;
    }

    pub(super) fn is_word(&self, ahead: usize, word: &str) -> bool {
        matches!(self.look(ahead), Kind::Word(found) if found == word)
    }

    pub(super) fn is_symbol(&self, ahead: usize, symbol: &str) -> bool {
        matches!(self.look(ahead), Kind::Symbol(found) if *found == symbol)
    }

    /// Whether a name may be there.
    pub(super) fn is_name(&self, ahead: usize) -> bool {
        matches!(self.look(ahead), Kind::Word(_) | Kind::Quoted(_))
    }

    pub(super) fn word(&mut self, word: &str) -> bool {
        let found = self.is_word(0, word);
        self.at += usize::from(found);
        found
    }

    pub(super) fn symbol(&mut self, symbol: &str) -> bool {
        let found = self.is_symbol(0, symbol);
        self.at += usize::from(found);
        found
    }

    pub(super) fn expect_word(&mut self, word: &str) -> Parsed<()> {
        if self.word(word) { Ok(()) } else { Err(self.unexpected(&word.to_ascii_uppercase())) }
    }

    pub(super) fn expect_symbol(&mut self, symbol: &str) -> Parsed<()> {
        if self.symbol(symbol) { Ok(()) } else { Err(self.unexpected(&format!("'{symbol}'"))) }
    }

    pub(super) fn unexpected(&self, expected: &str) -> SyntaxError {
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

    /// Of what is CQL, but none that this node takes.
    pub(super) fn refused(&self, message: impl Into<String>) -> SyntaxError {
        SyntaxError { is_cql: true, ..self.error(message) }
    }

    pub(super) fn error(&self, message: impl Into<String>) -> SyntaxError {
        let last = self.tokens.len() - 1;
        SyntaxError::at(self.text, self.tokens[self.at.min(last)].offset, message)
    }
}
