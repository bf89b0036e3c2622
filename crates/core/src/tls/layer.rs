//! The TLS of one connection.
//!
//! Over rustls' unbuffered connection: its records lie in this driver's buffers, and it keeps none itself, so that an idle
//! connection owns its keys and little else.

use std::fmt;
use std::sync::Arc;

use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::ServerName;
use rustls::unbuffered::{
    AppDataRecord, ConnectionState, EncodeError, EncryptError, InsufficientSizeError, UnbufferedStatus,
};
use rustls::{ClientConfig, HandshakeKind};

use super::{NodeAt, TlsConfig, TlsError};
use crate::reactor::Block;

/// At most so much plaintext is encrypted before the kernel took what came of it: a body of any size needs no more
/// ciphertext than this.
pub const PLAIN_BYTES_MAX: usize = 128 << 10;

/// A handshake that is not over may hold so many bytes back: rustls takes messages of 64 KiB.
const HANDSHAKE_BYTES_MAX: usize = 128 << 10;
/// Memory for a cut record is kept up to this once it is whole.
const CUT_KEPT_MAX: usize = 1 << 10;
/// What a record has besides its plaintext is less than that.
const RECORD_OVERHEAD_MAX: usize = 64;
const RECORD_BYTES: usize = 16 << 10;

/// TLS between the bytes of a connection and what it says.
///
/// Ciphertext goes in by [`Layer::receive`], and plaintext by [`Layer::encrypt`]. Ciphertext comes out by [`Layer::pending`] and
/// [`Layer::accepted`] in loops that know when a socket is ready, and by [`Layer::take_block`] and [`Layer::sent`] in those that
/// are told when it has sent.
pub struct Layer {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    /// `None` before the handshake begins: making its keys takes time.
    rustls: Option<UnbufferedClientConnection>,
    /// Ciphertext that rustls has not used up, the beginning of a record.
    cut: Vec<u8>,
    /// Ciphertext for the kernel.
    out: Vec<u8>,
    /// How much of `out` the kernel has.
    written: usize,
    /// Whether a completion loop has a block.
    lent: bool,
    /// Bytes of plaintext in what is under way, while nothing of that is known to have been taken by the kernel.
    fresh: usize,
    /// Whether any record of the peer was understood.
    heard: bool,
    postponed: bool,
    secure: bool,
    ended: bool,
}

impl Layer {
    /// For a connection to this node. Nothing is computed yet.
    pub fn new(config: &TlsConfig, node: &NodeAt<'_>) -> Result<Self, TlsError> {
        Ok(Self {
            config: config.client().clone(),
            name: config.server_name(node)?,
            rustls: None,
            cut: Vec::new(),
            out: Vec::new(),
            written: 0,
            lent: false,
            fresh: 0,
            heard: false,
            postponed: false,
            secure: false,
            ended: false,
        })
    }

    /// Whether the handshake is over, and plaintext may be sent.
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// Whether the peer said that it sends no more.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// What it means that the stream ends here, if TLS has not ended before.
    pub fn end_of_stream(&self) -> Option<TlsError> {
        match (self.ended, self.secure) {
            (true, _) => None,
            (false, true) => Some(TlsError::Truncated),
            (false, false) => Some(TlsError::EndedInHandshake),
        }
    }

    /// Whether the session was resumed; once it is secure.
    pub fn is_resumed(&self) -> bool {
        let kind = self.rustls.as_ref().and_then(|rustls| rustls.handshake_kind());
        kind == Some(HandshakeKind::Resumed)
    }

    /// So much of the buffer for [`Layer::receive`] must be left free at its front.
    pub fn front(&self) -> usize {
        self.cut.len()
    }

    /// Takes the bytes that were read into `buffer` behind its first [`Layer::front`], and appends the plaintext in them to
    /// `plain`, also if it fails after some.
    ///
    /// Each byte is copied once at most, however few of them come at a time.
    pub fn receive(&mut self, buffer: &mut [u8], plain: &mut Vec<u8>) -> Result<(), TlsError> {
        let front = self.cut.len();
        if buffer.len() < 2 * front {
            self.cut.extend_from_slice(&buffer[front..]);
            return self.resume(plain);
        }
        buffer[..front].copy_from_slice(&self.cut);
        self.cut.clear();
        let used = self.advance(buffer, plain, Wish::Nothing)?;
        self.keep(&buffer[used..]);
        self.check_kept()
    }

    /// Keeps the bytes, laid out as for [`Layer::receive`], for [`Layer::resume`]: the handshake is to go on later. Says whether
    /// it was to do so before.
    pub fn postpone(&mut self, buffer: &[u8]) -> Result<bool, TlsError> {
        self.cut.extend_from_slice(buffer.get(self.cut.len()..).unwrap_or_default());
        self.check_kept()?;
        Ok(std::mem::replace(&mut self.postponed, true))
    }

    /// Whether it waits for [`Layer::resume`].
    pub fn is_postponed(&self) -> bool {
        self.postponed
    }

