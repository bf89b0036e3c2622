//! The `cdrs-tokio` crate.

use super::{Client, tasks};
use crate::latency::Sampler;
use crate::workload::{Chain, Data, KEY_BYTES, Op, VALUE_BYTES};
use anyhow::{Context, Result, ensure};
use cdrs_tokio::cluster::session::{Session, SessionBuilder, TcpSessionBuilder};
use cdrs_tokio::cluster::{NodeTcpConfigBuilder, TcpConnectionManager};
use cdrs_tokio::load_balancing::RoundRobinLoadBalancingStrategy;
use cdrs_tokio::query::{PreparedQuery, QueryValues};
use cdrs_tokio::transport::TransportTcp;
use cdrs_tokio::types::ByIndex;
use std::net::SocketAddr;
use std::sync::Arc;

type Balancing = RoundRobinLoadBalancingStrategy<TransportTcp, TcpConnectionManager>;

pub(super) fn connect(server: SocketAddr, op: Op, in_flight: usize) -> Result<Box<dyn Client>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (session, prepared) = runtime.block_on(async {
        let node = NodeTcpConfigBuilder::new().with_contact_point(server.into()).build().await?;
        // Its pool has one connection to each node unless told otherwise.
        let session = TcpSessionBuilder::new(Balancing::new(), node)
            .with_transport_buffer_size(in_flight.max(1_024))
            .build()
            .await
            .context("cdrs-tokio doesn't connect")?;
        let prepared = session.prepare(op.statement()).await.context("cdrs-tokio doesn't prepare")?;
        anyhow::Ok((session, prepared))
    })?;
    let shared = Arc::new(Shared { session, prepared, data: Data::new(), op });
    Ok(Box::new(Cdrs { runtime, shared, in_flight }))
}

struct Cdrs {
    runtime: tokio::runtime::Runtime,
    shared: Arc<Shared>,
    in_flight: usize,
}

struct Shared {
    session: Session<TransportTcp, TcpConnectionManager, Balancing>,
    prepared: PreparedQuery,
    data: Data,
    op: Op,
}

impl Client for Cdrs {
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
        let values = vec![self.data.key(number).into(), self.data.value().into()];
        // An error frame comes back as `Err`; more isn't in the answer to an insert.
        self.session.exec_with_values(&self.prepared, QueryValues::SimpleValues(values)).await?;
        Ok(())
    }

    async fn select(&self, number: u64) -> Result<()> {
        let values = QueryValues::SimpleValues(vec![self.data.key(number).into()]);
        let answer = self.session.exec_with_values(&self.prepared, values).await?;
        let rows = answer.response_body()?.into_rows().context("the answer has no rows")?;
        ensure!(rows.len() == 1, "{} rows came for one key", rows.len());
        let key: String = rows[0].r_by_index(0)?;
        let value: String = rows[0].r_by_index(1)?;
        ensure!(key.len() == KEY_BYTES && value.len() == VALUE_BYTES, "the row isn't one that was written");
        Ok(())
    }
}
