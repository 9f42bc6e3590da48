//! Distribution of the layers' values, observed on the calibration subset.

use pulp::{Arch, NullaryFnOnce};

use super::ranges::Statistics;
use crate::ir::{ChannelSplit, LayerId, Model};

/// Largest number of samples in the calibration subset; more do not change a range.
const STUDIED: usize = 32;

/// Returns the indices of the calibration subset among `images` samples.
pub fn subset(images: usize) -> impl Iterator<Item = usize> {
    (0..images).step_by((images / STUDIED).max(1)).take(STUDIED)
}

/// Multiplies the channels of values by their factors, up to the layer's limits.
pub fn scale(values: &[f32], factors: &[f32], clamp: Option<(f32, f32)>, scaled: &mut Vec<f32>) {
    let limit = clamp.map_or(f32::INFINITY, |(_, hi)| hi);
    scaled.clear();
    for pixel in values.chunks_exact(factors.len()) {
        scaled.extend(pixel.iter().zip(factors).map(|(v, f)| (v * f).min(limit)));
    }
}

/// Sums of each layer's channels.
#[derive(Debug, Clone)]
struct Sums {
    sums: Vec<Vec<f64>>,
    counts: Vec<u64>,
}

impl Sums {
    fn new(model: &Model) -> Self {
        let sums = model.layers.iter().map(|l| vec![0.0; l.shape.c()]).collect();
        Self { sums, counts: vec![0; model.layers.len()] }
    }

    /// Adds a layer's values for one image: rows, columns, channels.
    fn see(&mut self, layer: LayerId, values: &[f32]) {
        let channels = self.sums[layer].len();
        let sums = Arch::new().dispatch(OfChannels { values, channels });
        self.counts[layer] += (values.len() / channels) as u64;
        self.sums[layer].iter_mut().zip(sums).for_each(|(all, sum)| *all += f64::from(sum));
    }

    fn merge(&mut self, other: &Self) {
        for (own, more) in self.sums.iter_mut().flatten().zip(other.sums.iter().flatten()) {
            *own += more;
        }
        self.counts.iter_mut().zip(&other.counts).for_each(|(own, more)| *own += more);
    }

    fn means(&self) -> Vec<Vec<f64>> {
        let mean =
            |(sums, &n): (&Vec<f64>, &u64)| sums.iter().map(|s| s / n.max(1) as f64).collect();
        self.sums.iter().zip(&self.counts).map(mean).collect()
    }
}

/// Sums of the finite values of each channel.
struct OfChannels<'a> {
    values: &'a [f32],
    channels: usize,
}

impl NullaryFnOnce for OfChannels<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn call(self) -> Vec<f32> {
        let mut sums = vec![0f32; self.channels];
        for pixel in self.values.chunks_exact(self.channels) {
            for (sum, &value) in sums.iter_mut().zip(pixel) {
                *sum += if value.is_finite() { value } else { 0.0 };
            }
        }
        sums
    }
}

/// Largest number of values counted per image and feature map: more images add more information
/// than more pixels.
const COUNTED: usize = 1 << 17;

/// Distribution of the values of all layers.
#[derive(Debug, Clone)]
pub struct Observations {
    /// Histogram of each layer.
    pub statistics: Vec<Statistics>,
    sums: Sums,
}

impl Observations {
    /// Returns empty observations.
    pub fn new(model: &Model) -> Self {
        Self { statistics: vec![Statistics::new(); model.layers.len()], sums: Sums::new(model) }
    }

    /// Adds a layer's values for image number `image`: rows, columns, channels.
    pub fn see(&mut self, layer: LayerId, image: usize, values: &[f32]) {
        self.sums.see(layer, values);
        let step = values.len().div_ceil(COUNTED);
        let counted = &mut self.statistics[layer].histogram;
        if step == 1 {
            return counted.see(values);
        }
        let channels = self.sums.sums[layer].len();
        let pixels = values.chunks_exact(channels).skip(image % step).step_by(step);
        counted.see(&pixels.flatten().copied().collect::<Vec<_>>());
    }

    /// Adds the observations of another shard.
    pub fn merge(&mut self, other: &Self) {
        self.statistics.iter_mut().zip(&other.statistics).for_each(|(own, more)| own.merge(more));
        self.sums.merge(&other.sums);
    }

    /// Copies the mean of one channel of each pair to its duplicate. The histogram stays: a
    /// constant channel hardly counts there.
    pub fn copy(&mut self, layer: LayerId, splits: &[ChannelSplit]) {
        let sums = &mut self.sums.sums[layer];
        splits.iter().for_each(|t| sums[t.above] = sums[t.below]);
    }

    /// Returns each layer's mean per channel.
    pub fn means(&self) -> Vec<Vec<f64>> {
        self.sums.means()
    }
}
