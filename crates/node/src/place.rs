//! Where a node stands, and which part of the ring is its.

use crate::system::TOKENS_PER_NODE;

/// Data centre, rack and tokens of a node, for [`Builder::places`](crate::Builder::places) and
/// [`Node::add`](crate::Node::add).
///
/// ```
/// use helenus_node::{Node, Place};
///
/// let node = Node::builder()
///     .places([Place::new("east", "a"), Place::new("east", "b"), Place::new("west", "a").tokens([-100, 100])])
///     .start()?;
/// assert_eq!(node.addresses().len(), 3);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub(crate) data_center: String,
    pub(crate) rack: String,
    tokens: Tokens,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Tokens {
    Given(Vec<i64>),
    Spread(usize),
}

impl Default for Place {
    /// Cassandra's names: `datacenter1` and `rack1`.
    fn default() -> Self {
        Self::new("datacenter1", "rack1")
    }
}

impl Place {
    /// A rack in a data centre. The node has 16 tokens, spread evenly.
    pub fn new(data_center: impl Into<String>, rack: impl Into<String>) -> Self {
        let tokens = Tokens::Spread(TOKENS_PER_NODE);
        Self { data_center: data_center.into(), rack: rack.into(), tokens }
    }

    /// The tokens that the node has; no two nodes should share one.
    pub fn tokens(mut self, tokens: impl IntoIterator<Item = i64>) -> Self {
        self.tokens = Tokens::Given(tokens.into_iter().collect());
        self
    }

    /// How many tokens it has, spread evenly.
    pub fn vnodes(mut self, tokens: usize) -> Self {
        self.tokens = Tokens::Spread(tokens);
        self
    }

    pub(crate) fn given_tokens(&self) -> &[i64] {
        match &self.tokens {
            Tokens::Given(tokens) => tokens,
            Tokens::Spread(_) => &[],
        }
    }

    pub(crate) fn spread_tokens(&self) -> usize {
        match self.tokens {
            Tokens::Given(_) => 0,
            Tokens::Spread(tokens) => tokens,
        }
    }
}
