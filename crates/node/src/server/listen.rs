//! Addresses for nodes: consecutive ones with one port, as Cassandra's clients expect of a cluster.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use mio::net::TcpListener;

/// How often another free port is tried.
const ATTEMPTS: usize = 64;

/// Listens on `nodes` addresses from `first` on. With port 0 the kernel picks one for the first, and it is tried on the
/// others.
pub(crate) fn listen(first: SocketAddr, nodes: usize) -> io::Result<Vec<TcpListener>> {
    if nodes == 0 {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "a cluster needs at least one node"));
    }
    let mut failure = None;
    for _ in 0..if first.port() == 0 { ATTEMPTS } else { 1 } {
        match listen_all(first, nodes) {
            Ok(listeners) => return Ok(listeners),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => failure = Some(error),
            Err(error) => return Err(error),
        }
    }
    Err(failure.unwrap_or_else(|| io::ErrorKind::AddrInUse.into()))
}

fn listen_all(first: SocketAddr, nodes: usize) -> io::Result<Vec<TcpListener>> {
    let mut listeners = vec![bind(first)?];
    let port = listeners[0].local_addr()?.port();
    for at in 1..nodes {
        listeners.push(bind(SocketAddr::new(nth(first.ip(), at)?, port))?);
    }
    Ok(listeners)
}

pub(crate) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address)
        .map_err(|error| io::Error::new(error.kind(), format!("can't listen on {address}: {error}")))
}

pub(crate) fn nth(first: IpAddr, at: usize) -> io::Result<IpAddr> {
    let next = match first {
        IpAddr::V4(first) => u32::try_from(at).ok().and_then(|at| u32::from(first).checked_add(at)),
        IpAddr::V6(_) => None,
    };
    let message = format!("there is no address {at} after {first}: several nodes need IPv4 addresses");
    let next = next.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, message))?;
    Ok(Ipv4Addr::from(next).into())
}
