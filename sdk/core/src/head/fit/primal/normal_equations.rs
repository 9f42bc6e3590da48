//! Ridge regression by the normal equations in dimensions (primal).
//!
//! With the centred features `x` (weighted by the samples' importance `w`) and `S = sum(w x x^T)`,
//! the weights are `(S + l)^-1 sum(w x y)`. A sample's leverage is
//! `h = w (1 / n + x (S + l)^-1 x)`, and the score of a head that has not seen it is
//! `y - r / (1 - h)` for its residual `r` (Allen 1974).

use super::block::{Block, Source};
use crate::head::fit::ridge::{GRID, LEAST_DECAY, LEAST_SLACK, MOST_ASKED, Spectrum};
use crate::head::linalg::cholesky::start;
use crate::head::linalg::tridiagonal::{Lanes, SHIFTS, Shifted};
use crate::head::linalg::vector::dot;
use crate::head::linalg::{cholesky, tridiagonal};
use crate::head::storage::views::{Kept, Work};

/// Number of multiplications that [`curve`] may take for one pass over its samples.
const PASS: usize = 1 << 30;

/// Mean square of the features, and their variance: mean squared distance from their mean.
#[derive(Clone, Copy)]
pub(super) struct Spread {
    pub square: f64,
    pub variance: f64,
}

impl Spread {
    /// Computes both and writes the mean, weighted by `importance`, to `mean`; `plain` is scratch
    /// of that length.
    pub fn of(
        source: &Source<'_>,
        importance: &[f32],
        block: &mut Block<'_>,
        mean: &mut [f32],
        plain: &mut [f32],
    ) -> Self {
        let share = 1.0 / source.scales.len() as f32;
        mean.fill(0.0);
        plain.fill(0.0);
        let mut square = 0.0;
        for range in source.blocks() {
            block.load(source, range.clone(), |_| None);
            for (place, sample) in range.enumerate() {
                block.add_to(place, share, plain);
                block.add_to(place, share * importance[sample], mean);
                square += f64::from(source.square(sample));
            }
        }
        let square = square * f64::from(share);
        let middle: f64 = plain.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
        Self { square, variance: (square - middle).max(0.0) }
    }

    /// Weight decay at an inverse L2 regularization, the same as
    /// [`decay`](crate::head::fit::ridge::decay).
    pub fn decay(self, inverse_l2: f32) -> f32 {
        let least = if self.square > 0.0 { LEAST_DECAY * self.square as f32 } else { 1.0 };
        ((self.variance / f64::from(inverse_l2)) as f32).max(least)
    }
}

/// Computes the parts shared by all regularizations: the scatter in `work.gram` and, in
/// `work.weights`, each class's sum of weighted features. The features are centred.
fn gather(source: &Source<'_>, work: &mut Work<'_>) -> Spread {
    let dim = source.kept.dim();
    let mut block = Block::new(work.block, dim);
    let plain = &mut work.columns[..dim];
    let spread = Spread::of(source, work.importance, &mut block, work.centre, plain);
    let scatter = &mut work.gram[..start(dim)];
    scatter.fill(0.0);
    work.weights.fill(0.0);
    for range in source.blocks() {
        block.load(source, range.clone(), |_| Some(work.centre));
        block.scatter(&work.importance[range.clone()], scatter);
        for (place, sample) in range.enumerate() {
            let sums = &mut work.weights[usize::from(source.kept.owners[sample]) * dim..][..dim];
            block.add_to(place, work.importance[sample], sums);
        }
    }
    spread
}

