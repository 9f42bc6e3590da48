//! The Gram matrix: products of the samples with each other, in integers before scaling.
//!
//! Sample `x` stands in it as `x / sqrt(|x|)`; dividing by the mean length, which changes with
//! every sample, is left to the reader.

use super::memory::Kept;
use super::vector::{add_scaled, dot, dot_exact};

/// Lengths are held below this, so that no product overflows.
const MAX_LENGTH: f64 = 1e18;

/// Shorter embeddings have no direction.
pub(super) const MIN_LENGTH: f64 = 1e-15;

/// The length of an embedding as the head sees it, given its step and the inverse length of
/// its codes.
pub(super) fn length(scale: f32, inverse: f32) -> f64 {
    if inverse > 0.0 { (f64::from(scale) / f64::from(inverse)).min(MAX_LENGTH) } else { 0.0 }
}

/// What turns `codes - zero` into a feature, up to the mean length.
pub(super) fn gain(kept: &Kept<'_>, sample: usize) -> f64 {
    let inverse = kept.inverses[sample];
    libm::sqrt(length(kept.scales[sample], inverse)) * f64::from(inverse)
}

/// Appends rows `from..to` to the Gram matrix.
pub(super) fn extend(kept: &Kept<'_>, gram: &mut [f32], from: usize, to: usize) {
    for row in from..to {
        let (codes, zero) = kept.sample(row);
        let row_gain = gain(kept, row);
        for column in 0..=row {
            let (others, other_zero) = kept.sample(column);
            let product = dot_exact(codes, zero, others, other_zero) as f64;
            gram[triangle(row) + column] = (product * row_gain * gain(kept, column)) as f32;
        }
    }
}

/// Where a row of the lower triangle begins.
fn triangle(row: usize) -> usize {
    row * (row + 1) / 2
}

/// `out = scale * gram * x` for the lower triangle of a symmetric matrix.
pub(super) fn times(gram: &[f32], scale: f32, x: &[f32], out: &mut [f32]) {
    for row in 0..x.len() {
        let (before, diagonal) = (&gram[triangle(row)..][..row], gram[triangle(row) + row]);
        out[row] = dot(before, &x[..row]) + diagonal * x[row];
        add_scaled(&mut out[..row], x[row], before);
    }
    for out in out {
        *out *= scale;
    }
}

/// Mean squared distance of the samples from their centre; `scratch` has one number a sample.
pub(super) fn variance(gram: &[f32], scratch: &mut [f32]) -> f32 {
    let samples = scratch.len();
    scratch.fill(1.0 / samples as f32);
    let diagonal: f32 = (0..samples).map(|i| gram[triangle(i) + i]).sum();
    let mut total = 0.0;
    for row in 0..samples {
        let (off, on) = gram[triangle(row)..][..=row].split_at(row);
        total += 2.0 * dot(off, &scratch[..row]) + on[0] * scratch[row];
    }
    (diagonal - total) / samples as f32
}
