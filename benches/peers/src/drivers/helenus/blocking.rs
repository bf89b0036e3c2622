//! The program is its main thread, which blocks; the machine runs there too, or on a thread of its own.

use super::{Shared, run_chain};
use crate::drivers::Client;
use crate::latency::Sampler;
use crate::workload::Chain;
use anyhow::Result;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use futures_util::task::AtomicWaker;
use helenus::Response;
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};
use std::time::Instant;

/// How the requests are kept in flight.
#[derive(Clone, Copy, Debug)]
pub(in crate::drivers) enum Shape {
    /// N chains in a `FuturesUnordered`.
    Chains,
    /// A `FuturesUnordered` of N futures, one a request.
    Each,
    /// `execute_concurrent`.
    Window,
    /// N chains of callbacks, each sending the next request from the loop.
    Callbacks,
}

pub(super) fn client(shape: Shape, shared: Arc<Shared>, in_flight: usize) -> Box<dyn Client> {
    match shape {
        Shape::Chains => Box::new(Chains { shared, in_flight }),
        Shape::Each => Box::new(Each { shared, in_flight }),
        Shape::Window => Box::new(Window { shared, in_flight }),
        Shape::Callbacks => Box::new(Callbacks { shared, in_flight }),
    }
}

struct Chains {
    shared: Arc<Shared>,
    in_flight: usize,
}

impl Client for Chains {
    fn run(&mut self, requests: u64, sampler: &Arc<Sampler>) -> Result<()> {
        let run = |chain| run_chain(Arc::clone(&self.shared), chain, Arc::clone(sampler));
        let mut chains: FuturesUnordered<_> = Chain::split(requests, self.in_flight).map(run).collect();
        self.shared.session.block_on(async {
            while let Some(finished) = chains.next().await {
                finished?;
            }
            Ok(())
        })?
    }
}

struct Each {
    shared: Arc<Shared>,
    in_flight: usize,
}

impl Client for Each {
    fn run(&mut self, requests: u64, sampler: &Arc<Sampler>) -> Result<()> {
        let shared = &self.shared;
        let start = |number| async move {
            let started = sampler.start(number);
            shared.check(&shared.request(number).await?)?;
            sampler.stop(started);
            anyhow::Ok(())
        };
        let mut numbers = 0..requests;
        let mut flying: FuturesUnordered<_> = numbers.by_ref().take(self.in_flight).map(start).collect();
        shared.session.block_on(async {
            while let Some(finished) = flying.next().await {
                finished?;
                flying.extend(numbers.next().map(start));
            }
            Ok(())
        })?
    }
}

struct Window {
    shared: Arc<Shared>,
    in_flight: usize,
}

impl Client for Window {
    fn run(&mut self, requests: u64, sampler: &Arc<Sampler>) -> Result<()> {
        let shared = &self.shared;
        let started: RefCell<HashMap<usize, Instant>> = RefCell::default();
        let numbered = (0..requests).map(|number| {
            if sampler.picks(number) {
                started.borrow_mut().insert(number as usize, Instant::now());
            }
            shared.request(number)
        });
        for (number, result) in shared.session.execute_concurrent(numbered, self.in_flight) {
            shared.check(&result?)?;
            if sampler.picks(number as u64) {
                sampler.stop(started.borrow_mut().remove(&number));
            }
        }
        Ok(())
    }
}

struct Callbacks {
    shared: Arc<Shared>,
    in_flight: usize,
}

impl Client for Callbacks {
    fn run(&mut self, requests: u64, sampler: &Arc<Sampler>) -> Result<()> {
        let run = Arc::new(Run {
            shared: self.shared.clone(),
            sampler: sampler.clone(),
            next: AtomicU64::new(0),
            requests,
            unfinished: AtomicU64::new(requests),
            failure: Mutex::default(),
            waker: AtomicWaker::new(),
        });
        (0..self.in_flight).for_each(|_| run.send_next());
        self.shared.session.block_on(std::future::poll_fn(|cx| run.poll_end(cx.waker())))?;
        run.failure.lock().unwrap_or_else(PoisonError::into_inner).take().map_or(Ok(()), Err)
    }
}

/// What the chains of callbacks have in common.
struct Run {
    shared: Arc<Shared>,
    sampler: Arc<Sampler>,
    next: AtomicU64,
    requests: u64,
    unfinished: AtomicU64,
    failure: Mutex<Option<anyhow::Error>>,
    waker: AtomicWaker,
}

impl Run {
    fn send_next(self: &Arc<Self>) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        if number >= self.requests {
            return;
        }
        let (run, started) = (self.clone(), self.sampler.start(number));
        self.shared.request(number).on_complete(move |_, result| {
            run.sampler.stop(started);
            run.finish(result);
            run.send_next();
        });
    }

    fn finish(&self, result: Result<Response, helenus::Error>) {
        if let Err(error) = result.map_err(Into::into).and_then(|response| self.shared.check(&response)) {
            self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        }
        if self.unfinished.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.waker.wake();
        }
    }

    fn poll_end(&self, waker: &Waker) -> Poll<()> {
        self.waker.register(waker);
        if self.unfinished.load(Ordering::Acquire) == 0 { Poll::Ready(()) } else { Poll::Pending }
    }
}