    /// Begins the handshake, so that there are bytes to send, or goes on with what was kept.
    pub fn resume(&mut self, plain: &mut Vec<u8>) -> Result<(), TlsError> {
        self.postponed = false;
        if self.rustls.is_none() {
            let made = UnbufferedClientConnection::new(self.config.clone(), self.name.clone());
            self.rustls = Some(made.map_err(TlsError::Failed)?);
        }
        let mut cut = std::mem::take(&mut self.cut);
        let used = self.advance(&mut cut, plain, Wish::Nothing)?;
        cut.drain(..used);
        if !cut.is_empty() || cut.capacity() <= CUT_KEPT_MAX {
            self.cut = cut;
        }
        self.check_kept()
    }

    /// Encrypts `plain`, at most [`PLAIN_BYTES_MAX`], into the ciphertext to be sent. Only while nothing else is under way, or
    /// [`Layer::fresh`] would not be right: see [`Layer::may_encrypt`].
    pub fn encrypt(&mut self, plain: &[u8]) -> Result<(), TlsError> {
        self.advance_with_cut(Wish::Encrypt(plain))?;
        self.fresh += plain.len();
        Ok(())
    }

    /// Whether all that was encrypted is with the kernel.
    pub fn may_encrypt(&self) -> bool {
        self.secure && !self.lent && self.pending().is_empty()
    }

    /// Whether a completion loop has a block.
    pub fn is_lent(&self) -> bool {
        self.lent
    }

    /// Tells the peer that nothing more will be sent.
    pub fn close(&mut self) -> Result<(), TlsError> {
        if !self.secure {
            return Ok(());
        }
        self.advance_with_cut(Wish::Close)
    }

    /// Ciphertext to be sent.
    #[inline]
    pub fn pending(&self) -> &[u8] {
        &self.out[self.written..]
    }

    /// The kernel took so much of [`Layer::pending`].
    #[inline]
    pub fn accepted(&mut self, count: usize) {
        self.written += count;
        self.fresh = 0;
        if self.written == self.out.len() {
            self.out.clear();
            self.written = 0;
        }
    }

    /// Memory that it keeps for bytes, beside rustls' own for keys.
    pub fn buffered_bytes(&self) -> usize {
        self.cut.capacity() + self.out.capacity()
    }

    /// Whether it has no memory for ciphertext yet.
    pub fn wants_memory(&self) -> bool {
        self.out.capacity() == 0
    }

    /// Memory for ciphertext, empty.
    pub fn lend_memory(&mut self, memory: Vec<u8>) {
        debug_assert!(self.out.is_empty() && memory.is_empty(), "memory in use");
        self.out = memory;
    }

    /// The memory of ciphertext that was all sent.
    pub fn return_memory(&mut self) -> Vec<u8> {
        debug_assert!(self.pending().is_empty(), "ciphertext that was not sent");
        std::mem::take(&mut self.out)
    }

    /// The ciphertext as a block; `None` if there is none, or while another has not come back by [`Layer::sent`].
    pub fn take_block(&mut self) -> Option<Block> {
        if self.lent || self.out.is_empty() {
            return None;
        }
        self.lent = true;
        Some(Block(std::mem::take(&mut self.out)))
    }

    /// The kernel has all of the block. Whether more came meanwhile.
    pub fn sent(&mut self) -> bool {
        self.lent = false;
        self.fresh = 0;
        !self.out.is_empty()
    }

    /// How much of the plaintext that was given to [`Layer::encrypt`] last is certainly not with the peer: all of it or nothing,
    /// for ciphertext that was taken in part may have been taken as far as any record in it. `accepted_bytes` is what the kernel
    /// took of a block that has not come back; if that is not known, it may have been all.
    pub fn fresh(&self, accepted_bytes: Option<usize>) -> usize {
        if self.lent && accepted_bytes != Some(0) { 0 } else { self.fresh }
    }

    /// rustls may hold the beginning of a message that lies in `cut`, so it always gets that.
    fn advance_with_cut(&mut self, wish: Wish<'_>) -> Result<(), TlsError> {
        let (mut cut, mut plain) = (std::mem::take(&mut self.cut), Vec::new());
        let used = self.advance(&mut cut, &mut plain, wish)?;
        debug_assert!(used == 0 && plain.is_empty(), "what can be used was used when it came");
        self.cut = cut;
        Ok(())
    }

