//! How much memory a piece of work takes at most: an allocator that counts, for each thread.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn change(bytes: isize) {
    // Where a thread ends its cells may be gone, and nothing is measured.
    let _ = HELD.try_with(|held| {
        let now = held.get() + bytes;
        held.set(now);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(now)));
    });
}

// SAFETY: all is handed on to the system's allocator; cells without destructors need no allocation.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        change(layout.size() as isize);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        change(layout.size() as isize);
        // SAFETY: as the caller promises.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // Both are there while one is copied to the other.
        change(new_size as isize);
        change(-(layout.size() as isize));
        // SAFETY: as the caller promises.
        unsafe { System.realloc(pointer, layout, new_size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        change(-(layout.size() as isize));
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// What `work` gives, and how many bytes this thread held at most meanwhile, beyond those that it held before.
pub fn peak<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = HELD.with(Cell::get);
    PEAK.with(|peak| peak.set(before));
    let done = work();
    (done, usize::try_from(PEAK.with(Cell::get) - before).unwrap_or(0))
}

/// What `work` gives, which is made of so many bytes and may hold `factor` times as many, and 16 KiB.
pub fn bounded<T>(bytes: usize, factor: usize, work: impl FnOnce() -> T) -> T {
    let (done, held) = peak(work);
    let limit = bytes * factor + (16 << 10);
    assert!(held <= limit, "{bytes} bytes took {held} bytes of memory, more than {limit}");
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_counted() {
        let (kept, held) = peak(|| {
            drop(vec![0_u8; 100_000]);
            vec![0_u8; 1_000]
        });
        assert_eq!((kept.len(), held), (1_000, 100_000));
        let moved = peak(|| {
            let mut grown = vec![1_u8; 10_000];
            grown.reserve_exact(10_000);
            grown
        });
        assert_eq!(moved.1, 30_000);
    }

    #[test]
    #[should_panic(expected = "more than")]
    fn too_much_is_noticed() {
        bounded(10, 10, || vec![0_u8; 20_000]);
    }
}
