//! A request that is under way.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use helenus_core::Place;
use helenus_core::call::{Call, Command, Fate, Notify, RequestError, Terms, recycle};

use crate::request::{FromAnswer, finish};
use crate::{Error, Session, WhenFull};

/// A request that is under way: a future of its result. Dropping it cancels the request: nobody hears of its end, and its
/// stream id stays taken until the answer comes. [`Pending::detach`] lets it go on.
#[must_use = "dropping it cancels the request"]
pub struct Pending<T: FromAnswer> {
    session: Session,
    state: State,
    context: Option<T::Context>,
}

enum State {
    /// Not accepted yet: not polled, or there was no room.
    Unsent(Vec<u8>, Terms, Option<Place>),
    Sent(Call),
    Failed(Error),
    Done,
}

impl<T: FromAnswer> Pending<T> {
    pub(crate) fn new(
        session: Session,
        sealed: Result<(Vec<u8>, Terms), Error>,
        context: T::Context,
    ) -> Self {
        let state = match sealed {
            Ok((frame, terms)) => State::Unsent(frame, terms, None),
            Err(error) => State::Failed(error),
        };
        Self { session, state, context: Some(context) }
    }

    /// Hands it to the machine. `false`: there is no room, and it is to wait for some.
    pub(crate) fn start(&mut self, notify: Notify) -> bool {
        self.notice_fork();
        let (frame, terms, place) = match std::mem::replace(&mut self.state, State::Done) {
            State::Unsent(frame, terms, place) => (frame, terms, place),
            started => {
                self.state = started;
                return true;
            }
        };
        self.state = match self.session.inbox().submit(Command::Send(frame), terms, notify) {
            Ok(call) => {
                if let Some(place) = place {
                    place.done(self.session.inbox());
                }
                State::Sent(call)
            }
            Err(rejected) => match (rejected.error, rejected.command) {
                (RequestError::Overloaded { .. }, Command::Send(frame)) if self.waits_for_room() => {
                    self.state = State::Unsent(frame, rejected.terms, place);
                    return false;
                }
                (error, _) => State::Failed(error.into()),
            },
        };
        true
    }

    /// In a forked child nobody will ever answer.
    fn notice_fork(&mut self) {
        let fate = match self.state {
            State::Unsent(..) => Fate::NeverSent,
            State::Sent(_) => Fate::Unknown,
            State::Failed(_) | State::Done => return,
        };
        if let Err(error) = self.session.may_use(fate) {
            self.state = State::Failed(error);
        }
    }

    fn waits_for_room(&self) -> bool {
        self.session.0.defaults.when_full == WhenFull::Wait
    }

    /// Starts it with `waker` in place; if there is no room, leaves `waker` to hear of some.
    fn start_or_wait(&mut self, waker: &Waker) {
        if !self.start(Notify::Waker(waker.clone())) {
            if let State::Unsent(_, _, place) = &mut self.state {
                self.session.inbox().wait_for_room(place, waker);
            }
            // Room that came in between woke nobody.
            self.start(Notify::Waker(waker.clone()));
        }
    }

    /// Blocks until it is done.
    ///
    /// # Errors
    /// Those of the request; [`Error::WouldDeadlock`] on a thread that runs the session's machine (the request is then
    /// cancelled).
    pub fn wait(self) -> Result<T, Error> {
        let session = self.session.clone();
        session.block_on(self)?
    }

    /// Lets it go on without anyone who waits for it.
    ///
    /// # Errors
    /// Why it could not even be started: what is wrong with it, or [`RequestError::Overloaded`], for there is nobody to
    /// wait for room.
    pub fn detach(mut self) -> Result<(), Error> {
        let has_room = self.start(Notify::Nobody);
        match std::mem::replace(&mut self.state, State::Done) {
            State::Failed(error) => Err(error),
            _ if has_room => Ok(()),
            _ => Err(self.session.inbox().overloaded().into()),
        }
    }
}

impl<T: FromAnswer> Future for Pending<T> {
    type Output = Result<T, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if let State::Unsent(..) = this.state {
            this.start_or_wait(cx.waker());
            if !matches!(this.state, State::Failed(_)) {
                return Poll::Pending;
            }
        }
        this.notice_fork();
        match &mut this.state {
            State::Sent(call) => {
                let outcome = std::task::ready!(call.poll(cx.waker()));
                // The context is taken with the outcome, which a call gives once.
                let Some(context) = this.context.take() else { return Poll::Pending };
                let result = finish(outcome, call.terms(), context);
                if let State::Sent(call) = std::mem::replace(&mut this.state, State::Done) {
                    recycle(call);
                }
                Poll::Ready(result)
            }
            _ => match std::mem::replace(&mut this.state, State::Done) {
                State::Failed(error) => Poll::Ready(Err(error)),
                _ => panic!("`Pending` was polled after its end"),
            },
        }
    }
}

impl<T: FromAnswer> Drop for Pending<T> {
    fn drop(&mut self) {
        if let State::Sent(call) = &self.state {
            call.cancel();
        }
    }
}

impl<T: FromAnswer> fmt::Debug for Pending<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.state {
            State::Unsent(..) => "Pending(unsent)",
            State::Sent(_) => "Pending(sent)",
            State::Failed(_) => "Pending(failed)",
            State::Done => "Pending(done)",
        })
    }
}
