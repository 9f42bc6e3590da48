//! A function of one code, looked up.

use crate::step::Value;

/// `table` begins with the result for -128. The result may lie where the operand does.
pub(super) fn table(arena: &mut [i8], table: &[i8], a: &Value, out: &Value) {
    for i in 0..a.shape.elements() {
        arena[out.offset + i] = table[(i16::from(arena[a.offset + i]) + 128) as usize];
    }
}
