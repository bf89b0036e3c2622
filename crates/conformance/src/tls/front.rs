//! Takes TLS off in front of a server that has none.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use rustls::{HandshakeKind, ServerConfig, ServerConnection};

/// A listener that speaks TLS with whoever comes, and hands what they say to a server without TLS. It ends, with its
/// connections, when it is dropped.
pub struct Front {
    address: SocketAddr,
    inside: Arc<Inside>,
    thread: Option<JoinHandle<()>>,
}

/// What a client showed when it shook hands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visit {
    /// The name that it asked for.
    pub server_name: Option<String>,
    /// Whether it showed a certificate.
    pub with_certificate: bool,
    /// Whether it resumed an earlier session.
    pub resumed: bool,
}

struct Inside {
    config: Arc<ServerConfig>,
    behind: SocketAddr,
    /// What is written at once, at most.
    piece: usize,
    over: AtomicBool,
    visits: Mutex<Vec<Visit>>,
    /// Both sides of each connection that lives.
    streams: Mutex<BTreeMap<usize, [TcpStream; 2]>>,
}

impl Front {
    /// In front of `behind`.
    pub fn new(config: Arc<ServerConfig>, behind: SocketAddr) -> Self {
        Self::in_pieces(config, behind, usize::MAX)
    }

    /// One that writes so many bytes at once, at most.
    pub fn in_pieces(config: Arc<ServerConfig>, behind: SocketAddr, piece: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let over = AtomicBool::new(false);
        let (visits, streams) = (Mutex::default(), Mutex::default());
        let inside = Arc::new(Inside { config, behind, piece, over, visits, streams });
        let served = inside.clone();
        let thread = thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                if served.over.load(Ordering::SeqCst) {
                    return;
                }
                let (Ok(stream), served) = (stream, served.clone()) else { continue };
                thread::spawn(move || served.serve(number, stream));
            }
        });
        Self { address, inside, thread: Some(thread) }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Who came, as far as their handshakes were completed.
    pub fn visits(&self) -> Vec<Visit> {
        lock(&self.inside.visits).clone()
    }

    /// Ends all connections as TLS has it; the clients may go on sending.
    pub fn end(&self) {
        for [_, server] in lock(&self.inside.streams).values() {
            let _ = server.shutdown(Shutdown::Both);
        }
    }

    /// Cuts all connections without a word of TLS.
    pub fn cut(&self) {
        for stream in std::mem::take(&mut *lock(&self.inside.streams)).into_values().flatten() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.inside.over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        self.cut();
    }
}

impl Inside {
    /// What goes wrong here ends the connection, and the client's side says what it makes of that.
    fn serve(&self, number: usize, client: TcpStream) {
        let Ok(server) = TcpStream::connect(self.behind) else { return };
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let (Ok(a), Ok(b)) = (client.try_clone(), server.try_clone()) else { return };
        lock(&self.streams).insert(number, [a, b]);
        let tls = Mutex::new(ServerConnection::new(self.config.clone()).unwrap());
        let _ = self.shake_hands(&tls, &client, &server).and_then(|()| {
            thread::scope(|scope| {
                scope.spawn(|| {
                    let _ = self.outwards(&tls, &server, &client);
                    let _ = client.shutdown(Shutdown::Write);
                });
                let inwards = self.inwards(&tls, &client, &server);
                let _ = server.shutdown(Shutdown::Both);
                inwards
            })
        });
        if lock(&self.streams).remove(&number).is_some() {
            let _ = client.shutdown(Shutdown::Both);
        }
    }

    fn shake_hands(
        &self,
        tls: &Mutex<ServerConnection>,
        client: &TcpStream,
        mut server: &TcpStream,
    ) -> io::Result<()> {
        let mut tls = lock(tls);
        let mut buffer = [0; 4096];
        while tls.is_handshaking() {
            // The first request may come with the end of the handshake.
            let outcome = take(&mut tls, &mut &*client, &mut buffer, &mut server);
            self.put(&mut tls, client)?;
            if outcome? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        lock(&self.visits).push(Visit {
            server_name: tls.server_name().map(str::to_owned),
            with_certificate: tls.peer_certificates().is_some(),
            resumed: tls.handshake_kind() == Some(HandshakeKind::Resumed),
        });
        self.put(&mut tls, client)
    }

    fn inwards(
        &self,
        tls: &Mutex<ServerConnection>,
        mut client: &TcpStream,
        mut server: &TcpStream,
    ) -> io::Result<()> {
        let mut buffer = vec![0; 64 << 10];
        let mut plain = Vec::new();
        loop {
            let count = client.read(&mut buffer)?;
            take(&mut lock(tls), &mut &buffer[..count], &mut [0; 4096], &mut plain)?;
            server.write_all(&plain)?;
            plain.clear();
            if count == 0 {
                return Ok(());
            }
        }
    }

    fn outwards(
        &self,
        tls: &Mutex<ServerConnection>,
        mut server: &TcpStream,
        client: &TcpStream,
    ) -> io::Result<()> {
        let mut buffer = vec![0; 16 << 10];
        loop {
            let count = server.read(&mut buffer)?;
            let mut tls = lock(tls);
            match count {
                0 => tls.send_close_notify(),
                _ => tls.writer().write_all(&buffer[..count])?,
            }
            self.put(&mut tls, client)?;
            if count == 0 {
                return Ok(());
            }
        }
    }

    fn put(&self, tls: &mut ServerConnection, mut client: &TcpStream) -> io::Result<()> {
        let mut out = Vec::new();
        while tls.wants_write() {
            tls.write_tls(&mut out)?;
        }
        out.chunks(self.piece).try_for_each(|piece| client.write_all(piece))
    }
}

/// Takes ciphertext until `from` has no more for now, and puts the plaintext into `into`. How much it was.
fn take(
    tls: &mut ServerConnection,
    from: &mut dyn Read,
    buffer: &mut [u8],
    into: &mut dyn Write,
) -> io::Result<usize> {
    let handshaking = tls.is_handshaking();
    let mut total = 0;
    loop {
        let count = tls.read_tls(from)?;
        total += count;
        let state = tls.process_new_packets().map_err(io::Error::other)?;
        let mut left = state.plaintext_bytes_to_read();
        while left > 0 {
            let plain = tls.reader().read(buffer)?;
            into.write_all(&buffer[..plain])?;
            left -= plain;
        }
        if count == 0 || handshaking {
            return Ok(total);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
