//! Functions with bit-identical results on every processor.
//!
//! tract-core's vector kernels approximate sigmoid, exponential, hyperbolic tangent and softmax in
//! ways that differ between processors, and the functions of C libraries differ in the last bit.
//! The output of the converter must not depend on that. All functions here are sums and products
//! that are rounded one by one, or those of `libm`.

use offshoot_core::graph::Unary;
use pulp::{Arch, NullaryFnOnce};
use tract_core::internal::*;

/// Function of values or of pixels, as a tract operation.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Function {
    /// Elementwise function.
    Each(Unary),
    /// Softmax over the channels of each pixel: `exp(x)` divided by the sum of all.
    Softmax,
}

// Constants are finite, so equality is an equivalence.
impl Eq for Function {}

impl Function {
    /// Returns the function, if tract-core's results differ between processors.
    pub fn of(unary: Unary) -> Option<Self> {
        let differs = matches!(
            unary,
            Unary::Sigmoid
                | Unary::Tanh
                | Unary::HardSwish
                | Unary::Exp
                | Unary::Erf
                | Unary::LeakyRelu { .. }
                | Unary::Power { .. }
                | Unary::Log
                | Unary::Step
        );
        differs.then_some(Self::Each(unary))
    }
}

impl Op for Function {
    fn name(&self) -> StaticName {
        "OffshootFunction".into()
    }

    op_as_typed_op!();
}

impl EvalOp for Function {
    op_out_of_plan!();

    fn eval(&self, _ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let mut values = args_1!(inputs).into_tensor();
        let channels = values.shape().last().copied().unwrap_or(1);
        let mut plain = values.try_as_plain_ram_mut()?;
        let values_mut = plain.as_slice_mut::<f32>()?;
        match *self {
            Self::Each(unary) => Arch::new().dispatch(Each { unary, values: values_mut }),
            Self::Softmax => Arch::new().dispatch(Softmax { channels, values: values_mut }),
        }
        Ok(tvec!(values.into_tvalue()))
    }
}

impl TypedOp for Function {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(inputs[0].without_value()))
    }

    as_op!();
}

/// Elementwise function: plain loops, compiled for the instruction set of the processor.
struct Each<'a> {
    unary: Unary,
    values: &'a mut [f32],
}

impl NullaryFnOnce for Each<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let values = self.values.iter_mut();
        match self.unary {
            Unary::Sigmoid => values.for_each(|v| *v = 1.0 / (1.0 + exp(-*v))),
            Unary::Exp => values.for_each(|v| *v = exp(*v)),
            Unary::HardSwish => values.for_each(|v| *v *= (*v / 6.0 + 0.5).clamp(0.0, 1.0)),
            Unary::LeakyRelu { slope } => {
                values.for_each(|v| *v *= if *v < 0.0 { slope } else { 1.0 })
            }
            Unary::Tanh => values.for_each(|v| *v = libm::tanhf(*v)),
            Unary::Erf => values.for_each(|v| *v = libm::erff(*v)),
            Unary::Power { exponent } => values.for_each(|v| *v = libm::powf(*v, exponent)),
            Unary::Log => values.for_each(|v| *v = libm::logf(*v)),
            Unary::Step => values.for_each(|v| *v = f32::from(u8::from(*v > 0.0))),
            other => unreachable!("{other:?} is tract-core's"),
        }
    }
}

struct Softmax<'a> {
    channels: usize,
    values: &'a mut [f32],
}

impl NullaryFnOnce for Softmax<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        for pixel in self.values.chunks_exact_mut(self.channels.max(1)) {
            let largest = pixel.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            pixel.iter_mut().for_each(|v| *v = exp(*v - largest));
            let sum: f32 = pixel.iter().sum();
            pixel.iter_mut().for_each(|v| *v /= sum);
        }
    }
}

