//! Statistics of the calibration set: what the network knows, to tell foreign images by.

#[cfg(feature = "alloc")]
mod measured;

#[cfg(feature = "alloc")]
pub use measured::{DepthSamples, Measured};

use crate::embedding::Embedding;
use crate::graph::{Graph, TensorId};
use crate::statistics::{Appearance, Measure};

/// Number of quantiles of a distribution: its ends, and its sixteenths.
const QUANTILES: usize = 17;

/// Bytes of a distribution, of a section's head, and of a depth's head.
const DISTRIBUTION: usize = 4 * QUANTILES;
const HEAD: usize = 4;
const DEPTH_HEAD: usize = 8 + DISTRIBUTION;

/// Bytes of a value's mean and spread.
const VALUE: usize = 4;

/// Max number of depths.
const MOST_DEPTHS: usize = 16;

/// Statistics of the calibration set of a package.
///
/// The distances of its distributions are those of held-out calibration samples: each eighth of the
/// samples is measured by the other seven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Domain<'a> {
    samples: u16,
    appearance: &'a [u8],
    depths: &'a [u8],
}

/// Statistics of the values at one depth of a network: of a pooled feature map, or of the embedding.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DepthStatistics<'a> {
    tensor: TensorId,
    scale: f32,
    distances: Distribution<'a>,
    values: &'a [u8],
}

/// Distribution of a number: its ends, and its sixteenths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Distribution<'a>(&'a [u8]);

impl<'a> Domain<'a> {
    /// Decodes a section for a graph; [`None`] if it is malformed, or of another graph.
    pub(super) fn decode(section: &'a [u8], graph: &Graph<'_>) -> Option<Self> {
        let (head, rest) = section.split_first_chunk::<HEAD>()?;
        let samples = u16::from_le_bytes([head[0], head[1]]);
        let measures = usize::from(head[2]);
        let count = usize::from(head[3]);
        let is_known = measures == 0 || measures == Measure::ALL.len();
        if samples == 0 || !is_known || !(1..=MOST_DEPTHS).contains(&count) {
            return None;
        }
        let (appearance, depths) = rest.split_at_checked(measures * DISTRIBUTION)?;
        let domain = Self { samples, appearance, depths };
        let is_valid = appearance.chunks_exact(DISTRIBUTION).all(Distribution::is_valid);
        let mut depths = domain.depths();
        let mut last = None;
        for depth in depths.by_ref() {
            if !depth.fits(graph) || last.is_some_and(|last| last >= depth.tensor) {
                return None;
            }
            last = Some(depth.tensor);
        }
        let is_whole = depths.0.is_empty() && domain.depths().count() == count;
        (is_valid && is_whole && last == Some(graph.output())).then_some(domain)
    }

    /// Number of the samples that were measured.
    #[must_use]
    pub fn samples(&self) -> usize {
        self.samples.into()
    }

    /// Returns the distribution of a statistic of the images; [`None`] for texts.
    #[must_use]
    pub fn appearance(&self, measure: Measure) -> Option<Distribution<'a>> {
        self.appearance.chunks_exact(DISTRIBUTION).nth(measure as usize).map(Distribution)
    }

    /// Returns the statistics of each depth, the embedding last.
    #[must_use]
    pub fn depths(&self) -> Depths<'a> {
        Depths(self.depths)
    }

    /// Returns the statistics of the embedding.
    #[must_use]
    pub fn embedding(&self) -> Option<DepthStatistics<'a>> {
        self.depths().last()
    }

    /// Returns the percentile, 0 to 100, of each statistic of an image among those of the
    /// calibration set; [`None`] for texts.
    #[must_use]
    pub fn percentiles(&self, image: &Appearance) -> Option<[f32; Measure::ALL.len()]> {
        let mut all = [0.0; Measure::ALL.len()];
        for (slot, measure) in all.iter_mut().zip(Measure::ALL) {
            *slot = self.appearance(measure)?.percentile(image.get(measure));
        }
        Some(all)
    }
}

/// Iterator over the depths of a [`Domain`].
#[derive(Debug, Clone)]
pub struct Depths<'a>(&'a [u8]);

impl<'a> Iterator for Depths<'a> {
    type Item = DepthStatistics<'a>;

    fn next(&mut self) -> Option<DepthStatistics<'a>> {
        let (head, rest) = self.0.split_first_chunk::<DEPTH_HEAD>()?;
        let (start, distances) = self.0[..DEPTH_HEAD].split_at(DEPTH_HEAD - DISTRIBUTION);
        let count = usize::from(u16::from_le_bytes([head[2], head[3]]));
        let (values, rest) = rest.split_at_checked(VALUE * count)?;
        self.0 = rest;
        Some(DepthStatistics {
            tensor: u16::from_le_bytes([head[0], head[1]]),
            scale: f32_at(start, 4),
            distances: Distribution(distances),
            values,
        })
    }
}

