//! EXECUTE of a text of 16 bytes and one of 100.

use std::hint::black_box;

use helenus_core::PreparedStatement;
use helenus_core::protocol::request::{ParameterOptions, ParametersHead, put_execute_head};
use helenus_core::protocol::{Consistency, Flags, Opcode, Version, envelope};
use helenus_core::value::write_values;

use crate::UNITS;
use crate::peer::{STATEMENT_ID, markers};

/// A key of 16 bytes.
pub const KEY: &str = "key-0123456789ab";
/// A value of 100 bytes.
pub const VALUE: &str = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMN\
                         0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMN";

/// Encodes EXECUTE into the same memory again and again.
#[derive(Debug)]
pub struct Execute {
    version: Version,
    statement: PreparedStatement,
    frame: Vec<u8>,
}

impl Execute {
    /// In this version.
    pub fn new(version: Version) -> Self {
        let mut execute = Self { version, statement: statement(version), frame: Vec::with_capacity(256) };
        execute.encode();
        execute
    }

    /// Does the work.
    pub fn run(&mut self) {
        for _ in 0..UNITS {
            self.encode();
            black_box(&self.frame);
        }
    }

    /// The frame, its stream id blank.
    pub fn frame(&self) -> &[u8] {
        &self.frame
    }

    fn encode(&mut self) {
        let Self { version, statement, frame } = self;
        frame.clear();
        let start = envelope::begin(frame, *version, Flags::NONE, Opcode::Execute);
        put_execute_head(frame, *version, &statement.id, statement.result_metadata_id.as_deref())
            .expect("the statement has both ids");
        let head = ParametersHead::begin(frame, *version);
        let count = write_values(black_box(&(KEY, VALUE)), Some(&statement.bind_markers), true, frame)
            .expect("the values are of the markers' types");
        let options = ParameterOptions { consistency: Consistency::LocalQuorum, ..Default::default() };
        head.finish(frame, count.into(), &options).expect("two values are few enough");
        envelope::finish(frame, start).expect("the frame is short");
    }
}

/// The statement that the peer prepares.
pub fn statement(version: Version) -> PreparedStatement {
    PreparedStatement {
        text: "INSERT INTO ks.t (column_0, column_1) VALUES (?, ?)".into(),
        id: STATEMENT_ID.into(),
        result_metadata_id: version.has_segments().then(|| STATEMENT_ID.into()),
        bind_markers: markers(),
        partition_key_indexes: Box::new([0]),
        ..PreparedStatement::default()
    }
}
