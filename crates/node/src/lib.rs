//! A small CQL node for tests, demos and benchmarks: Cassandra's native protocol v3, v4 and v5 over real sockets, a part
//! of CQL, and all data in memory. It is no database: what it holds ends with it.
//!
//! ```
//! let node = helenus_node::Node::builder().nodes(3).start()?;
//! for address in node.addresses() {
//!     println!("a CQL client can connect to {address}");
//! }
//! // Dropping the node stops it.
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! It runs on a thread of its own, so it can be used from any runtime or none, and as many as wanted at once. All nodes
//! of one [`Node`] share one store: whatever is written through one is read through each. As in Cassandra each node knows
//! only the prepared statements that it has been given itself.
//!
//! # What it has
//! - CREATE, ALTER and DROP of keyspaces, tables and types; TRUNCATE, USE; composite partition and clustering keys,
//!   ascending and descending, static columns; all types, collections and user-defined types also element by element.
//! - INSERT, UPDATE, DELETE (of rows, ranges, columns, elements), counters, batches, USING TIMESTAMP and TTL, IF; the last
//!   write wins by its timestamp, as in Cassandra. Time can be a test's own: [`Clock`].
//! - SELECT by keys, IN, slices, token ranges or ALLOW FILTERING; ORDER BY, LIMIT, PER PARTITION LIMIT, DISTINCT, paging;
//!   functions, aggregates, CAST, JSON.
//! - `system`, `system_schema` and `system_virtual_schema`, as far as clients read them.
//! - Compression (LZ4 and Snappy, the features `lz4` and `snappy`, both on by default), TLS (the feature `tls`), PLAIN
//!   authentication, and events of schema, status and topology.
//! - Nodes that stop, start, join, leave and hang ([`Node::stop`] and its like), with data centres, racks and tokens
//!   ([`Place`]).
//! - Faults by rule ([`Node::inject`], [`Script`]), and a log of requests ([`Node::log`]).
//!
//! ```
//! use std::time::Duration;
//!
//! use helenus_node::{Action, ErrorKind, Node, Opcode, Place, Rule, ServerError};
//!
//! let mut node = Node::builder().nodes(3).log_limit(100).start()?;
//! // The first two EXECUTEs are refused, and each heartbeat of node 1 is answered late.
//! let overloaded = ServerError::new(ErrorKind::Overloaded, "injected");
//! let rule = node.inject(Rule::new(Action::Fail(overloaded)).opcode(Opcode::Execute).first(2))?;
//! node.inject(Rule::new(Action::Delay(Duration::from_secs(1))).node(1).opcode(Opcode::Options).ready())?;
//! // ... the client under test does something ...
//! node.stop(2)?;
//! node.restart(2)?;
//! let added = node.add(Place::new("datacenter2", "rack1"))?;
//! node.remove(added)?;
//! assert_eq!(node.hits(rule)?, 0);
//! assert!(node.take_log()?.is_empty());
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # What it hasn't
//! All else is refused by an error that names it: indexes, views, functions and aggregates of one's own, triggers, roles,
//! GROUP BY, LIKE. Consistency levels are taken and mean nothing: there is one store. Nothing is traced.

// How the parts fit together:
//
// - `server` owns sockets, connections and what they have agreed on. It decodes requests and calls `exec::{query, prepare,
//   execute, batch}` with a `Session`: the store, the system tables, which node it is, the connection's version and keyspace,
//   and the time. The answer is the body of a RESULT appended to a buffer, or a `Refusal`, which is an ERROR; changes of the
//   schema are left in `Session::events` for those who registered. Nothing else passes between the two.
// - `cql` makes syntax trees of text, `exec` makes plans of trees and runs them, `store` keeps schema and rows, `types` knows
//   values, `system` makes the tables that a node has of itself.

mod builder;
mod clock;
mod cql;
mod exec;
mod inject;
mod node;
mod null;
mod place;
mod refusal;
mod server;
mod store;
mod system;
mod types;

pub use builder::Builder;
pub use clock::Clock;
pub use helenus_core::protocol::response::{Failures, WriteType};
pub use helenus_core::protocol::{Consistency, ErrorKind, Opcode, ServerError, Version};
pub use inject::{Action, Rule, RuleId, Script, ScriptError, Seen};
pub use node::Node;
pub use place::Place;
pub use server::Announcement;
