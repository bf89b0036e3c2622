//! Where requests end: each gets its outcome exactly once, is counted, and gives its place in the inbox back.

use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Waker;

use super::counters::Cells;
use super::incoming::Body;
use crate::call::{Entry, Finished, Kind, Outcome, RequestError, Settled};
use crate::inbox::Inbox;
use crate::protocol::{Header, Opcode};

/// What finished in this turn.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) counters: Arc<Cells>,
    settled: Settled,
    requests: usize,
    bytes: usize,
    shard: usize,
}

impl Desk {
    pub(crate) fn new(counters: Arc<Cells>, shard: usize) -> Self {
        Self { counters, settled: Settled::new(), requests: 0, bytes: 0, shard }
    }

    /// A response came.
    pub(crate) fn answer(&mut self, call: Entry, header: &Header, coordinator: SocketAddr, body: Body<'_>) {
        if header.opcode == Opcode::Error.byte() {
            self.counters.error_answers.add(1);
        }
        match body {
            Body::Lent(bytes) => self.answer_lent(call, header, coordinator, bytes),
            Body::Owned(body) => {
                self.counters.answers.add(1);
                self.give_back(&call);
                self.settled.push(call.answer_owned(header, coordinator, body));
            }
        }
    }

    /// The same, of a RESULT that lies in the receive buffer.
    #[inline(always)]
    pub(crate) fn answer_lent(&mut self, call: Entry, header: &Header, coordinator: SocketAddr, body: &[u8]) {
        self.counters.answers.add(1);
        self.give_back(&call);
        self.settled.push(call.answer(header, coordinator, body));
    }

    /// No response will come.
    pub(crate) fn fail(&mut self, mut call: Entry, error: RequestError) {
        if call.is_cancelled() {
            return self.drop_cancelled(&call);
        }
        self.counters.failures.add(1);
        if matches!(error, RequestError::TimedOut { .. }) {
            self.counters.timeouts.add(1);
        }
        let error = call.with_earlier_attempts(error);
        self.finish(call, Err(error));
    }

    /// Whatever came of it.
    pub(crate) fn finish(&mut self, call: Entry, outcome: Outcome) {
        self.give_back(&call);
        self.settled.push(call.finish(outcome));
    }

    /// Code of the program's own is to be called, outside the machine.
    pub(crate) fn call(&mut self, errand: Box<dyn FnOnce() + Send>) {
        self.settled.push(Finished::Errand(errand));
    }

    /// Nobody wants it any more.
    pub(crate) fn drop_cancelled(&mut self, call: &Entry) {
        self.counters.cancelled.add(1);
        self.give_back(call);
    }

    /// To be woken with the others.
    pub(crate) fn wake(&mut self, waiters: Vec<Waker>) {
        self.settled.push_wakes(waiters);
    }

    #[inline]
    fn give_back(&mut self, call: &Entry) {
        if call.kind == Kind::Send {
            self.requests += 1;
            self.bytes += call.frame_bytes;
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.settled.is_empty() && self.requests == 0
    }

    /// Moves all into `batch`, and the places back to `inbox`.
    pub(crate) fn settle(&mut self, inbox: &Inbox, batch: &mut Settled) {
        if self.requests > 0 {
            let waiters = inbox.release(std::mem::take(&mut self.requests), std::mem::take(&mut self.bytes));
            self.settled.push_wakes(waiters);
        }
        let panics = self.settled.swap_into(batch, self.shard);
        self.counters.callback_panics.add(panics);
    }
}
