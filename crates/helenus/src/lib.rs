//! helenus is a driver for Apache Cassandra (CQL native protocol v3 to v5) whose core belongs to no event loop.
//!
//! The driver is one state machine without I/O; a *reactor*, chosen by value, runs it: `mio` on threads of its own or on the
//! caller's thread, `tokio` as a task of the program's own runtime, or one that you write ([`reactor`]).
//!
//! ```no_run
//! use helenus::Session;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let session = Session::builder().contact_point("127.0.0.1").connect().wait()?;
//! let insert = session.prepare("INSERT INTO ks.users (id, name) VALUES (?, ?)").wait()?;
//! session.execute(&insert, (7_i64, "Ada")).wait()?;
//! let response = session.query("SELECT id, name FROM ks.users", ()).wait()?;
//! for row in response.rows::<(i64, &str)>()? {
//!     let (id, name) = row?;
//!     println!("{id} {name}");
//! }
//! session.close().wait()?;
//! # Ok(())
//! # }
//! ```
//!
//! Every operation is a [`Request`]: inert until it is awaited, waited for ([`Request::wait`]), submitted
//! ([`Request::submit`]) or given a callback ([`Request::on_complete`]). All four behave alike on every reactor.

mod batch;
mod builder;
mod cache;
mod caller;
mod closing;
mod concurrent;
mod connecting;
mod draft;
mod error;
mod fork;
mod notes;
mod pages;
mod paging;
mod pending;
mod prepared;
pub mod reactor;
mod request;
mod response;
mod session;
mod settings;
mod siphash;
mod statement;
mod stream;
mod sync;
mod thread;
mod timestamps;
#[cfg(feature = "tls")]
pub mod tls;
mod trace;

pub use batch::{Batch, BatchStatement};
pub use builder::SessionBuilder;
pub use closing::Closing;
pub use concurrent::{Completions, Ordered};
pub use connecting::Connecting;
pub use error::{ConnectError, Error, ShapeError};
pub use notes::Notes;
pub use pages::{BlockingPages, PageStream};
pub use paging::{PagingState, PagingStateError};
pub use pending::Pending;
pub use prepared::Prepared;
pub use request::{Context, FromAnswer, Request};
pub use response::{Existing, Response, ResponseKind};
pub use session::{Metrics, Session, WhenFull};
pub use settings::Profile;
pub use statement::Statement;
pub use stream::{BlockingRows, RowStream};
pub use timestamps::{MonotonicTimestamps, TimestampSource};
pub use trace::{FetchTrace, Trace, TraceEvent};

pub use helenus_core::call::{ClosedBecause, Fate, NodeFailure, ReprepareFailure, RequestError};
pub use helenus_core::machine::{
    AuthError, AuthExchange, AuthReply, AuthServer, Authenticator, CompressionFallback, CompressionLack,
    ConnectionError, ContactPointError, Counters, Credentials,
};
pub use helenus_core::protocol::response::{Change, SchemaChange, SchemaTarget};
pub use helenus_core::protocol::{
    ColumnSpec, ColumnType, Compression, CompressionError, Consistency, DecodeError as ProtocolError,
    ErrorKind, SerialConsistency, ServerError, UdtType, Version,
};
pub use helenus_core::{SyntaxError, value};
#[cfg(feature = "derive")]
pub use helenus_derive::{DecodeRow, DecodeValue, EncodeValue, EncodeValues};
