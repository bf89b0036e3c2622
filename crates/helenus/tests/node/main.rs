//! The session's API over real sockets, against the embedded node and against servers that misbehave, each test on every
//! reactor.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

#[path = "../common/mod.rs"]
mod common;

mod authentication;
mod broken;
mod callbacks;
mod closing;
#[cfg(all(feature = "lz4", feature = "snappy"))]
mod compression;
mod concurrent;
mod connecting;
mod errors;
mod frames;
mod limits;
mod lookups;
mod paging;
mod prepared;
mod results;
mod statements;
#[cfg(feature = "derive")]
mod typed;
mod versions;
mod waiting;
mod ways;
