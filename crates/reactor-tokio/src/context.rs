//! What the runtime around lacks.

use std::panic::catch_unwind;
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use tokio::net::TcpStream;
use tokio::runtime::Handle;

const NO_RUNTIME: &str = "there is no tokio runtime here; spawn the driver on one, or take Tokio::runtime()";
const NO_TIME: &str = "this tokio runtime has no timers; build it with enable_all() or enable_time()";
const NO_IO: &str = "this tokio runtime has no sockets; build it with enable_all() or enable_io()";

/// Why no machine can run in the present context, and what to do. Tokio can't be asked; it can be tried, and panics.
pub(crate) fn lacks() -> Option<&'static str> {
    if Handle::try_current().is_err() {
        return Some(NO_RUNTIME);
    }
    if catch_unwind(|| drop(tokio::time::sleep(Duration::ZERO))).is_err() {
        return Some(NO_TIME);
    }
    // Should the system refuse the socket, then each connection will tell why.
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).ok()?;
    socket.set_nonblocking(true).ok()?;
    catch_unwind(move || drop(TcpStream::from_std(socket.into()))).is_err().then_some(NO_IO)
}
