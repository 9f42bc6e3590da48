//! Least squares on the classes' indicators with weight decay (ridge regression), and the exact
//! leave-one-out scores that come with it.
//!
//! Minimizes `sum |W z + b - y|^2 + l |W|^2` over weights `W` and a free bias `b`, where `y` is
//! 1 at the own class and 0 elsewhere and `l` is the variance of the samples divided by the
//! strength. Solved among the samples: with the centred Gram matrix `G`, the coefficients are
//! `a = (G + l)^-1 y`, and the score of a sample by the head that has not seen it is
//! `y - l * a / (l * diagonal of (G + l)^-1 - 1 / n)`, exactly, at the same `l` (Allen's PRESS
//! statistic, 1974; for kernels Cawley and Talbot 2004). `n^3 / 3` multiplications to factor and
//! as many to invert, whatever the number of classes.

use super::Recipe;
use super::memory::{Kept, Work, count};
use super::triangle;
use super::vector::{self, dot, mean};
use super::{gram, triangle::start};

/// Share of the mean square of a sample below which weight decay drowns in rounding.
const LEAST_DECAY: f32 = 1e-4;

/// The least that a sample can be short of deciding its own score.
const LEAST_SLACK: f32 = 1e-4;

/// Computes weights, biases and held-out scores.
pub(super) fn fit(kept: &Kept<'_>, recipe: &Recipe, scales: &[f32], work: &mut Work<'_>) {
    let (samples, classes) = (scales.len(), work.bias.len());
    let owners = &kept.owners[..samples];
    let (rows, rest) = work.columns.split_at_mut(samples);
    let (diagonal, rest) = rest.split_at_mut(samples);
    let scratch = &mut rest[..samples];
    gram::scaled(work.gram, scales, work.square);
    let decay = centre(work.square, recipe.strength, rows, scratch);
    triangle::invert_factor(work.square, decay, scratch);
    triangle::inverse_diagonal(work.square, diagonal);
    let alpha = &mut work.solver[..samples];
    let dim = work.weights.len() / classes;
    for class in 0..classes {
        let is_own = |owner: &u16| usize::from(*owner) == class;
        let held_out = &mut work.held_out[class * samples..][..samples];
        let own = count(owners, class as u16);
        let share = own as f32 / samples as f32;
        for (alpha, owner) in alpha.iter_mut().zip(owners) {
            *alpha = if is_own(owner) { 1.0 - share } else { -share };
        }
        triangle::solve(work.square, alpha, scratch);
        // They sum to zero but for rounding, which the bias would show.
        vector::centre(alpha);
        for (i, out) in held_out.iter_mut().enumerate() {
            let slack = (decay * diagonal[i] - 1.0 / samples as f32).max(LEAST_SLACK);
            let target = if is_own(&owners[i]) { 1.0 } else { 0.0 };
            *out = target - decay * alpha[i] / slack;
        }
        work.bias[class] = share - dot(alpha, rows);
        gram::combine(kept, scales, alpha, &mut work.weights[class * dim..][..dim]);
        if own == 0 {
            work.bias[class] = f32::NEG_INFINITY;
            held_out.fill(f32::NEG_INFINITY);
        }
    }
}

/// Centres the matrix and adds the weight decay, which it returns; `rows` gets the means of the
/// rows before.
fn centre(matrix: &mut [f32], strength: f32, rows: &mut [f32], scratch: &mut [f32]) -> f32 {
    let samples = rows.len();
    let decay = decay(matrix, strength, scratch);
    scratch.fill(1.0 / samples as f32);
    gram::times(matrix, scratch, rows);
    let all = mean(rows);
    for i in 0..samples {
        for (x, &other) in matrix[start(i)..][..=i].iter_mut().zip(&*rows) {
            *x -= rows[i] + other - all;
        }
        matrix[start(i) + i] += decay;
    }
    decay
}

/// The weight decay: the variance of the samples divided by the strength, and never so little
/// that rounding decides.
pub(super) fn decay(matrix: &[f32], strength: f32, scratch: &mut [f32]) -> f32 {
    let samples = scratch.len();
    let square = (0..samples).map(|i| matrix[start(i) + i]).sum::<f32>() / samples as f32;
    let least = if square > 0.0 { LEAST_DECAY * square } else { 1.0 };
    (gram::variance(matrix, scratch) / strength).max(least)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{features, held_out, owners, solve, taught, variance};
    use super::super::{HeadKind, Transform};
    use std::vec;
    use std::vec::Vec;

    /// Weights and bias of one class by the normal equations, without the samples in `without`.
    fn plain(z: &[Vec<f64>], owners: &[usize], class: usize, decay: f64, without: Option<usize>) -> Vec<f64> {
        let dim = z[0].len();
        let rows = || (0..z.len()).filter(|&i| Some(i) != without);
        let extended = |i: usize, d: usize| if d < dim { z[i][d] } else { 1.0 };
        let mut matrix = vec![vec![0.0; dim + 1]; dim + 1];
        let mut right = vec![0.0; dim + 1];
        for i in rows() {
            for a in 0..=dim {
                for (b, sum) in matrix[a].iter_mut().enumerate() {
                    *sum += extended(i, a) * extended(i, b);
                }
                right[a] += if owners[i] == class { extended(i, a) } else { 0.0 };
            }
        }
        (0..dim).for_each(|d| matrix[d][d] += decay);
        solve(matrix, right)
    }

    fn score(weights: &[f64], z: &[f64]) -> f64 {
        z.iter().zip(weights).map(|(z, w)| z * w).sum::<f64>() + weights[z.len()]
    }

    #[test]
    fn weights_and_held_out_scores_are_those_of_the_normal_equations() {
        for (transform, strength) in [
            (Transform::Half, 1.0),
            (Transform::Quarter, 2.0),
            (Transform::Raw, 10.0),
            (Transform::Unit, 0.1),
        ] {
            let mut head = taught(HeadKind::Ridge, 3, 5, 9, 1.0);
            head.set_transform(transform);
            head.set_strength(strength).unwrap();
            let (z, owners) = (features(&mut head), owners(&head));
            let decay = variance(&z) / f64::from(strength);
            let found = held_out(&mut head);
            let (_, work) = head.layout.split(&mut *head.memory);
            for (class, &bias) in work.bias.iter().take(3).enumerate() {
                let want = plain(&z, &owners, class, decay, None);
                let bias = f64::from(bias);
                assert!((want[9] - bias).abs() < 3e-4, "{transform:?}: {bias} not {}", want[9]);
                for (i, z_i) in z.iter().enumerate() {
                    let without = score(&plain(&z, &owners, class, decay, Some(i)), z_i);
                    let got = found[i][class];
                    assert!((got - without).abs() < 2e-4, "{transform:?} {i}: {got} not {without}");
                }
            }
        }
    }

    #[test]
    fn uneven_classes_and_one_of_one_are_left_out_rightly() {
        let mut head = taught(HeadKind::Ridge, 3, 4, 9, 1.0);
        for sample in [11, 8, 5, 2, 7] {
            head.remove_sample(sample.min(head.sample_count() - 1)).unwrap();
        }
        let (z, owners) = (features(&mut head), owners(&head));
        let decay = variance(&z);
        let found = held_out(&mut head);
        for class in (0..3).filter(|c| owners.contains(c)) {
            for (i, z_i) in z.iter().enumerate() {
                let without = score(&plain(&z, &owners, class, decay, Some(i)), z_i);
                assert!((found[i][class] - without).abs() < 2e-4, "{i}: {} {without}", found[i][class]);
            }
        }
    }
}
