//! Gram matrix: products of the samples with each other, computed in integers before scaling.
//!
//! Sample `x` enters as `x / sqrt(|x|)`. A [`Transform`] multiplies every sample with one more
//! factor, which [`scales`] writes; the mean L2 norm, which changes with every sample, is part of
//! those factors and not of the matrix.

use super::cholesky;
use super::tile::{SIDE, Tile};
use super::vector::{add_codes, add_scaled, dot};
use crate::head::Transform;
use crate::head::storage::views::{Kept, Work};

/// Max of the L2 norm, so that no product overflows.
const MAX_LENGTH: f64 = 1e18;

/// Min of the L2 norm; shorter embeddings have no direction.
pub(crate) const MIN_LENGTH: f64 = 1e-15;

/// L2 norm of an embedding as the head sees it, given its scale and the inverse norm of its
/// quantized values.
pub(crate) fn length(scale: f32, inverse: f32) -> f64 {
    if inverse > 0.0 { (f64::from(scale) / f64::from(inverse)).min(MAX_LENGTH) } else { 0.0 }
}

/// Factor that turns `codes - zero` into a feature, without the factor of the transform.
pub(crate) fn gain(kept: &Kept<'_>, sample: usize) -> f64 {
    let inverse = kept.inverses[sample];
    libm::sqrt(length(kept.scales[sample], inverse)) * f64::from(inverse)
}

/// Appends rows `from..to` to the Gram matrix.
///
/// Tiles begin at multiples of [`SIDE`] in both directions, at any start of the new rows: so no
/// tile that has a column right of the diagonal lies above it.
#[inline(never)]
pub(crate) fn extend(kept: &Kept<'_>, gram: &mut [f32], from: usize, to: usize) {
    let mut tile = Tile::new();
    for aligned in (from / SIDE * SIDE..to).step_by(SIDE) {
        let top = aligned.max(from);
        let bottom = to.min(aligned + SIDE);
        for left in (0..bottom).step_by(SIDE) {
            let right = bottom.min(left + SIDE);
            let mut gains = [0.0; SIDE];
            for (gain, column) in gains.iter_mut().zip(left..right) {
                *gain = super::gram::gain(kept, column);
            }
            let products = tile.products(kept, top..bottom, left..right);
            for (row, products) in (top..bottom).zip(products) {
                let row_gain = gain(kept, row);
                let start = cholesky::start(row);
                let out = &mut gram[start + left..=start + row.min(right - 1)];
                for ((out, &product), gain) in out.iter_mut().zip(products).zip(gains) {
                    *out = (product as f64 * row_gain * gain) as f32;
                }
            }
        }
    }
}

/// Removes a sample from the first `rows` rows.
pub(crate) fn remove(gram: &mut [f32], sample: usize, rows: usize) {
    let mut to = cholesky::start(sample);
    for row in sample + 1..rows {
        let from = cholesky::start(row);
        gram.copy_within(from..from + sample, to);
        gram.copy_within(from + sample + 1..from + row + 1, to + sample);
        to += row;
    }
}

/// Mean L2 norm of the samples.
pub(crate) fn mean_length(kept: &Kept<'_>, samples: usize) -> f64 {
    let lengths = (0..samples).map(|i| length(kept.scales[i], kept.inverses[i]));
    lengths.sum::<f64>() / samples as f64
}

/// Computes the factor of each sample's row and column under a transform.
pub(crate) fn scales(kept: &Kept<'_>, transform: Transform, mean_length: f64, out: &mut [f32]) {
    for (i, out) in out.iter_mut().enumerate() {
        let length = length(kept.scales[i], kept.inverses[i]);
        let scale = match transform {
            _ if length == 0.0 => 0.0,
            Transform::Raw => libm::sqrt(length) / mean_length,
            Transform::Half => 1.0 / libm::sqrt(mean_length),
            Transform::Quarter => 1.0 / libm::sqrt(libm::sqrt(length) * libm::sqrt(mean_length)),
            Transform::Unit => 1.0 / libm::sqrt(length),
        };
        *out = scale as f32;
    }
}

/// Writes the Gram matrix of the transformed samples.
pub(crate) fn scaled(gram: &[f32], scales: &[f32], out: &mut [f32]) {
    for (row, &scale) in scales.iter().enumerate() {
        let out = &mut out[cholesky::start(row)..][..=row];
        for ((out, &product), &other) in out.iter_mut().zip(cholesky::row(gram, row)).zip(scales) {
            *out = product * scale * other;
        }
    }
}

/// Computes the sums of each sample's products with the samples of each class, class by class.
pub(crate) fn class_sums(gram: &[f32], scales: &[f32], owners: &[u16], out: &mut [f32]) {
    let samples = owners.len();
    out.fill(0.0);
    for row in 0..samples {
        let own = usize::from(owners[row]);
        for (column, &product) in cholesky::row(gram, row).iter().enumerate() {
            let product = product * scales[row] * scales[column];
            out[usize::from(owners[column]) * samples + row] += product;
            if column < row {
                out[own * samples + column] += product;
            }
        }
    }
}

/// Computes the weights of one class from its coefficients of the samples.
pub(crate) fn combine(kept: &Kept<'_>, scales: &[f32], alpha: &[f32], weights: &mut [f32]) {
    weights.fill(0.0);
    for (sample, (&alpha, &scale)) in alpha.iter().zip(scales).enumerate() {
        if alpha != 0.0 {
            let (codes, zero) = kept.sample(sample);
            let factor = f64::from(alpha) * f64::from(scale) * gain(kept, sample);
            add_codes(weights, factor as f32, codes, zero);
        }
    }
}

