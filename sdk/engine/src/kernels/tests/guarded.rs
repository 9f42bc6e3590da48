//! Memory behind which lies a page that does not exist, so that a read or a write too far ends the
//! program.

use std::fs::File;
use std::ops::{Deref, DerefMut};

use memmap2::{MmapMut, MmapOptions};

/// Largest page size of Linux on ARM, bytes.
const PAGE: usize = 64 << 10;

/// Bytes that end at an inaccessible page.
pub(super) struct Guarded {
    map: MmapMut,
    len: usize,
}

impl Guarded {
    pub(super) fn new(len: usize) -> Self {
        let file = tempfile::tempfile().unwrap();
        let size = len.next_multiple_of(PAGE);
        File::set_len(&file, size as u64).unwrap();
        // SAFETY: a private map of a file that nobody else knows; the page behind the file's end is
        // mapped and must not be touched, which is the point.
        let map = unsafe { MmapOptions::new().len(size + PAGE).map_copy(&file) }.unwrap();
        Self { map, len }
    }

    pub(super) fn filled(codes: &[i8]) -> Self {
        let mut guarded = Self::new(codes.len());
        guarded.copy_from_slice(codes);
        guarded
    }
}

impl Deref for Guarded {
    type Target = [i8];

    fn deref(&self) -> &[i8] {
        let end = self.map.len() - PAGE;
        bytemuck::cast_slice(&self.map[end - self.len..end])
    }
}

impl DerefMut for Guarded {
    fn deref_mut(&mut self) -> &mut [i8] {
        let end = self.map.len() - PAGE;
        bytemuck::cast_slice_mut(&mut self.map[end - self.len..end])
    }
}
