//! RESULT Rows of five columns: bigint, int, text of 40 bytes, double, timestamp.

use std::hint::black_box;
use std::sync::Arc;

use helenus_core::protocol::response::{
    Message, Response, ResultMessage, Rows as ProtocolRows, RowsMetadata,
};
use helenus_core::protocol::{ColumnSpec, ColumnType, Flags, Header, Version, envelope};
use helenus_core::value::{DecodeRow, Rows, Timestamp, write_values};

use crate::UNITS;
use crate::peer::columns;

/// A row that borrows its text from the response.
pub type Borrowed<'a> = (i64, i32, &'a str, f64, Timestamp);
/// A row that owns its text.
pub type Owned = (i64, i32, String, f64, Timestamp);

const TEXT: &str = "0123456789abcdefghijklmnopqrstuvwxyzABCD";

/// A response with a page of rows, to be decoded again and again.
#[derive(Debug)]
pub struct Page {
    row_count: usize,
    /// As PREPARE told them.
    columns: Arc<[ColumnSpec]>,
    frame: Vec<u8>,
}

impl Page {
    /// A page of so many rows, which divides [`UNITS`]. With `metadata` the columns are read from it, else they are known.
    pub fn new(row_count: usize, metadata: bool) -> Self {
        use ColumnType::{BigInt, Double, Int, Text, Timestamp as TimestampType};
        let columns = columns(&[BigInt, Int, Text, Double, TimestampType]);
        let content = rows(&columns, row_count);
        let metadata = RowsMetadata {
            column_count: columns.len(),
            columns: metadata.then(|| Arc::clone(&columns)),
            ..Default::default()
        };
        let message =
            Message::Result(ResultMessage::Rows(ProtocolRows { metadata, row_count, content: &content }));
        let mut frame = Vec::new();
        let start = envelope::begin(&mut frame, Version::V4, Flags::NONE, message.opcode());
        message.put(Version::V4, &mut frame).expect("rows can be written");
        envelope::finish(&mut frame, start).expect("the page is short enough");
        Self { row_count, columns, frame }
    }

    /// Decodes all rows, without owning anything.
    pub fn run_borrowed(&self) {
        for _ in 0..UNITS / self.row_count {
            self.decode::<Borrowed<'_>>();
        }
    }

    /// Decodes all rows, each with a text of its own.
    pub fn run_owned(&self) {
        for _ in 0..UNITS / self.row_count {
            self.decode::<Owned>();
        }
    }

    fn decode<'a, R: DecodeRow<'a>>(&'a self) {
        let (header, body) =
            black_box(&self.frame).split_first_chunk().expect("the frame begins with a header");
        let response = Response::decode(Version::V4, &Header::parse(header), body).expect("it can be read");
        let Message::Result(ResultMessage::Rows(page)) = response.message else {
            unreachable!("it holds rows")
        };
        black_box(&page.metadata);
        let count = read_all::<R>(&self.columns, &page);
        assert_eq!(count, self.row_count);
    }
}

fn read_all<'a, R: DecodeRow<'a>>(columns: &'a [ColumnSpec], page: &ProtocolRows<'a>) -> usize {
    let rows = Rows::<R>::new(columns, page.row_count, page.content).expect("the columns are of these types");
    let mut count = 0;
    for row in rows {
        black_box(row.expect("each cell is a value"));
        count += 1;
    }
    count
}

fn rows(columns: &[ColumnSpec], row_count: usize) -> Vec<u8> {
    let mut content = Vec::new();
    for number in 0..row_count as i32 {
        let row = (i64::from(number), number, TEXT, f64::from(number), Timestamp::from_millis(number.into()));
        write_values(&row, Some(columns), true, &mut content).expect("the values are of the columns' types");
    }
    content
}
