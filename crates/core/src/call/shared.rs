//! What caller and machine share of a request, and the one handle that each has on it.
//!
//! Each side has a handle of its own that can't be cloned: [`Call`] for who submitted, [`Entry`] for the machine. One byte
//! says which of the two the cells belong to, and who of them is still there: whoever lets go last has the memory. The
//! machine's last act is to store *done*, after it has taken from the request what it needs to tell of its end. So a request
//! costs one atomic read-modify-write when it ends, and none to be made, looked at or given back.
//!
//! The `unsafe` here is for that: with a mutex in place of the cells a request took five more locked instructions, about
//! 30 ns of the 330 ns that it cost in all at 1,024 in flight; with an `Arc` in place of the two last bits, four more.

use std::borrow::Cow;
use std::fmt;
use std::mem::ManuallyDrop;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Poll, Waker};

use super::owned::{End, Owned, may_go_on};
use super::recycle::Alone;
use super::{
    Callback, ClosedBecause, Command, Fate, Kind, Notify, Outcome, Reply, RequestError, Settled, Terms,
};
use crate::inbox::Link;
use crate::machine::{ConnectionError, plain};
use crate::protocol::{Compression, DecodeError, Flags, Header, envelope};
use crate::statement::PreparedStatement;
use crate::sync::{AtomicBool, AtomicU8, UnsafeCell, wait_a_little};

/// The outcome is there; frame and outcome belong to the call.
const DONE: u8 = 1;
/// The machine will never touch it again. With `DONE`, unless the outcome is for a callback or there will be none.
const ENTRY_GONE: u8 = 2;
/// The caller will never touch it again.
const CALL_GONE: u8 = 4;
/// The call is changing the notify cell.
const REGISTERING: u8 = 8;
/// The machine is taking the notify cell; `DONE` follows within a few instructions.
const FINISHING: u8 = 16;

/// Room for most requests, and for most answers, which are copied into the same memory. Requests that wait in thousands are
/// as long as this, so it is not more.
const FRAME_BYTES: usize = 192;
/// A longer frame's memory is not kept.
const FRAME_BYTES_KEPT_MAX: usize = 1_024;
/// The memory of a longer frame is not used for a short answer, which its caller may keep.
const FRAME_BYTES_ANSWERED_MAX: usize = 16 << 10;

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
// `Shared` (`pair` is the only place that makes them), neither can be cloned, and both reach the cells through `&mut self` or
// `self` alone. `state` says which of the two a cell belongs to, and it changes by acquire-release operations, so what one
// side wrote the other sees. All that is inside is `Send`, and what a shared reference to an `Alone` reaches of the cells is
// `Sync`: frame, header, addresses and errors.
unsafe impl Sync for Shared {}

impl Default for Shared {
    fn default() -> Self {
        let header =
            Header { version: 0, response: true, flags: Flags::NONE, stream: 0, opcode: 0, length: 0 };
        let coordinator = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0));
        let (frame, attempts, rare, end) = (Vec::new(), 0, None, End::Open);
        Self {
            link: Link::default(),
            terms: Terms::default(),
            kind: Kind::Send,
            frame_bytes: 0,
            for_callback: false,
            cancelled: AtomicBool::new(false),
            state: AtomicU8::new(0),
            owned: UnsafeCell::new(Owned { frame, attempts, rare, end, header, coordinator }),
            notify: UnsafeCell::new(Notify::Nobody),
        }
    }
}