/// Returns the exponential with a relative error of at most 2e-7; zero below -87, infinite above
/// 88.
///
/// Cody and Waite's reduction to a power of two and a remainder within half of ln 2, and the
/// polynomial of Cephes' `expf` (Moshier 1989).
#[inline(always)]
fn exp(x: f32) -> f32 {
    const LARGEST: f32 = 88.0;
    const SMALLEST: f32 = -87.0;
    // ln 2 in two parts; products with the first are exact.
    const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
    const POLYNOMIAL: [f32; 6] =
        [1.987_569_1e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5];
    /// Rounding constant: added to a small number, it leaves the nearest integer in the last bits.
    const ROUND: f32 = 12_582_912.0;
    let inside = x.clamp(SMALLEST, LARGEST);
    let rounded = inside * std::f32::consts::LOG2_E + ROUND;
    let power = rounded - ROUND;
    let rest = inside - power * LN_2[0] - power * LN_2[1];
    let sum = POLYNOMIAL.iter().fold(0.0, |sum, c| sum * rest + c);
    let mantissa = sum * rest * rest + rest + 1.0;
    let exponent = f32::from_bits((rounded.to_bits() << 23).wrapping_add(1f32.to_bits()));
    if x > LARGEST {
        f32::INFINITY
    } else if x < SMALLEST {
        0.0
    } else {
        mantissa * exponent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn each(unary: Unary, values: &[f32]) -> Vec<f32> {
        let mut values = values.to_vec();
        Arch::new().dispatch(Each { unary, values: &mut values });
        values
    }

    /// Returns values from -20 to 20, and values whose exponential is not finite.
    fn values() -> Vec<f32> {
        let inside = (-20_000..=20_000).map(|i| i as f32 / 1000.0);
        inside.chain([-1e30, -90.0, -86.9, 87.9, 1e30, f32::NEG_INFINITY, f32::INFINITY]).collect()
    }

    #[test]
    fn functions_are_near_those_in_double_precision() {
        type Wanted = fn(f64) -> f64;
        let cases: [(Unary, Wanted); 5] = [
            (Unary::Exp, libm::exp),
            (Unary::Sigmoid, |x| 1.0 / (1.0 + libm::exp(-x))),
            (Unary::Tanh, libm::tanh),
            (Unary::Erf, libm::erf),
            (Unary::HardSwish, |x| if x < -3.0 { 0.0 } else { x * (x / 6.0 + 0.5).min(1.0) }),
        ];
        for (unary, wanted) in cases {
            for (got, x) in
                each(unary, &values()).into_iter().zip(values()).filter(|(_, x)| x.abs() < 88.0)
            {
                let wanted = wanted(x.into());
                let error = (f64::from(got) - wanted).abs() / wanted.abs().max(1e-30);
                assert!(
                    error < 4e-7 || (f64::from(got) - wanted).abs() < 1e-7,
                    "{unary:?} {x}: {got} {wanted}"
                );
            }
        }
        assert_eq!(each(Unary::Exp, &[-1e30, 1e30, 0.0]), [0.0, f32::INFINITY, 1.0]);
        assert!(each(Unary::Exp, &[f32::NAN])[0].is_nan());
        assert_eq!(each(Unary::LeakyRelu { slope: 0.5 }, &[-3.0, 3.0]), [-1.5, 3.0]);
        assert_eq!(each(Unary::Power { exponent: 2.0 }, &[3.0]), [9.0]);
        assert_eq!(each(Unary::Log, &[1.0, 0.0]), [0.0, f32::NEG_INFINITY]);
        assert_eq!(each(Unary::Step, &[-1.0, 0.0, 1e-30, f32::NAN]), [0.0, 0.0, 1.0, 0.0]);
    }

    #[test]
    fn shares_of_a_pixel_add_up_to_one() {
        let mut values = vec![1000.0, 1000.0, -1e30, 0.0, 0.0, 0.0];
        Arch::new().dispatch(Softmax { channels: 3, values: &mut values });
        assert_eq!(values, [0.5, 0.5, 0.0, 1.0 / 3.0, 1.0 / 3.0, 1.0 / 3.0]);
    }

    #[test]
    fn bits_are_those_of_other_processors() {
        let bits = |v: f32| if v.is_nan() { 0 } else { v.to_bits() };
        let sum =
            |values: Vec<f32>| values.into_iter().fold(0u32, |sum, v| sum.rotate_left(5) ^ bits(v));
        let unaries = [Unary::Exp, Unary::Sigmoid, Unary::Tanh, Unary::Erf, Unary::HardSwish];
        let wanted = [3_105_637_029, 4_112_288_400, 4_108_371_064, 1_124_659_634, 4_041_739_123];
        assert_eq!(unaries.map(|u| sum(each(u, &values()))), wanted);
    }
}
