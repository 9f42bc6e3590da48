//! Softmax regression in dimensions (primal): the optimum of
//! [`softmax`](crate::head::fit::softmax) with explicit weights in place of a sum of samples.
//!
//! Conjugate gradients with an exact line search, centred features, and the [`Metric`] of the
//! features' scatter. The five folds of the cross-validation each begin at the optimum of the one
//! before, the first at that of all samples, which are near.

use super::block::{Block, Source};
use super::metric::Metric;
use super::normal_equations::Spread;
use crate::head::fit::descent::{Along, Gradient, Objective, descend};
use crate::head::fit::softmax::{FOLDS, NO_FOLD, folds, tolerance};
use crate::head::linalg::vector::{add_scaled, dot, mean, softmax};
use crate::head::storage::views::{Kept, Work};
use crate::head::{Fit, Recipe};

/// Distance of a fold from its least mean loss of a sample, in nats, at which held-out scores are
/// taken: they are then within a hundredth of their own spread.
const HELD_OUT_LOSS: f32 = 5e-6;

/// Computes weights, biases and held-out scores.
pub(in crate::head) fn fit(
    kept: &Kept<'_>,
    recipe: &Recipe,
    scales: &[f32],
    work: &mut Work<'_>,
) -> Fit {
    let classes = work.bias.len();
    let samples = scales.len();
    let dim = kept.dim();
    let weights = core::mem::take(&mut work.weights);
    let biases = core::mem::take(&mut work.bias);
    let held_out = core::mem::take(&mut work.held_out);
    let mut solver = Solver::new(kept, recipe, scales, classes, work);
    let fit = solver.solve(NO_FOLD);
    weights.copy_from_slice(solver.weights);
    for (class, (row, bias)) in weights.chunks_exact(dim).zip(biases.iter_mut()).enumerate() {
        *bias = match solver.counts[class] {
            0 => f32::NEG_INFINITY,
            _ => solver.bias_length * solver.bias[class] - dot(row, solver.centre),
        };
    }
    for fold in 0..FOLDS {
        solver.solve(fold);
        for (at, (out, score)) in held_out.iter_mut().zip(&*solver.scores).enumerate() {
            if solver.folds[at % samples] == fold || fold == 0 {
                *out = *score;
            }
        }
    }
    (work.weights, work.bias, work.held_out) = (weights, biases, held_out);
    fit
}

struct Solver<'a> {
    source: Source<'a>,
    owners: &'a [u16],
    importance: &'a [f32],
    counts: &'a [u32],
    folds: &'a [u32],
    fold: u32,
    inverse_l2: f32,
    bias_length: f32,
    centre: &'a [f32],
    block: Block<'a>,
    row: &'a mut [f32],
    /// Weights, class by class, one number per dimension.
    weights: &'a mut [f32],
    gradient: &'a mut [f32],
    metric: Metric<'a>,
    /// Gradient times the metric: the direction of descent.
    raised: &'a mut [f32],
    step: &'a mut [f32],
    /// Class by class, one number per sample: scores with the bias, their change along the step,
    /// and the derivative of the objective for each.
    scores: &'a mut [f32],
    slope: &'a mut [f32],
    pull: &'a mut [f32],
    bias: &'a mut [f32],
    bias_gradient: &'a mut [f32],
    bias_step: &'a mut [f32],
    bias_before: &'a mut [f32],
}

impl<'a> Solver<'a> {
    fn new(
        kept: &'a Kept<'a>,
        recipe: &Recipe,
        scales: &'a [f32],
        classes: usize,
        work: &'a mut Work<'_>,
    ) -> Self {
        let samples = scales.len();
        let dim = kept.dim();
        let source = Source { kept, scales };
        let owners = &kept.owners[..samples];
        let mut block = Block::new(work.block, dim);
        let (marks, rest) = work.columns.split_at_mut(samples);
        let plain = &mut rest[..dim];
        let taught = work.counts.iter().filter(|&&count| count > 0).count();
        let spread = Spread::of(&source, work.importance, &mut block, work.centre, plain);
        let rooms = (&mut *work.gram, plain);
        let inverse_l2 = recipe.inverse_l2;
        let metric = Metric::new(&source, taught, inverse_l2, work.centre, &mut block, rooms);
        let folds = folds(owners, marks);
        let mut words = &mut work.solver[..];
        words.fill(0.0);
        let mut take = |len| {
            let (front, rest) = core::mem::take(&mut words).split_at_mut(len);
            words = rest;
            front
        };
        let solver = Self {
            source,
            owners,
            importance: work.importance,
            counts: work.counts,
            folds,
            fold: NO_FOLD,
            inverse_l2,
            metric,
            bias_length: libm::sqrtf((0.1 * spread.variance as f32).max(1e-3)),
            centre: work.centre,
            block,
            row: work.scores,
            weights: take(classes * dim),
            gradient: take(classes * dim),
            raised: take(classes * dim),
            step: take(classes * dim),
            scores: take(classes * samples),
            slope: take(classes * samples),
            pull: take(classes * samples),
            bias: take(classes),
            bias_gradient: take(classes),
            bias_step: take(classes),
            bias_before: take(classes),
        };
        for (class, scores) in solver.scores.chunks_exact_mut(samples).enumerate() {
            // Classes without samples must never win.
            if solver.counts[class] == 0 {
                scores.fill(f32::NEG_INFINITY);
            }
        }
        solver
    }

