//! Functions of one value and of two.

use core::ops::Range;

use offshoot_core::graph::{Binary, Unary};
use offshoot_core::quant::single;

use super::super::Codes;
use super::{Bytes, bytes, float};
use crate::plan::step::Value;

/// Most values at a time: enough that copies cost little beside the function.
const VALUES: usize = 256;

type Block = [Bytes; VALUES];

/// True if this version of the engine has the function.
pub(super) fn is_known(unary: Unary) -> bool {
    matches!(
        unary,
        Unary::Clamp { .. }
            | Unary::Sigmoid
            | Unary::Tanh
            | Unary::HardSwish
            | Unary::Exp
            | Unary::Sqrt
            | Unary::Erf
            | Unary::Abs
            | Unary::LeakyRelu { .. }
            | Unary::Power { .. }
            | Unary::Log
            | Unary::Step
            | Unary::Gelu
    )
}

/// Applies a function to every value. The loop stands here, as the compiler leaves closures of an
/// iterator alone, without the caller's instruction set.
#[inline(always)] // compiled for the caller's instruction set
fn apply(values: &mut [Bytes], function: impl Fn(f32) -> f32) {
    for value in values {
        *value = bytes(function(float(*value)));
    }
}

/// Applies a function to every pair of values, and leaves the results in the first.
#[inline(always)] // as above
fn apply_to_pairs(a: &mut [Bytes], b: &[Bytes], function: impl Fn(f32, f32) -> f32) {
    for (a, b) in a.iter_mut().zip(b) {
        *a = bytes(function(float(*a), float(*b)));
    }
}

/// Computes a function of the values of a block.
#[inline(always)] // as above
fn function(unary: Unary, x: &mut [Bytes]) {
    match unary {
        Unary::Clamp { lo, hi } => {
            apply(x, |x| if x < lo { lo } else { x });
            apply(x, |x| if x > hi { hi } else { x });
        }
        Unary::Sigmoid => apply(x, single::sigmoid),
        Unary::Tanh => apply(x, single::tanh),
        Unary::HardSwish => {
            apply(x, |x| x * single::smaller(single::larger(x / 6.0 + 0.5, 0.0), 1.0))
        }
        Unary::Exp => apply(x, single::exp),
        Unary::Sqrt => apply(x, single::sqrt),
        Unary::Erf => apply(x, single::erf),
        Unary::Abs => apply(x, f32::abs),
        Unary::LeakyRelu { slope } => apply(x, |x| if x < 0.0 { slope * x } else { x }),
        Unary::Power { exponent } => apply(x, |x| single::power(x, exponent)),
        Unary::Log => apply(x, single::log),
        Unary::Step => apply(x, |x| if x > 0.0 { 1.0 } else { 0.0 }),
        Unary::Gelu => apply(x, single::gelu),
        _ => unreachable!("planned: a function of this version"),
    }
}

/// Computes a function of the values of two blocks into the first.
#[inline(always)] // as above
fn pairs(op: Binary, a: &mut [Bytes], b: &[Bytes]) {
    match op {
        Binary::Add => apply_to_pairs(a, b, |a, b| a + b),
        Binary::Sub => apply_to_pairs(a, b, |a, b| a - b),
        Binary::Mul => apply_to_pairs(a, b, |a, b| a * b),
        Binary::Div => apply_to_pairs(a, b, |a, b| a / b),
        Binary::Max => apply_to_pairs(a, b, single::larger),
        Binary::Min => apply_to_pairs(a, b, single::smaller),
        _ => unreachable!("planned: a function of this version"),
    }
}

#[inline(always)] // as above
pub(super) fn unary(
    codes: &mut impl Codes,
    unary: Unary,
    [a, _, out]: [&Value; 3],
    range: Range<usize>,
) {
    let mut block: Block = [Bytes::default(); VALUES];
    for start in range.clone().step_by(VALUES) {
        let x = &mut block[..VALUES.min(range.end - start)];
        codes.read(a.offset + 4 * start, x.as_flattened_mut());
        function(unary, x);
        codes.write(out.offset + 4 * start, x.as_flattened());
    }
}

#[inline(always)] // as above
pub(super) fn constant(
    codes: &mut impl Codes,
    op: Binary,
    constants: &[Bytes],
    [a, _, out]: [&Value; 3],
    range: Range<usize>,
) {
    let period = constants.len();
    let mut block: Block = [Bytes::default(); VALUES];
    let mut start = range.start;
    while start < range.end {
        let place = start % period;
        let len = VALUES.min(range.end - start).min(period - place);
        let x = &mut block[..len];
        codes.read(a.offset + 4 * start, x.as_flattened_mut());
        pairs(op, x, &constants[place..place + len]);
        codes.write(out.offset + 4 * start, x.as_flattened());
        start += len;
    }
}

/// Computes a function of two feature maps; the second is repeated along axes of length 1.
#[inline(always)] // as above
pub(super) fn binary(
    codes: &mut impl Codes,
    op: Binary,
    [a, b, out]: [&Value; 3],
    range: Range<usize>,
) {
    let mut block: Block = [Bytes::default(); VALUES];
    let mut other: Block = [Bytes::default(); VALUES];
    let whole = b.shape == out.shape;
    let channels = if whole { out.shape.elements() } else { out.shape.c() };
    let mut start = range.start;
    while start < range.end {
        let channel = start % channels;
        let len = VALUES.min(range.end - start).min(channels - channel);
        let x = &mut block[..len];
        codes.read(a.offset + 4 * start, x.as_flattened_mut());
        let other = &mut other[..len];
        if whole {
            codes.read(b.offset + 4 * start, other.as_flattened_mut());
        } else {
            let pixel = start / channels;
            let y = (pixel / out.shape.w()).min(b.shape.h() - 1);
            let x = (pixel % out.shape.w()).min(b.shape.w() - 1);
            let at = b.offset + 4 * (y * b.shape.w() + x) * b.shape.c();
            if b.shape.c() == 1 {
                codes.read(at, &mut other[0]);
                other.fill(other[0]);
            } else {
                codes.read(at + 4 * channel, other.as_flattened_mut());
            }
        }
        pairs(op, x, other);
        codes.write(out.offset + 4 * start, x.as_flattened());
        start += len;
    }
}
