//! A session to be.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use helenus_core::call::Call;

use crate::builder::submit_connect;
use crate::{ConnectError, Error, Session, SessionBuilder, thread};

/// A session to be: a future of it. Nothing happens before it is polled, waited for or submitted.
///
/// Its first answer is either a session with at least one connection ready, or an error that lists every address tried.
/// Dropping it ends what it has begun.
#[must_use = "nothing is connected before this is awaited or waited for"]
pub struct Connecting(State);

enum State {
    Cold(Box<SessionBuilder>),
    Launched(Session),
    Asked(Session, Call),
    Failed(ConnectError),
    Done,
}

impl Connecting {
    pub(crate) fn cold(builder: SessionBuilder) -> Self {
        Self(State::Cold(Box::new(builder)))
    }

    pub(crate) fn started(session: Session) -> Self {
        Self(State::Launched(session))
    }

    pub(crate) fn failed(error: ConnectError) -> Self {
        Self(State::Failed(error))
    }

    /// Begins to connect now.
    pub fn submit(mut self) -> Self {
        self.begin();
        self
    }

    /// Blocks until there is a session.
    ///
    /// # Errors
    /// [`ConnectError`]; [`ConnectError::WouldDeadlock`] on a thread that runs the machine, and
    /// [`ConnectError::NotDriven`] if nothing runs it.
    pub fn wait(mut self) -> Result<Session, ConnectError> {
        self.begin();
        match &self.0 {
            State::Asked(session, _) => {
                let session = session.clone();
                session.may_block().map_err(refused)?;
                if let Some(caller) = &session.0.caller {
                    return caller.block_on(self).unwrap_or(Err(ConnectError::Forked));
                }
                thread::block_on_driven(self, &session.0.inboxes[0], session.0.patience)
                    .unwrap_or_else(|waited| Err(ConnectError::NotDriven { waited }))
            }
            _ => thread::block_on(self),
        }
    }

    fn begin(&mut self) {
        self.0 = match std::mem::replace(&mut self.0, State::Done) {
            State::Cold(builder) => builder.launch().map_or_else(State::Failed, ask),
            State::Launched(session) => ask(session),
            begun => begun,
        };
    }
}

fn refused(error: Error) -> ConnectError {
    match error {
        Error::Forked { .. } => ConnectError::Forked,
        _ => ConnectError::WouldDeadlock,
    }
}

fn ask(session: Session) -> State {
    match submit_connect(&session) {
        Ok(call) => State::Asked(session, call),
        Err(error) => State::Failed(error),
    }
}

impl Future for Connecting {
    type Output = Result<Session, ConnectError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.begin();
        let outcome = match &mut self.0 {
            State::Asked(session, _) if session.0.is_forked() => {
                return Poll::Ready(Err(ConnectError::Forked));
            }
            State::Asked(_, call) => std::task::ready!(call.poll(cx.waker())),
            _ => match std::mem::replace(&mut self.0, State::Done) {
                State::Failed(error) => return Poll::Ready(Err(error)),
                _ => panic!("`Connecting` was polled after its end"),
            },
        };
        match (outcome, std::mem::replace(&mut self.0, State::Done)) {
            (Ok(_), State::Asked(session, _)) => Poll::Ready(Ok(session)),
            (Err(error), _) => Poll::Ready(Err(ConnectError::Unreachable(error))),
            (Ok(_), _) => unreachable!("the state was `Asked` above"),
        }
    }
}

impl fmt::Debug for Connecting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connecting")
    }
}