impl Shared {
    /// Forgets all that it was about, but for the statement: the next request is often for the same.
    #[inline(always)]
    pub(super) fn clear(&mut self) {
        self.kind = Kind::Send;
        // All of them by name, so that none is forgotten.
        let Terms { timeout, idempotent, statement: _, rare } = &mut self.terms;
        (*timeout, *idempotent) = (None, false);
        if rare.is_some() {
            *rare = None;
        }
        self.for_callback = false;
        self.cancelled = AtomicBool::new(false);
        self.state = AtomicU8::new(0);
        let owned = self.owned.get_mut();
        owned.attempts = 0;
        if owned.rare.is_some() {
            owned.rare = None;
        }
        owned.end = End::Open;
        if owned.frame.capacity() > FRAME_BYTES_KEPT_MAX {
            owned.frame = Vec::new();
        }
        owned.frame.clear();
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

/// A request that is being written, in the memory in which it will travel and be answered.
pub struct Unsent(Alone);

impl Unsent {
    /// With an empty frame that has room for `bytes`, and no terms, but for the statement: that is as it was in the memory's last
    /// use until [`Unsent::set_statement`] says.
    #[inline(always)]
    pub fn new(bytes: usize) -> Self {
        let mut alone = Alone::new();
        let frame = &mut alone.owned.get_mut().frame;
        if frame.capacity() < bytes.max(FRAME_BYTES) {
            frame.reserve_exact(bytes.max(FRAME_BYTES));
        }
        Self(alone)
    }

    /// The envelope, its stream id blank.
    #[inline]
    pub fn frame(&mut self) -> &mut Vec<u8> {
        &mut self.0.owned.get_mut().frame
    }

    /// See [`Terms::timeout`] and [`Terms::idempotent`].
    #[inline]
    pub fn terms(&mut self) -> &mut Terms {
        &mut self.0.terms
    }

    /// Sets [`Terms::statement`]. The memory often comes from an earlier request for the same one, which then costs nothing.
    #[inline]
    pub fn set_statement(&mut self, statement: Option<&Arc<PreparedStatement>>) {
        let known = &mut self.0.terms.statement;
        let same = match (&*known, statement) {
            (Some(known), Some(statement)) => Arc::ptr_eq(known, statement),
            (None, None) => true,
            _ => false,
        };
        if !same {
            *known = statement.cloned();
        }
    }

    /// As if it had been sent in vain.
    pub fn into_failed(mut self, error: RequestError) -> Done {
        self.0.owned.get_mut().end = End::Failed(Box::new(error));
        Done(self.0)
    }

    pub(crate) fn of(command: Command, terms: Terms) -> Self {
        let (kind, frame) = command.split();
        let mut alone = Alone::new();
        (alone.kind, alone.terms) = (kind, terms);
        alone.owned.get_mut().frame = frame;
        Self(alone)
    }

    /// What it was made of.
    pub(crate) fn take_apart(mut self) -> (Command, Terms) {
        let frame = std::mem::take(self.frame());
        let command = match self.0.kind {
            Kind::Send => Command::Send(frame),
            Kind::Connect => Command::Connect,
            Kind::Close { drain } => Command::Close { drain },
            Kind::Pause { duration } => Command::Pause { duration },
            Kind::Authenticate(conn) => Command::Authenticate(conn),
        };
        (command, std::mem::take(self.terms()))
    }
}

impl Clone for Unsent {
    fn clone(&self) -> Self {
        let mut clone = Self(Alone::new());
        clone.0.terms = self.0.terms.clone();
        // SAFETY: nobody else has what is alone, and `&self` keeps it as it is.
        let frame = unsafe { &(*self.0.owned.get()).frame };
        clone.frame().extend_from_slice(frame);
        clone
    }
}

impl fmt::Debug for Unsent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unsent").field("terms", &self.0.terms).finish_non_exhaustive()
    }
}

/// A request that has come to its end, in the memory in which it was sent: that of a small answer's body is its frame's.
pub struct Done(Alone);

impl Done {
    fn owned(&self) -> &Owned {
        // SAFETY: nobody else has what is alone, and `&self` keeps it as it is.
        unsafe { &*self.0.owned.get() }
    }

    /// Why there is no answer, if there is none.
    #[inline]
    pub fn take_error(&mut self) -> Option<RequestError> {
        let end = &mut self.0.owned.get_mut().end;
        if let End::Failed(_) = end {
            if let End::Failed(error) = std::mem::replace(end, End::Open) {
                return Some(*error);
            }
        }
        None
    }

    /// The answer's header. It means nothing if there is no answer; nor do body and coordinator.
    #[inline]
    pub fn header(&self) -> &Header {
        &self.owned().header
    }

    /// The answer's body.
    #[inline]
    pub fn body(&self) -> &[u8] {
        &self.owned().frame
    }

    /// The envelope that was sent, as it was sent; kept only for an answer that is, or may be, a page with another one after it. The
    /// paging state in that is bound to the request.
    pub fn request(&self) -> Option<&[u8]> {
        self.owned().rare.as_ref().map(|rare| &*rare.request).filter(|request| !request.is_empty())
    }

