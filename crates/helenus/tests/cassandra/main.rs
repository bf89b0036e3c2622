//! The session against a real cluster of three nodes, each test on every reactor but those that ask about the server only.
//!
//! `cargo xtask cassandra up --nodes 3 --tls`, with `HELENUS_CASSANDRA_CA` the authority that it names, then
//! `HELENUS_CASSANDRA=127.0.0.1,127.0.0.2,127.0.0.3 cargo test -p helenus --test cassandra -- --ignored`.
//! `cargo xtask test` does both. Without a cluster the tests are listed as ignored; run all the same they fail.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

#[path = "../common/mod.rs"]
mod common;

mod changes;
mod cluster;
mod errors;
#[cfg(feature = "tls")]
mod secured;
mod statements;
mod stopped;
mod values;
mod writing;

/// Mounts tests that need a real cluster.
macro_rules! on_real_cassandra {
    ($($test:ident),+ $(,)?) => {
        $crate::common::on_each_reactor!(ignored "SKIPPED: needs a real Cassandra: `cargo xtask cassandra up --nodes 3`, then `HELENUS_CASSANDRA=127.0.0.1,127.0.0.2,127.0.0.3 cargo test -p helenus --test cassandra -- --ignored`": $($test),+);
    };
}
pub(crate) use on_real_cassandra;

/// The same on one reactor, for tests of what servers say: they change schemas, which takes a second each time, and reactors
/// do nothing there but move bytes.
macro_rules! on_real_cassandra_once {
    ($($test:ident),+ $(,)?) => {
        $crate::common::on_reactor!(mio_threads MioThreads ignored "SKIPPED: needs a real Cassandra: `cargo xtask cassandra up --nodes 3`, then `HELENUS_CASSANDRA=127.0.0.1,127.0.0.2,127.0.0.3 cargo test -p helenus --test cassandra -- --ignored`": $($test),+);
    };
}
pub(crate) use on_real_cassandra_once;
