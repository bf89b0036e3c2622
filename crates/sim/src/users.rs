//! The users of the session: they submit from their own threads and from callbacks, wait in several ways, lose interest.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Wake, Waker};
use std::time::Duration;

use helenus_core::call::{Call, Command, Notify, Outcome, Reply, RequestError, Terms, Window};
use helenus_core::protocol::Version;
use helenus_core::{Inbox, PreparedStatement, Time};

use crate::history::{Asked, History};
use crate::plan::Load;
use crate::rng::Rng;
use crate::wire;

/// What users do later.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wish {
    /// Submit one more request.
    Submit,
    /// Lose interest in this one.
    Cancel(u64),
    /// Connect again.
    Connect,
}

/// All users, behind one lock that callbacks share.
pub(crate) struct Users {
    me: Weak<Mutex<Self>>,
    inbox: Arc<Inbox>,
    load: Load,
    rng: Rng,
    pub(crate) history: History,
    pub(crate) now: Time,
    /// The session's version, once it is connected.
    pub(crate) version: Option<Version>,
    statements: Vec<Arc<PreparedStatement>>,
    calls: BTreeMap<u64, Call>,
    /// Requests still to be made.
    left: u64,
    pub(crate) wishes: Vec<(Duration, Wish)>,
    /// For the trace.
    pub(crate) told: Vec<(u64, String)>,
    woken: Arc<Mutex<Vec<u64>>>,
    window: Arc<Window>,
    contact_points: usize,
    traced: bool,
    /// After this, connecting must succeed.
    pub(crate) calm: bool,
    pub(crate) closing: bool,
    pub(crate) closed: Option<Time>,
}

/// A task that waits for one request, or for the window.
struct Task(u64, Arc<Mutex<Vec<u64>>>);

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.1.lock().unwrap_or_else(PoisonError::into_inner).push(self.0);
    }
}

/// The task that waits for the window.
const WINDOW: u64 = u64::MAX;

impl Users {
    pub(crate) fn new(
        inbox: Arc<Inbox>,
        load: Load,
        contact_points: usize,
        traced: bool,
        rng: Rng,
    ) -> Arc<Mutex<Self>> {
        Arc::new_cyclic(|me| {
            Mutex::new(Self {
                me: me.clone(),
                inbox,
                left: load.requests,
                load,
                rng,
                history: History::default(),
                now: Time::ZERO,
                version: None,
                statements: Vec::new(),
                calls: BTreeMap::new(),
                wishes: Vec::new(),
                told: Vec::new(),
                woken: Arc::default(),
                window: Window::new(),
                contact_points,
                traced,
                calm: false,
                closing: false,
                closed: None,
            })
        })
    }

    /// Submits one of the requests that are left.
    pub(crate) fn submit(&mut self) {
        if self.left > 0 {
            self.left -= 1;
            self.make(false);
        }
    }

    /// No more load.
    pub(crate) fn rest(&mut self) {
        self.left = 0;
        self.calm = true;
    }

    /// A request that must succeed; gives its number.
    pub(crate) fn probe(&mut self) -> Option<u64> {
        self.make(true)
    }

    fn make(&mut self, probe: bool) -> Option<u64> {
        let version = self.version?;
        let rng = &mut self.rng;
        let timeout_ms = rng.pick(&[5, 50, 500, 2_000]);
        let patient = !probe && rng.chance(self.load.patient);
        let statement =
            rng.chance(self.load.prepared).then(|| self.statements[rng.index(wire::STATEMENTS)].clone());
        let asked = Asked {
            timeout: (!patient).then(|| Duration::from_millis(if probe { 3_000 } else { timeout_ms })),
            idempotent: rng.chance(self.load.idempotent),
            prepared: statement.is_some(),
        };
        let long = !probe && rng.chance(self.load.long);
        let padding = if long { rng.between(1_000, 400_000) } else { rng.between(0, 100) };
        let cancel = (!probe && rng.chance(self.load.cancel)).then(|| rng.between(0, 20_000));
        let way = rng.index(3);
        let number = self.history.submitted(self.now, asked);
        let mut frame = wire::request(number, statement.as_deref(), padding as usize, version);
        // As sessions do, before it is known which node it goes to.
        if let (Ok(frame), Some(compression), false) =
            (&mut frame, self.history.compression, version.has_segments())
        {
            let _ = compression.compress_envelope(frame);
        }
        let terms = Terms { timeout: asked.timeout, idempotent: asked.idempotent, statement, rare: None };
        let submitted =
            frame.map(|frame| self.inbox.submit(Command::Send(frame), terms, self.notify(way, number)));
        match submitted {
            Ok(Ok(call)) => {
                self.calls.insert(number, call);
                if self.traced {
                    self.told.push((number, format!("submitted: {asked:?}, {padding} bytes more")));
                }
                self.wishes.extend(cancel.map(|us| (Duration::from_micros(us), Wish::Cancel(number))));
            }
            Ok(Err(rejected)) => {
                self.history.rejected(number);
                self.check_rejection(&rejected.error);
                self.again_later();
            }
            Err(error) => self.history.violation(format!("request {number} can't be encoded: {error}")),
        }
        Some(number)
    }

