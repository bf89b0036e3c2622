//! What stands for TLS in a build without it: a layer that no connection has, so that the rest of the machine is the same.

use std::net::SocketAddr;

use super::{Config, ConnectionError};
use crate::reactor::Block;

pub(crate) const PLAIN_BYTES_MAX: usize = 0;

/// There is none.
#[derive(Debug)]
pub(crate) enum Layer {}

pub(crate) fn layer_for(_: &Config, _: &str, _: SocketAddr) -> Result<Option<Box<Layer>>, ConnectionError> {
    Ok(None)
}

/// Gives the layer's methods, none of which is ever called.
macro_rules! never {
    ($(fn $name:ident($($argument:ty),*) $(-> $result:ty)?;)*) => {
        impl Layer {
            $(pub(crate) fn $name(&self, $(_: $argument),*) $(-> $result)? {
                match *self {}
            })*
        }
    };
}

impl Layer {
    /// As the layer's own has it, for it is given as a function.
    pub(crate) fn resume(&mut self, _: &mut Vec<u8>) -> Result<(), ConnectionError> {
        match *self {}
    }
}

never! {
    fn is_secure() -> bool;
    fn has_ended() -> bool;
    fn end_of_stream() -> Option<ConnectionError>;
    fn is_resumed() -> bool;
    fn front() -> usize;
    fn receive(&mut [u8], &mut Vec<u8>) -> Result<(), ConnectionError>;
    fn postpone(&[u8]) -> Result<bool, ConnectionError>;
    fn is_postponed() -> bool;
    fn encrypt(&[u8]) -> Result<(), ConnectionError>;
    fn may_encrypt() -> bool;
    fn is_lent() -> bool;
    fn close() -> Result<(), ConnectionError>;
    fn pending() -> &[u8];
    fn accepted(usize);
    fn wants_memory() -> bool;
    fn lend_memory(Vec<u8>);
    fn return_memory() -> Vec<u8>;
    fn take_block() -> Option<Block>;
    fn sent() -> bool;
    fn fresh(Option<usize>) -> usize;
}