    /// Puts body and request, where they are compressed (v3, v4), back to what they were before; `compression` is what the session
    /// has asked for. The body may have at most `bytes_max` bytes.
    ///
    /// # Errors
    /// [`DecodeError`]: it is no such body, or none can come.
    pub fn decompress(
        &mut self,
        compression: Option<Compression>,
        bytes_max: u32,
    ) -> Result<(), DecodeError> {
        let owned = self.0.owned.get_mut();
        if let Cow::Owned(body) = plain(&owned.header, &owned.frame, compression, bytes_max)? {
            owned.frame = body;
            owned.header.flags = owned.header.flags.without(Flags::COMPRESSION);
        }
        if let (Some(rare), Some(compression)) = (&mut owned.rare, compression) {
            let mut request = Vec::new();
            compression
                .put_decompressed(&rare.request, envelope::MAX_BODY, &mut request)
                .map_err(DecodeError::Compressed)?;
            rare.request = if may_go_on(&owned.header, &owned.frame) { request } else { Vec::new() };
        }
        Ok(())
    }

    /// The node that answered.
    #[inline]
    pub fn coordinator(&self) -> SocketAddr {
        self.owned().coordinator
    }

    /// What was said about the request.
    #[inline]
    pub fn terms(&self) -> &Terms {
        &self.0.terms
    }

    /// What came of it, as a value.
    ///
    /// # Panics
    /// If the error was taken.
    pub fn into_outcome(mut self) -> Outcome {
        self.0
            .owned
            .get_mut()
            .take_outcome()
            .expect("a request that is done has an outcome until it is taken")
    }
}

impl fmt::Debug for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Done").field("terms", &self.0.terms).finish_non_exhaustive()
    }
}

/// Makes the two handles on a request.
#[inline(always)]
pub(crate) fn pair(unsent: Unsent, notify: Notify) -> (Call, Entry) {
    let mut shared = unsent.0.into_box();
    shared.frame_bytes = shared.owned.get_mut().frame.len();
    shared.for_callback = matches!(notify, Notify::Callback(_));
    *shared.notify.get_mut() = notify;
    let shared = NonNull::from(Box::leak(shared));
    (Call(shared), Entry(shared))
}

/// Ends the part of one side, `bit`; whoever of the two is the last frees the memory.
///
/// # Safety
/// `shared` came from [`pair`], the side that `bit` stands for has not let go before, and never touches it again.
unsafe fn let_go(shared: NonNull<Shared>, bit: u8) {
    // SAFETY: this side has not let go yet, so it is still there.
    let before = unsafe { shared.as_ref() }.state.fetch_or(bit, Ordering::AcqRel);
    if before & (ENTRY_GONE | CALL_GONE) != 0 {
        // SAFETY: both sides have let go.
        drop(unsafe { alone(shared) });
    }
}

/// # Safety
/// `shared` came from [`pair`], and the other side has let go.
unsafe fn alone(shared: NonNull<Shared>) -> Alone {
    // SAFETY: `pair` leaked a box, and the caller is the only one who still has it.
    Alone::from(unsafe { Box::from_raw(shared.as_ptr()) })
}

/// A request that was submitted: what its caller has of it. Dropped, it lets the request go on; nobody hears of its end.
pub struct Call(NonNull<Shared>);

// SAFETY: it is a handle on a `Shared`, which is `Send` and `Sync`.
unsafe impl Send for Call {}
// SAFETY: as above; a shared reference only reads `state` and terms, and sets `cancelled`.
unsafe impl Sync for Call {}

impl Call {
    #[inline]
    fn shared(&self) -> &Shared {
        // SAFETY: the memory lives until both sides have let go, and this one does so by its drop.
        unsafe { self.0.as_ref() }
    }

    /// Takes the outcome, or leaves `waker` to be woken when it is there.
    ///
    /// The outcome is given once; after that, and for a request with a callback, this is pending for ever.
    pub fn poll(&mut self, waker: &Waker) -> Poll<Outcome> {
        match self.poll_done(waker) {
            Poll::Ready(()) => self.try_take().map_or(Poll::Pending, Poll::Ready),
            Poll::Pending => Poll::Pending,
        }
    }

