//! Least squares on the classes' indicators with weight decay (ridge regression), and its exact
//! leave-one-out scores.
//!
//! Minimizes `sum |W z + b - y|^2 + l |W|^2` over weights `W` and a free bias `b`, where `y` is 1
//! at the own class and 0 elsewhere and `l` is the variance of the samples divided by `inverse_l2`.
//! Solved among the samples (dual): with the centred Gram matrix `G`, the coefficients are
//! `a = (G + l)^-1 y`, and the score of a sample by the head that has not seen it is
//! `y - l * a / (l * diagonal of (G + l)^-1 - 1 / n)`, exactly, at the same `l` (Allen's PRESS
//! statistic, 1974; for kernels Cawley and Talbot 2004). `n^3 / 3` multiplications to factor and
//! the same number to invert, for any number of classes.
//!
//! Samples may have unequal weights (`importance`, 1 in the mean): `sum(w |W z + b - y|^2)`. Then
//! means are weighted, `G` and `y` are multiplied with the roots of the weights, and `1 / n` above
//! is `w / n`.

use super::primal;
use crate::head::Recipe;
use crate::head::linalg::cholesky::start;
use crate::head::linalg::tridiagonal::{Lanes, SHIFTS, Shifted};
use crate::head::linalg::vector::{dot, mean};
use crate::head::linalg::{cholesky, gram, tridiagonal};
use crate::head::storage::views::{Kept, Work};

/// Min of the weight decay, as a share of the mean square of a sample; below it rounding dominates.
pub(crate) const LEAST_DECAY: f32 = 1e-4;

/// Min of one minus the leverage of a sample.
pub(crate) const LEAST_SLACK: f32 = 1e-4;

/// Inverse L2 regularizations that [`curve`] tries, in ascending order.
pub(crate) const GRID: Lanes = [1.0 / 64.0, 1.0 / 16.0, 0.25, 1.0, 4.0, 16.0, 64.0, 256.0];

/// Computes biases, held-out scores and, in `work.solver`, the coefficients of the samples (in
/// dimensions the weights).
pub(crate) fn fit(kept: &Kept<'_>, recipe: &Recipe, scales: &[f32], work: &mut Work<'_>) {
    if scales.len() > kept.dim() {
        return primal::ridge(kept, recipe.inverse_l2, scales, work);
    }
    let samples = scales.len();
    let classes = work.bias.len();
    let owners = &kept.owners[..samples];
    let (rows, rest) = work.columns.split_at_mut(samples);
    let (diagonal, rest) = rest.split_at_mut(samples);
    let scratch = &mut rest[..samples];
    gram::scaled(work.gram, scales, work.square);
    let decay = decay(work.square, recipe.inverse_l2, scratch);
    centre(work.square, work.importance, rows, scratch);
    for i in 0..samples {
        work.square[start(i) + i] += decay;
    }
    cholesky::invert_factor(work.square, decay, scratch);
    cholesky::inverse_diagonal(work.square, diagonal);
    for class in 0..classes {
        let alpha = &mut work.solver[class * samples..][..samples];
        let is_own = |owner: &u16| usize::from(*owner) == class;
        let held_out = &mut work.held_out[class * samples..][..samples];
        let share = targets(owners, work.importance, class, alpha);
        cholesky::solve(work.square, alpha, scratch);
        // Each target times the root of its importance is its part of the weights. Those sum to
        // zero except for rounding, which would show in the bias.
        alpha.iter_mut().zip(&*work.importance).for_each(|(alpha, &w)| *alpha *= libm::sqrtf(w));
        let surplus = mean(alpha);
        alpha.iter_mut().zip(&*work.importance).for_each(|(alpha, &w)| *alpha -= surplus * w);
        for (i, out) in held_out.iter_mut().enumerate() {
            let importance = work.importance[i];
            let slack = (decay * diagonal[i] - importance / samples as f32).max(LEAST_SLACK);
            let target = if is_own(&owners[i]) { 1.0 } else { 0.0 };
            *out = target - decay * alpha[i] / (slack * importance);
        }
        work.bias[class] = share - dot(alpha, rows);
        if work.counts[class] == 0 {
            work.bias[class] = f32::NEG_INFINITY;
            held_out.fill(f32::NEG_INFINITY);
        }
    }
}

