//! Evaluation of a head on its own samples, with advice to the user.
//!
//! No samples have to be set apart: every sample is held out in turn. Class means, ridge
//! regression, LDA and k-NN do so exactly (leave-one-out), softmax regression in fifths of each
//! class (cross-validation). Samples that are alone in their class are not evaluated.

mod heap_sort;

use core::cmp::Reverse;
use core::fmt;

use heap_sort::heap_sort;

use super::ClassId;
use super::fit::scores::{has_others, top};
use super::storage::views::{Kept, Solved, Work, count};

/// Number of samples below which a class gets advice.
const FEW: usize = 5;

/// Number of further samples of each class that the advice asks for.
const MORE: usize = 3;

/// Number of samples from which classes are confused for other reasons than too few samples.
const MANY: usize = 30;

/// Min number of mistakes of a class that is called costly.
const COSTLY: usize = 3;

/// Mark of a sample that was not evaluated.
const NOT_ASKED: u32 = u32::MAX;

/// Number of samples below which the accuracy of a class is clearly underestimated: on held-out
/// data sets it was 30 points too low at 2 samples per class, 10 at 5.
const ENOUGH: usize = 6;

/// Ratio of the samples of two classes from which they are uneven.
const UNEVEN: usize = 4;

/// Probability of another class from which a sample may be mislabelled.
const SUSPECT: f32 = 0.8;

/// Number of bins of the calibration error.
const BINS: usize = 10;

/// Results of the held-out samples.
///
/// Every sample is evaluated by a head without it: exactly for class means, ridge regression, LDA
/// and k-NN (leave-one-out), in fifths of each class for softmax regression. Samples that are alone
/// in their class are not evaluated.
#[derive(Clone, Copy)]
pub struct Report<'a> {
    kept: Kept<'a>,
    owners: &'a [u16],
    classes: usize,
    held_out: &'a [f32],
    inverse_temperature: f32,
    /// Prediction for each sample.
    said: &'a [u32],
    /// Number of samples of each class.
    counts: &'a [u32],
    /// Nonzero entries of the confusion matrix, in order of class and prediction.
    mix: &'a [Mix],
    /// Indices of confused pairs in `mix`, most confused first.
    confused: &'a [u32],
}

/// Class, prediction, and number of samples.
type Mix = [u32; 3];

impl fmt::Debug for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Report")
            .field("asked", &self.asked())
            .field("right", &self.right())
            .finish_non_exhaustive()
    }
}

/// Confidence interval of 95 % of a share.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Interval {
    /// Lower bound.
    pub low: f32,
    /// Upper bound.
    pub high: f32,
}

/// Advice to the user; displays as a sentence.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Advice<'a> {
    /// A class has few samples.
    FewSamples {
        /// Name of the class.
        class: &'a str,
        /// Number of its samples.
        count: usize,
    },
    /// Two classes are confused with each other.
    Confused {
        /// Name of one class.
        first: &'a str,
        /// Name of the other class.
        second: &'a str,
        /// Number of further samples of each to add; 0 if more samples would not help.
        more: usize,
        /// Number of samples of both that were taken for the other.
        mixed: usize,
        /// Number of samples of both.
        of: usize,
    },
    /// A class is taken for others far more often than other classes.
    Costly {
        /// Name of the class.
        class: &'a str,
        /// Number of its samples that were taken for others.
        wrong: usize,
        /// Number of its samples that were evaluated.
        of: usize,
        /// Name of the most frequent wrong prediction.
        mostly: &'a str,
    },
    /// The accuracy is underestimated: the held-out sample is missing in a small class.
    Pessimistic {
        /// Number of samples of the smallest class that was evaluated.
        least: usize,
    },
    /// The accuracy is mostly that of the large classes.
    Uneven {
        /// Name of the smallest class that was evaluated.
        small: &'a str,
        /// Number of its samples.
        least: usize,
        /// Name of the largest class.
        large: &'a str,
        /// Number of its samples.
        most: usize,
    },
    /// A sample looks like another class and may be mislabelled.
    Suspect {
        /// Index among [`Head::samples`](super::Head::samples), to remove it.
        sample: usize,
        /// Number within its class, from 1.
        number: usize,
        /// Name of its class.
        class: &'a str,
        /// Name of the class that it looks like.
        looks_like: &'a str,
    },
}

