//! Whether this process is a fork of the one that made a session.
//!
//! A forked child has the session's memory and copies of its descriptors, but not the threads that run it: what it sends is
//! taken by nobody, and if it drove the loop itself it would read the parent's answers. So each session remembers how many
//! forks there were above its process, and everything that begins or waits compares. A system call that asks for the process's
//! number costs 50 ns and more, each time; a counter that the child's C library raises costs a load.
//!
//! The one `unsafe` of this crate is here, for registering that.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use helenus_core::reactor::LaunchError;

static FORKS: AtomicU32 = AtomicU32::new(0);

/// How often this process's line of ancestors forked, as far as it is known. Compare it for equality.
#[inline]
pub(crate) fn generation() -> u32 {
    FORKS.load(Ordering::Relaxed)
}

/// From now on forks are counted.
///
/// # Errors
/// The system refuses the few bytes that it needs for that.
pub(crate) fn watch() -> Result<(), LaunchError> {
    static REGISTERED: OnceLock<i32> = OnceLock::new();
    match *REGISTERED.get_or_init(register) {
        0 => Ok(()),
        code => {
            let source = std::io::Error::from_raw_os_error(code);
            Err(LaunchError::Io { what: "a handler that notices forks", source })
        }
    }
}

#[cfg(unix)]
fn register() -> i32 {
    unsafe extern "C" fn in_child() {
        FORKS.fetch_add(1, Ordering::Relaxed);
    }
    // SAFETY: the handler only adds to an atomic number, which is allowed between `fork` and `exec`, and it is code of this
    // library, which lives as long as the handler's registration does.
    unsafe { libc::pthread_atfork(None, None, Some(in_child)) }
}

#[cfg(not(unix))]
fn register() -> i32 {
    0
}
