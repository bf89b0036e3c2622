//! The body of an ERROR (sections 4.2.1 and 9), read and written.

use super::server_error::{ErrorKind, Failures, ServerError, WriteType};
use crate::protocol::wire::{
    Reader, put_byte, put_consistency, put_count, put_inet_addr, put_int, put_length, put_short,
    put_short_bytes, put_string,
};
use crate::protocol::{Consistency, DecodeError, EncodeError, Version};

impl ServerError {
    pub(super) fn read(r: &mut Reader<'_>, version: Version) -> Result<Self, DecodeError> {
        let code = r.about("code of an ERROR").int()?;
        let message = r.about("message of an ERROR").string()?.into();
        let kind = read_kind(r.about("fields of an ERROR"), version, code)?;
        Ok(Self { kind, message })
    }

    /// Appends the body. A kind that came with a later version than this is written as Cassandra tells it to old
    /// clients: failures as timeouts, an unknown conditional write as a timeout of one, a failed function as an invalid
    /// statement.
    ///
    /// # Errors
    /// [`EncodeError::Missing`] for [`Failures::Count`] in v5, which wants reasons; [`EncodeError::Limit`].
    pub fn put(&self, version: Version, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let older = self.kind.before(version);
        let kind = older.as_ref().unwrap_or(&self.kind);
        put_int(out, kind.code());
        put_string(out, &self.message)?;
        put_kind(out, version, kind)
    }
}

impl ErrorKind {
    /// What stands for it in a version that is too old for it.
    fn before(&self, version: Version) -> Option<Self> {
        match *self {
            Self::ReadFailure { consistency, received, required, data_present, .. }
                if version < Version::V4 =>
            {
                Some(Self::ReadTimeout { consistency, received, required, data_present })
            }
            Self::WriteFailure { consistency, received, required, ref write_type, .. }
                if version < Version::V4 =>
            {
                let write_type = write_type.clone();
                Some(Self::WriteTimeout { consistency, received, required, write_type, contentions: None })
            }
            Self::FunctionFailure { .. } if version < Version::V4 => Some(Self::Invalid),
            Self::CasWriteUnknown { consistency, received, required } if version < Version::V5 => {
                let write_type = WriteType::Cas;
                Some(Self::WriteTimeout { consistency, received, required, write_type, contentions: None })
            }
            _ => None,
        }
    }
}

fn read_kind(r: &mut Reader<'_>, version: Version, code: i32) -> Result<ErrorKind, DecodeError> {
    Ok(match code {
        0x0000 => ErrorKind::Server,
        0x000A => ErrorKind::Protocol,
        0x0100 => ErrorKind::Authentication,
        0x1000 => {
            let (consistency, required, alive) = read_counts(r)?;
            ErrorKind::Unavailable { consistency, required, alive }
        }
        0x1001 => ErrorKind::Overloaded,
        0x1002 => ErrorKind::IsBootstrapping,
        0x1003 => ErrorKind::Truncate,
        0x1100 => read_write_timeout(r, version)?,
        0x1200 => {
            let (consistency, received, required) = read_counts(r)?;
            ErrorKind::ReadTimeout { consistency, received, required, data_present: r.byte()? != 0 }
        }
        0x1300 => {
            let (consistency, received, required) = read_counts(r)?;
            let failures = read_failures(r, version)?;
            let data_present = r.byte()? != 0;
            ErrorKind::ReadFailure { consistency, received, required, failures, data_present }
        }
        0x1400 => ErrorKind::FunctionFailure {
            keyspace: r.string()?.into(),
            function: r.string()?.into(),
            argument_types: r.string_list()?.into_iter().map(Into::into).collect(),
        },
        0x1500 => {
            let (consistency, received, required) = read_counts(r)?;
            let failures = read_failures(r, version)?;
            let write_type = WriteType::from_name(r.string()?);
            ErrorKind::WriteFailure { consistency, received, required, failures, write_type }
        }
        0x1600 => ErrorKind::CdcWriteFailure,
        0x1700 => {
            let (consistency, received, required) = read_counts(r)?;
            ErrorKind::CasWriteUnknown { consistency, received, required }
        }
        0x2000 => ErrorKind::Syntax,
        0x2100 => ErrorKind::Unauthorized,
        0x2200 => ErrorKind::Invalid,
        0x2300 => ErrorKind::Config,
        0x2400 => ErrorKind::AlreadyExists { keyspace: r.string()?.into(), table: r.string()?.into() },
        0x2500 => ErrorKind::Unprepared { id: r.short_bytes()?.into() },
        code => ErrorKind::Unknown { code },
    })
}