impl fmt::Display for Advice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FewSamples { class, count: 0 } => write!(f, "`{class}` has no samples"),
            Self::FewSamples { class, count: 1 } => write!(f, "`{class}` has 1 sample"),
            Self::FewSamples { class, count } => write!(f, "`{class}` has {count} samples"),
            Self::Confused { first, second, more: 0, mixed, of } => {
                write!(f, "`{first}` and `{second}` are confused, {mixed} of {of} samples: ")?;
                f.write_str("show what tells them apart, nearer or from other sides, or make them one class")
            }
            Self::Confused { first, second, more, .. } => {
                write!(f, "`{first}` and `{second}` are confused: show {more} more of each")
            }
            Self::Costly { class, wrong, of, mostly } => {
                write!(f, "`{class}` costs most: {wrong} of {of} samples are taken for others, ")?;
                write!(f, "most for `{mostly}`")
            }
            Self::Pessimistic { least } => write!(
                f,
                "the share right is too low for new samples, as held-out ones miss in classes of {least} \
                 (by 30 points at 2 samples, 10 at 5)"
            ),
            Self::Uneven { small, least, large, most } => write!(
                f,
                "`{large}` has {most} samples, `{small}` {least}: the share right is mostly that of `{large}`"
            ),
            Self::Suspect { number, class, looks_like, .. } => {
                write!(f, "sample {number} of `{class}` looks like `{looks_like}`")
            }
        }
    }
}

impl<'a> Report<'a> {
    /// Reads the results of a fitted head.
    pub(super) fn new(
        kept: Kept<'a>,
        solved: Solved<'a>,
        tally: Tally,
        inverse_temperature: f32,
    ) -> Self {
        let samples = solved.confused.len();
        let (said, mix) = solved.columns.split_at(samples);
        Self {
            kept,
            owners: &kept.owners[..samples],
            classes: solved.counts.len(),
            held_out: solved.held_out,
            inverse_temperature,
            said,
            counts: solved.counts,
            mix: &bytemuck::cast_slice(mix)[..tally.entries],
            confused: &solved.confused[..tally.confused],
        }
    }

