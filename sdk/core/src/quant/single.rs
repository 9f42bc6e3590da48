//! Functions of floats in single IEEE operations, each rounded by itself and none of them fused: the
//! same bits on every processor, and loops that compilers turn into vector instructions.
//!
//! `sdk/docs/numerics.md` 5.9 is the specification. Comparisons select values, so that it does not
//! depend on the processor which of two zeros is the larger; only the bits of NaN do.

/// Added to a number below 2^22, it leaves the nearest integer in the last bits, ties to even.
const ROUND: f32 = 12_582_912.0;

/// Returns the larger value, `b` if they are equal or `a` is NaN.
#[inline(always)]
#[must_use]
pub fn larger(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

/// Returns the smaller value, `b` if they are equal or `a` is NaN.
#[inline(always)]
#[must_use]
pub fn smaller(a: f32, b: f32) -> f32 {
    if a < b { a } else { b }
}

/// Returns the exponential with a relative error of at most 2e-7; zero below -87, infinite above
/// 88.
///
/// Cody and Waite's reduction to a power of two and a remainder within half of ln 2, and the
/// polynomial of Cephes' `expf` (Moshier 1989).
#[inline(always)]
#[must_use]
pub fn exp(x: f32) -> f32 {
    const LARGEST: f32 = 88.0;
    const SMALLEST: f32 = -87.0;
    // ln 2 in two parts; products with the first are exact.
    const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
    const POLYNOMIAL: [f32; 6] =
        [1.987_569_1e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5];
    let inside = smaller(LARGEST, larger(SMALLEST, x));
    let rounded = inside * core::f32::consts::LOG2_E + ROUND;
    let power = rounded - ROUND;
    let rest = inside - power * LN_2[0] - power * LN_2[1];
    let sum = POLYNOMIAL.iter().fold(0.0, |sum, c| sum * rest + c);
    let mantissa = sum * rest * rest + rest + 1.0;
    let exponent = f32::from_bits((rounded.to_bits() << 23).wrapping_add(1f32.to_bits()));
    let value = if x < SMALLEST { 0.0 } else { mantissa * exponent };
    if x > LARGEST { f32::INFINITY } else { value }
}

/// Returns the Gauss error function with an error of at most 5e-7.
///
/// A quotient of polynomials, that of Eigen's `erf` of floats (Guennebaud et al.).
#[inline(always)]
#[must_use]
pub fn erf(x: f32) -> f32 {
    const ABOVE: [f32; 7] = [
        -2.726_142_3e-10,
        2.770_681_4e-8,
        -2.101_024e-6,
        -5.692_506_4e-5,
        -7.349_906_3e-4,
        -2.954_6e-3,
        -1.609_603_3e-2,
    ];
    const BELOW: [f32; 5] =
        [-1.456_607_2e-5, -2.133_740_6e-4, -1.682_827e-3, -7.373_329_2e-3, -1.426_473_9e-2];
    // There the quotient is one, to the last bit.
    const ONE: f32 = 3.8125;
    let inside = smaller(ONE, larger(-ONE, x));
    let square = inside * inside;
    let quotient = inside * polynomial(square, ABOVE) / polynomial(square, BELOW);
    smaller(1.0, larger(-1.0, quotient))
}

/// Returns the value of a polynomial, the coefficient of the highest power first.
#[inline(always)]
fn polynomial<const N: usize>(x: f32, coefficients: [f32; N]) -> f32 {
    coefficients[1..].iter().fold(coefficients[0], |sum, c| sum * x + c)
}

/// Returns `x / 2 * (1 + erf(x / sqrt(2)))`.
#[inline(always)]
#[must_use]
pub fn gelu(x: f32) -> f32 {
    0.5 * x * (1.0 + erf(x * core::f32::consts::FRAC_1_SQRT_2))
}

/// Returns the hyperbolic tangent with an error of at most 2e-7.
#[inline(always)]
#[must_use]
pub fn tanh(x: f32) -> f32 {
    1.0 - 2.0 / (exp(2.0 * x) + 1.0)
}

/// Returns `1 / (1 + exp(-x))`.
#[inline(always)]
#[must_use]
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// Returns the square root, rounded to nearest.
#[inline(always)]
#[must_use]
pub fn sqrt(x: f32) -> f32 {
    libm::sqrtf(x)
}

/// Returns the natural logarithm by `libm`.
#[must_use]
pub fn log(x: f32) -> f32 {
    libm::logf(x)
}

/// Returns `x` to a power by `libm`.
#[must_use]
pub fn power(x: f32, exponent: f32) -> f32 {
    libm::powf(x, exponent)
}

/// Number of partial sums of [`total`].
pub const LANES: usize = 16;

/// Adds up partial sums, the second half to the first, until one is left.
#[inline(always)]
#[must_use]
pub fn total(mut sums: [f32; LANES]) -> f32 {
    let mut left = LANES;
    while left > 1 {
        left /= 2;
        for i in 0..left {
            sums[i] += sums[i + left];
        }
    }
    sums[0]
}

/// Quantization of the values of one pixel by their own range.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Steps {
    lo: f32,
    hi: f32,
    inverse: f32,
    /// Step: the real value of one unit; 0 if all values count as zero.
    pub scale: f32,
    /// Int8 value of 0.0.
    pub zero: i32,
}

