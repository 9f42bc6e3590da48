//! Memory of a tuner: one slice of words, divided once.

use super::{BATCH, Samples, Tail};
use crate::head::{HeadError, HeadKind, Limits, take_mut};

/// Sizes that determine the memory of a [`Tuner`](super::Tuner).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TailLayout {
    /// Output channels of the convolution, [`Tail::channels`].
    pub channels: u32,
    /// Pixels of a map, [`Tail::pixels`].
    pub pixels: u32,
    /// Values of an embedding, [`Tail::dim`].
    pub dim: u32,
    /// Classes of the samples.
    pub classes: u16,
    /// Number of samples.
    pub samples: u16,
    /// Kind of the head that the gate teaches.
    pub head: HeadKind,
    /// True if the products of weights and maps are computed once and kept: `4 * samples *
    /// channels * pixels` bytes more, and as many multiplications less as there are epochs. The
    /// result has the same bits.
    pub keeps_products: bool,
    /// Values of a pixel of the map if all weights are tuned, else 0.
    pub inputs: u32,
}

impl TailLayout {
    /// Layout for a tail and its samples, with a ridge head in the gate.
    #[must_use]
    pub fn new(tail: &Tail<'_>, samples: &Samples<'_>, keeps_products: bool) -> Self {
        Self {
            channels: tail.channels() as u32,
            pixels: tail.pixels() as u32,
            dim: tail.dim() as u32,
            classes: samples.classes,
            samples: samples.owners.len().min(usize::from(u16::MAX)) as u16,
            head: HeadKind::Ridge,
            keeps_products,
            inputs: 0,
        }
    }

    /// Layout for tuning all weights of the convolution ([`Tuned::All`](super::Tuned::All)).
    #[must_use]
    pub fn all(tail: &Tail<'_>, samples: &Samples<'_>) -> Self {
        let inputs = tail.map_shape().c() as u32;
        Self { inputs, ..Self::new(tail, samples, false) }
    }

    /// Length in `u32` words of the memory that the tuner needs, exactly.
    ///
    /// With `c` channels, `p` pixels, `d` dimensions, `k` classes and `n` samples these are about
    /// `24 * c + 12 * k * (d + 1) + 12 * d + n * (d + 8 * k + 3) + 4 * p` bytes, and those of the head of the
    /// gate ([`Limits::words`]); with [`TailLayout::keeps_products`] also `4 * n * c * p`. If all weights
    /// are tuned, of `i` values of a pixel, then `4 * c` bytes more; `6 * c * i + 4 * p * (i + 1) + 9 * i`
    /// and `64 * c * (1 + p / 32)` bytes are shared with the head, whose memory they take or exceed.
    ///
    /// # Errors
    ///
    /// [`HeadError`] if a head for these samples is not possible, or the memory could not be
    /// addressed.
    pub const fn words(&self) -> Result<usize, HeadError> {
        let head = match self.limits().words(self.head, self.dim as usize) {
            Ok(words) => words as u64,
            Err(error) => return Err(error),
        };
        // Each factor but the pixels is below 2^16 where a head is possible.
        let c = self.channels as u64;
        let d = self.dim as u64;
        let k = self.classes as u64;
        let n = self.samples as u64;
        let p = self.pixels as u64;
        let products = if self.keeps_products { n * c.saturating_mul(p) } else { 0 };
        let head = if self.inputs > 0 { max(head, self.weight_words()) } else { head };
        let own = 6 * c + 3 * k * (d + 1) + 3 * d + (n * d).div_ceil(4) + k + p;
        let mantissas = if self.inputs > 0 { c } else { 0 };
        let words = own + mantissas + 2 * n * k + n.div_ceil(2) + n.div_ceil(4);
        let words = words.saturating_add(head).saturating_add(products);
        if words >= 1 << 30 || words > (usize::MAX / 8) as u64 {
            return Err(HeadError::TooLarge { classes: self.classes, samples: self.samples });
        }
        Ok(words as usize)
    }