    /// Ready once there is an outcome for this call; until then `waker` will be woken when it is there.
    #[inline]
    pub fn poll_done(&mut self, waker: &Waker) -> Poll<()> {
        if self.has_outcome() || self.register(waker) { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Whether it is done after all.
    fn register(&mut self, waker: &Waker) -> bool {
        let shared = self.shared();
        if shared.for_callback {
            return false;
        }
        let before = shared.state.fetch_or(REGISTERING, Ordering::AcqRel);
        if before & (DONE | FINISHING) == 0 {
            // SAFETY: REGISTERING was set before FINISHING was, so the entry leaves this cell alone; `&mut self` is the only
            // call.
            let notify = unsafe { &mut *shared.notify.get() };
            let registering = Registering(&shared.state);
            match notify {
                Notify::Waker(known) => known.clone_from(waker),
                other => *other = Notify::Waker(waker.clone()),
            }
            // Below, where it is looked at what there was.
            std::mem::forget(registering);
        }
        // If it is being finished, the waker in the cell is woken by nobody, and needs not be.
        let after = shared.state.fetch_and(!REGISTERING, Ordering::AcqRel);
        if after & FINISHING != 0 {
            self.wait_out();
        }
        self.has_outcome()
    }

    /// The machine is a few instructions from being done with it.
    #[cold]
    fn wait_out(&self) {
        let mut rounds = 0;
        while self.shared().state.load(Ordering::Acquire) & FINISHING != 0 {
            wait_a_little(&mut rounds);
        }
    }

    #[inline]
    fn has_outcome(&self) -> bool {
        !self.shared().for_callback && self.is_done()
    }

    /// Takes the outcome if it is there.
    pub fn try_take(&mut self) -> Option<Outcome> {
        if !self.has_outcome() {
            return None;
        }
        // SAFETY: DONE gave this cell to the call, and `&mut self` is the only one; it is not for a callback.
        unsafe { &mut *self.shared().owned.get() }.take_outcome()
    }

    /// The request with its outcome, if that is there.
    #[inline]
    pub fn into_done(self) -> Result<Done, Self> {
        if !self.has_outcome() {
            return Err(self);
        }
        let call = ManuallyDrop::new(self);
        // SAFETY: for a call without a callback DONE comes with ENTRY_GONE; and this handle ends here.
        Ok(Done(unsafe { alone(call.0) }))
    }

    /// Whether it has come to its end.
    #[inline]
    pub fn is_done(&self) -> bool {
        self.shared().state.load(Ordering::Acquire) & DONE != 0
    }

    /// Nobody wants the outcome any more. If the request is on its way, its stream id stays taken until the answer comes.
    pub fn cancel(&self) {
        self.shared().cancelled.store(true, Ordering::Relaxed);
    }

    /// What was said about the request.
    #[inline]
    pub fn terms(&self) -> &Terms {
        &self.shared().terms
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        loop {
            let state = self.shared().state.load(Ordering::Acquire);
            if state & ENTRY_GONE != 0 {
                // SAFETY: the entry has let go, and this handle ends here.
                return drop(unsafe { alone(self.0) });
            }
            if state & FINISHING != 0 {
                self.wait_out();
                continue;
            }
            let gone = state | CALL_GONE;
            let swapped =
                self.shared().state.compare_exchange(state, gone, Ordering::AcqRel, Ordering::Relaxed);
            if swapped.is_ok() {
                return;
            }
        }
    }
}

/// Ends a registration in which the waker, which is the executor's, panics.
struct Registering<'a>(&'a AtomicU8);

impl Drop for Registering<'_> {
    fn drop(&mut self) {
        self.0.fetch_and(!REGISTERING, Ordering::AcqRel);
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared().fmt(f)
    }
}

/// A request that was submitted: what the machine has of it. It ends by [`Entry::finish`], or is dropped once nobody wants
/// the outcome.
pub(crate) struct Entry(NonNull<Shared>);

// SAFETY: it is a handle on a `Shared`, which is `Send` and `Sync`.
unsafe impl Send for Entry {}
// SAFETY: as above; a shared reference only reads what does not change.
unsafe impl Sync for Entry {}

impl std::ops::Deref for Entry {
    type Target = Shared;

