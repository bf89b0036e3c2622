//! The driver and N chains as tasks of one executor, smol's or async-std's.

use super::{Shared, prepare, run_chain};
use crate::drivers::Client;
use crate::latency::Sampler;
use crate::workload::{Chain, Op};
use anyhow::{Context, Result};
use async_executor::LocalExecutor;
use helenus::SessionBuilder;
use helenus::reactor::{AsyncStd, Smol};
use std::sync::Arc;

pub(super) struct Tasks {
    executor: LocalExecutor<'static>,
    shared: Arc<Shared>,
    in_flight: usize,
}

impl Tasks {
    pub(super) fn connect(builder: SessionBuilder, op: Op, in_flight: usize) -> Result<Self> {
        let executor = LocalExecutor::new();
        let (connecting, driver) = builder.split(Smol::task());
        executor.spawn(driver).detach();
        let shared = async_io::block_on(
            executor.run(async { prepare(connecting.await.context("helenus doesn't connect")?, op).await }),
        )?;
        Ok(Self { executor, shared, in_flight })
    }
}

impl Client for Tasks {
    fn run(&mut self, requests: u64, sampler: &Arc<Sampler>) -> Result<()> {
        let run =
            |chain| self.executor.spawn(run_chain(Arc::clone(&self.shared), chain, Arc::clone(sampler)));
        let tasks: Vec<_> = Chain::split(requests, self.in_flight).map(run).collect();
        async_io::block_on(self.executor.run(async {
            for task in tasks {
                task.await?;
            }
            Ok(())
        }))
    }
}

pub(super) struct AsyncStdTasks {
    shared: Arc<Shared>,
    in_flight: usize,
}

impl AsyncStdTasks {
    pub(super) fn connect(builder: SessionBuilder, op: Op, in_flight: usize) -> Result<Self> {
        let (connecting, driver) = builder.split(AsyncStd::task());
        async_std::task::spawn(driver);
        let shared = async_std::task::block_on(async_std::task::spawn(async move {
            prepare(connecting.await.context("helenus doesn't connect")?, op).await
        }))?;
        Ok(Self { shared, in_flight })
    }
}

impl Client for AsyncStdTasks {
    fn run(&mut self, requests: u64, sampler: &Arc<Sampler>) -> Result<()> {
        let run =
            |chain| async_std::task::spawn(run_chain(Arc::clone(&self.shared), chain, Arc::clone(sampler)));
        let tasks: Vec<_> = Chain::split(requests, self.in_flight).map(run).collect();
        async_std::task::block_on(async {
            for task in tasks {
                task.await?;
            }
            Ok(())
        })
    }
}
