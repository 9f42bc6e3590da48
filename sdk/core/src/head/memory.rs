//! Where a head keeps everything: one slice of words, divided once and for all.

use bytemuck::Pod;
use serde::{Deserialize, Serialize};

use super::{HeadError, HeadKind};

/// Longest class name in bytes.
pub const MAX_NAME_BYTES: usize = 32;

/// Most dimensions an embedding may have.
pub const MAX_DIM: usize = 65_535;

/// Most classes of one head.
pub const MAX_CLASSES: u16 = 1024;

/// Scratch columns of the solver, each one float a sample and class.
const SOLVER_COLUMNS: usize = 6;

/// How much a head can be taught; all of it is reserved from the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Most classes.
    pub classes: u16,
    /// Most samples, all classes together.
    pub samples: u16,
}

impl Limits {
    /// Length in `u32` words of the memory that such a head needs, exactly.
    ///
    /// With `k` classes, `n` samples and `d` dimensions these are about
    /// `n * (d + 11) + k * (4 * d + 41)` bytes (samples, names, weights), and for softmax
    /// another `2 * n * (n + 1) + 24 * n * k + 16 * k` (products of samples, solver).
    ///
    /// Usable in constants, so that an array can be sized with it.
    ///
    /// # Errors
    ///
    /// A zero limit, more than [`MAX_CLASSES`] classes, a dimension of zero or above
    /// [`MAX_DIM`], or a head that could not be addressed or saved (4 GiB; 2 GiB on a 32-bit
    /// processor).
    pub const fn words(self, kind: HeadKind, dim: usize) -> Result<usize, HeadError> {
        match Layout::new(kind, dim, self) {
            Ok(layout) => Ok(layout.kept_words() + layout.work_words()),
            Err(error) => Err(error),
        }
    }

    /// [`Limits::words`] in bytes.
    ///
    /// # Errors
    ///
    /// As [`Limits::words`].
    pub const fn bytes(self, kind: HeadKind, dim: usize) -> Result<usize, HeadError> {
        match self.words(kind, dim) {
            Ok(words) => Ok(words * 4),
            Err(error) => Err(error),
        }
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for &mut [u32] {}
    impl<const N: usize> Sealed for [u32; N] {}
    #[cfg(feature = "alloc")]
    impl Sealed for alloc::boxed::Box<[u32]> {}
}

/// Memory a head can live in: a borrowed slice, an array, or (feature `alloc`) a box.
pub trait Memory: sealed::Sealed {
    /// All words.
    fn words(&self) -> &[u32];
    /// All words, to write.
    fn words_mut(&mut self) -> &mut [u32];
}

impl Memory for &mut [u32] {
    fn words(&self) -> &[u32] {
        self
    }

    fn words_mut(&mut self) -> &mut [u32] {
        self
    }
}

impl<const N: usize> Memory for [u32; N] {
    fn words(&self) -> &[u32] {
        self
    }

    fn words_mut(&mut self) -> &mut [u32] {
        self
    }
}

#[cfg(feature = "alloc")]
impl Memory for alloc::boxed::Box<[u32]> {
    fn words(&self) -> &[u32] {
        self
    }

    fn words_mut(&mut self) -> &mut [u32] {
        self
    }
}

/// The checked sizes of a head; every product below fits `usize`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub kind: HeadKind,
    pub dim: usize,
    pub classes: usize,
    pub samples: usize,
}

impl Layout {
    pub const fn new(kind: HeadKind, dim: usize, limits: Limits) -> Result<Self, HeadError> {
        if dim == 0 || dim > MAX_DIM {
            return Err(HeadError::DimOutOfRange { found: dim });
        }
        if limits.classes == 0 || limits.classes > MAX_CLASSES {
            return Err(HeadError::ClassesOutOfRange { found: limits.classes });
        }
        if limits.samples == 0 {
            return Err(HeadError::NoSamples);
        }
        let (classes, samples) = (limits.classes as usize, limits.samples as usize);
        // Each factor is below 2^16, so that u64 cannot overflow.
        let (d, k, n) = (dim as u64, classes as u64, samples as u64);
        let mut words = 9 * k + n * (d + 12) / 4 + k * (d + 2) + 16;
        if matches!(kind, HeadKind::Softmax) {
            words += n * (n + 1) / 2 + k * (SOLVER_COLUMNS as u64 * n + 4);
        }
        // 2^30 words are 4 GiB; a 32-bit device ends at half of that.
        if words >= 1 << 30 || words > (usize::MAX / 8) as u64 {
            return Err(HeadError::TooLarge { classes: limits.classes, samples: limits.samples });
        }
        Ok(Self { kind, dim, classes, samples })
    }

