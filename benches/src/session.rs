//! A request through a whole [`Session`], on the [`Memory`] reactor: what a program's request costs without the kernel.

use std::future::poll_fn;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use futures_util::task::AtomicWaker;
use helenus::{Prepared, Request, Response, Session, Version};

use crate::encode::{KEY, VALUE};
use crate::memory::Memory;
use crate::peer::measured;
use crate::{IN_FLIGHT, UNITS};

/// The ways to use a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// `execute(..).wait()`, one after another.
    Wait,
    /// Futures in a `FuturesUnordered`, one for each request.
    Futures,
    /// `execute_concurrent`.
    Window,
    /// Each callback submits the next request.
    Callbacks,
}

/// What is requested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statement {
    /// Answered by Void.
    Insert,
    /// Answered by one row of two texts, which are read.
    Select,
}

impl Statement {
    fn text(self) -> &'static str {
        match self {
            Self::Insert => "INSERT INTO ks.t (column_0, column_1) VALUES (?, ?)",
            Self::Select => "SELECT column_0, column_1 FROM ks.t WHERE column_0 = ? AND column_1 = ?",
        }
    }
}

/// A session with a prepared statement.
#[derive(Debug)]
pub struct Executes {
    session: Session,
    prepared: Prepared,
    way: Way,
}

impl Executes {
    /// Connected and used a little.
    pub fn new(version: Version, statement: Statement, way: Way) -> Self {
        let builder = Session::builder().contact_point("127.0.0.1").protocol_version(version);
        let session = builder.reactor(Memory).connect().wait().expect("the peer takes everyone");
        let prepared = session.prepare(statement.text()).wait().expect("the peer prepares everything");
        let executes = Self { session, prepared, way };
        executes.execute(10 * IN_FLIGHT);
        executes
    }

    /// Does the work.
    pub fn run(&self) {
        measured(|| self.execute(UNITS));
    }

    fn execute(&self, count: usize) {
        match self.way {
            Way::Wait => (0..count).for_each(|_| check(self.request().wait())),
            Way::Futures => self.futures(count),
            Way::Window => self.window(count),
            Way::Callbacks => self.callbacks(count),
        }
    }

    fn request(&self) -> Request<Response> {
        request(&self.session, &self.prepared)
    }

    fn futures(&self, count: usize) {
        let done = self.session.block_on(async {
            let start = || self.request().into_future();
            let mut pending: FuturesUnordered<_> = (0..IN_FLIGHT).map(|_| start()).collect();
            let mut left = count - IN_FLIGHT;
            while let Some(result) = pending.next().await {
                check(result);
                if left > 0 {
                    left -= 1;
                    pending.push(start());
                }
            }
        });
        done.expect("this thread may block");
    }

    fn window(&self, count: usize) {
        let requests = (0..count).map(|_| self.request());
        let results = self.session.execute_concurrent(requests, IN_FLIGHT);
        assert_eq!(results.into_iter().map(|(_, result)| check(result)).count(), count);
    }

    fn callbacks(&self, count: usize) {
        let chains = Arc::new(Chains {
            unsent: (count - IN_FLIGHT).into(),
            unfinished: count.into(),
            end: AtomicWaker::new(),
        });
        (0..IN_FLIGHT).for_each(|_| link(&self.session, &self.prepared, &chains));
        let done = self.session.block_on(poll_fn(|cx| {
            chains.end.register(cx.waker());
            if chains.unfinished.load(Ordering::Relaxed) == 0 { Poll::Ready(()) } else { Poll::Pending }
        }));
        done.expect("this thread may block");
    }
}

struct Chains {
    unsent: AtomicUsize,
    unfinished: AtomicUsize,
    end: AtomicWaker,
}

/// Sends one request, whose callback sends the next.
fn link(session: &Session, prepared: &Prepared, chains: &Arc<Chains>) {
    let (prepared_again, chains) = (prepared.clone(), Arc::clone(chains));
    request(session, prepared).on_complete(move |context, result| {
        check(result);
        let left = chains.unsent.load(Ordering::Relaxed);
        if left > 0 {
            chains.unsent.store(left - 1, Ordering::Relaxed);
            link(context.session(), &prepared_again, &chains);
        }
        if chains.unfinished.fetch_sub(1, Ordering::Relaxed) == 1 {
            chains.end.wake();
        }
    });
}

fn request(session: &Session, prepared: &Prepared) -> Request<Response> {
    session.execute(prepared, black_box((KEY, VALUE)))
}

fn check(result: Result<Response, helenus::Error>) {
    let response = result.expect("the peer answers everything");
    if response.row_count() == 1 {
        let row = response.one::<(&str, &str)>();
        black_box(row.expect("the row is two texts"));
    }
}
