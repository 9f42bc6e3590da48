//! Average and max pools.

use core::ops::Range;

use offshoot_core::Multiplier;
use offshoot_core::graph::{Clamp, Window};

use super::Covered;
use super::small::Tail;
use crate::plan::step::Value;

/// Channels summed together, so that the compiler can vectorize.
const BLOCK: usize = 64;

/// Constants of an average pool.
pub(super) struct Average {
    pub window: Window,
    pub include_pad: bool,
    pub multiplier: Multiplier,
    pub clamp: Clamp,
}

/// Computes the values `range` of the result.
#[inline(always)] // compiled for the caller's instruction set
pub(super) fn average(
    layer: &Average,
    a: &Value,
    x: &[i8],
    out: &Value,
    range: Range<usize>,
    y: &mut [i8],
) {
    pixels(out.shape.c(), range, y, |index, first, codes| {
        let covered = Covered::at(&layer.window, index, a.shape, out.shape);
        let seen = covered.taps();
        let divisor = if layer.include_pad { layer.window.taps() } else { seen } as i64;
        let mantissa = ((i64::from(layer.multiplier.mantissa) + divisor / 2) / divisor) as i32;
        let multiplier = Multiplier { mantissa, ..layer.multiplier };
        let tail = Tail { multiplier, zero: out.quant.zero_point, clamp: layer.clamp };
        for (block, codes) in codes.chunks_mut(BLOCK).enumerate() {
            let mut sums = [-(seen as i32) * a.zero(); BLOCK];
            // So few values are summed before they are added to 32 bits that 16 bits suffice.
            let mut parts = [0i16; BLOCK];
            let mut count = 0;
            positions(&layer.window, &covered, a, |at| {
                let values = &x[at + first + block * BLOCK..][..codes.len()];
                for (part, &value) in parts.iter_mut().zip(values) {
                    *part += i16::from(value);
                }
                count += 1;
                if count == i16::MAX / 128 {
                    flush(&mut sums, &mut parts);
                    count = 0;
                }
            });
            flush(&mut sums, &mut parts);
            tail.codes(255 * seen as u64, &sums, codes);
        }
    });
}

#[inline(always)] // as above
fn flush(sums: &mut [i32; BLOCK], parts: &mut [i16; BLOCK]) {
    for (sum, part) in sums.iter_mut().zip(parts) {
        *sum += i32::from(core::mem::take(part));
    }
}

/// Computes the values `range` of the result.
#[inline(always)] // as above
pub(super) fn max(
    window: &Window,
    a: &Value,
    x: &[i8],
    out: &Value,
    range: Range<usize>,
    y: &mut [i8],
) {
    pixels(out.shape.c(), range, y, |index, first, codes| {
        let covered = Covered::at(window, index, a.shape, out.shape);
        codes.fill(i8::MIN);
        positions(window, &covered, a, |at| {
            let values = &x[at + first..][..codes.len()];
            for (code, &value) in codes.iter_mut().zip(values) {
                *code = (*code).max(value);
            }
        });
    });
}

/// Calls `each` with every pixel that has values in `range`: its index, the first channel, the
/// values.
#[inline(always)] // as above
fn pixels(
    channels: usize,
    range: Range<usize>,
    y: &mut [i8],
    mut each: impl FnMut(usize, usize, &mut [i8]),
) {
    let mut at = range.start;
    let mut rest = y;
    while at < range.end {
        let first = at % channels;
        let (codes, later) = rest.split_at_mut((channels - first).min(range.end - at));
        at += codes.len();
        each((at - 1) / channels, first, codes);
        rest = later;
    }
}

/// Calls `each` with the first byte of every pixel under the window.
#[inline(always)] // as above
fn positions(window: &Window, covered: &Covered, a: &Value, mut each: impl FnMut(usize)) {
    let Covered { rows, cols } = covered;
    let [dy, dx] = window.dilation.map(usize::from);
    for i in 0..rows.taps.len() {
        for j in 0..cols.taps.len() {
            each(((rows.start + i * dy) * a.shape.w() + cols.start + j * dx) * a.shape.c());
        }
    }
}
