//! Segments of v5, as they are put around one request and around many.

use std::hint::black_box;

use helenus_core::protocol::segment;

use crate::UNITS;

/// A payload, and the segment around it.
#[derive(Debug)]
pub struct Segments {
    payload: Vec<u8>,
    encoded: Vec<u8>,
}

impl Segments {
    /// Of a payload of so many bytes.
    pub fn new(payload_bytes: usize) -> Self {
        let payload: Vec<u8> = (0..payload_bytes).map(|at| at as u8).collect();
        let mut segments = Self { payload, encoded: Vec::new() };
        segments.encode();
        segments
    }

    /// Encodes into the same memory again and again.
    pub fn run_encode(&mut self) {
        for _ in 0..UNITS {
            self.encode();
            black_box(&self.encoded);
        }
    }

    /// Parses the same segment again and again.
    pub fn run_parse(&self) {
        for _ in 0..UNITS {
            let parsed = segment::parse(black_box(&self.encoded)).expect("its checksums are right");
            assert!(parsed.is_some_and(|segment| segment.self_contained));
        }
    }

    fn encode(&mut self) {
        self.encoded.clear();
        let start = segment::open(&mut self.encoded);
        self.encoded.extend_from_slice(&self.payload);
        segment::close(&mut self.encoded, start, true).expect("the payload is short enough");
    }
}
