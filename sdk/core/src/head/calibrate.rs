//! How sure a head may be: the factor between its scores and log odds.
//!
//! Temperature scaling (Guo, Pleiss, Sun and Weinberger 2017) on held-out scores, so that no
//! samples need to be set apart. Two things keep a few samples, all of them right, from making the
//! head certain: targets are not 1 but `(n + 1) / (n + 2)` as in Platt scaling (1999), and the
//! factor stays near what it usually is for that kind of head, as under a log-normal prior.

use super::fitting::has_others;
use super::vector::softmax;
use super::{HeadKind, Recipe};

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
        // Log odds already.
        HeadKind::NearestMean | HeadKind::Softmax | HeadKind::Auto => 0.0,
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;
    use std::vec::Vec;

    /// Two classes of a hundred; a held-out score of `scale` for the own class, or for the other in
    /// `wrong` of ten.
    fn found(scale: f32, wrong: usize) -> f32 {
        let owners: Vec<u16> = (0..200).map(|i| i / 100).collect();
        let mut held_out = vec![0.0; 400];
        for i in 0..200 {
            let class = if i % 10 < wrong { 1 - i / 100 } else { i / 100 };
            held_out[class * 200 + i] = scale;
        }
        sharpness(&Recipe::of(HeadKind::Ridge), &owners, &held_out, &mut [0.0; 2])
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
        let got = sharpness(&recipe, &[0, 1], &[1.0, 0.0, 0.0, 1.0], &mut [0.0; 2]);
        assert!((got / libm::expf(usual(&recipe)) - 1.0).abs() < 1e-5);
    }
}
