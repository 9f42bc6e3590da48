//! Layers of a tail in integers: the engine's bits, in portable code.

use crate::graph::{Clamp, Graph, Int8Op, TensorId};
use crate::quant::{Multiplier, Quant, requantize};

/// A convolution with a window of one pixel, or a linear layer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layer<'a> {
    weights: &'a [i8],
    bias: &'a [u8],
    mantissas: &'a [u8],
    shift: u8,
    pub clamp: Clamp,
    /// Zero point of the input.
    zero: i8,
    pub output: Quant,
    fan_in: usize,
}

impl<'a> Layer<'a> {
    /// Reads a layer of a checked graph.
    pub fn new(graph: &Graph<'a>, op: &Int8Op, from: TensorId, to: TensorId) -> Option<Self> {
        let Int8Op::Conv { weights, bias, mantissas, shift, clamp, .. } = *op else { return None };
        let section = graph.weights();
        let input = graph.tensor(from);
        Some(Self {
            weights: weights.codes(section),
            bias: bias.of(section),
            mantissas: mantissas.of(section),
            shift,
            clamp,
            zero: input.element.quant()?.zero_point,
            output: graph.tensor(to).element.quant()?,
            fan_in: input.shape.c(),
        })
    }

    /// Returns the layer with other weights, biases and multipliers, of all channels or some.
    pub fn replaced(self, weights: &'a [i8], bias: &'a [u8], mantissas: &'a [u8]) -> Self {
        Self { weights, bias, mantissas, ..self }
    }

    pub fn fan_in(&self) -> usize {
        self.fan_in
    }

    /// Zero point of the input.
    pub fn zero_point(&self) -> i8 {
        self.zero
    }

    pub fn shift(&self) -> u8 {
        self.shift
    }

    pub fn mantissa(&self, channel: usize) -> i32 {
        word(self.mantissas, channel)
    }

    /// Weights, biases and mantissas as they are stored.
    pub fn stored(&self) -> [&'a [u8]; 3] {
        [bytemuck::cast_slice(self.weights), self.bias, self.mantissas]
    }

    pub fn channels(&self) -> usize {
        self.bias.len() / 4
    }

    pub fn bias(&self, channel: usize) -> i32 {
        word(self.bias, channel)
    }

    /// Largest bias, in absolute value, with which no accumulator overflows.
    pub fn bias_limit(&self) -> u32 {
        // The largest product of a centred value and a weight, for every product of the sum; a
        // graph with more is refused.
        let products = self.fan_in as u64 * (255 * 128);
        ((1u64 << 31) - 1).saturating_sub(products) as u32
    }

    /// Steps of the output per unit of a channel's accumulator.
    pub fn factor(&self, channel: usize) -> f32 {
        super::factor(self.mantissa(channel), self.shift)
    }

    /// Weights of a channel.
    pub fn row(&self, channel: usize) -> &'a [i8] {
        &self.weights[channel * self.fan_in..][..self.fan_in]
    }

    /// Computes the accumulators of one channel, the package's bias included, for every pixel.
    pub fn products(&self, channel: usize, map: &[i8], out: &mut [i32]) {
        let row = self.row(channel);
        let sum: i32 = row.iter().map(|&w| i32::from(w)).sum();
        let start = self.bias(channel) - i32::from(self.zero) * sum;
        for (out, pixel) in out.iter_mut().zip(map.chunks_exact(self.fan_in)) {
            *out = start + dot(pixel, row);
        }
    }

    /// Requantizes an accumulator of a channel.
    pub fn code(&self, channel: usize, acc: i32) -> i8 {
        let multiplier = Multiplier { mantissa: word(self.mantissas, channel), shift: self.shift };
        requantize(acc, multiplier, self.output.zero_point, self.clamp.lo, self.clamp.hi)
    }

    /// Computes the layer for a vector.
    pub fn of_vector(&self, vector: &[i32], out: &mut [i8]) {
        let zero = i32::from(self.zero);
        for (channel, out) in out.iter_mut().enumerate() {
            let products =
                vector.iter().zip(self.row(channel)).map(|(&v, &w)| (v - zero) * i32::from(w));
            *out = self.code(channel, self.bias(channel) + products.sum::<i32>());
        }
    }
}

/// Average pool over all pixels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pool {
    multiplier: Multiplier,
    pixels: usize,
    pub output: Quant,
}

impl Pool {
    pub fn new(pixels: usize, multiplier: Multiplier, output: Quant) -> Self {
        let half = pixels as i64 / 2;
        let mantissa = ((i64::from(multiplier.mantissa) + half) / pixels as i64) as i32;
        Self { multiplier: Multiplier { mantissa, ..multiplier }, pixels, output }
    }

    /// Computes the pooled code of a channel from its accumulators, with `bias` added to each.
    pub fn mean(&self, conv: &Layer<'_>, channel: usize, bias: i32, products: &[i32]) -> i32 {
        let codes =
            products.iter().map(|&acc| i32::from(conv.code(channel, acc.wrapping_add(bias))));
        let sum = codes.sum::<i32>() - self.pixels as i32 * i32::from(conv.output.zero_point);
        let Clamp { lo, hi } = Clamp::NONE;
        requantize(sum, self.multiplier, self.output.zero_point, lo, hi).into()
    }
}

/// Computes `sum of a * b`, exactly.
fn dot(a: &[i8], b: &[i8]) -> i32 {
    let pairs = a.iter().zip(b);
    pairs.map(|(&a, &b)| i32::from(i16::from(a)) * i32::from(i16::from(b))).sum()
}

/// Reads a stored little-endian number.
fn word(bytes: &[u8], index: usize) -> i32 {
    let at = 4 * index;
    i32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}
