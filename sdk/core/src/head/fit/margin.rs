//! Part of the margin in the rejection of unknown embeddings.
//!
//! The cosine with the nearest class mean says how far an embedding is from all classes; the margin
//! between the two best scores says how far it is from being decided between two of them. Unknown
//! things of the same kind as the classes lie between classes more often than far from all: the
//! baseline of Hendrycks and Gimpel (2017). Both are brought to the mean 0 and the same deviation
//! by the held-out samples and added with the weights of Fisher's discriminant for two measures that
//! do not depend on each other. With few samples a class the margin has no part: held-out margins
//! then say little of those to come.
//!
//! The constants were chosen on the data sets that `auto` was chosen by, and checked on the others
//! (`sdk/docs/unknown.md`).

use crate::head::HeadKind;

/// Samples of the class with the fewest up to which the margin has no part: a word of five takes
/// beside a background of many would be taken for unknown.
const FEW: f32 = 5.0;

/// Further samples of it at which it has its whole part.
const MORE: f32 = 10.0;

/// Usual distance of unknown margins below known ones, in standard deviations, which gives the
/// weight.
const USUAL_DISTANCE: f32 = 1.5;

/// Max of the margin's weight, in that of the cosine.
const MOST_WEIGHT: f32 = 1.0;

/// Usual distance with the correlation of both measures taken off, which gives the odds.
const USUAL_GAIN: f32 = 0.5;

/// Usual standard deviation of margins, in log odds, and its weight in samples: frames that are all
/// alike must not make that of the next one strange.
const USUAL_DEVIATION: f32 = 2.0;
const DEVIATION_WEIGHT: f32 = 8.0;

/// Standard deviations above the mean beyond which a margin counts no more: a thing far from all
/// classes may have a large one.
const MOST: f32 = 1.0;

/// Term that the margin adds to the cosine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct MarginTerm {
    /// Cosine per unit of the margin, in log odds; 0 if the margin has no part.
    pub gain: f32,
    /// Margin at which the term is 0.
    pub mean: f32,
    /// Largest margin that counts.
    pub most: f32,
    /// Expected distance that the term adds to unknown embeddings, in cosines.
    pub distance: f32,
}

/// Held-out samples of a fitted head.
pub(crate) struct HeldOut<'a> {
    pub kind: HeadKind,
    pub owners: &'a [u16],
    /// Number of samples of each class.
    pub counts: &'a [u32],
    /// Scores, class by class.
    pub scores: &'a [f32],
    pub inverse_temperature: f32,
    /// Expected cosines with the nearest class mean, of samples that can be held out.
    pub cosines: &'a [f32],
}

impl MarginTerm {
    pub const NONE: Self = Self { gain: 0.0, mean: 0.0, most: 0.0, distance: 0.0 };

    /// Returns true if the margin has a part.
    pub fn is_some(&self) -> bool {
        self.gain > 0.0
    }

    /// Returns the term of an embedding with this margin.
    pub fn of(&self, margin: f32) -> f32 {
        // Without a second class the margin is infinite.
        if self.gain == 0.0 { 0.0 } else { self.gain * (margin.min(self.most) - self.mean) }
    }

    /// Finds the term, given the spread of the cosines and the distance of unknown ones in such
    /// spreads; writes the samples' margins.
    pub fn find(held: &HeldOut<'_>, spread: f32, distance: f32, margins: &mut [f32]) -> Self {
        let part = ((held.fewest() as f32 - FEW) / MORE).clamp(0.0, 1.0);
        if held.classes() < 2 || part == 0.0 || !held.kind.is_linear() {
            return Self::NONE;
        }
        for sample in held.samples() {
            margins[sample] = held.margin(sample);
        }
        let mean = held.mean(margins);
        let count = held.samples().count() as f32;
        let usual = DEVIATION_WEIGHT * USUAL_DEVIATION * USUAL_DEVIATION;
        let variance = (usual + count * held.variance(margins)) / (DEVIATION_WEIGHT + count);
        let deviation = libm::sqrtf(variance);
        let weight = part * (USUAL_DISTANCE / distance).min(MOST_WEIGHT);
        let gain = weight * spread / deviation;
        if !gain.is_finite() || !mean.is_finite() {
            return Self::NONE;
        }
        let distance = weight * USUAL_GAIN * spread;
        Self { gain, mean, most: mean + MOST * deviation, distance }
    }
}

impl HeldOut<'_> {
    /// Number of classes that have samples.
    pub fn classes(&self) -> usize {
        self.counts.iter().filter(|&&count| count > 0).count()
    }

    /// Number of samples of the class that has the fewest, but any.
    fn fewest(&self) -> u32 {
        self.counts.iter().copied().filter(|&count| count > 0).min().unwrap_or(0)
    }

    /// Samples that can be held out.
    pub fn samples(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.owners.len()).filter(|&i| self.counts[usize::from(self.owners[i])] > 1)
    }

    fn margin(&self, sample: usize) -> f32 {
        let scores = self.scores[sample..].iter().step_by(self.owners.len());
        margin(scores.map(|score| self.inverse_temperature * score))
    }

    /// Returns the mean over the samples that can be held out.
    pub fn mean(&self, values: &[f32]) -> f32 {
        let sum: f32 = self.samples().map(|i| values[i]).sum();
        sum / self.samples().count() as f32
    }

    /// Returns the variance over the samples that can be held out.
    pub fn variance(&self, values: &[f32]) -> f32 {
        let mean = self.mean(values);
        let sum: f32 = self.samples().map(|i| (values[i] - mean) * (values[i] - mean)).sum();
        sum / self.samples().count() as f32
    }
}

