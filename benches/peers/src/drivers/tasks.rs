//! N tasks on a tokio runtime, as fits each client best.

use anyhow::Result;
use tokio::runtime::{Runtime, RuntimeFlavor};
use tokio::task::{JoinSet, LocalSet};

/// Up to here tasks are spawned on the runtime itself; beyond, on a current-thread runtime, a `LocalSet`
/// takes less of both peers' CPU (by a tenth to a quarter at 8,192 in flight; before, nothing or more).
const MOST_SPAWNED: usize = 1_024;

/// Runs the futures, each as a task, to their end.
pub(super) fn run<F>(runtime: &Runtime, futures: impl ExactSizeIterator<Item = F>) -> Result<()>
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    let mut tasks = JoinSet::new();
    let single = runtime.handle().runtime_flavor() == RuntimeFlavor::CurrentThread;
    if single && futures.len() > MOST_SPAWNED {
        let set = LocalSet::new();
        return set.block_on(runtime, async {
            futures.for_each(|future| drop(tasks.spawn_local(future)));
            join(tasks).await
        });
    }
    runtime.block_on(async {
        futures.for_each(|future| drop(tasks.spawn(future)));
        join(tasks).await
    })
}

async fn join(mut tasks: JoinSet<Result<()>>) -> Result<()> {
    while let Some(finished) = tasks.join_next().await {
        finished??;
    }
    Ok(())
}
