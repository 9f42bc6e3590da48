//! Rejection of unknown embeddings, and the probability that an embedding is of a known class.
//!
//! The decision is by the cosine with the nearest class mean. Its distribution for one more sample
//! of the classes follows from the held-out samples; no images of other things are needed. Three
//! corrections make that hold with few samples:
//!
//! - A class mean of `n` samples has the expected cosine `r / sqrt(r + (1 - r) / n)` with one more
//!   sample, where `r` is the mean cosine of two samples of the class: unit vectors `x = m + e`
//!   with `|m|^2 = r`. The formula corrects cosines with the mean of all but one sample, which are
//!   too low.
//! - Both `r` and the spread of the cosines are shrunk towards their usual values. Those follow
//!   from how far the values of an embedding are from having the mean 0: the square of its cosine
//!   with (1, 1, ..., 1) is the cosine that unrelated embeddings of that backbone share.
//! - The bound is a prediction interval for one more sample (Student's t), and with more samples
//!   their own quantile (conformal prediction, Vovk et al. 2005).
//!
//! With several classes, the samples of each class are unknowns to the others, which estimates the
//! distance of unknown things; with one class a usual value is taken. Two normal distributions then
//! give the odds (Fisher's discriminant), with equal priors of known and unknown. From some samples
//! a class on, the margin between the two best scores has a part in it, too (`margin.rs`).
//!
//! The constants were searched on simulated views with other seeds than the tests' and on the data
//! sets that `auto` was chosen by, and selected among some fifty settings by their results on other
//! data sets that were seen during the selection (`sdk/docs/unknown.md`).

use super::margin::{HeldOut, MarginTerm};
use super::nearest_mean::SCORE_SCALE;
use super::scores::top;
use crate::head::linalg::vector::ONE;
use crate::head::storage::views::Kept;
use crate::head::{KnownOdds, Similarity};

/// Bound below every cosine: nothing is unknown.
const NEVER: f32 = -2.0;

/// Usual mean cosine of two samples of a class, above the cosine of unrelated ones.
const USUAL_COSINE: f32 = 0.45;

/// Usual spread of cosines with a class mean, for a cosine of unrelated embeddings of 0.
const USUAL_SPREAD: f32 = 0.118;

/// Variances of the mean cosine of the pairs among `n` samples, for a cosine of unrelated
/// embeddings of 0: one over `n`, from the distance of each sample to its class, and one over `n (n
/// - 1)`, from each pair.
const PAIRS_VARIANCE: [f32; 2] = [0.009, 0.065];

/// Weight of the usual spread, in samples.
const SPREAD_WEIGHT: f32 = 8.0;

/// Spread of classes around the usual cosine, in the same unit; used for classes of one sample.
const CLASS_SPREAD: f32 = 0.17;

/// Number of samples at which half of the bound is their own quantile.
const HALF_EMPIRICAL: f32 = 100.0;

/// Max of the bound: a tighter one would reject a known thing for the noise of the camera.
const CLOSEST: f32 = 0.98;

/// Usual distance of unknown things below known ones: a share of the cosine of known ones above
/// that of unrelated ones.
const USUAL_GAP: f32 = 0.6;

/// Weight of the usual distance, in classes.
const DISTANCE_WEIGHT: f32 = 1.0;

/// Min and max of the deviation of cosine and margin joined, in that of the cosine.
const WIDER: [f32; 2] = [0.7, 2.0];

/// Min and max of plausible distances.
const DISTANCES: [f32; 2] = [0.3, 4.0];

/// Decision boundary between known and unknown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Border {
    /// Expected cosine of a known sample.
    mean: f32,
    spread: f32,
    /// Number of standard deviations from the mean at which known and unknown are equally probable.
    even: f32,
    /// Slope of the log odds per standard deviation.
    slope: f32,
    least: f32,
    /// Added to the cosine.
    margin: MarginTerm,
}

/// Input of the search for the boundary.
pub(crate) struct Taught<'a> {
    pub kept: Kept<'a>,
    pub owners: &'a [u16],
    /// Held-out scores of the nearest mean.
    pub held_out: &'a [f32],
    /// L2 norms of the classes' sums.
    pub norms: &'a [f32],
    /// Number of samples of each class.
    pub counts: &'a [u32],
}

