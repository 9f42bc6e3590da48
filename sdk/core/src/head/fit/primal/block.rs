//! Block of samples as features, and the products that the primal solvers are built from.
//!
//! Eight lanes in a fixed order, without fused multiplication: the bits are the same on every
//! processor.

use core::ops::Range;

use wide::f32x8;

use crate::head::linalg::cholesky::start;
use crate::head::linalg::gram::gain;
use crate::head::storage::views::Kept;

/// Number of samples processed together.
pub(in crate::head) const BLOCK: usize = 32;

/// Number of dimensions stored together.
pub(in crate::head) const LANES: usize = 8;

/// Number of samples or rows multiplied together, so that each value is loaded once for all.
const TOGETHER: usize = 4;

type Panel = [f32; LANES];

/// Block of up to [`BLOCK`] samples: a panel of each sample for every eight dimensions, zeros for
/// missing samples.
pub(super) struct Block<'a> {
    panels: &'a mut [Panel],
    dim: usize,
    /// Number of samples in the block.
    len: usize,
}

/// Source of the features: the int8 values of the samples, and the factor of each sample.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub kept: &'a Kept<'a>,
    pub scales: &'a [f32],
}

impl Source<'_> {
    /// Returns the ranges of samples of the blocks.
    pub fn blocks(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let samples = self.scales.len();
        (0..samples).step_by(BLOCK).map(move |from| from..samples.min(from + BLOCK))
    }

    /// Factor that turns `codes - zero` of a sample into its features.
    pub fn factor(&self, sample: usize) -> f32 {
        (f64::from(self.scales[sample]) * gain(self.kept, sample)) as f32
    }

    /// Squared L2 norm of a sample's features.
    pub fn square(&self, sample: usize) -> f32 {
        let length =
            crate::head::linalg::gram::length(self.kept.scales[sample], self.kept.inverses[sample]);
        (length * f64::from(self.scales[sample]) * f64::from(self.scales[sample])) as f32
    }
}

impl<'a> Block<'a> {
    /// Creates an empty block; `words` has [`BLOCK`] numbers for each dimension, rounded up to
    /// eight.
    pub fn new(words: &'a mut [f32], dim: usize) -> Self {
        let panels = bytemuck::cast_slice_mut(&mut words[..BLOCK * dim.next_multiple_of(LANES)]);
        Self { panels, dim, len: 0 }
    }

