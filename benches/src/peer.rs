//! A server without sockets and without data.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use helenus_core::protocol::response::{Message, Prepared, ResultMessage, Rows, RowsMetadata};
use helenus_core::protocol::{ColumnSpec, ColumnType, Flags, Header, Opcode, Version, segment};
use helenus_core::value::write_values;

use crate::encode::{KEY, VALUE};

/// The id of every statement that writes.
pub const STATEMENT_ID: [u8; 16] = [7; 16];
/// The id of every SELECT.
const SELECT_ID: [u8; 16] = [8; 16];

/// Answers what is written to it: PREPARE with a statement of two texts; EXECUTE with Void, or with one row of two texts if
/// the statement began with SELECT.
#[derive(Debug, Default)]
pub struct Peer {
    input: Vec<u8>,
    output: Vec<u8>,
    given: usize,
    in_segments: bool,
    /// The body with one row, once the version is known.
    rows: Vec<u8>,
}

/// Whether a workload's `run` is being measured.
static MEASURED: AtomicBool = AtomicBool::new(false);

/// Runs `run`, and what peers do meanwhile in functions of other names: instruction counts leave `peer_takes` and
/// `peer_gives` out by switching the counting over when one is entered or left, so that before `run`, when nothing is
/// counted, entering them would switch it on.
pub fn measured<T>(run: impl FnOnce() -> T) -> T {
    MEASURED.store(true, Ordering::Relaxed);
    let done = run();
    MEASURED.store(false, Ordering::Relaxed);
    done
}

impl Peer {
    /// What `write` would do, and then the server.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if MEASURED.load(Ordering::Relaxed) { self.peer_takes(bytes) } else { self.take(bytes) }
    }

    /// What `read` would do.
    pub fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        if MEASURED.load(Ordering::Relaxed) { self.peer_gives(room) } else { self.give(room) }
    }

    #[inline(never)]
    fn peer_takes(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.take(bytes)
    }

    #[inline(never)]
    fn peer_gives(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.give(room)
    }

    #[inline(always)]
    fn take(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.input.extend_from_slice(bytes);
        let mut input = std::mem::take(&mut self.input);
        let used = self.answer(&input);
        input.drain(..used);
        self.input = input;
        Ok(bytes.len())
    }

    #[inline(always)]
    fn give(&mut self, room: &mut [u8]) -> io::Result<usize> {
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
        let message = match Opcode::from_byte(request.opcode) {
            Some(Opcode::Execute) => return self.answer_execute(version, request.stream, body),
            Some(Opcode::Startup | Opcode::Register) => Message::Ready,
            Some(Opcode::Options) => Message::Supported(Vec::new()),
            Some(Opcode::Prepare) => {
                Message::Result(ResultMessage::Prepared(prepared(version, body[4..].starts_with(b"SELECT"))))
            }
            other => unreachable!("no bench sends {other:?}"),
        };
        let mut answer = Vec::new();
        message.put(version, &mut answer).expect("these messages can be written");
        self.put(version, message.opcode(), request.stream, &answer);
        if request.opcode == Opcode::Startup.byte() {
            self.in_segments = version.has_segments();
            self.rows = rows(version);
        }
    }

    /// As cheaply as can be, for the wall clock sees it.
    fn answer_execute(&mut self, version: Version, stream: i16, body: &[u8]) {
        let rows = std::mem::take(&mut self.rows);
        let answer: &[u8] = if body[2..].starts_with(&SELECT_ID) { &rows } else { &VOID };
        self.put(version, Opcode::Result, stream, answer);
        self.rows = rows;
    }

    fn put(&mut self, version: Version, opcode: Opcode, stream: i16, body: &[u8]) {
        let (version, flags, length) = (version.byte(), Flags::NONE, body.len() as u32);
        Header { version, response: true, flags, stream, opcode: opcode.byte(), length }
            .put(&mut self.output);
        self.output.extend_from_slice(body);
    }
}

/// The body of RESULT Void.
const VOID: [u8; 4] = [0, 0, 0, 1];

/// The body of RESULT Rows with one row of two texts.
fn rows(version: Version) -> Vec<u8> {
    let (mut row, mut body) = (Vec::new(), Vec::new());
    write_values(&(KEY, VALUE), Some(&markers()), true, &mut row)
        .expect("the values are of the columns' types");
    // The driver asks v5 servers to leave out what it knows.
    let columns = (!version.has_segments()).then(markers);
    let metadata = RowsMetadata { column_count: 2, columns, ..RowsMetadata::default() };
    let rows = ResultMessage::Rows(Rows { metadata, row_count: 1, content: &row });
    rows.put(version, &mut body).expect("one row can be written");
    body
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
