//! An allocator that counts what the calling thread asks of it.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};

/// The system's allocator with a counter in front; a suite makes it its `#[global_allocator]`.
#[derive(Debug)]
pub struct Counting;

/// Calls and bytes that the allocator has counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Blocks taken.
    pub allocations: u64,
    /// Blocks resized.
    pub reallocations: u64,
    /// Blocks given back.
    pub frees: u64,
    /// Bytes taken, also by resizing.
    pub bytes: u64,
}

impl Counts {
    /// Nothing at all.
    pub const NONE: Self = Self { allocations: 0, reallocations: 0, frees: 0, bytes: 0 };
}

thread_local! {
    // Constant and without a destructor, so that reaching it never allocates.
    static COUNTS: Cell<Counts> = const { Cell::new(Counts::NONE) };
}

/// Calls of all threads together.
static CALLS: AtomicU64 = AtomicU64::new(0);

fn count(add: impl Fn(&mut Counts)) {
    CALLS.fetch_add(1, Ordering::Relaxed);
    let mut counts = COUNTS.get();
    add(&mut counts);
    COUNTS.set(counts);
}

// SAFETY: every call is handed to the system's allocator unchanged; counting touches a
// thread-local of plain numbers and cannot fail or allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(|c| (c.allocations, c.bytes) = (c.allocations + 1, c.bytes + layout.size() as u64));
        // SAFETY: the caller's promise is ours.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(|c| (c.allocations, c.bytes) = (c.allocations + 1, c.bytes + layout.size() as u64));
        // SAFETY: the caller's promise is ours.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(|c| (c.reallocations, c.bytes) = (c.reallocations + 1, c.bytes + size as u64));
        // SAFETY: the caller's promise is ours.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(|c| c.frees += 1);
        // SAFETY: the caller's promise is ours.
        unsafe { System.dealloc(block, layout) }
    }
}

/// Counts this thread's calls of the allocator while `work` runs; returns them and its result.
pub fn counted<T>(work: impl FnOnce() -> T) -> (Counts, T) {
    let before = COUNTS.get();
    let value = work();
    let after = COUNTS.get();
    let counts = Counts {
        allocations: after.allocations - before.allocations,
        reallocations: after.reallocations - before.reallocations,
        frees: after.frees - before.frees,
        bytes: after.bytes - before.bytes,
    };
    (counts, value)
}

/// Counts calls of any kind by all threads of the process while `work` runs. Only
/// for a suite of one test, as others run beside it.
pub fn calls_of_all_threads<T>(work: impl FnOnce() -> T) -> (u64, T) {
    let before = CALLS.load(Ordering::Relaxed);
    let value = work();
    (CALLS.load(Ordering::Relaxed) - before, value)
}

/// Proves that the counter sees all three kinds of calls, and nothing where there are none.
///
/// # Panics
/// If none is counted, for instance because the suite forgot its `#[global_allocator]`.
pub fn prove_live() {
    let (counts, ()) = counted(|| {
        let mut block = black_box(Vec::<u8>::with_capacity(black_box(100)));
        block.resize(black_box(1000), 1);
        drop(black_box(block));
    });
    let expected = Counts { allocations: 1, reallocations: 1, frees: 1, bytes: 1100 };
    assert_eq!(counts, expected, "the counter is not live");
    let (counts, sum) = counted(|| black_box([1u8; 64]).iter().map(|&b| u32::from(b)).sum::<u32>());
    assert_eq!((counts, sum), (Counts::NONE, 64), "the counter counts what is not there");
}
