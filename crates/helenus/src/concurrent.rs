//! Many requests, so many at a time.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::future::poll_fn;
use std::iter::FusedIterator;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use futures_core::Stream;
use helenus_core::Place;
use helenus_core::call::{Call, Fate, Notify, RequestError, Unsent, Window};

use crate::request::finish;
use crate::{Error, Request, Response, Session};

/// The results of [`Session::execute_concurrent`], as they finish: a stream of pairs of a request's number (from 0) and its
/// result. For threads that may block, `for` iterates over the same.
///
/// Dropping it cancels what is in flight. A request that finds the session full waits for one of its own to finish.
#[must_use = "nothing is sent before it is polled or iterated"]
pub struct Completions<I> {
    session: Session,
    requests: I,
    exhausted: bool,
    limit: usize,
    window: Arc<Window>,
    /// Requests in flight by slot: their numbers, and the handle by which to cancel them.
    slots: Vec<Option<(usize, Call)>>,
    free: Vec<usize>,
    started: usize,
    in_flight: usize,
    /// Sealed but refused for load.
    held_back: Option<Unsent>,
    /// In the line of those for whom there was no room, while none of its own requests can make some.
    place: Option<Place>,
    finished: Vec<usize>,
    ready: VecDeque<(usize, Result<Response, Error>)>,
}

impl<I: Iterator<Item = Request<Response>>> Completions<I> {
    pub(crate) fn new(session: Session, requests: I, limit: usize) -> Self {
        Self {
            session,
            requests,
            exhausted: false,
            limit: limit.max(1),
            window: Window::new(),
            slots: Vec::new(),
            free: Vec::new(),
            started: 0,
            in_flight: 0,
            held_back: None,
            place: None,
            finished: Vec::new(),
            ready: VecDeque::new(),
        }
    }

    /// The same results in the order of the requests. Those that overtake others are kept meanwhile, so that a slow request
    /// may cost memory for all that follow it.
    pub fn ordered(self) -> Ordered<I> {
        Ordered { completions: self, next: 0, early: BTreeMap::new() }
    }

    fn poll_pair(&mut self, cx: &mut Context<'_>) -> Poll<Option<(usize, Result<Response, Error>)>> {
        loop {
            if let Some(pair) = self.ready.pop_front() {
                // What was just freed is used before this result is worked on, so that the server always has work.
                self.refill(cx.waker());
                return Poll::Ready(Some(pair));
            }
            self.refill(cx.waker());
            if !self.ready.is_empty() {
                continue;
            }
            if self.in_flight == 0 {
                return if self.exhausted && self.held_back.is_none() {
                    Poll::Ready(None)
                } else {
                    Poll::Pending
                };
            }
            self.window.take(&mut self.finished, cx.waker());
            if self.finished.is_empty() && !self.notice_fork() {
                return Poll::Pending;
            }
            self.collect();
        }
    }

    /// In a forked child nobody will ever answer.
    fn notice_fork(&mut self) -> bool {
        if !self.session.0.is_forked() {
            return false;
        }
        for (number, _) in self.slots.drain(..).flatten() {
            self.ready.push_back((number, Err(Error::Forked { fate: Fate::Unknown })));
        }
        self.free.clear();
        (self.in_flight, self.exhausted) = (0, true);
        if self.held_back.take().is_some() {
            self.ready.push_back((self.started, Err(Error::Forked { fate: Fate::NeverSent })));
            self.started += 1;
        }
        true
    }

    /// Whether nothing more can come.
    fn is_over(&self) -> bool {
        self.exhausted && self.in_flight == 0 && self.held_back.is_none() && self.ready.is_empty()
    }

    fn collect(&mut self) {
        let mut finished = std::mem::take(&mut self.finished);
        for slot in finished.drain(..) {
            let Some((number, call)) = self.slots[slot].take() else { continue };
            self.free.push(slot);
            self.in_flight -= 1;
            if let Ok(done) = call.into_done() {
                self.ready.push_back((number, finish(done, (), &self.session.0)));
            }
        }
        self.finished = finished;
    }

    /// Starts requests up to the limit, as long as the session takes them.
    fn refill(&mut self, waker: &Waker) {
        while self.in_flight < self.limit {
            let unsent = match self.held_back.take() {
                Some(sealed) => sealed,
                None if self.exhausted => return,
                None => match self.requests.next() {
                    None => {
                        self.exhausted = true;
                        return;
                    }
                    Some(request) => match request.seal() {
                        (_, Ok(sealed), ()) => sealed,
                        (_, Err(error), ()) => {
                            self.ready.push_back((self.started, Err(*error)));
                            self.started += 1;
                            // Errors alone must not make this loop over an endless iterator.
                            return;
                        }
                    },
                },
            };
            if self.start(unsent) {
                continue;
            }
            if self.held_back.is_none() || self.in_flight > 0 {
                return;
            }
            // Others fill the session; the next of theirs that ends makes room, unless it has already.
            self.session.inbox().wait_for_room(&mut self.place, waker);
            if let Some(unsent) = self.held_back.take() {
                if !self.start(unsent) {
                    return;
                }
            }
        }
    }

