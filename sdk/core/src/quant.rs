//! Quantization arithmetic: integers that every kernel reproduces bit for bit.
//!
//! `sdk/docs/numerics.md` specifies the rules; this module implements them.

pub mod single;

use serde::{Deserialize, Serialize};

/// Real value of one quantization step; finite and greater than zero.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "f32", into = "f32")]
pub struct Scale(f32);

impl Scale {
    /// Scale of 1.
    pub const ONE: Self = Self(1.0);

    /// Checks that `step` is a normal, positive number; `None` otherwise.
    #[must_use]
    pub fn new(step: f32) -> Option<Self> {
        (step.is_normal() && step > 0.0).then_some(Self(step))
    }

    /// Returns the step as a number.
    #[must_use]
    pub fn get(self) -> f32 {
        self.0
    }
}

impl TryFrom<f32> for Scale {
    type Error = &'static str;

    fn try_from(step: f32) -> Result<Self, Self::Error> {
        Self::new(step).ok_or("a scale must be finite and greater than zero")
    }
}

impl From<Scale> for f32 {
    fn from(scale: Scale) -> Self {
        scale.0
    }
}

/// Affine quantization of a tensor: `real = scale * (code - zero_point)`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Quant {
    /// Real value of one step.
    pub scale: Scale,
    /// Quantized value of zero.
    pub zero_point: i8,
}

impl Quant {
    /// Returns the narrowest quantization that represents `min..=max`, with zero represented
    /// exactly.
    ///
    /// A range without width gets a scale of 1.
    #[must_use]
    pub fn from_range(min: f32, max: f32) -> Self {
        let min = min.min(0.0);
        let max = max.max(0.0);
        let Some(scale) = Scale::new((max - min) / 255.0) else {
            return Self { scale: Scale::ONE, zero_point: 0 };
        };
        let zero_point = round_to_i32(-128.0 - min / scale.get()).clamp(-128, 127) as i8;
        Self { scale, zero_point }
    }

    /// Returns the quantized value nearest to `real` (halves away from zero), clamped to `i8`; NaN
    /// gives the zero point.
    #[inline]
    #[must_use]
    pub fn quantize(self, real: f32) -> i8 {
        // Steps beyond this range saturate anyway; within it no sum overflows.
        let steps = round_to_i32((real / self.scale.get()).clamp(-512.0, 512.0));
        (steps + i32::from(self.zero_point)).clamp(-128, 127) as i8
    }

    /// Returns the real value of a quantized value.
    #[inline]
    #[must_use]
    pub fn dequantize(self, code: i8) -> f32 {
        self.scale.get() * (i32::from(code) - i32::from(self.zero_point)) as f32
    }
}

/// Rounds half away from zero and saturates; NaN gives 0. `core` has no `f32::round`.
#[inline]
#[must_use]
pub fn round_to_i32(x: f32) -> i32 {
    // Largest number below one half: with one half itself, the number just below 0.5 would be
    // rounded up.
    const BELOW_HALF: f32 = 0.5 - 0.25 * f32::EPSILON;
    (x + BELOW_HALF.copysign(x)) as i32
}

/// Real factor in fixed point: `factor = mantissa * 2^(shift - 31)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Multiplier {
    /// Factor in Q31, applied after the left shift.
    pub mantissa: i32,
    /// Left shift of the accumulator, 0 to [`Multiplier::MAX_SHIFT`].
    pub shift: u8,
}

impl Multiplier {
    /// Largest left shift.
    pub const MAX_SHIFT: u8 = 15;

    /// Returns the multiplier nearest to `factor`, with the smallest shift that represents it.
    ///
    /// `None` unless `0 <= factor` and `factor` rounds to less than 2^15.
    #[must_use]
    pub fn new(factor: f64) -> Option<Self> {
        let shift = Self::shift_for(factor)?;
        Some(Self { mantissa: Self::mantissa_at(factor, shift), shift })
    }

    /// Returns the smallest shift under which `factor` is below 1; `None` if there is none.
    #[must_use]
    pub fn shift_for(factor: f64) -> Option<u8> {
        if !(0.0..32768.0).contains(&factor) {
            return None;
        }
        // A limit of 1 would let 0.9999999 round to 2^31, which does not fit.
        let limit = 1.0 - 1.0 / (1u64 << 31) as f64;
        (0..=Self::MAX_SHIFT).find(|&s| factor / f64::from(1u32 << s) < limit)
    }

    /// Returns the Q31 mantissa of `factor` under a given shift.
    #[must_use]
    pub fn mantissa_at(factor: f64, shift: u8) -> i32 {
        let scaled = factor / f64::from(1u32 << shift) * (1u64 << 31) as f64;
        libm::round(scaled).clamp(0.0, f64::from(i32::MAX)) as i32
    }

    /// Returns `round(acc * factor)`: see [`requantize`].
    #[inline]
    #[must_use]
    pub fn apply(self, acc: i32) -> i32 {
        mul_q31(shl_saturating(acc, self.shift), self.mantissa)
    }
}

