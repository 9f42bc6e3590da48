//! Memory of a head: one slice of words, divided once.

pub(super) mod record;
pub(super) mod views;

use bytemuck::Pod;
use serde::{Deserialize, Serialize};
use views::{Kept, KeptMut, LastPart, Solved, View, Work};

use super::fit::primal::{BLOCK, LANES};
use super::fit::ridge::spectrum_len;
use super::{HeadError, HeadKind};
use crate::parts::Parts;

/// Max length of a class name in bytes.
pub const MAX_NAME_BYTES: usize = 64;

/// Max number of dimensions of an embedding.
pub const MAX_DIM: usize = 65_535;

/// Max number of samples that one class can see, kept or not; keeps sums exact.
pub const MAX_SHOWN: u32 = 65_535;

/// Max number of classes of one head.
pub const MAX_CLASSES: u16 = 1024;

/// Number of scratch columns of the solver, each one float per sample and class.
const SOLVER_COLUMNS: usize = 6;

/// Limits of a head's training data; the memory for all of it is reserved from the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Max number of classes.
    pub classes: u16,
    /// Max number of samples, all classes together.
    pub samples: u16,
}

impl Limits {
    /// Length in `u32` words of the memory that such a head needs, exactly.
    ///
    /// With `k` classes, `n` samples and `d` dimensions, `m` the lesser of `n` and `d`, these are
    /// about `n * (d + 39) + k * (8 * d + 85)` bytes (samples, names, sums, weights),
    /// `2 * m * (m + 1)` for products of samples or of dimensions, `4 * n * k` for held-out scores,
    /// and for the solver:
    ///
    /// | kind | bytes |
    /// |---|---|
    /// | nearest mean, k-NN | none |
    /// | ridge, LDA | `2 * m * (m + 1) + 8 * n * k` |
    /// | softmax | `2 * m * (m + 1) + 24 * n * k + 16 * k` |
    /// | auto | `2 * m * (m + 1) + 24 * n * k + 16 * k + 136 * m` |
    ///
    /// For `n` above `d`, `132 * d` more (a block of samples), for softmax and auto also
    /// `4 * d * k`, and for auto up to 32 kB.
    ///
    /// An embedding of several parts ([`Limits::words_for`]), the last of `e` values, takes
    /// `4 * k * e + 4 * n` more and, for every kind but nearest mean and k-NN,
    /// `2 * l * (l + 1)` with `l` the lesser of `n` and `e`; ridge, LDA and softmax then take the
    /// `136 * m` of auto, too.
    ///
    /// Usable in constants, so that an array can be sized with it.
    ///
    /// # Errors
    ///
    /// [`HeadError`] for a zero limit, more than [`MAX_CLASSES`] classes, a dimension of zero or
    /// above [`MAX_DIM`], or a head that could not be addressed or saved (4 GiB; 2 GiB on a 32-bit
    /// processor).
    pub const fn words(self, kind: HeadKind, dim: usize) -> Result<usize, HeadError> {
        self.words_for(kind, Parts::single(dim))
    }

    /// Length in `u32` words of the memory of a head for embeddings of several parts, exactly.
    ///
    /// # Errors
    ///
    /// Those of [`Limits::words`].
    pub const fn words_for(self, kind: HeadKind, parts: Parts) -> Result<usize, HeadError> {
        match Layout::new(kind, parts, self) {
            Ok(layout) => Ok(layout.kept_words() + layout.work_words()),
            Err(error) => Err(error),
        }
    }

    /// Length of [`Limits::words`] in bytes.
    ///
    /// # Errors
    ///
    /// Those of [`Limits::words`].
    pub const fn bytes(self, kind: HeadKind, dim: usize) -> Result<usize, HeadError> {
        self.bytes_for(kind, Parts::single(dim))
    }