    /// Limits of the head of the gate.
    pub(super) const fn limits(&self) -> Limits {
        Limits { classes: self.classes, samples: self.samples }
    }

    /// Words for the weights of the convolution and what their gradient takes.
    const fn weight_words(&self) -> u64 {
        let c = self.channels as u64;
        let i = self.inputs as u64;
        let p = self.pixels as u64;
        let weights = c.saturating_mul(i);
        let batch = (BATCH as u64).saturating_mul(c) * (1 + self.mask_words() as u64);
        let rows = weights + weights.div_ceil(2) + 2 * i + i.div_ceil(4) + batch;
        rows.saturating_add(p.saturating_mul(i + 1))
    }

    /// Words with a bit for each pixel.
    const fn mask_words(&self) -> u32 {
        self.pixels.div_ceil(32)
    }

    /// Divides memory of [`TailLayout::words`].
    pub(super) fn carve<'a>(&self, memory: &'a mut [u32]) -> Room<'a> {
        let c = self.channels as usize;
        let d = self.dim as usize;
        let k = usize::from(self.classes);
        let n = usize::from(self.samples);
        let p = self.pixels as usize;
        let rest = &mut &mut *memory;
        Room {
            change: Parameter::take(rest, c),
            biases: take_mut(rest, c),
            mean: take_mut(rest, c),
            active: take_mut(rest, c),
            weights: Parameter::take(rest, k * d),
            offsets: Parameter::take(rest, k),
            centre: take_mut(rest, d),
            embedding: take_mut(rest, d),
            slope: take_mut(rest, d),
            codes: take_mut(rest, n * d),
            scores: take_mut(rest, k),
            pixels: take_mut(rest, p),
            before: take_mut(rest, n * k),
            after: take_mut(rest, n * k),
            order: take_mut(rest, n),
            folds: take_mut(rest, n),
            products: take_mut(rest, if self.keeps_products { n * c * p } else { 0 }),
            mantissas: take_mut(rest, if self.inputs > 0 { c } else { 0 }),
            head: core::mem::take(rest),
        }
    }

    /// Divides the memory that the weights of the convolution share with the head.
    pub(super) fn carve_weights<'a>(&self, shared: &'a mut [u32]) -> Weights<'a> {
        let c = self.channels as usize;
        let i = self.inputs as usize;
        let p = self.pixels as usize;
        let batch = usize::from(BATCH);
        let mask_words = self.mask_words() as usize;
        let rest = &mut &mut *shared;
        Weights {
            value: take_mut(rest, c * i),
            momentum: take_mut(rest, c * i),
            input: take_mut(rest, p * i),
            products: take_mut(rest, p),
            row: take_mut(rest, i),
            sums: take_mut(rest, i),
            codes: take_mut(rest, i),
            slopes: take_mut(rest, batch * c),
            masks: take_mut(rest, batch * c * mask_words),
            mask_words,
        }
    }
}

/// Values that are tuned, with their gradient and its running mean.
pub(super) struct Parameter<'a> {
    pub value: &'a mut [f32],
    pub gradient: &'a mut [f32],
    pub momentum: &'a mut [f32],
}

impl<'a> Parameter<'a> {
    fn take(words: &mut &'a mut [u32], count: usize) -> Self {
        Self {
            value: take_mut(words, count),
            gradient: take_mut(words, count),
            momentum: take_mut(words, count),
        }
    }

    pub fn clear(&mut self) {
        self.value.fill(0.0);
        self.gradient.fill(0.0);
        self.momentum.fill(0.0);
    }
}

