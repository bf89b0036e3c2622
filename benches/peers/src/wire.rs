//! As much of native protocol v4 as a floor and a canned answer need (native_protocol_v4.spec).

use anyhow::{Context, Result, bail, ensure};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

pub(crate) const HEADER_BYTES: usize = 9;
/// Nothing that these programs exchange comes near it; a longer length is another protocol.
pub(crate) const MAX_BODY_BYTES: usize = 1 << 20;
pub(crate) const REQUEST: u8 = 0x04;
pub(crate) const RESPONSE: u8 = 0x84;

/// Section 2.4.
pub(crate) mod opcode {
    pub(crate) const ERROR: u8 = 0x00;
    pub(crate) const STARTUP: u8 = 0x01;
    pub(crate) const READY: u8 = 0x02;
    pub(crate) const OPTIONS: u8 = 0x05;
    pub(crate) const SUPPORTED: u8 = 0x06;
    pub(crate) const QUERY: u8 = 0x07;
    pub(crate) const RESULT: u8 = 0x08;
    pub(crate) const PREPARE: u8 = 0x09;
    pub(crate) const EXECUTE: u8 = 0x0A;
    pub(crate) const REGISTER: u8 = 0x0B;
}

/// Section 4.2.5.
pub(crate) mod result_kind {
    pub(crate) const VOID: u32 = 1;
    pub(crate) const ROWS: u32 = 2;
    pub(crate) const PREPARED: u32 = 4;
}

/// Section 4.1.4, the flags of query parameters.
pub(crate) const FLAG_VALUES: u8 = 0x01;
pub(crate) const FLAG_SKIP_METADATA: u8 = 0x02;
pub(crate) const CONSISTENCY_LOCAL_QUORUM: u16 = 0x06;

/// A frame's header, section 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) version: u8,
    pub(crate) stream: u16,
    pub(crate) opcode: u8,
    pub(crate) body_bytes: usize,
}

impl Header {
    pub(crate) fn parse(bytes: &[u8; HEADER_BYTES]) -> Self {
        Self {
            version: bytes[0],
            stream: u16::from_be_bytes([bytes[2], bytes[3]]),
            opcode: bytes[4],
            body_bytes: u32::from_be_bytes([bytes[5], bytes[6], bytes[7], bytes[8]]) as usize,
        }
    }
}

pub(crate) fn frame(version: u8, stream: u16, opcode: u8, body: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(HEADER_BYTES + body.len());
    frame.extend([version, 0]);
    frame.put_short(stream);
    frame.push(opcode);
    frame.put_int(body.len() as u32);
    frame.extend(body);
    frame
}

/// The notations of section 3.
pub(crate) trait Put {
    fn put(&mut self, bytes: &[u8]);

    fn put_short(&mut self, value: u16) {
        self.put(&value.to_be_bytes());
    }

    fn put_int(&mut self, value: u32) {
        self.put(&value.to_be_bytes());
    }

    fn put_string(&mut self, value: &str) {
        self.put_short(value.len() as u16);
        self.put(value.as_bytes());
    }

    fn put_long_string(&mut self, value: &str) {
        self.put_bytes(value.as_bytes());
    }

    fn put_bytes(&mut self, value: &[u8]) {
        self.put_int(value.len() as u32);
        self.put(value);
    }
}

impl Put for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// Takes a body apart; `None` where it ends too early.
pub(crate) struct Take<'a>(pub(crate) &'a [u8]);

impl<'a> Take<'a> {
    pub(crate) fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub(crate) fn short(&mut self) -> Option<u16> {
        self.bytes(2)?.try_into().ok().map(u16::from_be_bytes)
    }

    pub(crate) fn int(&mut self) -> Option<u32> {
        self.bytes(4)?.try_into().ok().map(u32::from_be_bytes)
    }

    pub(crate) fn short_bytes(&mut self) -> Option<&'a [u8]> {
        let count = self.short()?;
        self.bytes(count.into())
    }

    pub(crate) fn long_string(&mut self) -> Option<&'a str> {
        let count = self.int()? as usize;
        std::str::from_utf8(self.bytes(count)?).ok()
    }
}

/// A connection on which one thing happens at a time: enough to get ready.
pub(crate) struct Connection(pub(crate) TcpStream);

impl Connection {
    pub(crate) fn open(server: SocketAddr) -> Result<Self> {
        let socket = TcpStream::connect_timeout(&server, Duration::from_secs(5))
            .with_context(|| format!("no connection to {server}"))?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(Duration::from_secs(10)))?;
        let mut connection = Self(socket);
        let mut body = Vec::new();
        body.put_short(1);
        body.put_string("CQL_VERSION");
        body.put_string("3.0.0");
        let (answer, _) = connection.call(opcode::STARTUP, &body)?;
        ensure!(answer == opcode::READY, "{server} answered STARTUP with opcode {answer:#04x}, not READY");
        Ok(connection)
    }

    /// Sends one request and waits for its answer: its opcode and body.
    pub(crate) fn call(&mut self, opcode: u8, body: &[u8]) -> Result<(u8, Vec<u8>)> {
        self.0.write_all(&frame(REQUEST, 0, opcode, body))?;
        let mut bytes = [0; HEADER_BYTES];
        self.0.read_exact(&mut bytes).context("the server closed instead of answering")?;
        let header = Header::parse(&bytes);
        ensure!(header.version == RESPONSE, "the server speaks version {:#04x}, not v4", header.version);
        ensure!(header.body_bytes <= MAX_BODY_BYTES, "an answer of {} bytes", header.body_bytes);
        let mut answer = vec![0; header.body_bytes];
        self.0.read_exact(&mut answer)?;
        if header.opcode == opcode::ERROR {
            bail!("the server answered with an error: {}", error_text(&answer));
        }
        Ok((header.opcode, answer))
    }

    pub(crate) fn query(&mut self, statement: &str) -> Result<()> {
        let mut body = Vec::new();
        body.put_long_string(statement);
        body.put_short(CONSISTENCY_LOCAL_QUORUM);
        body.push(0);
        self.call(opcode::QUERY, &body).with_context(|| statement.to_owned())?;
        Ok(())
    }

    /// The id under which the server knows the statement.
    pub(crate) fn prepare(&mut self, statement: &str) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        body.put_long_string(statement);
        let (_, answer) = self.call(opcode::PREPARE, &body).with_context(|| statement.to_owned())?;
        let mut take = Take(&answer);
        ensure!(take.int() == Some(result_kind::PREPARED), "the answer to PREPARE isn't of kind Prepared");
        Ok(take.short_bytes().context("the answer to PREPARE is cut")?.to_vec())
    }
}

pub(crate) fn error_text(body: &[u8]) -> String {
    let mut take = Take(body);
    let code = take.int().unwrap_or_default();
    let text = take.short_bytes().map(String::from_utf8_lossy).unwrap_or_default();
    format!("{code:#06x} {text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_survives_the_round_trip() {
        let frame = frame(RESPONSE, 0x1234, opcode::RESULT, &[1, 2, 3]);
        let header = Header::parse(frame[..HEADER_BYTES].try_into().unwrap());
        assert_eq!(header, Header { version: RESPONSE, stream: 0x1234, opcode: 8, body_bytes: 3 });
        assert_eq!(frame[HEADER_BYTES..], [1, 2, 3]);
    }

    #[test]
    fn a_cut_body_is_noticed() {
        assert_eq!(Take(&[0, 5, 1, 2]).short_bytes(), None);
        assert_eq!(Take(&[0, 2, 1, 2]).short_bytes(), Some(&[1, 2][..]));
    }
}