/// Returns the difference of the two greatest scores.
pub(crate) fn margin(scores: impl Iterator<Item = f32>) -> f32 {
    let mut first = f32::NEG_INFINITY;
    let mut second = f32::NEG_INFINITY;
    for score in scores {
        if score > first {
            (first, second) = (score, first);
        } else if score > second {
            second = score;
        }
    }
    first - second
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;
    use crate::embedding::Embedding;
    use crate::head::testing::{Noise, cluster, taught};

    /// Term of `count` samples of each of two classes, with margins of 1 and 3 in turns.
    fn found(kind: HeadKind, count: usize, distance: f32) -> MarginTerm {
        let owners: Vec<u16> = (0..2 * count).map(|i| (i / count) as u16).collect();
        let scores: Vec<f32> =
            (0..4 * count).map(|i| if i < 2 * count { (i % 2) as f32 } else { -0.5 }).collect();
        let counts = [count as u32; 2];
        let cosines = std::vec![0.5; 2 * count];
        let held = HeldOut {
            kind,
            owners: &owners,
            counts: &counts,
            scores: &scores,
            inverse_temperature: 2.0,
            cosines: &cosines,
        };
        MarginTerm::find(&held, 0.1, distance, &mut std::vec![0.0; 2 * count])
    }

    #[test]
    fn the_term_grows_with_the_samples_and_where_cosines_say_little() {
        assert_eq!(found(HeadKind::Ridge, 5, 1.0), MarginTerm::NONE);
        assert_eq!(found(HeadKind::Knn, 50, 1.0), MarginTerm::NONE);
        // The margins' own deviation is 1.
        let deviation = |samples: f32| ((8.0 * 4.0 + samples) / (8.0 + samples)).sqrt();
        let near = |a: f32, b: f32| (a - b).abs() < 1e-6;
        let whole = found(HeadKind::Ridge, 15, 1.0);
        let gain = 0.1 / deviation(30.0);
        assert!(near(whole.gain, gain) && near(whole.mean, 2.0), "{whole:?}");
        assert!(near(whole.most, 2.0 + deviation(30.0)) && near(whole.of(2.0), 0.0));
        assert!(near(whole.of(1.0), -gain) && whole.of(f32::INFINITY) == whole.of(9.0));
        let half = found(HeadKind::Ridge, 10, 1.0);
        assert!(near(half.gain, 0.05 / deviation(20.0)), "{half:?}");
        let far = found(HeadKind::Ridge, 15, 3.0);
        assert!(near(far.gain, 0.5 * gain), "{far:?}");
    }

    /// Without a term, or without a second class, an infinite margin changes nothing.
    #[test]
    fn no_term_is_no_number_but_0() {
        for margin in [f32::INFINITY, f32::NAN, -1.0] {
            assert_eq!(MarginTerm::NONE.of(margin), 0.0);
        }
        assert_eq!(margin([2.0].into_iter()), f32::INFINITY);
        assert_eq!(margin([1.0, 4.0, 3.0, 4.0].into_iter()), 0.0);
    }

    /// Frames that are all alike say nothing of how margins vary.
    #[test]
    fn like_samples_make_no_stranger_of_the_next() {
        let mut head = taught(HeadKind::Auto, 2, 20, 30, 1e-3);
        head.set_false_rejection_rate(0.1).unwrap();
        head.fit().unwrap();
        let mut noise = Noise(12);
        for class in [0, 1].repeat(20) {
            let next = cluster(&mut noise, class, 30, 0.05);
            let answer = head.classify(Embedding::Float(&next)).unwrap();
            assert_eq!(answer.known().map(|class| class.index()), Some(class), "{answer:?}");
        }
    }

    #[test]
    fn the_same_cosine_is_less_known_between_classes() {
        let mut head = taught(HeadKind::Ridge, 3, 20, 40, 1.0);
        head.set_false_rejection_rate(0.1).unwrap();
        head.fit().unwrap();
        let odds = head.linear().unwrap().known.unwrap();
        assert!(odds.margin_slope > 0.0 && odds.least <= 0.0, "{odds:?}");
        let mut noise = Noise(4);
        let own = cluster(&mut noise, 0, 40, 0.2);
        let other = cluster(&mut noise, 1, 40, 0.2);
        let least = |share: f32| {
            let mix: Vec<f32> = own.iter().zip(&other).map(|(a, b)| a + share * (b - a)).collect();
            head.similarity(Embedding::Float(&mix)).unwrap().1.unwrap().get()
        };
        assert!(least(0.5) > least(0.0) + 0.01, "{} {}", least(0.5), least(0.0));
    }
}
