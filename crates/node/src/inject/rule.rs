use std::time::Duration;

use helenus_core::protocol::{Opcode, ServerError};

use super::table::is_about;
use super::watch::Asked;

/// What is to happen to which requests: given to [`Node::inject`](crate::Node::inject).
///
/// A rule says what happens, to which requests, and how often. Whatever isn't said matches: all nodes, all connections, all
/// requests, every time. Of several rules that match a request the one that was given first is carried out.
///
/// ```
/// use helenus_node::{Action, ErrorKind, Node, Opcode, Rule, ServerError};
///
/// let node = Node::start()?;
/// let overloaded = ServerError::new(ErrorKind::Overloaded, "try again");
/// let rule = node.inject(Rule::new(Action::Fail(overloaded)).opcode(Opcode::Execute).table("shop.orders").first(3))?;
/// // ... the first three EXECUTEs of statements on shop.orders are refused ...
/// assert_eq!(node.hits(rule)?, 0);
/// node.remove_rule(rule)?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Rule {
    pub(super) action: Action,
    connecting: bool,
    node: Option<usize>,
    connection: Option<u64>,
    opcode: Option<Opcode>,
    ready: bool,
    text: Option<Text>,
    table: Option<String>,
    pub(super) when: When,
}

/// A rule that was given to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RuleId(pub(super) u64);

/// What happens to a request. Whether it is run is said with each: a statement that is run has its effect, whatever the
/// client learns of it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Action {
    /// It is run, and answered so much later. Other answers of the connection don't wait for it.
    Delay(Duration),
    /// It is not run and never answered.
    DropRequest,
    /// It is run and never answered.
    DropAnswer,
    /// It is not run but answered with this error; in a version of the protocol that is too old for it, with the one that
    /// stands for it there.
    Fail(ServerError),
    /// It is run, and answered with this error.
    RunThenFail(ServerError),
    /// It is not run, and the node forgets the statement that it executes: the answer is UNPREPARED. A request that executes no
    /// prepared statement is left alone.
    Unprepared,
    /// It is not run; the connection is closed.
    CloseBefore,
    /// It is run and answered; then the connection is closed.
    CloseAfter,
    /// It is run, but the connection is closed after so many bytes of the answer (its segment, in v5).
    CloseWithin(usize),
    /// It is run, and its answer sent byte by byte, each in a packet of its own as far as the kernel lets it.
    Bytewise,
    /// It is run, and its answer made wrong on the way: in v5 a CRC of its last segment, before, where nothing checks
    /// bytes, the version in its header.
    Corrupt,
    /// It is run, and answered on another stream.
    WrongStream(i16),
    /// It is not run; so many random bytes, always the same, come in place of the answer.
    Garbage(usize),
}

/// How often a rule is carried out, of the requests that it matches.
#[derive(Clone, Copy, Debug)]
pub(super) enum When {
    Always,
    Nth(u64),
    First(u64),
    After(u64),
    Every(u64),
    Probability { share: f64, seed: u64 },
}

#[derive(Clone, Debug)]
enum Text {
    Prefix(String),
    Part(String),
}

impl Rule {
    /// Does this to each request, until more is said.
    pub fn new(action: Action) -> Self {
        Self {
            action,
            connecting: false,
            node: None,
            connection: None,
            opcode: None,
            ready: false,
            text: None,
            table: None,
            when: When::Always,
        }
    }

    /// Instead of requests, connections that are opened: they are closed at once.
    pub fn refuse_connections() -> Self {
        Self { connecting: true, ..Self::new(Action::CloseBefore) }
    }

    /// Instead of requests, connections that are opened: nothing is ever read from them or sent.
    pub fn ignore_connections() -> Self {
        Self { connecting: true, ..Self::new(Action::DropRequest) }
    }

    /// Only on the node with this number, which counts from 0.
    pub fn node(mut self, node: usize) -> Self {
        self.node = Some(node);
        self
    }

    /// Only on the connection with this number: they count from 1, over all nodes. The log tells them
    /// ([`Seen::connection`](crate::Seen::connection)).
    pub fn connection(mut self, connection: u64) -> Self {
        self.connection = Some(connection);
        self
    }

    /// Only requests of this kind. OPTIONS is what many clients send as a heartbeat.
    pub fn opcode(mut self, opcode: Opcode) -> Self {
        self.opcode = Some(opcode);
        self
    }

