use super::parameters::{self, Common, Values, flags_len, put_common, set_flags};
use crate::protocol::wire::{
    Reader, count_of, put_byte, put_consistency, put_long_string, put_short, put_short_bytes,
};
use crate::protocol::{Consistency, DecodeError, EncodeError, Version};

/// Which guarantees a batch has (section 4.1.7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum BatchKind {
    /// All or nothing, in the end, over a log.
    #[default]
    Logged,
    /// No guarantee beyond one partition.
    Unlogged,
    /// Of counters.
    Counter,
}

/// What accompanies a batch (section 4.1.7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BatchOptions<'a> {
    /// How many replicas must answer.
    pub consistency: Consistency,
    /// For the serial phase of conditional statements; the server takes SERIAL if there is none.
    pub serial_consistency: Option<Consistency>,
    /// The default timestamp of what is written, in microseconds since 1970.
    pub timestamp: Option<i64>,
    /// The keyspace of unqualified names; v5.
    pub keyspace: Option<&'a str>,
    /// What the server takes for the current time, in seconds since 1970; v5.
    pub now_in_seconds: Option<i32>,
}

/// What a statement of a batch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchQuery<'a> {
    /// CQL text.
    Text(&'a str),
    /// The id of a prepared statement.
    Prepared(&'a [u8]),
}

/// A statement of a batch, with its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchStatement<'a> {
    /// What to run.
    pub query: BatchQuery<'a>,
    /// Its values. Named ones don't work in batches (section 4.1.7).
    pub values: Values<'a>,
}

/// Several statements as one (section 4.1.7).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch<'a> {
    /// Its guarantees.
    pub kind: BatchKind,
    /// Its statements: at most 65,535.
    pub statements: Vec<BatchStatement<'a>>,
    /// All else.
    pub options: BatchOptions<'a>,
}

impl<'a> Batch<'a> {
    /// Appends the body.
    ///
    /// # Errors
    /// [`EncodeError::Limit`] for too many statements or values, [`EncodeError::NotInVersion`] for what only v5 has,
    /// [`EncodeError::Unsupported`] for named values.
    pub fn put(&self, version: Version, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let mut head = BatchHead::begin(out, version, self.kind);
        for BatchStatement { query, values } in &self.statements {
            if values.are_named() {
                return Err(EncodeError::Unsupported { what: "names of values in a batch" });
            }
            let at = head.statement(out, query)?;
            out.extend_from_slice(values.as_bytes());
            head.values(out, at, values.count().into())?;
        }
        head.finish(out, &self.options)
    }

    pub(super) fn read(r: &mut Reader<'a>, version: Version) -> Result<Self, DecodeError> {
        let kind = match r.about("kind of a BATCH").byte()? {
            0 => BatchKind::Logged,
            1 => BatchKind::Unlogged,
            2 => BatchKind::Counter,
            code => return Err(DecodeError::Unknown { what: "kind of a BATCH", code: code.into() }),
        };
        let statements = r.about("statements of a BATCH").several(5, |r| BatchStatement::read(r, version))?;
        let consistency = r.about("consistency").consistency()?;
        let flags = parameters::read_flags(r, version)?;
        if flags & parameters::NAMES != 0 {
            return Err(DecodeError::Unsupported { what: "a BATCH with names of values" });
        }
        let Common { serial_consistency, timestamp, keyspace, now_in_seconds } =
            Common::read(r, version, flags)?;
        let options = BatchOptions { consistency, serial_consistency, timestamp, keyspace, now_in_seconds };
        Ok(Self { kind, statements, options })
    }
}

impl<'a> BatchStatement<'a> {
    fn read(r: &mut Reader<'a>, version: Version) -> Result<Self, DecodeError> {
        let query = match r.about("kind of a statement").byte()? {
            0 => BatchQuery::Text(r.about("text of a statement").long_string()?),
            1 => BatchQuery::Prepared(r.about("id of a prepared statement").short_bytes()?),
            code => return Err(DecodeError::Unknown { what: "kind of a statement", code: code.into() }),
        };
        Ok(Self { query, values: Values::read(r, version, false)? })
    }
}

/// The body of a BATCH, written in place around values that the caller encodes. Its methods panic on another buffer than
/// the one that was begun with.
#[derive(Clone, Debug)]
#[must_use = "the batch is placeholders until `finish`"]
pub struct BatchHead {
    version: Version,
    start: usize,
    statements: usize,
}

impl BatchHead {
    /// Appends the kind and a placeholder for the number of statements.
    pub fn begin(out: &mut Vec<u8>, version: Version, kind: BatchKind) -> Self {
        put_byte(out, kind as u8);
        let start = out.len();
        put_short(out, 0);
        Self { version, start, statements: 0 }
    }

    /// The same, of a copy that begins `bytes` later and goes to a connection of another version: statements and values are
    /// the same in all.
    pub fn moved(&self, bytes: usize, version: Version) -> Self {
        Self { version, start: self.start + bytes, statements: self.statements }
    }

    /// How many statements it has.
    pub fn statements(&self) -> usize {
        self.statements
    }

    /// Appends a statement and a placeholder for the number of its values, whose place is returned. Append the encoded
    /// values next, then call [`BatchHead::values`] unless there are none.
    pub fn statement(&mut self, out: &mut Vec<u8>, query: &BatchQuery<'_>) -> Result<usize, EncodeError> {
        match query {
            BatchQuery::Text(text) => {
                put_byte(out, 0);
                put_long_string(out, text)?;
            }
            BatchQuery::Prepared(id) => {
                put_byte(out, 1);
                put_short_bytes(out, id)?;
            }
        }
        self.statements += 1;
        put_short(out, 0);
        Ok(out.len() - 2)
    }

    /// Fills in how many values the statement has whose placeholder is `at`.
    pub fn values(&self, out: &mut [u8], at: usize, value_count: usize) -> Result<(), EncodeError> {
        set_short(out, at, count_of(value_count, "values of a statement")?);
        Ok(())
    }

    /// Fills in how many statements there are and appends the options.
    pub fn finish(self, out: &mut Vec<u8>, options: &BatchOptions<'_>) -> Result<(), EncodeError> {
        set_short(out, self.start, count_of(self.statements, "statements of a batch")?);
        put_consistency(out, options.consistency);
        let at = out.len();
        let end = at + flags_len(self.version);
        out.resize(end, 0);
        let BatchOptions { serial_consistency, timestamp, keyspace, now_in_seconds, .. } = *options;
        let common = Common { serial_consistency, timestamp, keyspace, now_in_seconds };
        let flags = put_common(out, self.version, &common)?;
        set_flags(&mut out[at..end], flags);
        Ok(())
    }
}

fn set_short(out: &mut [u8], at: usize, short: u16) {
    out[at..at + 2].copy_from_slice(&short.to_be_bytes());
}
