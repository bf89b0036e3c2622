//! What caller and machine share of a request, and the one handle that each has on it.
//!
//! Each side has a handle of its own that can't be cloned: [`Call`] for who submitted, [`Entry`] for the machine. The cell
//! with frame and outcome belongs to the entry until it says *done*, and to the call from then on; the cell with the one
//! to be told belongs to the entry from *done* on, unless the call was just *registering*. So a request costs one atomic
//! read-modify-write at its end, and none to be looked at.
//!
//! The `unsafe` here is for that: with a mutex in place of the cells a request took five more locked instructions, about
//! 30 ns of the 330 ns that it costs in all at 1,024 in flight.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc as StdArc;
use std::sync::atomic::Ordering;
use std::task::{Poll, Waker};

use super::{
    Answer, Callback, ClosedBecause, Command, Fate, Kind, Notify, Outcome, Reply, RequestError, Settled,
    Terms,
};
use crate::inbox::Link;
use crate::machine::ConnectionError;
use crate::protocol::Header;
use crate::sync::{Arc, AtomicBool, AtomicU8, UnsafeCell};

/// The outcome is there; frame and outcome belong to the call, the notify cell to the entry.
const DONE: u8 = 1;
/// The call is changing the notify cell.
const REGISTERING: u8 = 2;

pub(crate) struct Shared {
    pub(crate) link: Link,
    pub(crate) terms: Terms,
    pub(crate) kind: Kind,
    /// What it counts for in the inbox's limits.
    pub(crate) frame_bytes: usize,
    /// The outcome goes to a callback, so the call never sees it.
    for_callback: bool,
    cancelled: AtomicBool,
    state: AtomicU8,
    owned: UnsafeCell<Owned>,
    notify: UnsafeCell<Notify>,
}

// SAFETY: the two cells are what the compiler can't see to be shared well. Of `Call` and `Entry` there is one each for a
// `Shared` (`pair` is the only place that makes them, `make_call` the only other user of a `Shared`, which it owns alone),
// neither can be cloned, and both reach the cells through `&mut self` or `self` alone. `state` says which of the two a cell
// belongs to, and it changes by acquire-release operations, so what one side wrote the other sees. All that is inside is
// `Send`.
unsafe impl Sync for Shared {}

#[derive(Debug, Default)]
struct Owned {
    /// The envelope to send; its memory becomes the answer's body.
    frame: Vec<u8>,
    /// Attempts so far, of every kind.
    attempts: u8,
    /// An attempt whose fate is unknown: its node, and how the connection ended. It stays so, whatever becomes of later
    /// attempts.
    lost: Option<Box<(SocketAddr, StdArc<ConnectionError>)>>,
    outcome: Option<Outcome>,
}

impl Shared {
    pub(super) fn new(command: Command, terms: Terms, notify: Notify) -> Self {
        let (kind, frame) = command.split();
        Self {
            link: Link::default(),
            terms,
            kind,
            frame_bytes: frame.len(),
            for_callback: matches!(notify, Notify::Callback(_)),
            cancelled: AtomicBool::new(false),
            state: AtomicU8::new(0),
            owned: UnsafeCell::new(Owned { frame, ..Owned::default() }),
            notify: UnsafeCell::new(notify),
        }
    }

    /// The same as a new one, in place.
    pub(super) fn renew(&mut self, command: Command, terms: Terms, notify: Notify) {
        let (kind, frame) = command.split();
        (self.kind, self.frame_bytes, self.terms) = (kind, frame.len(), terms);
        self.for_callback = matches!(notify, Notify::Callback(_));
        self.cancelled = AtomicBool::new(false);
        self.state = AtomicU8::new(0);
        let owned = self.owned.get_mut();
        (owned.frame, owned.attempts) = (frame, 0);
        *self.notify.get_mut() = notify;
    }

    /// Forgets all that it was about.
    pub(super) fn clear(&mut self) {
        self.terms = Terms::default();
        *self.owned.get_mut() = Owned::default();
        *self.notify.get_mut() = Notify::Nobody;
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("kind", &self.kind).field("terms", &self.terms).finish_non_exhaustive()
    }
}

/// The two handles on a request that was not submitted yet.
pub(crate) fn pair(shared: Arc<Shared>) -> (Call, Entry) {
    (Call(shared.clone()), Entry(Some(shared)))
}

