//! Fully connected layer whose inputs are quantized pixel by pixel, with a scale and a zero point of
//! the pixel's own.

use offshoot_core::quant::single::{self, Steps};

use super::{Bytes, bytes, float, sums};

/// Constants of a layer for its results.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layer<'a> {
    /// Sums of the weights.
    pub sums: &'a [u8],
    /// Steps of the weights.
    pub scales: &'a [u8],
    pub bias: &'a [u8],
}

/// Returns the quantization of a pixel.
#[inline(always)] // compiled for the caller's instruction set
pub(crate) fn steps(pixel: &[Bytes]) -> Steps {
    let lo = sums::fold(pixel, 0.0, single::smaller);
    let hi = sums::fold(pixel, 0.0, single::larger);
    Steps::new(lo, hi)
}

impl Layer<'_> {
    /// Replaces the accumulators of a pixel by its results.
    #[inline(always)] // as above
    pub fn finish(&self, steps: Steps, y: &mut [Bytes]) {
        let sums = self.sums.as_chunks::<4>().0;
        let scales = self.scales.as_chunks::<4>().0;
        let biases = self.bias.as_chunks::<4>().0;
        for (((y, sum), scale), bias) in y.iter_mut().zip(sums).zip(scales).zip(biases) {
            let acc = i32::from_le_bytes(y.map(|byte| byte as u8));
            let acc = acc.wrapping_sub(steps.zero.wrapping_mul(i32::from_le_bytes(*sum)));
            let value = acc as f32 * steps.scale * f32::from_le_bytes(*scale);
            *y = bytes(value + f32::from_le_bytes(*bias));
        }
    }
}

/// Computes pixels of `depth` values with weights as they lie in the package; `row` has room for the
/// int8 values of a pixel.
#[inline(always)] // as above
pub(crate) fn linear(
    layer: &Layer<'_>,
    weights: &[i8],
    x: &[Bytes],
    row: &mut [i8],
    y: &mut [Bytes],
) {
    let depth = row.len();
    let channels = weights.len() / depth;
    for (x, y) in x.chunks_exact(depth).zip(y.chunks_exact_mut(channels)) {
        let steps = steps(x);
        row.iter_mut().zip(x).for_each(|(code, value)| *code = steps.code(float(*value)));
        for (y, weights) in y.iter_mut().zip(weights.chunks_exact(depth)) {
            let products = row.iter().zip(weights).map(|(&x, &w)| i32::from(x) * i32::from(w));
            *y = products.sum::<i32>().to_le_bytes().map(|byte| byte as i8);
        }
        layer.finish(steps, y);
    }
}
