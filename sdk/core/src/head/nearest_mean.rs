//! Class means of unit-length embeddings: weight imprinting (Qi, Brown and Lowe 2018), the
//! head of Coral's `ImprintingEngine`.

use super::gram;
use super::memory::{Kept, Work};

/// Score for a cosine of 1.
///
/// Probabilities are the softmax of the scaled cosines. Between 20 and 40 the log loss on ants
/// and bees, four animals and CIFAR-10 under MobileNetV2 changes little; less is better with
/// one shot, more with many.
pub(super) const SCORE_SCALE: f32 = 30.0;

/// A coordinate of a unit vector in fixed point; 65,535 of them fit an `i32`.
const ONE: f32 = 32_768.0;

/// Computes the weights of all classes.
///
/// The sums are integers, so that the order of teaching cannot matter.
pub(super) fn fit(kept: &Kept<'_>, samples: usize, dim: usize, work: &mut Work<'_>) {
    let sums: &mut [i32] = bytemuck::cast_slice_mut(work.weights);
    sums.fill(0);
    work.bias.fill(f32::NEG_INFINITY);
    for sample in 0..samples {
        let class = usize::from(kept.owners[sample]);
        work.bias[class] = 0.0;
        let (codes, zero) = kept.sample(sample);
        let factor = kept.inverses[sample] * ONE;
        for (sum, &code) in sums[class * dim..][..dim].iter_mut().zip(codes) {
            *sum += round(f32::from(i16::from(code) - i16::from(zero)) * factor);
        }
    }
    for row in work.weights.chunks_exact_mut(dim) {
        normalize(row);
    }
}

/// Held-out scores: the class means without the sample itself, from its products with the others.
///
/// Also leaves the lengths of the classes' sums in `work.norms`, which the cosine of a query with
/// a class mean needs.
pub(super) fn leave_one_out(kept: &Kept<'_>, scales: &[f32], work: &mut Work<'_>) {
    let (samples, owners) = (scales.len(), &kept.owners[..scales.len()]);
    gram::class_sums(work.gram, scales, owners, work.held_out);
    for (class, sums) in work.held_out.chunks_exact_mut(samples).enumerate() {
        let is_own = |i: usize| usize::from(owners[i]) == class;
        let square: f64 = (0..samples).filter(|&i| is_own(i)).map(|i| f64::from(sums[i])).sum();
        work.norms[class] = libm::sqrt(square.max(0.0)) as f32;
        let taught = (0..samples).any(is_own);
        for (i, sum) in sums.iter_mut().enumerate() {
            let own = if is_own(i) {
                f64::from(super::triangle::row(work.gram, i)[i] * scales[i] * scales[i])
            } else {
                0.0
            };
            let (product, left) = (f64::from(*sum) - own, square - 2.0 * f64::from(*sum) + own);
            let length = libm::sqrt(if is_own(i) { left } else { square }.max(0.0));
            *sum = match taught {
                // What is left of a class of one has no direction, up to rounding.
                true if length > 1e-3 => SCORE_SCALE * (product / length) as f32,
                true => 0.0,
                false => f32::NEG_INFINITY,
            };
        }
    }
}

/// Turns a row of sums into a row of weights; a row of zeros stays.
fn normalize(row: &mut [f32]) {
    let sums: &[i32] = bytemuck::cast_slice(row);
    let square: f64 = sums.iter().map(|&sum| f64::from(sum) * f64::from(sum)).sum();
    let factor = if square > 0.0 { f64::from(SCORE_SCALE) / libm::sqrt(square) } else { 0.0 };
    for weight in row {
        let sum = weight.to_bits() as i32;
        *weight = (f64::from(sum) * factor) as f32;
    }
}

/// Halves away from zero, without the call that `libm::roundf` costs a coordinate.
fn round(x: f32) -> i32 {
    (x + 0.5f32.copysign(x)) as i32
}
