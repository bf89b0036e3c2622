//! TLS by rustls, without I/O: a [`Layer`] lies between the bytes of a connection and what it says.
//!
//! The machine has one per connection, so every reactor has TLS and none knows of it. Everything that would ask the world comes
//! with the [`TlsConfig`]: certificates, the provider of cryptography with its randomness, the clock.

mod config;
mod error;
mod layer;

pub use config::{NodeAt, TlsConfig};
pub use error::TlsError;
pub use layer::{Layer, PLAIN_BYTES_MAX};
pub use rustls;
