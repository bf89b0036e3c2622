//! The CQL native protocol, versions 3, 4 and 5, as a codec without I/O and for both directions: the driver encodes
//! requests and decodes responses, a node decodes requests and encodes responses, with the same code.
//!
//! Section numbers are those of Cassandra's `native_protocol_v4.spec` unless another version is named.
//!
//! Three rules hold everywhere: a length or count is compared with the bytes that are there before anything is
//! allocated; no bytes, however wrong, make it panic; bytes after the end of a known body are ignored (section 1).
//!
//! ```
//! use helenus_core::protocol::request::{Query, Request};
//! use helenus_core::protocol::{Flags, Header, Opcode, Version, envelope};
//!
//! let mut out = Vec::new();
//! let start = envelope::begin(&mut out, Version::V4, Flags::NONE, Opcode::Query);
//! Query::new("SELECT * FROM system.local").put(Version::V4, &mut out)?;
//! envelope::finish(&mut out, start)?;
//! envelope::set_stream(&mut out[start..], 7);
//!
//! let header = Header::parse(out.first_chunk().unwrap());
//! assert_eq!(header.stream, 7);
//! let request = Request::decode(Version::V4, header.opcode, &out[Header::LEN..])?;
//! assert!(matches!(request, Request::Query(query) if query.text == "SELECT * FROM system.local"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod class_name;
mod column_type;
mod compression;
mod consistency;
pub mod envelope;
mod error;
mod opcode;
mod option;
pub mod request;
pub mod response;
pub mod segment;
mod type_name;
mod version;
pub mod wire;

pub use column_type::{ColumnType, UdtType};
pub use compression::{Compression, CompressionError};
pub use consistency::{Consistency, SerialConsistency, UnknownConsistency};
pub use envelope::Header;
pub use error::{DecodeError, EncodeError};
pub use opcode::{Flags, Opcode};
pub use response::{ColumnSpec, ErrorKind, ServerError};
pub use version::Version;
