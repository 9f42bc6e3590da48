//! Product of two feature maps, or of a feature map and one value per channel.

use core::ops::Range;

use offshoot_core::Multiplier;
use offshoot_core::graph::Clamp;

use super::small::Tail;
use super::{BLOCK, Codes};
use crate::plan::step::Value;

#[inline(always)] // compiled for the caller's instruction set
pub(super) fn multiply(
    codes: &mut impl Codes,
    values: [&Value; 3],
    multiplier: Multiplier,
    clamp: Clamp,
    range: Range<usize>,
) {
    let [a, b, out] = values;
    // A vector is read again for every pixel.
    let period = b.shape.elements();
    let mut x = [0i8; BLOCK];
    let mut y = [0i8; BLOCK];
    let mut products = [0i32; BLOCK];
    let tail = Tail { multiplier, zero: out.quant.zero_point, clamp };
    let mut start = range.start;
    // Whole pixels at a time if several fit: then all blocks but the first have the same vector.
    let most = if period < BLOCK { BLOCK / period * period } else { BLOCK };
    let mut same = 0;
    while start < range.end {
        let place = start % period;
        let room = if period < BLOCK && place == 0 { most } else { most.min(period - place) };
        let len = room.min(range.end - start);
        codes.read(a.offset + start, &mut x[..len]);
        if period >= BLOCK || place > 0 || len > same {
            for (i, part) in y[..len].chunks_mut(period).enumerate() {
                codes.read(b.offset + if i == 0 { place } else { 0 }, part);
            }
            same = if place == 0 { len } else { 0 };
        }
        for ((product, x), y) in products.iter_mut().zip(&x[..len]).zip(&y[..len]) {
            *product = (i32::from(*x) - a.zero()) * (i32::from(*y) - b.zero());
        }
        tail.codes(255 * 255, &products[..len], &mut x[..len]);
        codes.write(out.offset + start, &x[..len]);
        start += len;
    }
}