    /// Length of [`Limits::words_for`] in bytes.
    ///
    /// # Errors
    ///
    /// Those of [`Limits::words`].
    pub const fn bytes_for(self, kind: HeadKind, parts: Parts) -> Result<usize, HeadError> {
        match self.words_for(kind, parts) {
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

/// Memory of a head: a borrowed slice, an array, or (feature `alloc`) a box.
pub trait Memory: sealed::Sealed {
    /// Returns all words.
    fn words(&self) -> &[u32];
    /// Returns all words, to write.
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

/// Checked sizes of a head; every product below fits `usize`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub kind: HeadKind,
    /// Number of values of an embedding.
    pub dim: usize,
    /// Number of values of its last part; `dim` if it has no others.
    pub last: usize,
    pub classes: usize,
    pub samples: usize,
}

impl Layout {
    pub const fn new(kind: HeadKind, parts: Parts, limits: Limits) -> Result<Self, HeadError> {
        let dim = parts.dim();
        let last = parts.last();
        if dim == 0 || dim > MAX_DIM {
            return Err(HeadError::DimOutOfRange { found: dim });
        }
        if limits.classes == 0 || limits.classes > MAX_CLASSES {
            return Err(HeadError::ClassesOutOfRange { found: limits.classes });
        }
        if limits.samples == 0 {
            return Err(HeadError::NoSamples);
        }
        let classes = limits.classes as usize;
        let samples = limits.samples as usize;
        // Each factor is below 2^16, so that u64 cannot overflow.
        let d = dim as u64;
        let k = classes as u64;
        let n = samples as u64;
        let mut words = 9 * k + (n + 1) * (d + 16) / 4 + k * (3 * d + 6) + n * (7 + k) + 16;
        let size = if n < d { n } else { d };
        words += size * (size + 1) / 2 + (BLOCK as u64 + 1) * (d + LANES as u64);
        if kind.solves() {
            words += size * (size + 1) + k * (SOLVER_COLUMNS as u64 * n + d + 4);
            words += spectrum_len(samples, size as usize) as u64;
        }
        // 2^30 words are 4 GiB; a 32-bit device ends at half of that.
        if words >= 1 << 30 || words > (usize::MAX / 8) as u64 {
            return Err(HeadError::TooLarge { classes: limits.classes, samples: limits.samples });
        }
        Ok(Self { kind, dim, last, classes, samples })
    }

    /// Number of words of the training data.
    pub const fn kept_words(&self) -> usize {
        let k = self.classes;
        let n = self.samples;
        let names = k * MAX_NAME_BYTES / 4 + k.div_ceil(4);
        // One more slot, for the sample that was evicted for the last one.
        let m = n + 1;
        names
            + k
            + k * self.dim
            + (m * self.dim).div_ceil(4)
            + 2 * m
            + m.div_ceil(2)
            + m.div_ceil(4)
            + k * self.last_sums()
            + self.last_inverses()
    }

    /// Division of the embeddings.
    pub const fn parts(&self) -> Parts {
        match Parts::joined(self.dim, self.last) {
            Some(parts) => parts,
            None => Parts::single(self.dim),
        }
    }

    /// Number of values in view.
    pub const fn dim_of(&self, view: View) -> usize {
        match view {
            View::Last => self.last,
            View::All => self.dim,
        }
    }

    /// Returns the views that a fit may read, the narrowest first.
    pub const fn views(&self) -> &'static [View] {
        match (self.has_parts(), self.kind.solves()) {
            (false, _) => &[View::All],
            (true, false) => &[View::Last],
            (true, true) => &[View::Last, View::All],
        }
    }

    /// Returns true if embeddings have several parts.
    pub const fn has_parts(&self) -> bool {
        self.last < self.dim
    }

    /// Number of values of the widest view that is fitted: the kinds that do not solve read the last
    /// part only.
    const fn widest(&self) -> usize {
        if self.kind.solves() { self.dim } else { self.last }
    }

    /// Number of values of each class's sum over the last part.
    const fn last_sums(&self) -> usize {
        if self.has_parts() { self.last } else { 0 }
    }

    /// Number of inverse norms of the samples' last parts.
    const fn last_inverses(&self) -> usize {
        if self.has_parts() { self.samples + 1 } else { 0 }
    }

    /// Number of words of the data computed from it.
    pub const fn work_words(&self) -> usize {
        let k = self.classes;
        let n = self.samples;
        let lists = k * (self.widest() + 4) + n * (7 + k) + self.centre_len() + self.block_len();
        let grams = self.gram_len() + self.last_gram_len();
        lists + grams + self.square_len() + self.solver_len() + self.spectrum_len()
    }

    /// Size of the matrices: the lesser of samples and dimensions.
    const fn size(&self) -> usize {
        if self.samples < self.widest() { self.samples } else { self.widest() }
    }

    /// Number of dimensions of the widest view that may have fewer of them than samples; 0 if none
    /// has.
    const fn long_dim(&self) -> usize {
        if self.samples > self.widest() {
            self.widest()
        } else if self.samples > self.last {
            self.last
        } else {
            0
        }
    }

    /// Number of values in a block of samples as features.
    const fn block_len(&self) -> usize {
        BLOCK * self.long_dim().next_multiple_of(LANES)
    }

    /// Number of values in the mean of the features.
    const fn centre_len(&self) -> usize {
        self.long_dim()
    }

    const fn gram_len(&self) -> usize {
        triangle(self.size())
    }

    /// Length of the matrix of the last part, beside that of all values.
    const fn last_gram_len(&self) -> usize {
        match self.last < self.widest() {
            true if self.samples < self.last => triangle(self.samples),
            true => triangle(self.last),
            false => 0,
        }
    }

    const fn square_len(&self) -> usize {
        if self.kind.solves() { self.gram_len() } else { 0 }
    }

    const fn solver_len(&self) -> usize {
        match self.kind {
            HeadKind::NearestMean | HeadKind::Knn => 0,
            HeadKind::Ridge | HeadKind::Slda => 2 * self.classes * self.samples,
            HeadKind::Softmax | HeadKind::Auto => {
                self.classes * (SOLVER_COLUMNS * self.samples + self.centre_len() + 4)
            }
        }
    }

    const fn spectrum_len(&self) -> usize {
        // The choice between the last part and all needs it, whatever the kind.
        match matches!(self.kind, HeadKind::Auto) || self.last < self.widest() {
            true => spectrum_len(self.samples, self.size()),
            false => 0,
        }
    }

    /// Splits the words into the training data, to read, and the data computed from it, to write.
    pub fn split<'a>(&self, words: &'a mut [u32]) -> (Kept<'a>, Work<'a>) {
        let (kept, work) = words.split_at_mut(self.kept_words());
        (self.kept(kept), self.work(work))
    }

    /// Splits the words like [`Layout::split`], restricted to a view of the embeddings.
    pub fn split_view<'a>(&self, words: &'a mut [u32], view: View) -> (Kept<'a>, Work<'a>) {
        let (kept, work) = self.split(words);
        (kept.view(view), work.view(view, self.dim_of(view)))
    }

