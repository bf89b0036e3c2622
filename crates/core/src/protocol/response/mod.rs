//! Responses (section 4.2), to be read by a driver and written by a node.
//!
//! Reading a Void result, or rows without metadata, allocates nothing unless there are warnings or a custom payload;
//! [`is_void`] tells the most frequent answer from all others without reading it.

mod error_body;
mod event;
mod metadata;
mod prefix;
mod result;
mod server_error;

pub use event::{Change, Event, NodeChange, SchemaChange, SchemaTarget};
pub use metadata::{ColumnSpec, RowsMetadata};
pub use prefix::Prefix;
pub use result::{Prepared, ResultMessage, Rows, RowsHead};
pub use server_error::{ErrorKind, Failures, ServerError, WriteType};

use super::wire::{Reader, StringMultimap, put_bytes, put_string, put_string_multimap};
use super::{DecodeError, EncodeError, Flags, Header, Opcode, Version};

/// Any response, with what precedes its body.
#[derive(Clone, Debug, PartialEq)]
pub struct Response<'a> {
    /// Tracing id, warnings and custom payload.
    pub prefix: Prefix<'a>,
    /// The response itself.
    pub message: Message<'a>,
}

impl<'a> Response<'a> {
    /// Reads the body of a response; `header` says what it is. Of a compressed body, which the connection has to
    /// decompress before, the flag is ignored.
    ///
    /// # Errors
    /// [`DecodeError::Unknown`] if the opcode isn't that of a response; else what is wrong with the body.
    pub fn decode(version: Version, header: &Header, body: &'a [u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new(body);
        let prefix = Prefix::read(&mut r, version, header.flags)?;
        Ok(Self { prefix, message: Message::read(&mut r, version, header.opcode)? })
    }

    /// Appends prefix and message; the envelope needs [`Prefix::flags`] and [`Message::opcode`].
    pub fn put(&self, version: Version, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        self.prefix.put(version, out)?;
        self.message.put(version, out)
    }
}

/// Whether a response is RESULT Void with nothing before it: the answer to most writes. `false` says only that it has
/// to be read.
#[inline]
pub fn is_void(header: &Header, body: &[u8]) -> bool {
    let prefix = Flags::TRACING | Flags::WARNING | Flags::CUSTOM_PAYLOAD | Flags::COMPRESSION;
    header.opcode == Opcode::Result.byte()
        && header.flags.0 & prefix.0 == 0
        && body.starts_with(&[0, 0, 0, 1])
}

/// The names of STARTUP options, and for each which values the server takes (section 4.2.4).
pub type Supported<'a> = StringMultimap<'a>;

/// A response without what precedes its body.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Message<'a> {
    /// Section 4.2.1.
    Error(ServerError),
    /// Section 4.2.2.
    Ready,
    /// Section 4.2.3.
    Authenticate {
        /// The class name of the server's authenticator.
        authenticator: &'a str,
    },
    /// Section 4.2.4.
    Supported(Supported<'a>),
    /// Section 4.2.5.
    Result(ResultMessage<'a>),
    /// Section 4.2.6.
    Event(Event<'a>),
    /// Section 4.2.7: the mechanism's token.
    AuthChallenge(Option<&'a [u8]>),
    /// Section 4.2.8: the mechanism's last token.
    AuthSuccess(Option<&'a [u8]>),
}

impl<'a> Message<'a> {
    /// Its opcode.
    pub const fn opcode(&self) -> Opcode {
        match self {
            Self::Error(_) => Opcode::Error,
            Self::Ready => Opcode::Ready,
            Self::Authenticate { .. } => Opcode::Authenticate,
            Self::Supported(_) => Opcode::Supported,
            Self::Result(_) => Opcode::Result,
            Self::Event(_) => Opcode::Event,
            Self::AuthChallenge(_) => Opcode::AuthChallenge,
            Self::AuthSuccess(_) => Opcode::AuthSuccess,
        }
    }

    /// Reads the message that follows a [`Prefix`].
    pub fn read(r: &mut Reader<'a>, version: Version, opcode: u8) -> Result<Self, DecodeError> {
        match Opcode::from_byte(opcode) {
            Some(Opcode::Error) => ServerError::read(r, version).map(Self::Error),
            Some(Opcode::Ready) => Ok(Self::Ready),
            Some(Opcode::Authenticate) => {
                Ok(Self::Authenticate { authenticator: r.about("class of the authenticator").string()? })
            }
            Some(Opcode::Supported) => r.about("SUPPORTED options").string_multimap().map(Self::Supported),
            Some(Opcode::Result) => ResultMessage::read(r, version).map(Self::Result),
            Some(Opcode::Event) => Event::read(r).map(Self::Event),
            Some(Opcode::AuthChallenge) => r.about("AUTH_CHALLENGE token").bytes().map(Self::AuthChallenge),
            Some(Opcode::AuthSuccess) => r.about("AUTH_SUCCESS token").bytes().map(Self::AuthSuccess),
            _ => Err(DecodeError::Unknown { what: "opcode of a response", code: opcode.into() }),
        }
    }

    /// Appends the body.
    pub fn put(&self, version: Version, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        match self {
            Self::Error(error) => error.put(version, out),
            Self::Ready => Ok(()),
            Self::Authenticate { authenticator } => put_string(out, authenticator),
            Self::Supported(options) => put_string_multimap(out, options),
            Self::Result(result) => result.put(version, out),
            Self::Event(event) => event.put(version, out),
            Self::AuthChallenge(token) | Self::AuthSuccess(token) => put_bytes(out, *token),
        }
    }
}
