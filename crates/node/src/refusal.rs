//! Why a request isn't served: what becomes an ERROR (section 9).

use helenus_core::protocol::{EncodeError, ErrorKind, ServerError};

use crate::cql::SyntaxError;

pub(crate) type Refusal = ServerError;

/// It is CQL, but it can't be run.
pub(crate) fn invalid(message: String) -> Refusal {
    ServerError::new(ErrorKind::Invalid, clipped(&message))
}

/// Its text is no CQL, though each part of it may be.
pub(crate) fn syntax(message: String) -> Refusal {
    ServerError::new(ErrorKind::Syntax, clipped(&message))
}

/// An option of a keyspace or table isn't one.
pub(crate) fn config(message: String) -> Refusal {
    ServerError::new(ErrorKind::Config, clipped(&message))
}

/// It is nobody's to do.
pub(crate) fn unauthorized(message: String) -> Refusal {
    ServerError::new(ErrorKind::Unauthorized, clipped(&message))
}

/// The request broke the protocol.
pub(crate) fn protocol(message: String) -> Refusal {
    ServerError::new(ErrorKind::Protocol, clipped(&message))
}

/// There is no room for it.
pub(crate) fn overloaded(message: String) -> Refusal {
    ServerError::new(ErrorKind::Overloaded, message)
}

/// `table` is empty if the keyspace exists.
pub(crate) fn already_exists(keyspace: &str, table: &str) -> Refusal {
    let message = match table {
        "" => format!("Cannot add existing keyspace \"{keyspace}\""),
        _ => format!("Cannot add already existing table \"{table}\" to keyspace \"{keyspace}\""),
    };
    ServerError::new(ErrorKind::AlreadyExists { keyspace: keyspace.into(), table: table.into() }, message)
}

pub(crate) fn unprepared(id: &[u8]) -> Refusal {
    let message = "the statement is not prepared on this node: prepare it again";
    ServerError::new(ErrorKind::Unprepared { id: id.into() }, message)
}

/// The answer would be longer than the protocol can carry.
pub(crate) fn too_long(error: EncodeError) -> Refusal {
    invalid(format!("the answer can't be sent: {error}"))
}

impl From<SyntaxError> for Refusal {
    fn from(error: SyntaxError) -> Self {
        let kind = if error.is_cql { ErrorKind::Invalid } else { ErrorKind::Syntax };
        Self::new(kind, clipped(&error.to_string()))
    }
}

const MESSAGE_LIMIT_BYTES: usize = 4_096;

/// A [string] has at most 65,535 bytes, and no message needs as many, even if a client's own text is in it.
pub(crate) fn clipped(message: &str) -> &str {
    let mut end = message.len().min(MESSAGE_LIMIT_BYTES);
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    &message[..end]
}
