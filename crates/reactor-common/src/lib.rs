//! What reactors share: the turn, connecting, the clock, the thread for name lookups, the threads of loops, the future
//! that runs a machine in a task.
//!
//! A readiness loop (epoll, kqueue, or a runtime's reactor) implements [`Net`], which is no more than sockets, and gives
//! it to a [`Shard`]. The loop then only waits, reports what is ready, and calls [`Shard::turn`], which keeps the
//! contract of [`helenus_core::reactor`]. Where a runtime polls futures instead, [`tasks`] has that loop too. A completion
//! loop implements [`Outside`] and gives it to a [`Runner`].

mod clock;
mod connect;
mod jobs;
mod shard;
mod sync;
mod table;
pub mod tasks;
mod threads;
mod turn;
mod world;

pub use clock::Clock;
pub use connect::{finish_connect, start_connect};
pub use jobs::{Answer, Jobs};
pub use shard::Shard;
pub use table::Table;
pub use threads::launch_threads;
pub use turn::{Next, Outside, Runner};
pub use world::{Net, Readiness};
