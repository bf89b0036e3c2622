//! Just enough of CQL's native protocol, version 4, to know that a node is ready. Written by hand on purpose:
//! the cluster that tests the driver must not be judged by the driver.

use anyhow::{Result, bail};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const STARTUP: u8 = 0x01;
const READY: u8 = 0x02;
const AUTHENTICATE: u8 = 0x03;
const OPTIONS: u8 = 0x05;
const SUPPORTED: u8 = 0x06;
const QUERY: u8 = 0x07;
const RESULT: u8 = 0x08;
const AUTH_RESPONSE: u8 = 0x0F;
const AUTH_SUCCESS: u8 = 0x10;

const TIMEOUT: Duration = Duration::from_secs(3);
const LONGEST_BODY: u32 = 1 << 20;

/// Asks for the options, logs in (with the default password where one is asked for) and reads how many other
/// nodes this one knows. An error says which of it didn't work yet.
pub(super) fn greet(address: SocketAddr, peers: u8) -> Result<()> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    expect(&mut stream, OPTIONS, &[], &[SUPPORTED])?;
    let mut startup = vec![0, 1];
    for text in ["CQL_VERSION", "3.0.0"] {
        startup.extend((text.len() as u16).to_be_bytes());
        startup.extend(text.bytes());
    }
    let (opcode, _) = expect(&mut stream, STARTUP, &startup, &[READY, AUTHENTICATE])?;
    if opcode == AUTHENTICATE {
        let token = b"\0cassandra\0cassandra";
        let body = [&(token.len() as u32).to_be_bytes()[..], token].concat();
        expect(&mut stream, AUTH_RESPONSE, &body, &[AUTH_SUCCESS])?;
    }
    let known = count(&mut stream, "SELECT count(*) FROM system.peers_v2")?;
    if known != i64::from(peers) {
        bail!("it knows {known} other nodes, not {peers}");
    }
    Ok(())
}

/// Runs a query whose answer is one row of one bigint: the last eight bytes of the body.
fn count(stream: &mut TcpStream, query: &str) -> Result<i64> {
    let mut body = (query.len() as u32).to_be_bytes().to_vec();
    body.extend(query.bytes());
    body.extend([0, 1, 0]); // consistency ONE, no flags
    let (_, answer) = expect(stream, QUERY, &body, &[RESULT])?;
    match answer.last_chunk() {
        Some(bytes) => Ok(i64::from_be_bytes(*bytes)),
        None => bail!("a result of {} bytes is too short", answer.len()),
    }
}

/// One request and its answer, which must have one of the opcodes `wanted`.
fn expect(stream: &mut TcpStream, opcode: u8, body: &[u8], wanted: &[u8]) -> Result<(u8, Vec<u8>)> {
    let mut frame = vec![4, 0, 0, 0, opcode];
    frame.extend((body.len() as u32).to_be_bytes());
    frame.extend(body);
    stream.write_all(&frame)?;
    let mut header = [0; 9];
    stream.read_exact(&mut header)?;
    let [version, _, _, _, answered, length @ ..] = header;
    let length = u32::from_be_bytes(length);
    if version != 0x84 || length > LONGEST_BODY {
        bail!("it answers, but not with CQL: {header:02x?}");
    }
    let mut body = vec![0; length as usize];
    stream.read_exact(&mut body)?;
    if !wanted.contains(&answered) {
        bail!("it answers {opcode:#04x} with {answered:#04x}: {}", String::from_utf8_lossy(&body).trim());
    }
    Ok((answered, body))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::thread;

    #[test]
    fn a_node_is_ready_only_when_it_knows_its_peers() {
        assert!(greet(scripted(2), 2).is_ok());
        let error = greet(scripted(1), 2).unwrap_err();
        assert_eq!(error.to_string(), "it knows 1 other nodes, not 2");
    }

    #[test]
    fn a_port_that_talks_something_else_is_not_a_node() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || listener.accept().unwrap().0.write_all(b"HTTP/1.1 400 Bad Request\r\n"));
        assert!(greet(address, 0).unwrap_err().to_string().contains("not with CQL"));
    }

    /// Answers OPTIONS, STARTUP, AUTH_RESPONSE and QUERY, the latter with `peers`.
    fn scripted(peers: i64) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            for opcode in [SUPPORTED, AUTHENTICATE, AUTH_SUCCESS, RESULT] {
                let mut header = [0; 9];
                stream.read_exact(&mut header).unwrap();
                let length = u32::from_be_bytes(header[5..].try_into().unwrap());
                stream.read_exact(&mut vec![0; length as usize]).unwrap();
                let body = peers.to_be_bytes();
                stream.write_all(&[0x84, 0, 0, 0, opcode, 0, 0, 0, 8]).unwrap();
                stream.write_all(&body).unwrap();
            }
        });
        address
    }
}
