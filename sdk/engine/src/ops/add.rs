//! Sum of two maps.

use offshoot_core::graph::{Affine, Clamp};
use offshoot_core::quant::shift_down;

use crate::step::Value;

/// Codes summed at a time.
const BLOCK: usize = 256;

pub(super) fn add(arena: &mut [i8], values: [&Value; 3], affine: Affine, factor: i16, clamp: Clamp) {
    let [a, b, out] = values;
    let sum = |x: i8, y: i8| {
        let acc = i32::from(x) * i32::from(affine.factor) + i32::from(y) * i32::from(factor) + affine.offset;
        shift_down(acc, affine.shift, clamp.lo, clamp.hi)
    };
    // Through small buffers, because the result may lie where an operand does.
    let (mut x, mut y) = ([0i8; BLOCK], [0i8; BLOCK]);
    for start in (0..out.shape.elements()).step_by(BLOCK) {
        let len = BLOCK.min(out.shape.elements() - start);
        x[..len].copy_from_slice(&arena[a.offset + start..][..len]);
        y[..len].copy_from_slice(&arena[b.offset + start..][..len]);
        for ((z, &x), &y) in arena[out.offset + start..][..len].iter_mut().zip(&x).zip(&y) {
            *z = sum(x, y);
        }
    }
}
