//! Views of a head's memory: training data, and data computed from it.

use core::ops::Range;

use super::MAX_NAME_BYTES;
use crate::head::fit::primal::{BLOCK, LANES};
use crate::head::linalg::vector::unit;

/// Training data, to read.
#[derive(Clone, Copy)]
pub(crate) struct Kept<'a> {
    pub names: &'a [u8],
    pub name_bytes: &'a [u8],
    /// Number of samples of each class that were ever seen, kept or not.
    pub seen: &'a [u32],
    /// Sums of their unit vectors in fixed point, class by class.
    pub sums: &'a [i32],
    pub codes: &'a [i8],
    pub scales: &'a [f32],
    /// Inverse norms of `codes - zero`; 0 for a sample without direction.
    pub inverses: &'a [f32],
    pub owners: &'a [u16],
    pub zeros: &'a [i8],
    /// Norms and sums of the last part alone.
    pub(super) last: LastPart<'a>,
    /// Number of values of a whole sample.
    pub(super) stride: usize,
    /// Number of values in view, at the end of each sample.
    pub(super) dim: usize,
}

/// Training data as the last part of the embeddings has it; empty if they have no others.
#[derive(Clone, Copy)]
pub(crate) struct LastPart<'a> {
    pub sums: &'a [i32],
    pub inverses: &'a [f32],
    pub dim: usize,
}

/// Values of the embeddings that a fit reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum View {
    /// The last part.
    Last,
    /// All values.
    All,
}

impl<'a> Kept<'a> {
    /// Returns the training data with the samples restricted to a view.
    pub fn view(self, view: View) -> Self {
        let LastPart { sums, inverses, dim } = self.last;
        match view {
            View::Last if dim < self.stride => Self { sums, inverses, dim, ..self },
            View::Last | View::All => self,
        }
    }

    /// Number of dimensions of a sample in view.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Returns the int8 values of one sample in view and their zero point.
    pub fn sample(&self, index: usize) -> (&'a [i8], i8) {
        let end = (index + 1) * self.stride;
        (&self.codes[end - self.dim..end], self.zeros[index])
    }

    /// Returns the sum of one class.
    pub fn sum(&self, class: usize) -> &'a [i32] {
        &self.sums[class * self.dim..][..self.dim]
    }

    /// Returns the name of one class.
    pub fn name(&self, class: usize) -> &'a str {
        let bytes = &self.names[class * MAX_NAME_BYTES..][..usize::from(self.name_bytes[class])];
        // Only whole names are ever written.
        core::str::from_utf8(bytes).unwrap_or_default()
    }
}

/// Training data, to write.
pub(crate) struct KeptMut<'a> {
    pub names: &'a mut [u8],
    pub name_bytes: &'a mut [u8],
    pub seen: &'a mut [u32],
    pub sums: &'a mut [i32],
    pub codes: &'a mut [i8],
    pub scales: &'a mut [f32],
    pub inverses: &'a mut [f32],
    pub owners: &'a mut [u16],
    pub zeros: &'a mut [i8],
    /// Sums over the last part; empty if the embeddings have no others.
    pub last_sums: &'a mut [i32],
    /// Inverse norms of the last part; empty in the same case.
    pub last_inverses: &'a mut [f32],
    pub(super) dim: usize,
    pub(super) last: usize,
}

