//! Sum of two maps.

use offshoot_core::graph::{Affine, Clamp};
use offshoot_core::quant::shift_down;

use crate::step::Value;

pub(super) fn add(arena: &mut [i8], values: [&Value; 3], affine: Affine, factor: i16, clamp: Clamp) {
    let [a, b, out] = values;
    let sum = |x: i8, y: i8| {
        let acc = i32::from(x) * i32::from(affine.factor) + i32::from(y) * i32::from(factor) + affine.offset;
        shift_down(acc, affine.shift, clamp.lo, clamp.hi)
    };
    if a.offset == b.offset {
        // A tensor added to itself.
        let [x, z] = arena.get_disjoint_mut([a.range(), out.range()]).expect("planned apart");
        for (z, &x) in z.iter_mut().zip(x.iter()) {
            *z = sum(x, x);
        }
        return;
    }
    let [x, y, z] = arena.get_disjoint_mut([a.range(), b.range(), out.range()]).expect("planned apart");
    for ((z, &x), &y) in z.iter_mut().zip(x.iter()).zip(y.iter()) {
        *z = sum(x, y);
    }
}
