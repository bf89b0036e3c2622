//! What a node has prepared. As in Cassandra each node has its own, and forgets.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};

use super::plan::Plan;
use crate::null::Canned;
use crate::store::hash::Hasher128;

/// How many statements a node remembers, and how many bytes of their texts; then it forgets the oldest.
const COUNT_LIMIT: usize = 10_000;
const TEXT_LIMIT_BYTES: usize = 16 << 20;

pub(crate) type Id = [u8; 16];

#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) text: String,
    /// Of unqualified names.
    pub(crate) keyspace: Option<String>,
    pub(crate) plan: Plan,
    /// What a node in null mode answers.
    pub(crate) canned: Canned,
}

impl Prepared {
    /// `null`: the node answers without running it, so what it answers is made now.
    pub(crate) fn new(text: String, keyspace: Option<String>, plan: Plan, null: bool) -> Self {
        let canned = if null { Canned::of(&plan) } else { Canned::Nothing };
        Self { text, keyspace, plan, canned }
    }

    /// The same on each node, and for each client.
    pub(crate) fn id(keyspace: Option<&str>, text: &str) -> Id {
        Hasher128::new().part(keyspace.unwrap_or_default().as_bytes()).part(text.as_bytes()).finish()
    }
}

#[derive(Default)]
pub(crate) struct Cache {
    statements: HashMap<Id, Prepared, BuildHasherDefault<FirstBytes>>,
    /// Oldest first.
    order: VecDeque<Id>,
    text_bytes: usize,
}

impl Cache {
    pub(crate) fn find(&self, id: &[u8]) -> Option<&Prepared> {
        self.statements.get(id)
    }

    pub(crate) fn insert(&mut self, id: Id, prepared: Prepared) {
        self.text_bytes += prepared.text.len();
        match self.statements.insert(id, prepared) {
            Some(old) => self.text_bytes -= old.text.len(),
            None => self.order.push_back(id),
        }
        while self.statements.len() > COUNT_LIMIT || self.text_bytes > TEXT_LIMIT_BYTES {
            let Some(oldest) = self.order.pop_front() else { return };
            self.drop_statement(&oldest);
        }
    }

    pub(crate) fn remove(&mut self, id: &Id) {
        self.drop_statement(id);
        self.order.retain(|other| other != id);
    }

    fn drop_statement(&mut self, id: &Id) {
        if let Some(old) = self.statements.remove(id) {
            self.text_bytes -= old.text.len();
        }
    }
}

/// Ids are hashes already: their first bytes will do. Whoever made ids collide would slow a node of his own down.
#[derive(Default)]
struct FirstBytes(u64);

impl Hasher for FirstBytes {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk::<8>() {
            self.0 ^= u64::from_ne_bytes(*first);
        }
    }

    fn write_usize(&mut self, _length: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}
