//! The driver and N chains as tasks of one tokio runtime.

use super::{Shared, prepare, run_chain};
use crate::drivers::{Client, tasks};
use crate::latency::Sampler;
use crate::workload::{Chain, Op};
use anyhow::{Context, Result};
use helenus::SessionBuilder;
use helenus::reactor::Tokio;
use std::sync::Arc;
use tokio::runtime::{Builder, Runtime};

#[derive(Clone, Copy, Debug)]
pub(in crate::drivers) enum Flavour {
    CurrentThread,
    /// Two workers.
    MultiThread,
}

impl Flavour {
    pub(in crate::drivers) fn runtime(self) -> Result<Runtime> {
        let mut builder = match self {
            Self::CurrentThread => Builder::new_current_thread(),
            Self::MultiThread => Builder::new_multi_thread(),
        };
        Ok(builder.worker_threads(2).enable_all().build()?)
    }
}

pub(super) struct Tasks {
    runtime: Runtime,
    shared: Arc<Shared>,
    in_flight: usize,
}

impl Tasks {
    pub(super) fn connect(
        flavour: Flavour,
        builder: SessionBuilder,
        op: Op,
        in_flight: usize,
    ) -> Result<Self> {
        let runtime = flavour.runtime()?;
        let shared = runtime.block_on(async {
            let (connecting, driver) = builder.split(Tokio::task());
            tokio::spawn(driver);
            prepare(connecting.await.context("helenus doesn't connect")?, op).await
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
