//! How sure a head may be: the factor between its scores and log odds.
//!
//! Temperature scaling (Guo, Pleiss, Sun and Weinberger 2017) on held-out scores, so that no
//! samples need to be set apart. Two things keep a few samples, all of them right, from making the
//! head certain: targets are not 1 but `(n + 1) / (n + 2)` as in Platt scaling (1999), and the
//! factor stays near what it usually is for that kind of head, as under a log-normal prior.

use super::fitting::has_others;
use super::{HeadKind, Recipe};
use super::vector::softmax;

/// Factors tried: this many to each side of the usual one.
const STEPS: usize = 16;

/// Natural logarithm of the ratio of two neighbours.
const STEP: f32 = 0.2;

/// Standard deviation of the prior.
const SPREAD: f32 = 0.7;

/// Natural logarithm of the usual factor; measured on ants and bees, four animals and CIFAR-10
/// under MobileNetV2.
fn usual(recipe: &Recipe) -> f32 {
    match recipe.kind {
        HeadKind::Ridge | HeadKind::Slda => 2.2,
        HeadKind::Knn => 1.2,
        // Scaled already.
        HeadKind::NearestMean => 0.0,
        // The less decay, the surer of itself.
        HeadKind::Softmax | HeadKind::Auto => -0.2 * libm::logf(recipe.strength / 10.0),
    }
}

/// The factor that makes the held-out probabilities most likely; `row` has one number a class.
pub(super) fn sharpness(recipe: &Recipe, owners: &[u16], held_out: &[f32], row: &mut [f32]) -> f32 {
    let (samples, usual) = (owners.len(), usual(recipe));
    let miss = 1.0 / (samples as f32 + 2.0);
    let offset = |step: usize| (step as f32 - STEPS as f32) * STEP;
    let mut costs = [0.0; 2 * STEPS + 1];
    for (step, cost) in costs.iter_mut().enumerate() {
        *cost = 0.5 * (offset(step) / SPREAD) * (offset(step) / SPREAD);
    }
    let rivals = row.len() > 1;
    for sample in (0..samples).filter(|&i| rivals && has_others(owners, i)) {
        for (step, cost) in costs.iter_mut().enumerate() {
            let factor = libm::expf(usual + offset(step));
            for (class, out) in row.iter_mut().enumerate() {
                *out = factor * held_out[class * samples + sample];
            }
            softmax(row);
            let own = row[usize::from(owners[sample])];
            *cost -= (1.0 - miss) * libm::logf(own.max(1e-30)) + miss * libm::logf((1.0 - own).max(1e-30));
        }
    }
    let best = (0..costs.len()).fold(0, |best, step| if costs[step] < costs[best] { step } else { best });
    libm::expf(usual + offset(best))
}
