//! What a machine counts. One thread writes, any thread reads.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that only the machine's owner changes, so that changing it is a plain load and store.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, n: u64) {
        self.0.store(self.load().wrapping_add(n), Ordering::Relaxed);
    }

    pub(crate) fn sub(&self, n: u64) {
        self.0.store(self.load().wrapping_sub(n), Ordering::Relaxed);
    }

    fn raise(&self, n: u64) {
        if n > self.load() {
            self.0.store(n, Ordering::Relaxed);
        }
    }

    pub(crate) fn load(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        #[derive(Debug, Default)]
        pub(crate) struct Cells { $(pub(crate) $name: Counter,)* }

        /// The counters of one machine, or of several added up.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Counters { $($(#[$doc])* pub $name: u64,)* }

        impl Cells {
            fn snapshot(&self) -> Counters {
                Counters { $($name: self.$name.load(),)* }
            }
        }

        impl Counters {
            /// Every counter with its name.
            pub fn named(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name),)*].into_iter()
            }
        }

        impl std::ops::AddAssign for Counters {
            fn add_assign(&mut self, other: Self) {
                $(self.$name += other.$name;)*
            }
        }
    };
}

counters! {
    /// Bytes that the kernel accepted.
    bytes_sent,
    /// Bytes that came.
    bytes_received,
    /// Writes that moved bytes.
    writes,
    /// Reads that moved bytes.
    reads,
    /// Turns begun.
    turns,
    /// Requests put on a connection, each attempt counted.
    requests_sent,
    /// Requests that got an answer, ERROR responses too.
    answers,
    /// Answers that were ERROR responses.
    error_answers,
    /// Requests that ended without an answer.
    failures,
    /// Of these, requests that timed out.
    timeouts,
    /// Requests whose caller lost interest.
    cancelled,
    /// Requests sent again after their connection ended.
    resent,
    /// Statements prepared again on a node that didn't know them.
    reprepares,
    /// Connections that became ready.
    connections_opened,
    /// Connections that ended, also before they were ready.
    connections_closed,
    /// TLS handshakes that were completed.
    tls_handshakes,
    /// Of these, those that resumed an earlier session.
    tls_resumptions,
    /// Connections that are ready now.
    connections,
    /// Of these, connections that are not compressed although that was asked for.
    connections_uncompressed,
    /// Requests whose answer is awaited now.
    on_wire,
    /// The most requests whose answers were awaited at once.
    on_wire_max,
    /// Requests that wait for a stream id now.
    waiting,
    /// Stream ids whose answer nobody wants any more.
    orphans,
    /// Heartbeats sent.
    heartbeats,
    /// Server events that came and were ignored.
    events,
    /// Callbacks and wakers that panicked.
    callback_panics,
}

impl Cells {
    pub(crate) fn sent(&self) {
        self.requests_sent.add(1);
        self.on_wire.add(1);
        self.on_wire_max.raise(self.on_wire.load());
    }
}

/// Read access to a machine's counters, from any thread.
#[derive(Clone, Debug, Default)]
pub struct CounterReader(pub(crate) std::sync::Arc<Cells>);

impl CounterReader {
    /// What they say now.
    pub fn snapshot(&self) -> Counters {
        self.0.snapshot()
    }
}