/// Returns `acc * 2^shift`, saturating (NEON `SQSHL`).
#[inline]
#[must_use]
pub fn shl_saturating(acc: i32, shift: u8) -> i32 {
    let wide = i64::from(acc) << shift.min(31);
    wide.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32
}

/// Returns `floor((2 * a * b + 2^31) / 2^32)`, saturating (NEON `SQRDMULH`).
#[inline]
#[must_use]
pub fn mul_q31(a: i32, b: i32) -> i32 {
    let wide = (i64::from(a) * i64::from(b) + (1 << 30)) >> 31;
    wide.min(i64::from(i32::MAX)) as i32
}

/// Requantizes an accumulator: scales it, adds the zero point and clamps it to `lo..=hi`.
#[inline]
#[must_use]
pub fn requantize(acc: i32, multiplier: Multiplier, zero_point: i8, lo: i8, hi: i8) -> i8 {
    let code = multiplier.apply(acc).saturating_add(i32::from(zero_point));
    code.clamp(i32::from(lo), i32::from(hi)) as i8
}

/// Requantizes a sum of int8 values times 16-bit factors: `acc >> shift`, clamped.
///
/// Used for operands that are int8 values themselves (add, concat, change of scale); `acc` includes
/// the zero points and the half that makes the shift round to nearest.
#[inline]
#[must_use]
pub fn shift_down(acc: i32, shift: u8, lo: i8, hi: i8) -> i8 {
    (acc >> shift.min(31)).clamp(i32::from(lo), i32::from(hi)) as i8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_is_that_of_libm() {
        let near = |x: f32| {
            [-2i32, -1, 0, 1, 2].map(|ulps| f32::from_bits((x.to_bits() as i32 + ulps) as u32))
        };
        let halves = (0..2000)
            .flat_map(|i| near(i as f32 * 0.5))
            .chain(near(8_388_607.5))
            .chain(near(2.1e9));
        let others = (0..u32::MAX / 60_013).map(|i| f32::from_bits(i * 60_013));
        let extremes = [f32::NAN, f32::INFINITY, f32::MAX, f32::MIN_POSITIVE];
        for x in halves.chain(others).chain(extremes).flat_map(|x| [x, -x]) {
            assert_eq!(round_to_i32(x), libm::roundf(x) as i32, "{x:?}");
        }
    }

    #[test]
    fn range_holds_zero_exactly() {
        for (min, max) in [(0.0, 6.0), (-1.0, 1.0), (-2.1, 2.6), (0.5, 3.0), (-3.0, -1.0)] {
            let q = Quant::from_range(min, max);
            assert_eq!(q.dequantize(q.zero_point), 0.0, "{min} {max}");
            for real in [min, max, (min + max) / 2.0] {
                let back = q.dequantize(q.quantize(real));
                assert!(
                    (back - real).abs() <= q.scale.get() * 0.5001,
                    "{min} {max}: {real} -> {back}"
                );
            }
        }
    }

    #[test]
    fn degenerate_numbers() {
        let q = Quant::from_range(0.0, 0.0);
        assert_eq!(q.quantize(0.0), 0);
        assert_eq!(q.quantize(f32::NAN), 0);
        assert_eq!(q.quantize(f32::INFINITY), 127);
        assert_eq!(q.quantize(f32::NEG_INFINITY), -128);
        assert!(Scale::new(0.0).is_none() && Scale::new(f32::NAN).is_none());
        assert!(Scale::new(-1.0).is_none() && Scale::new(f32::MIN_POSITIVE / 2.0).is_none());
    }

    #[test]
    fn multiplier_matches_the_real_product() {
        for factor in [0.0, 1e-6, 0.0004, 0.37, 0.99999999999, 1.0, 1.5, 77.7] {
            let m = Multiplier::new(factor).unwrap();
            for acc in [-40_000, -257, -1, 0, 1, 3, 1000, 40_000] {
                let want = f64::from(acc) * factor;
                let got = f64::from(m.apply(acc));
                let slack = 0.5 + want.abs() * 1e-6 + 1e-6;
                assert!((got - want).abs() <= slack, "{acc} * {factor}: {got} {want}");
            }
        }
        assert!(Multiplier::new(-0.1).is_none() && Multiplier::new(f64::NAN).is_none());
        assert!(Multiplier::new(32768.0).is_none());
    }

    #[test]
    fn rounding_is_half_up() {
        let half = Multiplier::new(0.5).unwrap();
        assert_eq!([-3, -1, 1, 3].map(|a| half.apply(a)), [-1, 0, 1, 2]);
        assert_eq!(mul_q31(i32::MIN, i32::MIN), i32::MAX);
        assert_eq!(shl_saturating(i32::MAX, 1), i32::MAX);
        assert_eq!(shl_saturating(-5, 3), -40);
    }
}
