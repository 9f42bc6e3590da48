//! All weights of the convolution as floats: their product, their gradient and their descent.
//!
//! Weights are in steps of the convolution's output per step of its input, so that a layer's tensor
//! has one unit. A batch's gradient is made row by row from the slopes of its samples, so that it is
//! never there as a whole; its running mean has the upper half of a float.

use super::gradient::{Pace, dot_floats};
use super::room::{Room, Weights};
use super::{BATCH, Tail};
use crate::quant::Multiplier;

/// Factor of the running mean of the gradient.
const MOMENTUM: f32 = 0.9;

impl Tail<'_> {
    /// Puts all weights to those of the package, and their running means to zero.
    pub(super) fn begin_weights(&self, weights: &mut Weights<'_>) {
        let inputs = self.conv.fan_in();
        for (channel, row) in weights.value.chunks_exact_mut(inputs).enumerate() {
            let factor = self.conv.factor(channel);
            let codes = self.conv.row(channel);
            row.iter_mut().zip(codes).for_each(|(w, &code)| *w = f32::from(code) * factor);
        }
        weights.momentum.fill(0);
    }

    /// Writes the means of a sample's channels over its pixels, with all weights tuned, to
    /// `room.mean`; the number of pixels that the clamp leaves alone to `room.active`, and which ones
    /// to the masks of this place of the batch.
    pub(super) fn means_of_all(
        &self,
        map: &[i8],
        place: usize,
        room: &mut Room<'_>,
        weights: &mut Weights<'_>,
    ) {
        let inputs = self.conv.fan_in();
        let zero = self.conv.zero_point();
        let pixels = self.pixels();
        let words = weights.mask_words;
        let least = f32::from(self.conv.clamp.lo) - f32::from(self.conv.output.zero_point);
        let most = f32::from(self.conv.clamp.hi) - f32::from(self.conv.output.zero_point);
        for (x, &code) in weights.input.iter_mut().zip(map) {
            *x = f32::from(i16::from(code) - i16::from(zero));
        }
        let masks =
            &mut weights.masks[place * self.channels() * words..][..self.channels() * words];
        masks.fill(0);
        for channel in 0..self.channels() {
            let row = &weights.value[channel * inputs..][..inputs];
            let start = self.conv.bias(channel) as f32 * self.conv.factor(channel)
                + room.change.value[channel];
            let mut sum = 0.0;
            let mut active = 0.0;
            for (pixel, x) in weights.input.chunks_exact(inputs).enumerate() {
                let value = dot_floats(row, x) + start;
                if value > least && value < most {
                    active += 1.0;
                    masks[channel * words + pixel / 32] |= 1 << (pixel % 32);
                }
                sum += value.clamp(least, most);
            }
            room.mean[channel] = sum / pixels as f32;
            room.active[channel] = active;
        }
    }

    /// Keeps the slopes of a sample of the batch by its channels' means.
    pub(super) fn keep_slopes(&self, place: usize, slopes: &[f32], weights: &mut Weights<'_>) {
        let share = 1.0 / self.pixels() as f32;
        let kept = &mut weights.slopes[place * self.channels()..][..self.channels()];
        kept.iter_mut().zip(slopes).for_each(|(kept, slope)| *kept = slope * share);
    }

    /// Writes the gradient of a channel's weights over the batch, whose maps these are, to
    /// `weights.row`.
    pub(super) fn row_gradient<'m>(
        &self,
        channel: usize,
        maps: impl Iterator<Item = &'m [i8]>,
        weights: &mut Weights<'_>,
    ) {
        let inputs = self.conv.fan_in();
        let zero = i32::from(self.conv.zero_point());
        let words = weights.mask_words;
        weights.row.fill(0.0);
        for (place, map) in maps.enumerate() {
            let at = place * self.channels() + channel;
            let mask = &weights.masks[at * words..][..words];
            let mut active = 0;
            weights.sums.fill(0);
            for (pixel, codes) in map.chunks_exact(inputs).enumerate() {
                if mask[pixel / 32] >> (pixel % 32) & 1 == 1 {
                    active += 1;
                    let sums = weights.sums.iter_mut().zip(codes);
                    sums.for_each(|(sum, &code)| *sum += i32::from(code));
                }
            }
            let slope = weights.slopes[at];
            let offset = active * zero;
            for (gradient, &sum) in weights.row.iter_mut().zip(&*weights.sums) {
                *gradient += slope * (sum - offset) as f32;
            }
        }
    }

    /// Moves all weights by the gradient of the batch; `square` is its running mean square.
    pub(super) fn descend_weights(
        &self,
        pace: &Pace,
        square: &mut f32,
        maps: &[&[i8]; BATCH as usize],
        weights: &mut Weights<'_>,
    ) {
        let inputs = self.conv.fan_in();
        let mut sum = 0.0;
        for channel in 0..self.channels() {
            self.row_gradient(channel, maps.iter().copied(), weights);
            sum += dot_floats(weights.row, weights.row);
            let momentum = &mut weights.momentum[channel * inputs..][..inputs];
            for (mean, gradient) in momentum.iter_mut().zip(&*weights.row) {
                *mean = halved(MOMENTUM * whole(*mean) + (1.0 - MOMENTUM) * gradient);
            }
        }
        let factor = pace.of_weights(square, sum / weights.value.len() as f32);
        for (value, &mean) in weights.value.iter_mut().zip(&*weights.momentum) {
            *value -= factor * whole(mean);
        }
    }

    /// Root mean square of the package's weights.
    pub(super) fn weight_length(&self) -> f32 {
        let inputs = self.conv.fan_in();
        let mut sum = 0.0;
        for channel in 0..self.channels() {
            let factor = self.conv.factor(channel);
            let squares = self.conv.row(channel).iter().map(|&code| i32::from(code).pow(2));
            sum += squares.sum::<i32>() as f32 * factor * factor;
        }
        libm::sqrtf(sum / (self.channels() * inputs) as f32)
    }

    /// Rounds all channels: their biases and mantissas. A scale is the package's unless a weight does
    /// not fit it.
    pub(super) fn round_all(
        &self,
        change: &[f32],
        biases: &mut [i32],
        mantissas: &mut [i32],
        weights: Weights<'_>,
    ) {
        let conv = &self.conv;
        let rows = weights.value.chunks_exact(conv.fan_in());
        for (channel, row) in rows.enumerate() {
            let mantissa = self.rounded_mantissa(channel, row);
            mantissas[channel] = mantissa;
            biases[channel] = match mantissa == conv.mantissa(channel) {
                // Exact where nothing is changed.
                true => self.tuned_bias(channel, change[channel]),
                false => {
                    let value = conv.bias(channel) as f32 * conv.factor(channel) + change[channel];
                    let step = super::factor(mantissa, conv.shift());
                    let limit = f64::from(conv.bias_limit());
                    libm::round(f64::from(value) / f64::from(step)).clamp(-limit, limit) as i32
                }
            };
        }
    }

    /// Mantissa of a channel with these weights.
    fn rounded_mantissa(&self, channel: usize, row: &[f32]) -> i32 {
        let own = self.conv.mantissa(channel);
        let step = self.conv.factor(channel);
        let fits = row.iter().all(|&w| (-128.0..=127.0).contains(&libm::roundf(w / step)));
        if own == 0 || fits {
            return own;
        }
        let most = row.iter().fold(0.0, |most: f32, w| most.max(w.abs()));
        Multiplier::mantissa_at(f64::from(most) / 127.0, self.conv.shift()).max(1)
    }

    /// Writes the weights of a channel as integers of this mantissa.
    pub(super) fn round_row(&self, channel: usize, row: &[f32], mantissa: i32, codes: &mut [i8]) {
        if mantissa == 0 {
            // The channel is constant.
            return codes.copy_from_slice(self.conv.row(channel));
        }
        let step = super::factor(mantissa, self.conv.shift());
        for (code, &w) in codes.iter_mut().zip(row) {
            *code = libm::roundf(w / step).clamp(-128.0, 127.0) as i8;
        }
    }

    /// Computes the pooled codes of a map with the convolution of the last round, rounded.
    pub(super) fn pooled_of_all(
        &self,
        map: &[i8],
        pooled: &mut [i32],
        biases: &[i32],
        mantissas: &[i32],
        weights: &mut Weights<'_>,
    ) {
        let inputs = self.conv.fan_in();
        for (channel, pooled) in pooled.iter_mut().enumerate() {
            let row = &weights.value[channel * inputs..][..inputs];
            self.round_row(channel, row, mantissas[channel], weights.codes);
            let bias = biases[channel].to_le_bytes();
            let mantissa = mantissas[channel].to_le_bytes();
            let one = self.conv.replaced(weights.codes, &bias, &mantissa);
            one.products(0, map, weights.products);
            *pooled = self.pool.mean(&one, 0, 0, weights.products);
        }
    }
}

/// The upper half of a float, rounded to the nearest, to even between two.
fn halved(value: f32) -> u16 {
    let bits = value.to_bits();
    ((bits + 0x7fff + (bits >> 16 & 1)) >> 16) as u16
}

fn whole(half: u16) -> f32 {
    f32::from_bits(u32::from(half) << 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_the_nearest() {
        for value in [0.0, -0.0, 1.0, -2.5, 1.0 / 3.0, 1e-30, -3e30] {
            let half = whole(halved(value));
            assert!((half - value).abs() <= value.abs() / 256.0, "{value}: {half}");
        }
        assert_eq!(whole(halved(1.003_906_3)), 1.0, "a tie goes to even");
        assert_eq!(whole(halved(1.011_718_8)), 1.015_625);
    }
}
