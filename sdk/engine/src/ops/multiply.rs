//! Product of two maps, or of a map and one value per channel.

use core::ops::Range;

use offshoot_core::graph::Clamp;
use offshoot_core::{Multiplier, quant};

use super::{BLOCK, Codes};
use crate::step::Value;

#[inline(always)] // compiled for the instruction set that asks
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
    let (mut x, mut y) = ([0i8; BLOCK], [0i8; BLOCK]);
    let mut start = range.start;
    while start < range.end {
        let place = start % period;
        let len = BLOCK.min(range.end - start).min(period - place);
        codes.read(a.offset + start, &mut x[..len]);
        codes.read(b.offset + place, &mut y[..len]);
        for (x, y) in x[..len].iter_mut().zip(&y[..len]) {
            let product = (i32::from(*x) - a.zero()) * (i32::from(*y) - b.zero());
            *x = quant::requantize(product, multiplier, out.quant.zero_point, clamp.lo, clamp.hi);
        }
        codes.write(out.offset + start, &x[..len]);
        start += len;
    }
}