    /// Hands one to the machine. `false`: no more for now.
    fn start(&mut self, unsent: Unsent) -> bool {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        let notify = Notify::Window(self.window.clone(), slot);
        match self.session.inbox().send(unsent, notify) {
            Ok(call) => {
                if let Some(place) = self.place.take() {
                    place.done(self.session.inbox());
                }
                self.slots[slot] = Some((self.started, call));
                self.started += 1;
                self.in_flight += 1;
                true
            }
            Err(refused) => {
                self.free.push(slot);
                if let RequestError::Overloaded { .. } = refused.error {
                    self.held_back = Some(refused.unsent);
                } else {
                    self.ready.push_back((self.started, Err(refused.error.into())));
                    self.started += 1;
                }
                false
            }
        }
    }
}

impl<I: Iterator<Item = Request<Response>> + Unpin> Stream for Completions<I> {
    type Item = (usize, Result<Response, Error>);

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_pair(cx)
    }
}

impl<I> Drop for Completions<I> {
    fn drop(&mut self) {
        for (_, call) in self.slots.drain(..).flatten() {
            call.cancel();
        }
    }
}

impl<I: Iterator<Item = Request<Response>>> IntoIterator for Completions<I> {
    type Item = (usize, Result<Response, Error>);
    type IntoIter = BlockingCompletions<I>;

    fn into_iter(self) -> Self::IntoIter {
        BlockingCompletions(self)
    }
}

/// [`Completions`] for a thread that may block. On a thread that runs the session's machine every result is
/// [`Error::WouldDeadlock`], once.
pub struct BlockingCompletions<I>(Completions<I>);

impl<I: Iterator<Item = Request<Response>>> Iterator for BlockingCompletions<I> {
    type Item = (usize, Result<Response, Error>);

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(pair) = self.0.ready.pop_front() {
            // What has come already needs no waiting; if the session is full, the next wait says so to its waker.
            self.0.refill(Waker::noop());
            return Some(pair);
        }
        if self.0.is_over() {
            return None;
        }
        let session = self.0.session.clone();
        let completions = &mut self.0;
        match session.block_on(poll_fn(|cx| completions.poll_pair(cx))) {
            Ok(pair) => pair,
            Err(error) => {
                self.0.exhausted = true;
                (self.0.held_back, self.0.in_flight) = (None, 0);
                self.0.started += 1;
                Some((self.0.started - 1, Err(error)))
            }
        }
    }
}

/// The results of [`Session::execute_concurrent`] in the order of the requests; see [`Completions::ordered`].
#[must_use = "nothing is sent before it is polled or iterated"]
pub struct Ordered<I> {
    completions: Completions<I>,
    next: usize,
    early: BTreeMap<usize, Result<Response, Error>>,
}

impl<I: Iterator<Item = Request<Response>>> Ordered<I> {
    fn poll_result(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Response, Error>>> {
        loop {
            if let Some(result) = self.early.remove(&self.next) {
                self.next += 1;
                return Poll::Ready(Some(result));
            }
            match std::task::ready!(self.completions.poll_pair(cx)) {
                Some((number, result)) => drop(self.early.insert(number, result)),
                None => return Poll::Ready(None),
            }
        }
    }
}

impl<I: Iterator<Item = Request<Response>> + Unpin> Stream for Ordered<I> {
    type Item = Result<Response, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_result(cx)
    }
}

impl<I: Iterator<Item = Request<Response>>> IntoIterator for Ordered<I> {
    type Item = Result<Response, Error>;
    type IntoIter = BlockingOrdered<I>;

    fn into_iter(self) -> Self::IntoIter {
        BlockingOrdered(self)
    }
}

/// [`Ordered`] for a thread that may block.
pub struct BlockingOrdered<I>(Ordered<I>);

impl<I: Iterator<Item = Request<Response>>> Iterator for BlockingOrdered<I> {
    type Item = Result<Response, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.completions.is_over() && !self.0.early.contains_key(&self.0.next) {
            return None;
        }
        let session = self.0.completions.session.clone();
        let ordered = &mut self.0;
        session.block_on(poll_fn(|cx| ordered.poll_result(cx))).unwrap_or_else(|error| {
            ordered_end(&mut self.0);
            Some(Err(error))
        })
    }
}

/// After a refusal to block nothing more comes.
fn ordered_end<I>(ordered: &mut Ordered<I>) {
    ordered.completions.exhausted = true;
    (ordered.completions.held_back, ordered.completions.in_flight) = (None, 0);
}

impl<I: Iterator<Item = Request<Response>>> FusedIterator for BlockingCompletions<I> {}
impl<I: Iterator<Item = Request<Response>>> FusedIterator for BlockingOrdered<I> {}

impl<I> fmt::Debug for Completions<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Completions")
            .field("started", &self.started)
            .field("in_flight", &self.in_flight)
            .finish_non_exhaustive()
    }
}

impl<I> fmt::Debug for Ordered<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ordered").field("next", &self.next).finish_non_exhaustive()
    }
}