/// Computes the importance of each sample: a class counts as the root of its number of samples,
/// between weighting by number, which never predicts a rare class, and equal weights, which
/// overweight its few samples. 1 in the mean.
pub(crate) fn balance(owners: &[u16], counts: &[u32], importance: &mut [f32]) {
    for (importance, &owner) in importance.iter_mut().zip(owners) {
        *importance = 1.0 / libm::sqrtf(counts[usize::from(owner)] as f32);
    }
    let mean = mean(importance);
    importance.iter_mut().for_each(|importance| *importance /= mean);
}

/// Returns the exact mean squared leave-one-out errors of the scores for all [`GRID`], at the cost
/// of little more than two fits.
///
/// Samples and errors are weighted by `work.importance`.
pub(crate) fn curve(kept: &Kept<'_>, scales: &[f32], work: &mut Work<'_>) -> Lanes {
    if scales.len() > kept.dim() {
        return primal::curve(kept, scales, work);
    }
    let samples = scales.len();
    let classes = work.bias.len();
    let owners = &kept.owners[..samples];
    let (rows, rest) = work.columns.split_at_mut(samples);
    let (x, rest) = rest.split_at_mut(samples);
    let scratch = &mut rest[..samples];
    gram::scaled(work.gram, scales, work.square);
    let decays = GRID.map(|inverse_l2| decay(work.square, inverse_l2, scratch));
    centre(work.square, work.importance, rows, scratch);
    let mut spectrum = Spectrum::carve(work.spectrum, samples, samples);
    tridiagonal::reduce(work.square, spectrum.diagonal, spectrum.below, scratch);
    let Spectrum { diagonal, below, pivots, ratios, x: lanes, slack } = &mut spectrum;
    let shifted = Shifted::new(diagonal, below, decays, pivots, ratios);
    for (i, slack) in slack.iter_mut().enumerate() {
        x.fill(0.0);
        x[i] = 1.0;
        tridiagonal::rotate(work.square, x);
        let form = shifted.form(x);
        let own = work.importance[i] / samples as f32;
        for lane in 0..SHIFTS {
            slack[lane] = (decays[lane] * form[lane] - own).max(LEAST_SLACK);
        }
    }
    let mut errors = [0.0; SHIFTS];
    for class in 0..classes {
        targets(owners, work.importance, class, x);
        tridiagonal::rotate(work.square, x);
        shifted.solve(x, lanes);
        tridiagonal::rotate_back(work.square, lanes);
        for (alpha, slack) in lanes.iter().zip(&**slack) {
            for lane in 0..SHIFTS {
                let error = decays[lane] * alpha[lane] / slack[lane];
                errors[lane] += error * error;
            }
        }
    }
    errors.map(|error| error / samples as f32)
}

/// Writes the targets of one class minus their weighted mean, and returns that mean.
fn targets(owners: &[u16], importance: &[f32], class: usize, out: &mut [f32]) -> f32 {
    let is_own = |owner: u16| usize::from(owner) == class;
    let own: f32 =
        owners.iter().zip(importance).filter(|(owner, _)| is_own(**owner)).map(|(_, w)| w).sum();
    let share = own / owners.len() as f32;
    for ((out, &owner), &importance) in out.iter_mut().zip(owners).zip(importance) {
        *out = libm::sqrtf(importance) * if is_own(owner) { 1.0 - share } else { -share };
    }
    share
}

/// Centres the matrix and weights it: rows and columns by the roots of the samples' importance.
/// `rows` receives the weighted means of the original rows.
fn centre(matrix: &mut [f32], importance: &[f32], rows: &mut [f32], scratch: &mut [f32]) {
    let samples = rows.len();
    let share = 1.0 / samples as f32;
    scratch.iter_mut().zip(importance).for_each(|(out, &w)| *out = share * w);
    gram::times(matrix, scratch, rows);
    for (out, (row, &w)) in scratch.iter_mut().zip(rows.iter().zip(importance)) {
        *out = row * w;
    }
    let all = mean(scratch);
    scratch.iter_mut().zip(importance).for_each(|(root, &w)| *root = libm::sqrtf(w));
    for i in 0..samples {
        let others = rows.iter().zip(&*scratch);
        for (x, (&other, root)) in matrix[start(i)..][..=i].iter_mut().zip(others) {
            *x = (*x - (rows[i] + other - all)) * (scratch[i] * root);
        }
    }
}

/// Workspace of [`curve`].
pub(crate) struct Spectrum<'a> {
    pub diagonal: &'a mut [f32],
    pub below: &'a mut [f32],
    pub pivots: &'a mut [Lanes],
    pub ratios: &'a mut [Lanes],
    pub x: &'a mut [Lanes],
    pub slack: &'a mut [Lanes],
}

