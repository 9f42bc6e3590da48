//! Code that the kernels for WebAssembly share: requantization, loads and stores.

use core::arch::wasm32::*;

use crate::kernels::job::Tail;
use crate::plan::requant_path::{self, ANY, LANES};

/// Output channels of a panel: two vectors of accumulators.
pub(crate) const PANEL: usize = 8;

/// Head of a panel: initial values and multipliers of the accumulators.
pub(crate) struct Head<const PATH: u8> {
    pub bias: [v128; 2],
    /// Mantissas, shifted if small.
    mantissas: [v128; 2],
    /// Lanes whose mantissa was shifted, so that the accumulator is not.
    small: [v128; 2],
    tail: Tail,
}

impl<const PATH: u8> Head<PATH> {
    /// Loads the head of a panel.
    ///
    /// # Safety
    /// A panel begins at `panel`.
    #[inline(always)]
    pub unsafe fn load(panel: *const i8, tail: Tail) -> Self {
        let words = panel.cast::<v128>();
        // SAFETY: a panel begins with 8 biases and 8 mantissas.
        let [b0, b1, m0, m1] = unsafe { [0, 1, 2, 3].map(|i| v128_load(words.add(i))) };
        let limit = if PATH == ANY { 0 } else { requant_path::limit(tail.shift) };
        let bits = requant_path::bits(tail.shift);
        let small = [m0, m1].map(|m| i32x4_gt(i32x4_splat(limit), m));
        let mantissas =
            [0, 1].map(|i| v128_bitselect(i32x4_shl([m0, m1][i], bits), [m0, m1][i], small[i]));
        Self { bias: [b0, b1], mantissas, small, tail }
    }

    /// Requantizes 8 accumulators; their codes are in both halves.
    #[inline(always)]
    pub fn codes(&self, acc: [v128; 2]) -> v128 {
        // Intermediate saturation changes nothing: results are clamped to a narrower range.
        let mut q = i16x8_narrow_i32x4(self.apply(acc[0], 0), self.apply(acc[1], 1));
        if PATH == ANY {
            q = i16x8_add_sat(q, q);
        }
        let zero = i16x8_splat(2 * i16::from(self.tail.zero) + 1);
        let wide = i16x8_shr(i16x8_add_sat(q, zero), 1);
        let codes = i8x16_max(i8x16_narrow_i16x8(wide, wide), i8x16_splat(self.tail.clamp.lo));
        i8x16_min(codes, i8x16_splat(self.tail.clamp.hi))
    }

    /// Returns `q` of [`crate::plan::requant_path`]; for [`RequantPath::Any`] its half, rounded.
    ///
    /// [`RequantPath::Any`]: crate::plan::requant_path::RequantPath::Any
    #[inline(always)]
    fn apply(&self, mut acc: v128, half: usize) -> v128 {
        let mantissas = self.mantissas[half];
        if PATH == ANY {
            let shift = u32::from(self.tail.shift);
            let shifted = i32x4_shl(acc, shift);
            let fits = i32x4_eq(i32x4_shr(shifted, shift), acc);
            let limit = v128_xor(i32x4_shr(acc, 31), i32x4_splat(i32::MAX));
            acc = v128_bitselect(shifted, limit, fits);
        } else if PATH == LANES {
            let shifted = i32x4_shl(acc, requant_path::bits(self.tail.shift));
            acc = v128_bitselect(acc, shifted, self.small[half]);
        }
        let mut products =
            [i64x2_extmul_low_i32x4(acc, mantissas), i64x2_extmul_high_i32x4(acc, mantissas)];
        if PATH == ANY {
            products = products.map(|x| i64x2_shl(i64x2_add(x, i64x2_splat(1 << 30)), 1));
        }
        i32x4_shuffle::<1, 3, 5, 7>(products[0], products[1])
    }
}

/// Stores the first `count` of 8 values.
///
/// # Safety
/// `out` has room for them.
#[inline(always)]
pub(crate) unsafe fn store(codes: v128, out: *mut i8, count: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        if count == PANEL {
            v128_store64_lane::<0>(codes, out.cast());
        } else {
            let bytes = i64x2_extract_lane::<0>(codes).to_le_bytes();
            out.cast::<u8>().copy_from_nonoverlapping(bytes.as_ptr(), count);
        }
    }
}

/// Loads the first `count` of 8 values, interleaved to 16 bits; the rest are zeros.
///
/// # Safety
/// `codes` holds `count` values.
#[inline(always)]
pub(crate) unsafe fn load(codes: *const i8, count: usize) -> v128 {
    // SAFETY: the caller's promise.
    unsafe {
        if count == PANEL {
            return i16x8_load_extend_i8x8(codes);
        }
        let mut bytes = [0i8; PANEL];
        bytes.as_mut_ptr().copy_from_nonoverlapping(codes, count);
        i16x8_load_extend_i8x8(bytes.as_ptr())
    }
}

/// Interleaves 8 values with 8 others: pairs of the first four, and of the last four.
#[inline(always)]
pub(crate) fn interleaved(a: v128, b: v128) -> [v128; 2] {
    [
        i16x8_shuffle::<0, 8, 1, 9, 2, 10, 3, 11>(a, b),
        i16x8_shuffle::<4, 12, 5, 13, 6, 14, 7, 15>(a, b),
    ]
}