/// A request that was submitted: what its caller has of it.
#[derive(Debug)]
pub struct Call(Arc<Shared>);

impl Call {
    /// Takes the outcome, or leaves `waker` to be woken when it is there.
    ///
    /// The outcome is given once; after that, and for a request with a callback, this is pending for ever.
    #[inline]
    pub fn poll(&mut self, waker: &Waker) -> Poll<Outcome> {
        match self.try_take() {
            Some(outcome) => Poll::Ready(outcome),
            None => self.register(waker),
        }
    }

    fn register(&mut self, waker: &Waker) -> Poll<Outcome> {
        if self.0.for_callback || self.0.state.fetch_or(REGISTERING, Ordering::AcqRel) & DONE != 0 {
            return self.try_take().map_or(Poll::Pending, Poll::Ready);
        }
        // SAFETY: REGISTERING was set before DONE was, so the entry leaves this cell alone; `&mut self` is the only call.
        let notify = unsafe { &mut *self.0.notify.get() };
        match notify {
            Notify::Waker(known) => known.clone_from(waker),
            other => *other = Notify::Waker(waker.clone()),
        }
        // If it was done meanwhile the waker in the cell is woken by nobody, and needs not be.
        self.0.state.fetch_and(!REGISTERING, Ordering::AcqRel);
        self.try_take().map_or(Poll::Pending, Poll::Ready)
    }

    /// Takes the outcome if it is there.
    #[inline]
    pub fn try_take(&mut self) -> Option<Outcome> {
        if self.0.for_callback || !self.is_done() {
            return None;
        }
        // SAFETY: DONE gave this cell to the call, and `&mut self` is the only one; it is not for a callback.
        unsafe { &mut *self.0.owned.get() }.outcome.take()
    }

    /// Whether it has come to its end.
    #[inline]
    pub fn is_done(&self) -> bool {
        self.0.state.load(Ordering::Acquire) & DONE != 0
    }

    /// Nobody wants the outcome any more. If the request is on its way, its stream id stays taken until the answer comes.
    pub fn cancel(&self) {
        self.0.cancelled.store(true, Ordering::Relaxed);
    }

    /// What was said about the request.
    #[inline]
    pub fn terms(&self) -> &Terms {
        &self.0.terms
    }

    pub(super) fn into_shared(self) -> Arc<Shared> {
        self.0
    }
}

/// A request that was submitted: what the machine has of it. It ends by [`Entry::finish`], or is dropped once nobody wants
/// the outcome.
#[derive(Debug)]
pub(crate) struct Entry(Option<Arc<Shared>>);

impl std::ops::Deref for Entry {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        // Only what takes the entry by value, and so ends it, takes this out.
        self.0.as_deref().expect("an entry has its request until it ends")
    }
}

impl Drop for Entry {
    /// If the machine panics, what it was working on is dropped here, and nobody else could tell its caller.
    fn drop(&mut self) {
        let Some(shared) = self.0.take() else { return };
        if std::thread::panicking() {
            let error = RequestError::Closed { because: ClosedBecause::Panicked, fate: Fate::Unknown };
            let mut told = Settled::new();
            told.push(Self(Some(shared)).finish(Err(error)));
            told.deliver();
        }
    }
}

impl Entry {
    fn owned(&mut self) -> &mut Owned {
        // SAFETY: an entry exists only until it says DONE, so the cell is its own; `&mut self` is the only entry.
        unsafe { &mut *self.owned.get() }
    }

    /// Lends the frame to `send` and counts the attempt.
    #[inline]
    pub(crate) fn send<T>(&mut self, send: impl FnOnce(&[u8]) -> T) -> T {
        let owned = self.owned();
        owned.attempts = owned.attempts.saturating_add(1);
        send(&owned.frame)
    }

    /// How many attempts were made.
    pub(crate) fn attempts(&mut self) -> u8 {
        self.owned().attempts
    }

    /// The last attempt may or may not have been carried out, and there will be another one.
    pub(crate) fn lost(&mut self, node: SocketAddr, cause: StdArc<ConnectionError>) {
        self.owned().lost = Some(Box::new((node, cause)));
    }