/// Memory of a tuner by its parts.
pub(super) struct Room<'a> {
    /// Change of each bias, in steps of the convolution's output.
    pub change: Parameter<'a>,
    /// Biases of the last round in integers.
    pub biases: &'a mut [i32],
    /// Means of a sample's channels over its pixels, then the loss's slope by them.
    pub mean: &'a mut [f32],
    /// Number of a sample's pixels per channel that the clamp leaves alone.
    pub active: &'a mut [f32],
    /// Weights of the throw-away softmax, class by class.
    pub weights: Parameter<'a>,
    pub offsets: Parameter<'a>,
    /// Mean embedding of the round's samples.
    pub centre: &'a mut [f32],
    pub embedding: &'a mut [f32],
    /// Slope of the loss by the embedding.
    pub slope: &'a mut [f32],
    /// Embeddings of all samples in int8 values.
    pub codes: &'a mut [i8],
    /// Scores, then probabilities, of a sample.
    pub scores: &'a mut [f32],
    /// Accumulators of a channel.
    pub pixels: &'a mut [i32],
    /// Probabilities of the samples, held out, before and after tuning.
    pub before: &'a mut [f32],
    pub after: &'a mut [f32],
    /// Samples of the round in the order of the epoch.
    pub order: &'a mut [u16],
    /// Fold of each sample.
    pub folds: &'a mut [u8],
    pub products: &'a mut [i32],
    /// Mantissas of the last round, if all weights are tuned.
    pub mantissas: &'a mut [i32],
    /// Memory of the head of the gate, and while no head is taught of the convolution's weights.
    pub head: &'a mut [u32],
}

/// Weights of the convolution by parts, channel by channel.
pub(super) struct Weights<'a> {
    /// Steps of the output per step of the input.
    pub value: &'a mut [f32],
    /// Running mean of their gradient: upper halves of floats.
    pub momentum: &'a mut [u16],
    /// Map of a sample, centred.
    pub input: &'a mut [f32],
    /// Accumulators of a channel.
    pub products: &'a mut [i32],
    /// Gradient of a channel.
    pub row: &'a mut [f32],
    pub sums: &'a mut [i32],
    /// Weights of a channel, rounded.
    pub codes: &'a mut [i8],
    /// Slope of the loss by each channel's values, for each sample of a batch.
    pub slopes: &'a mut [f32],
    /// Pixels that the clamp leaves alone, a bit each.
    pub masks: &'a mut [u32],
    /// Words of a mask.
    pub mask_words: usize,
}

const fn max(a: u64, b: u64) -> u64 {
    if a > b { a } else { b }
}

#[cfg(test)]
mod tests {
    use std::vec;

    use super::*;

    #[test]
    fn every_word_is_used() {
        for keeps_products in [false, true] {
            let layout = TailLayout {
                channels: 12,
                pixels: 9,
                dim: 7,
                classes: 3,
                samples: 10,
                head: HeadKind::Ridge,
                keeps_products,
                inputs: 0,
            };
            let mut memory = vec![0; layout.words().unwrap()];
            let room = layout.carve(&mut memory);
            let head = layout.limits().words(HeadKind::Ridge, 7).unwrap();
            assert_eq!(room.head.len(), head);
            let products = if keeps_products { 10 * 12 * 9 } else { 0 };
            assert_eq!(room.products.len(), products);
            // With many weights, and with so few that the head needs more.
            for inputs in [1, 300] {
                let layout = TailLayout { inputs, keeps_products: false, ..layout };
                let mut memory = vec![0; layout.words().unwrap()];
                let room = layout.carve(&mut memory);
                assert_eq!((room.head.len() > head, room.mantissas.len()), (inputs > 1, 12));
                let weights = layout.carve_weights(room.head);
                assert_eq!(weights.value.len(), 12 * inputs as usize);
            }
        }
        let large = TailLayout {
            channels: 65_535,
            pixels: 65_535,
            dim: 65_535,
            classes: 1000,
            samples: 60_000,
            head: HeadKind::Ridge,
            keeps_products: true,
            inputs: 0,
        };
        assert!(matches!(large.words(), Err(HeadError::TooLarge { .. })));
    }
}
