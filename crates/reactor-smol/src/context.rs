//! Whether there is what sockets and timers need.

use std::future::Future;
use std::panic::catch_unwind;
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

use async_io::Timer;

const NO_ASYNC_IO: &str = "async-io can't start: it takes a thread and three file descriptors when it is first used; free some, raise the limits \
     (`ulimit -n`, `ulimit -u`), or start it earlier by Smol::start_async_io()";

/// Why no machine can run here, and what to do. Async-io can't be asked; it can be tried, and panics.
pub(crate) fn lacks() -> Option<&'static str> {
    let tried = catch_unwind(|| {
        let timer = pin!(Timer::after(Duration::from_secs(1)));
        // Whether it is over is no matter.
        let _ = timer.poll(&mut Context::from_waker(Waker::noop()));
    });
    tried.is_err().then_some(NO_ASYNC_IO)
}
