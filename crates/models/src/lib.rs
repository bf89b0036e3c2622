//! Models of waking: what the threads of callers, reactors and runtimes share, under every interleaving that loom finds.
//!
//! `cargo xtask models` builds them, with `--cfg helenus_loom`; without it this crate is empty. The inbox and the end of a
//! request have theirs in `helenus-core`. The files that are modelled here are those of their crates, word for word: a crate of
//! their own builds without the reactors and runtimes with which those crates are tested.
//!
//! What was tried by hand, once, as no ordering of an atomic operation stands for it:
//! - without the second attempt to drive in `CallerDriven::block_on`, a thread that registers while the driver leaves sleeps
//!   for ever: found;
//! - without the drop of `Succession`, all who slept sleep for ever: found;
//! - without the drop of `Sleeper`, a follower that needed nothing any more lets the others sleep: found with three threads and three preemptions.
#![cfg(all(test, helenus_loom))]

mod caller_driven;
mod planted;
mod woken_task;

// What the modelled files name.
#[expect(dead_code, reason = "the models need less than the driver")]
#[path = "../../helenus/src/caller.rs"]
mod caller;
#[expect(dead_code, reason = "the models need less than the driver")]
#[path = "../../helenus/src/fork.rs"]
mod fork;
#[expect(unreachable_pub, reason = "it is public in its own crate")]
#[path = "../../reactor-common/src/tasks/hub.rs"]
mod hub;
#[path = "../../helenus/src/sync.rs"]
mod sync;
#[expect(dead_code, reason = "the models need less than the driver")]
#[path = "../../helenus/src/thread.rs"]
mod thread;

/// As in `helenus-reactor-common`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Readiness {
    Readable,
}
