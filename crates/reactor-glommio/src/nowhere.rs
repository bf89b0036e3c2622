//! Where no executor is.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use helenus_core::Time;
use helenus_core::reactor::{ConnId, OpenOptions};
use helenus_reactor_common::tasks::{Hub, Runtime};
use helenus_reactor_common::{Clock, Net};

#[cfg(not(target_os = "linux"))]
const WHY: &str = "glommio runs on Linux only; take another reactor, such as reactor-mio";
#[cfg(target_os = "linux")]
const WHY: &str = "there is no glommio executor here; spawn the driver on one by glommio::spawn_local, or take Glommio::cores()";

/// Refuses every connection, so that the requests learn why.
pub(crate) struct Nowhere(Clock);

pub(crate) struct NoSockets;

#[cfg(not(target_os = "linux"))]
pub(crate) fn launch(
    _seeds: Vec<helenus_core::reactor::Seed>,
) -> Result<helenus_core::reactor::Running, helenus_core::reactor::LaunchError> {
    Err(helenus_core::reactor::LaunchError::Unsupported { needs: WHY.into() })
}

impl Runtime for Nowhere {
    type Net = NoSockets;

    fn enter(_hub: &Arc<Hub>) -> (Self, NoSockets) {
        (Self(Clock::start()), NoSockets)
    }

    fn is_lacking(&self) -> bool {
        true
    }

    fn now(&self) -> Time {
        self.0.now()
    }

    fn poll_deadline(&mut self, _deadline: Option<Time>, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

impl Net for NoSockets {
    type Socket = Infallible;

    fn open(
        &mut self,
        _conn: ConnId,
        _address: SocketAddr,
        _options: &OpenOptions,
    ) -> io::Result<Infallible> {
        Err(io::Error::new(io::ErrorKind::Unsupported, WHY))
    }

    fn opened(&mut self, socket: &mut Infallible) -> io::Result<bool> {
        match *socket {}
    }

    fn read(&mut self, socket: &mut Infallible, _room: &mut [u8]) -> io::Result<usize> {
        match *socket {}
    }

    fn write(&mut self, socket: &mut Infallible, _bytes: &[u8]) -> io::Result<usize> {
        match *socket {}
    }

    fn close(&mut self, socket: Infallible) {
        match socket {}
    }
}
