//! Reactors: what runs the driver. Implement [`Reactor`] to bring an event loop of your own.
//!
//! The contract is on the page of [`helenus_core::reactor`]. A loop that is told what is ready needs to know little of it: the
//! crate `helenus-reactor-common` has the turn as one function, and asks only for sockets. The examples `own_reactor` (a thread with
//! a loop, in 150 lines) and `own_loop` (a loop that the program has anyway) are made like that, and the crate
//! `helenus-conformance` tests any reactor by one line.

pub use helenus_core::Time;
pub use helenus_core::call::Settled;
pub use helenus_core::reactor::*;
#[cfg(feature = "reactor-async-std")]
pub use helenus_reactor_async_std::AsyncStd;
#[cfg(feature = "reactor-glommio")]
pub use helenus_reactor_glommio::Glommio;
#[cfg(feature = "reactor-mio")]
pub use helenus_reactor_mio::Mio;
#[cfg(feature = "reactor-smol")]
pub use helenus_reactor_smol::Smol;
#[cfg(feature = "reactor-tokio")]
pub use helenus_reactor_tokio::Tokio;
#[cfg(feature = "reactor-uring")]
pub use helenus_reactor_uring::Uring;

use crate::ConnectError;

/// A reactor's name, and what a builder takes that chooses none.
type Row = (&'static str, fn() -> Box<dyn Reactor>);

/// The reactors in this build; mio is before all others.
const TABLE: &[Row] = &[
    #[cfg(feature = "reactor-mio")]
    ("mio", || Box::new(Mio::default())),
    #[cfg(feature = "reactor-tokio")]
    ("tokio", || Box::new(Tokio::runtime())),
    #[cfg(feature = "reactor-uring")]
    ("uring", || Box::new(Uring::default())),
    #[cfg(feature = "reactor-glommio")]
    ("glommio", || Box::new(Glommio::default())),
    #[cfg(feature = "reactor-smol")]
    ("smol", || Box::new(Smol::default())),
    #[cfg(feature = "reactor-async-std")]
    ("async-std", || Box::new(AsyncStd::default())),
];

/// The names of the reactors in this build: those of their features, less `reactor-`.
pub const COMPILED: &[&str] = &names();

const fn names() -> [&'static str; TABLE.len()] {
    let mut names = [""; TABLE.len()];
    let mut row = 0;
    while row < TABLE.len() {
        names[row] = TABLE[row].0;
        row += 1;
    }
    names
}

/// Mio if it is in this build, else the only one that is.
pub(crate) fn default() -> Result<Box<dyn Reactor>, ConnectError> {
    match TABLE {
        [("mio", make), ..] | [(_, make)] => Ok(make()),
        _ => Err(ConnectError::NoReactor { compiled: COMPILED }),
    }
}
