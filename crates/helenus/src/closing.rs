//! The end of a session.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::PoisonError;
use std::task::{Context, Poll};

use helenus_core::call::{Call, Command, Notify, Terms};

use crate::{Error, Session};

/// A session on its way to the end: a future that completes when nothing of it is left. See [`Session::close`].
#[must_use = "nothing is closed before this is awaited or waited for"]
pub struct Closing {
    session: Session,
    begun: bool,
    calls: Vec<Call>,
}

impl Closing {
    pub(crate) fn new(session: Session) -> Self {
        Self { session, begun: false, calls: Vec::new() }
    }

    /// Blocks until nothing is left.
    ///
    /// # Errors
    /// [`Error::WouldDeadlock`] on a thread that runs the session's machine, and [`Error::Forked`] in a child of the process
    /// that connected; nothing is closed then.
    pub fn wait(self) -> Result<(), Error> {
        let session = self.session.clone();
        session.block_on(self)
    }

    fn begin(&mut self) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        let shared = &self.session.0;
        if shared.is_forked() {
            // Nothing of it is this process's.
            return;
        }
        for inbox in &shared.inboxes {
            let close = Command::Close { drain: shared.defaults.drain };
            // An inbox that refuses has no machine any more: closed already.
            self.calls.extend(inbox.submit(close, Terms::default(), Notify::Nobody));
        }
    }
}

impl Future for Closing {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.begin();
        while let Some(call) = self.calls.last_mut() {
            // Closed, or the machine was gone before: either way it is at its end.
            let _ = std::task::ready!(call.poll(cx.waker()));
            self.calls.pop();
        }
        let shared = &self.session.0;
        if shared.is_forked() {
            return Poll::Ready(());
        }
        // Left there for others who close the session, and for whoever tries again after this was dropped.
        let mut running = shared.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(loops) = &mut *running {
            std::task::ready!(Pin::new(loops).poll(cx));
            *running = None;
        }
        drop(running);
        shared.errands.poll(cx)
    }
}

impl fmt::Debug for Closing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Closing").field("begun", &self.begun).finish_non_exhaustive()
    }
}
