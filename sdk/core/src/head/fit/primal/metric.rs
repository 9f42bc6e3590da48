//! Metric of softmax regression in dimensions: the inverse of a matrix near its second derivatives,
//! which conjugate gradients take as preconditioner.
//!
//! The second derivatives are `1 + inverse_l2 * sum(p (1 - p) x x^T)` for the weights of one class,
//! and less between classes. With the probabilities of a guess, `1 / k` for each of `k` classes,
//! all classes share one matrix: ridge regression's. Boehning's bound (1992) is a multiple of it.
//! Any positive definite matrix gives the same optimum; this one takes a third to a sixth of the
//! iterations.

use super::block::{BLOCK, Block, Source};
use crate::head::linalg::cholesky::{self, start};

/// Number of samples per dimension that the matrix is summed from, spread over all: enough to know
/// its shape.
const SAMPLES_PER_DIM: usize = 4;

/// Inverse of the approximated second derivatives.
pub(super) struct Metric<'a> {
    /// Inverse of the Cholesky factor of the matrix of one class.
    inverse: &'a [f32],
    scratch: &'a mut [f32],
    /// Second derivative by the bias of one class.
    pub bias: f32,
}

impl<'a> Metric<'a> {
    /// Sums the matrix in `triangle` and inverts its factor. `block` is scratch, `scratch` has one
    /// number per dimension; `classes` counts those with samples.
    pub fn new(
        source: &Source<'_>,
        classes: usize,
        inverse_l2: f32,
        centre: &[f32],
        block: &mut Block<'_>,
        (triangle, scratch): (&'a mut [f32], &'a mut [f32]),
    ) -> Self {
        let dim = scratch.len();
        let samples = source.scales.len();
        let share = 1.0 / classes.max(2) as f32;
        let curvature = inverse_l2 * share * (1.0 - share);
        let triangle = &mut triangle[..start(dim)];
        triangle.fill(0.0);
        let every = samples.div_ceil(BLOCK) / (SAMPLES_PER_DIM * dim).div_ceil(BLOCK);
        let summed = || source.blocks().step_by(every.max(1));
        let count: usize = summed().map(|range| range.len()).sum();
        let weights = [curvature * samples as f32 / count as f32; BLOCK];
        for range in summed() {
            block.load(source, range, |_| Some(centre));
            block.scatter(&weights, triangle);
        }
        (0..dim).for_each(|i| triangle[start(i) + i] += 1.0);
        cholesky::invert_factor(triangle, 1.0, scratch);
        Self { inverse: triangle, scratch, bias: curvature * samples as f32 }
    }

    /// Multiplies the row of each class with the inverse.
    pub fn raise(&mut self, rows: &mut [f32]) {
        for row in rows.chunks_exact_mut(self.scratch.len()) {
            cholesky::solve(self.inverse, row, self.scratch);
        }
    }
}
