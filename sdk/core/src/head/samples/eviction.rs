//! Eviction: exemplar selection of a full buffer, and the sums of evicted samples.

use core::cmp::Reverse;

use crate::head::Head;
use crate::head::linalg::vector::unit;
use crate::head::storage::Memory;
use crate::head::storage::views::{Kept, View, count};

/// Policy of a full head for one more sample.
///
/// The policies that evict keep the classes balanced: a sample of a largest class goes, which may
/// be the new sample itself. An evicted sample stays in the sum of its class
/// ([`Head::forget_left_out`]), so that class means are always those of all samples seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum WhenFull {
    /// Refuse the new sample.
    Refuse = 0,
    /// Class-balancing reservoir sampling (Chrysakis and Moens 2020): of a class, each sample ever
    /// seen is kept with the same probability. The pseudorandom choice is a function of the number
    /// of samples seen.
    Reservoir = 1,
    /// Herding (Welling 2009; iCaRL, Rebuffi et al. 2017), one sample at a time: keep the samples
    /// whose mean is nearest to the mean of all samples seen. The evicted sample is the one without
    /// which the mean of the others comes nearest to that of the class. Up to twelve points better
    /// than reservoir sampling with few kept samples: `examples/herding.py`.
    #[default]
    Herding = 2,
}

impl WhenFull {
    /// All policies.
    pub const ALL: [Self; 3] = [Self::Refuse, Self::Reservoir, Self::Herding];
}

/// Eviction policy of full heads.
impl<M: Memory> Head<M> {
    /// Returns the policy for a sample that finds the head full.
    pub fn when_full(&self) -> WhenFull {
        self.when_full
    }

    /// Sets the policy for a sample that finds the head full; the default is [`WhenFull::Herding`].
    pub fn set_when_full(&mut self, when_full: WhenFull) {
        self.when_full = when_full;
    }

    /// Forgets the evicted samples: the head is then, bit for bit, one that has seen the kept
    /// samples only. (Their selection did depend on the others.)
    pub fn forget_left_out(&mut self) {
        let classes = self.classes;
        let mut kept = self.layout.kept_mut(self.memory.words_mut());
        kept.seen[..classes].fill(0);
        kept.clear_sums(0..classes);
        for sample in 0..self.samples {
            kept.count_in(sample);
        }
        self.last = None;
        self.fitted = None;
    }

    /// Selects the sample of a full head to evict; the new one behind the others is a candidate.
    pub(crate) fn surplus(&mut self) -> usize {
        let policy = self.when_full;
        let new = self.samples;
        let classes = self.classes as u16;
        // The last part of the embeddings decides, which every kind of head reads.
        let (kept, work) = self.layout.split_view(self.memory.words_mut(), View::Last);
        let owners = &kept.owners[..=new];
        // A largest class other than the new sample's is preferred over one of the same size.
        let size = |class: u16| (count(owners, class), class != owners[new], Reverse(class));
        let from = (0..classes).max_by_key(|&class| size(class)).unwrap_or(owners[new]);
        let mut members = (0..=new).filter(|&sample| owners[sample] == from);
        let goes = match policy {
            WhenFull::Herding => {
                let held: &mut [i32] = bytemuck::cast_slice_mut(&mut work.weights[..kept.dim()]);
                most_dispensable(&kept, from, members, held)
            }
            WhenFull::Refuse | WhenFull::Reservoir => {
                let shown = kept.seen[..usize::from(classes)]
                    .iter()
                    .fold(0u32, |sum, &seen| sum.wrapping_add(seen));
                // All samples ever seen are equally likely; an index beyond the kept ones is the
                // new sample's.
                let most = match from == owners[new] {
                    true => u64::from(kept.seen[usize::from(from)]),
                    false => count(owners, from) as u64,
                };
                members.nth((mix(u64::from(shown)) % most.max(1)) as usize)
            }
        };
        goes.unwrap_or(new)
    }
}