    /// Lets rustls do all that it can with `input`, and then grants the wish. How much of `input` it used.
    fn advance(&mut self, input: &mut [u8], plain: &mut Vec<u8>, wish: Wish<'_>) -> Result<usize, TlsError> {
        let Some(rustls) = &mut self.rustls else { return Ok(0) };
        let (mut used, mut granted) = (0, matches!(wish, Wish::Nothing));
        loop {
            let UnbufferedStatus { discard, state, .. } = rustls.process_tls_records(&mut input[used..]);
            match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(record) = traffic.next_record() {
                        let AppDataRecord { payload, .. } = record.map_err(TlsError::Failed)?;
                        plain.extend_from_slice(payload);
                    }
                }
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    append(&mut self.out, RECORD_OVERHEAD_MAX, |out| {
                        data.encode(out).map_err(Refused::of_encode)
                    })
                    .map_err(TlsError::Failed)?;
                }
                // It is behind all that was encrypted before, and before all that will be.
                Ok(ConnectionState::TransmitTlsData(transmit)) => transmit.done(),
                Ok(ConnectionState::PeerClosed) => self.ended = true,
                Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                    match wish {
                        Wish::Nothing => {}
                        Wish::Encrypt(said) => {
                            let overhead = (said.len() / RECORD_BYTES + 1) * RECORD_OVERHEAD_MAX;
                            append(&mut self.out, said.len() + overhead, |out| {
                                traffic.encrypt(said, out).map_err(Refused::of_encrypt)
                            })
                            .map_err(TlsError::Failed)?;
                        }
                        Wish::Close => {
                            append(&mut self.out, RECORD_OVERHEAD_MAX, |out| {
                                traffic.queue_close_notify(out).map_err(Refused::of_encrypt)
                            })
                            .map_err(TlsError::Failed)?;
                        }
                    }
                    granted = true;
                    used += discard;
                    break;
                }
                Ok(_) => {
                    used += discard;
                    break;
                }
                Err(error) => return Err(self.failed(error, &mut input[used..], used > 0)),
            }
            used += discard;
        }
        if !granted {
            return Err(TlsError::Failed(rustls::Error::HandshakeNotComplete));
        }
        self.heard |= used > 0;
        self.secure |= !rustls.is_handshaking();
        // Whatever comes after TLS' end is nobody's.
        Ok(if self.ended { input.len() } else { used })
    }

    /// Takes the alert that rustls has for the peer, and says what is wrong.
    fn failed(&mut self, error: rustls::Error, input: &mut [u8], heard: bool) -> TlsError {
        let first = input[..input.len().min(8)].to_vec();
        if let Some(rustls) = &mut self.rustls {
            if let Ok(ConnectionState::EncodeTlsData(mut data)) = rustls.process_tls_records(input).state {
                // Without it the peer hears less, and nobody else.
                let _ = append(&mut self.out, RECORD_OVERHEAD_MAX, |out| {
                    data.encode(out).map_err(Refused::of_encode)
                });
            }
        }
        match error {
            rustls::Error::InvalidMessage(_) if !self.heard && !heard => TlsError::NotTls { first },
            error => TlsError::of(error, &self.name.to_str()),
        }
    }

    fn keep(&mut self, rest: &[u8]) {
        if rest.is_empty() && self.cut.capacity() > CUT_KEPT_MAX {
            self.cut = Vec::new();
        }
        self.cut.extend_from_slice(rest);
    }

    fn check_kept(&self) -> Result<(), TlsError> {
        if self.cut.len() > HANDSHAKE_BYTES_MAX {
            return Err(TlsError::HandshakeTooLong { bytes_max: HANDSHAKE_BYTES_MAX });
        }
        Ok(())
    }
}

impl fmt::Debug for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, cut, out, written, lent, fresh, secure, ended, .. } = self;
        f.debug_struct("Layer")
            .field("name", name)
            .field("cut", &cut.len())
            .field("out", &(out.len() - written))
            .field("lent", lent)
            .field("fresh", fresh)
            .field("secure", secure)
            .field("ended", ended)
            .finish_non_exhaustive()
    }
}

/// What is to be sent once rustls has nothing else to do.
#[derive(Clone, Copy)]
enum Wish<'a> {
    Nothing,
    Encrypt(&'a [u8]),
    Close,
}

/// Why rustls did not write.
enum Refused {
    TooSmall { wanted: usize },
    For(rustls::Error),
}

impl Refused {
    fn of_encode(error: EncodeError) -> Self {
        match error {
            EncodeError::InsufficientSize(InsufficientSizeError { required_size }) => {
                Self::TooSmall { wanted: required_size }
            }
            EncodeError::AlreadyEncoded => Self::For(rustls::Error::General("encoded twice".into())),
        }
    }

    fn of_encrypt(error: EncryptError) -> Self {
        match error {
            EncryptError::InsufficientSize(InsufficientSizeError { required_size }) => {
                Self::TooSmall { wanted: required_size }
            }
            EncryptError::EncryptExhausted => Self::For(rustls::Error::EncryptError),
        }
    }
}

/// Appends what `put` writes, with `room` for it, or with as much as it then says it wants.
fn append(
    out: &mut Vec<u8>,
    mut room: usize,
    mut put: impl FnMut(&mut [u8]) -> Result<usize, Refused>,
) -> Result<(), rustls::Error> {
    let start = out.len();
    loop {
        out.resize(start + room, 0);
        let outcome = put(&mut out[start..]);
        match outcome {
            Ok(count) => {
                out.truncate(start + count);
                return Ok(());
            }
            Err(Refused::TooSmall { wanted }) if wanted > room => room = wanted,
            Err(refused) => {
                out.truncate(start);
                return Err(match refused {
                    Refused::For(error) => error,
                    Refused::TooSmall { .. } => rustls::Error::EncryptError,
                });
            }
        }
    }
}
