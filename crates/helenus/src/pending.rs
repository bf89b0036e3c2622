//! A request that is under way.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use helenus_core::call::{Call, Fate, Notify, RequestError, Unsent};
use helenus_core::{Place, Refused};

use crate::request::{FromAnswer, Sealed, finish};
use crate::{Error, Session, WhenFull};

/// A request that is under way: a future of its result. Dropping it cancels the request: nobody hears of its end, and its
/// stream id stays taken until the answer comes. [`Pending::detach`] lets it go on.
#[must_use = "dropping it cancels the request"]
pub struct Pending<T: FromAnswer> {
    session: Session,
    state: State<T::Company>,
    context: Option<T::Context>,
}

enum State<C> {
    /// Not accepted yet: not polled, or there was no room.
    Unsent(Unsent, Option<Box<Place>>),
    Sent(Call),
    /// Others want the same.
    Joined(C),
    Failed(Box<Error>),
    Done,
}

impl<T: FromAnswer> Pending<T> {
    #[inline]
    pub(crate) fn new(session: Session, sealed: Sealed, context: T::Context) -> Self {
        let state = match sealed {
            Ok(unsent) => State::Unsent(unsent, None),
            Err(error) => State::Failed(error),
        };
        Self { session, state, context: Some(context) }
    }

    /// Hands it to the machine. `false`: there is no room, and it is to wait for some.
    pub(crate) fn start(&mut self, notify: Notify) -> bool {
        self.start_here(notify)
    }

    #[inline(always)]
    fn start_here(&mut self, notify: Notify) -> bool {
        self.notice_fork();
        let (unsent, place) = match std::mem::replace(&mut self.state, State::Done) {
            State::Unsent(unsent, place) => (unsent, place),
            started => {
                self.state = started;
                return true;
            }
        };
        let joined = match &self.context {
            Some(context) => T::join(&self.session, context, unsent),
            None => Err(unsent),
        };
        let unsent = match joined {
            Ok(company) => {
                self.state = State::Joined(company);
                return true;
            }
            Err(unsent) => unsent,
        };
        let inbox = self.session.inbox();
        match inbox.send(unsent, notify) {
            Ok(call) => {
                self.state = State::Sent(call);
                if let Some(place) = place {
                    self.found_room(*place);
                }
                true
            }
            Err(refused) => self.refused(*refused, place),
        }
    }

    #[cold]
    fn found_room(&self, place: Place) {
        place.done(self.session.inbox());
    }

    #[cold]
    fn refused(&mut self, refused: Refused, place: Option<Box<Place>>) -> bool {
        let waits = matches!(refused.error, RequestError::Overloaded { .. }) && self.waits_for_room();
        self.state = match waits {
            true => State::Unsent(refused.unsent, place),
            false => State::Failed(Box::new(refused.error.into())),
        };
        !waits
    }

    /// In a forked child nobody will ever answer.
    #[inline]
    fn notice_fork(&mut self) {
        if self.session.0.is_forked() {
            self.fail_forked();
        }
    }

    #[cold]
    fn fail_forked(&mut self) {
        let fate = match self.state {
            State::Unsent(..) => Fate::NeverSent,
            State::Sent(_) | State::Joined(_) => Fate::Unknown,
            State::Failed(_) | State::Done => return,
        };
        self.state = State::Failed(Box::new(Error::Forked { fate }));
    }

    fn waits_for_room(&self) -> bool {
        self.session.0.defaults.when_full == WhenFull::Wait
    }

    /// Starts it with `waker` in place; if there is no room, leaves `waker` to hear of some.
    #[inline(always)]
    fn start_or_wait(&mut self, waker: &Waker) {
        if !self.start_here(Notify::Waker(waker.clone())) {
            self.wait_for_room(waker);
        }
    }

    #[cold]
    fn wait_for_room(&mut self, waker: &Waker) {
        if let State::Unsent(_, place) = &mut self.state {
            let mut kept = place.take().map(|place| *place);
            self.session.inbox().wait_for_room(&mut kept, waker);
            *place = kept.map(Box::new);
        }
        // Room that came in between woke nobody.
        self.start(Notify::Waker(waker.clone()));
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
            State::Failed(error) => Err(*error),
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
            if !matches!(this.state, State::Failed(_) | State::Joined(_)) {
                return Poll::Pending;
            }
        }
        this.notice_fork();
        if let State::Joined(company) = &mut this.state {
            match std::task::ready!(T::poll_company(company, cx.waker())) {
                Ok(result) => {
                    this.state = State::Done;
                    return Poll::Ready(result);
                }
                Err(unsent) => {
                    this.state = State::Unsent(unsent, None);
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
            }
        }
        if let State::Sent(call) = &mut this.state {
            std::task::ready!(call.poll_done(cx.waker()));
        }
        match std::mem::replace(&mut this.state, State::Done) {
            State::Sent(call) => match (call.into_done(), this.context.take()) {
                (Ok(done), Some(context)) => Poll::Ready(finish(done, context, &this.session.0)),
                _ => unreachable!("it is done, and its context is taken here alone"),
            },
            State::Failed(error) => Poll::Ready(Err(*error)),
            _ => panic!("`Pending` was polled after its end"),
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
            State::Sent(_) | State::Joined(_) => "Pending(sent)",
            State::Failed(_) => "Pending(failed)",
            State::Done => "Pending(done)",
        })
    }
}