    /// An error is about the last attempt. If the server can have seen an earlier one, it must not say otherwise.
    pub(crate) fn with_earlier_attempts(&mut self, error: RequestError) -> RequestError {
        if error.fate() == Fate::Unknown {
            return error;
        }
        match self.owned().lost.take() {
            Some(lost) => error.after_loss(lost.0, lost.1),
            None => error,
        }
    }

    /// Ends it with an answer, copied into the memory that the frame had.
    #[inline]
    pub(crate) fn answer(mut self, header: Header, coordinator: SocketAddr, bytes: &[u8]) -> Finished {
        let mut body = std::mem::take(&mut self.owned().frame);
        body.clear();
        body.extend_from_slice(bytes);
        self.finish(Ok(Reply::Answer(Answer { header, body, coordinator })))
    }

    /// Ends it.
    #[inline]
    pub(crate) fn finish(mut self, outcome: Outcome) -> Finished {
        self.owned().outcome = Some(outcome);
        let Some(shared) = self.0.take() else { return Finished::Seen };
        if shared.state.fetch_or(DONE, Ordering::AcqRel) & REGISTERING != 0 {
            // The call is about to see for itself.
            return Finished::Seen;
        }
        // SAFETY: DONE was set while nobody was registering, and from now on nobody begins to: the cell is ours.
        match std::mem::take(unsafe { &mut *shared.notify.get() }) {
            Notify::Nobody => Finished::Seen,
            Notify::Waker(waker) => Finished::Waker(waker),
            Notify::Window(window, number) => Finished::Window(window, number),
            Notify::Callback(callback) => Finished::Callback(callback, ForCallback(shared)),
        }
    }

    /// Takes back what was submitted in vain.
    pub(crate) fn take_back(mut self, call: Call) -> (Command, Terms, Notify) {
        drop(call);
        let frame = std::mem::take(&mut self.owned().frame);
        // SAFETY: the only call was dropped above, so both cells are ours.
        let notify = std::mem::take(unsafe { &mut *self.notify.get() });
        let command = match self.kind {
            Kind::Send => Command::Send(frame),
            Kind::Connect => Command::Connect,
            Kind::Close { drain } => Command::Close { drain },
        };
        (command, self.terms.clone(), notify)
    }

    /// For the inbox's list.
    pub(crate) fn into_raw(mut self) -> *mut Shared {
        let shared = self.0.take().expect("an entry has its request until it ends");
        Arc::into_raw(shared).cast_mut()
    }

    /// The inverse.
    ///
    /// # Safety
    /// `raw` comes from [`Entry::into_raw`] and is given back once.
    pub(crate) unsafe fn from_raw(raw: *mut Shared) -> Self {
        // SAFETY: the caller's promise.
        Self(Some(unsafe { Arc::from_raw(raw.cast_const()) }))
    }
}

/// Who is to be told that a request has ended.
pub(crate) enum Finished {
    /// Nobody, or somebody who is looking anyway.
    Seen,
    Waker(Waker),
    Window(StdArc<super::Window>, usize),
    Callback(Callback, ForCallback),
}

/// The outcome of a request with a callback: nobody else can take it.
pub(crate) struct ForCallback(Arc<Shared>);

impl ForCallback {
    /// Calls back.
    pub(super) fn call(self, callback: Callback) {
        // SAFETY: `finish`, which ended the entry, made this one value, and a call with a callback never touches the cell.
        let outcome = unsafe { &mut *self.0.owned.get() }.outcome.take();
        if let Some(outcome) = outcome {
            callback(outcome, &self.0.terms);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::make;

    #[test]
    fn a_panic_of_the_machine_ends_what_it_worked_on() {
        let (mut call, entry) = make(Command::Send(vec![1]), Terms::default(), Notify::Nobody);
        let worked_on = std::panic::AssertUnwindSafe(entry);
        let panicked = std::panic::catch_unwind(move || {
            let _entry = worked_on;
            panic!("a bug in the machine");
        });
        assert!(panicked.is_err());
        let outcome = call.try_take();
        assert!(matches!(outcome, Some(Err(RequestError::Closed { because: ClosedBecause::Panicked, .. }))));
    }

    #[test]
    fn an_entry_that_is_dropped_tells_nobody() {
        let (mut call, entry) = make(Command::Send(vec![1]), Terms::default(), Notify::Nobody);
        drop(entry);
        assert!(call.try_take().is_none(), "who cancelled hears nothing");
    }
}