    /// Returns the training data.
    pub fn kept<'a>(&self, words: &'a [u32]) -> Kept<'a> {
        let rest = &mut &words[..];
        Kept {
            names: take(rest, self.classes * MAX_NAME_BYTES),
            name_bytes: take(rest, self.classes),
            seen: take(rest, self.classes),
            sums: take(rest, self.classes * self.dim),
            codes: take(rest, (self.samples + 1) * self.dim),
            scales: take(rest, self.samples + 1),
            inverses: take(rest, self.samples + 1),
            owners: take(rest, self.samples + 1),
            zeros: take(rest, self.samples + 1),
            last: LastPart {
                sums: take(rest, self.classes * self.last_sums()),
                inverses: take(rest, self.last_inverses()),
                dim: self.last,
            },
            stride: self.dim,
            dim: self.dim,
        }
    }

    /// Returns the training data, to write.
    pub fn kept_mut<'a>(&self, words: &'a mut [u32]) -> KeptMut<'a> {
        let rest = &mut &mut words[..];
        KeptMut {
            names: take_mut(rest, self.classes * MAX_NAME_BYTES),
            name_bytes: take_mut(rest, self.classes),
            seen: take_mut(rest, self.classes),
            sums: take_mut(rest, self.classes * self.dim),
            codes: take_mut(rest, (self.samples + 1) * self.dim),
            scales: take_mut(rest, self.samples + 1),
            inverses: take_mut(rest, self.samples + 1),
            owners: take_mut(rest, self.samples + 1),
            zeros: take_mut(rest, self.samples + 1),
            last_sums: take_mut(rest, self.classes * self.last_sums()),
            last_inverses: take_mut(rest, self.last_inverses()),
            dim: self.dim,
            last: self.last,
        }
    }

    /// Returns the data that questions read.
    pub fn solved<'a>(&self, words: &'a [u32]) -> Solved<'a> {
        let rest = &mut &words[self.kept_words()..];
        Solved {
            weights: take(rest, self.classes * self.widest()),
            bias: take(rest, self.classes),
            norms: take(rest, self.classes),
            counts: take(rest, self.classes),
            held_out: take(rest, self.classes * self.samples),
            confused: take(rest, self.samples),
            columns: take(rest, 4 * self.samples),
        }
    }

    fn work<'a>(&self, words: &'a mut [u32]) -> Work<'a> {
        let rest = &mut &mut words[..];
        Work {
            weights: take_mut(rest, self.classes * self.widest()),
            bias: take_mut(rest, self.classes),
            norms: take_mut(rest, self.classes),
            counts: take_mut(rest, self.classes),
            held_out: take_mut(rest, self.classes * self.samples),
            similarities: take_mut(rest, self.samples),
            columns: take_mut(rest, 4 * self.samples),
            // Up to here as in `solved`.
            scores: take_mut(rest, self.classes),
            scales: take_mut(rest, self.samples),
            importance: take_mut(rest, self.samples),
            gram: take_mut(rest, self.gram_len()),
            last_gram: take_mut(rest, self.last_gram_len()),
            square: take_mut(rest, self.square_len()),
            solver: take_mut(rest, self.solver_len()),
            spectrum: take_mut(rest, self.spectrum_len()),
            centre: take_mut(rest, self.centre_len()),
            block: take_mut(rest, self.block_len()),
        }
    }
}

