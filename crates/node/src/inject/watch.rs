//! What looks at each request while there are rules, or a log.

use std::time::Instant;

use helenus_core::protocol::{Consistency, Opcode, Version};

use super::log::{Log, Seen, joined};
use super::rule::random;
use super::{Action, Rule, RuleId};

/// How many rules there may be at once: each is held against each request.
const RULE_LIMIT: usize = 10_000;

/// Something that came, as far as rules look at it.
pub(crate) struct Asked<'a> {
    pub(crate) node: usize,
    pub(crate) connection: u64,
    /// Whether the handshake is done.
    pub(crate) ready: bool,
    pub(crate) version: Version,
    pub(crate) stream: i16,
    /// `None` for a connection that is opened.
    pub(crate) opcode: Option<Opcode>,
    /// Its statements, as far as the node knows them.
    pub(crate) texts: &'a [&'a str],
    /// That of names without one.
    pub(crate) keyspace: Option<&'a str>,
    pub(crate) consistency: Option<Consistency>,
}

#[derive(Default)]
pub(crate) struct Watch {
    rules: Vec<Active>,
    last_id: u64,
    log: Log,
    /// For garbage.
    seed: u64,
}

struct Active {
    id: RuleId,
    rule: Rule,
    matched: u64,
    hits: u64,
}

impl Watch {
    /// Whether it has anything to do.
    pub(crate) fn is_needed(&self) -> bool {
        !self.rules.is_empty() || self.log.is_on()
    }

    /// What is to be done with it, and takes a note.
    pub(crate) fn look(&mut self, asked: &Asked<'_>) -> Option<Action> {
        let mut action = None;
        for active in &mut self.rules {
            if !active.rule.matches(asked) {
                continue;
            }
            active.matched += 1;
            if active.rule.when.is_due(active.matched) && action.is_none() {
                active.hits += 1;
                action = Some(active.rule.action.clone());
            }
        }
        if let Some(opcode) = asked.opcode.filter(|_| self.log.is_on()) {
            self.log.push(Seen {
                at: Instant::now(),
                node: asked.node,
                connection: asked.connection,
                version: asked.version,
                stream: asked.stream,
                opcode,
                statement: joined(asked.texts),
                consistency: asked.consistency,
                injected: action.is_some(),
            });
        }
        action
    }

    /// `None` if there are too many.
    pub(crate) fn add(&mut self, rule: Rule) -> Option<RuleId> {
        if self.rules.len() >= RULE_LIMIT {
            return None;
        }
        self.last_id += 1;
        let id = RuleId(self.last_id);
        self.rules.push(Active { id, rule, matched: 0, hits: 0 });
        Some(id)
    }

    /// How often it was carried out; `None` if there is no such rule.
    pub(crate) fn remove(&mut self, id: RuleId) -> Option<u64> {
        let at = self.rules.iter().position(|active| active.id == id)?;
        Some(self.rules.remove(at).hits)
    }

    pub(crate) fn hits(&self, id: RuleId) -> Option<u64> {
        self.rules.iter().find(|active| active.id == id).map(|active| active.hits)
    }

    pub(crate) fn clear(&mut self) {
        self.rules.clear();
    }

    pub(crate) fn set_log_limit(&mut self, limit: usize) {
        self.log.set_limit(limit);
    }

    pub(crate) fn log(&self) -> Vec<Seen> {
        self.log.entries()
    }

    pub(crate) fn take_log(&mut self) -> Vec<Seen> {
        self.log.take()
    }

    pub(crate) fn garbage(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| random(&mut self.seed) as u8).collect()
    }
}