    /// Returns the indices of the samples that were evaluated.
    fn places(&self) -> impl Iterator<Item = usize> + use<'a> {
        let said = self.said;
        (0..said.len()).filter(move |&i| said[i] != NOT_ASKED)
    }

    /// Number of samples that were evaluated.
    #[must_use]
    pub fn asked(&self) -> usize {
        self.places().count()
    }

    /// Number of samples that were classified correctly.
    #[must_use]
    pub fn right(&self) -> usize {
        self.places().filter(|&i| self.said[i] == u32::from(self.owners[i])).count()
    }

    /// Accuracy: the share of correct answers; `None` if no sample could be evaluated.
    #[must_use]
    pub fn accuracy(&self) -> Option<f32> {
        let asked = self.asked();
        (asked > 0).then(|| self.right() as f32 / asked as f32)
    }

    /// Confidence interval of 95 % of the accuracy on new samples, as far as these samples allow
    /// (Wilson 1927); 0 to 1 if none could be evaluated.
    #[must_use]
    pub fn interval(&self) -> Interval {
        let n = self.asked() as f32;
        let z2 = 1.96f32 * 1.96;
        let Some(p) = self.accuracy() else { return Interval { low: 0.0, high: 1.0 } };
        let middle = (p + z2 / (2.0 * n)) / (1.0 + z2 / n);
        let half = libm::sqrtf(z2 * (p * (1.0 - p) / n + z2 / (4.0 * n * n))) / (1.0 + z2 / n);
        // Rounding does not push the accuracy out of it.
        Interval { low: (middle - half).clamp(0.0, p), high: (middle + half).clamp(p, 1.0) }
    }

    /// Returns the held-out prediction for a sample and its probability; `None` for a sample that
    /// was not evaluated, or does not exist.
    #[must_use]
    pub fn answer(&self, sample: usize) -> Option<(ClassId, f32)> {
        if self.said.get(sample).is_none_or(|&said| said == NOT_ASKED) {
            return None;
        }
        let (class, best) = top(self.held_out, self.owners.len(), sample);
        let scores = self.held_out.iter().skip(sample).step_by(self.owners.len());
        let all: f32 =
            scores.map(|&score| libm::expf(self.inverse_temperature * (score - best))).sum();
        Some((ClassId(class as u16), 1.0 / all))
    }

    /// Number of samples of `own` that were classified as `said`: an entry of the confusion matrix.
    #[must_use]
    pub fn confusion(&self, own: ClassId, said: ClassId) -> usize {
        counted(self.mix, own.0.into(), said.0.into()) as usize
    }

    /// Expected calibration error: the mean difference between confidence and accuracy over ten
    /// bins of confidence, weighted by the number of answers in each. `None` if no sample could be
    /// evaluated.
    #[must_use]
    pub fn calibration_error(&self) -> Option<f32> {
        let mut bins = [(0.0f32, 0.0f32); BINS];
        for sample in self.places() {
            let Some((class, confidence)) = self.answer(sample) else { continue };
            let right = if class.0 == self.owners[sample] { 1.0 } else { 0.0 };
            let bin = &mut bins[((confidence * BINS as f32) as usize).min(BINS - 1)];
            *bin = (bin.0 + confidence, bin.1 + right);
        }
        let asked = self.asked();
        (asked > 0).then(|| bins.iter().map(|(c, r)| (c - r).abs()).sum::<f32>() / asked as f32)
    }

    /// Returns advice, most useful first within each sort: classes with few samples, the class that
    /// costs most, confused pairs, samples that look like another class; then reservations about
    /// the accuracy.
    pub fn advice(&self) -> impl Iterator<Item = Advice<'a>> + use<'a, '_> {
        let few = (0..self.classes).filter_map(|class| {
            let count = self.counts[class] as usize;
            (count < FEW).then(|| Advice::FewSamples { class: self.kept.name(class), count })
        });
        let confused = self.confused.iter().map(|&at| self.confused_pair(self.mix[at as usize]));
        let suspects = self.places().filter_map(|sample| self.suspect(sample));
        few.chain(self.costly()).chain(confused).chain(suspects).chain(self.doubts())
    }

    /// Returns reservations about the accuracy.
    fn doubts(&self) -> impl Iterator<Item = Advice<'a>> + use<'a> {
        let kept = self.kept;
        let counts = self.counts;
        let asked = || (0..self.classes).filter(|&class| counts[class] > 1);
        let small = asked().min_by_key(|&class| counts[class]);
        let large = asked().max_by_key(|&class| counts[class]);
        let [least, most] =
            [small, large].map(|class| class.map_or(0, |class| counts[class] as usize));
        let is_low = least > 0 && least < ENOUGH && self.right() < self.asked();
        let is_uneven = least > 0 && most >= UNEVEN * least;
        let uneven = small.zip(large).filter(|_| is_uneven).map(|(small, large)| Advice::Uneven {
            small: kept.name(small),
            least,
            large: kept.name(large),
            most,
        });
        is_low.then_some(Advice::Pessimistic { least }).into_iter().chain(uneven)
    }

    fn confused_pair(&self, [own, said, count]: Mix) -> Advice<'a> {
        let first = own.min(said) as usize;
        let second = own.max(said) as usize;
        let least = self.counts[first].min(self.counts[second]) as usize;
        Advice::Confused {
            first: self.kept.name(first),
            second: self.kept.name(second),
            more: if least < MANY { MORE } else { 0 },
            mixed: (count + counted(self.mix, said, own)) as usize,
            of: (self.counts[first] + self.counts[second]) as usize,
        }
    }

    /// Returns the class with most mistakes, of at least three classes, if it stands out.
    fn costly(&self) -> Option<Advice<'a>> {
        let wrong = |own: u32| {
            let others = self.of_class(own).iter().filter(|[_, said, _]| *said != own);
            others.map(|[.., count]| *count as usize).sum::<usize>()
        };
        let all = self.asked() - self.right();
        let worst = (0..self.classes as u32).max_by_key(|&own| (wrong(own), Reverse(own)))?;
        let mistakes = wrong(worst);
        // Twice an even share of all mistakes.
        let stands_out = self.classes > 2 && mistakes * self.classes >= 2 * all;
        if mistakes < COSTLY || !stands_out {
            return None;
        }
        let taken = self.of_class(worst).iter().filter(|[_, said, _]| *said != worst);
        let &[_, mostly, _] = taken.max_by_key(|[_, said, count]| (*count, Reverse(*said)))?;
        Some(Advice::Costly {
            class: self.kept.name(worst as usize),
            wrong: mistakes,
            of: self.counts[worst as usize] as usize,
            mostly: self.kept.name(mostly as usize),
        })
    }

    /// Returns the confusion matrix entries of one class.
    fn of_class(&self, own: u32) -> &'a [Mix] {
        let from = self.mix.partition_point(|[class, ..]| *class < own);
        let rest = &self.mix[from..];
        &rest[..rest.partition_point(|[class, ..]| *class == own)]
    }

    fn suspect(&self, sample: usize) -> Option<Advice<'a>> {
        let owner = self.owners[sample];
        let (class, probability) = self.answer(sample)?;
        let number = count(&self.owners[..=sample], owner);
        (class.0 != owner && probability >= SUSPECT).then(|| Advice::Suspect {
            sample,
            number,
            class: self.kept.name(owner.into()),
            looks_like: self.kept.name(class.index()),
        })
    }
}

