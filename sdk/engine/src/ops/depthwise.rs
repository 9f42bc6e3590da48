//! Depthwise convolution: each output channel reads its own input channel alone.

use offshoot_core::graph::Window;

use super::{Covered, Requant};
use crate::plan::step::Value;

/// Channels computed together: their accumulators stay in registers.
const BLOCK: usize = 16;

/// Computes a depthwise convolution. Shape of the weights: H, W, C.
pub(super) fn depthwise(
    window: &Window,
    weights: &[i8],
    requant: &Requant<'_>,
    a: &Value,
    x: &[i8],
    out: &Value,
    y: &mut [i8],
) {
    let channels = out.shape.c();
    let layer = Layer { window, weights, zero: a.zero(), width: a.shape.w(), channels };
    for (index, pixel) in y.chunks_exact_mut(channels).enumerate() {
        let covered = Covered::at(window, index, a.shape, out.shape);
        for (block, codes) in pixel.chunks_mut(BLOCK).enumerate() {
            let first = block * BLOCK;
            let mut acc = [0i32; BLOCK];
            for (i, slot) in acc.iter_mut().enumerate().take(codes.len()) {
                *slot = requant.bias(first + i);
            }
            layer.accumulate(x, &covered, first, &mut acc[..codes.len()]);
            for (i, (code, acc)) in codes.iter_mut().zip(acc).enumerate() {
                *code = requant.code(first + i, acc, out.quant.zero_point);
            }
        }
    }
}

struct Layer<'a> {
    window: &'a Window,
    weights: &'a [i8],
    zero: i32,
    width: usize,
    channels: usize,
}

impl Layer<'_> {
    fn accumulate(&self, x: &[i8], covered: &Covered, first: usize, acc: &mut [i32]) {
        let Covered { rows, cols } = covered;
        let [dy, dx] = self.window.dilation.map(usize::from);
        for (i, ky) in rows.taps.clone().enumerate() {
            let iy = rows.start + i * dy;
            for (j, kx) in cols.taps.clone().enumerate() {
                let ix = cols.start + j * dx;
                let from = (iy * self.width + ix) * self.channels + first;
                let to = (ky * usize::from(self.window.kernel[1]) + kx) * self.channels + first;
                let values = &x[from..from + acc.len()];
                let weights = &self.weights[to..to + acc.len()];
                for ((sum, &value), &weight) in acc.iter_mut().zip(values).zip(weights) {
                    *sum += (i32::from(value) - self.zero) * i32::from(weight);
                }
            }
        }
    }
}
