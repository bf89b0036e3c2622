//! Connecting without blocking.

use std::io;
use std::net::{SocketAddr, TcpStream};

use helenus_core::reactor::OpenOptions;
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};

/// Begins to connect a non-blocking socket. It becomes writable once [`finish_connect`] can tell how that went.
///
/// # Errors
/// What the system says at once: no descriptor left, no route, an option that it doesn't know.
pub fn start_connect(address: SocketAddr, options: &OpenOptions) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(options.nodelay)?;
    if let Some(idle) = options.keepalive {
        // The kernel counts whole seconds and refuses 0.
        let idle = std::time::Duration::from_secs(idle.as_secs().max(1));
        socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(idle))?;
    }
    match socket.connect(&address.into()) {
        Ok(()) => {}
        Err(error) if is_in_progress(&error) => {}
        Err(error) => return Err(error),
    }
    Ok(socket.into())
}

/// Whether a socket from [`start_connect`] is connected: `Ok(false)` if that is still under way.
///
/// # Errors
/// Why it could not be connected. A socket that met itself is refused: the kernel may pick the very port that it
/// connects to, if that is one of the ephemeral ports of this host and nobody listens on it.
#[cfg(unix)]
pub fn finish_connect(socket: &impl std::os::fd::AsFd) -> io::Result<bool> {
    finish(SockRef::from(socket))
}

/// Whether a socket from [`start_connect`] is connected: `Ok(false)` if that is still under way.
///
/// # Errors
/// Why it could not be connected. A socket that met itself is refused.
#[cfg(windows)]
pub fn finish_connect(socket: &impl std::os::windows::io::AsSocket) -> io::Result<bool> {
    finish(SockRef::from(socket))
}

fn finish(socket: SockRef<'_>) -> io::Result<bool> {
    if let Some(error) = socket.take_error()? {
        return Err(error);
    }
    let peer = match socket.peer_addr() {
        Ok(peer) => peer,
        Err(error) if error.kind() == io::ErrorKind::NotConnected => return Ok(false),
        Err(error) => return Err(error),
    };
    let local = socket.local_addr()?;
    if peer.as_socket() == local.as_socket() {
        return Err(io::Error::new(
            io::ErrorKind::ConnectionRefused,
            "nobody listens: the socket met itself",
        ));
    }
    Ok(true)
}

#[cfg(unix)]
fn is_in_progress(error: &io::Error) -> bool {
    // An interrupted connect goes on by itself, as one that would block does.
    matches!(error.raw_os_error(), Some(libc::EINPROGRESS | libc::EINTR))
}

#[cfg(not(unix))]
fn is_in_progress(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::time::Duration;

    #[test]
    fn options_reach_the_socket() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut options = OpenOptions::default();
        options.keepalive = Some(Duration::from_millis(1));

        let socket = start_connect(listener.local_addr().unwrap(), &options).unwrap();

        let seen = SockRef::from(&socket);
        assert!(seen.tcp_nodelay().unwrap());
        assert!(seen.keepalive().unwrap());
        assert_eq!(
            seen.tcp_keepalive_time().unwrap(),
            Duration::from_secs(1),
            "rounded up, for 0 is refused"
        );
    }

    #[test]
    fn a_socket_that_meets_itself_is_refused() {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
        socket.connect(&socket.local_addr().unwrap()).unwrap();

        let refused = finish_connect(&socket).unwrap_err();

        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    }

    #[test]
    fn a_socket_that_is_not_connected_yet_is_not_an_error() {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();

        assert!(!finish_connect(&socket).unwrap());
    }
}
