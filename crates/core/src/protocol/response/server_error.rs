use std::error::Error;
use std::fmt;
use std::net::IpAddr;

use crate::protocol::Consistency;

/// An ERROR (sections 4.2.1 and 9): what a server says went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerError {
    /// What went wrong, with the fields that belong to it.
    pub kind: ErrorKind,
    /// The server's own words.
    pub message: Box<str>,
}

impl ServerError {
    /// An error of this kind in these words.
    pub fn new(kind: ErrorKind, message: impl Into<Box<str>>) -> Self {
        Self { kind, message: message.into() }
    }

    /// Its code (section 9).
    pub const fn code(&self) -> i32 {
        self.kind.code()
    }
}

/// What went wrong (section 9).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// 0x0000: a fault of the server's.
    Server,
    /// 0x000A: the client broke the protocol's rules.
    Protocol,
    /// 0x0100: authentication was required and failed.
    Authentication,
    /// 0x1000: not enough replicas were alive, so nothing was tried.
    Unavailable {
        /// The request's.
        consistency: Consistency,
        /// How many replicas should be alive.
        required: i32,
        /// How many were.
        alive: i32,
    },
    /// 0x1001: the coordinator has too much to do.
    Overloaded,
    /// 0x1002: the coordinator isn't ready for reads yet.
    IsBootstrapping,
    /// 0x1003: a truncation failed.
    Truncate,
    /// 0x1100: too few replicas acknowledged a write in time; it may have happened.
    WriteTimeout {
        /// The request's.
        consistency: Consistency,
        /// How many replicas acknowledged.
        received: i32,
        /// How many had to.
        required: i32,
        /// The part of the write that timed out.
        write_type: WriteType,
        /// How often the conditional write met another; of [`WriteType::Cas`] in v5.
        contentions: Option<u16>,
    },
    /// 0x1200: too few replicas answered a read in time.
    ReadTimeout {
        /// The request's.
        consistency: Consistency,
        /// How many replicas answered.
        received: i32,
        /// How many had to.
        required: i32,
        /// Whether the replica that was asked for data (and not for a digest) answered.
        data_present: bool,
    },
    /// 0x1300: replicas failed at a read (v4 and later).
    ReadFailure {
        /// The request's.
        consistency: Consistency,
        /// How many replicas answered.
        received: i32,
        /// How many had to.
        required: i32,
        /// How many failed, or which and why.
        failures: Failures,
        /// Whether the replica that was asked for data (and not for a digest) answered.
        data_present: bool,
    },
    /// 0x1400: a user-defined function failed (v4 and later).
    FunctionFailure {
        /// The function's keyspace.
        keyspace: Box<str>,
        /// Its name.
        function: Box<str>,
        /// The CQL types of its arguments.
        argument_types: Box<[Box<str>]>,
    },
    /// 0x1500: replicas failed at a write (v4 and later).
    WriteFailure {
        /// The request's.
        consistency: Consistency,
        /// How many replicas acknowledged.
        received: i32,
        /// How many had to.
        required: i32,
        /// How many failed, or which and why.
        failures: Failures,
        /// The part of the write that failed.
        write_type: WriteType,
    },
    /// 0x1600: the space for change data capture is used up.
    CdcWriteFailure,
    /// 0x1700: a conditional write timed out and whether it happened isn't known (v5).
    CasWriteUnknown {
        /// The request's.
        consistency: Consistency,
        /// How many replicas acknowledged.
        received: i32,
        /// How many had to.
        required: i32,
    },
    /// 0x2000: the statement isn't CQL.
    Syntax,
    /// 0x2100: the user may not do this.
    Unauthorized,
    /// 0x2200: the statement is CQL but can't be run.
    Invalid,
    /// 0x2300: the server's configuration or the statement's options don't allow it.
    Config,
    /// 0x2400: the keyspace or table is there already.
    AlreadyExists {
        /// The keyspace, or that of the table.
        keyspace: Box<str>,
        /// The table; empty if it is about the keyspace.
        table: Box<str>,
    },
    /// 0x2500: this node doesn't know the prepared statement.
    Unprepared {
        /// The id that it doesn't know.
        id: Box<[u8]>,
    },
    /// A code that the specification doesn't know.
    Unknown {
        /// The code.
        code: i32,
    },
}

impl ErrorKind {
    /// Its code (section 9).
    pub const fn code(&self) -> i32 {
        match self {
            Self::Server => 0x0000,
            Self::Protocol => 0x000A,
            Self::Authentication => 0x0100,
            Self::Unavailable { .. } => 0x1000,
            Self::Overloaded => 0x1001,
            Self::IsBootstrapping => 0x1002,
            Self::Truncate => 0x1003,
            Self::WriteTimeout { .. } => 0x1100,
            Self::ReadTimeout { .. } => 0x1200,
            Self::ReadFailure { .. } => 0x1300,
            Self::FunctionFailure { .. } => 0x1400,
            Self::WriteFailure { .. } => 0x1500,
            Self::CdcWriteFailure => 0x1600,
            Self::CasWriteUnknown { .. } => 0x1700,
            Self::Syntax => 0x2000,
            Self::Unauthorized => 0x2100,
            Self::Invalid => 0x2200,
            Self::Config => 0x2300,
            Self::AlreadyExists { .. } => 0x2400,
            Self::Unprepared { .. } => 0x2500,
            Self::Unknown { code } => *code,
        }
    }

