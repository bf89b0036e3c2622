//! What may be said about requests, once for many or for one.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use helenus_core::protocol::{Consistency, SerialConsistency};

/// `None`: nothing is said, so what holds is what was said before, at last by the session's builder.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    pub(crate) consistency: Option<Consistency>,
    pub(crate) timeout: Option<Option<Duration>>,
    pub(crate) idempotent: Option<bool>,
    pub(crate) tracing: Option<bool>,
    pub(crate) node: Option<SocketAddr>,
    pub(crate) tail: Tail,
}

/// What lies behind the values of a request, or before its body, and so is written last.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tail {
    pub(crate) serial_consistency: Option<SerialConsistency>,
    pub(crate) page_size: Option<i32>,
    pub(crate) timestamp: Option<Stamp>,
    pub(crate) custom_payload: Option<CustomPayload>,
    pub(crate) keyspace: Option<Arc<str>>,
    pub(crate) now_in_seconds: Option<i32>,
}

pub(crate) type CustomPayload = Arc<[(String, Option<Vec<u8>>)]>;

/// Whose timestamp a write has.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stamp {
    AtUs(i64),
    Server,
}

impl Settings {
    /// As if all that `other` says were said now.
    pub(crate) fn say_all(&mut self, other: &Self) {
        self.consistency = other.consistency.or(self.consistency);
        self.timeout = other.timeout.or(self.timeout);
        self.idempotent = other.idempotent.or(self.idempotent);
        self.tracing = other.tracing.or(self.tracing);
        self.node = other.node.or(self.node);
        self.tail.say_all(&other.tail);
    }
}

impl Tail {
    pub(crate) fn say_all(&mut self, other: &Self) {
        self.serial_consistency = other.serial_consistency.or(self.serial_consistency);
        self.page_size = other.page_size.or(self.page_size);
        self.timestamp = other.timestamp.or(self.timestamp);
        self.custom_payload = other.custom_payload.clone().or(self.custom_payload.take());
        self.keyspace = other.keyspace.clone().or(self.keyspace.take());
        self.now_in_seconds = other.now_in_seconds.or(self.now_in_seconds);
    }

    pub(crate) fn is_empty(&self) -> bool {
        let Self { serial_consistency, page_size, timestamp, custom_payload, keyspace, now_in_seconds } =
            self;
        serial_consistency.is_none()
            && page_size.is_none()
            && timestamp.is_none()
            && custom_payload.is_none()
            && keyspace.is_none()
            && now_in_seconds.is_none()
    }
}

pub(crate) fn custom_payload<K: Into<String>, V: Into<Vec<u8>>>(
    entries: impl IntoIterator<Item = (K, V)>,
) -> CustomPayload {
    entries.into_iter().map(|(key, value)| (key.into(), Some(value.into()))).collect()
}

/// The methods of all that has settings of its own, and so a method `say`.
macro_rules! setters {
    ($type:ident, $($generics:tt)*) => {
        impl $($generics)* $type $($generics)* {
            /// How many replicas must answer.
            #[must_use]
            pub fn consistency(self, consistency: $crate::Consistency) -> Self {
                self.say(|settings| settings.consistency = Some(consistency))
            }

            /// How far the serial phase of a conditional statement goes; over all data centres unless set.
            #[must_use]
            pub fn serial_consistency(self, consistency: $crate::SerialConsistency) -> Self {
                self.say(|settings| settings.tail.serial_consistency = Some(consistency))
            }

            /// At most so many rows in a page. The server takes it for a hint.
            #[must_use]
            pub fn page_size(self, rows: i32) -> Self {
                self.say(|settings| settings.tail.page_size = Some(rows.max(1)))
            }

            /// The timestamp of what is written, in microseconds since 1970, in place of the session's. `USING TIMESTAMP` in
            /// the text wins over it, and conditional statements take none.
            #[must_use]
            pub fn timestamp_us(self, timestamp: i64) -> Self {
                self.say(|settings| settings.tail.timestamp = Some($crate::settings::Stamp::AtUs(timestamp)))
            }

            /// Lets the coordinator give the timestamp.
            #[must_use]
            pub fn server_timestamp(self) -> Self {
                self.say(|settings| settings.tail.timestamp = Some($crate::settings::Stamp::Server))
            }

            /// How long it may take from when the machine takes it, second attempts included.
            #[must_use]
            pub fn timeout(self, timeout: std::time::Duration) -> Self {
                self.say(|settings| settings.timeout = Some(Some(timeout)))
            }

            /// Waits however long it takes.
            #[must_use]
            pub fn no_timeout(self) -> Self {
                self.say(|settings| settings.timeout = Some(None))
            }

            /// Whether doing it twice is the same as doing it once. Only then is it sent again when its connection is lost
            /// and its fate unknown.
            #[must_use]
            pub fn idempotent(self, idempotent: bool) -> Self {
                self.say(|settings| settings.idempotent = Some(idempotent))
            }

            /// Whether the server is asked to trace it; the answer then has a
            /// [`tracing_id`]($crate::Response::tracing_id).
            #[must_use]
            pub fn tracing(self, tracing: bool) -> Self {
                self.say(|settings| settings.tracing = Some(tracing))
            }

            /// Bytes for an extension of the server, by keys (v4 and later; section 2.2).
            #[must_use]
            pub fn custom_payload<K: Into<String>, V: Into<Vec<u8>>>(
                self,
                entries: impl IntoIterator<Item = (K, V)>,
            ) -> Self {
                self.say(|settings| {
                    settings.tail.custom_payload = Some($crate::settings::custom_payload(entries))
                })
            }

            /// What the server takes for the current time where time to live is concerned, in seconds since 1970 (v5).
            #[must_use]
            pub fn now_in_seconds(self, now: i32) -> Self {
                self.say(|settings| settings.tail.now_in_seconds = Some(now))
            }

            /// Sends it to this node alone, as [`coordinator`]($crate::Response::coordinator) names it. Without a connection
            /// to that node it fails.
            #[must_use]
            pub fn node(self, node: std::net::SocketAddr) -> Self {
                self.say(|settings| settings.node = Some(node))
            }
        }
    };
}
pub(crate) use setters;

/// Settings that many statements share, such as those of a report or of a batch job.
///
/// ```
/// use helenus::{Consistency, Profile, Statement};
/// use std::time::Duration;
///
/// let report = Profile::new().consistency(Consistency::LocalOne).timeout(Duration::from_secs(60)).page_size(500);
/// let statement = Statement::new("SELECT id, name FROM shop.users").profile(&report);
/// ```
///
/// A profile is as if all that it says were said where it is given: what is said after it wins.
#[derive(Clone, Debug, Default)]
pub struct Profile(pub(crate) Settings);

impl Profile {
    /// One that says nothing.
    pub fn new() -> Self {
        Self::default()
    }

    fn say(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.0);
        self
    }
}

setters!(Profile,);
