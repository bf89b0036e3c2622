//! helenus itself, through the APIs that its users have.

use super::{Client, tasks};
use crate::latency::Sampler;
use crate::workload::{Chain, Data, KEY_BYTES, Op, VALUE_BYTES};
use anyhow::{Context, Result, ensure};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use helenus::reactor::{Mio, Tokio};
use helenus::{Prepared, Request, Response, Session, SessionBuilder, Version};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

/// Who runs the machine, and how the requests are kept in flight.
#[derive(Clone, Copy, Debug)]
pub(super) enum Loop {
    OwnThread,
    Caller,
    CallerWindow,
    Tokio,
}

pub(super) fn connect(kind: Loop, server: SocketAddr, op: Op, in_flight: usize) -> Result<Box<dyn Client>> {
    // The peers speak v4, so this does; v5 adds a CRC of each segment.
    let builder = Session::builder().contact_point(server.to_string()).protocol_version(Version::V4);
    Ok(match kind {
        Loop::OwnThread => Box::new(Futures { shared: prepare(builder.reactor(Mio::threads(1)), op)?, in_flight }),
        Loop::Caller => Box::new(Futures { shared: prepare(builder.reactor(Mio::on_caller()), op)?, in_flight }),
        Loop::CallerWindow => {
            Box::new(Window { shared: prepare(builder.reactor(Mio::on_caller()), op)?, in_flight })
        }
        Loop::Tokio => Box::new(Tasks::connect(builder, op, in_flight)?),
    })
}

fn prepare(builder: SessionBuilder, op: Op) -> Result<Arc<Shared>> {
    let session = builder.connect().wait().context("helenus doesn't connect")?;
    let prepared = session.prepare(op.statement()).wait().context("helenus doesn't prepare")?;
    Ok(Arc::new(Shared { session, prepared, data: Data::new(), op }))
}

struct Shared {
    session: Session,
    prepared: Prepared,
    data: Data,
    op: Op,
}

impl Shared {
    fn request(&self, number: u64) -> Request<Response> {
        match self.op {
            Op::Insert => self.session.execute(&self.prepared, (self.data.key(number), self.data.value())),
            Op::Select => self.session.execute(&self.prepared, (self.data.key(number),)),
        }
    }

    fn check(&self, response: &Response) -> Result<()> {
        if self.op == Op::Select {
            let (key, value) = response.one::<(&str, &str)>()?;
            ensure!(key.len() == KEY_BYTES && value.len() == VALUE_BYTES, "the row isn't one that was written");
        }
        Ok(())
    }
}

async fn run_chain(shared: Arc<Shared>, chain: Chain, sampler: Arc<Sampler>) -> Result<()> {
    for (turn, number) in chain.numbers().enumerate() {
        let started = sampler.start(chain.index + turn as u64);
        shared.check(&shared.request(number).await?)?;
        sampler.stop(started);
    }
    Ok(())
}

/// N chains in a `FuturesUnordered`, run by `block_on` on the main thread.
struct Futures {
    shared: Arc<Shared>,
    in_flight: usize,
}

impl Client for Futures {
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

/// `execute_concurrent`.
struct Window {
    shared: Arc<Shared>,
    in_flight: usize,
}

impl Client for Window {
    fn run(&mut self, requests: u64, sampler: &Arc<Sampler>) -> Result<()> {
        let shared = &self.shared;
        let started: std::cell::RefCell<std::collections::HashMap<usize, Instant>> = Default::default();
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

/// The driver and N chains as tasks of a current-thread runtime.
struct Tasks {
    runtime: tokio::runtime::Runtime,
    shared: Arc<Shared>,
    in_flight: usize,
}

impl Tasks {
    fn connect(builder: SessionBuilder, op: Op, in_flight: usize) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let shared = runtime.block_on(async {
            let (connecting, driver) = builder.split(Tokio::task());
            tokio::spawn(driver);
            let session = connecting.await.context("helenus doesn't connect")?;
            let prepared = session.prepare(op.statement()).await.context("helenus doesn't prepare")?;
            anyhow::Ok(Arc::new(Shared { session, prepared, data: Data::new(), op }))
        })?;
        Ok(Self { runtime, shared, in_flight })
    }
}

impl Client for Tasks {
    fn run(&mut self, requests: u64, sampler: &Arc<Sampler>) -> Result<()> {
        let run = |chain| run_chain(Arc::clone(&self.shared), chain, Arc::clone(sampler));
        tasks::run(&self.runtime, Chain::split(requests, self.in_flight).map(run))
    }
}