impl KeptMut<'_> {
    /// Moves a sample behind the following ones, up to `end`, which move up.
    pub fn move_back(&mut self, sample: usize, end: usize) {
        self.codes[sample * self.dim..end * self.dim].rotate_left(self.dim);
        self.scales[sample..end].rotate_left(1);
        self.inverses[sample..end].rotate_left(1);
        self.owners[sample..end].rotate_left(1);
        self.zeros[sample..end].rotate_left(1);
        if let Some(inverses) = self.last_inverses.get_mut(sample..end) {
            inverses.rotate_left(1);
        }
    }

    /// Undoes [`KeptMut::move_back`].
    pub fn move_front(&mut self, sample: usize, end: usize) {
        self.codes[sample * self.dim..end * self.dim].rotate_right(self.dim);
        self.scales[sample..end].rotate_right(1);
        self.inverses[sample..end].rotate_right(1);
        self.owners[sample..end].rotate_right(1);
        self.zeros[sample..end].rotate_right(1);
        if let Some(inverses) = self.last_inverses.get_mut(sample..end) {
            inverses.rotate_right(1);
        }
    }

    /// Returns the sums of a class: over all values, and then over the last part.
    pub fn sums_of(&mut self, class: usize) -> impl Iterator<Item = &mut i32> {
        let last = self.last_sums.get_mut(class * self.last..(class + 1) * self.last);
        self.sums[class * self.dim..][..self.dim].iter_mut().chain(last.into_iter().flatten())
    }

    /// Sets all sums of a range of classes to zero.
    pub fn clear_sums(&mut self, classes: Range<usize>) {
        self.sums[classes.start * self.dim..classes.end * self.dim].fill(0);
        if let Some(sums) =
            self.last_sums.get_mut(classes.start * self.last..classes.end * self.last)
        {
            sums.fill(0);
        }
    }

    /// Moves the sums of the classes behind `class` up by one, up to the class `end`.
    pub fn close_sums(&mut self, class: usize, end: usize) {
        self.sums.copy_within((class + 1) * self.dim..end * self.dim, class * self.dim);
        if !self.last_sums.is_empty() {
            let from = (class + 1) * self.last..end * self.last;
            self.last_sums.copy_within(from, class * self.last);
        }
    }

    /// Adds the sums of a class of another head of the same embeddings.
    pub fn add_sums(&mut self, class: usize, other: &Kept<'_>, from: usize) {
        let sums = &mut self.sums[class * self.dim..][..self.dim];
        sums.iter_mut().zip(other.view(View::All).sum(from)).for_each(|(sum, more)| *sum += more);
        if !self.last_sums.is_empty() {
            let sums = &mut self.last_sums[class * self.last..][..self.last];
            let more = other.view(View::Last).sum(from);
            sums.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
        }
    }

    /// Adds a sample to the count and the sum of its class.
    pub fn count_in(&mut self, sample: usize) {
        self.count(sample, |sum, x| sum + x);
        self.seen[usize::from(self.owners[sample])] += 1;
    }

    /// Undoes [`KeptMut::count_in`].
    pub fn count_out(&mut self, sample: usize) {
        self.count(sample, |sum, x| sum - x);
        self.seen[usize::from(self.owners[sample])] -= 1;
    }

    fn count(&mut self, sample: usize, step: impl Fn(i32, i32) -> i32) {
        let codes = &self.codes[sample * self.dim..][..self.dim];
        let zero = self.zeros[sample];
        let class = usize::from(self.owners[sample]);
        let sums = &mut self.sums[class * self.dim..][..self.dim];
        for (sum, x) in sums.iter_mut().zip(unit(codes, zero, self.inverses[sample])) {
            *sum = step(*sum, x);
        }
        let Some(&inverse) = self.last_inverses.get(sample) else { return };
        let codes = &codes[self.dim - self.last..];
        let sums = &mut self.last_sums[class * self.last..][..self.last];
        for (sum, x) in sums.iter_mut().zip(unit(codes, zero, inverse)) {
            *sum = step(*sum, x);
        }
    }
}

