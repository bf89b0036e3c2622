//! A server without sockets and without data.

use std::io;
use std::sync::Arc;

use helenus_core::protocol::response::{Message, Prepared, ResultMessage, Rows, RowsMetadata};
use helenus_core::protocol::{ColumnSpec, ColumnType, Flags, Header, Opcode, Version, envelope, segment};
use helenus_core::value::write_values;

use crate::encode::{KEY, VALUE};

/// The id of every statement that writes.
pub const STATEMENT_ID: [u8; 16] = [7; 16];
/// The id of every SELECT.
const SELECT_ID: [u8; 16] = [8; 16];

/// Answers what is written to it: PREPARE with a statement of two texts; EXECUTE with Void, or with one row of two texts if
/// the statement began with SELECT.
///
/// Instruction counts leave `peer_takes` and `peer_gives` out by their names.
#[derive(Debug, Default)]
pub struct Peer {
    input: Vec<u8>,
    output: Vec<u8>,
    given: usize,
    in_segments: bool,
}

impl Peer {
    /// What `write` would do, and then the server.
    #[inline(never)]
    pub fn peer_takes(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.input.extend_from_slice(bytes);
        let mut input = std::mem::take(&mut self.input);
        let used = self.answer(&input);
        input.drain(..used);
        self.input = input;
        Ok(bytes.len())
    }

    /// What `read` would do.
    #[inline(never)]
    pub fn peer_gives(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let left = &self.output[self.given..];
        if left.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let count = left.len().min(room.len());
        room[..count].copy_from_slice(&left[..count]);
        self.given += count;
        if self.given == self.output.len() {
            self.output.clear();
            self.given = 0;
        }
        Ok(count)
    }

    /// Whether a read would find something.
    pub fn has_output(&self) -> bool {
        !self.output.is_empty()
    }

    /// Answers what is complete in `input`; says how much that is.
    fn answer(&mut self, input: &[u8]) -> usize {
        if !self.in_segments {
            return self.answer_envelopes(input);
        }
        let mut used = 0;
        while let Some(segment) = segment::parse(&input[used..]).expect("the driver writes right segments") {
            assert!(segment.self_contained, "nothing here is longer than a segment");
            let start = segment::open(&mut self.output);
            assert_eq!(self.answer_envelopes(segment.payload), segment.payload.len());
            segment::close(&mut self.output, start, true).expect("a few answers fit into a segment");
            used += segment.encoded_len;
        }
        used
    }

    fn answer_envelopes(&mut self, input: &[u8]) -> usize {
        let mut used = 0;
        while let Some(header) = input[used..].first_chunk().map(Header::parse) {
            let end = used + Header::LEN + header.length as usize;
            if end > input.len() {
                break;
            }
            self.answer_one(&header, &input[used + Header::LEN..end]);
            used = end;
        }
        used
    }

    fn answer_one(&mut self, request: &Header, body: &[u8]) {
        let version = Version::from_byte(request.version).expect("the driver speaks known versions");
        let opcode = Opcode::from_byte(request.opcode);
        let row = row();
        let message = match opcode {
            Some(Opcode::Startup | Opcode::Register) => Message::Ready,
            Some(Opcode::Options) => Message::Supported(Vec::new()),
            Some(Opcode::Prepare) => {
                Message::Result(ResultMessage::Prepared(prepared(version, body[4..].starts_with(b"SELECT"))))
            }
            _ if body[2..].starts_with(&SELECT_ID) => Message::Result(ResultMessage::Rows(Rows {
                // The driver asks v5 servers to leave out what it knows.
                metadata: if version.has_segments() { undescribed() } else { RowsMetadata::new(markers()) },
                row_count: 1,
                content: &row,
            })),
            _ => Message::Result(ResultMessage::Void),
        };
        let start = envelope::begin(&mut self.output, version, Flags::NONE, message.opcode());
        message.put(version, &mut self.output).expect("these messages can be written");
        envelope::finish(&mut self.output, start).expect("these messages are short");
        envelope::set_stream(&mut self.output[start..], request.stream);
        self.in_segments |= opcode == Some(Opcode::Startup) && version.has_segments();
    }
}

fn undescribed() -> RowsMetadata<'static> {
    RowsMetadata { column_count: 2, ..RowsMetadata::default() }
}

fn row() -> Vec<u8> {
    let mut row = Vec::new();
    write_values(&(KEY, VALUE), Some(&markers()), true, &mut row)
        .expect("the values are of the columns' types");
    row
}

/// The bind markers of every statement: two texts.
pub fn markers() -> Arc<[ColumnSpec]> {
    columns(&[ColumnType::Text, ColumnType::Text])
}

/// Columns of these types.
pub fn columns(types: &[ColumnType]) -> Arc<[ColumnSpec]> {
    let (keyspace, table) = (Arc::from("ks"), Arc::from("t"));
    let columns = types.iter().enumerate().map(|(at, column_type)| ColumnSpec {
        keyspace: Arc::clone(&keyspace),
        table: Arc::clone(&table),
        name: format!("column_{at}").into(),
        column_type: column_type.clone(),
    });
    columns.collect()
}

fn prepared(version: Version, select: bool) -> Prepared<'static> {
    let id = if select { &SELECT_ID } else { &STATEMENT_ID };
    Prepared {
        id,
        result_metadata_id: version.has_segments().then_some(id),
        bind_markers: markers(),
        pk_indexes: vec![0],
        result_metadata: if select { RowsMetadata::new(markers()) } else { RowsMetadata::default() },
    }
}
