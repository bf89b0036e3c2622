//! The envelope of each message: nine bytes of header and a body (section 2; v3 and v4 call it a frame).

use super::{EncodeError, Flags, Opcode, Version};

/// The largest body that the protocol allows (section 2.5), in bytes. Servers accept 16 MiB unless set otherwise.
pub const MAX_BODY: usize = 256 << 20;

/// The header of an envelope (section 2), as it came: nothing in it has been judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The number of the version: the low 7 bits of the first byte.
    pub version: u8,
    /// Whether it is a response: the first byte's highest bit.
    pub response: bool,
    /// Its flags.
    pub flags: Flags,
    /// The stream id: negative for what the server sends unasked.
    pub stream: i16,
    /// The number of the opcode; see [`Opcode::from_byte`].
    pub opcode: u8,
    /// The length of the body in bytes.
    pub length: u32,
}

impl Header {
    /// Its length in bytes, in all versions.
    pub const LEN: usize = 9;

    /// Splits nine bytes into fields. It never fails: whether the fields make sense is for the connection to judge.
    #[inline]
    pub const fn parse(bytes: &[u8; Self::LEN]) -> Self {
        let [version, flags, s0, s1, opcode, l0, l1, l2, l3] = *bytes;
        Self {
            version: version & 0x7F,
            response: version & 0x80 != 0,
            flags: Flags(flags),
            stream: i16::from_be_bytes([s0, s1]),
            opcode,
            length: u32::from_be_bytes([l0, l1, l2, l3]),
        }
    }

    /// Appends the nine bytes.
    #[inline]
    pub fn put(&self, out: &mut Vec<u8>) {
        let version = self.version & 0x7F | if self.response { 0x80 } else { 0 };
        let [s0, s1] = self.stream.to_be_bytes();
        let [l0, l1, l2, l3] = self.length.to_be_bytes();
        out.extend_from_slice(&[version, self.flags.0, s0, s1, self.opcode, l0, l1, l2, l3]);
    }
}

/// Appends a header with stream 0 and length 0 and returns where it begins. Append the body, then call [`finish`].
///
/// The opcode says whether it is a request or a response.
#[inline]
pub fn begin(out: &mut Vec<u8>, version: Version, flags: Flags, opcode: Opcode) -> usize {
    let start = out.len();
    let (version, response) = (version.byte(), opcode.is_response());
    Header { version, response, flags, stream: 0, opcode: opcode.byte(), length: 0 }.put(out);
    start
}

/// Writes the body's length, which is all that follows the header at `start`, into that header.
///
/// # Errors
/// [`EncodeError::Limit`] if the body is longer than [`MAX_BODY`], or if no header begins at `start`.
#[inline]
pub fn finish(out: &mut [u8], start: usize) -> Result<(), EncodeError> {
    let what = "body of an envelope";
    match out.get_mut(start..).and_then(|frame| frame.split_first_chunk_mut::<{ Header::LEN }>()) {
        Some((header, body)) if body.len() <= MAX_BODY => {
            header[5..].copy_from_slice(&(body.len() as u32).to_be_bytes());
            Ok(())
        }
        Some((_, body)) => Err(EncodeError::Limit { what, actual: body.len(), limit: MAX_BODY }),
        None => Err(EncodeError::Limit { what: "start of an envelope", actual: start, limit: out.len() }),
    }
}

/// Sets the flags of the envelope that `frame` begins with; too short a frame stays as it is.
pub fn set_flags(frame: &mut [u8], flags: Flags) {
    if let Some(byte) = frame.get_mut(1) {
        *byte = flags.0;
    }
}

/// Writes the stream id into the header that `frame` begins with; does nothing if `frame` is shorter than a header.
#[inline]
pub fn set_stream(frame: &mut [u8], stream: i16) {
    if let Some(header) = frame.first_chunk_mut::<{ Header::LEN }>() {
        header[2..4].copy_from_slice(&stream.to_be_bytes());
    }
}
