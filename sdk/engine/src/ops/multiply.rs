//! Product of two maps, or of a map and one value per channel.

use offshoot_core::graph::Clamp;
use offshoot_core::{Multiplier, quant};

use crate::step::Value;

pub(super) fn multiply(arena: &mut [i8], values: [&Value; 3], multiplier: Multiplier, clamp: Clamp) {
    let [a, b, out] = values;
    // A vector is read again for every pixel. Operands and result may lie in one place.
    let period = b.shape.elements();
    for (i, at) in out.range().enumerate() {
        let (x, y) = (i32::from(arena[a.offset + i]), i32::from(arena[b.offset + i % period]));
        let product = (x - a.zero()) * (y - b.zero());
        arena[at] = quant::requantize(product, multiplier, out.quant.zero_point, clamp.lo, clamp.hi);
    }
}
