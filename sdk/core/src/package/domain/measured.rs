//! Measurement of a calibration set, and the bytes that state it.

use alloc::vec::Vec;

use super::{MOST_DEPTHS, QUANTILES};
use crate::graph::TensorId;
use crate::statistics::{Appearance, Measure};

/// Number of parts that samples are divided into; each is measured by the others.
const FOLDS: usize = 8;

/// Least number of samples: two for each part.
const LEAST: usize = 2 * FOLDS;

/// Least deviation of a value, as a share of the root mean square of its depth's: values that hardly
/// vary among the samples do not decide a distance.
const FLAT: f64 = 0.25;

/// Values of the samples at one depth.
#[derive(Debug, Clone, Copy)]
pub struct DepthSamples<'a> {
    /// Tensor of the graph; the last one is its output.
    pub tensor: TensorId,
    /// Number of values of a sample.
    pub len: usize,
    /// Values, sample by sample.
    pub values: &'a [f32],
}

/// Statistics of a calibration set, as bytes for [`with_domain`](crate::package::with_domain).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measured(Vec<u8>);

impl Measured {
    /// Measures a calibration set: the statistics of its images (none for texts), and the values at
    /// each depth, in the order of their tensors.
    ///
    /// [`None`] for fewer than 16 samples, which say little, and for values that are not finite.
    /// Sums have a fixed order: the same bits on every processor.
    ///
    /// # Panics
    ///
    /// If there are no depths or more than 16, or they have other numbers of samples.
    #[must_use]
    pub fn of(images: &[Appearance], depths: &[DepthSamples<'_>]) -> Option<Self> {
        assert!((1..=MOST_DEPTHS).contains(&depths.len()), "1 to {MOST_DEPTHS} depths");
        let samples = depths[0].values.len() / depths[0].len.max(1);
        let is_alike = |depth: &DepthSamples<'_>| depth.values.len() == samples * depth.len;
        assert!(depths.iter().all(is_alike), "each depth has a row for each sample");
        assert!(images.is_empty() || images.len() == samples, "one for each sample");
        let is_finite = depths.iter().all(|depth| depth.values.iter().all(|x| x.is_finite()));
        if samples < LEAST || !is_finite {
            return None;
        }
        let count = u16::try_from(samples).unwrap_or(u16::MAX);
        let measures = if images.is_empty() { 0 } else { Measure::ALL.len() };
        let mut bytes = Vec::from(count.to_le_bytes());
        bytes.extend([measures as u8, depths.len() as u8]);
        for measure in Measure::ALL.iter().take(measures) {
            let values = images.iter().map(|image| image.get(*measure)).collect();
            push_distribution(&mut bytes, values);
        }
        depths.iter().for_each(|depth| push_depth(&mut bytes, depth));
        Some(Self(bytes))
    }

    /// Returns the bytes of the section.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Means and deviations of the rows that `takes` their index.
fn moments(depth: &DepthSamples<'_>, takes: impl Fn(usize) -> bool) -> Vec<(f64, f64)> {
    let mut sums = alloc::vec![(0.0, 0.0); depth.len];
    let mut count = 0.0;
    for (index, row) in depth.values.chunks_exact(depth.len).enumerate() {
        if takes(index) {
            count += 1.0;
            for ((sum, square), &x) in sums.iter_mut().zip(row) {
                *sum += f64::from(x);
                *square += f64::from(x) * f64::from(x);
            }
        }
    }
    let mut total = 0.0;
    for (mean, deviation) in &mut sums {
        *mean /= count;
        let variance = *deviation / count - *mean * *mean;
        *deviation = if variance > 0.0 { variance } else { 0.0 };
        total += *deviation;
    }
    let least = FLAT * libm::sqrt(total / depth.len as f64);
    for (_, deviation) in &mut sums {
        *deviation = libm::sqrt(*deviation);
        if *deviation < least {
            *deviation = least;
        }
    }
    sums
}

fn push_depth(bytes: &mut Vec<u8>, depth: &DepthSamples<'_>) {
    let all = moments(depth, |_| true);
    let peak = all.iter().fold(0.0, |peak: f64, (mean, deviation)| {
        let mean = if *mean < 0.0 { -mean } else { *mean };
        let own = if mean > *deviation { mean } else { *deviation };
        if own > peak { own } else { peak }
    });
    let scale = (peak / f64::from(i16::MAX)) as f32;
    // Values that are all zero, or too large for a scale.
    let scale = if scale.is_normal() { scale } else { f32::MIN_POSITIVE };
    bytes.extend(depth.tensor.to_le_bytes());
    bytes.extend((depth.len as u16).to_le_bytes());
    bytes.extend(scale.to_le_bytes());
    push_distribution(bytes, held_out(depth));
    for (mean, deviation) in all {
        let mean = libm::round(mean / f64::from(scale)) as i16;
        let deviation = libm::round(deviation / f64::from(scale)) as u16;
        bytes.extend(mean.to_le_bytes());
        bytes.extend(deviation.max(1).to_le_bytes());
    }
}

/// Distances of the samples, each measured by those of the other parts.
fn held_out(depth: &DepthSamples<'_>) -> Vec<f32> {
    let rows = depth.values.len() / depth.len;
    let mut distances = alloc::vec![0.0; rows];
    for fold in 0..FOLDS {
        let others = moments(depth, |index| index % FOLDS != fold);
        for index in (fold..rows).step_by(FOLDS) {
            let row = &depth.values[index * depth.len..][..depth.len];
            let mut sum = 0.0;
            for ((mean, deviation), &x) in others.iter().zip(row) {
                // Values that do not vary at all do not count.
                if *deviation > 0.0 {
                    let z = (f64::from(x) - mean) / deviation;
                    sum += z * z;
                }
            }
            distances[index] = libm::sqrt(sum / depth.len as f64) as f32;
        }
    }
    distances
}

/// Appends the ends and the sixteenths of a distribution, linear between its numbers.
fn push_distribution(bytes: &mut Vec<u8>, mut values: Vec<f32>) {
    values.sort_by(f32::total_cmp);
    let last = values.len() - 1;
    for i in 0..QUANTILES {
        let place = (i * last) as f64 / (QUANTILES - 1) as f64;
        let below = (place as usize).min(last);
        let above = (below + 1).min(last);
        let share = place - below as f64;
        let low = f64::from(values[below]);
        let high = f64::from(values[above]);
        bytes.extend(((low + share * (high - low)) as f32).to_le_bytes());
    }
}