    /// Solves for the optimum without the samples of a fold, starting from the current weights.
    fn solve(&mut self, fold: u32) -> Fit {
        self.fold = fold;
        for changes in [&mut *self.step, &mut *self.slope, &mut *self.bias_step] {
            changes.fill(0.0);
        }
        let samples = self.owners.len();
        let tolerance = match fold {
            NO_FOLD => tolerance(self.inverse_l2, samples),
            // Near the optimum the loss is half of the gradient's square.
            _ => libm::sqrtf(2.0 * HELD_OUT_LOSS * self.inverse_l2 * samples as f32),
        };
        descend(self, tolerance)
    }
}

impl Solver<'_> {
    /// Metric of a bias.
    fn bias_gain(&self) -> f32 {
        1.0 / (self.bias_length * self.bias_length * self.metric.bias)
    }
}

impl Objective for Solver<'_> {
    /// Writes the derivative for each sample at `t` steps from here, and the bias part of the
    /// gradient.
    fn evaluate(&mut self, t: f32) -> Along {
        let samples = self.owners.len();
        let mut first = 0.0;
        let mut curvature = 0.0;
        for (sample, &owner) in self.owners.iter().enumerate() {
            if self.folds[sample] == self.fold {
                self.pull.iter_mut().skip(sample).step_by(samples).for_each(|pull| *pull = 0.0);
                continue;
            }
            for (class, p) in self.row.iter_mut().enumerate() {
                let at = class * samples + sample;
                *p = self.scores[at] + t * self.slope[at];
            }
            softmax(self.row);
            let importance = self.importance[sample];
            let inverse_l2 = self.inverse_l2 * importance;
            let mut once = 0.0;
            let mut twice = 0.0;
            let mut along = 0.0;
            for (class, &p) in self.row.iter().enumerate() {
                let at = class * samples + sample;
                let own = if usize::from(owner) == class { 1.0 } else { 0.0 };
                let slope = self.slope[at];
                self.pull[at] = inverse_l2 * (p - own);
                along += self.pull[at] * slope;
                once += p * slope;
                twice += p * slope * slope;
            }
            first += along;
            curvature += importance * (twice - once * once).max(0.0);
        }
        for (gradient, pull) in self.bias_gradient.iter_mut().zip(self.pull.chunks_exact(samples)) {
            *gradient = self.bias_length * mean(pull) * samples as f32;
        }
        let square = dot(self.step, self.step);
        first += dot(self.weights, self.step) + t * square;
        Along { first, second: self.inverse_l2 * curvature + square }
    }

    /// Takes the probabilities from the derivatives, which saves every exponential.
    fn begin(&mut self) -> Along {
        let samples = self.owners.len();
        let mut first = 0.0;
        let mut curvature = 0.0;
        for (sample, &owner) in self.owners.iter().enumerate() {
            if self.folds[sample] == self.fold {
                continue;
            }
            let importance = self.importance[sample];
            let share = 1.0 / (self.inverse_l2 * importance);
            let mut along = 0.0;
            let mut once = self.slope[usize::from(owner) * samples + sample];
            let mut twice = once * once;
            let columns = self.pull.iter().zip(&*self.slope).skip(sample).step_by(samples);
            for (&pull, &slope) in columns {
                along += pull * slope;
                once += share * pull * slope;
                twice += share * pull * slope * slope;
            }
            first += along;
            curvature += importance * (twice - once * once).max(0.0);
        }
        let square = dot(self.step, self.step);
        first += dot(self.weights, self.step);
        Along { first, second: self.inverse_l2 * curvature + square }
    }

    /// Sums the derivatives of the samples to a gradient.
    fn measure_gradient(&mut self) -> Gradient {
        let samples = self.owners.len();
        let classes = self.bias.len();
        self.gradient.copy_from_slice(self.weights);
        for range in self.source.blocks() {
            self.block.load(&self.source, range.clone(), |_| Some(self.centre));
            let pull =
                |class: usize, place: usize| self.pull[class * samples + range.start + place];
            self.block.spread(classes, pull, self.gradient);
        }
        // Still that of the previous gradient, and the metric is symmetric.
        let gain = self.bias_gain();
        let shared =
            dot(self.gradient, self.raised) + gain * dot(self.bias_gradient, self.bias_before);
        self.bias_before.copy_from_slice(self.bias_gradient);
        self.raised.copy_from_slice(self.gradient);
        self.metric.raise(self.raised);
        let bias_square = dot(self.bias_gradient, self.bias_gradient);
        let square = (dot(self.gradient, self.raised) + gain * bias_square).max(0.0);
        let residual = match self.fold {
            NO_FOLD => dot(self.gradient, self.gradient) + bias_square,
            _ => square,
        };
        Gradient { square, shared, residual: libm::sqrtf(residual) }
    }

    fn turn(&mut self, conjugate: f32) {
        let samples = self.owners.len();
        let classes = self.bias.len();
        let dim = self.step.len() / classes;
        let gain = self.bias_gain();
        for (step, raised) in self.step.iter_mut().zip(&*self.raised) {
            *step = conjugate * *step - raised;
        }
        for (step, gradient) in self.bias_step.iter_mut().zip(&*self.bias_before) {
            *step = conjugate * *step - gain * gradient;
        }
        for range in self.source.blocks() {
            self.block.load(&self.source, range.clone(), |_| Some(self.centre));
            for class in 0..classes {
                let products = self.block.products(&self.step[class * dim..][..dim]);
                let lift = self.bias_length * self.bias_step[class];
                let slope = &mut self.slope[class * samples..][range.clone()];
                slope.iter_mut().zip(products).for_each(|(slope, product)| *slope = product + lift);
            }
        }
    }

    fn go(&mut self, t: f32) {
        add_scaled(self.weights, t, self.step);
        add_scaled(self.scores, t, self.slope);
        add_scaled(self.bias, t, self.bias_step);
    }
}
