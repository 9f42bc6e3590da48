//! Functions of one value and of two.

use core::ops::Range;

use offshoot_core::graph::{Binary, Unary};
use offshoot_core::quant::single;

use super::super::Codes;
use super::{Bytes, bytes, float, values, values_mut};
use crate::plan::step::Value;

/// Most values at a time of an operand that is copied because the result overwrites it.
const VALUES: usize = 256;

/// Most values at a time that are changed in their place: they stay in the first-level cache where
/// they are copied there first.
const LENT: usize = 1024;

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

/// Computes a function of the values of a block and one other value into the block.
#[inline(always)] // as above
fn with_one(op: Binary, a: &mut [Bytes], b: f32) {
    match op {
        Binary::Add => apply(a, |a| a + b),
        Binary::Sub => apply(a, |a| a - b),
        Binary::Mul => apply(a, |a| a * b),
        Binary::Div => apply(a, |a| a / b),
        Binary::Max => apply(a, |a| single::larger(a, b)),
        Binary::Min => apply(a, |a| single::smaller(a, b)),
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
    for start in range.clone().step_by(LENT) {
        let len = LENT.min(range.end - start);
        let (x, _) = codes.lend(a.offset + 4 * start, out.offset + 4 * start, 4 * len, 0..0);
        function(unary, values_mut(x));
    }
}

#[inline(always)] // as above
pub(super) fn constant(
    codes: &mut impl Codes,
    op: Binary,
    constants: &[Bytes],
    [a, whole, out]: [&Value; 3],
    range: Range<usize>,
) {
    // Constants lie as a whole tensor wants them, of which `a` may be a part: a text's positions.
    let whole = whole.shape;
    let channels = out.shape.c();
    let per_value = constants.len() > whole.c();
    let period = if per_value && whole == out.shape { constants.len() } else { channels };
    let mut start = range.start;
    while start < range.end {
        let channel = start % period;
        let len = LENT.min(range.end - start).min(period - channel);
        let mut place = channel;
        if per_value && whole != out.shape {
            let [y, x] = [start / channels / out.shape.w(), start / channels % out.shape.w()];
            place += (y * whole.w() + x) * whole.c();
        }
        let (x, _) = codes.lend(a.offset + 4 * start, out.offset + 4 * start, 4 * len, 0..0);
        pairs(op, values_mut(x), &constants[place..place + len]);
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
    let whole = b.shape == out.shape;
    let apart = b.range().end <= out.offset || out.range().end <= b.offset;
    let most = if apart { LENT } else { VALUES };
    let channels = if whole { out.shape.elements() } else { out.shape.c() };
    let mut start = range.start;
    while start < range.end {
        let channel = start % channels;
        let len = most.min(range.end - start).min(channels - channel);
        let [x, y] = [a, out].map(|value| value.offset + 4 * start);
        let other = if whole { b.offset + 4 * start } else { repeated(start, b, out) };
        if !whole && b.shape.c() == 1 {
            let mut one = [Bytes::default()];
            codes.read(other, &mut one[0]);
            let (x, _) = codes.lend(x, y, 4 * len, 0..0);
            with_one(op, values_mut(x), float(one[0]));
        } else if apart {
            let (x, other) = codes.lend(x, y, 4 * len, other..other + 4 * len);
            pairs(op, values_mut(x), values(other));
        } else {
            codes.read(other, block[..len].as_flattened_mut());
            let (x, _) = codes.lend(x, y, 4 * len, 0..0);
            pairs(op, values_mut(x), &block[..len]);
        }
        start += len;
    }
}

/// Returns the offset of the value of `b` that is repeated for value `start` of the result.
#[inline(always)] // as above
fn repeated(start: usize, b: &Value, out: &Value) -> usize {
    let pixel = start / out.shape.c();
    let y = (pixel / out.shape.w()).min(b.shape.h() - 1);
    let x = (pixel % out.shape.w()).min(b.shape.w() - 1);
    let channel = (start % out.shape.c()).min(b.shape.c() - 1);
    b.offset + 4 * ((y * b.shape.w() + x) * b.shape.c() + channel)
}
