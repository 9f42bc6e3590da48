//! Requantization of sums that are small, in operations that vectorize.

use offshoot_core::graph::Clamp;
use offshoot_core::{Multiplier, quant};

use crate::plan::requant_path;

/// Requantizes sums like [`quant::requantize`], by the fast method of [`crate::plan::requant_path`]
/// where sums are small enough.
#[derive(Clone, Copy)]
pub(super) struct Tail {
    pub multiplier: Multiplier,
    pub zero: i8,
    pub clamp: Clamp,
}

impl Tail {
    /// Requantizes sums of at most `largest` in absolute value.
    #[inline(always)] // compiled for the caller's instruction set
    pub fn codes(self, largest: u64, sums: &[i32], codes: &mut [i8]) {
        let bits = requant_path::bits(self.multiplier.shift);
        let mantissa = i64::from(self.multiplier.mantissa);
        let zero = i32::from(self.zero);
        let lo = i32::from(self.clamp.lo);
        let hi = i32::from(self.clamp.hi);
        if largest < requant_path::bearable(bits) {
            for (code, &sum) in codes.iter_mut().zip(sums) {
                let q = ((i64::from(sum << bits) * mantissa) >> 32) as i32;
                *code = (((q + 1) >> 1) + zero).clamp(lo, hi) as i8;
            }
        } else {
            for (code, &sum) in codes.iter_mut().zip(sums) {
                *code = quant::requantize(
                    sum,
                    self.multiplier,
                    self.zero,
                    self.clamp.lo,
                    self.clamp.hi,
                );
            }
        }
    }
}
