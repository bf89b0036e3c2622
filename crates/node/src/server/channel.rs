//! A socket, with or without TLS.

use std::io::{self, Read, Write};

use mio::net::TcpStream;

pub(super) enum Channel {
    Plain(TcpStream),
    #[cfg(feature = "tls")]
    Tls(Box<tls::Tls>),
}

impl Channel {
    pub(super) fn socket(&mut self) -> &mut TcpStream {
        match self {
            Self::Plain(socket) => socket,
            #[cfg(feature = "tls")]
            Self::Tls(tls) => &mut tls.socket,
        }
    }

    #[inline]
    pub(super) fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(room),
            #[cfg(feature = "tls")]
            Self::Tls(tls) => tls.read(room),
        }
    }

    #[inline]
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(bytes),
            #[cfg(feature = "tls")]
            Self::Tls(tls) => tls.write(bytes),
        }
    }

    /// Sends what was written and is kept; `false` if the socket is full.
    #[inline]
    pub(super) fn flush(&mut self) -> io::Result<bool> {
        match self {
            Self::Plain(_) => Ok(true),
            #[cfg(feature = "tls")]
            Self::Tls(tls) => tls.flush(),
        }
    }

    /// Says that nothing follows.
    pub(super) fn end(&mut self) {
        #[cfg(feature = "tls")]
        if let Self::Tls(tls) = self {
            tls.end();
        }
    }
}

#[cfg(feature = "tls")]
pub(super) mod tls {
    use std::io::{self, Read, Write};
    use std::sync::Arc;

    use mio::net::TcpStream;
    use rustls::{ServerConfig, ServerConnection};

    pub(in super::super) struct Tls {
        pub(super) socket: TcpStream,
        session: ServerConnection,
    }

    impl Tls {
        pub(in super::super) fn new(socket: TcpStream, config: Arc<ServerConfig>) -> io::Result<Self> {
            let session = ServerConnection::new(config).map_err(io::Error::other)?;
            Ok(Self { socket, session })
        }

        /// Reads until `room` is full or the socket is empty, so that a kernel that tells of edges tells of the next bytes.
        pub(super) fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
            let mut count = 0;
            let ended = loop {
                match self.session.reader().read(&mut room[count..]) {
                    Ok(0) => break Ok(()),
                    Ok(more) => count += more,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => match self.receive() {
                        Ok(0) => break Ok(()),
                        Ok(_) => {}
                        Err(error) => break Err(error),
                    },
                    Err(error) => break Err(error),
                }
            };
            // Answers of the handshake, or the alert that says what is wrong with it. If they can't leave now they do when
            // the socket has room.
            let sent = self.flush();
            match ended {
                Err(error) if count == 0 => Err(error),
                _ => sent.map(|_| count),
            }
        }

        /// Zero is the end.
        fn receive(&mut self) -> io::Result<usize> {
            let count = self.session.read_tls(&mut self.socket)?;
            let outcome = self.session.process_new_packets();
            outcome.map(|_| count).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
        }

        pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            match self.session.writer().write(bytes)? {
                0 if self.flush()? => self.session.writer().write(bytes),
                0 => Err(io::ErrorKind::WouldBlock.into()),
                count => Ok(count),
            }
        }

        pub(super) fn flush(&mut self) -> io::Result<bool> {
            while self.session.wants_write() {
                match self.session.write_tls(&mut self.socket) {
                    Ok(_) => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(true)
        }

        pub(super) fn end(&mut self) {
            self.session.send_close_notify();
            // Nobody waits for it.
            let _ = self.flush();
        }
    }
}