/// Computes the weights of all classes from the coefficients that a closed form left in
/// `work.solver`, class by class. In dimensions `work.solver` has weights already, and nothing is
/// done.
pub(crate) fn weigh(kept: &Kept<'_>, scales: &[f32], work: &mut Work<'_>) {
    let samples = scales.len();
    let dim = kept.dim();
    if samples <= dim {
        for (alpha, weights) in
            work.solver.chunks_exact(samples).zip(work.weights.chunks_exact_mut(dim))
        {
            combine(kept, scales, alpha, weights);
        }
    }
}

/// Computes `out = matrix * x` for the lower triangle of a symmetric matrix.
pub(crate) fn times(matrix: &[f32], x: &[f32], out: &mut [f32]) {
    for row in 0..x.len() {
        let (before, diagonal) = cholesky::row(matrix, row).split_at(row);
        out[row] = dot(before, &x[..row]) + diagonal[0] * x[row];
        add_scaled(&mut out[..row], x[row], before);
    }
}

/// Mean squared distance of the samples from their centre; `scratch` has one number per sample.
pub(crate) fn variance(matrix: &[f32], scratch: &mut [f32]) -> f32 {
    let samples = scratch.len();
    scratch.fill(1.0 / samples as f32);
    let diagonal: f32 = (0..samples).map(|i| matrix[cholesky::start(i) + i]).sum();
    let mut total = 0.0;
    for row in 0..samples {
        let (off, on) = cholesky::row(matrix, row).split_at(row);
        total += 2.0 * dot(off, &scratch[..row]) + on[0] * scratch[row];
    }
    (diagonal - total) / samples as f32
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use crate::embedding::Embedding;
    use crate::head::storage::views::View;
    use crate::head::testing::{Noise, TestHead, cluster, empty, fingerprint};
    use crate::head::{HeadKind, Limits};

    /// Dimensions, more than samples.
    const DIM: usize = 64;
    const CLASSES: usize = 2;
    const MOST: usize = 60;

    fn teach(head: &mut TestHead, samples: &[Vec<f32>]) {
        for values in samples {
            let class = head.class_at(head.sample_count() % CLASSES).unwrap();
            head.add_sample(class, Embedding::Float(values)).unwrap();
        }
    }

    fn head_of(kind: HeadKind, samples: &[Vec<f32>]) -> TestHead {
        let mut head = empty(kind, DIM, Limits { classes: 2, samples: MOST as u16 });
        for name in ["a", "b"] {
            head.add_class(name).unwrap();
        }
        teach(&mut head, samples);
        head
    }

    fn samples() -> Vec<Vec<f32>> {
        let mut noise = Noise(1);
        (0..MOST).map(|i| cluster(&mut noise, i % CLASSES, DIM, 1.0)).collect()
    }

    fn rows(head: &mut TestHead) -> Vec<u32> {
        let rows = head.sample_count();
        let (_, work) = head.view(View::All);
        work.gram[..super::cholesky::start(rows)].iter().map(|x| x.to_bits()).collect()
    }

    /// Rows for `g` samples and then for `n` have the same products as all rows at once.
    #[test]
    fn rows_added_at_any_place_are_those_of_all_at_once() {
        let samples = samples();
        for n in 1..MOST {
            let mut once = head_of(HeadKind::NearestMean, &samples[..n]);
            once.fit().unwrap();
            let want = rows(&mut once);
            for g in 1..n.min(40) {
                let mut twice = head_of(HeadKind::NearestMean, &samples[..g]);
                twice.fit().unwrap();
                teach(&mut twice, &samples[g..n]);
                twice.fit().unwrap();
                assert_eq!(rows(&mut twice), want, "{g}, then {n}");
            }
        }
    }

    #[test]
    fn a_head_asked_between_lessons_answers_as_one_that_was_not() {
        let samples = samples();
        for kind in HeadKind::ALL {
            for n in 2..MOST {
                let want = fingerprint(&mut head_of(kind, &samples[..n]));
                // Every pair has its products compared above; this checks those around the sides of
                // tiles.
                for g in
                    [1, n / 2, n - 1, 15, 16, 17, 31, 33].into_iter().filter(|&g| g < n && g < 40)
                {
                    let mut head = head_of(kind, &samples[..g]);
                    head.fit().unwrap();
                    match (g + n) % 3 {
                        0 => teach(&mut head, &samples[g..n]),
                        1 => {
                            teach(&mut head, &samples[g..n]);
                            head.fit().unwrap();
                            assert_eq!(
                                head.report().unwrap().asked(),
                                if n < 4 { 2 * (n / 2) } else { n }
                            );
                        }
                        _ => {
                            let mut other = head_of(kind, &[]);
                            for (i, values) in samples[g..n].iter().enumerate() {
                                let class = other.class_at((g + i) % CLASSES).unwrap();
                                other.add_sample(class, Embedding::Float(values)).unwrap();
                            }
                            head.merge(&other).unwrap();
                        }
                    }
                    assert_eq!(fingerprint(&mut head), want, "{kind}: {g}, then {n}");
                }
            }
        }
    }
}