    #[inline]
    fn deref(&self) -> &Shared {
        // SAFETY: the memory lives until both sides have let go, and this one does so when it ends.
        unsafe { self.0.as_ref() }
    }
}

impl Drop for Entry {
    /// If the machine panics, what it was working on is dropped here, and nobody else could tell its caller.
    fn drop(&mut self) {
        if std::thread::panicking() {
            let error = RequestError::Closed { because: ClosedBecause::Panicked, fate: Fate::Unknown };
            let mut told = Settled::new();
            told.push(Self(self.0).finish(Err(error)));
            return told.deliver();
        }
        // SAFETY: this handle ends here, and nothing else of the machine has let go of the request.
        unsafe { let_go(self.0, ENTRY_GONE) };
    }
}

impl Entry {
    #[inline]
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

    /// The last attempt came to a node that doesn't know a statement of it, and so is none. Says how often that was so.
    pub(crate) fn was_unprepared(&mut self) -> u32 {
        let owned = self.owned();
        owned.attempts = owned.attempts.saturating_sub(1);
        let rare = owned.rare.get_or_insert_default();
        rare.unprepared = rare.unprepared.saturating_add(1);
        rare.unprepared
    }

    /// The last attempt may or may not have been carried out, and there will be another one.
    pub(crate) fn lost(&mut self, node: SocketAddr, cause: Arc<ConnectionError>) {
        self.owned().rare.get_or_insert_default().lost = Some((node, cause));
    }

    /// An error is about the last attempt. If the server can have seen an earlier one, it must not say otherwise.
    pub(crate) fn with_earlier_attempts(&mut self, error: RequestError) -> RequestError {
        if error.fate() == Fate::Unknown {
            return error;
        }
        match self.owned().rare.as_mut().and_then(|rare| rare.lost.take()) {
            Some((node, cause)) => error.after_loss(node, cause),
            None => error,
        }
    }

    /// Ends it with an answer, copied into the memory that the frame had.
    #[inline(always)]
    pub(crate) fn answer(mut self, header: &Header, coordinator: SocketAddr, bytes: &[u8]) -> Finished {
        let owned = self.owned();
        if may_go_on(header, bytes) {
            owned.keep_request();
        } else if owned.frame.capacity() > FRAME_BYTES_ANSWERED_MAX {
            owned.shrink_for(bytes.len());
        }
        owned.frame.clear();
        owned.frame.extend_from_slice(bytes);
        self.answered(header, coordinator)
    }

    /// The same, with a body that has memory of its own.
    pub(crate) fn answer_owned(
        mut self,
        header: &Header,
        coordinator: SocketAddr,
        body: Vec<u8>,
    ) -> Finished {
        let owned = self.owned();
        if may_go_on(header, &body) {
            owned.keep_request();
        }
        owned.frame = body;
        self.answered(header, coordinator)
    }

    #[inline(always)]
    fn answered(mut self, header: &Header, coordinator: SocketAddr) -> Finished {
        let owned = self.owned();
        (owned.header, owned.coordinator, owned.end) = (*header, coordinator, End::Answered);
        self.tell()
    }

    /// Ends it.
    pub(crate) fn finish(mut self, outcome: Outcome) -> Finished {
        if let Ok(Reply::Answer(answer)) = outcome {
            return self.answer_owned(&answer.header, answer.coordinator, answer.body);
        }
        self.owned().end = End::from(outcome);
        self.tell()
    }

    /// The outcome is in its place: says so, and who is to be told.
    #[inline(always)]
    fn tell(self) -> Finished {
        let entry = ManuallyDrop::new(self);
        if entry.for_callback {
            return entry.tell_callback();
        }
        let before = entry.state.swap(FINISHING, Ordering::AcqRel);
        if before & REGISTERING != 0 {
            // The call is about to see for itself, and waits until this is done.
            entry.state.store(DONE | ENTRY_GONE, Ordering::Release);
            return Finished::Seen;
        }
        // SAFETY: FINISHING was set while nobody was registering, and until DONE nobody begins to: the cell is ours.
        let notify = std::mem::take(unsafe { &mut *entry.notify.get() });
        if before & CALL_GONE != 0 {
            // SAFETY: the call has let go, and this handle ends here.
            drop(unsafe { alone(entry.0) });
        } else {
            entry.state.store(DONE | ENTRY_GONE, Ordering::Release);
        }
        match notify {
            Notify::Waker(waker) => Finished::Waker(waker),
            Notify::Window(window, number) => Finished::Window(window, number),
            // A callback is told by `tell_callback`.
            Notify::Nobody | Notify::Callback(_) => Finished::Seen,
        }
    }

