//! The peer's end of a connection, plain or secured.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use rustls::ServerConnection;
use socket2::SockRef;

use crate::tls;

pub(crate) struct Wire {
    stream: TcpStream,
    secured: Option<Box<ServerConnection>>,
}

impl Wire {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self { stream, secured: None }
    }

    /// Shakes hands.
    pub(crate) fn secure(&mut self) -> io::Result<()> {
        let mut server = ServerConnection::new(tls::server()).unwrap();
        while server.is_handshaking() {
            server.complete_io(&mut self.stream)?;
        }
        self.secured = Some(Box::new(server));
        Ok(())
    }

    pub(crate) fn set_nodelay(&self) -> io::Result<()> {
        self.stream.set_nodelay(true)
    }

    pub(crate) fn shut_write(&mut self) -> io::Result<()> {
        self.say_end()?;
        self.stream.shutdown(Shutdown::Write)
    }

    pub(crate) fn shut_read(&self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Read)
    }

    /// Has the coming close be a reset.
    pub(crate) fn reset(&mut self) -> io::Result<()> {
        self.secured = None;
        SockRef::from(&self.stream).set_linger(Some(Duration::ZERO))
    }

    /// Closes as one does.
    pub(crate) fn end(mut self) {
        // Whoever is gone need not be told.
        let _ = self.say_end();
    }

    fn say_end(&mut self) -> io::Result<()> {
        let Some(server) = &mut self.secured else { return Ok(()) };
        server.send_close_notify();
        while server.wants_write() {
            server.write_tls(&mut self.stream)?;
        }
        Ok(())
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.secured {
            None => self.stream.read(buffer),
            Some(server) => rustls::Stream::new(&mut **server, &mut self.stream).read(buffer),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.secured {
            None => self.stream.write(bytes),
            Some(server) => {
                // Not by `rustls::Stream`, which reads too where it could write.
                let count = server.writer().write(bytes)?;
                while server.wants_write() {
                    server.write_tls(&mut self.stream)?;
                }
                Ok(count)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