impl Border {
    /// Boundary under which everything is known.
    pub const NONE: Self = Self {
        mean: 0.0,
        spread: 1.0,
        even: 0.0,
        slope: 0.0,
        least: NEVER,
        margin: MarginTerm::NONE,
    };

    /// Returns true if nothing is unknown.
    pub fn is_none(&self) -> bool {
        self.least <= NEVER
    }

    /// Returns true if the boundary depends on the margin between the two best scores.
    pub fn reads_margin(&self) -> bool {
        self.margin.is_some()
    }

    /// Returns the cosine below which an embedding with this margin is unknown; `None` if nothing
    /// is.
    pub fn least(&self, margin: f32) -> Option<Similarity> {
        (!self.is_none()).then(|| Similarity(self.least - self.margin.of(margin)))
    }

    /// Returns the log odds as numbers for export; `None` if everything is known.
    pub fn odds(&self) -> Option<KnownOdds> {
        if self.is_none() {
            return None;
        }
        let slope = self.slope_per_cosine();
        let zero = self.even_cosine();
        let MarginTerm { gain, mean, most, .. } = self.margin;
        Some(KnownOdds {
            slope,
            offset: -slope * (zero + gain * mean),
            margin_slope: slope * gain,
            most_margin: most,
            least: slope * (self.least - zero),
        })
    }

    /// Returns the probability that an embedding with this cosine and this margin is of a class,
    /// with equal priors of known and unknown.
    pub fn known(&self, cosine: f32, margin: f32) -> f32 {
        if self.is_none() {
            return 1.0;
        }
        let slope = self.slope_per_cosine();
        let offset = -slope * self.even_cosine();
        let joined = cosine + self.margin.of(margin);
        1.0 / (1.0 + libm::expf(-(slope * joined + offset).clamp(-60.0, 60.0)))
    }

    fn slope_per_cosine(&self) -> f32 {
        self.slope / self.spread
    }

    /// Cosine, with the margin's term, at which known and unknown are equally probable.
    fn even_cosine(&self) -> f32 {
        self.mean + self.spread * self.even
    }

    /// Finds the boundary for a target `false_rejection_rate`, and writes the expected cosines of
    /// the samples that can be held out; `scratch` has one number per sample, too.
    pub fn find(
        false_rejection_rate: f32,
        taught: &Taught<'_>,
        cosines: &mut [f32],
        scratch: &mut [f32],
    ) -> Self {
        let samples = taught.owners.len();
        if false_rejection_rate <= 0.0 || samples == 0 {
            return Self::NONE;
        }
        let shared = taught.shared();
        let usual = Usual { cosine: shared + USUAL_COSINE * (1.0 - shared), room: 1.0 - shared };
        let drawn = taught.drawn(&usual);
        let mut count = 0;
        for sample in (0..samples).filter(|&i| taught.has_others(i)) {
            cosines[sample] = taught.corrected(sample, drawn);
            scratch[count] = cosines[sample];
            count += 1;
        }
        let known = &mut scratch[..count];
        let Cosines { mean, spread } = taught.expect(known, &usual);
        let known = Known { mean, spread, samples: known };
        let classes = taught.classes();
        let mut distance = USUAL_GAP * (mean - shared) / spread;
        if let Some(others) = taught.others() {
            let seen = (mean - others) / spread;
            distance = (DISTANCE_WEIGHT * distance + classes * seen) / (DISTANCE_WEIGHT + classes);
        }
        Self::between(known, false_rejection_rate, distance, classes)
    }

    /// Returns the boundary with the margin's part in it, if the samples suffice for one; `scratch`
    /// has two numbers per sample.
    pub fn with_margin(
        self,
        false_rejection_rate: f32,
        held: &HeldOut<'_>,
        scratch: &mut [f32],
    ) -> Self {
        if self.is_none() {
            return self;
        }
        let samples = held.owners.len();
        let (margins, joined) = scratch[..2 * samples].split_at_mut(samples);
        let classes = held.classes() as f32;
        let distance = self.slope / certainty(classes);
        let margin = MarginTerm::find(held, self.spread, distance, margins);
        if !margin.is_some() {
            return self;
        }
        for sample in held.samples() {
            margins[sample] = held.cosines[sample] + margin.of(margins[sample]);
        }
        let wider = libm::sqrtf(held.variance(margins) / held.variance(held.cosines).max(1e-9));
        let wider = wider.clamp(WIDER[0], WIDER[1]);
        let spread = wider * self.spread;
        let mean = held.mean(margins);
        let mut count = 0;
        for sample in held.samples() {
            joined[count] = margins[sample];
            count += 1;
        }
        let known = Known { mean, spread, samples: &mut joined[..count] };
        let distance = (distance * self.spread + margin.distance) / spread;
        Self { margin, ..Self::between(known, false_rejection_rate, distance, classes) }
    }