    const fn name(&self) -> &'static str {
        match self {
            Self::Server => "server error",
            Self::Protocol => "protocol error",
            Self::Authentication => "authentication failed",
            Self::Unavailable { .. } => "not enough replicas are alive",
            Self::Overloaded => "the coordinator is overloaded",
            Self::IsBootstrapping => "the coordinator is bootstrapping",
            Self::Truncate => "truncation failed",
            Self::WriteTimeout { .. } => "write timed out at the coordinator",
            Self::ReadTimeout { .. } => "read timed out at the coordinator",
            Self::ReadFailure { .. } => "replicas failed at a read",
            Self::FunctionFailure { .. } => "a user-defined function failed",
            Self::WriteFailure { .. } => "replicas failed at a write",
            Self::CdcWriteFailure => "no space for change data capture",
            Self::CasWriteUnknown { .. } => "the outcome of a conditional write is unknown",
            Self::Syntax => "syntax error",
            Self::Unauthorized => "unauthorized",
            Self::Invalid => "invalid statement",
            Self::Config => "configuration error",
            Self::AlreadyExists { .. } => "already exists",
            Self::Unprepared { .. } => "the node doesn't know this prepared statement",
            Self::Unknown { .. } => "unknown error",
        }
    }
}

/// Which replicas failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failures {
    /// How many (v4).
    Count(i32),
    /// Which, and a code for why (v5).
    Reasons(Box<[(IpAddr, u16)]>),
}

impl Failures {
    /// How many.
    pub fn count(&self) -> i32 {
        match self {
            Self::Count(count) => *count,
            // A count above i32::MAX doesn't fit into any message.
            Self::Reasons(reasons) => i32::try_from(reasons.len()).unwrap_or(i32::MAX),
        }
    }
}

/// Which part of a write an error is about (section 9).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WriteType {
    /// Neither a batch nor a counter.
    Simple,
    /// A logged batch, whose log was written: it will happen in the end.
    Batch,
    /// An unlogged batch.
    UnloggedBatch,
    /// A counter.
    Counter,
    /// The log of a logged batch.
    BatchLog,
    /// A conditional write.
    Cas,
    /// A materialized view.
    View,
    /// Change data capture.
    Cdc,
    /// Anything else.
    Other(Box<str>),
}

impl WriteType {
    /// As the specification writes it.
    pub const fn name(&self) -> &str {
        match self {
            Self::Simple => "SIMPLE",
            Self::Batch => "BATCH",
            Self::UnloggedBatch => "UNLOGGED_BATCH",
            Self::Counter => "COUNTER",
            Self::BatchLog => "BATCH_LOG",
            Self::Cas => "CAS",
            Self::View => "VIEW",
            Self::Cdc => "CDC",
            Self::Other(name) => name,
        }
    }

    pub(super) fn from_name(name: &str) -> Self {
        let known = [
            Self::Simple,
            Self::Batch,
            Self::UnloggedBatch,
            Self::Counter,
            Self::BatchLog,
            Self::Cas,
            Self::View,
            Self::Cdc,
        ];
        known.into_iter().find(|ty| ty.name() == name).unwrap_or_else(|| Self::Other(name.into()))
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.name())?;
        match &self.kind {
            ErrorKind::Unavailable { consistency, required, alive } => {
                write!(f, " ({alive} of {required} for {consistency})")?;
            }
            ErrorKind::WriteTimeout { consistency, received, required, write_type, .. } => {
                write!(
                    f,
                    " ({received} of {required} acknowledged a {} for {consistency})",
                    write_type.name()
                )?;
            }
            ErrorKind::ReadTimeout { consistency, received, required, data_present } => {
                let data = if *data_present { "data" } else { "no data" };
                write!(f, " ({received} of {required} answered for {consistency}, {data} among them)")?;
            }
            ErrorKind::ReadFailure { consistency, received, required, failures, .. }
            | ErrorKind::WriteFailure { consistency, received, required, failures, .. } => {
                write!(
                    f,
                    " ({} failed, {received} of {required} answered for {consistency}",
                    failures.count()
                )?;
                put_reasons(f, failures)?;
            }
            ErrorKind::CasWriteUnknown { consistency, received, required } => {
                write!(f, " ({received} of {required} acknowledged for {consistency})")?;
            }
            ErrorKind::FunctionFailure { keyspace, function, argument_types } => {
                write!(f, " ({keyspace}.{function}({}))", argument_types.join(", "))?;
            }
            ErrorKind::AlreadyExists { keyspace, table } if table.is_empty() => {
                write!(f, " (keyspace {keyspace})")?
            }
            ErrorKind::AlreadyExists { keyspace, table } => write!(f, " (table {keyspace}.{table})")?,
            ErrorKind::Unprepared { id } => {
                f.write_str(" (id ")?;
                id.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
                f.write_str(")")?;
            }
            ErrorKind::Unknown { code } => write!(f, " (code 0x{code:04X})")?,
            _ => {}
        }
        if self.message.is_empty() { Ok(()) } else { write!(f, ": {}", self.message) }
    }
}

fn put_reasons(f: &mut fmt::Formatter<'_>, failures: &Failures) -> fmt::Result {
    if let Failures::Reasons(reasons) = failures {
        for (address, code) in reasons {
            write!(f, "; {address}: code {code}")?;
        }
    }
    f.write_str(")")
}

impl Error for ServerError {}