    /// Words of what was taught.
    pub const fn kept_words(&self) -> usize {
        let (k, n) = (self.classes, self.samples);
        let names = k * MAX_NAME_BYTES / 4 + k.div_ceil(4);
        names + (n * self.dim).div_ceil(4) + 2 * n + n.div_ceil(2) + n.div_ceil(4)
    }

    /// Words of what is computed from it.
    pub const fn work_words(&self) -> usize {
        self.classes * (self.dim + 2) + self.gram_len() + self.solver_len()
    }

    const fn gram_len(&self) -> usize {
        match self.kind {
            HeadKind::NearestMean => 0,
            HeadKind::Softmax => self.samples * (self.samples + 1) / 2,
        }
    }

    const fn solver_len(&self) -> usize {
        match self.kind {
            HeadKind::NearestMean => 0,
            HeadKind::Softmax => self.classes * (SOLVER_COLUMNS * self.samples + 4),
        }
    }

    /// What was taught, to read; and what is computed from it, to write.
    pub fn split<'a>(&self, words: &'a mut [u32]) -> (Kept<'a>, Work<'a>) {
        let (kept, work) = words.split_at_mut(self.kept_words());
        (self.kept(kept), self.work(work))
    }

    /// What was taught.
    pub fn kept<'a>(&self, words: &'a [u32]) -> Kept<'a> {
        let rest = &mut &words[..];
        Kept {
            names: take(rest, self.classes * MAX_NAME_BYTES),
            name_bytes: take(rest, self.classes),
            codes: take(rest, self.samples * self.dim),
            scales: take(rest, self.samples),
            inverses: take(rest, self.samples),
            owners: take(rest, self.samples),
            zeros: take(rest, self.samples),
            dim: self.dim,
        }
    }

    /// What was taught, to write.
    pub fn kept_mut<'a>(&self, words: &'a mut [u32]) -> KeptMut<'a> {
        let rest = &mut &mut words[..];
        KeptMut {
            names: take_mut(rest, self.classes * MAX_NAME_BYTES),
            name_bytes: take_mut(rest, self.classes),
            codes: take_mut(rest, self.samples * self.dim),
            scales: take_mut(rest, self.samples),
            inverses: take_mut(rest, self.samples),
            owners: take_mut(rest, self.samples),
            zeros: take_mut(rest, self.samples),
        }
    }

    fn work<'a>(&self, words: &'a mut [u32]) -> Work<'a> {
        let rest = &mut &mut words[..];
        Work {
            weights: take_mut(rest, self.classes * self.dim),
            bias: take_mut(rest, self.classes),
            scores: take_mut(rest, self.classes),
            gram: take_mut(rest, self.gram_len()),
            solver: take_mut(rest, self.solver_len()),
        }
    }
}

/// What was taught.
#[derive(Clone, Copy)]
pub(super) struct Kept<'a> {
    pub names: &'a [u8],
    pub name_bytes: &'a [u8],
    pub codes: &'a [i8],
    pub scales: &'a [f32],
    /// One over the length of `codes - zero`; 0 for a sample without direction.
    pub inverses: &'a [f32],
    pub owners: &'a [u16],
    pub zeros: &'a [i8],
    dim: usize,
}

impl<'a> Kept<'a> {
    /// The codes of one sample and their zero point.
    pub fn sample(&self, index: usize) -> (&'a [i8], i8) {
        (&self.codes[index * self.dim..][..self.dim], self.zeros[index])
    }

