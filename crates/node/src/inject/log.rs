use std::collections::VecDeque;
use std::time::Instant;

use helenus_core::protocol::{Consistency, Opcode, Version};

/// A request that came: see [`Node::log`](crate::Node::log).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Seen {
    /// When it was taken up.
    pub at: Instant,
    /// To which node, from 0.
    pub node: usize,
    /// On which connection: they count from 1, over all nodes.
    pub connection: u64,
    /// In which version of the protocol.
    pub version: Version,
    /// On which stream.
    pub stream: i16,
    /// What it was.
    pub opcode: Opcode,
    /// The statement: of EXECUTE the one that was prepared, of BATCH all of them, joined by `; `. `None` if there is none, or if
    /// the node doesn't know it. Longer ones are cut at 4,096 bytes.
    pub statement: Option<String>,
    /// The consistency that was asked for, where there is one.
    pub consistency: Option<Consistency>,
    /// Whether a rule was carried out on it.
    pub injected: bool,
}

/// The last requests, up to a limit.
#[derive(Default)]
pub(super) struct Log {
    entries: VecDeque<Seen>,
    limit: usize,
}

const TEXT_LIMIT_BYTES: usize = 4_096;

impl Log {
    pub(super) fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
        let over = self.entries.len().saturating_sub(limit);
        self.entries.drain(..over);
    }

    pub(super) fn push(&mut self, seen: Seen) {
        if self.entries.len() >= self.limit {
            self.entries.pop_front();
        }
        if self.limit > 0 {
            self.entries.push_back(seen);
        }
    }

    pub(super) fn entries(&self) -> Vec<Seen> {
        self.entries.iter().cloned().collect()
    }

    pub(super) fn take(&mut self) -> Vec<Seen> {
        std::mem::take(&mut self.entries).into()
    }

    pub(super) fn is_on(&self) -> bool {
        self.limit > 0
    }
}

/// The texts of a request as one.
pub(super) fn joined(texts: &[&str]) -> Option<String> {
    if texts.is_empty() {
        return None;
    }
    let mut text = String::new();
    for (at, part) in texts.iter().enumerate() {
        if text.len() > TEXT_LIMIT_BYTES {
            break;
        }
        text.push_str(if at > 0 { "; " } else { "" });
        text.push_str(part);
    }
    let mut end = text.len().min(TEXT_LIMIT_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    Some(text)
}