/// Sizes of the results that a fit leaves in the head's memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tally {
    /// Number of nonzero entries of the confusion matrix.
    entries: usize,
    /// Number of confused pairs of classes.
    confused: usize,
}

impl Tally {
    /// Counts the held-out predictions of a fitted head in its scratch memory, for [`Report::new`].
    pub fn count(kept: &Kept<'_>, work: &mut Work<'_>) -> Self {
        let samples = work.similarities.len();
        let owners = &kept.owners[..samples];
        let (said, mix) = work.columns.split_at_mut(samples);
        let said: &mut [u32] = bytemuck::cast_slice_mut(said);
        let mix: &mut [Mix] = bytemuck::cast_slice_mut(mix);
        let confused: &mut [u32] = bytemuck::cast_slice_mut(work.similarities);
        let mut entries = 0;
        for (i, said) in said.iter_mut().enumerate() {
            *said = NOT_ASKED;
            if has_others(owners, i) {
                *said = top(work.held_out, samples, i).0 as u32;
                mix[entries] = [owners[i].into(), *said, 1];
                entries += 1;
            }
        }
        let entries = merge_equal(&mut mix[..entries]);
        let confused = find_confused(&mix[..entries], work.counts, confused);
        Self { entries, confused }
    }
}

/// Writes the indices of confused pairs to the front of `out`, most confused first; returns their
/// number.
fn find_confused(mix: &[Mix], counts: &[u32], out: &mut [u32]) -> usize {
    let mut found = 0;
    for (at, &[own, said, count]) in mix.iter().enumerate() {
        let back = counted(mix, said, own);
        // Once per pair, from the class that came first, or from the only side with mistakes.
        let is_first = own < said || (own > said && back == 0);
        let of = counts[own as usize] + counts[said as usize];
        if is_first && are_confused(count + back, of) {
            out[found] = at as u32;
            found += 1;
        }
    }
    heap_sort(&mut out[..found], |&a, &b| rank(mix, a) < rank(mix, b));
    found
}

/// Returns the key that sorts a confused pair: most confused first, then in order of the classes.
fn rank(mix: &[Mix], at: u32) -> (Reverse<u32>, u32, u32) {
    let [own, said, count] = mix[at as usize];
    (Reverse(count + counted(mix, said, own)), own.max(said), own.min(said))
}

/// Sorts the entries and merges equal ones; returns their number.
fn merge_equal(all: &mut [Mix]) -> usize {
    heap_sort(all, |a, b| a < b);
    let mut kept = 0usize;
    for at in 0..all.len() {
        let entry = all[at];
        match kept.checked_sub(1).map(|last| &mut all[last]) {
            Some(last) if last[..2] == entry[..2] => last[2] += entry[2],
            _ => {
                all[kept] = entry;
                kept += 1;
            }
        }
    }
    kept
}