    /// Loads samples, each minus its row of `centres`.
    pub fn load<'c>(
        &mut self,
        source: &Source<'_>,
        samples: Range<usize>,
        centre: impl Fn(usize) -> Option<&'c [f32]>,
    ) {
        self.len = samples.len();
        self.panels.fill([0.0; LANES]);
        for (place, sample) in samples.enumerate() {
            let (codes, zero) = source.kept.sample(sample);
            let factor = source.factor(sample);
            let zero = i16::from(zero);
            let panels = self.panels[place..].iter_mut().step_by(BLOCK);
            for (panel, codes) in panels.zip(codes.chunks(LANES)) {
                for (out, &code) in panel.iter_mut().zip(codes) {
                    *out = factor * f32::from(i16::from(code) - zero);
                }
            }
            if let Some(centre) = centre(sample) {
                let panels = self.panels[place..].iter_mut().step_by(BLOCK);
                for (panel, centre) in panels.zip(centre.chunks(LANES)) {
                    panel.iter_mut().zip(centre).for_each(|(out, centre)| *out -= centre);
                }
            }
        }
    }

    /// Computes `out += factor * sample`.
    pub fn add_to(&self, place: usize, factor: f32, out: &mut [f32]) {
        let panels = self.panels[place..].iter().step_by(BLOCK);
        for (out, panel) in out.chunks_mut(LANES).zip(panels) {
            out.iter_mut().zip(panel).for_each(|(out, x)| *out += factor * x);
        }
    }

    /// Copies one sample's features to `out`.
    pub fn copy(&self, place: usize, out: &mut [f32]) {
        let panels = self.panels[place..].iter().step_by(BLOCK);
        for (out, panel) in out.chunks_mut(LANES).zip(panels) {
            out.copy_from_slice(&panel[..out.len()]);
        }
    }

    /// Returns the products of all samples with a row of weights, which may be shorter than the
    /// samples.
    pub fn products(&self, row: &[f32]) -> [f32; BLOCK] {
        let mut out = [0.0; BLOCK];
        let mut last = [0.0; LANES];
        let (whole, end) = row.as_chunks::<LANES>();
        let rest = row.len() - end.len();
        last[..end.len()].copy_from_slice(end);
        for (four, out) in out.chunks_exact_mut(TOGETHER).enumerate() {
            if four * TOGETHER >= self.len {
                break;
            }
            let mut sums = [f32x8::ZERO; TOGETHER];
            let mut panels = self.panels[four * TOGETHER..].chunks(BLOCK);
            for (panels, row) in panels.clone().zip(whole) {
                add_products(&mut sums, panels, *row);
            }
            if row.len() > rest
                && let Some(panels) = panels.nth(rest / LANES)
            {
                add_products(&mut sums, panels, last);
            }
            for (out, sums) in out.iter_mut().zip(sums) {
                *out = fold(sums.to_array());
            }
        }
        out
    }

    /// Adds the products of dimensions with each other to rows of a lower triangle, sample by
    /// sample, each times its weight in `weights`.
    pub fn scatter(&self, weights: &[f32], triangle: &mut [f32]) {
        for top in (0..self.dim).step_by(TOGETHER) {
            let mut left = [[0.0; TOGETHER]; BLOCK];
            let panels = &self.panels[top / LANES * BLOCK..][..BLOCK];
            for ((left, panel), &weight) in left.iter_mut().zip(panels).zip(weights) {
                let four = &panel[top % LANES..][..TOGETHER];
                left.iter_mut().zip(four).for_each(|(left, x)| *left = weight * x);
            }
            let rows = TOGETHER.min(self.dim - top);
            for from in (0..top + rows).step_by(LANES) {
                let sums = outer(&left, &self.panels[from / LANES * BLOCK..][..BLOCK]);
                for (row, sums) in (top..top + rows).zip(sums) {
                    let out = &mut triangle[start(row)..][..=row];
                    let out = out.get_mut(from..).unwrap_or_default();
                    out.iter_mut().zip(sums).for_each(|(out, sum)| *out += sum);
                }
            }
        }
    }

    /// Adds the samples to rows of `out`, each times a factor for every row: `factor(row, place)`.
    pub fn spread(&self, rows: usize, factor: impl Fn(usize, usize) -> f32, out: &mut [f32]) {
        for top in (0..rows).step_by(TOGETHER) {
            let mut left = [[0.0; TOGETHER]; BLOCK];
            for (place, left) in left.iter_mut().enumerate().take(self.len) {
                for (row, left) in (top..rows).zip(left) {
                    *left = factor(row, place);
                }
            }
            for (panel, panels) in self.panels.chunks_exact(BLOCK).enumerate() {
                let sums = outer(&left, panels);
                for (row, sums) in (top..rows).zip(sums) {
                    let out = &mut out[row * self.dim..][..self.dim][panel * LANES..];
                    out.iter_mut().zip(sums).for_each(|(out, sum)| *out += sum);
                }
            }
        }
    }

    /// Returns `x A^-1 x` of every sample, given the inverse of the Cholesky factor of `A`.
    pub fn forms(&self, inverse: &[f32]) -> [f32; BLOCK] {
        let mut forms = [0.0; BLOCK];
        for row in 0..self.dim {
            let products = self.products(crate::head::linalg::cholesky::row(inverse, row));
            forms.iter_mut().zip(products).for_each(|(form, x)| *form += x * x);
        }
        forms
    }
}

/// Computes `sums += panels * row` for four samples.
#[inline(always)]
fn add_products(sums: &mut [f32x8; TOGETHER], panels: &[Panel], row: Panel) {
    let (row, Some(panels)) = (f32x8::new(row), panels.first_chunk::<TOGETHER>()) else { return };
    for (sum, panel) in sums.iter_mut().zip(panels) {
        *sum += f32x8::new(*panel) * row;
    }
}

/// Returns the products of four numbers with eight, summed over the samples of a block.
#[inline(always)]
fn outer(left: &[[f32; TOGETHER]; BLOCK], right: &[Panel]) -> [Panel; TOGETHER] {
    let mut sums = [f32x8::ZERO; TOGETHER];
    for (left, right) in left.iter().zip(right) {
        let right = f32x8::new(*right);
        for (sum, &left) in sums.iter_mut().zip(left) {
            *sum += right * f32x8::splat(left);
        }
    }
    sums.map(f32x8::to_array)
}

/// Adds the lanes pairwise, always in the same order.
fn fold(x: Panel) -> f32 {
    ((x[0] + x[4]) + (x[2] + x[6])) + ((x[1] + x[5]) + (x[3] + x[7]))
}
