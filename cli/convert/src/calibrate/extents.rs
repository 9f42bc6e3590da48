//! Extents of the channels of feature maps over the calibration set.

use pulp::{Arch, NullaryFnOnce};

use crate::ir::ChannelSplit;

/// Extents of each channel of a layer.
#[derive(Debug, Clone)]
pub struct Extents {
    /// Smallest value of each channel.
    pub min: Vec<f32>,
    /// Largest value of each channel.
    pub max: Vec<f32>,
    /// Sum of squares of each channel.
    squares: Vec<f64>,
    /// Number of values per channel.
    count: u64,
}

impl Extents {
    /// Returns empty extents of `channels` channels.
    pub fn new(channels: usize) -> Self {
        let min = vec![f32::INFINITY; channels];
        let max = vec![f32::NEG_INFINITY; channels];
        Self { min, max, squares: vec![0.0; channels], count: 0 }
    }

    /// Adds a layer's values for one image: rows, columns, channels. Only finite values count.
    pub fn see(&mut self, values: &[f32]) {
        let channels = self.min.len();
        // Nearly always all values are finite; the sums of squares show it.
        let mut own = Arch::new().dispatch(Ends::<false> { values, channels });
        if !own.squares.iter().all(|s| s.is_finite()) {
            own = Arch::new().dispatch(Ends::<true> { values, channels });
        }
        for c in 0..channels {
            self.min[c] = self.min[c].min(own.min[c]);
            self.max[c] = self.max[c].max(own.max[c]);
            self.squares[c] += f64::from(own.squares[c]);
        }
        self.count += (values.len() / channels) as u64;
    }

    /// Adds the extents of another shard.
    pub fn merge(&mut self, other: &Self) {
        for c in 0..self.min.len() {
            self.min[c] = self.min[c].min(other.min[c]);
            self.max[c] = self.max[c].max(other.max[c]);
            self.squares[c] += other.squares[c];
        }
        self.count += other.count;
    }

    /// Copies the extents of one channel of each pair to its duplicate.
    pub fn copy(&mut self, splits: &[ChannelSplit]) {
        for t in splits {
            (self.min[t.above], self.max[t.above]) = (self.min[t.below], self.max[t.below]);
            self.squares[t.above] = self.squares[t.below];
        }
    }

    /// True if there was no finite value.
    pub fn is_empty(&self) -> bool {
        self.min.iter().zip(&self.max).all(|(min, max)| min > max)
    }

    /// Returns the largest absolute value of each channel.
    pub fn reach(&self) -> impl Iterator<Item = f32> + '_ {
        self.min.iter().zip(&self.max).map(|(min, max)| max.max(-min).max(0.0))
    }

    /// Returns the mean square of a channel.
    pub(crate) fn power(&self, channel: usize) -> f64 {
        self.squares[channel] / self.count.max(1) as f64
    }
}

/// Extents of each channel of one feature map; with `CHECK` over its finite values only.
struct Ends<'a, const CHECK: bool> {
    values: &'a [f32],
    channels: usize,
}

/// Smallest and largest value and sum of squares of each channel.
struct Seen {
    min: Vec<f32>,
    max: Vec<f32>,
    squares: Vec<f32>,
}

/// Number of pixels processed together, and of their channels: the running results stay in
/// registers.
const PIXELS: usize = 8;
const BLOCK: usize = 16;

impl<const CHECK: bool> NullaryFnOnce for Ends<'_, CHECK> {
    type Output = Seen;

    #[inline(always)]
    fn call(self) -> Seen {
        let Self { values, channels } = self;
        let min = vec![f32::INFINITY; channels];
        let max = vec![f32::NEG_INFINITY; channels];
        let mut seen = Seen { min, max, squares: vec![0.0; channels] };
        let whole = channels / BLOCK * BLOCK;
        for pixels in values.chunks(PIXELS * channels) {
            for first in (0..whole).step_by(BLOCK) {
                seen.block::<CHECK, BLOCK>(pixels, first);
            }
            for channel in whole..channels {
                seen.block::<CHECK, 1>(pixels, channel);
            }
        }
        seen
    }
}

impl Seen {
    #[inline(always)] // compiled for the processor that asks
    fn block<const CHECK: bool, const N: usize>(&mut self, pixels: &[f32], first: usize) {
        let channels = self.min.len();
        let mut min = [0f32; N];
        let mut max = [0f32; N];
        let mut squares = [0f32; N];
        min.copy_from_slice(&self.min[first..][..N]);
        max.copy_from_slice(&self.max[first..][..N]);
        squares.copy_from_slice(&self.squares[first..][..N]);
        for pixel in pixels.chunks_exact(channels) {
            let own = &pixel[first..][..N];
            for c in 0..N {
                let v = own[c];
                let counts = !CHECK || own[c].is_finite();
                min[c] = if counts && v < min[c] { v } else { min[c] };
                max[c] = if counts && v > max[c] { v } else { max[c] };
                squares[c] += if counts { v * v } else { 0.0 };
            }
        }
        self.min[first..][..N].copy_from_slice(&min);
        self.max[first..][..N].copy_from_slice(&max);
        self.squares[first..][..N].copy_from_slice(&squares);
    }
}