/// Selects the sample of a class without which the mean of the others comes nearest to the mean of
/// all samples that the class has seen; the oldest of equals.
///
/// With `n` seen of sum `S` and `c` to keep of sum `H - u`, that is the least `|c S - n (H - u)|`.
/// Without the terms that are the same for every `u` it is `sum of u * (2 (c S - n H) + n u)`, in
/// integers: each factor is below 2^51, so that a sum of 65,535 products fits.
fn most_dispensable(
    kept: &Kept<'_>,
    class: u16,
    members: impl Iterator<Item = usize> + Clone,
    held: &mut [i32],
) -> Option<usize> {
    let unit = |sample: usize| {
        let (codes, zero) = kept.sample(sample);
        unit(codes, zero, kept.inverses[sample])
    };
    held.fill(0);
    for sample in members.clone() {
        held.iter_mut().zip(unit(sample)).for_each(|(sum, x)| *sum += x);
    }
    let class = usize::from(class);
    let shown = i64::from(kept.seen[class]);
    let others = members.clone().count() as i64 - 1;
    let gap = |sample: &usize| -> i128 {
        let both = kept.sum(class).iter().zip(&*held).zip(unit(*sample));
        let product = |((&all, &held), x): ((&i32, &i32), i32)| {
            let apart = others * i64::from(all) - shown * i64::from(held);
            i128::from(x) * i128::from(2 * apart + shown * i64::from(x))
        };
        both.map(product).sum()
    };
    members.min_by_key(gap)
}

