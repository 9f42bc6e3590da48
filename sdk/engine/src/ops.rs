//! Operations in portable Rust, one file each.

use core::ops::Range;

use offshoot_core::Shape;
use offshoot_core::graph::{FloatOp, Window};

use crate::pack::word;
use crate::plan::step::{Step, StepOp, Value};
use ordered::{Bytes, values, values_mut};

mod add;
mod conv;
mod depthwise;
mod moves;
mod multiply;
pub(crate) mod ordered;
mod pool;
mod small;
mod table;

/// True if operations in float are part of this build; plans refuse them otherwise.
pub(crate) const HAS_ORDERED: bool = cfg!(feature = "ordered");

/// Largest number of int8 values that [`Codes`] transfers at a time.
pub(crate) const BLOCK: usize = 256;

/// Access of elementwise operations to the arena; operands and result may share their place.
pub(crate) trait Codes {
    /// Copies int8 values of the arena from offset `at` on.
    fn read(&self, at: usize, codes: &mut [i8]);
    /// Writes int8 values of a result to the arena from offset `at` on.
    fn write(&mut self, at: usize, codes: &[i8]);
    /// Copies `len` bytes of an operand at offset `from` to the result at offset `to`, unless they
    /// lie there, and lends them to be changed, beside bytes of an operand that lies apart.
    fn lend(
        &mut self,
        from: usize,
        to: usize,
        len: usize,
        apart: Range<usize>,
    ) -> (&mut [i8], &[i8]);
    /// Replaces each value `code` with `table[code + 128]`.
    fn look_up(&self, table: &[i8; 256], codes: &mut [i8]);
}

/// Units into which a step can be divided for several threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Division {
    /// Not divisible: one thread runs the step.
    Whole,
    /// Single values, read and written through [`Codes`].
    Codes,
    /// Pixels of a linear layer, which needs scratch.
    Linear,
    /// Groups of n bytes, of a result that shares no byte with its operands.
    Groups(usize),
}

/// Returns the unit into which a step can be divided.
pub(crate) fn division(step: &Step) -> Division {
    match step.op {
        StepOp::Add { .. } | StepOp::Table { .. } | StepOp::Multiply { .. } => Division::Codes,
        StepOp::AveragePool { .. } | StepOp::MaxPool { .. } => Division::Groups(1),
        StepOp::Map { .. } => Division::Groups(step.out.shape.c()),
        StepOp::Place { .. } => Division::Groups(step.out.shape.c() * step.out.width),
        StepOp::Ordered(op) => match op {
            FloatOp::Linear { .. } => Division::Linear,
            FloatOp::Unary(_) | FloatOp::Binary(_) | FloatOp::Constant { .. } => Division::Codes,
            FloatOp::Flatten
            | FloatOp::Pad { .. }
            | FloatOp::Permute(_)
            | FloatOp::Slice(_)
            | FloatOp::Upsample { .. } => Division::Whole,
            _ => Division::Groups(step.out.shape.c() * step.out.width),
        },
        _ => Division::Whole,
    }
}

/// Computes the values `range` of the result of a step that divides into [`Division::Codes`].
#[inline(always)] // compiled for the caller's instruction set
pub(crate) fn codes(step: &Step, weights: &[u8], range: Range<usize>, codes: &mut impl Codes) {
    let values = [&step.a, &step.b, &step.out];
    match step.op {
        StepOp::Add { a, b, clamp } => add::add(codes, values, a, b, clamp, range),
        StepOp::Table { table } => table::table(codes, table.codes(weights), values, range),
        StepOp::Multiply { multiplier, clamp } => {
            multiply::multiply(codes, values, multiplier, clamp, range)
        }
        _ if HAS_ORDERED => ordered::codes(step, weights, range, codes),
        _ => {}
    }
}

/// Computes the values `range` of the result of a step that divides into [`Division::Groups`].
#[inline(always)] // as above
pub(crate) fn groups(
    step: &Step,
    weights: &[u8],
    [x, z]: [&[i8]; 2],
    range: Range<usize>,
    y: &mut [i8],
    look_up: impl Fn(&[i8; 256], &mut [i8]),
) {
    let a = &step.a;
    let out = &step.out;
    match step.op {
        StepOp::AveragePool { window, include_pad, multiplier, clamp } => {
            pool::average(
                &pool::Average { window, include_pad, multiplier, clamp },
                a,
                x,
                out,
                range,
                y,
            );
        }
        StepOp::MaxPool { window } => pool::max(&window, a, x, out, range, y),
        StepOp::Map { affine, clamp, at } => {
            let pixels = range.start / out.shape.c()..range.end / out.shape.c();
            let from = pixels.start * a.shape.c();
            let c = a.shape.c();
            let x = &x[from..pixels.end * c];
            moves::map(&moves::rescaled(affine, clamp), at, c, x, out.shape.c(), y, look_up);
        }
        _ if HAS_ORDERED => ordered::groups(step, weights, [x, z], range, y),
        _ => {}
    }
}