    /// All stays the machine's until the callback has it.
    #[inline(never)]
    fn tell_callback(&self) -> Finished {
        // SAFETY: a call with a callback never touches the cell.
        let notify = std::mem::take(unsafe { &mut *self.notify.get() });
        if self.state.load(Ordering::Acquire) & CALL_GONE == 0 {
            self.state.fetch_or(DONE, Ordering::AcqRel);
        }
        let outcome = ForCallback(self.0);
        match notify {
            Notify::Callback(callback) => Finished::Callback(callback, outcome),
            _ => unreachable!("`pair` has seen a callback"),
        }
    }

    /// Takes back what was submitted in vain.
    pub(crate) fn take_back(self, call: Call) -> (Unsent, Notify) {
        drop(call);
        let entry = ManuallyDrop::new(self);
        // SAFETY: the only call was dropped above and found the entry there, and this handle ends here.
        let mut alone = unsafe { alone(entry.0) };
        let notify = std::mem::take(alone.notify.get_mut());
        alone.state = AtomicU8::new(0);
        (Unsent(alone), notify)
    }

    /// For the inbox's list.
    #[inline]
    pub(crate) fn into_raw(self) -> *mut Shared {
        ManuallyDrop::new(self).0.as_ptr()
    }

    /// The inverse.
    ///
    /// # Safety
    /// `raw` comes from [`Entry::into_raw`] and is given back once.
    #[inline]
    pub(crate) unsafe fn from_raw(raw: *mut Shared) -> Self {
        // SAFETY: what `into_raw` gave is not null.
        Self(unsafe { NonNull::new_unchecked(raw) })
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// Who is to be told that a request has ended.
pub(crate) enum Finished {
    /// Nobody, or somebody who is looking anyway.
    Seen,
    Waker(Waker),
    Window(Arc<super::Window>, usize),
    Callback(Callback, ForCallback),
    /// Nobody's request: code of the program's own that the machine wants called.
    Errand(Box<dyn FnOnce() + Send>),
}

/// A request with a callback that has ended: what the machine has of it until it calls back.
pub(crate) struct ForCallback(NonNull<Shared>);

// SAFETY: it takes the place of the `Entry` that made it.
unsafe impl Send for ForCallback {}

impl ForCallback {
    /// Calls back.
    pub(crate) fn call(self, callback: Callback) {
        callback(self.into_done());
    }

    fn into_done(self) -> Done {
        // SAFETY: the memory lives until both sides have let go, and this one does so by its drop or below.
        let shared = unsafe { self.0.as_ref() };
        if shared.state.load(Ordering::Acquire) & CALL_GONE != 0 {
            let ended = ManuallyDrop::new(self);
            // SAFETY: the call has let go, and this handle ends here.
            return Done(unsafe { alone(ended.0) });
        }
        // The call is still there, to cancel by: all else moves out.
        let mut moved = Alone::new();
        moved.terms = shared.terms.clone();
        // SAFETY: for a callback the cell stays the machine's until this handle ends.
        std::mem::swap(moved.owned.get_mut(), unsafe { &mut *shared.owned.get() });
        Done(moved)
    }
}

impl Drop for ForCallback {
    fn drop(&mut self) {
        // SAFETY: it took the entry's place, and ends here.
        unsafe { let_go(self.0, ENTRY_GONE) };
    }
}

#[cfg(test)]
mod tests {
    use std::task::{RawWaker, RawWakerVTable};

    use super::*;
    use crate::call::{Window, make};

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

    fn finished(entry: Entry, byte: u8) {
        let header =
            Header { version: 4, response: true, flags: Flags::NONE, stream: 0, opcode: 8, length: 1 };
        let mut told = Settled::new();
        told.push(entry.answer(&header, SocketAddr::from(([127, 0, 0, 1], 1)), &[byte]));
        told.deliver();
    }

    #[test]
    fn the_answer_lies_where_the_request_was() {
        let (call, entry) = make(Command::Send(vec![1, 2, 3]), Terms::default(), Notify::Nobody);
        let Err(call) = call.into_done() else { panic!("nobody has answered") };
        finished(entry, 7);
        let Ok(mut done) = call.into_done() else { panic!("it is done") };
        assert_eq!((done.body(), done.coordinator().port(), done.header().opcode), (&[7][..], 1, 8));
        assert!(done.take_error().is_none());
    }

    #[test]
    fn a_callback_gets_it_whether_or_not_the_call_is_still_there() {
        for keep in [false, true] {
            let (sender, receiver) = std::sync::mpsc::channel();
            let told = Notify::Callback(Box::new(move |done: Done| {
                let _ = sender.send((done.body().to_vec(), done.terms().idempotent));
            }));
            let terms = Terms { idempotent: true, ..Terms::default() };
            let (call, entry) = make(Command::Send(vec![1]), terms, told);
            let mut call = Some(call).filter(|_| keep);
            finished(entry, 7);
            assert_eq!(receiver.recv().unwrap(), (vec![7], true));
            assert!(call.as_mut().is_none_or(|call| call.is_done() && call.try_take().is_none()));
        }
    }

    #[test]
    fn what_was_submitted_in_vain_comes_back_whole() {
        let terms = Terms { idempotent: true, ..Terms::default() };
        let (call, entry) = make(Command::Send(vec![1]), terms, Notify::Waker(Waker::noop().clone()));
        let (mut unsent, notify) = entry.take_back(call);
        assert!(matches!(notify, Notify::Waker(_)));
        assert!(unsent.terms().idempotent);
        assert_eq!(unsent.frame().as_slice(), [1]);
    }

    /// A waker whose clone panics.
    fn broken_waker() -> Waker {
        const BROKEN: RawWakerVTable =
            RawWakerVTable::new(|_| panic!("a bug in an executor"), |_| {}, |_| {}, |_| {});
        // SAFETY: it points to nothing, and nothing is looked for there.
        unsafe { Waker::from_raw(RawWaker::new(std::ptr::null(), &BROKEN)) }
    }

    #[test]
    fn a_waker_that_panics_costs_no_memory() {
        for asks_again in [false, true] {
            let window = Window::new();
            let told = Notify::Window(window.clone(), 0);
            let (mut call, entry) = make(Command::Send(vec![1]), Terms::default(), told);
            let looked = std::panic::AssertUnwindSafe(|| call.poll_done(&broken_waker()));
            assert!(std::panic::catch_unwind(looked).is_err());
            let mut call = Some(call).filter(|_| asks_again);
            assert!(call.as_mut().is_none_or(|call| call.poll_done(Waker::noop()).is_pending()));
            finished(entry, 7);
            assert!(call.as_mut().is_none_or(|call| call.try_take().is_some()));
            drop(call);
            assert_eq!(Arc::strong_count(&window), 1, "nobody has it any more");
        }
    }

    #[test]
    fn a_short_answer_does_not_keep_the_memory_of_a_long_request() {
        let (call, entry) = make(Command::Send(vec![1; 1 << 20]), Terms::default(), Notify::Nobody);
        finished(entry, 7);
        let Ok(done) = call.into_done() else { panic!("it is done") };
        assert!(done.owned().frame.capacity() < 1_024, "{}", done.owned().frame.capacity());
        assert_eq!(done.body(), [7]);
    }

    #[test]
    fn letting_go_looking_and_ending_at_once_lose_nothing() {
        let rounds = if cfg!(miri) { 20 } else { 2_000 };
        for round in 0..rounds {
            let (mut call, entry) = make(Command::Send(vec![1]), Terms::default(), Notify::Nobody);
            std::thread::scope(|scope| {
                scope.spawn(move || finished(entry, 7));
                match round % 3 {
                    0 => drop(call),
                    1 => {
                        while call.poll_done(Waker::noop()).is_pending() {
                            std::thread::yield_now();
                        }
                        assert!(matches!(call.try_take(), Some(Ok(Reply::Answer(_)))));
                    }
                    _ => {
                        let pending = call.poll_done(Waker::noop()).is_pending();
                        assert!(call.into_done().is_ok() || pending);
                    }
                }
            });
        }
    }
}
