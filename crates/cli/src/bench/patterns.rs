//! The patterns themselves, each as a user would write it.

use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};

use anyhow::{Context, Result};
use futures_util::{FutureExt, StreamExt};
use helenus::{Error, Pending, Response};

use super::pattern::Pattern;
use super::workload::{Record, Started, Workload};

/// One thread's or task's part.
pub(crate) struct Share {
    pub(crate) work: Workload,
    pub(crate) numbers: Range<u64>,
    pub(crate) in_flight: usize,
    pub(crate) record: Record,
    pub(crate) waiting: Waiting,
}

/// How a result is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waiting {
    /// By blocking calls: `wait`, iterators.
    #[allow(dead_code, reason = "a build may have only reactors that are tasks")]
    Blocking,
    /// By `.await`, in a task.
    #[allow(dead_code, reason = "a build may have no reactor that is a task")]
    Await,
}

/// Runs a pattern on a thread that may block.
#[allow(dead_code, reason = "a build may have only reactors that are tasks")]
pub(crate) fn run_blocking(pattern: Pattern, share: Share) -> Result<Record> {
    let session = share.work.session.clone();
    match pattern {
        // These are waited for as a whole.
        Pattern::CallbackFullPipeline | Pattern::Stream => Ok(session.block_on(run(pattern, share))?),
        // These block at each request, so that the future never has to wait.
        _ => run(pattern, share)
            .now_or_never()
            .context("a blocking pattern awaited something: a bug in the bench"),
    }
}

/// Runs a pattern.
pub(crate) async fn run(pattern: Pattern, share: Share) -> Record {
    match pattern {
        Pattern::Sync => sync(share).await,
        Pattern::FutureBatches => future_batches(share).await,
        Pattern::FutureFullPipeline => future_full_pipeline(share).await,
        Pattern::FutureFullThrottle => future_full_throttle(share).await,
        Pattern::CallbackFullPipeline => callback_full_pipeline(share).await,
        Pattern::Concurrent => concurrent(share).await,
        Pattern::Stream => stream(share).await,
    }
}

type InFlight = (Started, Pending<Response>);

impl Share {
    fn start(&self, number: u64) -> InFlight {
        let started = self.work.begin(number);
        (started, self.work.request(number).submit())
    }

    async fn finish(&mut self, (started, pending): InFlight) {
        let result = match self.waiting {
            Waiting::Blocking => pending.wait(),
            Waiting::Await => pending.await,
        };
        self.record.end(&self.work, started, result);
    }
}

async fn sync(mut share: Share) -> Record {
    for number in share.numbers.clone() {
        let started = share.work.begin(number);
        let request = share.work.request(number);
        let result = match share.waiting {
            Waiting::Blocking => request.wait(),
            Waiting::Await => request.await,
        };
        share.record.end(&share.work, started, result);
    }
    share.record
}

async fn future_batches(mut share: Share) -> Record {
    let mut futures = VecDeque::with_capacity(share.in_flight);
    for number in share.numbers.clone() {
        if futures.len() == share.in_flight {
            while let Some(oldest) = futures.pop_front() {
                share.finish(oldest).await;
            }
        }
        futures.push_back(share.start(number));
    }
    for future in futures {
        share.finish(future).await;
    }
    share.record
}

async fn future_full_pipeline(mut share: Share) -> Record {
    let mut futures = VecDeque::with_capacity(share.in_flight);
    for number in share.numbers.clone() {
        if futures.len() == share.in_flight
            && let Some(oldest) = futures.pop_front()
        {
            share.finish(oldest).await;
        }
        futures.push_back(share.start(number));
    }
    for future in futures {
        share.finish(future).await;
    }
    share.record
}

async fn future_full_throttle(mut share: Share) -> Record {
    let futures: Vec<_> = share.numbers.clone().map(|number| share.start(number)).collect();
    for future in futures {
        share.finish(future).await;
    }
    share.record
}