/// Number of entries of a lower triangle.
const fn triangle(size: usize) -> usize {
    size * (size + 1) / 2
}

fn take<'a, T: Pod>(words: &mut &'a [u32], count: usize) -> &'a [T] {
    let (front, rest) = words.split_at((count * size_of::<T>()).div_ceil(4));
    *words = rest;
    &bytemuck::cast_slice(front)[..count]
}

/// Takes `count` values off the front of the words.
pub(crate) fn take_mut<'a, T: Pod>(words: &mut &'a mut [u32], count: usize) -> &'a mut [T] {
    let (front, rest) = core::mem::take(words).split_at_mut((count * size_of::<T>()).div_ceil(4));
    *words = rest;
    &mut bytemuck::cast_slice_mut(front)[..count]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::Head;
    use crate::package::PackageId;

    #[test]
    fn every_word_is_used() {
        for (kind, last) in HeadKind::ALL.into_iter().flat_map(|kind| [(kind, 12), (kind, 4)]) {
            for samples in [7, 23] {
                // Their number plus the spare one is a multiple of four, which leaves no gaps
                // between parts.
                let parts = Parts::joined(12, last).unwrap();
                let layout = Layout::new(kind, parts, Limits { classes: 4, samples }).unwrap();
                let mut words = [0; 8192];
                let (kept, work) = layout.split(&mut words);
                let bytes = size_of_val(kept.names) + kept.name_bytes.len() + kept.codes.len();
                let bytes = bytes + size_of_val(kept.scales) + size_of_val(kept.inverses);
                let bytes =
                    bytes + size_of_val(kept.owners) + kept.zeros.len() + size_of_val(kept.seen);
                let bytes = bytes + size_of_val(kept.sums);
                let bytes = bytes + size_of_val(kept.last.sums) + size_of_val(kept.last.inverses);
                assert_eq!(bytes, layout.kept_words() * 4);
                let floats =
                    work.weights.len() + work.bias.len() + work.scores.len() + work.norms.len();
                let floats =
                    floats + work.held_out.len() + work.similarities.len() + work.scales.len();
                let floats = floats + work.columns.len() + work.gram.len() + work.square.len();
                let floats =
                    floats + work.importance.len() + work.spectrum.len() + work.counts.len();
                let floats = floats + work.centre.len() + work.block.len() + work.last_gram.len();
                assert_eq!(floats + work.solver.len(), layout.work_words());
            }
        }
    }

    #[test]
    fn sizes_are_what_the_documentation_says() {
        for (kind, classes, samples, matrices, columns, lanes) in [
            (HeadKind::NearestMean, 3u16, 15u16, 1, 1, 0),
            (HeadKind::Knn, 3, 15, 1, 1, 0),
            (HeadKind::Ridge, 10, 500, 2, 3, 0),
            (HeadKind::Softmax, 10, 500, 2, 7, 0),
            (HeadKind::Auto, 10, 500, 2, 7, 136),
        ] {
            let k = usize::from(classes);
            let n = usize::from(samples);
            let stated = n * (1280 + 39 + lanes)
                + k * (8 * 1280 + 85)
                + 2 * matrices * n * (n + 1)
                + 4 * columns * n * k;
            let bytes = Limits { classes, samples }.bytes(kind, 1280).unwrap();
            // One more slot for a sample, and rounding.
            assert!(
                (stated..stated + 1280 + 16 * k + 40).contains(&bytes),
                "{kind}: {bytes} not {stated}"
            );
        }
    }

    #[test]
    fn an_array_and_a_constant_will_do() {
        const LIMITS: Limits = Limits { classes: 2, samples: 4 };
        const WORDS: usize = match LIMITS.words(HeadKind::Softmax, 16) {
            Ok(words) => words,
            Err(_) => panic!("limits"),
        };
        let head = Head::new(HeadKind::Softmax, 16, PackageId::new([0; 32]), LIMITS, [0; WORDS]);
        assert_eq!(head.map(|head| head.limits()).ok(), Some(LIMITS));
    }

    #[cfg(feature = "alloc")]
    #[test]
    fn a_box_will_do() {
        let limits = Limits { classes: 2, samples: 4 };
        let mut head =
            Head::boxed(HeadKind::NearestMean, 16, PackageId::new([0; 32]), limits).unwrap();
        assert!(head.add_class("a").is_ok());
        assert!(Head::boxed(HeadKind::NearestMean, 0, PackageId::new([0; 32]), limits).is_err());
    }
}
