//! A request through the machine, which is driven by hand: no session, no reactor.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};
use std::time::Duration;

use helenus_core::call::{Call, Command, Done, Notify, Settled, Terms, Unsent, Window};
use helenus_core::machine::{Agreed, Config, ContactPoint, CounterReader, Shard, Shared};
use helenus_core::protocol::Version;
use helenus_core::reactor::{Action, ConnId, Event, Latch, Machine};
use helenus_core::{Inbox, Limits, Time};

use crate::encode::{Execute, statement};
use crate::peer::{Peer, measured};
use crate::{IN_FLIGHT, UNITS};

/// Who is told of a request's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// A waker for each request, as of a future.
    Waker,
    /// A callback for each request.
    Callback,
    /// One window for all.
    Window,
}

/// Sends batches of requests through a machine.
pub struct Requests {
    hand: Hand,
    told: Told,
    batch: usize,
    frame: Vec<u8>,
    terms: Terms,
    wakes: Arc<Wakes>,
    window: Arc<Window>,
    calls: Vec<Call>,
    finished: Vec<usize>,
}

impl Requests {
    /// Connected and used a little. `batch` requests are in flight at a time.
    pub fn new(version: Version, told: Told, batch: usize) -> Self {
        let statement = Some(Arc::new(statement(version)));
        let mut requests = Self {
            hand: Hand::connect(version),
            told,
            batch,
            frame: Execute::new(version).frame().to_vec(),
            terms: Terms { timeout: Some(Duration::from_secs(10)), statement, ..Terms::default() },
            wakes: Arc::default(),
            window: Window::new(),
            calls: Vec::new(),
            finished: Vec::new(),
        };
        (0..10).for_each(|_| requests.round());
        requests
    }

    /// Does the work.
    pub fn run(&mut self) {
        measured(|| (0..UNITS / self.batch).for_each(|_| self.round()));
    }

    fn round(&mut self) {
        match self.told {
            Told::Waker => self.round_of_wakers(),
            Told::Callback => self.round_of_callbacks(),
            Told::Window => self.round_of_window(),
        }
    }

    fn round_of_wakers(&mut self) {
        let waker = Waker::from(Arc::clone(&self.wakes));
        for _ in 0..self.batch {
            let call = self.submit(Notify::Waker(waker.clone()));
            self.calls.push(call);
        }
        self.turns();
        assert_eq!(self.wakes.0.swap(0, Ordering::Relaxed), self.batch);
        self.calls.drain(..).for_each(end);
    }

    fn round_of_callbacks(&mut self) {
        for _ in 0..self.batch {
            let wakes = Arc::clone(&self.wakes);
            self.submit(Notify::Callback(Box::new(move |done| {
                check(done);
                wakes.0.fetch_add(1, Ordering::Relaxed);
            })));
        }
        self.turns();
        assert_eq!(self.wakes.0.swap(0, Ordering::Relaxed), self.batch);
    }

    fn round_of_window(&mut self) {
        for number in 0..self.batch {
            let call = self.submit(Notify::Window(Arc::clone(&self.window), number));
            self.calls.push(call);
        }
        self.turns();
        self.window.take(&mut self.finished, Waker::noop());
        assert_eq!(self.finished.len(), self.batch);
        self.finished.clear();
        self.calls.drain(..).for_each(end);
    }

    fn submit(&self, notify: Notify) -> Call {
        let mut unsent = Unsent::new(self.frame.len());
        unsent.frame().extend_from_slice(&self.frame);
        unsent.terms().timeout = self.terms.timeout;
        unsent.set_statement(self.terms.statement.as_ref());
        self.hand.inbox.send(unsent, notify).expect("the inbox has room for a batch")
    }

    /// One turn sends, the next one receives.
    fn turns(&mut self) {
        self.hand.turn();
        self.hand.turn();
    }
}

fn end(call: Call) {
    check(call.into_done().expect("two turns answer everything"));
}

fn check(mut done: Done) {
    if let Some(error) = done.take_error() {
        panic!("the peer answers everything, and the machine said {error:?}");
    }
}

#[derive(Debug, Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// The machine with its one connection.
struct Hand {
    machine: Shard,
    inbox: Arc<Inbox>,
    peer: Peer,
    conn: Option<ConnId>,
    settled: Settled,
    now: Time,
}

impl Hand {
    fn connect(version: Version) -> Self {
        let point = ContactPoint::parse("127.0.0.1", 9042).expect("an address is a contact point");
        let mut config = Config::new(vec![point]);
        (config.version, config.version_fixed) = (version, true);
        let inbox = Arc::new(Inbox::new(Limits::default()));
        let machine = Shard::new(Shared {
            config: Arc::new(config),
            inbox: Arc::clone(&inbox),
            agreed: Arc::new(Agreed::default()),
            counters: CounterReader::default(),
            shard: 0,
            errands: Latch::new(),
        });
        let (peer, settled) = (Peer::default(), Settled::new());
        let mut hand = Self { machine, inbox, peer, conn: None, settled, now: Time::ZERO };
        let connect = hand.inbox.submit(Command::Connect, Terms::default(), Notify::Nobody);
        let connect = connect.expect("a new inbox takes commands");
        (0..IN_FLIGHT).for_each(|_| hand.turn());
        assert!(connect.is_done(), "the handshake takes a few turns");
        hand
    }

    /// The contract of `helenus_core::reactor`, for one connection that is always ready.
    fn turn(&mut self) {
        let Self { machine, peer, settled, .. } = self;
        self.now = self.now + Duration::from_micros(100);
        let now = self.now;
        machine.begin(now);
        if let Some(conn) = self.conn
            && peer.has_output()
        {
            machine.fill(now, conn, &mut |room| peer.read(room));
        }
        if machine.deadline().is_some_and(|deadline| deadline <= now) {
            machine.handle(now, Event::Tick);
        }
        machine.settle(settled);
        settled.deliver();
        machine.take_inbox(now, 4096);
        let mut dirty = None;
        while let Some(action) = machine.poll_action(now) {
            match action {
                Action::Open { conn, .. } => {
                    self.conn = Some(conn);
                    machine.handle(now, Event::Opened { conn });
                }
                Action::Send(conn) => dirty = Some(conn),
                other => panic!("nothing here makes the machine wish {other:?}"),
            }
        }
        if let Some(conn) = dirty {
            machine.flush(now, conn, &mut |bytes| peer.write(bytes));
        }
        machine.settle(settled);
        settled.deliver();
        machine.arm();
    }
}
