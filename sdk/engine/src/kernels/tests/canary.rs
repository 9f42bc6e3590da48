//! Memory of WebAssembly, which has no pages that can be taken away: what lies behind is random and
//! must stay as it is. A read too far is not noticed here; that kernels make none of these follows
//! from their loads, which are those of a whole panel or of a copy.

use std::ops::{Deref, DerefMut};
use std::vec::Vec;

/// Bytes behind the memory.
const BEHIND: usize = 64;

/// Bytes that end at others which must not change.
pub(super) struct Guarded {
    all: Vec<i8>,
    len: usize,
}

/// Value of a byte behind the memory.
fn canary(at: usize) -> i8 {
    (at * 37 + 11) as i8
}

impl Guarded {
    pub(super) fn new(len: usize) -> Self {
        let mut all = std::vec![0; len];
        all.extend((0..BEHIND).map(canary));
        Self { all, len }
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
        &self.all[..self.len]
    }
}

impl DerefMut for Guarded {
    fn deref_mut(&mut self) -> &mut [i8] {
        &mut self.all[..self.len]
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        let behind = self.all[self.len..].iter().enumerate();
        assert!(behind.into_iter().all(|(at, byte)| *byte == canary(at)), "written too far");
    }
}
