//! What users asked, what they were told, and what nodes saw; and whether these fit together. Nothing here knows the
//! machine.

use std::fmt;
use std::time::Duration;

use helenus_core::Time;
use helenus_core::call::{Fate, Outcome, Reply, RequestError};
use helenus_core::protocol::Compression;

use crate::wire::{Said, read_answer};

/// How late a timeout may be: turns take time, too.
const LATE: Duration = Duration::from_millis(10);

/// Something that must not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation(pub String);

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The life of one request, as everyone but the machine saw it.
#[derive(Debug)]
struct Record {
    submitted: Time,
    timeout: Option<Duration>,
    idempotent: bool,
    prepared: bool,
    cancelled: bool,
    rejected: bool,
    ended: bool,
    /// The user was told that no server can have seen it.
    never_sent: bool,
    done: bool,
    /// How often its whole frame reached a node, which didn't say UNPREPARED.
    seen: u32,
    /// How often a node carried it out.
    executed: u32,
}

/// How many of what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tally {
    /// Requests that users submitted.
    pub requests: u64,
    /// Requests with an answer.
    pub answers: u64,
    /// Answers that are ERROR.
    pub errors: u64,
    /// Requests that timed out.
    pub timeouts: u64,
    /// Requests that users lost interest in.
    pub cancelled: u64,
    /// Requests refused for load or after the close.
    pub rejected: u64,
    /// Requests that failed and were surely not sent.
    pub never_sent: u64,
    /// Requests that failed with an unknown fate, timeouts included.
    pub unknown: u64,
    /// Requests that ended because the session or loop did.
    pub closed: u64,
    /// Connections that nodes or the network broke.
    pub resets: u64,
    /// Requests that a node saw again.
    pub resends: u64,
    /// Requests that met a node which didn't know their statement.
    pub unprepared: u64,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.requests += other.requests;
        self.answers += other.answers;
        self.errors += other.errors;
        self.timeouts += other.timeouts;
        self.cancelled += other.cancelled;
        self.rejected += other.rejected;
        self.never_sent += other.never_sent;
        self.unknown += other.unknown;
        self.closed += other.closed;
        self.resets += other.resets;
        self.resends += other.resends;
        self.unprepared += other.unprepared;
    }
}

/// Everything that happened to every request, and what was wrong with it.
#[derive(Debug, Default)]
pub(crate) struct History {
    records: Vec<Record>,
    pub(crate) tally: Tally,
    violations: Vec<Violation>,
    /// Of what users were told, and when.
    pub(crate) digest: u64,
    /// Accepted and neither ended nor cancelled.
    pub(crate) open: u64,
    /// What the session asks for.
    pub(crate) compression: Option<Compression>,
}

/// What is known of a request when it is submitted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    pub(crate) timeout: Option<Duration>,
    pub(crate) idempotent: bool,
    pub(crate) prepared: bool,
}

impl History {
    /// A user submits; gives the request's number.
    pub(crate) fn submitted(&mut self, now: Time, asked: Asked) -> u64 {
        self.records.push(Record {
            submitted: now,
            timeout: asked.timeout,
            idempotent: asked.idempotent,
            prepared: asked.prepared,
            cancelled: false,
            rejected: false,
            ended: false,
            never_sent: false,
            done: false,
            seen: 0,
            executed: 0,
        });
        self.tally.requests += 1;
        self.open += 1;
        self.records.len() as u64 - 1
    }

    pub(crate) fn rejected(&mut self, number: u64) {
        self.records[number as usize].rejected = true;
        self.records[number as usize].never_sent = true;
        self.tally.rejected += 1;
        self.open -= 1;
    }

    /// A user loses interest.
    pub(crate) fn cancelled(&mut self, number: u64) {
        self.records[number as usize].cancelled = true;
        self.tally.cancelled += 1;
        self.open -= 1;
    }

    /// A user is told.
    pub(crate) fn ended(&mut self, now: Time, number: u64, outcome: &Outcome) {
        let record = &mut self.records[number as usize];
        if record.ended || record.cancelled || record.rejected {
            let text =
                format!("request {number} ended again, or after it was cancelled or rejected: {record:?}");
            return self.violation(text);
        }
        record.ended = true;
        self.open -= 1;
        let fate = outcome.as_ref().err().map_or(0, |error| 1 + u64::from(error.fate() == Fate::Unknown));
        for part in [number, now.as_nanos(), fate] {
            self.digest = (self.digest ^ part).wrapping_mul(0x0000_0100_0000_01B3);
        }
        if let Some(timeout) = record.timeout {
            let took = now.since(record.submitted);
            if took > timeout + LATE {
                let text =
                    format!("request {number} ended after {took:?}, its timeout is {timeout:?}: {outcome:?}");
                self.violation(text);
            }
        }
        match outcome {
            Ok(Reply::Answer(answer)) => {
                self.tally.answers += 1;
                self.answered(number, read_answer(&answer.header, &answer.body, self.compression));
            }
            Ok(reply) => self.violation(format!("request {number} was answered by {reply:?}")),
            Err(error) => self.failed(now, number, error),
        }
    }

