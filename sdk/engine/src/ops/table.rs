//! Look-up table: a function of one int8 value.

use core::ops::Range;

use super::{BLOCK, Codes};
use crate::plan::step::Value;

/// Looks up every value in `table`, which begins with the result for -128.
#[inline(always)] // compiled for the caller's instruction set
pub(super) fn table(
    codes: &mut impl Codes,
    table: &[i8],
    values: [&Value; 3],
    range: Range<usize>,
) {
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
