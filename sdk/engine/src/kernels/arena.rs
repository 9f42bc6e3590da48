//! Arena of the caller while a plan runs: several threads write to different parts of it.

use core::marker::PhantomData;
use core::ops::Range;

/// Arena borrowed for a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arena<'a> {
    base: *mut i8,
    len: usize,
    borrow: PhantomData<&'a mut [i8]>,
}

// SAFETY: a pointer and a length; whoever makes slices of it vouches for them.
unsafe impl Send for Arena<'_> {}
// SAFETY: as above.
unsafe impl Sync for Arena<'_> {}

impl<'a> Arena<'a> {
    pub fn new(arena: &'a mut [i8]) -> Self {
        Self { base: arena.as_mut_ptr(), len: arena.len(), borrow: PhantomData }
    }

    /// Returns a pointer to the beginning of a range.
    ///
    /// # Panics
    /// If the range is not inside the arena.
    pub fn slice(&self, range: Range<usize>) -> *mut i8 {
        assert!(range.start <= range.end && range.end <= self.len, "planned");
        // SAFETY: checked to be inside the borrowed slice.
        unsafe { self.base.add(range.start) }
    }

    /// Returns a range of the arena to read.
    ///
    /// # Safety
    /// No thread writes these bytes while the slice is in use.
    ///
    /// # Panics
    /// If the range is not inside the arena.
    pub unsafe fn read(&self, range: Range<usize>) -> &'a [i8] {
        // SAFETY: inside, by `slice`; the rest is the caller's promise.
        unsafe { core::slice::from_raw_parts(self.slice(range.clone()), range.len()) }
    }

    /// Returns a range of the arena to write.
    ///
    /// # Safety
    /// Nothing else reads or writes these bytes while the slice is in use.
    ///
    /// # Panics
    /// If the range is not inside the arena.
    pub unsafe fn write(&self, range: Range<usize>) -> &'a mut [i8] {
        // SAFETY: as above.
        unsafe { core::slice::from_raw_parts_mut(self.slice(range.clone()), range.len()) }
    }
}
