//! Requests (section 4.1), to be written by a driver and read by a node.
//!
//! What runs once per request of a user ([`ParametersHead`], [`put_execute_head`], [`BatchHead`]) can be written in
//! place around values that are encoded already.

mod batch;
mod parameters;
mod query;
mod startup;

pub use batch::{Batch, BatchHead, BatchKind, BatchOptions, BatchQuery, BatchStatement};
pub use parameters::{ParameterOptions, Parameters, ParametersHead, ValueIter, Values};
pub use query::{Execute, Prepare, Query, put_execute_head};
pub use startup::{AuthResponse, Register, Startup};

use super::wire::{BytesMap, Reader, put_bytes_map};
use super::{DecodeError, EncodeError, Flags, Opcode, Version};

/// Any request.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Request<'a> {
    /// Section 4.1.1.
    Startup(Startup<'a>),
    /// Section 4.1.3: asks for SUPPORTED; its body is empty.
    Options,
    /// Section 4.1.2.
    AuthResponse(AuthResponse<'a>),
    /// Section 4.1.8.
    Register(Register<'a>),
    /// Section 4.1.4.
    Query(Query<'a>),
    /// Section 4.1.5.
    Prepare(Prepare<'a>),
    /// Section 4.1.6.
    Execute(Execute<'a>),
    /// Section 4.1.7.
    Batch(Batch<'a>),
}

impl<'a> Request<'a> {
    /// Reads the body of a request, which begins after a custom payload ([`split_payload`]) if there is one.
    ///
    /// # Errors
    /// [`DecodeError::Unknown`] if `opcode` isn't that of a request; else what is wrong with the body.
    pub fn decode(version: Version, opcode: u8, body: &'a [u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new(body);
        match Opcode::from_byte(opcode) {
            Some(Opcode::Startup) => Startup::read(&mut r).map(Self::Startup),
            Some(Opcode::Options) => Ok(Self::Options),
            Some(Opcode::AuthResponse) => AuthResponse::read(&mut r).map(Self::AuthResponse),
            Some(Opcode::Register) => Register::read(&mut r).map(Self::Register),
            Some(Opcode::Query) => Query::read(&mut r, version).map(Self::Query),
            Some(Opcode::Prepare) => Prepare::read(&mut r, version).map(Self::Prepare),
            Some(Opcode::Execute) => Execute::read(&mut r, version).map(Self::Execute),
            Some(Opcode::Batch) => Batch::read(&mut r, version).map(Self::Batch),
            _ => Err(DecodeError::Unknown { what: "opcode of a request", code: opcode.into() }),
        }
    }

    /// Its opcode.
    pub const fn opcode(&self) -> Opcode {
        match self {
            Self::Startup(_) => Opcode::Startup,
            Self::Options => Opcode::Options,
            Self::AuthResponse(_) => Opcode::AuthResponse,
            Self::Register(_) => Opcode::Register,
            Self::Query(_) => Opcode::Query,
            Self::Prepare(_) => Opcode::Prepare,
            Self::Execute(_) => Opcode::Execute,
            Self::Batch(_) => Opcode::Batch,
        }
    }

    /// Appends its body.
    pub fn put(&self, version: Version, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        match self {
            Self::Startup(request) => request.put(version, out),
            Self::Options => Ok(()),
            Self::AuthResponse(request) => request.put(version, out),
            Self::Register(request) => request.put(version, out),
            Self::Query(request) => request.put(version, out),
            Self::Prepare(request) => request.put(version, out),
            Self::Execute(request) => request.put(version, out),
            Self::Batch(request) => request.put(version, out),
        }
    }
}

/// Splits the body of a request's envelope into its custom payload (empty without [`Flags::CUSTOM_PAYLOAD`]; section
/// 2.2, v4 and later) and the body that [`Request::decode`] reads.
pub fn split_payload(
    version: Version,
    flags: Flags,
    body: &[u8],
) -> Result<(BytesMap<'_>, &[u8]), DecodeError> {
    let mut r = Reader::new(body);
    let mut payload = BytesMap::new();
    if version >= Version::V4 && flags.contains(Flags::CUSTOM_PAYLOAD) {
        payload = r.about("custom payload").bytes_map()?;
    }
    Ok((payload, r.rest()))
}

/// Appends a custom payload, which comes before the body of a request; the envelope then needs
/// [`Flags::CUSTOM_PAYLOAD`].
///
/// # Errors
/// [`EncodeError::NotInVersion`] before v4.
pub fn put_payload(
    out: &mut Vec<u8>,
    version: Version,
    payload: &[(&str, Option<&[u8]>)],
) -> Result<(), EncodeError> {
    require(version, Version::V4, "a custom payload")?;
    put_bytes_map(out, payload)
}

fn require(version: Version, since: Version, what: &'static str) -> Result<(), EncodeError> {
    if version < since { Err(EncodeError::NotInVersion { what, version, since }) } else { Ok(()) }
}