impl Steps {
    /// Returns the quantization for values from `lo` to `hi`; `lo` is at most zero, `hi` at least.
    #[inline(always)]
    #[must_use]
    pub fn new(lo: f32, hi: f32) -> Self {
        let scale = (hi - lo) / 255.0;
        if !(f32::MIN_POSITIVE..f32::INFINITY).contains(&scale) {
            return Self { lo: 0.0, hi: 0.0, inverse: 0.0, scale: 0.0, zero: 0 };
        }
        let inverse = 1.0 / scale;
        Self { lo, hi, inverse, scale, zero: -128 - nearest(lo * inverse) }
    }

    /// Returns the int8 value of `x`; that of `lo` for NaN.
    #[inline(always)]
    #[must_use]
    pub fn code(self, x: f32) -> i8 {
        let inside = smaller(larger(x, self.lo), self.hi);
        (nearest(inside * self.inverse) + self.zero).clamp(-128, 127) as i8
    }
}

/// Rounds a number below 2^22 to nearest, ties to even.
#[inline(always)]
fn nearest(x: f32) -> i32 {
    (x + ROUND).to_bits() as i32 - ROUND.to_bits() as i32
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    type Functions = (fn(f32) -> f32, fn(f64) -> f64);

    fn values() -> Vec<f32> {
        (-20_000..=20_000).map(|i| i as f32 / 1000.0).collect()
    }

    #[test]
    fn functions_are_near_those_in_double_precision() {
        let gelu_of = |x: f64| x / 2.0 * (1.0 + libm::erf(x / core::f64::consts::SQRT_2));
        let cases: [Functions; 5] = [
            (exp, libm::exp),
            (erf, libm::erf),
            (tanh, libm::tanh),
            (sigmoid, |x| 1.0 / (1.0 + libm::exp(-x))),
            (gelu, gelu_of),
        ];
        for (at, (got, wanted)) in cases.into_iter().enumerate() {
            // GELU multiplies the error of `erf` by half of x.
            let most = if at == 4 { 1.5e-6 } else { 5e-7 };
            for x in values() {
                let wanted = wanted(x.into());
                let error = (f64::from(got(x)) - wanted).abs();
                assert!(error < most * wanted.abs().max(1.0), "{at} {x}: {} {wanted}", got(x));
            }
        }
        assert_eq!([-1e30, 1e30, 0.0].map(exp), [0.0, f32::INFINITY, 1.0]);
        assert_eq!([-1e30, 1e30].map(erf), [-1.0, 1.0]);
        assert_eq!([-1e30, 1e30].map(tanh), [-1.0, 1.0]);
        assert!(exp(f32::NAN).is_nan() && gelu(f32::NAN).is_nan());
    }

    /// Digests that every processor must give; Miri and QEMU run this test too.
    #[test]
    fn bits_are_those_of_other_processors() {
        let digest = |f: fn(f32) -> f32, step: usize| {
            let sum = |s: u32, v: f32| s.rotate_left(5) ^ f(v).to_bits();
            values().into_iter().step_by(step).fold(0, sum)
        };
        let functions = [exp, erf, tanh, sigmoid, gelu];
        let few = [1_556_877_818, 4_086_592_952, 2_996_893_208, 495_841_754, 2_871_102_825];
        assert_eq!(functions.map(|f| digest(f, 1000)), few);
        if !cfg!(miri) {
            let wanted =
                [1_779_133_961, 1_180_346_953, 3_644_377_913, 3_326_186_297, 2_978_207_766];
            assert_eq!(functions.map(|f| digest(f, 1)), wanted);
        }
    }

    #[test]
    fn a_pixel_has_the_whole_range_of_codes() {
        let steps = Steps::new(-1.0, 3.0);
        assert_eq!((steps.code(-1.0), steps.code(3.0), steps.zero), (-128, 127, -64));
        assert_eq!(steps.code(0.0), -64);
        for i in -100..=300 {
            let x = i as f32 / 100.0;
            let back = steps.scale * (i32::from(steps.code(x)) - steps.zero) as f32;
            assert!((back - x).abs() <= 0.51 * steps.scale, "{x}: {back}");
        }
        assert_eq!([f32::NAN, f32::INFINITY, -1e30].map(|x| steps.code(x)), [-128, 127, -128]);
    }

    #[test]
    fn ranges_without_a_step_count_as_zero() {
        for hi in [0.0, 1e-40, f32::INFINITY, f32::NAN] {
            let steps = Steps::new(0.0, hi);
            assert_eq!((steps.scale, steps.zero, steps.code(hi)), (0.0, 0, 0), "{hi}");
        }
        let all = Steps::new(f32::MIN, f32::MAX);
        assert_eq!((all.scale, all.code(1.0)), (0.0, 0));
    }
}
