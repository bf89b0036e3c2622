//! The frames that users and nodes exchange. Each request carries its number, and each answer that of its request.

use helenus_core::PreparedStatement;
use helenus_core::protocol::request::{Execute, Parameters, Query, Request, Values};
use helenus_core::protocol::response::{Message, Response, ResultMessage, Rows, RowsMetadata};
use helenus_core::protocol::wire::{Value, put_bytes, put_value};
use helenus_core::protocol::{
    Compression, EncodeError, ErrorKind, Flags, Header, Opcode, ServerError, Version, envelope,
};

/// How many statements there are.
pub(crate) const STATEMENTS: usize = 4;

pub(crate) fn statement_text(statement: usize) -> String {
    format!("INSERT INTO t{statement} (number) VALUES (?)")
}

/// The id that every node gives a statement.
pub(crate) fn statement_id(text: &str) -> [u8; 8] {
    text.bytes().fold(7_u64, |hash, byte| hash.wrapping_mul(31) ^ u64::from(byte)).to_be_bytes()
}

pub(crate) fn statement(number: usize, version: Version) -> PreparedStatement {
    let text = statement_text(number);
    PreparedStatement {
        id: statement_id(&text).into(),
        text: text.into(),
        result_metadata_id: version.has_segments().then(|| [1, 2].into()),
        ..PreparedStatement::default()
    }
}

/// A request: QUERY, or EXECUTE of a statement. It has at least `padding` bytes.
pub(crate) fn request(
    number: u64,
    statement: Option<&PreparedStatement>,
    padding: usize,
    version: Version,
) -> Result<Vec<u8>, EncodeError> {
    let mut out = Vec::new();
    match statement {
        None => {
            let start = envelope::begin(&mut out, version, Default::default(), Opcode::Query);
            let text = format!("INSERT {number} {}", " ".repeat(padding));
            Query::new(&text).put(version, &mut out)?;
            envelope::finish(&mut out, start)?;
        }
        Some(statement) => {
            let start = envelope::begin(&mut out, version, Default::default(), Opcode::Execute);
            let mut values = Vec::new();
            put_value(&mut values, Value::Bytes(&numbered(number, padding)))?;
            let execute = Execute {
                id: &statement.id,
                result_metadata_id: statement.result_metadata_id.as_deref(),
                parameters: Parameters { values: Values::new(1, &values), ..Parameters::default() },
            };
            execute.put(version, &mut out)?;
            envelope::finish(&mut out, start)?;
        }
    }
    Ok(out)
}

/// The number in a QUERY or EXECUTE.
pub(crate) fn number_in(request: &Request<'_>) -> Option<u64> {
    match request {
        Request::Query(query) => query.text.split(' ').nth(1)?.parse().ok(),
        Request::Execute(execute) => match execute.parameters.values.iter().next()? {
            (_, Value::Bytes(bytes)) => read_numbered(bytes),
            _ => None,
        },
        _ => None,
    }
}

/// A result of one row with one cell, which says which request it answers.
pub(crate) fn answer(number: u64, padding: usize, version: Version) -> Result<Vec<u8>, EncodeError> {
    let mut content = Vec::new();
    put_bytes(&mut content, Some(&numbered(number, padding)))?;
    let metadata = RowsMetadata { column_count: 1, ..RowsMetadata::default() };
    let rows = Rows { metadata, row_count: 1, content: &content };
    response(&Message::Result(ResultMessage::Rows(rows)), version)
}

/// An ERROR that says which request it answers.
pub(crate) fn error(kind: ErrorKind, number: u64, version: Version) -> Result<Vec<u8>, EncodeError> {
    response(&Message::Error(ServerError::new(kind, number.to_string())), version)
}

/// A response on stream 0.
pub(crate) fn response(message: &Message<'_>, version: Version) -> Result<Vec<u8>, EncodeError> {
    let mut out = Vec::new();
    let start = envelope::begin(&mut out, version, Default::default(), message.opcode());
    message.put(version, &mut out)?;
    envelope::finish(&mut out, start)?;
    Ok(out)
}

/// What an answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// The request with this number was carried out.
    Done(u64),
    /// The request with this number was refused, or failed.
    Error(u64, i32),
    /// PREPARE on behalf of a request failed, which says no number.
    PrepareRefused,
}

/// What `PREPARE` is refused with.
pub(crate) const PREPARE_REFUSED: &str = "no such table";

/// Reads an answer with the codec alone; `Err` says what is wrong with it. The session asks for `compression`.
pub(crate) fn read_answer(
    header: &Header,
    body: &[u8],
    compression: Option<Compression>,
) -> Result<Said, String> {
    let version = Version::from_byte(header.version).ok_or("an answer of no version")?;
    let body = decompressed(header, body, compression)?;
    let response = Response::decode(version, header, &body).map_err(|error| error.to_string())?;
    match response.message {
        Message::Result(ResultMessage::Rows(rows)) => match rows.cells().next() {
            Some(Ok(Some(cell))) => read_numbered(cell).map(Said::Done).ok_or_else(|| "a torn cell".into()),
            cell => Err(format!("a cell that is {cell:?}")),
        },
        Message::Error(error) if &*error.message == PREPARE_REFUSED => Ok(Said::PrepareRefused),
        Message::Error(error) => match error.message.parse() {
            Ok(number) => Ok(Said::Error(number, error.code())),
            Err(_) => Err(format!("an error without number: {error}")),
        },
        message => Err(format!("an unexpected answer: {message:?}")),
    }
}

/// A body as it was before compression (v3, v4).
pub(crate) fn decompressed(
    header: &Header,
    body: &[u8],
    compression: Option<Compression>,
) -> Result<Vec<u8>, String> {
    if !header.flags.contains(Flags::COMPRESSION) {
        return Ok(body.to_vec());
    }
    let mut out = Vec::new();
    let compression = compression.ok_or("compressed, though that was not agreed on")?;
    compression.decompress(body, 16 << 20, &mut out).map_err(|error| error.to_string())?;
    Ok(out)
}

/// A number, then bytes that follow from it.
fn numbered(number: u64, padding: usize) -> Vec<u8> {
    let mut bytes = number.to_be_bytes().to_vec();
    bytes.extend((0..padding).map(|i| pad(number, i)));
    bytes
}

/// The number, if all the bytes after it follow from it.
fn read_numbered(bytes: &[u8]) -> Option<u64> {
    let (number, padding) = bytes.split_first_chunk::<8>()?;
    let number = u64::from_be_bytes(*number);
    padding.iter().enumerate().all(|(i, byte)| *byte == pad(number, i)).then_some(number)
}

fn pad(number: u64, i: usize) -> u8 {
    (number as usize).wrapping_mul(31).wrapping_add(i) as u8
}
