//! Borrowed rows allocate nothing, whatever the order of their columns. A test of its own: it counts what the process does.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use common::{columns, written};
use helenus::value::Rows;
use helenus::{ColumnType, DecodeRow, DecodeValue};

/// Counts the allocations of each thread.
struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: all is handed on to the system's allocator; a `Cell` without a destructor needs no allocation.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[derive(DecodeRow)]
struct User<'a> {
    id: i64,
    name: Name<'a>,
    photo: Option<&'a [u8]>,
}

#[derive(DecodeValue)]
struct Name<'a>(&'a str);

fn allocations() -> usize {
    COUNT.with(Cell::get)
}

#[test]
fn borrowed_rows_allocate_nothing() {
    let before = allocations();
    drop(std::hint::black_box(Box::new(1)));
    assert_eq!(allocations() - before, 1, "allocations are counted");

    const ROWS: usize = 1_000;
    let names = [("id", ColumnType::BigInt), ("name", ColumnType::Text), ("photo", ColumnType::Blob)];
    for rotated in 0..3 {
        let mut names = names.clone();
        names.rotate_left(rotated);
        let columns = columns(&names);
        let row = match rotated {
            0 => written(&(7_i64, "Ada", b"photo"), &columns),
            1 => written(&("Ada", b"photo", 7_i64), &columns),
            _ => written(&(b"photo", 7_i64, "Ada"), &columns),
        };
        let bytes = row.repeat(ROWS);
        let rows = Rows::<User<'_>>::new(&columns, ROWS, &bytes).unwrap();
        let before = allocations();
        for row in rows {
            let User { id, name, photo } = row.unwrap();
            assert_eq!((id, name.0, photo), (7, "Ada", Some(&b"photo"[..])));
        }
        assert_eq!(allocations() - before, 0, "rotated by {rotated}");
    }
}