    /// Only on connections that are through with their handshake: what a client sends to get there is left alone.
    pub fn ready(mut self) -> Self {
        self.ready = true;
        self
    }

    /// Only statements that contain this text, letter by letter: of QUERY and PREPARE, and what EXECUTE and BATCH run.
    pub fn statement(mut self, part: impl Into<String>) -> Self {
        self.text = Some(Text::Part(part.into()));
        self
    }

    /// Only statements that begin with this text.
    pub fn statement_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.text = Some(Text::Prefix(prefix.into()));
        self
    }

    /// Only statements about this table: `table`, or `keyspace.table`, as the schema has it (`Name` needs no quotes here).
    pub fn table(mut self, table: impl Into<String>) -> Self {
        self.table = Some(table.into());
        self
    }

    /// Only the nth that matches, from 1.
    pub fn nth(mut self, n: u64) -> Self {
        self.when = When::Nth(n);
        self
    }

    /// Only the first `n` that match.
    pub fn first(mut self, n: u64) -> Self {
        self.when = When::First(n);
        self
    }

    /// Only those after the first `n` that match.
    pub fn after(mut self, n: u64) -> Self {
        self.when = When::After(n);
        self
    }

    /// Only every nth that matches: the nth, the 2nth and so on.
    pub fn every(mut self, n: u64) -> Self {
        self.when = When::Every(n);
        self
    }

    /// Each with this probability, from 0 to 1. With the same seed the same ones are chosen.
    pub fn probability(mut self, share: f64, seed: u64) -> Self {
        self.when = When::Probability { share, seed };
        self
    }

    /// Whether it is about what was asked, however often.
    pub(super) fn matches(&self, asked: &Asked<'_>) -> bool {
        let texts = |good: &dyn Fn(&str) -> bool| asked.texts.iter().any(|text| good(text));
        let named = |wanted: &str| texts(&|text| is_about(text, asked.keyspace, wanted));
        self.connecting == asked.opcode.is_none()
            && self.node.is_none_or(|node| node == asked.node)
            && self.connection.is_none_or(|connection| connection == asked.connection)
            && (self.opcode.is_none() || self.opcode == asked.opcode)
            && (!self.ready || asked.ready)
            && self.text.as_ref().is_none_or(|wanted| match wanted {
                Text::Prefix(prefix) => texts(&|text| text.trim_start().starts_with(prefix.as_str())),
                Text::Part(part) => texts(&|text| text.contains(part.as_str())),
            })
            && self.table.as_deref().is_none_or(named)
    }
}

impl When {
    /// Whether it is the turn of the request that is the `count`th to match.
    pub(super) fn is_due(&mut self, count: u64) -> bool {
        match self {
            Self::Always => true,
            Self::Nth(n) => count == *n,
            Self::First(n) => count <= *n,
            Self::After(n) => count > *n,
            Self::Every(n) => *n > 0 && count % *n == 0,
            Self::Probability { share, seed } => {
                // 53 bits, as many as a double has.
                let chance = (random(seed) >> 11) as f64 / (1u64 << 53) as f64;
                chance < *share
            }
        }
    }
}

/// SplitMix64: the next number after a seed, which moves on.
pub(super) fn random(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*seed ^ (*seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(rule: Rule) -> Vec<u64> {
        let mut when = rule.when;
        (1..=10).filter(|count| when.is_due(*count)).collect()
    }

    #[test]
    fn counts_are_those_of_matches() {
        let rule = || Rule::new(Action::DropAnswer);
        assert_eq!(due(rule()).len(), 10);
        assert_eq!(due(rule().nth(3)), [3]);
        assert_eq!(due(rule().first(2)), [1, 2]);
        assert_eq!(due(rule().after(8)), [9, 10]);
        assert_eq!(due(rule().every(4)), [4, 8]);
        assert!(due(rule().every(0)).is_empty());
        assert!(due(rule().probability(0.0, 1)).is_empty());
        assert_eq!(due(rule().probability(1.0, 1)).len(), 10);
        let some = due(rule().probability(0.5, 7));
        assert_eq!(some, due(rule().probability(0.5, 7)));
        assert_ne!(some, due(rule().probability(0.5, 8)));
        let mut when = rule().probability(0.2, 1).when;
        let chosen = (0..10_000).filter(|count| when.is_due(*count)).count();
        assert!((1_800..2_200).contains(&chosen), "{chosen}");
    }
}
