//! When an embedding is of no class at all: its angle to the nearest class mean.
//!
//! What the held-out samples' angles are says how far from the nearest mean a sample of a class may
//! be, so no pictures of other things are needed. The bound is a prediction interval for one
//! more sample (Student's t), which is wide with a few samples instead of being their minimum; or
//! their own conformal quantile where that is lower. So at most `strictness` of the known, or one in
//! `n + 1` where that is more, are unknown as long as they are like the `n` samples.
//!
//! The cosine with the nearest class mean tells unknown from known better than the greatest
//! probability and the distance of the k-th neighbour do: `sdk/core/examples/unknown.csv`.

use super::fitting::{has_others, top};
use super::nearest_mean::SCORE_SCALE;

/// Least standard deviation of cosines that is believed: the same thing shown again and again
/// without moving says nothing about how it looks from elsewhere.
const LEAST_SPREAD: f64 = 0.03;

/// Less than every cosine: nothing is unknown.
pub(super) const NEVER: f32 = -2.0;

/// The cosine below which an embedding is unknown, such that the share `strictness` of the known
/// is below it too. `held_out` are the scores of the nearest mean; `scratch` has one number a
/// sample.
pub(super) fn least_similarity(
    strictness: f32,
    owners: &[u16],
    held_out: &[f32],
    scratch: &mut [f32],
) -> f32 {
    let samples = owners.len();
    let mut count = 0;
    for i in (0..samples).filter(|&i| has_others(owners, i)) {
        scratch[count] = top(held_out, samples, i).1 / SCORE_SCALE;
        count += 1;
    }
    if strictness <= 0.0 || count < 2 {
        return NEVER;
    }
    let (known, n) = (&mut scratch[..count], count as f64);
    let mean = known.iter().map(|&s| f64::from(s)).sum::<f64>() / n;
    let square = |s: f32| (f64::from(s) - mean) * (f64::from(s) - mean);
    let variance = known.iter().map(|&s| square(s)).sum::<f64>() / (n - 1.0);
    let variance = variance.max(LEAST_SPREAD * LEAST_SPREAD);
    let z = f64::from(quantile(strictness));
    let t = z * (1.0 + (z * z + 1.0) / (4.0 * (n - 1.0)));
    let normal = mean - t * libm::sqrt(variance * (1.0 + 1.0 / n));
    // Cosines have a longer tail below than a normal distribution, which many samples show.
    known.sort_unstable_by(f32::total_cmp);
    // Below the k-th lowest of n lies the next of the same kind with a chance of k in n + 1 (conformal
    // prediction, Vovk et al. 2005). Nor is the bound above the lowest: with few samples, where that
    // chance is more than asked for, it is what is known of the tail.
    let below = ((strictness * (count as f32 + 1.0)) as usize).max(1);
    // Only where it is lower, so equal samples do not raise the bound.
    (normal as f32).min(known[below - 1]).max(-1.0)
}

