//! Average and max pools.

use offshoot_core::graph::{Clamp, Window};
use offshoot_core::{Multiplier, quant};

use super::Inside;
use crate::step::Value;

/// Channels summed together, so that the compiler has vectors to fill.
const BLOCK: usize = 64;

/// An average pool's constants.
pub(super) struct Average {
    pub window: Window,
    pub include_pad: bool,
    pub multiplier: Multiplier,
    pub clamp: Clamp,
}

pub(super) fn average(layer: &Average, a: &Value, x: &[i8], out: &Value, y: &mut [i8]) {
    let channels = out.shape.c();
    for (index, pixel) in y.chunks_exact_mut(channels).enumerate() {
        let (rows, cols) = inside(&layer.window, index, a, out);
        let seen = rows.taps.len() * cols.taps.len();
        let divisor = if layer.include_pad { layer.window.taps() } else { seen } as i64;
        let mantissa = ((i64::from(layer.multiplier.mantissa) + divisor / 2) / divisor) as i32;
        let multiplier = Multiplier { mantissa, ..layer.multiplier };
        for (block, codes) in pixel.chunks_mut(BLOCK).enumerate() {
            let mut sums = [-(seen as i32) * a.zero(); BLOCK];
            positions(&layer.window, (&rows, &cols), a, |at| {
                let values = &x[at + block * BLOCK..][..codes.len()];
                for (sum, &value) in sums.iter_mut().zip(values) {
                    *sum += i32::from(value);
                }
            });
            for (code, acc) in codes.iter_mut().zip(sums) {
                let (zero, clamp) = (out.quant.zero_point, layer.clamp);
                *code = quant::requantize(acc, multiplier, zero, clamp.lo, clamp.hi);
            }
        }
    }
}

pub(super) fn max(window: &Window, a: &Value, x: &[i8], out: &Value, y: &mut [i8]) {
    let channels = out.shape.c();
    for (index, pixel) in y.chunks_exact_mut(channels).enumerate() {
        let (rows, cols) = inside(window, index, a, out);
        pixel.fill(i8::MIN);
        positions(window, (&rows, &cols), a, |at| {
            for (code, &value) in pixel.iter_mut().zip(&x[at..at + channels]) {
                *code = (*code).max(value);
            }
        });
    }
}

fn inside(window: &Window, index: usize, a: &Value, out: &Value) -> (Inside, Inside) {
    let (oy, ox) = (index / out.shape.w(), index % out.shape.w());
    (Inside::at(window, 0, oy, a.shape.h()), Inside::at(window, 1, ox, a.shape.w()))
}

/// Calls `each` with the first byte of every pixel under the window.
fn positions(window: &Window, (rows, cols): (&Inside, &Inside), a: &Value, mut each: impl FnMut(usize)) {
    let [dy, dx] = window.dilation.map(usize::from);
    for i in 0..rows.taps.len() {
        for j in 0..cols.taps.len() {
            each(((rows.start + i * dy) * a.shape.w() + cols.start + j * dx) * a.shape.c());
        }
    }
}