/// Mixes bits by SplitMix64: pseudorandom numbers that are the same everywhere.
fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;
    use std::{format, vec};

    use super::*;
    use crate::embedding::Embedding;
    use crate::head::testing::{Noise, TestHead, cluster, empty, fingerprint};
    use crate::head::{ClassId, HeadKind, Limits, MAX_SHOWN, SampleError};

    fn encoded(head: &TestHead) -> Vec<u8> {
        let mut bytes = vec![0; head.encoded_len()];
        head.encode(&mut bytes).unwrap();
        bytes
    }

    fn full(when_full: WhenFull, classes: u16, samples: u16) -> TestHead {
        let mut head = empty(HeadKind::Ridge, 6, Limits { classes, samples });
        head.set_when_full(when_full);
        for class in 0..classes {
            head.add_class(&format!("{class}")).unwrap();
        }
        head
    }

    #[test]
    fn a_reservoir_keeps_classes_even_and_every_sample_as_likely_as_the_next() {
        let mut kept = [0i32; 7];
        for seed in 0..300u64 {
            let mut head = full(WhenFull::Reservoir, 2, 12);
            // The choice is a function of the number of samples seen, which must vary here.
            head.layout.kept_mut(&mut *head.memory).seen[1] = 200 * seed as u32;
            // Two of class 1 and, around them, 60 of class 0 with their number as a value.
            for i in 0..60u64 {
                let value = [1.0 + i as f32, 60.0, 0.0, 1.0, 0.0, 0.0];
                head.add_sample(ClassId(0), Embedding::Float(&value)).unwrap();
                if i % 30 == 7 {
                    head.add_sample(ClassId(1), Embedding::Float(&value)).unwrap();
                }
            }
            assert_eq!((head.sample_count(), head.samples_of(ClassId(1))), (12, 2));
            assert_eq!(head.shown_of(ClassId(0)), 60);
            for (_, embedding) in head.samples().filter(|(class, _)| class.index() == 0) {
                kept[(embedding.get(0).unwrap() - 0.9) as usize / 10] += 1;
            }
        }
        // Neither the first nor the last ten are much favoured.
        let tens = &kept[..6];
        let mean = tens.iter().sum::<i32>() / 6;
        assert!(mean == 500 && tens.iter().all(|t| (t - mean).abs() < mean / 5), "{tens:?}");
    }

    fn unit(values: impl Iterator<Item = f32>) -> Vec<f64> {
        let values: Vec<f64> = values.map(f64::from).collect();
        let length = values.iter().map(|x| x * x).sum::<f64>().sqrt();
        values.iter().map(|x| x / length).collect()
    }

    /// Reference of herding in plain f64, on the stored form of the embeddings.
    #[test]
    fn herding_keeps_the_mean_of_all_that_was_shown() {
        let dim = 16;
        let room = 5;
        let mut head = empty(HeadKind::Knn, dim, Limits { classes: 1, samples: room as u16 });
        let mut reservoir = empty(HeadKind::Knn, dim, head.limits());
        reservoir.set_when_full(WhenFull::Reservoir);
        let class = head.add_class("a").unwrap();
        reservoir.add_class("a").unwrap();
        let mut noise = Noise(4);
        let mut kept = Vec::<Vec<f64>>::new();
        let mut total = vec![0.0; dim];
        let plus = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a + b).collect::<Vec<f64>>();
        let sum = |rows: &[Vec<f64>]| rows.iter().fold(vec![0.0; dim], |sum, row| plus(&sum, row));
        for shown in 1..=60 {
            let values = cluster(&mut noise, 0, dim, 2.0);
            reservoir.add_sample(class, Embedding::Float(&values)).unwrap();
            let quant = Embedding::Float(&values).own_quant();
            let as_kept = unit(values.iter().map(|&x| quant.dequantize(quant.quantize(x))));
            head.add_sample(class, Embedding::Float(&values)).unwrap();
            total = plus(&total, &as_kept);
            kept.push(as_kept);
            if kept.len() > room {
                let held = sum(&kept);
                let apart = |row: &Vec<f64>| -> f64 {
                    let rest = total.iter().zip(held.iter().zip(row));
                    rest.map(|(t, (h, x))| (t / f64::from(shown) - (h - x) / room as f64).powi(2))
                        .sum()
                };
                let goes =
                    (0..kept.len()).min_by(|&a, &b| apart(&kept[a]).total_cmp(&apart(&kept[b])));
                kept.remove(goes.unwrap());
            }
            let ours: Vec<Vec<f64>> = head.samples().map(|(_, e)| unit(e.iter())).collect();
            assert_eq!(ours.len(), kept.len());
            let worst =
                ours.iter().flatten().zip(kept.iter().flatten()).map(|(a, b)| (a - b).abs());
            assert!(worst.fold(0.0, f64::max) < 1e-6, "{shown}");
        }
        let gap = |head: &TestHead| -> f64 {
            let rows: Vec<Vec<f64>> = head.samples().map(|(_, e)| unit(e.iter())).collect();
            let pairs = sum(&rows).into_iter().zip(&total);
            pairs.map(|(held, total)| (held / room as f64 - total / 60.0).powi(2)).sum()
        };
        assert!(gap(&head) < 0.5 * gap(&reservoir), "{} {}", gap(&head), gap(&reservoir));
    }

    /// Reference values for every processor: CI runs this on two.
    #[test]
    fn what_is_kept_is_the_same_everywhere() {
        let digests = [WhenFull::Reservoir, WhenFull::Herding].map(|when_full| {
            let mut head = full(when_full, 3, 10);
            let mut noise = Noise(3);
            for i in 0..100 {
                let values = cluster(&mut noise, i % 3, 6, 1.0);
                head.add_sample(ClassId(i as u16 % 3), Embedding::Float(&values)).unwrap();
            }
            crate::checksum::hash(&encoded(&head)[..head.encoded_len() - 4])
        });
        assert_eq!(digests, [1_249_578_097, 2_197_638_297]);
    }

    #[test]
    fn undo_brings_back_what_was_pushed_out() {
        for when_full in [WhenFull::Reservoir, WhenFull::Herding] {
            let mut head = full(when_full, 3, 9);
            let mut noise = Noise(6);
            let mut replaced = 0;
            let mut left_out = 0;
            for i in 0..80 {
                let values = cluster(&mut noise, i % 2, 6, 1.0);
                // Mostly two classes; the third comes late.
                let class = ClassId(if i > 50 { 2 } else { i as u16 % 2 });
                let before = encoded(&head);
                let bits = (i > 0).then(|| fingerprint(&mut head));
                head.add_sample(class, Embedding::Float(&values)).unwrap();
                match head.last {
                    Some(9) => left_out += 1,
                    Some(_) => replaced += 1,
                    None => assert!(i < 9),
                }
                let after = encoded(&head);
                assert_eq!(head.undo(), Some(class));
                assert_eq!(encoded(&head), before, "{i}");
                assert!(bits.is_none_or(|bits| fingerprint(&mut head) == bits), "{i}");
                head.add_sample(class, Embedding::Float(&values)).unwrap();
                assert_eq!(encoded(&head), after, "the same choice again");
            }
            assert!(replaced > 10 && left_out > 5, "{replaced} {left_out}");
            assert_eq!([0, 1, 2].map(|c| head.samples_of(ClassId(c))), [3, 3, 3]);
        }
    }

    /// Removed samples are out of the sums, exactly; evicted ones go with their class or on demand.
    #[test]
    fn sums_are_those_of_what_was_shown_and_not_taken_back() {
        for when_full in [WhenFull::Reservoir, WhenFull::Herding] {
            let mut head = full(when_full, 3, 9);
            let mut noise = Noise(5);
            let mut want = [[0i64; 6]; 3];
            let unit_of = |head: &TestHead, sample: usize| -> Vec<i64> {
                let kept = head.kept();
                let (codes, zero) = kept.sample(sample);
                super::unit(codes, zero, kept.inverses[sample]).map(i64::from).collect()
            };
            for i in 0..200 {
                let class = noise.bits() as usize % 3;
                head.add_sample(
                    ClassId(class as u16),
                    Embedding::Float(&cluster(&mut noise, class, 6, 1.0)),
                )
                .unwrap();
                // The last sample seen lies behind the others if it was evicted itself.
                let place = if head.last == Some(9) { 9 } else { head.sample_count() - 1 };
                let shown = unit_of(&head, place);
                want[class].iter_mut().zip(shown).for_each(|(sum, x)| *sum += x);
                if i % 3 == 0 {
                    let place = noise.bits() as usize % head.sample_count();
                    let gone = unit_of(&head, place);
                    let owner = head.remove_sample(place).unwrap().index();
                    want[owner].iter_mut().zip(gone).for_each(|(sum, x)| *sum -= x);
                }
                for (class, want) in want.iter().enumerate() {
                    assert!(
                        head.kept()
                            .sum(class)
                            .iter()
                            .map(|&s| i64::from(s))
                            .eq(want.iter().copied()),
                        "{i}"
                    );
                }
            }
            head.remove_class(ClassId(1)).unwrap();
            assert!(head.kept().sum(1).iter().map(|&s| i64::from(s)).eq(want[2].iter().copied()));
            let again = head.add_class("again").unwrap();
            assert!(head.kept().sum(again.index()).iter().all(|&sum| sum == 0));
        }
    }

    #[test]
    fn what_was_left_out_can_be_forgotten() {
        for kind in HeadKind::ALL {
            let mut head = empty(kind, 6, Limits { classes: 2, samples: 8 });
            let mut fresh = empty(kind, 6, Limits { classes: 2, samples: 8 });
            for name in ["a", "b"] {
                head.add_class(name).unwrap();
                fresh.add_class(name).unwrap();
            }
            let mut noise = Noise(5);
            for i in 0..40 {
                let values = cluster(&mut noise, i % 2, 6, 1.0);
                head.add_sample(ClassId(i as u16 % 2), Embedding::Float(&values)).unwrap();
            }
            assert_eq!((head.shown_of(ClassId(1)), head.samples_of(ClassId(1))), (20, 4));
            head.fit().unwrap();
            head.forget_left_out();
            for (class, embedding) in head.samples() {
                fresh.add_sample(class, embedding).unwrap();
            }
            assert_eq!(encoded(&head), encoded(&fresh));
            assert_eq!(fingerprint(&mut head), fingerprint(&mut fresh), "{kind}");
        }
    }

    #[test]
    fn a_class_is_shown_no_more_than_can_be_counted() {
        let mut head = full(WhenFull::Herding, 1, 2);
        let add = |head: &mut TestHead| {
            head.add_sample(ClassId(0), Embedding::Float(&[1.0, 0.0, 0.0, 0.0, 0.0, 0.0]))
        };
        for _ in 0..MAX_SHOWN {
            add(&mut head).unwrap();
        }
        // Max of a sum.
        assert_eq!(head.kept().sum(0)[0], 65_535 * 32_768);
        let before = encoded(&head);
        assert_eq!(add(&mut head), Err(SampleError::TooManyShown { limit: MAX_SHOWN }));
        assert_eq!(encoded(&head), before);
        assert!(head.undo().is_some() && add(&mut head).is_ok());
    }
}