/// Max of the samples that [`curve`] uses in dimensions.
pub(crate) const MOST_ASKED: usize = 1024;

/// Returns the length of the workspace of [`curve`], for the limit of samples and the lesser of
/// samples and dimensions.
pub(crate) const fn spectrum_len(samples: usize, size: usize) -> usize {
    let most = if size > MOST_ASKED { size } else { MOST_ASKED };
    (2 + 3 * SHIFTS) * size + SHIFTS * if samples < most { samples } else { most }
}

impl<'a> Spectrum<'a> {
    pub fn carve(words: &'a mut [f32], size: usize, asked: usize) -> Self {
        let (diagonal, rest) = words.split_at_mut(size);
        let (below, rest) = rest.split_at_mut(size);
        let lanes: &mut [Lanes] =
            bytemuck::cast_slice_mut(&mut rest[..SHIFTS * (3 * size + asked)]);
        let (pivots, lanes) = lanes.split_at_mut(size);
        let (ratios, lanes) = lanes.split_at_mut(size);
        let (x, slack) = lanes.split_at_mut(size);
        Self { diagonal, below, pivots, ratios, x, slack }
    }
}

/// Weight decay: the variance of the samples divided by `inverse_l2`, with a floor above rounding.
pub(crate) fn decay(matrix: &[f32], inverse_l2: f32, scratch: &mut [f32]) -> f32 {
    let samples = scratch.len();
    let square = (0..samples).map(|i| matrix[start(i) + i]).sum::<f32>() / samples as f32;
    let least = if square > 0.0 { LEAST_DECAY * square } else { 1.0 };
    (gram::variance(matrix, scratch) / inverse_l2).max(least)
}

#[cfg(test)]
mod tests {
    use std::vec;
    use std::vec::Vec;

    use super::*;
    use crate::head::linalg::gram;
    use crate::head::storage::views::View;
    use crate::head::testing::{TestHead, features, held_out, owners, solve, taught, variance};
    use crate::head::{HeadKind, Recipe, Transform};

    /// Returns weights and bias of one class by the normal equations, without the samples in
    /// `without`.
    fn plain(
        z: &[Vec<f64>],
        owners: &[usize],
        class: usize,
        decay: f64,
        without: Option<usize>,
    ) -> Vec<f64> {
        weighted(z, owners, &vec![1.0; z.len()], class, decay, without)
    }

