//! The probe's connections through TLS, by the same layer that the driver has. What is counted and checked is the plaintext.

use std::io;
use std::net::SocketAddr;

use helenus_core::reactor::{Action, Block, ConnId, Filled, Flushed};
use helenus_core::tls::{Layer, NodeAt, PLAIN_BYTES_MAX, TlsError};

use super::{Probe, ROOM, Stream};
use crate::{Transport, tls};

impl Stream {
    /// How much the kernel took, of which `accepted_bytes` are of a block that didn't come back. With TLS that may be said to be
    /// more than it was, up to what is encrypted at once.
    pub(super) fn accepted(&self, accepted_bytes: usize) -> usize {
        match &self.tls {
            None => self.sent + accepted_bytes,
            Some(layer) => self.sent - layer.fresh(Some(accepted_bytes)),
        }
    }

    /// Encrypts what comes next. Whether there was something.
    fn encrypt_next(&mut self, pattern: &[u8]) -> Result<bool, TlsError> {
        let count = self.to_send.min(PLAIN_BYTES_MAX);
        let Some(layer) = self.tls.as_mut().filter(|layer| layer.may_encrypt() && count > 0) else {
            return Ok(false);
        };
        let start = self.sent % super::PATTERN_PERIOD;
        layer.encrypt(&pattern[start..start + count])?;
        self.sent += count;
        self.to_send -= count;
        Ok(true)
    }
}

impl Probe {
    pub(super) fn layer(&self, address: SocketAddr) -> Option<Box<Layer>> {
        if self.transport == Transport::Plain {
            return None;
        }
        let host = address.ip().to_string();
        Some(Box::new(Layer::new(&tls::ends().client, &NodeAt::new(&host, address)).unwrap()))
    }

    pub(super) fn is_secured(&self, conn: ConnId) -> bool {
        self.conns.get(&conn).is_some_and(|stream| stream.tls.is_some())
    }

    /// TCP is there.
    pub(super) fn secure(&mut self, conn: ConnId) {
        self.understand(conn, |layer, plain| layer.resume(plain));
    }

    pub(super) fn bytes_secured(&mut self, conn: ConnId, bytes: &[u8]) {
        let mut room = std::mem::take(&mut self.room);
        self.understand(conn, |layer, plain| {
            let (front, used) = (layer.front(), layer.front() + bytes.len());
            room.resize(room.len().max(used), 0);
            room[front..used].copy_from_slice(bytes);
            layer.receive(&mut room[..used], plain)
        });
        self.room = room;
    }

    pub(super) fn fill_secured(
        &mut self,
        conn: ConnId,
        read: &mut dyn FnMut(&mut [u8]) -> io::Result<usize>,
    ) -> Filled {
        let mut room = std::mem::take(&mut self.room);
        let front = self.conns[&conn].tls.as_ref().map_or(0, |layer| layer.front());
        room.resize(room.len().max(front + ROOM), 0);
        let outcome = read(&mut room[front..front + ROOM]);
        let mut filled = Filled::Drained;
        match outcome {
            Ok(0) => self.broke(conn, io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                self.understand(conn, |layer, plain| layer.receive(&mut room[..front + count], plain));
                if count == ROOM {
                    filled = Filled::More;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => self.broke(conn, error),
        }
        self.room = room;
        filled
    }

    /// Lets the layer take bytes, and does what follows from them.
    fn understand(
        &mut self,
        conn: ConnId,
        take: impl FnOnce(&mut Layer, &mut Vec<u8>) -> Result<(), TlsError>,
    ) {
        let Some(stream) = self.conns.get_mut(&conn) else { return };
        let Some(layer) = &mut stream.tls else { return };
        let was_secure = layer.is_secure();
        let mut plain = std::mem::take(&mut self.plain);
        plain.clear();
        let outcome = take(layer, &mut plain);
        let (became_secure, ended) = (!was_secure && layer.is_secure(), layer.has_ended());
        if stream.announces() {
            self.actions.push_back(Action::Send(conn));
        }
        if became_secure {
            self.log(|log| log.opened.push(conn));
        }
        if !plain.is_empty() {
            self.receive(conn, &plain);
        }
        self.plain = plain;
        match outcome {
            Err(error) => self.broke(conn, io::Error::other(error)),
            Ok(()) if ended => {
                self.give_up(conn);
                self.log(|log| log.ended.push(conn));
            }
            Ok(()) => {}
        }
    }

    fn broke(&mut self, conn: ConnId, error: io::Error) {
        self.give_up(conn);
        self.log(|log| log.broken.push((conn, error)));
    }

    /// Closes a connection while events are being told.
    fn give_up(&mut self, conn: ConnId) {
        if let Some(stream) = self.conns.get(&conn) {
            let accepted = stream.tls.as_ref().map_or(0, |layer| stream.sent - layer.fresh(None));
            self.log(|log| {
                log.accepted.insert(conn, accepted);
            });
        }
        self.doomed.insert(conn);
        self.close(conn);
    }

    pub(super) fn flush_secured(
        &mut self,
        conn: ConnId,
        write: &mut dyn FnMut(&[u8]) -> io::Result<usize>,
    ) -> Flushed {
        let Some(stream) = self.conns.get_mut(&conn) else { return Flushed::Done };
        stream.announced = false;
        let mut writes = 0;
        let outcome = loop {
            let Some(layer) = &mut stream.tls else { break Ok(Flushed::Done) };
            if layer.pending().is_empty() {
                match stream.encrypt_next(&self.bytes) {
                    Ok(true) => continue,
                    Ok(false) => break Ok(Flushed::Done),
                    Err(error) => break Err(io::Error::other(error)),
                }
            }
            writes += 1;
            match write(layer.pending()) {
                Ok(0) => break Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => layer.accepted(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break Ok(Flushed::Blocked),
                Err(error) => break Err(error),
            }
        };
        let accepted = stream.accepted(0);
        self.log(|log| {
            log.writes += writes;
            log.blocked += usize::from(matches!(outcome, Ok(Flushed::Blocked)));
            log.accepted.insert(conn, accepted);
        });
        outcome.unwrap_or_else(|error| {
            self.broke(conn, error);
            Flushed::Done
        })
    }

    pub(super) fn take_block_secured(&mut self, conn: ConnId) -> Option<Block> {
        let stream = self.conns.get_mut(&conn)?;
        stream.announced = false;
        let block = match stream.encrypt_next(&self.bytes) {
            Ok(_) => stream.tls.as_mut()?.take_block()?,
            Err(error) => {
                self.broke(conn, io::Error::other(error));
                return None;
            }
        };
        stream.lent = Some(block.0.len());
        self.log(|log| log.writes += 1);
        Some(block)
    }

    pub(super) fn sent_secured(&mut self, conn: ConnId, block: &Block) {
        let Some(stream) = self.conns.get_mut(&conn) else { return };
        let right = stream.lent.take() == Some(block.0.len());
        if let Some(layer) = &mut stream.tls {
            layer.sent();
        }
        let accepted = stream.accepted(0);
        if stream.announces() {
            self.actions.push_back(Action::Send(conn));
        }
        if !right {
            self.violation(format!("{conn:?}: another block of {} than was lent", block.0.len()));
        }
        self.log(|log| {
            log.accepted.insert(conn, accepted);
        });
    }
}