    /// Returns the boundary between known samples and unknown ones that are so many of their
    /// spreads away.
    fn between(known: Known<'_>, false_rejection_rate: f32, distance: f32, classes: f32) -> Self {
        let Known { mean, spread, samples } = known;
        let degrees = SPREAD_WEIGHT + (samples.len() as f32 - 1.0).max(0.0);
        let z = quantile(false_rejection_rate);
        let t = z * (1.0 + (z * z + 1.0) / (4.0 * degrees));
        let normal = mean - t * spread;
        let least = blended(normal, false_rejection_rate, samples).clamp(-1.0, CLOSEST);
        let slope = certainty(classes) * distance.clamp(DISTANCES[0], DISTANCES[1]);
        // If the boundary is stricter than the odds, it decides what is unknown.
        let even = (-0.5 * slope).max((least - mean) / spread);
        Self { mean, spread, even, slope, least, margin: MarginTerm::NONE }
    }
}

/// Certainty of the distance of unknown things: the less, the more they get the benefit of the
/// doubt, and the flatter the odds.
fn certainty(classes: f32) -> f32 {
    1.0 - 0.3 / classes.max(1.0)
}

/// Cosines of known samples, or cosines and margins joined.
struct Known<'a> {
    mean: f32,
    spread: f32,
    samples: &'a mut [f32],
}

/// Usual cosines of a backbone.
struct Usual {
    /// Cosine of two samples of a class.
    cosine: f32,
    /// Share of the cosine range above the cosine of unrelated embeddings.
    room: f32,
}

impl Usual {
    fn spread(&self) -> f32 {
        (USUAL_SPREAD * self.room * self.room).max(0.02)
    }
}

/// Expected distribution of the cosines of known samples.
struct Cosines {
    mean: f32,
    /// Standard deviation, including the uncertainty of the mean.
    spread: f32,
}