    fn weighted(
        z: &[Vec<f64>],
        owners: &[usize],
        importance: &[f32],
        class: usize,
        decay: f64,
        without: Option<usize>,
    ) -> Vec<f64> {
        let dim = z[0].len();
        let rows = || (0..z.len()).filter(|&i| Some(i) != without);
        let extended = |i: usize, d: usize| if d < dim { z[i][d] } else { 1.0 };
        let mut matrix = vec![vec![0.0; dim + 1]; dim + 1];
        let mut right = vec![0.0; dim + 1];
        for i in rows() {
            for a in 0..=dim {
                let part = f64::from(importance[i]) * extended(i, a);
                for (b, sum) in matrix[a].iter_mut().enumerate() {
                    *sum += part * extended(i, b);
                }
                right[a] += if owners[i] == class { part } else { 0.0 };
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
        // Fewer dimensions than samples, and more.
        for (transform, inverse_l2, dim) in [
            (Transform::Half, 1.0, 9),
            (Transform::Half, 1.0, 20),
            (Transform::Quarter, 2.0, 9),
            (Transform::Quarter, 2.0, 20),
            (Transform::Raw, 10.0, 9),
            (Transform::Raw, 10.0, 20),
            (Transform::Unit, 0.1, 9),
            (Transform::Unit, 0.1, 20),
        ] {
            let mut head = taught(HeadKind::Ridge, 3, 5, dim, 1.0);
            head.set_transform(transform);
            head.set_inverse_l2(inverse_l2).unwrap();
            let z = features(&mut head);
            let owners = owners(&head);
            let decay = variance(&z) / f64::from(inverse_l2);
            let found = held_out(&mut head);
            let (_, work) = head.layout.split(&mut *head.memory);
            for (class, &bias) in work.bias.iter().take(3).enumerate() {
                let want = plain(&z, &owners, class, decay, None);
                let bias = f64::from(bias);
                assert!((want[dim] - bias).abs() < 3e-4, "{transform:?}: {bias} not {}", want[dim]);
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
        let z = features(&mut head);
        let owners = owners(&head);
        let decay = variance(&z);
        // A class counts as the root of its number of samples.
        let alike = |i: usize| owners.iter().filter(|&&owner| owner == owners[i]).count() as f32;
        let importance: Vec<f32> = (0..z.len()).map(|i| 1.0 / alike(i).sqrt()).collect();
        let mean = importance.iter().sum::<f32>() / z.len() as f32;
        let importance: Vec<f32> = importance.iter().map(|w| w / mean).collect();
        let found = held_out(&mut head);
        for class in (0..3).filter(|c| owners.contains(c)) {
            for (i, z_i) in z.iter().enumerate() {
                let without =
                    score(&weighted(&z, &owners, &importance, class, decay, Some(i)), z_i);
                assert!(
                    (found[i][class] - without).abs() < 2e-4,
                    "{i}: {} {without}",
                    found[i][class]
                );
            }
        }
    }

    /// Unequal weights: samples of one class count more than those of another.
    fn uneven(head: &TestHead) -> Vec<f32> {
        let some: Vec<f32> = owners(head).iter().map(|&owner| [0.5, 1.0, 2.0][owner]).collect();
        let mean = some.iter().sum::<f32>() / some.len() as f32;
        some.iter().map(|w| w / mean).collect()
    }

    /// Runs `step` on a fitted head's samples, weighted.
    fn with<T>(
        head: &mut TestHead,
        importance: &[f32],
        step: impl FnOnce(&Kept<'_>, &[f32], &mut Work<'_>) -> T,
    ) -> T {
        head.fit().unwrap();
        let transform = head.chosen().unwrap().transform;
        let (kept, mut work) = head.view(View::All);
        work.importance.copy_from_slice(importance);
        let scales = core::mem::take(&mut work.scales);
        let mean = gram::mean_length(&kept, importance.len());
        gram::scales(&kept, transform, mean, scales);
        step(&kept, scales, &mut work)
    }

    #[test]
    fn weighted_samples_are_those_of_the_weighted_normal_equations() {
        for dim in [7, 20] {
            let mut head = taught(HeadKind::Ridge, 3, 4, dim, 1.0);
            let z = features(&mut head);
            let owners = owners(&head);
            let importance = uneven(&head);
            head.fit().unwrap();
            let recipe = Recipe { inverse_l2: 2.0, ..head.chosen().unwrap() };
            let decay = variance(&z) / 2.0;
            let (bias, found) = with(&mut head, &importance, |kept, scales, work| {
                fit(kept, &recipe, scales, work);
                (work.bias.to_vec(), work.held_out.to_vec())
            });
            for class in 0..3 {
                let want = weighted(&z, &owners, &importance, class, decay, None);
                assert!(
                    (want[dim] - f64::from(bias[class])).abs() < 3e-4,
                    "{bias:?} not {}",
                    want[dim]
                );
                for (i, z_i) in z.iter().enumerate() {
                    let want =
                        score(&weighted(&z, &owners, &importance, class, decay, Some(i)), z_i);
                    let got = f64::from(found[class * z.len() + i]);
                    assert!((got - want).abs() < 2e-4, "{i}: {got} not {want}");
                }
            }
        }
    }

    #[test]
    fn errors_for_all_strengths_are_those_of_as_many_fits() {
        for (weighted, dim) in [(false, 30), (true, 30), (false, 12), (true, 12)] {
            let mut head = taught(HeadKind::Auto, 3, 7, dim, 1.5);
            let owners = owners(&head);
            let importance = if weighted { uneven(&head) } else { vec![1.0; owners.len()] };
            let found = with(&mut head, &importance, curve);
            for (inverse_l2, found) in GRID.into_iter().zip(found) {
                let recipe = Recipe { inverse_l2, ..Recipe::of(HeadKind::Ridge) };
                head.set_transform(recipe.transform);
                let held_out = with(&mut head, &importance, |kept, scales, work| {
                    fit(kept, &recipe, scales, work);
                    work.held_out.to_vec()
                });
                let mut want = 0.0;
                for (i, &score) in held_out.iter().enumerate() {
                    let class = i / owners.len();
                    let sample = i % owners.len();
                    let target = if owners[sample] == class { 1.0 } else { 0.0 };
                    want += importance[sample] * (score - target) * (score - target);
                }
                want /= owners.len() as f32;
                assert!((found / want - 1.0).abs() < 2e-3, "{inverse_l2}: {found} not {want}");
            }
        }
    }
}
