//! The `scylla` crate.

use super::{Client, Target, tasks};
use crate::latency::Sampler;
use crate::threads::{self, Blocking};
use crate::workload::{Chain, Data, KEY_BYTES, Op, VALUE_BYTES};
use anyhow::{Context, Result, ensure};
use scylla::client::PoolSize;
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::statement::prepared::PreparedStatement;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;

#[derive(Clone, Copy)]
pub(super) enum Runtime {
    CurrentThread,
    MultiThread,
}

pub(super) fn connect(kind: Runtime, target: &Target, op: Op, in_flight: usize) -> Result<Box<dyn Client>> {
    Ok(Box::new(connect_shared(kind, target, op, in_flight)?))
}

fn connect_shared(kind: Runtime, target: &Target, op: Op, in_flight: usize) -> Result<Scylla> {
    let runtime = match kind {
        Runtime::CurrentThread => tokio::runtime::Builder::new_current_thread().enable_all().build()?,
        Runtime::MultiThread => {
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?
        }
    };
    let (session, prepared) = runtime.block_on(async {
        let session = SessionBuilder::new()
            .known_node_addr(target.address)
            .tls_context(target.tls.clone())
            .pool_size(PoolSize::PerHost(NonZeroUsize::MIN))
            .build()
            .await
            .context("scylla doesn't connect")?;
        let prepared = session.prepare(op.statement()).await.context("scylla doesn't prepare")?;
        anyhow::Ok((session, prepared))
    })?;
    let shared = Arc::new(Shared { session, prepared, data: Data::new(), op });
    Ok(Scylla { runtime, shared, in_flight })
}

/// For threads that block on the multi-thread runtime.
pub(super) fn blocking(server: SocketAddr) -> Result<Arc<dyn Blocking>> {
    Ok(Arc::new(connect_shared(Runtime::MultiThread, &Target::plain(server), threads::OP, 1)?))
}

impl Blocking for Scylla {
    fn insert(&self, number: u64) -> Result<()> {
        self.runtime.block_on(self.shared.insert(number))
    }
}

struct Scylla {
    runtime: tokio::runtime::Runtime,
    shared: Arc<Shared>,
    in_flight: usize,
}

struct Shared {
    session: Session,
    prepared: PreparedStatement,
    data: Data,
    op: Op,
}

impl Client for Scylla {
    fn run(&mut self, requests: u64, sampler: &Arc<Sampler>) -> Result<()> {
        let chains = Chain::split(requests, self.in_flight);
        let run = |chain| run_chain(Arc::clone(&self.shared), chain, Arc::clone(sampler));
        tasks::run(&self.runtime, chains.map(run))
    }
}

async fn run_chain(shared: Arc<Shared>, chain: Chain, sampler: Arc<Sampler>) -> Result<()> {
    for (turn, number) in chain.numbers().enumerate() {
        let started = sampler.start(chain.index + turn as u64);
        match shared.op {
            Op::Insert => shared.insert(number).await?,
            Op::Select => shared.select(number).await?,
        }
        sampler.stop(started);
    }
    Ok(())
}

impl Shared {
    async fn insert(&self, number: u64) -> Result<()> {
        let values = (self.data.key(number), self.data.value());
        let result = self.session.execute_unpaged(&self.prepared, values).await?;
        Ok(result.result_not_rows()?)
    }

    async fn select(&self, number: u64) -> Result<()> {
        let result = self.session.execute_unpaged(&self.prepared, (self.data.key(number),)).await?;
        let rows = result.into_rows_result()?;
        let (key, value) = rows.single_row::<(&str, &str)>()?;
        ensure!(key.len() == KEY_BYTES && value.len() == VALUE_BYTES, "the row isn't one that was written");
        Ok(())
    }
}
