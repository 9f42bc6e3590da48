//! Operations on floats: single IEEE operations, none of them fused, in the order that
//! `sdk/docs/numerics.md` 5.9 states. Plain loops, compiled for the kernel's instruction set.
//!
//! Values lie in the arena as four bytes each, at any alignment.

use core::ops::Range;

use offshoot_core::graph::{Binary, FloatOp};
use offshoot_core::quant::single;

use super::Codes;
use crate::plan::step::{Step, StepOp};

pub(crate) mod each;
pub(crate) mod linear;
mod sums;

/// Bytes of a float.
pub(crate) type Bytes = [i8; 4];

/// True if this version of the engine has the operation.
pub(crate) fn is_known(op: &FloatOp) -> bool {
    match op {
        FloatOp::Unary(unary) => each::is_known(*unary),
        FloatOp::Binary(binary) | FloatOp::Constant { op: binary, .. } => matches!(
            binary,
            Binary::Add | Binary::Sub | Binary::Mul | Binary::Div | Binary::Max | Binary::Min
        ),
        FloatOp::Conv { .. }
        | FloatOp::AveragePool { .. }
        | FloatOp::MaxPool { .. }
        | FloatOp::Pad { .. }
        | FloatOp::Softmax
        | FloatOp::Flatten
        | FloatOp::Quantize
        | FloatOp::Dequantize
        | FloatOp::Permute(_)
        | FloatOp::Slice(_)
        | FloatOp::Upsample { .. }
        | FloatOp::MatMul { .. }
        | FloatOp::Linear { .. } => true,
        _ => false,
    }
}

/// Returns the value of four bytes.
#[inline(always)]
pub(crate) fn float(bytes: Bytes) -> f32 {
    f32::from_le_bytes(bytes.map(|byte| byte as u8))
}

/// Returns the four bytes of a value.
#[inline(always)]
pub(crate) fn bytes(value: f32) -> Bytes {
    value.to_le_bytes().map(|byte| byte as i8)
}

/// Returns bytes as values.
#[inline(always)]
pub(crate) fn values(bytes: &[i8]) -> &[Bytes] {
    bytes.as_chunks().0
}

/// Returns bytes as values to write.
#[inline(always)]
pub(crate) fn values_mut(bytes: &mut [i8]) -> &mut [Bytes] {
    bytes.as_chunks_mut().0
}

/// Computes the values `range`, in bytes, of the result of an elementwise operation.
#[inline(always)] // compiled for the caller's instruction set
pub(super) fn codes(step: &Step, weights: &[u8], range: Range<usize>, codes: &mut impl Codes) {
    let operands = [&step.a, &step.b, &step.out];
    let range = range.start / 4..range.end / 4;
    match step.op {
        StepOp::Ordered(FloatOp::Unary(unary)) => each::unary(codes, unary, operands, range),
        StepOp::Ordered(FloatOp::Binary(op)) => each::binary(codes, op, operands, range),
        StepOp::Ordered(FloatOp::Constant { op, values: constants }) => {
            each::constant(codes, op, values(constants.codes(weights)), operands, range);
        }
        _ => {}
    }
}

/// Computes the groups `range`, in bytes, of the result of an operation that puts it apart from its
/// operands `x` and `z`.
#[inline(always)] // as above
pub(super) fn groups(
    step: &Step,
    weights: &[u8],
    [x, z]: [&[i8]; 2],
    range: Range<usize>,
    y: &mut [i8],
) {
    let a = &step.a;
    let out = &step.out;
    let first = range.start / (out.shape.c() * out.width);
    match step.op {
        StepOp::Place { at } => {
            place(at, a.shape.c(), &x[first * a.shape.c() * 4..], out.shape.c(), y)
        }
        StepOp::Ordered(FloatOp::Softmax) => {
            let channels = a.shape.c();
            let x = &values(x)[range.start / 4..range.end / 4];
            for (y, x) in values_mut(y).chunks_exact_mut(channels).zip(x.chunks_exact(channels)) {
                softmax(x, y);
            }
        }
        StepOp::Ordered(FloatOp::MatMul { transposed }) => {
            let operands = [values(x), values(z)];
            sums::product(transposed, [a, &step.b, out], operands, first, values_mut(y));
        }
        StepOp::Ordered(FloatOp::Conv { window, groups, weights: w, bias }) => {
            let layer = sums::Layer {
                window,
                groups: groups.into(),
                weights: values(w.codes(weights)),
                bias: values(bias.codes(weights)),
            };
            sums::conv(&layer, [a, out], values(x), first, values_mut(y));
        }
        StepOp::Ordered(FloatOp::AveragePool { window, include_pad }) => {
            sums::average(&window, include_pad, [a, out], values(x), first, values_mut(y));
        }
        StepOp::Ordered(FloatOp::MaxPool { window }) => {
            sums::max(&window, [a, out], values(x), first, values_mut(y));
        }
        StepOp::Ordered(FloatOp::Quantize) => {
            let x = &values(x)[range];
            for (y, x) in y.iter_mut().zip(x) {
                *y = out.quant.quantize(float(*x));
            }
        }
        StepOp::Ordered(FloatOp::Dequantize) => {
            let x = &x[range.start / 4..range.end / 4];
            for (y, x) in values_mut(y).iter_mut().zip(x) {
                *y = bytes(a.quant.dequantize(*x));
            }
        }
        _ => {}
    }
}

/// Copies pixels of `from` values into the channels from `at` on of pixels of `to` channels.
fn place(at: usize, from: usize, x: &[i8], to: usize, y: &mut [i8]) {
    for (pixel, values) in y.chunks_exact_mut(4 * to).zip(x.chunks_exact(4 * from)) {
        pixel[4 * at..4 * (at + from)].copy_from_slice(values);
    }
}

/// Computes the softmax of one pixel.
#[inline(always)] // as above
fn softmax(x: &[Bytes], y: &mut [Bytes]) {
    let largest = sums::fold(x, f32::NEG_INFINITY, single::larger);
    for (y, x) in y.iter_mut().zip(x) {
        *y = bytes(single::exp(float(*x) - largest));
    }
    let sum = sums::sum(y);
    for y in y {
        *y = bytes(float(*y) / sum);
    }
}
