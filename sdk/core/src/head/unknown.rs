//! When an embedding is of no class at all: its angle to the nearest class mean.
//!
//! What the held-out samples' angles are says how far from the nearest mean a sample of a class may
//! be, so no pictures of other things are needed. The bound is a prediction interval for one
//! more sample (Student's t), which is wide with a few samples instead of being their minimum.
//!
//! The cosine with the nearest class mean tells unknown from known better than the greatest
//! probability, the distance of the k-th neighbour and the Mahalanobis distance do: see the table
//! in `tests/accuracy`.

use super::fitting::{has_others, top};
use super::nearest_mean::SCORE_SCALE;

/// Less than every cosine: nothing is unknown.
pub(super) const NEVER: f32 = -2.0;

/// The cosine below which an embedding is unknown, such that the share `strictness` of the known
/// is below it too. `held_out` are the scores of the nearest mean.
pub(super) fn least_similarity(strictness: f32, owners: &[u16], held_out: &[f32]) -> f32 {
    let samples = owners.len();
    let known = || {
        let usable = (0..samples).filter(|&i| has_others(owners, i));
        usable.map(|i| f64::from(top(held_out, samples, i).1 / SCORE_SCALE))
    };
    let count = known().count() as f64;
    if strictness <= 0.0 || count < 2.0 {
        return NEVER;
    }
    let mean = known().sum::<f64>() / count;
    let variance = known().map(|s| (s - mean) * (s - mean)).sum::<f64>() / (count - 1.0);
    let z = f64::from(quantile(strictness));
    let t = z * (1.0 + (z * z + 1.0) / (4.0 * (count - 1.0)));
    (mean - t * libm::sqrt(variance * (1.0 + 1.0 / count))).max(-1.0) as f32
}

/// How many standard deviations below the mean a share of a normal distribution lies
/// (Abramowitz and Stegun 26.2.23, within 5e-4), for shares up to a half.
fn quantile(share: f32) -> f32 {
    let t = libm::sqrtf(-2.0 * libm::logf(share));
    let top = 2.515_517 + t * (0.802_853 + t * 0.010_328);
    t - top / (1.0 + t * (1.432_788 + t * (0.189_269 + t * 0.001_308)))
}
