//! A function of one code, looked up.

use core::ops::Range;

use super::{BLOCK, Codes};
use crate::plan::step::Value;

/// `table` begins with the result for -128.
#[inline(always)] // compiled for the instruction set that asks
pub(super) fn table(codes: &mut impl Codes, table: &[i8], values: [&Value; 3], range: Range<usize>) {
    let [a, _, out] = values;
    let table: &[i8; 256] = table.try_into().expect("checked when the package was opened");
    let mut block = [0i8; BLOCK];
    for start in range.clone().step_by(BLOCK) {
        let block = &mut block[..BLOCK.min(range.end - start)];
        codes.read(a.offset + start, block);
        codes.look_up(table, block);
        codes.write(out.offset + start, block);
    }
}