/// Number of samples of `own` that were classified as `said`.
fn counted(mix: &[Mix], own: u32, said: u32) -> u32 {
    let found = mix.binary_search_by_key(&(own, said), |&[own, said, _]| (own, said));
    found.map_or(0, |at| mix[at][2])
}

/// Returns true if at least two, and at least a tenth of both, were taken for the other.
fn are_confused(mixed: u32, of: u32) -> bool {
    mixed >= 2 && 10 * u64::from(mixed) >= u64::from(of)
}

#[cfg(test)]
mod tests {
    use std::string::{String, ToString};
    use std::vec::Vec;

    use super::super::testing::{Noise, TestHead, cluster, empty, taught};
    use super::super::{AskError, HeadKind, Limits};
    use super::*;
    use crate::embedding::Embedding;

    fn advice(head: &mut TestHead) -> Vec<String> {
        head.fit().unwrap();
        head.report().unwrap().advice().map(|advice| advice.to_string()).collect()
    }

    /// Adds `count` samples from cluster `looks` as class `name`.
    fn show(head: &mut TestHead, name: &str, looks: usize, count: usize, seed: u64) {
        let class = head.class_named(name).unwrap_or_else(|| head.add_class(name).unwrap());
        let mut noise = Noise(seed);
        for _ in 0..count {
            let values = cluster(&mut noise, looks, 40, 0.6);
            head.add_sample(class, Embedding::Float(&values)).unwrap();
        }
    }

    #[test]
    fn neighbours_and_class_means_are_asked_as_if_they_had_not_seen_the_sample() {
        for kind in [HeadKind::NearestMean, HeadKind::Knn] {
            let mut head = taught(kind, 3, 4, 12, 1.5);
            let samples = head.sample_count();
            head.fit().unwrap();
            for sample in 0..samples {
                let said = head.report().unwrap().answer(sample).unwrap().0;
                let mut other = taught(kind, 3, 4, 12, 1.5);
                let values: Vec<f32> = head.samples().nth(sample).unwrap().1.iter().collect();
                other.remove_sample(sample).unwrap();
                other.fit().unwrap();
                assert_eq!(
                    other.classify(Embedding::Float(&values)).unwrap().class(),
                    said,
                    "{kind} {sample}"
                );
            }
        }
    }

    #[test]
    fn numbers_add_up() {
        for kind in HeadKind::ALL {
            let mut head = taught(kind, 3, 8, 12, 2.0);
            let lone = head.add_class("lone").unwrap();
            head.add_sample(lone, Embedding::Float(&[1.0; 12])).unwrap();
            head.fit().unwrap();
            let report = head.report().unwrap();
            assert_eq!(report.asked(), 24, "{kind}");
            let ids = [0, 1, 2, 3].map(ClassId);
            let all: usize = ids.iter().flat_map(|&a| ids.map(|b| report.confusion(a, b))).sum();
            let diagonal: usize = ids.iter().map(|&a| report.confusion(a, a)).sum();
            assert_eq!((all, diagonal), (24, report.right()), "{kind}");
            let low = report.interval().low;
            let high = report.interval().high;
            let accuracy = report.accuracy().unwrap();
            assert!(
                low < accuracy && accuracy <= high && high - low < 0.45,
                "{kind} {low} {accuracy} {high}"
            );
            assert!((0.0..=1.0).contains(&report.calibration_error().unwrap()));
            assert_eq!((report.answer(24), report.answer(25)), (None, None));
        }
    }

    #[test]
    fn intervals_are_wilsons() {
        let mut head = taught(HeadKind::NearestMean, 2, 10, 40, 0.1);
        head.fit().unwrap();
        let report = head.report().unwrap();
        assert_eq!((report.right(), report.asked()), (20, 20));
        // 20 of 20: 1 / (1 + 1.96^2 / 20).
        assert!((report.interval().low - 0.8389).abs() < 1e-3 && report.interval().high == 1.0);
    }

