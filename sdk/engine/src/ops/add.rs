//! Sum of two feature maps.

use core::ops::Range;

use offshoot_core::graph::{Affine, Clamp};
use offshoot_core::quant::shift_down;

use super::{BLOCK, Codes};
use crate::plan::step::Value;

#[inline(always)] // compiled for the caller's instruction set
pub(super) fn add(
    codes: &mut impl Codes,
    values: [&Value; 3],
    affine: Affine,
    factor: i16,
    clamp: Clamp,
    range: Range<usize>,
) {
    let [a, b, out] = values;
    let mut x = [0i8; BLOCK];
    let mut y = [0i8; BLOCK];
    for start in range.clone().step_by(BLOCK) {
        let len = BLOCK.min(range.end - start);
        codes.read(a.offset + start, &mut x[..len]);
        codes.read(b.offset + start, &mut y[..len]);
        for (x, &y) in x[..len].iter_mut().zip(&y[..len]) {
            let acc = i32::from(*x) * i32::from(affine.factor)
                + i32::from(y) * i32::from(factor)
                + affine.offset;
            *x = shift_down(acc, affine.shift, clamp.lo, clamp.hi);
        }
        codes.write(out.offset + start, &x[..len]);
    }
}