fn read_counts(r: &mut Reader<'_>) -> Result<(Consistency, i32, i32), DecodeError> {
    Ok((r.consistency()?, r.int()?, r.int()?))
}

fn read_write_timeout(r: &mut Reader<'_>, version: Version) -> Result<ErrorKind, DecodeError> {
    let (consistency, received, required) = read_counts(r)?;
    let write_type = WriteType::from_name(r.string()?);
    let mut contentions = None;
    if write_type == WriteType::Cas && version >= Version::V5 {
        contentions = Some(r.short()?);
    }
    Ok(ErrorKind::WriteTimeout { consistency, received, required, write_type, contentions })
}

fn read_failures(r: &mut Reader<'_>, version: Version) -> Result<Failures, DecodeError> {
    if version < Version::V5 {
        return r.int().map(Failures::Count);
    }
    let count = r.length()?;
    r.check_count(count, 1 + 4 + 2)?;
    let reasons = (0..count).map(|_| Ok((r.inet_addr()?, r.short()?)));
    Ok(Failures::Reasons(reasons.collect::<Result<_, DecodeError>>()?))
}

fn put_kind(out: &mut Vec<u8>, version: Version, kind: &ErrorKind) -> Result<(), EncodeError> {
    match kind {
        ErrorKind::Unavailable { consistency, required, alive } => {
            put_counts(out, *consistency, *required, *alive)
        }
        ErrorKind::WriteTimeout { consistency, received, required, write_type, contentions } => {
            put_counts(out, *consistency, *received, *required);
            put_string(out, write_type.name())?;
            if *write_type == WriteType::Cas && version >= Version::V5 {
                put_short(out, contentions.unwrap_or(0));
            }
        }
        ErrorKind::ReadTimeout { consistency, received, required, data_present } => {
            put_counts(out, *consistency, *received, *required);
            put_byte(out, (*data_present).into());
        }
        ErrorKind::ReadFailure { consistency, received, required, failures, data_present } => {
            put_counts(out, *consistency, *received, *required);
            put_failures(out, version, failures)?;
            put_byte(out, (*data_present).into());
        }
        ErrorKind::FunctionFailure { keyspace, function, argument_types } => {
            put_string(out, keyspace)?;
            put_string(out, function)?;
            put_count(out, argument_types.len(), "argument types")?;
            argument_types.iter().try_for_each(|ty| put_string(out, ty))?;
        }
        ErrorKind::WriteFailure { consistency, received, required, failures, write_type } => {
            put_counts(out, *consistency, *received, *required);
            put_failures(out, version, failures)?;
            put_string(out, write_type.name())?;
        }
        ErrorKind::CasWriteUnknown { consistency, received, required } => {
            put_counts(out, *consistency, *received, *required);
        }
        ErrorKind::AlreadyExists { keyspace, table } => {
            put_string(out, keyspace)?;
            put_string(out, table)?;
        }
        ErrorKind::Unprepared { id } => put_short_bytes(out, id)?,
        ErrorKind::Server
        | ErrorKind::Protocol
        | ErrorKind::Authentication
        | ErrorKind::Overloaded
        | ErrorKind::IsBootstrapping
        | ErrorKind::Truncate
        | ErrorKind::CdcWriteFailure
        | ErrorKind::Syntax
        | ErrorKind::Unauthorized
        | ErrorKind::Invalid
        | ErrorKind::Config
        | ErrorKind::Unknown { .. } => {}
    }
    Ok(())
}

fn put_counts(out: &mut Vec<u8>, consistency: Consistency, first: i32, second: i32) {
    put_consistency(out, consistency);
    put_int(out, first);
    put_int(out, second);
}

fn put_failures(out: &mut Vec<u8>, version: Version, failures: &Failures) -> Result<(), EncodeError> {
    if version < Version::V5 {
        put_int(out, failures.count());
        return Ok(());
    }
    let Failures::Reasons(reasons) = failures else {
        return Err(EncodeError::Missing { what: "the reasons of failures", version });
    };
    put_length(out, reasons.len(), "failed replicas")?;
    for (address, code) in reasons {
        put_inet_addr(out, *address);
        put_short(out, *code);
    }
    Ok(())
}