    fn answered(&mut self, number: u64, said: Result<Said, String>) {
        let record = &mut self.records[number as usize];
        let text = match said {
            Ok(Said::Done(told)) if told == number && record.executed > 0 => {
                record.done = true;
                return;
            }
            Ok(Said::Done(told)) if told == number => "was never carried out, but is said to be".into(),
            Ok(Said::Error(told, code)) if told == number && record.seen > 0 => {
                self.tally.errors += 1;
                if code == 0x2500 {
                    "was told of UNPREPARED".into()
                } else {
                    return;
                }
            }
            Ok(Said::PrepareRefused) if record.prepared => {
                self.tally.errors += 1;
                return;
            }
            Ok(said) => format!("got the answer of another: {said:?}"),
            Err(what) => format!("got garbage: {what}"),
        };
        self.violation(format!("request {number} {text}"));
    }

    fn failed(&mut self, now: Time, number: u64, error: &RequestError) {
        let record = &mut self.records[number as usize];
        match error.fate() {
            Fate::NeverSent => {
                record.never_sent = true;
                self.tally.never_sent += 1;
            }
            Fate::Unknown => self.tally.unknown += 1,
        }
        let text = match error {
            RequestError::TimedOut { after, .. } => {
                self.tally.timeouts += 1;
                let took = now.since(record.submitted);
                if record.timeout != Some(*after) || took < *after {
                    Some(format!("timed out after {took:?} ({after:?}), its timeout is {:?}", record.timeout))
                } else {
                    None
                }
            }
            RequestError::Closed { .. } => {
                self.tally.closed += 1;
                None
            }
            RequestError::Overloaded { .. } | RequestError::TooLong { .. } => {
                Some(format!("was accepted, then: {error}"))
            }
            RequestError::Reprepare { .. } if !record.prepared => Some(format!("is no EXECUTE: {error}")),
            RequestError::NoConnection(failures) if failures.is_empty() => {
                Some("has no connection and no reason".into())
            }
            _ => None,
        };
        if let Some(text) = text {
            self.violation(format!("request {number} {text}"));
        }
    }

    /// A node has a request's whole frame.
    pub(crate) fn seen(&mut self, number: u64) {
        let Some(record) = self.records.get_mut(number as usize) else {
            return self.violation(format!("a node saw request {number}, which nobody made"));
        };
        record.seen += 1;
        self.tally.resends += u64::from(record.seen > 1);
    }

    /// A node says that it didn't carry a request out, as it doesn't know the statement: as good as not seen.
    pub(crate) fn unprepared(&mut self, number: u64) {
        if let Some(record) = self.records.get_mut(number as usize) {
            record.seen -= 1;
            self.tally.unprepared += 1;
        }
    }

    /// A node carries a request out.
    pub(crate) fn executed(&mut self, number: u64) {
        if let Some(record) = self.records.get_mut(number as usize) {
            record.executed += 1;
            if record.executed > 1 && !record.idempotent {
                self.violation(format!("request {number} is not idempotent and was carried out twice"));
            }
        }
    }

    pub(crate) fn violation(&mut self, text: String) {
        self.violations.push(Violation(text));
    }

    pub(crate) fn is_pending(&self, number: u64) -> bool {
        let record = &self.records[number as usize];
        !(record.ended || record.rejected || record.cancelled)
    }

    /// Whether this request got a good answer.
    pub(crate) fn is_done(&self, number: u64) -> bool {
        self.records[number as usize].done
    }

    /// Everything has ended: what must hold of all requests.
    pub(crate) fn finish(&mut self) {
        let mut found = Vec::new();
        for (number, record) in self.records.iter().enumerate() {
            if !(record.ended || record.cancelled || record.rejected) {
                found.push(format!("request {number} was lost: {record:?}"));
            }
            if record.never_sent && record.seen > 0 {
                found.push(format!("request {number} 'was not sent', but a node saw it: {record:?}"));
            }
        }
        found.into_iter().for_each(|text| self.violation(text));
    }

    pub(crate) fn violations(&self) -> &[Violation] {
        &self.violations
    }
}