    fn notify(&self, way: usize, number: u64) -> Notify {
        match way {
            0 => Notify::Waker(Waker::from(Arc::new(Task(number, self.woken.clone())))),
            1 => Notify::Window(self.window.clone(), number as usize),
            _ => {
                let me = self.me.clone();
                Notify::Callback(Box::new(move |done| {
                    if let Some(users) = me.upgrade() {
                        lock(&users).ended(number, &done.into_outcome());
                    }
                }))
            }
        }
    }

    fn check_rejection(&mut self, error: &RequestError) {
        let fine = match error {
            RequestError::Overloaded { in_flight, .. } => *in_flight > 0 && !self.closing,
            RequestError::Closed { .. } => self.closing,
            _ => false,
        };
        if !fine {
            self.history.violation(format!("rejected without reason: {error}"));
        }
    }

    /// A user is told what came of a request.
    fn ended(&mut self, number: u64, outcome: &Outcome) {
        if self.traced {
            self.told.push((number, format!("{outcome:?}")));
        }
        self.history.ended(self.now, number, outcome);
        self.calls.remove(&number);
        match outcome {
            // What a callback submits leaves in the same turn.
            Ok(_) if self.rng.chance(800) => self.submit(),
            _ => self.again_later(),
        }
    }

    fn again_later(&mut self) {
        if self.left > 0 {
            let pause = self.load.span.as_micros() as u64 / 10;
            self.wishes.push((Duration::from_micros(self.rng.between(1, pause)), Wish::Submit));
        }
    }

    /// Tasks that were woken look at their requests.
    pub(crate) fn run_tasks(&mut self) {
        let woken = std::mem::take(&mut *lock(&self.woken));
        for number in woken {
            if number == WINDOW {
                continue;
            }
            let outcome = self.calls.get_mut(&number).and_then(Call::try_take);
            match outcome {
                Some(outcome) => self.ended(number, &outcome),
                None if self.history.is_pending(number) => {
                    self.history.violation(format!("request {number} was woken without an outcome"));
                }
                None => {}
            }
        }
        self.empty_window();
    }

    fn empty_window(&mut self) {
        let waker = Waker::from(Arc::new(Task(WINDOW, self.woken.clone())));
        let mut finished = Vec::new();
        self.window.take(&mut finished, &waker);
        for number in finished {
            // Who was cancelled meanwhile is not here any more.
            let Some(call) = self.calls.get_mut(&(number as u64)) else { continue };
            match call.try_take() {
                Some(outcome) => self.ended(number as u64, &outcome),
                None => self.history.violation(format!("request {number} came without an outcome")),
            }
        }
    }

    /// A user loses interest.
    pub(crate) fn cancel(&mut self, number: u64) {
        // Once there is an outcome, its delivery may be under way already.
        let Some(call) = self.calls.get(&number).filter(|call| !call.is_done()) else { return };
        call.cancel();
        self.calls.remove(&number);
        self.history.cancelled(number);
    }

    pub(crate) fn connect(&mut self) {
        let me = self.me.clone();
        let told = Notify::Callback(Box::new(move |done| {
            if let Some(users) = me.upgrade() {
                lock(&users).connected(&done.into_outcome());
            }
        }));
        // Refused only once the session is closing; then nobody wants to connect any more.
        let _ = self.inbox.submit(Command::Connect, Terms::default(), told);
    }

    fn connected(&mut self, outcome: &Outcome) {
        match outcome {
            Ok(Reply::Connected(version)) => {
                self.version = Some(*version);
                self.statements =
                    (0..wire::STATEMENTS).map(|number| Arc::new(wire::statement(number, *version))).collect();
                let span = self.load.span.as_micros() as u64;
                for _ in 0..self.load.chains {
                    let at = Duration::from_micros(self.rng.between(0, span));
                    self.wishes.push((at, Wish::Submit));
                }
            }
            Err(RequestError::NoConnection(failures)) => {
                let points: std::collections::BTreeSet<_> =
                    failures.iter().map(|failure| failure.contact_point.clone()).collect();
                if points.len() != self.contact_points {
                    self.history.violation(format!("not every contact point is listed: {failures:?}"));
                }
                self.wishes.push((Duration::from_millis(self.rng.between(1, 300)), Wish::Connect));
            }
            Err(RequestError::Closed { .. }) if self.closing => {}
            outcome => self.history.violation(format!("Connect ended with {outcome:?}")),
        }
    }

    pub(crate) fn close(&mut self, drain: Duration) {
        self.closing = true;
        let me = self.me.clone();
        let told = Notify::Callback(Box::new(move |done| {
            if let Some(users) = me.upgrade() {
                let outcome = done.into_outcome();
                let mut users = lock(&users);
                users.closed = Some(users.now);
                if !matches!(outcome, Ok(Reply::Closed)) {
                    users.history.violation(format!("Close ended with {outcome:?}"));
                }
            }
        }));
        if self.inbox.submit(Command::Close { drain }, Terms::default(), told).is_err() {
            self.history.violation("Close was refused".into());
        }
    }

    pub(crate) fn in_flight(&self) -> u64 {
        self.inbox.in_flight() as u64
    }
}

// A panic while the lock is held ends the run, so poison carries no news.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