    #[test]
    fn advice_names_what_a_person_can_do() {
        for kind in HeadKind::ALL {
            let mut head = empty(kind, 40, Limits { classes: 6, samples: 60 });
            assert_eq!(head.report().err(), Some(AskError::NothingTaught));
            show(&mut head, "mug", 0, 9, 1);
            show(&mut head, "plant", 2, 6, 3);
            assert_eq!(advice(&mut head), [""; 0], "{kind}");
            // Confused classes, a class with too few samples, and a mislabelled sample.
            show(&mut head, "cup", 0, 9, 2);
            show(&mut head, "key", 3, 2, 4);
            show(&mut head, "plant", 3, 1, 5);
            show(&mut head, "key", 3, 4, 6);
            head.add_class("pen").unwrap();
            let said = advice(&mut head);
            assert!(said.contains(&"`pen` has no samples".to_string()), "{kind} {said:?}");
            let pair = "`mug` and `cup` are confused: show 3 more of each".to_string();
            assert!(said.contains(&pair), "{kind} {said:?}");
            let mistake = "sample 7 of `plant` looks like `key`".to_string();
            assert!(said.contains(&mistake), "{kind} {said:?}");
        }
    }

    #[test]
    fn a_share_that_is_too_low_or_uneven_is_told() {
        let mut head = empty(HeadKind::NearestMean, 40, Limits { classes: 2, samples: 40 });
        show(&mut head, "mug", 0, 2, 1);
        show(&mut head, "cup", 0, 2, 2);
        head.fit().unwrap();
        let report = head.report().unwrap();
        assert!(report.right() < report.asked());
        let low = advice(&mut head);
        assert!(low.last().unwrap().contains("too low for new samples"), "{low:?}");
        show(&mut head, "cup", 0, 10, 3);
        let uneven = advice(&mut head);
        let words = "`cup` has 12 samples, `mug` 2: the share right is mostly that of `cup`";
        assert_eq!(uneven.last().unwrap(), words, "{uneven:?}");
        show(&mut head, "mug", 0, 10, 4);
        assert!(!advice(&mut head).iter().any(|text| text.contains("share right")));
    }

    #[test]
    fn many_samples_get_other_advice_than_more_of_them() {
        let mut head = empty(HeadKind::NearestMean, 40, Limits { classes: 4, samples: 200 });
        show(&mut head, "mug", 0, 50, 1);
        show(&mut head, "cup", 0, 50, 2);
        show(&mut head, "pen", 3, 50, 3);
        show(&mut head, "key", 4, 50, 4);
        let said = advice(&mut head);
        let pair =
            said.iter().find(|said| said.starts_with("`mug` and `cup` are confused, ")).unwrap();
        assert!(pair.contains(" of 100 samples: show what tells them apart"), "{said:?}");
        let costly = said.iter().find(|said| said.contains(" costs most: ")).unwrap();
        assert!(costly.contains(" of 50 samples are taken for others, most for `"), "{said:?}");
        assert!(!said.iter().any(|said| said.contains("more of each")), "{said:?}");
    }

    /// A thousand classes: must take no time, once it took minutes.
    #[test]
    fn a_report_of_a_thousand_classes_takes_no_time() {
        let classes = 1000;
        let shots = 3;
        let mut head =
            empty(HeadKind::NearestMean, 16, Limits { classes, samples: classes * shots });
        let mut noise = Noise(1);
        for i in 0..usize::from(classes * shots) {
            let class = i % usize::from(classes);
            if i < usize::from(classes) {
                head.add_class(&std::format!("c{i}")).unwrap();
            }
            let values = cluster(&mut noise, class, 16, 0.8);
            head.add_sample(head.class_at(class).unwrap(), Embedding::Float(&values)).unwrap();
        }
        head.fit().unwrap();
        let start = std::time::Instant::now();
        head.fit().unwrap();
        let report = head.report().unwrap();
        let mixed = |own, said| report.confusion(ClassId(own), ClassId(said));
        let all: usize =
            (0..classes).map(|own| (0..classes).map(|said| mixed(own, said)).sum::<usize>()).sum();
        assert_eq!(all, report.asked());
        assert!(report.advice().count() > 100);
        assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
    }
}
