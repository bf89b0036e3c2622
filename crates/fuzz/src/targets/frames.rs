//! Bodies of requests and responses, in all versions.

use helenus_core::protocol::request::{Request, split_payload};
use helenus_core::protocol::response::{Message, Response, ResultMessage, Rows, is_void};
use helenus_core::protocol::{Flags, Header, Opcode, Version};
use helenus_core::value::{CqlValue, RawRow};

use crate::memory::bounded;

/// A column without a name takes 4 bytes, and becomes a `ColumnSpec`.
const FACTOR: usize = 400;

/// A header whose version is any that there is, and the body; its length says nothing here.
fn split(bytes: &[u8]) -> Option<(Version, Header, &[u8])> {
    let (header, body) = bytes.split_first_chunk()?;
    let header = Header::parse(header);
    Some((Version::ALL[usize::from(header.version) % Version::ALL.len()], header, body))
}

pub(super) fn request(bytes: &[u8]) {
    let Some((version, header, body)) = split(bytes) else { return };
    let decoded = bounded(bytes.len(), FACTOR, || {
        let (payload, body) = split_payload(version, header.flags, body)?;
        Ok::<_, helenus_core::protocol::DecodeError>((
            payload,
            Request::decode(version, header.opcode, body)?,
        ))
    });
    let (_, request) = match decoded {
        Ok(decoded) => decoded,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let mut again = Vec::new();
    if request.put(version, &mut again).is_ok() {
        // Not compared as they were read, for a flag may say of values that aren't there that they have names.
        let (read, mut rewritten) = (Request::decode(version, request.opcode().byte(), &again), Vec::new());
        read.unwrap().put(version, &mut rewritten).unwrap();
        assert_eq!(rewritten, again);
    }
    let values = match &request {
        Request::Query(query) => &query.parameters.values,
        Request::Execute(execute) => &execute.parameters.values,
        _ => return,
    };
    assert_eq!(values.iter().count(), usize::from(values.count()));
}

pub(super) fn response(bytes: &[u8]) {
    let Some((version, header, body)) = split(bytes) else { return };
    let decoded = bounded(bytes.len(), FACTOR, || Response::decode(version, &header, body));
    if is_void(&header, body) {
        let void = Message::Result(ResultMessage::Void);
        assert_eq!(decoded.as_ref().map(|response| &response.message), Ok(&void));
    }
    match decoded {
        Ok(response) => check(version, &response),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

pub(super) fn metadata(bytes: &[u8]) {
    const ROWS: [u8; 4] = [0, 0, 0, 2];
    let Some((version, rest)) = bytes.split_first() else { return };
    let version = Version::ALL[usize::from(*version) % Version::ALL.len()];
    let (flags, opcode) = (Flags::NONE, Opcode::Result.byte());
    let header = Header { version: version.byte(), response: true, flags, stream: 0, opcode, length: 0 };
    let body = [&ROWS, rest].concat();
    if let Ok(response) = bounded(body.len(), FACTOR, || Response::decode(version, &header, &body)) {
        check(version, &response);
    }
}

fn check(version: Version, response: &Response<'_>) {
    let mut again = Vec::new();
    if response.put(version, &mut again).is_ok() {
        let header = Header {
            version: version.byte(),
            response: true,
            flags: response.prefix.flags(),
            stream: 0,
            opcode: response.message.opcode().byte(),
            length: 0,
        };
        // Not compared as it was read, for v3 and v4 don't have all errors that are read.
        let (read, mut rewritten) = (Response::decode(version, &header, &again), Vec::new());
        read.unwrap().put(version, &mut rewritten).unwrap();
        assert_eq!(rewritten, again);
    }
    match &response.message {
        Message::Error(error) => assert!(!error.to_string().is_empty()),
        Message::Result(ResultMessage::Rows(rows)) => check_rows(rows),
        _ => {}
    }
}

fn check_rows(rows: &Rows<'_>) {
    let cells = rows.cells().take_while(Result::is_ok).count();
    assert!(cells <= rows.content.len() / 4);
    let Some(columns) = &rows.metadata.columns else { return };
    let Ok(read) = helenus_core::value::Rows::<RawRow<'_>>::new(columns, rows.row_count, rows.content) else {
        return assert_eq!(rows.metadata.column_count, 0);
    };
    let mut seen = 0;
    for row in read.flatten() {
        seen += columns.len();
        for cell in row.cells() {
            // What is no value is the cell's own fault, and the others are read.
            let _ = cell.decode::<CqlValue>();
        }
    }
    assert!(seen <= cells);
}