async fn concurrent(mut share: Share) -> Record {
    let work = share.work.clone();
    let first = share.numbers.start;
    // When the sampled ones were started: only the iterator knows.
    let begun = Arc::new(Mutex::new(HashMap::new()));
    let requests = {
        let (work, begun) = (work.clone(), begun.clone());
        share.numbers.clone().map(move |number| {
            if work.is_sampled(number) {
                lock(&begun).insert(number, work.begin(number));
            }
            work.request(number)
        })
    };
    let mut completions = work.session.execute_concurrent(requests, share.in_flight);
    let mut end = |(index, result): (usize, Result<Response, Error>)| {
        let number = first + index as u64;
        let sampled = work.is_sampled(number).then(|| lock(&begun).remove(&number)).flatten();
        share.record.end(&work, sampled.unwrap_or(Started::untimed(number)), result);
    };
    match share.waiting {
        Waiting::Blocking => completions.into_iter().for_each(end),
        Waiting::Await => {
            while let Some(pair) = completions.next().await {
                end(pair);
            }
        }
    }
    share.record
}

async fn stream(mut share: Share) -> Record {
    let work = share.work.clone();
    let requests = futures_util::stream::iter(share.numbers.clone()).map(|number| {
        let started = work.begin(number);
        let request = work.request(number);
        async move { (started, request.await) }
    });
    let mut results = requests.buffer_unordered(share.in_flight);
    while let Some((started, result)) = results.next().await {
        share.record.end(&work, started, result);
    }
    share.record
}

async fn callback_full_pipeline(share: Share) -> Record {
    let chains = Arc::new(Chains {
        work: share.work,
        state: Mutex::new(ChainState {
            left: (share.numbers.end - share.numbers.start) as usize,
            numbers: share.numbers,
            record: Some(share.record),
            waker: None,
        }),
    });
    for _ in 0..share.in_flight {
        chains.start_next();
    }
    poll_fn(|cx| lock(&chains.state).poll_end(cx.waker())).await
}

/// Chains of callbacks that draw from the same numbers.
struct Chains {
    work: Workload,
    state: Mutex<ChainState>,
}

struct ChainState {
    numbers: Range<u64>,
    /// Requests that are not finished.
    left: usize,
    /// Taken by the one who waits for the end.
    record: Option<Record>,
    waker: Option<Waker>,
}

impl Chains {
    /// Starts the next request, whose completion starts the one after.
    fn start_next(self: &Arc<Self>) {
        let Some(number) = lock(&self.state).numbers.next() else { return };
        let chains = self.clone();
        let started = self.work.begin(number);
        self.work.request(number).on_complete(move |_, result| {
            if chains.end(started, result) {
                chains.start_next();
            }
        });
    }

    /// Whether the chain goes on.
    fn end(&self, started: Started, result: Result<Response, Error>) -> bool {
        let closed = result.as_ref().err().filter(|error| error.is_closed()).map(ToString::to_string);
        let mut state = lock(&self.state);
        let ChainState { numbers, left, record, waker } = &mut *state;
        let Some(record) = record else { return false };
        record.end(&self.work, started, result);
        *left -= 1;
        if let Some(example) = closed {
            // No request can be started any more, and each would fail within the call that starts it.
            let rest = numbers.end - numbers.start;
            record.errors.add("session closed", rest, || example);
            record.failed.extend(numbers.clone());
            *left -= rest as usize;
            numbers.start = numbers.end;
        }
        if *left == 0 {
            waker.take().into_iter().for_each(Waker::wake);
        }
        true
    }
}

impl ChainState {
    fn poll_end(&mut self, waker: &Waker) -> Poll<Record> {
        match self.record.take_if(|_| self.left == 0) {
            Some(record) => Poll::Ready(record),
            None => {
                self.waker = Some(waker.clone());
                Poll::Pending
            }
        }
    }
}

/// What a panic may have left behind is still a count.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
