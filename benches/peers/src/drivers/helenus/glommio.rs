//! The driver and N chains as tasks of a glommio executor on this thread.

use super::{Shared, prepare, run_chain};
use crate::drivers::Client;
use crate::latency::Sampler;
use crate::workload::{Chain, Op};
use anyhow::{Context, Result};
use glommio::{LocalExecutor, LocalExecutorBuilder, Placement};
use helenus::SessionBuilder;
use helenus::reactor::Glommio;
use std::sync::Arc;

pub(super) struct Tasks {
    executor: LocalExecutor,
    shared: Arc<Shared>,
    in_flight: usize,
}

/// An executor where this process is pinned to, so that it needs no pinning of its own.
pub(in crate::drivers) fn executor() -> Result<LocalExecutor> {
    // Its default of 10 MiB locked memory is more than most users may have, and files aren't what is measured.
    LocalExecutorBuilder::new(Placement::Unbound)
        .io_memory(64 << 10)
        .make()
        .map_err(|error| anyhow::anyhow!("glommio has no executor: {error}"))
}

impl Tasks {
    pub(super) fn connect(builder: SessionBuilder, op: Op, in_flight: usize) -> Result<Self> {
        let executor = executor()?;
        let shared = executor.run(async {
            let (connecting, driver) = builder.split(Glommio::task());
            glommio::spawn_local(driver).detach();
            prepare(connecting.await.context("helenus doesn't connect")?, op).await
        })?;
        Ok(Self { executor, shared, in_flight })
    }
}

impl Client for Tasks {
    fn run(&mut self, requests: u64, sampler: &Arc<Sampler>) -> Result<()> {
        self.executor.run(async {
            let run =
                |chain| glommio::spawn_local(run_chain(Arc::clone(&self.shared), chain, Arc::clone(sampler)));
            let tasks: Vec<_> = Chain::split(requests, self.in_flight).map(run).collect();
            for task in tasks {
                task.await?;
            }
            Ok(())
        })
    }
}