/// Data computed from the samples; never saved.
pub(crate) struct Work<'a> {
    pub weights: &'a mut [f32],
    pub bias: &'a mut [f32],
    pub scores: &'a mut [f32],
    /// L2 norms of the classes' sums; negative for a class without samples.
    pub norms: &'a mut [f32],
    /// Number of kept samples of each class.
    pub counts: &'a mut [u32],
    /// Held-out scores of every sample, class by class.
    pub held_out: &'a mut [f32],
    /// Cosines with the class means; after a fit, indices of confused pairs.
    pub similarities: &'a mut [f32],
    /// Factors of each sample's row and column of the Gram matrix.
    pub scales: &'a mut [f32],
    /// Importance of each sample in the fit; 1 in the mean.
    pub importance: &'a mut [f32],
    /// Scratch: four numbers per sample; the solvers use the first three. After a fit, the held-out
    /// predictions and their tally.
    pub columns: &'a mut [f32],
    /// Lower triangle of the Gram matrix, row by row.
    pub gram: &'a mut [f32],
    /// Gram matrix of the last part alone; empty if the embeddings have no others.
    pub last_gram: &'a mut [f32],
    /// Scratch of the shape of the greater one.
    pub square: &'a mut [f32],
    pub solver: &'a mut [f32],
    /// Scratch of ridge regression with several regularizations.
    pub spectrum: &'a mut [f32],
    /// Mean of the features; empty if there can be no more samples than dimensions.
    pub centre: &'a mut [f32],
    /// Block of samples as features; empty in the same case.
    pub block: &'a mut [f32],
}

/// Data of a fitted head, to read: the front of [`Work`], in its order.
#[derive(Clone, Copy)]
pub(crate) struct Solved<'a> {
    pub weights: &'a [f32],
    pub bias: &'a [f32],
    pub norms: &'a [f32],
    pub counts: &'a [u32],
    pub held_out: &'a [f32],
    /// Indices of confused pairs: [`Work::similarities`] after a fit.
    pub confused: &'a [u32],
    /// Held-out predictions and their tally: [`Work::columns`] after a fit.
    pub columns: &'a [u32],
}

impl Solved<'_> {
    /// Restricts the views to the classes and samples that exist.
    pub fn keep(&mut self, classes: usize, samples: usize, dim: usize) {
        self.weights = &self.weights[..classes * dim];
        self.bias = &self.bias[..classes];
        self.norms = &self.norms[..classes];
        self.counts = &self.counts[..classes];
        self.held_out = &self.held_out[..classes * samples];
        self.confused = &self.confused[..samples];
        self.columns = &self.columns[..4 * samples];
    }
}

impl Work<'_> {
    /// Restricts the views to the classes and samples that exist.
    pub fn keep(&mut self, classes: usize, samples: usize, dim: usize) {
        shorten(&mut self.weights, classes * dim);
        shorten(&mut self.bias, classes);
        shorten(&mut self.scores, classes);
        shorten(&mut self.norms, classes);
        self.counts = &mut core::mem::take(&mut self.counts)[..classes];
        shorten(&mut self.held_out, classes * samples);
        shorten(&mut self.similarities, samples);
        shorten(&mut self.scales, samples);
        shorten(&mut self.importance, samples);
        shorten(&mut self.columns, 4 * samples);
    }

    /// Restricts the memory to a view of `dim` dimensions; the Gram matrix of the other one is then
    /// out of reach.
    pub fn view(mut self, view: View, dim: usize) -> Self {
        if view == View::Last && !self.last_gram.is_empty() {
            self.gram = core::mem::take(&mut self.last_gram);
        }
        let matrix = self.square.len().min(self.gram.len());
        shorten(&mut self.square, matrix);
        let centre = self.centre.len().min(dim);
        shorten(&mut self.centre, centre);
        let block = self.block.len().min(BLOCK * dim.next_multiple_of(LANES));
        shorten(&mut self.block, block);
        self
    }
}

/// Number of samples of a class, given the class of each sample.
pub(crate) fn count(owners: &[u16], class: u16) -> usize {
    owners.iter().filter(|&&owner| owner == class).count()
}

pub(super) fn shorten(slice: &mut &mut [f32], len: usize) {
    *slice = &mut core::mem::take(slice)[..len];
}