impl<'a> DepthStatistics<'a> {
    /// Tensor of the graph; its channels are averaged over rows and columns.
    #[must_use]
    pub fn tensor(&self) -> TensorId {
        self.tensor
    }

    /// Number of values.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len() / VALUE
    }

    /// Returns true if there are no values; never for the depths of a package.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Returns mean and standard deviation of each value; the deviation is above 0.
    #[must_use]
    pub fn values(&self) -> impl ExactSizeIterator<Item = (f32, f32)> + use<'a> {
        let scale = self.scale;
        self.values.chunks_exact(VALUE).map(move |bytes| {
            let mean = i16::from_le_bytes([bytes[0], bytes[1]]);
            let deviation = u16::from_le_bytes([bytes[2], bytes[3]]);
            (scale * f32::from(mean), scale * f32::from(deviation))
        })
    }

    /// Returns the distribution of the distances of held-out calibration samples.
    #[must_use]
    pub fn distances(&self) -> Distribution<'a> {
        self.distances
    }

    /// Returns the distance of a sample from the calibration set: the root of the mean squared
    /// deviation of its values, each in standard deviations. The same bits on every processor.
    ///
    /// Takes [`len`](Self::len) values; missing ones count as means.
    #[must_use]
    pub fn distance(&self, sample: impl Iterator<Item = f32>) -> f32 {
        let mut sum = 0.0;
        for ((mean, deviation), value) in self.values().zip(sample) {
            let z = (f64::from(value) - f64::from(mean)) / f64::from(deviation);
            sum += z * z;
        }
        libm::sqrt(sum / self.len().max(1) as f64) as f32
    }

    /// Returns the share of the samples that lie farther off than all but a sixteenth of the
    /// calibration samples: near 0.06 for images of the same kind; [`None`] without samples.
    #[must_use]
    pub fn share_far<'e>(&self, samples: impl Iterator<Item = Embedding<'e>>) -> Option<f32> {
        let limit = self.distances.quantile(QUANTILES - 2);
        let mut all = 0u32;
        let mut far = 0u32;
        for sample in samples {
            all += 1;
            far += u32::from(self.distance(sample.iter()) > limit);
        }
        (all > 0).then(|| far as f32 / all as f32)
    }

    /// Checks the numbers, and the tensor with its channels.
    fn fits(&self, graph: &Graph<'_>) -> bool {
        if usize::from(self.tensor) >= graph.tensor_count() || self.is_empty() {
            return false;
        }
        let shape = graph.tensor(self.tensor).shape;
        let is_output = self.tensor == graph.output();
        let channels = if is_output { shape.elements() } else { shape.c() };
        let is_spread = self.values.chunks_exact(VALUE).all(|bytes| bytes[2..] != [0, 0]);
        channels == self.len()
            && is_spread
            && self.scale.is_normal()
            && self.scale > 0.0
            // The largest value is finite.
            && self.scale < f32::MAX / 65_536.0
            && Distribution::is_valid(self.distances.0)
    }
}

impl Distribution<'_> {
    /// Returns true if the bytes are finite numbers that do not descend.
    fn is_valid(bytes: &[u8]) -> bool {
        let all = Distribution(bytes);
        let ascends = (1..QUANTILES).all(|i| all.quantile(i - 1) <= all.quantile(i));
        ascends && (0..QUANTILES).all(|i| all.quantile(i).is_finite())
    }

    fn quantile(&self, index: usize) -> f32 {
        f32_at(self.0, 4 * index)
    }

    /// Returns the smallest number.
    #[must_use]
    pub fn least(&self) -> f32 {
        self.quantile(0)
    }

    /// Returns the number in the middle.
    #[must_use]
    pub fn median(&self) -> f32 {
        self.quantile(QUANTILES / 2)
    }

    /// Returns the largest number.
    #[must_use]
    pub fn most(&self) -> f32 {
        self.quantile(QUANTILES - 1)
    }

    /// Returns the percentile of a number, 0 to 100: the share of the distribution below it, linear
    /// between the sixteenths; 0 below all, 100 above all, and for NaN.
    #[must_use]
    pub fn percentile(&self, x: f32) -> f32 {
        let below = (0..QUANTILES).filter(|&i| self.quantile(i) < x).count();
        if x.is_nan() || below == QUANTILES {
            return 100.0;
        }
        let Some(from) = below.checked_sub(1) else { return 0.0 };
        let low = self.quantile(from);
        let high = self.quantile(below);
        let share = (x - low) / (high - low);
        100.0 * (from as f32 + share) / (QUANTILES - 1) as f32
    }
}

fn f32_at(bytes: &[u8], at: usize) -> f32 {
    f32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}
