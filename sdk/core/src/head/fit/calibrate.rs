//! Calibration of confidence: the inverse temperature between a head's scores and log odds.
//!
//! Temperature scaling (Guo, Pleiss, Sun and Weinberger 2017) on held-out scores, so that no
//! samples need to be set apart. Two measures keep a few samples, all of them right, from making
//! the head certain: targets are not 1 but `(n + 1) / (n + 2)` as in Platt scaling (1999), and a
//! log-normal prior keeps the factor near its usual value for that kind of head.

use super::scores::has_others;
use crate::head::{HeadKind, Recipe, Transform};

/// Grid of factors: fewer than this many to each side of the usual one; a power of two.
const STEPS: usize = 16;

/// Natural logarithm of the ratio of two neighbouring factors.
const STEP: f32 = 0.2;

/// Standard deviation of the prior.
const SPREAD: f32 = 0.7;

/// Max of the held-out scores that are used.
const ENOUGH: usize = 1 << 20;

/// Natural logarithm of the usual factor; measured on ants and bees, four animals and CIFAR-10
/// under MobileNetV2, and its dependence on the regularization on the data sets that `auto` was
/// chosen by (`sdk/docs/heads.md`).
fn usual(recipe: &Recipe) -> f32 {
    let inverse_l2 = libm::logf(recipe.inverse_l2);
    match recipe.kind {
        HeadKind::Ridge => 2.2 - 0.12 * inverse_l2,
        // Scores are divided by the weight decay.
        HeadKind::Slda => 3.2 - 0.8 * inverse_l2,
        HeadKind::Knn => 1.2,
        // Heads of strong regularization are underconfident.
        HeadKind::Softmax if recipe.transform == Transform::Raw && recipe.inverse_l2 < 20.0 => 0.8,
        // Log odds already.
        HeadKind::NearestMean | HeadKind::Softmax | HeadKind::Auto => 0.0,
    }
}

/// Returns the inverse temperature that makes the held-out probabilities most likely, under the
/// prior.
pub(crate) fn inverse_temperature(recipe: &Recipe, owners: &[u16], held_out: &[f32]) -> f32 {
    search(recipe, 1.0, owners, held_out).factor
}

/// Returns the inverse temperature that makes the held-out samples most likely, without the prior,
/// and their negative log likelihood under it.
pub(crate) fn most_likely(recipe: &Recipe, owners: &[u16], held_out: &[f32]) -> (f32, f32) {
    let Best { factor, cost } = search(recipe, 0.0, owners, held_out);
    (factor, cost)
}

struct Best {
    factor: f32,
    cost: f32,
}

/// Bisection: the likelihood has one peak except for rounding.
fn search(recipe: &Recipe, trust: f32, owners: &[u16], held_out: &[f32]) -> Best {
    let usual = usual(recipe);
    let offset = |step: usize| (step as f32 - STEPS as f32) * STEP;
    let cost = |step: usize| {
        let prior = 0.5 * (offset(step) / SPREAD) * (offset(step) / SPREAD);
        trust * prior + surprise(libm::expf(usual + offset(step)), owners, held_out)
    };
    let mut best = STEPS;
    let mut least = cost(STEPS);
    let mut stride = STEPS / 2;
    while stride > 0 {
        let here = best;
        for step in [here.checked_sub(stride), Some(here + stride)].into_iter().flatten() {
            let cost = cost(step);
            if cost < least {
                (best, least) = (step, cost);
            }
        }
        stride /= 2;
    }
    Best { factor: libm::expf(usual + offset(best)), cost: least }
}

/// Negative log likelihood of the held-out samples' classes under a factor.
fn surprise(factor: f32, owners: &[u16], held_out: &[f32]) -> f32 {
    let samples = owners.len();
    let miss = 1.0 / (samples as f32 + 2.0);
    let mut cost = 0.0;
    // With very many samples and classes every n-th sample is enough, and counts for all.
    let every = held_out.len().div_ceil(ENOUGH);
    let asked = (0..samples).step_by(every.max(1));
    for sample in asked.filter(|&i| held_out.len() > samples && has_others(owners, i)) {
        let row = || held_out[sample..].iter().step_by(samples);
        let top = row().fold(f32::NEG_INFINITY, |top, &score| top.max(score));
        let weight =
            |score: f32| if score == top { 1.0 } else { libm::expf(factor * (score - top)) };
        let own = held_out[usize::from(owners[sample]) * samples + sample];
        let own = weight(own) / row().map(|&score| weight(score)).sum::<f32>();
        cost -=
            (1.0 - miss) * libm::logf(own.max(1e-30)) + miss * libm::logf((1.0 - own).max(1e-30));
    }
    cost * every as f32
}

#[cfg(test)]
mod tests {
    use std::vec;
    use std::vec::Vec;

    use super::*;

    /// Finds the factor for two classes of a hundred; a held-out score of `scale` for the own
    /// class, or for the other in `wrong` of ten.
    fn found(scale: f32, wrong: usize) -> f32 {
        let owners: Vec<u16> = (0..200).map(|i| i / 100).collect();
        let mut held_out = vec![0.0; 400];
        for i in 0..200 {
            let class = if i % 10 < wrong { 1 - i / 100 } else { i / 100 };
            held_out[class * 200 + i] = scale;
        }
        inverse_temperature(&Recipe::of(HeadKind::Ridge), &owners, &held_out)
    }

    #[test]
    fn confidence_is_the_share_of_right_answers() {
        for wrong in [1, 2, 4] {
            let confidence = 1.0 / (1.0 + libm::expf(-found(1.0, wrong)));
            let right = 1.0 - wrong as f32 / 10.0;
            assert!((confidence - right).abs() < 0.04, "{wrong} of 10 wrong: {confidence}");
        }
    }

    #[test]
    fn the_scale_of_scores_does_not_matter_but_all_right_is_not_certain() {
        assert!((found(3.0, 2) * 3.0 / found(1.0, 2) - 1.0).abs() < 0.5);
        let confidence = 1.0 / (1.0 + libm::expf(-found(1.0, 0)));
        assert!((0.95..0.9999).contains(&confidence), "{confidence}");
    }

    #[test]
    fn without_held_out_samples_it_is_what_it_usually_is() {
        let recipe = Recipe::of(HeadKind::Ridge);
        let got = inverse_temperature(&recipe, &[0, 1], &[1.0, 0.0, 0.0, 1.0]);
        assert!((got / libm::expf(usual(&recipe)) - 1.0).abs() < 1e-5);
    }
}
