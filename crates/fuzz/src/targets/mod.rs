//! The targets, and what their inputs have in common.

#![allow(clippy::unwrap_used, reason = "a target panics where something is not as it should be")]

mod cells;
mod codec;
mod compression;
mod frames;
mod literals;
mod rows;
mod segments;
mod states;
mod types;

/// Something that takes any bytes.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The name of its folder in the corpus, too.
    pub name: &'static str,
    /// What its bytes are.
    pub about: &'static str,
    /// Panics if something is not as it should be.
    pub run: fn(&[u8]),
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target { name: "requests", about: "9 bytes of header, a body", run: frames::request },
    Target { name: "responses", about: "9 bytes of header, a body", run: frames::response },
    Target {
        name: "metadata",
        about: "the version, the body of a RESULT of kind Rows",
        run: frames::metadata,
    },
    Target { name: "segments", about: "bit 0: LZ4, bit 1: right checksums; segments", run: segments::run },
    Target { name: "compression", about: "0: lz4, 1: snappy; a body", run: compression::run },
    Target { name: "cells", about: "a type as CQL writes it, 0, a cell", run: cells::run },
    Target { name: "native", about: "a number for a Rust type, a cell", run: cells::native },
    Target { name: "types", about: "a type as CQL or a schema table writes it", run: types::cql },
    Target { name: "classes", about: "a type as the name of a Java class", run: types::class },
    Target { name: "options", about: "a type as metadata has it", run: types::option },
    Target { name: "literals", about: "a type as CQL writes it, 0, a literal", run: literals::run },
    Target { name: "rows", about: "the number of rows, an order of columns, rows", run: rows::run },
    Target { name: "states", about: "a paging state, as bytes or text", run: states::run },
    Target { name: "codec", about: "a number for the command, a line of JSON", run: codec::run },
];

/// Text up to a zero, and the bytes after it.
fn text_and_rest(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let end = bytes.iter().position(|byte| *byte == 0)?;
    Some((std::str::from_utf8(&bytes[..end]).ok()?, &bytes[end + 1..]))
}