impl Taught<'_> {
    fn has_others(&self, sample: usize) -> bool {
        self.counts[usize::from(self.owners[sample])] > 1
    }

    /// Number of classes that have samples.
    fn classes(&self) -> f32 {
        self.counts.iter().filter(|&&count| count > 0).count() as f32
    }

    /// Cosine of unrelated embeddings: squared cosine with (1, 1, ..., 1), mean of the samples.
    fn shared(&self) -> f32 {
        let dim = self.kept.dim() as f64;
        let one = |sample: usize| {
            let (codes, zero) = self.kept.sample(sample);
            let sum: i64 = codes.iter().map(|&code| i64::from(code) - i64::from(zero)).sum();
            let along = sum as f64 * f64::from(self.kept.inverses[sample]);
            along * along / dim
        };
        let mean = (0..self.owners.len()).map(one).sum::<f64>() / self.owners.len() as f64;
        (mean as f32).clamp(0.0, 0.9)
    }

    /// Mean cosine of two samples of a class, from all samples ever seen; `None` for a single
    /// sample.
    fn pairs(&self, class: usize) -> Option<f32> {
        let shown = self.kept.seen[class] as f32;
        let length = self.norms[class] / ONE as f32;
        (shown >= 2.0 && length >= 0.0)
            .then(|| ((length * length - shown) / (shown * (shown - 1.0))).clamp(0.02, 1.0))
    }

    /// Shrinkage of the classes' pair cosines towards the usual value: the more of the gap may be
    /// due to chance, the more.
    fn drawn(&self, usual: &Usual) -> f32 {
        let pairs = || {
            (0..self.counts.len()).filter_map(|class| self.pairs(class).map(|pairs| (class, pairs)))
        };
        let (sum, classes) =
            pairs().fold((0.0, 0.0), |(sum, count), (_, pairs)| (sum + pairs, count + 1.0));
        if classes == 0.0 {
            return 0.0;
        }
        let chance = pairs().map(|(class, _)| self.variance_of_pairs(class, usual)).sum::<f32>();
        let chance = chance / (classes * classes);
        let gap = usual.cosine - sum / classes;
        gap * chance / (chance + gap * gap)
    }

    /// Variance due to chance of the mean pair cosine of a class around its true value.
    fn variance_of_pairs(&self, class: usize, usual: &Usual) -> f32 {
        let shown = self.kept.seen[class] as f32;
        let square = usual.room * usual.room;
        let [sample, pair] = PAIRS_VARIANCE;
        square * square * (sample + pair / (shown - 1.0)) / shown
    }

    /// Corrects a held-out sample's cosine for the sample missing from the mean.
    fn corrected(&self, sample: usize, drawn: f32) -> f32 {
        let class = usize::from(self.owners[sample]);
        let shown = self.kept.seen[class] as f32;
        let left = self.counts[class] as f32 - 1.0;
        let found = top(self.held_out, self.owners.len(), sample).1 / SCORE_SCALE;
        let gain = |pairs: f32| {
            with_mean((pairs + drawn).clamp(0.02, 1.0), shown) - with_mean(pairs, left)
        };
        (found + self.pairs(class).map_or(0.0, gain)).clamp(-1.0, 1.0)
    }

    /// Variance of the mean of the classes' cosines, due to the small number of samples.
    fn variance_of_mean(&self, usual: &Usual) -> f32 {
        let classes = self.classes();
        let alone = CLASS_SPREAD * usual.room;
        let of_class = |class: usize| match self.counts[class] {
            0 => 0.0,
            1 => classes * alone * alone,
            _ => self.variance_of_pairs(class, usual),
        };
        (0..self.counts.len()).map(of_class).sum::<f32>() / (classes * classes)
    }

    /// Estimates mean and spread, given the corrected cosines of the samples that can be held out.
    fn expect(&self, known: &[f32], usual: &Usual) -> Cosines {
        let held = known.len() as f32;
        let alone = (0..self.owners.len()).filter(|&i| !self.has_others(i)).count() as f32;
        let mean = (known.iter().sum::<f32>() + alone * usual.cosine) / (held + alone);
        let spread = usual.spread();
        let squares: f32 = known.iter().map(|&s| (s - mean) * (s - mean)).sum();
        let variance =
            (SPREAD_WEIGHT * spread * spread + squares) / (SPREAD_WEIGHT + (held - 1.0).max(0.0));
        let of_mean = self.variance_of_mean(usual);
        Cosines { mean, spread: libm::sqrtf(variance + of_mean) }
    }

    /// Mean cosine of the samples with the nearest mean of another class; `None` for one class.
    fn others(&self) -> Option<f32> {
        let samples = self.owners.len();
        let mut sum = 0.0;
        let mut count = 0.0;
        for (sample, &owner) in self.owners.iter().enumerate() {
            let rows = self.held_out[sample..].iter().step_by(samples).enumerate();
            let others =
                rows.filter(|(class, _)| *class != usize::from(owner) && self.norms[*class] >= 0.0);
            let nearest = others.fold(f32::NEG_INFINITY, |best, (_, &score)| best.max(score));
            if nearest.is_finite() {
                (sum, count) = (sum + nearest / SCORE_SCALE, count + 1.0);
            }
        }
        (count > 0.0).then(|| sum / count)
    }
}

/// Expected cosine of one more sample with the mean of `count` samples, given that of two samples.
fn with_mean(pairs: f32, count: f32) -> f32 {
    pairs / libm::sqrtf(pairs + (1.0 - pairs) / count)
}

/// Blends the bound under a normal distribution with the samples' own quantile, the more samples
/// the more: cosines have a longer tail below than a normal distribution.
fn blended(normal: f32, false_rejection_rate: f32, known: &mut [f32]) -> f32 {
    let below = (false_rejection_rate * (known.len() as f32 + 1.0)) as usize;
    if below == 0 || known.is_empty() {
        return normal;
    }
    known.sort_unstable_by(f32::total_cmp);
    // Below the k-th lowest of n lies the next of the same kind with a chance of k in n + 1.
    let weight = known.len() as f32 / (known.len() as f32 + HALF_EMPIRICAL);
    normal + weight * (known[below - 1] - normal)
}