/// Runs a step that does not divide.
pub(crate) fn whole(step: &Step, weights: &[u8], x: &[i8], y: &mut [i8]) {
    let a = &step.a;
    let out = &step.out;
    match step.op {
        StepOp::Conv { window, groups, weights: w, bias, mantissas, shift, clamp } => {
            let requant =
                Requant { bias: bias.of(weights), mantissas: mantissas.of(weights), shift, clamp };
            conv::conv(
                &conv::Layer { window, groups, weights: w.codes(weights), requant },
                a,
                x,
                out,
                y,
            );
        }
        StepOp::Depthwise { window, weights: w, bias, mantissas, shift, clamp } => {
            let requant =
                Requant { bias: bias.of(weights), mantissas: mantissas.of(weights), shift, clamp };
            depthwise::depthwise(&window, w.codes(weights), &requant, a, x, out, y);
        }
        StepOp::Pad { top, left } => moves::pad([top, left], out.quant.zero_point, a, x, out, y),
        StepOp::Flatten => moves::flatten(a, x, y),
        StepOp::Permute(permutation) => moves::permute(&permutation, x, y),
        StepOp::Slice(slice) => moves::slice(slice, a, x, out, y),
        StepOp::Upsample { factor } => moves::upsample(factor, a, x, y),
        StepOp::Ordered(op) if HAS_ORDERED => whole_floats(op, [a, out], values(x), values_mut(y)),
        _ => {}
    }
}

/// Runs an operation that moves floats.
fn whole_floats(op: FloatOp, [a, out]: [&Value; 2], x: &[Bytes], y: &mut [Bytes]) {
    match op {
        FloatOp::Pad { pad: [top, left, ..] } => {
            moves::pad([top.into(), left.into()], Bytes::default(), a, x, out, y);
        }
        FloatOp::Flatten => moves::flatten(a, x, y),
        FloatOp::Permute(permutation) => moves::permute(&permutation, x, y),
        FloatOp::Slice(slice) => moves::slice(slice, a, x, out, y),
        FloatOp::Upsample { factor } => moves::upsample(factor, a, x, y),
        _ => {}
    }
}

/// Requantization of accumulators to int8, with constants per channel.
pub(crate) struct Requant<'a> {
    pub bias: &'a [u8],
    pub mantissas: &'a [u8],
    pub shift: u8,
    pub clamp: offshoot_core::graph::Clamp,
}

impl Requant<'_> {
    #[inline]
    pub fn bias(&self, channel: usize) -> i32 {
        word(self.bias, channel)
    }

    /// Requantizes an accumulator that already includes its bias.
    #[inline]
    pub fn code(&self, channel: usize, acc: i32, zero_point: i8) -> i8 {
        let multiplier = offshoot_core::Multiplier {
            mantissa: word(self.mantissas, channel),
            shift: self.shift,
        };
        offshoot_core::quant::requantize(acc, multiplier, zero_point, self.clamp.lo, self.clamp.hi)
    }
}

/// Taps of a window that lie inside the feature map, along one axis: kernel indices `taps`; the
/// first of them reads position `start`.
pub(crate) struct Inside {
    pub taps: Range<usize>,
    pub start: usize,
}

impl Inside {
    /// Finds the taps along `axis` (0: rows, 1: columns) for output position `o` of an input of
    /// length `n`.
    pub fn at(window: &Window, axis: usize, o: usize, n: usize) -> Self {
        let kernel = usize::from(window.kernel[axis]);
        let dilation = usize::from(window.dilation[axis]);
        let pad = usize::from(window.pad[axis]);
        let origin = o * usize::from(window.stride[axis]);
        // Position of tap k is origin + k * dilation - pad.
        let first = pad.saturating_sub(origin).div_ceil(dilation);
        let last = (n + pad).saturating_sub(origin).div_ceil(dilation).min(kernel);
        let first = first.min(last);
        Self { taps: first..last, start: (origin + first * dilation).saturating_sub(pad) }
    }
}

/// Taps of a window that lie inside the feature map, for one output pixel.
pub(crate) struct Covered {
    pub rows: Inside,
    pub cols: Inside,
}

impl Covered {
    /// Finds the taps for the output pixel with this index.
    pub fn at(window: &Window, index: usize, input: Shape, output: Shape) -> Self {
        let oy = index / output.w();
        let ox = index % output.w();
        Self {
            rows: Inside::at(window, 0, oy, input.h()),
            cols: Inside::at(window, 1, ox, input.w()),
        }
    }

    /// Returns the number of taps.
    pub fn taps(&self) -> usize {
        self.rows.taps.len() * self.cols.taps.len()
    }
}
