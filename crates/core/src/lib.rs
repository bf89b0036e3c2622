//! The core of helenus, a driver for Apache Cassandra: the CQL native protocol, and the whole driver as one state machine
//! without I/O.
//!
//! - [`protocol`] is the codec for the native protocol v3, v4 and v5, [`value`] the one for what cells contain.
//! - [`machine`] is the driver: bytes and time go in, bytes and wishes come out. [`reactor`] is the seam to what runs it.
//! - [`Inbox`] and [`call`] are how users' threads hand it requests and hear of their end.
//!
//! Nothing here opens a socket, starts a thread, reads a clock, a random number or the environment: all of that comes in by
//! arguments. Programs use the crate `helenus`; this one is for those who write reactors.

pub mod call;
mod inbox;
pub mod machine;
#[cfg(all(test, helenus_loom))]
mod models;
pub mod protocol;
pub mod reactor;
mod statement;
#[cfg(not(helenus_loom))]
mod sync;
#[cfg(helenus_loom)]
pub mod sync;
mod syntax;
mod time;
#[cfg(feature = "tls")]
pub mod tls;
mod token;
pub mod value;

pub use inbox::{Inbox, Limits, Place, Refused, Rejected};
pub use statement::{Newer, Opening, PreparedStatement, SeenMetadata};
pub use syntax::SyntaxError;
pub use time::Time;
pub use token::{RoutingKey, RoutingKeyError, Token};