    /// The name of one class.
    pub fn name(&self, class: usize) -> &'a str {
        let bytes = &self.names[class * MAX_NAME_BYTES..][..usize::from(self.name_bytes[class])];
        // Only whole names are ever written.
        core::str::from_utf8(bytes).unwrap_or_default()
    }
}

/// What was taught, to write.
pub(super) struct KeptMut<'a> {
    pub names: &'a mut [u8],
    pub name_bytes: &'a mut [u8],
    pub codes: &'a mut [i8],
    pub scales: &'a mut [f32],
    pub inverses: &'a mut [f32],
    pub owners: &'a mut [u16],
    pub zeros: &'a mut [i8],
}

/// What is computed from the samples; never saved.
pub(super) struct Work<'a> {
    pub weights: &'a mut [f32],
    pub bias: &'a mut [f32],
    pub scores: &'a mut [f32],
    /// Lower triangle, row by row.
    pub gram: &'a mut [f32],
    pub solver: &'a mut [f32],
}

impl Work<'_> {
    /// Leaves out the classes that do not exist yet.
    pub fn keep_classes(&mut self, classes: usize, dim: usize) {
        shorten(&mut self.weights, classes * dim);
        shorten(&mut self.bias, classes);
        shorten(&mut self.scores, classes);
    }
}

fn shorten(slice: &mut &mut [f32], len: usize) {
    *slice = &mut core::mem::take(slice)[..len];
}

fn take<'a, T: Pod>(words: &mut &'a [u32], count: usize) -> &'a [T] {
    let (front, rest) = words.split_at((count * size_of::<T>()).div_ceil(4));
    *words = rest;
    &bytemuck::cast_slice(front)[..count]
}

fn take_mut<'a, T: Pod>(words: &mut &'a mut [u32], count: usize) -> &'a mut [T] {
    let (front, rest) = core::mem::take(words).split_at_mut((count * size_of::<T>()).div_ceil(4));
    *words = rest;
    &mut bytemuck::cast_slice_mut(front)[..count]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::Head;

    #[test]
    fn every_word_is_used() {
        for kind in HeadKind::ALL {
            // Multiples of four leave no gaps between the parts.
            let layout = Layout::new(kind, 12, Limits { classes: 4, samples: 8 }).unwrap();
            let mut words = [0; 1024];
            let (kept, work) = layout.split(&mut words);
            let bytes = size_of_val(kept.names) + kept.name_bytes.len() + kept.codes.len();
            let bytes = bytes + size_of_val(kept.scales) + size_of_val(kept.inverses);
            let bytes = bytes + size_of_val(kept.owners) + kept.zeros.len();
            assert_eq!(bytes, layout.kept_words() * 4);
            let floats = work.weights.len() + work.bias.len() + work.scores.len();
            assert_eq!(floats + work.gram.len() + work.solver.len(), layout.work_words());
        }
    }

    #[test]
    fn sizes_are_what_the_documentation_says() {
        let bytes = |kind, classes, samples| Limits { classes, samples }.bytes(kind, 1280);
        assert_eq!(bytes(HeadKind::NearestMean, 3, 15), Ok(34_852));
        assert_eq!(bytes(HeadKind::Softmax, 3, 15), Ok(36_460));
        assert_eq!(bytes(HeadKind::Softmax, 10, 500), Ok(1_318_272));
    }

    #[test]
    fn an_array_and_a_constant_will_do() {
        const LIMITS: Limits = Limits { classes: 2, samples: 4 };
        const WORDS: usize = match LIMITS.words(HeadKind::Softmax, 16) {
            Ok(words) => words,
            Err(_) => panic!("limits"),
        };
        let head = Head::new(HeadKind::Softmax, 16, [0; 32], LIMITS, [0; WORDS]);
        assert_eq!(head.map(|head| head.limits()).ok(), Some(LIMITS));
    }

    #[cfg(feature = "alloc")]
    #[test]
    fn a_box_will_do() {
        let limits = Limits { classes: 2, samples: 4 };
        let mut head = Head::boxed(HeadKind::NearestMean, 16, [0; 32], limits).unwrap();
        assert!(head.add_class("a").is_ok());
        assert!(Head::boxed(HeadKind::NearestMean, 0, [0; 32], limits).is_err());
    }
}