/// Computes weights, biases and held-out scores.
pub(in crate::head) fn fit(kept: &Kept<'_>, inverse_l2: f32, scales: &[f32], work: &mut Work<'_>) {
    let samples = scales.len();
    let classes = work.bias.len();
    let dim = kept.dim();
    let owners = &kept.owners[..samples];
    let source = Source { kept, scales };
    let decay = gather(&source, work).decay(inverse_l2);
    let scratch = &mut work.columns[..dim];
    work.square.copy_from_slice(work.gram);
    (0..dim).for_each(|i| work.square[start(i) + i] += decay);
    cholesky::invert_factor(work.square, decay, scratch);
    work.bias.fill(0.0);
    for (&owner, &importance) in owners.iter().zip(&*work.importance) {
        work.bias[usize::from(owner)] += importance;
    }
    for (bias, weights) in work.bias.iter_mut().zip(work.weights.chunks_exact_mut(dim)) {
        cholesky::solve(work.square, weights, scratch);
        *bias /= samples as f32;
    }
    let mut block = Block::new(work.block, dim);
    for range in source.blocks() {
        block.load(&source, range.clone(), |_| Some(work.centre));
        let mut slack = block.forms(work.square);
        for (slack, sample) in slack.iter_mut().zip(range.clone()) {
            let leverage = work.importance[sample] * (1.0 / samples as f32 + *slack);
            *slack = (1.0 - leverage).max(LEAST_SLACK);
        }
        for class in 0..classes {
            let products = block.products(&work.weights[class * dim..][..dim]);
            let out = &mut work.held_out[class * samples..][range.clone()];
            for (((out, product), slack), &owner) in
                out.iter_mut().zip(products).zip(slack).zip(&owners[range.clone()])
            {
                let target = if usize::from(owner) == class { 1.0 } else { 0.0 };
                *out = target - (target - work.bias[class] - product) / slack;
            }
        }
    }
    for (class, bias) in work.bias.iter_mut().enumerate() {
        *bias -= dot(&work.weights[class * dim..][..dim], work.centre);
        if work.counts[class] == 0 {
            *bias = f32::NEG_INFINITY;
            work.held_out[class * samples..][..samples].fill(f32::NEG_INFINITY);
        }
    }
}

/// Returns the exact mean squared leave-one-out errors of the scores for all [`GRID`], from a
/// subset of samples that is large enough to choose by, spread over all.
pub(in crate::head) fn curve(kept: &Kept<'_>, scales: &[f32], work: &mut Work<'_>) -> Lanes {
    let samples = scales.len();
    let classes = work.bias.len();
    let dim = kept.dim();
    let source = Source { kept, scales };
    let spread = gather(&source, work);
    let decays = GRID.map(|inverse_l2| spread.decay(inverse_l2));
    let (x, scratch) = work.columns[..2 * dim].split_at_mut(dim);
    let asked = MOST_ASKED.min(PASS / (SHIFTS * classes * dim)).max(64).min(samples);
    let mut spectrum = Spectrum::carve(work.spectrum, dim, asked);
    let reflections = &mut work.gram[..start(dim)];
    tridiagonal::reduce(reflections, spectrum.diagonal, spectrum.below, scratch);
    let Spectrum { diagonal, below, pivots, ratios, x: lanes, slack: slacks } = &mut spectrum;
    let shifted = Shifted::new(diagonal, below, decays, pivots, ratios);
    // Distinct indices from the first sample to nearly the last.
    let place = |i: usize| i * samples / asked;
    let mut block = Block::new(work.block, dim);
    for (i, slack) in slacks.iter_mut().enumerate() {
        block.load(&source, place(i)..place(i) + 1, |_| Some(work.centre));
        block.copy(0, x);
        tridiagonal::rotate(reflections, x);
        let importance = work.importance[place(i)];
        *slack = shifted.form(x).map(|form| {
            let leverage = importance * (1.0 / samples as f32 + form);
            (1.0 - leverage).max(LEAST_SLACK)
        });
    }
    let mut errors = [0.0; SHIFTS];
    for class in 0..classes {
        let own = |sample: usize| usize::from(kept.owners[sample]) == class;
        let share: f32 = (0..samples).filter(|&i| own(i)).map(|i| work.importance[i]).sum();
        let share = share / samples as f32;
        x.copy_from_slice(&work.weights[class * dim..][..dim]);
        tridiagonal::rotate(reflections, x);
        shifted.solve(x, lanes);
        tridiagonal::rotate_back(reflections, lanes);
        for (i, slack) in slacks.iter().enumerate() {
            let sample = place(i);
            let target = if own(sample) { 1.0 } else { 0.0 };
            let scores = scores(&source, sample, work.centre, lanes);
            for lane in 0..SHIFTS {
                let error = (target - share - scores[lane]) / slack[lane];
                errors[lane] += work.importance[sample] * error * error;
            }
        }
    }
    errors.map(|error| error / asked as f32)
}

/// Returns the scores of one sample, one for each regularization's row of weights.
fn scores(source: &Source<'_>, sample: usize, centre: &[f32], weights: &[Lanes]) -> Lanes {
    let (codes, zero) = source.kept.sample(sample);
    let factor = source.factor(sample);
    let zero = i16::from(zero);
    let mut scores = [0.0; SHIFTS];
    for ((&code, centre), weights) in codes.iter().zip(centre).zip(weights) {
        let x = factor * f32::from(i16::from(code) - zero) - centre;
        scores.iter_mut().zip(weights).for_each(|(score, weight)| *score += x * weight);
    }
    scores
}
