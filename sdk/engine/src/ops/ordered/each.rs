//! Functions of one value and of two.

use core::ops::Range;

use offshoot_core::graph::{Binary, Unary};
use offshoot_core::quant::single;

use super::super::{BLOCK, Codes};
use super::{Bytes, bytes, float, values_mut};
use crate::plan::step::Value;

/// Largest number of values at a time.
const VALUES: usize = BLOCK / 4;

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

/// Applies a function to every value.
#[inline(always)] // compiled for the caller's instruction set
fn apply(values: &mut [f32], function: impl Fn(f32) -> f32) {
    values.iter_mut().for_each(|value| *value = function(*value));
}

/// Computes a function of the values of a block.
#[inline(always)] // as above
fn function(unary: Unary, x: &mut [f32]) {
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
fn pairs(op: Binary, a: &mut [f32], b: &[f32]) {
    let both = a.iter_mut().zip(b);
    match op {
        Binary::Add => both.for_each(|(a, b)| *a += b),
        Binary::Sub => both.for_each(|(a, b)| *a -= b),
        Binary::Mul => both.for_each(|(a, b)| *a *= b),
        Binary::Div => both.for_each(|(a, b)| *a /= b),
        Binary::Max => both.for_each(|(a, b)| *a = single::larger(*a, *b)),
        Binary::Min => both.for_each(|(a, b)| *a = single::smaller(*a, *b)),
        _ => unreachable!("planned: a function of this version"),
    }
}

/// Reads values of the arena.
#[inline(always)] // as above
fn read(codes: &impl Codes, at: usize, values: &mut [f32]) {
    let mut block = [Bytes::default(); VALUES];
    codes.read(at, block[..values.len()].as_flattened_mut());
    values.iter_mut().zip(block).for_each(|(value, bytes)| *value = float(bytes));
}

/// Writes values to the arena.
#[inline(always)] // as above
fn write(codes: &mut impl Codes, at: usize, values: &[f32]) {
    let mut block = [0i8; BLOCK];
    values_mut(&mut block).iter_mut().zip(values).for_each(|(slot, value)| *slot = bytes(*value));
    codes.write(at, &block[..4 * values.len()]);
}

#[inline(always)] // as above
pub(super) fn unary(
    codes: &mut impl Codes,
    unary: Unary,
    [a, _, out]: [&Value; 3],
    range: Range<usize>,
) {
    let mut block = [0.0; VALUES];
    for start in range.clone().step_by(VALUES) {
        let x = &mut block[..VALUES.min(range.end - start)];
        read(codes, a.offset + 4 * start, x);
        function(unary, x);
        write(codes, out.offset + 4 * start, x);
    }
}

#[inline(always)] // as above
pub(super) fn constant(
    codes: &mut impl Codes,
    op: Binary,
    constants: &[u8],
    [a, _, out]: [&Value; 3],
    range: Range<usize>,
) {
    let constants = constants.as_chunks::<4>().0;
    let period = constants.len();
    let mut block = [0.0; VALUES];
    let mut other = [0.0; VALUES];
    let mut start = range.start;
    while start < range.end {
        let place = start % period;
        let len = VALUES.min(range.end - start).min(period - place);
        read(codes, a.offset + 4 * start, &mut block[..len]);
        let stored = &constants[place..place + len];
        other.iter_mut().zip(stored).for_each(|(slot, value)| *slot = f32::from_le_bytes(*value));
        pairs(op, &mut block[..len], &other[..len]);
        write(codes, out.offset + 4 * start, &block[..len]);
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
    let mut block = [0.0; VALUES];
    let mut other = [0.0; VALUES];
    let whole = b.shape == out.shape;
    let channels = if whole { out.shape.elements() } else { out.shape.c() };
    let mut start = range.start;
    while start < range.end {
        let channel = start % channels;
        let len = VALUES.min(range.end - start).min(channels - channel);
        read(codes, a.offset + 4 * start, &mut block[..len]);
        let other = &mut other[..len];
        if whole {
            read(codes, b.offset + 4 * start, other);
        } else {
            let pixel = start / channels;
            let y = (pixel / out.shape.w()).min(b.shape.h() - 1);
            let x = (pixel % out.shape.w()).min(b.shape.w() - 1);
            let at = b.offset + 4 * (y * b.shape.w() + x) * b.shape.c();
            if b.shape.c() == 1 {
                read(codes, at, &mut other[..1]);
                other.fill(other[0]);
            } else {
                read(codes, at + 4 * channel, other);
            }
        }
        pairs(op, &mut block[..len], other);
        write(codes, out.offset + 4 * start, &block[..len]);
        start += len;
    }
}
