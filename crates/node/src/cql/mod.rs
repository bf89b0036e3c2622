//! The query language: text to a syntax tree. Names aren't looked up here.

mod ast;
mod parser;
mod token;

pub(crate) use ast::*;
pub(crate) use parser::parse;

use std::fmt;

/// Why a statement is none that this node knows, and where.
#[derive(Debug, PartialEq)]
pub(crate) struct SyntaxError {
    line: usize,
    column: usize,
    message: String,
    /// It is CQL, but not of this node, or it contradicts itself.
    pub(crate) is_cql: bool,
}

impl SyntaxError {
    fn at(text: &str, offset: usize, message: impl Into<String>) -> Self {
        let before = &text[..offset.min(text.len())];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Self {
            line: before.matches('\n').count() + 1,
            column: offset - line_start,
            message: message.into(),
            is_cql: false,
        }
    }
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}:{} {}", self.line, self.column, self.message)
    }
}
