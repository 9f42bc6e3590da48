//! The operations, each in a file of its own, in portable Rust.

use core::ops::Range;

use offshoot_core::graph::Window;

use crate::pack::word;
use crate::plan::step::{Step, StepOp};

mod add;
mod conv;
mod depthwise;
mod moves;
mod multiply;
mod pool;
mod small;
mod table;

/// Codes that [`Codes`] hands over at a time.
pub(crate) const BLOCK: usize = 256;

/// Where element by element operations read and write; operands and result may lie in one place.
pub(crate) trait Codes {
    /// Copies codes of the arena from `at` on.
    fn read(&self, at: usize, codes: &mut [i8]);
    /// Puts codes of a result where they belong.
    fn write(&mut self, at: usize, codes: &[i8]);
    /// Puts `table[code + 128]` in the place of each code.
    fn look_up(&self, table: &[i8; 256], codes: &mut [i8]);
}

/// What a step can be divided into for several threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Division {
    /// Nothing: one thread does it.
    Whole,
    /// Codes one by one, read and written by way of [`Codes`].
    Codes,
    /// So many codes that belong together, of a result that shares no byte with its operand.
    Groups(usize),
}

/// How a step can be divided.
pub(crate) fn division(step: &Step) -> Division {
    match step.op {
        StepOp::Add { .. } | StepOp::Table { .. } | StepOp::Multiply { .. } => Division::Codes,
        StepOp::AveragePool { .. } | StepOp::MaxPool { .. } => Division::Groups(1),
        StepOp::Map { .. } => Division::Groups(step.out.shape.c()),
        _ => Division::Whole,
    }
}

/// The codes `range` of the result of a step that divides into [`Division::Codes`].
#[inline(always)] // compiled for the instruction set that asks
pub(crate) fn codes(step: &Step, weights: &[u8], range: Range<usize>, codes: &mut impl Codes) {
    let values = [&step.a, &step.b, &step.out];
    match step.op {
        StepOp::Add { a, b, clamp } => add::add(codes, values, a, b, clamp, range),
        StepOp::Table { table } => table::table(codes, table.codes(weights), values, range),
        StepOp::Multiply { multiplier, clamp } => multiply::multiply(codes, values, multiplier, clamp, range),
        _ => {}
    }
}

/// The codes `range` of the result of a step that divides into [`Division::Groups`].
#[inline(always)] // as above
pub(crate) fn groups(
    step: &Step,
    x: &[i8],
    range: Range<usize>,
    y: &mut [i8],
    look_up: impl Fn(&[i8; 256], &mut [i8]),
) {
    let (a, out) = (&step.a, &step.out);
    match step.op {
        StepOp::AveragePool { window, include_pad, multiplier, clamp } => {
            pool::average(&pool::Average { window, include_pad, multiplier, clamp }, a, x, out, range, y);
        }
        StepOp::MaxPool { window } => pool::max(&window, a, x, out, range, y),
        StepOp::Map { affine, clamp, at } => {
            let pixels = range.start / out.shape.c()..range.end / out.shape.c();
            let (from, c) = (pixels.start * a.shape.c(), a.shape.c());
            let x = &x[from..pixels.end * c];
            moves::map((affine, clamp), at, (c, x), (out.shape.c(), y), look_up);
        }
        _ => {}
    }
}

/// A step that does not divide.
pub(crate) fn whole(step: &Step, weights: &[u8], x: &[i8], y: &mut [i8]) {
    let (a, out) = (&step.a, &step.out);
    match step.op {
        StepOp::Conv { window, groups, weights: w, bias, mantissas, shift, clamp } => {
            let requant = Requant { bias: bias.of(weights), mantissas: mantissas.of(weights), shift, clamp };
            conv::conv(&conv::Layer { window, groups, weights: w.codes(weights), requant }, a, x, out, y);
        }
        StepOp::Depthwise { window, weights: w, bias, mantissas, shift, clamp } => {
            let requant = Requant { bias: bias.of(weights), mantissas: mantissas.of(weights), shift, clamp };
            depthwise::depthwise(&window, w.codes(weights), &requant, a, x, out, y);
        }
        StepOp::Pad { top, left } => moves::pad(top, left, a, x, out, y),
        StepOp::Flatten => moves::flatten(a, x, y),
        StepOp::Permute(permutation) => moves::permute(&permutation, x, y),
        StepOp::Slice(slice) => moves::slice(slice, a, x, out, y),
        StepOp::Upsample { factor } => moves::upsample(factor, a, x, y),
        _ => {}
    }
}

/// From accumulators to codes, channel by channel.
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

    /// The code of an accumulator that already holds its bias.
    #[inline]
    pub fn code(&self, channel: usize, acc: i32, zero_point: i8) -> i8 {
        let multiplier =
            offshoot_core::Multiplier { mantissa: word(self.mantissas, channel), shift: self.shift };
        offshoot_core::quant::requantize(acc, multiplier, zero_point, self.clamp.lo, self.clamp.hi)
    }
}

/// The taps of a window that lie inside the map, along one axis: kernel indices `taps`, of which
/// the first reads position `start`.
pub(crate) struct Inside {
    pub taps: Range<usize>,
    pub start: usize,
}

impl Inside {
    /// `axis` 0 is rows, 1 is columns; `o` is the output position, `n` the input's length.
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
