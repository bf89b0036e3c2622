//! The same through TLS: positions stay those of the plaintext, and a request counts as sent once the kernel took any byte of
//! the ciphertext that it is in.

use std::io;

use super::{Moved, Outgoing, Spares};
use crate::machine::{ConnectionError, Layer, PLAIN_BYTES_MAX};
use crate::reactor::{Block, Flushed};

impl Outgoing {
    /// Whether what begins at `position` was not encrypted, or is in the `fresh` last bytes that were.
    pub(crate) fn is_unencrypted(&self, position: u64, fresh: usize) -> bool {
        position + fresh as u64 >= self.base + self.written as u64
    }

    /// Whether there is something to be encrypted yet.
    pub(crate) fn has_unencrypted(&self) -> bool {
        !self.is_empty()
    }

    /// As [`Outgoing::flush`], through the layer.
    pub(crate) fn flush_secured(
        &mut self,
        layer: &mut Layer,
        write: &mut dyn FnMut(&[u8]) -> io::Result<usize>,
        spares: &mut Spares,
        moved: &mut Moved,
    ) -> Result<Flushed, ConnectionError> {
        self.announced = false;
        self.seal_all(spares);
        loop {
            if write_pending(layer, write, moved)? == Flushed::Blocked {
                return Ok(Flushed::Blocked);
            }
            if !self.encrypt_next(layer, spares)? {
                spares.put(layer.return_memory());
                return Ok(Flushed::Done);
            }
        }
    }

    /// Writes what the layer has to say and nothing more.
    pub(crate) fn flush_last_words(
        &mut self,
        layer: &mut Layer,
        write: &mut dyn FnMut(&[u8]) -> io::Result<usize>,
        moved: &mut Moved,
    ) -> Result<Flushed, ConnectionError> {
        self.announced = false;
        write_pending(layer, write, moved)
    }

    /// As [`Outgoing::take_block`], through the layer; `last` is for the layer's own words and nothing more.
    pub(crate) fn take_block_secured(
        &mut self,
        layer: &mut Layer,
        last: bool,
        spares: &mut Spares,
    ) -> Result<Option<Block>, ConnectionError> {
        self.announced = false;
        if !last && layer.may_encrypt() {
            self.seal_all(spares);
            self.encrypt_next(layer, spares)?;
        }
        Ok(layer.take_block())
    }

    /// Encrypts what comes next, up to what a connection may have of ciphertext. Whether there was something.
    fn encrypt_next(&mut self, layer: &mut Layer, spares: &mut Spares) -> Result<bool, ConnectionError> {
        if !layer.may_encrypt() || !self.has_unencrypted() {
            return Ok(false);
        }
        let end = self.tail.len().min(self.written + PLAIN_BYTES_MAX);
        if layer.wants_memory() {
            layer.lend_memory(spares.take());
        }
        layer.encrypt(&self.tail[self.written..end])?;
        self.written = end;
        if self.written < self.tail.len() {
            self.compact();
        } else {
            self.base += self.written as u64;
            self.written = 0;
            spares.put(std::mem::take(&mut self.tail));
        }
        Ok(true)
    }
}

/// Writes until the kernel has all ciphertext or takes no more. Counts the bytes and calls in `moved`.
fn write_pending(
    layer: &mut Layer,
    write: &mut dyn FnMut(&[u8]) -> io::Result<usize>,
    moved: &mut Moved,
) -> Result<Flushed, ConnectionError> {
    while !layer.pending().is_empty() {
        match write(layer.pending()) {
            Ok(0) => return Err(ConnectionError::Io(io::ErrorKind::WriteZero.into())),
            Ok(count) => {
                layer.accepted(count);
                moved.bytes += count as u64;
                moved.calls += 1;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Flushed::Blocked),
            Err(error) => return Err(ConnectionError::Io(error)),
        }
    }
    Ok(Flushed::Done)
}