/// How many standard deviations below the mean a share of a normal distribution lies
/// (Abramowitz and Stegun 26.2.23, within 5e-4), for shares up to a half.
fn quantile(share: f32) -> f32 {
    let t = libm::sqrtf(-2.0 * libm::logf(share));
    let top = 2.515_517 + t * (0.802_853 + t * 0.010_328);
    t - top / (1.0 + t * (1.432_788 + t * (0.189_269 + t * 0.001_308)))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Noise, cluster, empty, taught};
    use super::super::{Answer, HeadError, HeadKind, Limits};
    use super::*;
    use crate::embedding::Embedding;

    #[test]
    fn quantiles_are_those_of_the_normal_distribution() {
        for (share, z) in [(0.5, 0.0), (0.158_655, 1.0), (0.05, 1.644_85), (0.022_75, 2.0), (0.001, 3.090_23)]
        {
            assert!((quantile(share) - z).abs() < 6e-4, "{share}");
        }
    }

    #[test]
    fn strangers_are_unknown_and_the_dial_sets_how_many_of_the_known_are() {
        for kind in HeadKind::ALL {
            let mut head = taught(kind, 4, 12, 60, 1.0);
            let mut last = 0;
            for strictness in [0.0, 0.02, 0.1, 0.4] {
                head.set_strictness(strictness).unwrap();
                let mut noise = Noise(77);
                let mut unknown = |class: usize| {
                    let values = cluster(&mut noise, class, 60, 1.0);
                    usize::from(head.classify(Embedding::Float(&values)).unwrap().known().is_none())
                };
                let known: usize = (0..400).map(|i| unknown(i % 4)).sum();
                let strange: usize = (0..100).map(|i| unknown(4 + i % 9)).sum();
                assert!(
                    known >= last && known as f32 <= 400.0 * 3.5 * strictness,
                    "{kind} {strictness}: {known}"
                );
                assert_eq!(strange, if strictness > 0.0 { 100 } else { 0 }, "{kind} {strictness}");
                last = known;
            }
            assert!(last > 20, "{kind}: the dial does nothing");
        }
    }

    #[test]
    fn an_unknown_answer_tells_the_nearest_class_and_how_near() {
        let mut head = taught(HeadKind::Ridge, 3, 8, 40, 0.5);
        head.set_strictness(0.05).unwrap();
        let values: std::vec::Vec<f32> = cluster(&mut Noise(5), 1, 40, 0.5).iter().map(|x| -x).collect();
        let answer = head.classify(Embedding::Float(&values)).unwrap();
        let Answer::Unknown { nearest, score } = answer else { panic!("{answer:?}") };
        assert_eq!((answer.class(), answer.known(), answer.confidence().get()), (nearest, None, 0.0));
        let (similarity, least) = head.similarity(Embedding::Float(&values)).unwrap();
        assert_eq!(similarity, score);
        assert!(score < least.unwrap() && score.get() < 0.0);
    }

    /// As when the button is pressed many times at one scene.
    #[test]
    fn equal_samples_do_not_make_everything_else_unknown() {
        for count in [2, 5, 50] {
            let owners: std::vec::Vec<u16> = (0..2 * count).map(|i| (i % 2) as u16).collect();
            let held_out = std::vec![SCORE_SCALE; 4 * count];
            let least = least_similarity(0.05, &owners, &held_out, &mut std::vec![0.0; 2 * count]);
            assert!((0.8..0.96).contains(&least), "{count}: {least}");
        }
    }

    /// A longer tail than a normal distribution has, and too few samples for a quantile.
    #[test]
    fn no_bound_is_above_what_was_taught() {
        let owners = [0u16; 20];
        let mut cosines = [0.9; 20];
        cosines[7] = 0.5;
        let held_out = cosines.map(|cosine| SCORE_SCALE * cosine);
        for strictness in [0.01, 0.03, 0.04] {
            let least = least_similarity(strictness, &owners, &held_out, &mut [0.0; 20]);
            assert!((0.3..=0.5).contains(&least), "{strictness}: {least}");
        }
        // With a dial that allows one in 21 and two in 21: the lowest, and the next.
        let normal = least_similarity(0.2, &owners, &held_out, &mut [0.0; 20]);
        assert!((0.5..0.9).contains(&normal), "{normal}");
    }

    #[test]
    fn one_sample_a_class_is_too_little_to_say() {
        let mut head = empty(HeadKind::Auto, 2, Limits { classes: 2, samples: 4 });
        head.set_strictness(0.05).unwrap();
        let class = head.add_class("a").unwrap();
        head.add_sample(class, Embedding::Float(&[1.0, 0.0])).unwrap();
        let opposite = Embedding::Float(&[-1.0, 0.0]);
        assert_eq!(head.classify(opposite).unwrap().known(), Some(class));
        assert_eq!(head.similarity(opposite).unwrap().1, None);
        for wrong in [-0.1, 0.6, f32::NAN] {
            assert!(matches!(head.set_strictness(wrong), Err(HeadError::StrictnessOutOfRange { .. })));
        }
        assert_eq!(head.strictness(), 0.05);
    }
}
