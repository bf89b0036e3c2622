//! The buffers that the kernel receives into. They belong to the ring, so that an idle connection has none.
//!
//! `unsafe`, because this memory is shared with the kernel, which neither borrows nor frees: the entries at its beginning
//! offer the buffers behind them.

use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::types::BufRingEntry;

const PAGE_BYTES: usize = 4096;

/// How many buffers of which size.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// A power of two, at most 32,768.
    pub(crate) count: u16,
    pub(crate) size_bytes: u32,
}

/// All buffers of a ring, and the entries by which they are offered to the kernel.
pub(crate) struct Buffers {
    base: NonNull<u8>,
    shape: Shape,
    /// How many were ever offered, modulo 2^16: where the next entry goes.
    tail: u16,
    /// The kernel may still write here after this value is gone.
    leaked: bool,
}

/// A buffer with received bytes, taken back from the kernel. There is one at most for each buffer.
#[derive(Debug)]
pub(crate) struct Buffer {
    index: u16,
    length: u32,
}

// SAFETY: the memory is owned by this value alone, belongs to no thread, and the kernel doesn't care which one it is.
unsafe impl Send for Buffers {}

impl Buffers {
    /// Maps the memory and offers all of it.
    pub(crate) fn new(shape: Shape) -> io::Result<Self> {
        let length = entries_bytes(shape) + shape.count as usize * shape.size_bytes as usize;
        // SAFETY: a new private mapping, which overlaps nothing.
        let memory = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                length,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        let base = NonNull::new(memory.cast::<u8>()).filter(|_| memory != libc::MAP_FAILED);
        let Some(base) = base else { return Err(io::Error::last_os_error()) };
        let mut buffers = Self { base, shape, tail: 0, leaked: false };
        (0..shape.count).for_each(|index| buffers.give_back(Buffer { index, length: 0 }));
        Ok(buffers)
    }

    /// Where the kernel finds the entries, and how many there are.
    pub(crate) fn entries(&self) -> (u64, u16) {
        (self.base.as_ptr() as u64, self.shape.count)
    }

    pub(crate) fn shape(&self) -> Shape {
        self.shape
    }

    /// A buffer that the kernel has filled.
    ///
    /// # Safety
    /// A completion has just named `index` and said that it wrote `length` bytes.
    pub(crate) unsafe fn take(&self, index: u16, length: u32) -> Buffer {
        debug_assert!(index < self.shape.count && length <= self.shape.size_bytes);
        Buffer { index, length }
    }

    /// What is in it.
    pub(crate) fn bytes(&self, buffer: &Buffer) -> &[u8] {
        // SAFETY: within the mapping, initialized by it, and not offered to the kernel while there is a `Buffer` of it.
        unsafe { std::slice::from_raw_parts(self.address(buffer.index), buffer.length as usize) }
    }

    /// Offers it to the kernel again.
    pub(crate) fn give_back(&mut self, buffer: Buffer) {
        let slot = self.tail & (self.shape.count - 1);
        let entries = self.base.as_ptr().cast::<BufRingEntry>();
        let address = self.address(buffer.index) as u64;
        // SAFETY: `slot` is one of the entries, which are page-aligned and which the kernel only reads, and it doesn't read
        // this one before the tail, stored last, says so.
        unsafe {
            let entry = &mut *entries.add(slot.into());
            entry.set_addr(address);
            entry.set_len(self.shape.size_bytes);
            entry.set_bid(buffer.index);
        }
        self.tail = self.tail.wrapping_add(1);
        // SAFETY: the tail lies in the first entry, where no setter writes, aligned for 16 bits.
        let tail = unsafe { &*BufRingEntry::tail(entries).cast::<AtomicU16>() };
        tail.store(self.tail, Ordering::Release);
    }

    /// Keeps the memory for ever, for the kernel may not be done with it.
    pub(crate) fn leak(&mut self) {
        self.leaked = true;
    }

    fn address(&self, index: u16) -> *const u8 {
        let offset = entries_bytes(self.shape) + index as usize * self.shape.size_bytes as usize;
        // SAFETY: `index` is below the count, so this is within the mapping.
        unsafe { self.base.as_ptr().add(offset) }
    }
}

impl Drop for Buffers {
    fn drop(&mut self) {
        if self.leaked {
            return;
        }
        let length = entries_bytes(self.shape) + self.shape.count as usize * self.shape.size_bytes as usize;
        // SAFETY: this is the mapping that was made, nobody borrows from it, and its owner saw to it that no operation
        // that could write to it is left.
        unsafe { libc::munmap(self.base.as_ptr().cast(), length) };
    }
}

fn entries_bytes(shape: Shape) -> usize {
    (shape.count as usize * size_of::<BufRingEntry>()).next_multiple_of(PAGE_BYTES)
}
