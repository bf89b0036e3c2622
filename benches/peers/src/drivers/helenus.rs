//! helenus itself.

use super::Client;
use crate::workload::Op;
use anyhow::{Result, bail};
use std::net::SocketAddr;

/// Who runs the machine.
#[derive(Clone, Copy, Debug)]
pub(super) enum Loop {
    OwnThread,
    Caller,
    CallerWindow,
    Tokio,
}

pub(super) fn connect(kind: Loop, _: SocketAddr, _: Op, _: usize) -> Result<Box<dyn Client>> {
    bail!("helenus ({kind:?}) isn't part of this build yet; choose others by --only")
}