/// Returns the number of standard deviations below the mean for a share of a normal distribution
/// (Abramowitz and Stegun 26.2.23, within 5e-4), for shares up to a half.
fn quantile(share: f32) -> f32 {
    let t = libm::sqrtf(-2.0 * libm::logf(share));
    let top = 2.515_517 + t * (0.802_853 + t * 0.010_328);
    t - top / (1.0 + t * (1.432_788 + t * (0.189_269 + t * 0.001_308)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedding::Embedding;
    use crate::head::testing::{Noise, TestHead, cluster, empty, taught};
    use crate::head::{Answer, DEFAULT_FALSE_REJECTION_RATE, HeadError, HeadKind, Limits};

    #[test]
    fn quantiles_are_those_of_the_normal_distribution() {
        for (share, z) in
            [(0.5, 0.0), (0.158_655, 1.0), (0.05, 1.644_85), (0.022_75, 2.0), (0.001, 3.090_23)]
        {
            assert!((quantile(share) - z).abs() < 6e-4, "{share}");
        }
    }

    #[test]
    fn strangers_are_unknown_and_the_dial_sets_how_many_of_the_known_are() {
        for kind in HeadKind::ALL {
            let mut head = taught(kind, 4, 12, 60, 1.0);
            let mut last = 0;
            for false_rejection_rate in [0.0, 0.02, 0.1, 0.4] {
                head.set_false_rejection_rate(false_rejection_rate).unwrap();
                let mut noise = Noise(77);
                let mut unknown = |class: usize| {
                    let values = cluster(&mut noise, class, 60, 1.0);
                    head.fit().unwrap();
                    usize::from(head.classify(Embedding::Float(&values)).unwrap().known().is_none())
                };
                let known: usize = (0..400).map(|i| unknown(i % 4)).sum();
                let strange: usize = (0..100).map(|i| unknown(4 + i % 9)).sum();
                assert!(
                    known >= last && known as f32 <= 400.0 * 3.5 * false_rejection_rate,
                    "{kind} {false_rejection_rate}: {known}"
                );
                assert_eq!(
                    strange,
                    if false_rejection_rate > 0.0 { 100 } else { 0 },
                    "{kind} {false_rejection_rate}"
                );
                last = known;
            }
            assert!(last > 20, "{kind}: the false-rejection rate has no effect");
        }
    }

    #[test]
    fn an_unknown_answer_tells_the_nearest_class_and_how_near() {
        let mut head = taught(HeadKind::Ridge, 3, 8, 40, 0.5);
        head.set_false_rejection_rate(0.05).unwrap();
        let values: std::vec::Vec<f32> =
            cluster(&mut Noise(5), 1, 40, 0.5).iter().map(|x| -x).collect();
        head.fit().unwrap();
        let answer = head.classify(Embedding::Float(&values)).unwrap();
        let Answer::Unknown { nearest, score } = answer else { panic!("{answer:?}") };
        assert_eq!(
            (answer.class(), answer.known(), answer.confidence().get()),
            (nearest, None, 0.0)
        );
        let (similarity, least) = head.similarity(Embedding::Float(&values)).unwrap();
        assert_eq!(similarity, score);
        assert!(score < least.unwrap() && score.get() < 0.0);
    }

    /// One class with `count` samples of `view`.
    fn one_class(count: usize, mut view: impl FnMut(usize) -> std::vec::Vec<f32>) -> TestHead {
        let mut head = empty(HeadKind::Auto, 60, Limits { classes: 2, samples: count as u16 });
        head.set_false_rejection_rate(DEFAULT_FALSE_REJECTION_RATE).unwrap();
        let class = head.add_class("a").unwrap();
        for i in 0..count {
            head.add_sample(class, Embedding::Float(&view(i))).unwrap();
        }
        head
    }

    fn confidence(head: &mut TestHead, values: &[f32]) -> f32 {
        let mut out = [0.0; 1];
        head.fit().unwrap();
        head.probabilities(Embedding::Float(values), &mut out).unwrap();
        out[0]
    }

    /// Identical samples, the result of pressing the button many times at one scene.
    #[test]
    fn equal_samples_do_not_make_everything_else_unknown() {
        for count in [2, 5, 50] {
            let values = cluster(&mut Noise(1), 0, 60, 0.3);
            let mut head = one_class(count, |_| values.clone());
            head.fit().unwrap();
            let least = head.similarity(Embedding::Float(&values)).unwrap().1.unwrap().get();
            assert!((0.5..0.99).contains(&least), "{count}: {least}");
            assert!(confidence(&mut head, &values) > 0.5);
        }
    }

    /// First training samples of a session: with one class only, another thing must not be "98 %"
    /// that class.
    #[test]
    fn one_class_is_not_everything() {
        for count in [2, 3, 5, 20] {
            let mut noise = Noise(count as u64);
            let mut head = one_class(count, |_| cluster(&mut noise, 0, 60, 0.8));
            let mut mean = |class: usize| {
                let mut one = || confidence(&mut head, &cluster(&mut noise, class, 60, 0.8));
                (0..50).map(|_| one()).sum::<f32>() / 50.0
            };
            let own = mean(0);
            let others = [1, 2, 3].map(&mut mean);
            assert!(
                own > 0.6 && others.iter().all(|other| *other < 0.4),
                "{count}: {own}, {others:?}"
            );
        }
    }

    #[test]
    fn what_is_missing_to_one_is_unknown_and_one_quantity_decides() {
        for kind in HeadKind::ALL {
            let mut head = taught(kind, 3, 5, 60, 1.0);
            head.set_false_rejection_rate(DEFAULT_FALSE_REJECTION_RATE).unwrap();
            let mut noise = Noise(9);
            let mut out = [0.0; 3];
            // (is unknown, probability that it is known), for blends that are more and more like
            // another thing.
            let mut seen = std::vec::Vec::new();
            for step in 0..40 {
                let own = cluster(&mut noise, 1, 60, 1.0);
                let other = cluster(&mut noise, 7, 60, 1.0);
                let mix = step as f32 / 39.0;
                let values: std::vec::Vec<f32> =
                    own.iter().zip(&other).map(|(a, b)| a + mix * (b - a)).collect();
                head.fit().unwrap();
                let answer = head.probabilities(Embedding::Float(&values), &mut out).unwrap();
                let known: f32 = out.iter().sum();
                match answer {
                    Answer::Known { confidence, class, .. } => {
                        assert_eq!(out[class.index()], confidence.get(), "{kind}");
                    }
                    Answer::Unknown { .. } => assert!(known <= 0.5, "{kind}: {known}"),
                }
                seen.push((answer.known().is_none(), known));
            }
            let least = seen.iter().filter(|s| !s.0).map(|s| s.1).fold(1.0, f32::min);
            let most = seen.iter().filter(|s| s.0).map(|s| s.1).fold(0.0, f32::max);
            assert!(most > 0.0 && most <= least, "{kind}: {most}, {least}");
        }
    }

    /// A class mean of few samples lies off that of many: held-out samples seem farther away than
    /// they are.
    #[test]
    fn the_gain_of_one_more_sample_is_foreseen() {
        for (pairs, count) in [(0.3f32, 2.0f32), (0.5, 5.0), (0.9, 3.0)] {
            // |m|^2 = pairs, so the mean of `count` has the norm sqrt(pairs + (1 - pairs) / count).
            let length = (pairs + (1.0 - pairs) / count).sqrt();
            assert!((with_mean(pairs, count) - pairs / length).abs() < 1e-6);
            assert!(with_mean(pairs, count) > with_mean(pairs, count - 1.0));
        }
    }

    #[test]
    fn one_sample_says_a_little() {
        let mut head = empty(HeadKind::Auto, 2, Limits { classes: 2, samples: 4 });
        head.set_false_rejection_rate(0.05).unwrap();
        let class = head.add_class("a").unwrap();
        head.add_sample(class, Embedding::Float(&[1.0, 0.0])).unwrap();
        let opposite = Embedding::Float(&[-1.0, 0.0]);
        head.fit().unwrap();
        assert_eq!(head.classify(opposite).unwrap().known(), None);
        assert!(head.similarity(opposite).unwrap().1.is_some());
        assert_eq!(head.classify(Embedding::Float(&[1.0, 0.1])).unwrap().known(), Some(class));
        for wrong in [-0.1, 0.6, f32::NAN] {
            assert!(matches!(
                head.set_false_rejection_rate(wrong),
                Err(HeadError::FalseRejectionRateOutOfRange { .. })
            ));
        }
        assert_eq!(head.false_rejection_rate(), 0.05);
    }
}
