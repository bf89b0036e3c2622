//! The table, the statements, and what is done with each request's result.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::Result;
use hdrhistogram::Histogram;
use helenus::{Error, Prepared, Request, RequestError, Response, Session};

use super::job::{Errors, Job};

pub(crate) const KEYSPACE: &str = "helenus_bench";
pub(crate) const CREATE_TABLE: &str =
    "CREATE TABLE IF NOT EXISTS helenus_bench.bench (key text PRIMARY KEY, b text, c text)";
pub(crate) const TRUNCATE: &str = "TRUNCATE helenus_bench.bench";
pub(crate) const SELECT_KEYS: &str = "SELECT key FROM helenus_bench.bench";
pub(crate) const INSERT: &str = "INSERT INTO helenus_bench.bench (key, b, c) VALUES (?, ?, ?)";
pub(crate) const SELECT: &str = "SELECT key, b, c FROM helenus_bench.bench WHERE key = ?";

/// A request's number as text: the key of its row.
pub(crate) struct Key([u8; 16]);

impl Key {
    pub(crate) fn of(number: u64) -> Self {
        let mut digits = [0; 16];
        for (place, digit) in digits.iter_mut().rev().enumerate() {
            *digit = b"0123456789abcdef"[(number >> (4 * place) & 15) as usize];
        }
        Self(digits)
    }

    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("hexadecimal digits are ASCII")
    }

    /// The inverse; `None` for a text that is no key of ours.
    pub(crate) fn number(text: &str) -> Option<u64> {
        let number = u64::from_str_radix(text, 16).ok()?;
        (Self::of(number).as_str() == text).then_some(number)
    }
}

/// What all threads of a worker share.
#[derive(Clone)]
pub(crate) struct Workload {
    pub(crate) session: Session,
    statement: Prepared,
    read: bool,
    stored: bool,
    sample_every: u64,
}

/// A request that was started; when, if it is one of those whose latency is taken.
#[derive(Clone, Copy)]
pub(crate) struct Started {
    pub(crate) number: u64,
    at: Option<Instant>,
}

impl Started {
    pub(crate) fn untimed(number: u64) -> Self {
        Self { number, at: None }
    }
}

impl Workload {
    pub(crate) async fn prepare(session: &Session, job: &Job) -> Result<Self, Error> {
        let statement = session.prepare(if job.read { SELECT } else { INSERT }).await?;
        Ok(Self {
            session: session.clone(),
            statement,
            read: job.read,
            stored: job.stored,
            sample_every: job.sample_every,
        })
    }

    pub(crate) fn request(&self, number: u64) -> Request<Response> {
        let key = Key::of(number);
        let request = if self.read {
            self.session.execute(&self.statement, (key.as_str(),))
        } else {
            self.session.execute(&self.statement, (key.as_str(), "b", "c"))
        };
        // The same row again is the same row.
        request.idempotent(true)
    }

    pub(crate) fn begin(&self, number: u64) -> Started {
        Started { number, at: self.is_sampled(number).then(Instant::now) }
    }

    pub(crate) fn is_sampled(&self, number: u64) -> bool {
        number.is_multiple_of(self.sample_every)
    }

    /// What is wrong with a result, if anything is.
    fn verdict(&self, number: u64, result: Result<Response, Error>) -> Option<(&'static str, String)> {
        let response = match result {
            Ok(response) => response,
            Err(error) => return Some((kind(&error), error.to_string())),
        };
        if !self.read {
            return None;
        }
        match response.one::<(&str, &str, &str)>() {
            Ok((key, ..)) if self.stored && key != Key::of(number).as_str() => {
                Some(("another row", format!("asked for key {}, got key {key}", Key::of(number).as_str())))
            }
            Ok(_) => None,
            Err(error) => Some((kind(&error), format!("key {}: {error}", Key::of(number).as_str()))),
        }
    }
}

/// An hour: longer latencies count as that.
const LATENCY_MAX_NS: u64 = 3_600_000_000_000;

/// What one thread notes.
pub(crate) struct Record {
    pub(crate) latencies: Histogram<u64>,
    pub(crate) errors: Errors,
    /// The numbers of the requests that failed.
    pub(crate) failed: Vec<u64>,
    finished: Arc<AtomicU64>,
}

impl Record {
    /// `finished` is counted up, for the progress bar.
    pub(crate) fn new(finished: Arc<AtomicU64>) -> Self {
        let latencies = Histogram::new_with_bounds(1, LATENCY_MAX_NS, 3).expect("1 < an hour, 3 <= 5");
        Self { latencies, errors: Errors::default(), failed: Vec::new(), finished }
    }

    pub(crate) fn end(&mut self, work: &Workload, started: Started, result: Result<Response, Error>) {
        // Nobody else writes it.
        self.finished.store(self.finished.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        if let Some(at) = started.at {
            self.latencies.saturating_record(u64::try_from(at.elapsed().as_nanos()).unwrap_or(u64::MAX));
        }
        if let Some((kind, example)) = work.verdict(started.number, result) {
            self.errors.add(kind, 1, || example);
            self.failed.push(started.number);
        }
    }
}

/// In a few words, the same for all errors of a kind.
pub(crate) fn kind(error: &Error) -> &'static str {
    use helenus::ErrorKind as Server;
    match error {
        Error::Request(error) => match error {
            RequestError::Overloaded { .. } => "overloaded: too many in flight in the driver",
            RequestError::Closed { .. } => "session closed",
            RequestError::NoConnection(_) => "no node can be reached",
            RequestError::TimedOut { node: Some(_), .. } => "timed out: no answer in time",
            RequestError::TimedOut { node: None, .. } => "timed out: never sent",
            RequestError::ConnectionLost { .. } => "connection lost",
            RequestError::Reprepare { .. } => "preparing again failed",
            _ => "request failed",
        },
        Error::Server { error, .. } => match error.kind {
            Server::Unavailable { .. } => "server: too few replicas alive",
            Server::Overloaded => "server: overloaded",
            Server::IsBootstrapping => "server: bootstrapping",
            Server::WriteTimeout { .. } => "server: write timed out",
            Server::ReadTimeout { .. } => "server: read timed out",
            _ => "server: another error",
        },
        Error::Shape(_) => "row not found",
        Error::Row(_) | Error::Response { .. } => "answer can't be read",
        _ => "not sent",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_there_and_back() {
        for number in [0, 1, 15, 16, 0xdead_beef, u64::MAX] {
            assert_eq!(Key::number(Key::of(number).as_str()), Some(number));
        }
        assert_eq!(Key::of(0x1a).as_str(), "000000000000001a");
        for text in ["", "1a", "000000000000001A", "+00000000000001a", "xxxxxxxxxxxxxxxx"] {
            assert_eq!(Key::number(text), None, "{text}");
        }
    }
}
